"""What goes into the training of a network: images, their split, their weights and statistics."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import _check_sample_weight

from ..utils._validation import refuse_masked
from ..utils._wording import shown

LARGEST_BATCH = 512
STEPS_AN_EPOCH = 32
STATISTICS_ROWS = 10_000
STATISTICS_VALUES = 2**24
"""Images and values from which mean and variance of the channels are taken, at most."""
BLOCK = 2**18
"""Values that are looked at at once."""


@dataclass(frozen=True)
class Images:
    """Some images of an array, with their labels and weights.

    The array itself is never copied: it may be memory-mapped and larger than
    the memory. ``images[rows]`` reads the pixels of some of the images.

    Attributes
    ----------
    X : ndarray of shape (n_all, height, width, channels)
        Any numeric dtype, memory-mapped or not.
    labels : ndarray of shape (n,), int
        Positions among the classes.
    weights : ndarray of shape (n,), float64
        Weight of each image; of the order of 1.
    positions : ndarray of shape (n,), int
        Where the images stand in ``X``.
    """

    X: NDArray[Any]
    labels: NDArray[np.int64]
    weights: NDArray[np.float64]
    positions: NDArray[np.int64]

    @classmethod
    def all(
        cls, X: NDArray[Any], labels: NDArray[np.int64], weights: NDArray[np.float64]
    ) -> "Images":
        """Return every image of an array."""
        return cls(X, labels, weights, np.arange(len(X)))

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, rows: NDArray[np.int64] | slice) -> NDArray[Any]:
        """Read the pixels of some of the images."""
        return self.X[self.positions[rows]]

    def subset(self, rows: NDArray[np.int64]) -> "Images":
        """Return some of the images, in the order given."""
        return Images(self.X, self.labels[rows], self.weights[rows], self.positions[rows])


def resolve_batch_size(batch_size: int | str, n_samples: int) -> int:
    """Return the images a step that the ``batch_size`` parameter means.

    "auto" is 512, less for small data: an epoch has 32 steps or more as long as
    a step has eight images, since few steps train little.

    Examples
    --------
    >>> from mnist_estimator.training._data import resolve_batch_size
    >>> [resolve_batch_size("auto", n) for n in (60_000, 1_797, 100)]
    [512, 57, 8]
    """
    if batch_size == "auto":
        return min(LARGEST_BATCH, max(8, math.ceil(n_samples / STEPS_AN_EPOCH)))
    return int(batch_size)


def check_weights(sample_weight: Any, X: NDArray[Any]) -> NDArray[np.float64]:
    """Return sample weights as a new array.

    Parameters
    ----------
    sample_weight : array-like of shape (n,), number or None
        As scikit-learn's estimators take them; None means 1 for every row.
    X : ndarray of shape (n, ...)
        What the weights belong to.

    Returns
    -------
    ndarray of shape (n,), float64

    Raises
    ------
    ValueError
        If the number of weights is another, or one is negative or not finite.
    """
    refuse_masked(sample_weight, "sample_weight")
    if isinstance(sample_weight, str) or np.asarray(sample_weight).dtype.kind == "c":
        raise ValueError(
            f"sample_weight must hold numbers from 0 up; got {shown(sample_weight)}. "
            "Pass one real number a row."
        )
    weights = _check_sample_weight(sample_weight, X, dtype=np.float64, copy=True)
    if not np.isfinite(weights).all():
        raise ValueError(
            "sample_weight must hold finite numbers from 0 up; got NaN or infinity. "
            "Give rows that should not count the weight 0."
        )
    if weights.min() < 0:
        raise ValueError(
            f"sample_weight must be 0 or more; got {weights.min():g}. "
            "Give rows that should not count the weight 0."
        )
    return weights


def class_weights(
    class_weight: Mapping[Any, float] | str | None,
    classes: NDArray[Any],
    labels: NDArray[np.int64],
    weights: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the weight of each class.

    Parameters
    ----------
    class_weight : dict, "balanced" or None
        The parameter. "balanced" weighs a class by ``total / (n_classes * own)``,
        where both count the rows by their sample weights; so a row of weight two
        is two rows, and one of weight zero none.
    classes : ndarray of shape (n_classes,)
        Labels of the classes.
    labels : ndarray of shape (n,), int
        Positions of the rows among the classes.
    weights : ndarray of shape (n,), float64
        Sample weights of the rows.

    Returns
    -------
    ndarray of shape (n_classes,), float64

    Raises
    ------
    ValueError
        If a weight is negative or not finite, or one is given for a label that
        is no class.
    """
    if isinstance(class_weight, str):  # "balanced"
        mass = np.bincount(labels, weights, minlength=len(classes)).astype(np.float64)
        present = mass > 0
        mass[present] = mass.sum() / (present.sum() * mass[present])
        return mass
    if class_weight is None:
        return np.ones(len(classes))
    unknown = [label for label in class_weight if label not in classes.tolist()]
    if unknown or not all(isinstance(weight, Real) for weight in class_weight.values()):
        raise ValueError(
            f"class_weight must be a dict of labels among the classes, {classes.tolist()}, and "
            f"numbers from 0 up; got {shown(dict(class_weight))}. Check the labels and their type."
        )
    given = np.array([class_weight.get(label, 1.0) for label in classes.tolist()], dtype=float)
    if not (np.isfinite(given).all() and given.min() >= 0):
        raise ValueError(
            "class_weight must hold finite numbers from 0 up; "
            f"got {shown(class_weight)}. Give classes that are not to count the weight 0."
        )
    return given


def weighted_images(
    X: NDArray[Any], labels: NDArray[np.int64], weights: NDArray[np.float64]
) -> Images:
    """Leave out images of weight zero; bring the mean of the other weights to 1.

    Raises
    ------
    ValueError
        If no weight is above 0.
    """
    rows = np.flatnonzero(weights)
    if len(rows) == 0:
        raise ValueError(
            "sample_weight and class_weight leave no row with a weight above 0. "
            "Give the rows that are to count a weight."
        )
    weights = weights[rows] / weights.max()
    return Images(X, labels[rows], weights / weights.mean(), rows)


def split_validation(
    labels: NDArray[np.int64], fraction: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split rows at random into training and validation, class by class.

    The share of all rows, rounded, is held out, and each class gives its part
    of it: what rounding leaves over goes to the classes with the largest
    remainders. Every class keeps at least one row for training, where
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
    classes, counts = np.unique(labels, return_counts=True)
    shares = fraction * counts
    given = np.floor(shares).astype(np.int64)
    n_left = math.floor(fraction * len(labels) + 0.5) - given.sum()
    by_remainder = np.lexsort((generator.random(len(classes)), given - shares))
    given[by_remainder[:n_left]] += 1
    given = np.minimum(given, counts - 1)
    held_out = np.zeros(len(labels), dtype=bool)
    for label, count in zip(classes, given, strict=True):
        rows = np.flatnonzero(labels == label)
        held_out[generator.permutation(rows)[:count]] = True
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def channel_statistics(images: Images) -> list[NDArray[np.float64]]:
    """Return the weighted mean and variance of each channel.

    Parameters
    ----------
    images : Images
        At most 10,000 of them, and of large images fewer, evenly spaced, are
        looked at.

    Returns
    -------
    mean, variance : ndarray of shape (channels,), float64
        The variance is 1 where it would be 0.

    Raises
    ------
    ValueError
        If a variance is too large for float32.
    """
    size = math.prod(images.X.shape[1:])
    n_rows = min(STATISTICS_ROWS, max(1, STATISTICS_VALUES // size))
    rows = np.arange(len(images))[:: -(-len(images) // n_rows)]
    weights = images.weights[rows] / images.weights[rows].sum()
    n_pixels = math.prod(images.X.shape[1:3])
    blocks = [
        slice(i, i + max(1, BLOCK // size)) for i in range(0, len(rows), max(1, BLOCK // size))
    ]

    def weighted_mean(of: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> NDArray:
        """Average over blocks of images, which fit into memory however many there are."""
        sums = [
            np.einsum("n,nhwc->c", weights[block], of(images[rows[block]].astype(np.float64)))
            for block in blocks
        ]
        return np.sum(sums, axis=0) / n_pixels

    mean = weighted_mean(lambda pixels: pixels)
    variance = weighted_mean(lambda pixels: np.square(pixels - mean))
    square = weighted_mean(np.square)
    # A channel that varies by no more than float32 can tell is constant.
    noise = np.square(np.finfo(np.float32).eps) * square
    variance[variance <= np.maximum(noise, np.finfo(np.float32).tiny)] = 1.0
    if variance.max() > np.finfo(np.float32).max:
        raise ValueError(
            f"The variance of X, {variance.max():g}, is too large for float32. "
            "Bring the images to a range such as [0, 1] with ImageScaler."
        )
    return [mean, variance]
