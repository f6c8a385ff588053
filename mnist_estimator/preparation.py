"""What goes into the training of a network: images, their split, their statistics."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGEST_BATCH = 128
STEPS_AN_EPOCH = 32
STATISTICS_ROWS = 10_000
"""Images from which the mean and the deviation of the channels are taken, at most."""


@dataclass
class Images:
    """Images with their labels.

    Attributes
    ----------
    X : ndarray of shape (n, height, width, channels)
        Any numeric dtype, memory-mapped or not.
    labels : ndarray of shape (n,), int
        Positions among the classes.
    weights : ndarray of shape (n,), float32
        Weight of each image; of the order of 1.
    """

    X: NDArray[Any]
    labels: NDArray[np.int64]
    weights: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.X)

    def rows(self, positions: NDArray[np.int64]) -> "Images":
        """Return some of the images, in the order given."""
        return Images(self.X[positions], self.labels[positions], self.weights[positions])


def resolve_batch_size(batch_size: int | str, n_samples: int) -> int:
    """Return the images a step that the ``batch_size`` parameter means.

    "auto" is 128, less for small data: an epoch has 32 steps or more as long as
    a step has eight images, since few steps train little.

    Examples
    --------
    >>> from mnist_estimator.preparation import resolve_batch_size
    >>> [resolve_batch_size("auto", n) for n in (60_000, 1_797, 100)]
    [128, 57, 8]
    """
    if batch_size == "auto":
        return min(LARGEST_BATCH, max(8, math.ceil(n_samples / STEPS_AN_EPOCH)))
    return int(batch_size)


def split_validation(
    labels: NDArray[np.int64], fraction: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split rows at random into training and validation, class by class.

    Every class gives its share, rounded, and keeps at least one row for
    training; so a class of a few rows gives none, where
    ``train_test_split(stratify=…)`` refuses to split.

    Parameters
    ----------
    labels : ndarray of shape (n,), int
        Class of each row.
    fraction : float in (0, 1)
        Share of the rows to hold out.
    seed : int
        Seeds the choice.

    Returns
    -------
    train, validation : ndarray of int
        Positions of the rows, ascending; ``validation`` may be empty.
    """
    generator = np.random.default_rng(seed)
    held_out = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        count = min(math.floor(fraction * len(rows) + 0.5), len(rows) - 1)
        held_out[generator.permutation(rows)[:count]] = True
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def channel_statistics(images: Images) -> list[NDArray[np.float32]]:
    """Return the weighted mean and variance of each channel.

    Parameters
    ----------
    images : Images
        At most 10,000 of them, evenly spaced, are looked at.

    Returns
    -------
    mean, variance : ndarray of shape (channels,), float32
        The variance is 1 where it would be 0.
    """
    every = slice(None, None, -(-len(images) // STATISTICS_ROWS))
    pixels = images.X[every].astype(np.float64)
    weights = images.weights[every] / images.weights[every].sum()
    mean = np.einsum("n,nhwc->c", weights, pixels) / (pixels.shape[1] * pixels.shape[2])
    square = np.einsum("n,nhwc->c", weights, np.square(pixels - mean))
    variance = square / (pixels.shape[1] * pixels.shape[2])
    # A channel that varies by no more than float32 can tell is constant.
    noise = np.square(np.finfo(np.float32).eps * np.abs(pixels).max(axis=(0, 1, 2)))
    variance[variance <= np.maximum(noise, np.finfo(np.float32).tiny)] = 1.0
    return [mean.astype(np.float32), variance.astype(np.float32)]
