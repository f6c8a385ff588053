"""Early stopping: which epoch is the best, and when to stop waiting for a better one."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from ..utils._quiet_tensorflow import keras

INVERSE_TEMPERATURES = (0.01, 1.0)
"""Range of the factor by which temperature scaling multiplies logits."""


class EarlyStopping:
    """Keeps the weights of the best epoch.

    The best epoch is the last one whose validation loss exceeds the lowest by at most one
    standard error of the difference (the one-standard-error rule of L. Breiman and others,
    "Classification and regression trees", 1984).

    Parameters
    ----------
    model : keras.Model
        The network that is trained.
    patience : int
        Epochs after the best one before training stops.
    n_images : int
        Validation images.

    Attributes
    ----------
    best_epoch : int
        The best epoch so far, counted from 1; 0 before the first.
    """

    def __init__(self, model: keras.Model, patience: int, n_images: int) -> None:
        self.best_epoch = 0
        self._model = model
        self._patience = patience
        self._lowest = np.zeros(n_images)
        self._weights = model.get_weights()

    def update(self, epoch: int, losses: NDArray[np.float64], weights: NDArray[np.float64]) -> bool:
        """Compare an epoch with the best one, and keep the weights of the network if it is better.

        Parameters
        ----------
        epoch : int
            Number of the epoch, from 1.
        losses, weights : ndarray of shape (n_images,)
            Losses of the validation images, and their weights.

        Returns
        -------
        bool
            Whether training should stop.
        """
        if self.best_epoch and exceeds_by_one_standard_error(losses, self._lowest, weights):
            return epoch - self.best_epoch >= self._patience
        if not self.best_epoch or (losses - self._lowest) @ weights < 0:
            self._lowest = losses
        self._weights, self.best_epoch = self._model.get_weights(), epoch
        return False

    def restore(self) -> None:
        """Give the network the weights of the best epoch."""
        if self.best_epoch:
            self._model.set_weights(self._weights)

    def state(self) -> dict[str, NDArray[Any]]:
        """Return number, losses and weights of the best epoch, as arrays of constant shapes."""
        weights = {f"best_weight_{i}": weight for i, weight in enumerate(self._weights)}
        return {"best_number": np.array(self.best_epoch), "best_losses": self._lowest} | weights

    def resume(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Restore what :meth:`state` returned."""
        self.best_epoch, self._lowest = int(state["best_number"]), state["best_losses"]
        self._weights = [state[f"best_weight_{i}"] for i in range(len(self._weights))]


def cross_entropy(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the loss of each image.

    Parameters
    ----------
    logits : ndarray of shape (n, n_classes)
    labels : ndarray of shape (n,), int
        Indices of the classes.

    Returns
    -------
    ndarray of shape (n,), float64
    """
    return -log_softmax(logits, axis=1)[np.arange(len(logits)), labels]


def temperature_scale(
    logits: NDArray[np.float64], labels: NDArray[np.int64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Divide logits by the temperature, of at least 1, that minimizes the mean loss.

    So epochs are compared by discrimination, not by calibration. Importance sampling makes a
    network overconfident where many labels are wrong, long before the learning rate falls; the
    plain loss then rises while the network still improves.

    Parameters
    ----------
    logits : ndarray of shape (n, n_classes)
    labels : ndarray of shape (n,), int
        Indices of the classes.
    weights : ndarray of shape (n,)
        Weights of the images.

    Returns
    -------
    ndarray of shape (n, n_classes), float64

    Notes
    -----
    C. Guo and others, "On calibration of modern neural networks" (2017).

    Examples
    --------
    >>> import numpy as np
    >>> from mnist_estimator.training._early_stopping import temperature_scale
    >>> logits, labels = np.array([[4.0, 0.0]] * 4), np.array([0, 0, 0, 1])
    >>> scaled = temperature_scale(logits, labels, np.ones(4))
    >>> print(np.round(scaled[0], 2))  # three in four are correct: log 3 says so
    [1.1 0. ]
    """

    def mean_loss(inverse_temperature: float) -> float:
        losses = cross_entropy(inverse_temperature * logits, labels)
        return float(np.average(losses, weights=weights))

    best = minimize_scalar(
        mean_loss, bounds=INVERSE_TEMPERATURES, method="bounded", options={"xatol": 1e-4}
    )
    return logits * best.x if best.fun < mean_loss(1.0) else logits


def exceeds_by_one_standard_error(
    losses: NDArray[np.float64], others: NDArray[np.float64], weights: NDArray[np.float64]
) -> bool:
    """Tell whether mean losses of the same images differ by more than one standard error.

    Parameters
    ----------
    losses, others : ndarray of shape (n,)
        Losses of the images under two networks.
    weights : ndarray of shape (n,)
        Weights of the images.

    Returns
    -------
    bool
        Whether the weighted mean of ``losses - others`` exceeds its standard error.

    Examples
    --------
    >>> import numpy as np
    >>> from mnist_estimator.training._early_stopping import exceeds_by_one_standard_error
    >>> zeros, ones = np.zeros(4), np.ones(4)
    >>> exceeds_by_one_standard_error(np.array([1.0, 1.0, 1.0, 0.9]), zeros, ones)
    True
    >>> exceeds_by_one_standard_error(np.array([2.0, 1.0, -1.0, -1.0]), zeros, ones)
    False
    """
    differences = losses - others
    mean = np.average(differences, weights=weights)
    error = math.sqrt(np.square(weights * (differences - mean)).sum()) / weights.sum()
    return bool(mean > error)
