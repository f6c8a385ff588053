"""The network in NumPy alone, for processes in which TensorFlow would hang."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..utils._tensorflow_process import check_process
from ._architecture import NetworkConfig
from ._build import Config
from ._inference import PREDICTION_BATCH, finite


class NumpyNetwork:
    """A network computed by NumPy.

    It agrees with TensorFlow to five digits, and takes several times as long.

    Parameters
    ----------
    config : NetworkConfig or KerasConfig
        The architecture.
    weights : sequence of ndarray
        Of the shapes that ``config.weight_shapes`` yields.

    Raises
    ------
    ValueError
        If the weights do not fit the config.
    RuntimeError
        If a user has built the network, which may have any layers, in a forked process.
    """

    def __init__(self, config: Config, weights: Sequence[NDArray[Any]]) -> None:
        if not isinstance(config, NetworkConfig):
            check_process("A network of your own")
            raise ValueError("NumPy computes this package's network only.")
        if [weight.shape for weight in weights] != list(config.weight_shapes()):
            raise ValueError(
                "The network is not the one that the parameters describe, and another cannot "
                "predict in a forked process. Predict in the process that made it."
            )
        self.config = config
        self._weights = [np.asarray(weight, config.prediction_dtype) for weight in weights]
        self._layers = config.layers()

    def logits(self, images: Any) -> NDArray[np.floating]:
        """Return the logits of images, batch by batch.

        Parameters
        ----------
        images : ndarray of shape (n, height, width, channels), or Images
            Any numeric dtype; may be memory-mapped.

        Returns
        -------
        ndarray of shape (n, n_classes), of dtype ``config.prediction_dtype``

        Raises
        ------
        FloatingPointError
            If a logit is not finite.
        """
        batches = self.config.batches(len(images), PREDICTION_BATCH)
        return finite(np.concatenate([self(images[rows]) for rows in batches]))

    def __call__(self, images: NDArray[Any]) -> NDArray[np.floating]:
        """Return the logits (n, n_classes) of images (n, height, width, channels)."""
        mean, variance, *members = self._weights
        standardized = (np.asarray(images, mean.dtype) - mean) / np.sqrt(variance)
        n_members = self.config.ensemble_size
        size = len(members) // n_members
        logits = [
            self._member_logits(standardized, members[start : start + size])
            for start in range(0, len(members), size)
        ]
        return sum(logits[1:], start=logits[0]) / n_members

    def _member_logits(
        self, values: NDArray[np.floating], weights: list[NDArray[np.floating]]
    ) -> NDArray[np.floating]:
        """Return the logits of one member of an ensemble for standardized images."""
        remaining = iter(weights)
        for layer in self._layers:
            own = [next(remaining) for _ in layer.weight_shapes()]
            values = layer.compute(values, own)
        return values
