"""The network in NumPy alone, for processes in which TensorFlow would hang."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ._architecture import convolutions, weight_shapes
from ._functions import Architecture, prediction_dtype

EPSILON = 1e-3
"""Added to the variance by Keras's batch normalization."""


class NumpyNetwork:
    """A network from :func:`~mnist_estimator.network._architecture.build_cnn`, computed by NumPy.

    It answers as TensorFlow does, to five digits, in several times the time.

    Parameters
    ----------
    architecture : tuple of pairs
        From :func:`~mnist_estimator.network._functions.freeze`.
    weights : sequence of ndarray
        As :func:`~mnist_estimator.network._architecture.weight_shapes` lists them.

    Raises
    ------
    ValueError
        If the weights are not those of this architecture.
    """

    def __init__(self, architecture: Architecture, weights: Sequence[NDArray[Any]]) -> None:
        self._sizes = dict(architecture)
        self._dtype = np.dtype(prediction_dtype(architecture))
        shapes = list(weight_shapes(**self._sizes))
        if [weight.shape for weight in weights] != shapes:
            raise ValueError(
                "The network is not the one that the parameters describe, and another cannot "
                "predict in a forked process. Predict in the process that made it."
            )
        self._weights = [np.asarray(weight, self._dtype) for weight in weights]

    def __call__(self, images: NDArray[Any]) -> NDArray[np.floating]:
        """Return the logits (n, n_classes) of images (n, height, width, channels)."""
        mean, variance, *members = self._weights
        standardized = (np.asarray(images, self._dtype) - mean) / np.sqrt(variance)
        n_members = self._sizes.get("ensemble_size", 1)
        size = len(members) // n_members
        logits = [
            self._logits(standardized, members[start : start + size])
            for start in range(0, len(members), size)
        ]
        return sum(logits[1:], start=logits[0]) / n_members

    def _logits(
        self, values: NDArray[np.floating], weights: list[NDArray[np.floating]]
    ) -> NDArray[np.floating]:
        """Return what one member answers to standardized images."""
        remaining, sizes = iter(weights), self._sizes
        shape, filters, kernel_size = sizes["image_shape"], sizes["filters"], sizes["kernel_size"]
        for conv in convolutions(shape, filters, kernel_size, sizes.get("compact", False)):
            values = _convolve(values, next(remaining), conv.padding)
            if not self._sizes["batch_norm"]:
                values += next(remaining)
            if conv.window:
                values = _pool(values, conv.window)
            if self._sizes["batch_norm"]:
                gamma, beta, mean, variance = itertools.islice(remaining, 4)
                scale = gamma / np.sqrt(variance + self._dtype.type(EPSILON))
                values = values * scale + (beta - mean * scale)
            np.maximum(values, 0, out=values)
        values = values.reshape(len(values), -1)
        while (kernel := next(remaining, None)) is not None:
            values = values @ kernel + next(remaining)
            if kernel is not weights[-2]:
                np.maximum(values, 0, out=values)
        return values


def _convolve(
    values: NDArray[np.floating], kernel: NDArray[np.floating], padding: str
) -> NDArray[np.floating]:
    """Convolve images (n, height, width, channels) with a kernel (rows, columns, in, out)."""
    rows, columns, channels, filters = kernel.shape
    if padding == "same":  # of an odd number of pixels, TensorFlow puts the larger half behind
        sides = [((size - 1) // 2, size // 2) for size in (rows, columns)]
        values = np.pad(values, ((0, 0), *sides, (0, 0)))
    windows = sliding_window_view(values, (rows, columns), axis=(1, 2))
    n, height, width = windows.shape[:3]
    windows = windows.transpose(0, 1, 2, 4, 5, 3).reshape(-1, rows * columns * channels)
    return (windows @ kernel.reshape(-1, filters)).reshape(n, height, width, filters)


def _pool(values: NDArray[np.floating], window: tuple[int, int]) -> NDArray[np.floating]:
    """Return the largest value of each window; what is left at the edge is dropped."""
    n, height, width, filters = values.shape
    rows, columns = height // window[0], width // window[1]
    values = values[:, : rows * window[0], : columns * window[1]]
    return values.reshape(n, rows, window[0], columns, window[1], filters).max(axis=(2, 4))
