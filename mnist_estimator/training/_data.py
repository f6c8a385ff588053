"""From images and labels to training data: weights, the hold-out, channel statistics."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import _check_sample_weight

from ..utils._input_checks import refuse_masked
from ..utils._wording import shown

MIN_BATCH, MAX_BATCH = 8, 512
"""Smallest and largest batch size that "auto" means."""

MIN_STEPS_PER_EPOCH = 32
"""Steps per epoch that "auto" aims for on small data."""

MAX_STATISTICS_IMAGES, MAX_STATISTICS_VALUES = 10_000, 2**24
"""Most images, and pixel values, from which channel statistics are computed."""

BLOCK_VALUES = 2**18
"""Pixel values converted to float64 at once."""


class Samples(NamedTuple):
    """Checked images with labels, as they were given.

    Attributes
    ----------
    images : ndarray of shape (n, height, width, channels), or ScaledImages
        Any numeric dtype, memory-mapped or not.
    labels : ndarray of shape (n,), int
        Indices of the classes.
    sample_weight : array-like of shape (n,), number or None
        As given by the user; not checked.
    """

    images: Any
    labels: NDArray[np.int64]
    sample_weight: Any = None


@dataclass(frozen=True)
class Images:
    """Some images of an array, with labels and weights.

    The array is never copied: it may be memory-mapped and larger than memory. ``images[rows]``
    reads the pixels of some images.

    Attributes
    ----------
    X : ndarray of shape (n_all, height, width, channels)
        Any numeric dtype, memory-mapped or not.
    labels : ndarray of shape (n,), int
        Indices of the classes.
    weights : ndarray of shape (n,), float64
        Weight of each image; of the order of 1.
    positions : ndarray of shape (n,), int
        Indices of the images in ``X``.
    """

    X: NDArray[Any]
    labels: NDArray[np.int64]
    weights: NDArray[np.float64]
    positions: NDArray[np.int64]

    @classmethod
    def from_arrays(
        cls, X: NDArray[Any], labels: NDArray[np.int64], weights: NDArray[np.float64]
    ) -> "Images":
        """Return all images of an array.

        Parameters
        ----------
        X : ndarray of shape (n, height, width, channels)
        labels : ndarray of shape (n,), int
        weights : ndarray of shape (n,), float64
        """
        return cls(X, labels, weights, np.arange(len(X)))

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, rows: NDArray[np.int64] | slice) -> NDArray[Any]:
        """Read the pixels of some images."""
        return self.X[self.positions[rows]]

    def subset(self, rows: NDArray[np.int64]) -> "Images":
        """Return some of the images, in the given order."""
        return Images(self.X, self.labels[rows], self.weights[rows], self.positions[rows])


class TrainingData(NamedTuple):
    """Images to train on, and images to validate on or None."""

    training: Images
    validation: Images | None
    n_given: int
    """Images to train on with those held out."""


def prepare(
    samples: Samples,
    classes: NDArray[Any],
    class_weight: Mapping[Any, float] | str | None,
    *,
    validation: Samples | None = None,
    validation_fraction: float | None = None,
    fewest: int = 0,
    seed: int = 0,
) -> TrainingData:
    """Weigh images and split them into training and validation data.

    Parameters
    ----------
    samples : Samples
        What was given to ``fit``.
    classes : ndarray of shape (n_classes,)
        Labels of the classes.
    class_weight : dict, "balanced" or None
        The parameter; multiplied with the sample weights.
    validation : Samples or None, default=None
        Validation data given by the user.
    validation_fraction : float in (0, 1) or None, default=None
        Share of the images to hold out if ``validation`` is None; None holds out none.
    fewest : int, default=0
        Number of images with a weight below which none are held out.
    seed : int, default=0
        Seeds the choice of images to hold out.

    Returns
    -------
    TrainingData
        Images of weight 0 are left out; the other weights have mean 1. ``validation`` is None if
        no image could be held out.

    Raises
    ------
    ValueError
        If weights are negative, not finite, or all 0.
    """
    weights = check_weights(samples.sample_weight, samples.images)
    per_class = class_weights(class_weight, classes, samples.labels, weights)
    training = weighted_images(samples.images, samples.labels, weights * per_class[samples.labels])
    if validation is not None:
        weights = per_class[validation.labels]
        if weights.sum() == 0:
            raise ValueError(
                "class_weight leaves no row of y_val with a weight above 0. Give validation data "
                "of classes that count."
            )
        images = Images.from_arrays(validation.images, validation.labels, weights)
        return TrainingData(training, images, len(training))
    if validation_fraction is not None and len(training) >= fewest:
        rest, held_out = split_validation(training.labels, validation_fraction, seed)
        if len(held_out):
            return TrainingData(training.subset(rest), training.subset(held_out), len(training))
    return TrainingData(training, None, len(training))


def resolve_batch_size(batch_size: int | str, n_samples: int) -> int:
    """Return the images per step that the ``batch_size`` parameter means.

    "auto" is 512, or less for small data: an epoch has at least 32 steps as long as a step has at
    least eight images, since few steps train little.

    Examples
    --------
    >>> from mnist_estimator.training._data import resolve_batch_size
    >>> [resolve_batch_size("auto", n) for n in (60_000, 1_797, 100)]
    [512, 57, 8]
    """
    if batch_size == "auto":
        return min(MAX_BATCH, max(MIN_BATCH, math.ceil(n_samples / MIN_STEPS_PER_EPOCH)))
    return int(batch_size)


def check_weights(sample_weight: Any, X: NDArray[Any]) -> NDArray[np.float64]:
    """Return sample weights as a new array.

    Parameters
    ----------
    sample_weight : array-like of shape (n,), number or None
        As for scikit-learn's estimators; None means 1 for every row.
    X : ndarray of shape (n, ...)
        The samples.

    Returns
    -------
    ndarray of shape (n,), float64

    Raises
    ------
    ValueError
        If there are not n weights, or one is negative or not finite.
    """
    refuse_masked(sample_weight, "sample_weight")
    if isinstance(sample_weight, str) or np.asarray(sample_weight).dtype.kind == "c":
        raise ValueError(
            f"sample_weight must hold numbers from 0 up; got {shown(sample_weight)}. "
            "Pass one real number per row."
        )
    weights: NDArray[np.float64] = _check_sample_weight(
        sample_weight, X, dtype=np.float64, copy=True
    )
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

    scikit-learn's ``compute_class_weight`` takes no sample weights before its version 1.7, and
    refuses classes without rows, which ``partial_fit`` meets.

    Parameters
    ----------
    class_weight : dict, "balanced" or None
        The parameter. "balanced" gives a class the weight ``total / (n_classes * own)``, both
        sums of sample weights; so a row of weight two counts as two rows.
    classes : ndarray of shape (n_classes,)
        Labels of the classes.
    labels : ndarray of shape (n,), int
        Indices of the classes.
    weights : ndarray of shape (n,), float64
        Sample weights of the rows.

    Returns
    -------
    ndarray of shape (n_classes,), float64

    Raises
    ------
    ValueError
        If a weight is negative or not finite, or its label is not a class.
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
    """Leave out images of weight 0, and scale the other weights to mean 1.

    Parameters
    ----------
    X : ndarray of shape (n, height, width, channels)
    labels : ndarray of shape (n,), int
    weights : ndarray of shape (n,), float64
        From 0 up.

    Returns
    -------
    Images

    Raises
    ------
    ValueError
        If no weight is above 0.
    """
    rows = np.flatnonzero(weights)
    if len(rows) == 0:
        raise ValueError(
            "sample_weight and class_weight leave no row with a weight above 0. "
            "Give the rows that should count a weight."
        )
    weights = weights[rows] / weights.max()
    return Images(X, labels[rows], weights / weights.mean(), rows)


def split_validation(
    labels: NDArray[np.int64], fraction: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split rows at random into training and validation, stratified by class.

    The fraction of all rows, rounded, is held out; what rounding leaves over goes to the classes
    with the largest remainders. Every class keeps at least one row for training, where
    ``train_test_split(stratify=…)`` would refuse to split.

    Parameters
    ----------
    labels : ndarray of shape (n,), int
        Class of each row.
    fraction : float in (0, 1)
        Fraction of the rows to hold out.
    seed : int
        Seeds the choice.

    Returns
    -------
    train, validation : ndarray of int
        Indices of the rows, ascending; ``validation`` may be empty.
    """
    generator = np.random.default_rng(seed)
    classes, counts = np.unique(labels, return_counts=True)
    exact = fraction * counts
    n_held_out = np.floor(exact).astype(np.int64)
    n_left = math.floor(fraction * len(labels) + 0.5) - n_held_out.sum()
    by_remainder = np.lexsort((generator.random(len(classes)), n_held_out - exact))
    n_held_out[by_remainder[:n_left]] += 1
    n_held_out = np.minimum(n_held_out, counts - 1)
    held_out = np.zeros(len(labels), dtype=bool)
    for label, count in zip(classes, n_held_out, strict=True):
        rows = np.flatnonzero(labels == label)
        held_out[generator.permutation(rows)[:count]] = True
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def channel_statistics(images: Images) -> list[NDArray[np.float64]]:
    """Return the weighted mean and variance of each channel.

    Parameters
    ----------
    images : Images
        At most 10,000 of them, evenly spaced, are used; fewer if they are large.

    Returns
    -------
    mean, variance : ndarray of shape (channels,), float64
        The variance is 1 where a channel is constant.

    Raises
    ------
    ValueError
        If a variance is too large for float32.
    """
    size = math.prod(images.X.shape[1:])
    n_rows = min(MAX_STATISTICS_IMAGES, max(1, MAX_STATISTICS_VALUES // size))
    rows = np.arange(len(images))[:: -(-len(images) // n_rows)]
    weights = images.weights[rows] / images.weights[rows].sum()
    n_pixels = math.prod(images.X.shape[1:3])
    block_size = max(1, BLOCK_VALUES // size)
    blocks = [slice(i, i + block_size) for i in range(0, len(rows), block_size)]

    def weighted_mean(
        of: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    ) -> NDArray[np.float64]:
        """Average over blocks of images, so that copies take little memory."""
        sums = [
            np.einsum("n,nhwc->c", weights[block], of(images[rows[block]].astype(np.float64)))
            for block in blocks
        ]
        mean: NDArray[np.float64] = np.sum(sums, axis=0) / n_pixels
        return mean

    mean = weighted_mean(lambda pixels: pixels)
    variance = weighted_mean(lambda pixels: np.square(pixels - mean))
    square = weighted_mean(np.square)
    # A channel that varies by less than the precision of float32 is constant.
    noise = np.square(np.finfo(np.float32).eps) * square
    variance[variance <= np.maximum(noise, np.finfo(np.float32).tiny)] = 1.0
    if variance.max() > np.finfo(np.float32).max:
        raise ValueError(
            f"The variance of X, {variance.max():g}, is too large for float32. "
            "Bring the images to a range such as [0, 1] with ImageScaler."
        )
    return [mean, variance]
