"""Which epoch of a training is the best, and when no better one is to be expected."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from ..utils._quiet_tensorflow import keras

SHARES = (0.01, 1.0)
"""What logits may be multiplied by, before an epoch is judged."""


class BestEpoch:
    """The last epoch whose validation loss is not clearly above the lowest.

    Not clearly: by no more than one standard error of the difference (the rule of
    L. Breiman and others, "Classification and regression trees", 1984).

    Parameters
    ----------
    model : keras.Model
        What is trained.
    patience : int
        Epochs after the best one before training stops.
    n_images : int
        Validation images.

    Attributes
    ----------
    number : int
        The epoch, counted from 1; 0 before the first.
    """

    def __init__(self, model: keras.Model, patience: int, n_images: int) -> None:
        self.number = 0
        self._model = model
        self._patience = patience
        self._lowest = np.zeros(n_images)
        self._weights = model.get_weights()

    def judge(self, epoch: int, losses: NDArray[np.float64], weights: NDArray[np.float64]) -> bool:
        """Note an epoch, and keep the weights of the network if it is the best.

        Parameters
        ----------
        epoch : int
            Its number, counted from 1.
        losses, weights : ndarray of shape (n,)
            Losses of the validation images, and what each counts.

        Returns
        -------
        bool
            Whether training should stop.
        """
        if self.number and is_above(losses, self._lowest, weights):
            return epoch - self.number >= self._patience
        if not self.number or (losses - self._lowest) @ weights < 0:
            self._lowest = losses
        self._weights, self.number = self._model.get_weights(), epoch
        return False

    def restore(self) -> None:
        """Give the network the weights of the best epoch."""
        if self.number:
            self._model.set_weights(self._weights)

    def state(self) -> dict[str, NDArray[Any]]:
        """Return what :meth:`resume` needs, as arrays of the same shapes from the start."""
        weights = {f"best_weight_{i}": weight for i, weight in enumerate(self._weights)}
        return {"best_number": np.array(self.number), "best_losses": self._lowest} | weights

    def resume(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from where ``state`` was taken."""
        self.number, self._lowest = int(state["best_number"]), state["best_losses"]
        self._weights = [state[f"best_weight_{i}"] for i in range(len(self._weights))]


def cross_entropy(logits: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the loss of each image.

    Parameters
    ----------
    logits : ndarray of shape (n, n_classes)
    labels : ndarray of shape (n,), int
        Positions among the classes.

    Returns
    -------
    ndarray of shape (n,), float64
    """
    return -log_softmax(logits, axis=1)[np.arange(len(logits)), labels]


def softened(
    logits: NDArray[np.float64], labels: NDArray[np.int64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Take back the overconfidence of a network.

    All logits are multiplied by the share, of 1 at the most, that makes the mean loss
    lowest. Hard images are drawn more often than others, so where many labels are wrong,
    probabilities are off long before the learning rate falls, and the loss rises while the
    network learns. What it tells apart is what an epoch is judged by.

    Parameters
    ----------
    logits : ndarray of shape (n, n_classes)
    labels : ndarray of shape (n,), int
        Positions among the classes.
    weights : ndarray of shape (n,)
        What each image counts.

    Returns
    -------
    ndarray of shape (n, n_classes), float64

    Notes
    -----
    One temperature: C. Guo and others, "On calibration of modern neural networks" (2017).

    Examples
    --------
    >>> import numpy as np
    >>> from mnist_estimator.training._early_stopping import softened
    >>> logits, labels = np.array([[4.0, 0.0]] * 4), np.array([0, 0, 0, 1])
    >>> soft = softened(logits, labels, np.ones(4))
    >>> print(np.round(soft[0], 2))  # three in four are right: log 3 says as much
    [1.1 0. ]
    """

    def mean_loss(share: float) -> float:
        return float(np.average(cross_entropy(share * logits, labels), weights=weights))

    found = minimize_scalar(mean_loss, bounds=SHARES, method="bounded", options={"xatol": 1e-4})
    return logits * found.x if found.fun < mean_loss(1.0) else logits


def is_above(
    losses: NDArray[np.float64], others: NDArray[np.float64], weights: NDArray[np.float64]
) -> bool:
    """Tell whether mean losses of the same images differ by more than a standard error.

    Parameters
    ----------
    losses, others : ndarray of shape (n,)
        Losses of the images under two networks.
    weights : ndarray of shape (n,)
        Weights of the images.

    Returns
    -------
    bool
        Whether the weighted mean of ``losses - others`` is above its standard error.

    Examples
    --------
    >>> import numpy as np
    >>> from mnist_estimator.training._early_stopping import is_above
    >>> zeros, ones = np.zeros(4), np.ones(4)
    >>> is_above(np.array([1.0, 1.0, 1.0, 0.9]), zeros, ones)
    True
    >>> is_above(np.array([2.0, 1.0, -1.0, -1.0]), zeros, ones)
    False
    """
    differences = losses - others
    mean = np.average(differences, weights=weights)
    error = math.sqrt(np.square(weights * (differences - mean)).sum()) / weights.sum()
    return bool(mean > error)
