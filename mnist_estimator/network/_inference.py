"""Probabilities from logits, with test-time augmentation of low-confidence images."""

import math
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

PREDICTION_BATCH = 256
"""Images per batch of a prediction: more no longer fit the processor's caches."""

MAX_BATCH_VALUES = 2**20
"""Most pixels that go through a network at once."""

BATCHES_IN_FLIGHT = 2
"""Batches predicted at a time, which keeps all of TensorFlow's threads busy."""

TTA_FULL_BELOW, TTA_NONE_FROM = 0.8, 0.9
"""Confidence below which test-time augmentation counts fully, and from which not at all."""

N_SHIFTS = 8
"""Shifted views of an image, one per side and corner."""

MIN_SIDE_SHIFTED = 16
"""Smallest image side, in pixels, for which "auto" shifts images."""


class LogitsNetwork(Protocol):
    """A network whose logits can be computed, by whatever library."""

    def logits(self, images: NDArray[Any]) -> NDArray[np.floating]:
        """Return the logits (n, n_classes) of images (n, height, width, channels)."""


def predict_probabilities(
    network: LogitsNetwork, images: NDArray[Any], shift: int = 0
) -> NDArray[np.float64]:
    """Return probabilities, with test-time augmentation of low-confidence images.

    Below a confidence of 0.9, logits are averaged over the image and its eight shifts; the weight
    of this mean rises from 0 to 1 at 0.8. These are few images, so it costs little.

    Parameters
    ----------
    network : LogitsNetwork
    images : ndarray of shape (n, height, width, channels)
        Any numeric dtype.
    shift : int, default=0
        Pixels, at most the side of the image; 0 for no test-time augmentation.

    Returns
    -------
    ndarray of shape (n, n_classes), float64
        Rows sum to 1.

    Raises
    ------
    FloatingPointError
        If a logit is not finite.

    Notes
    -----
    Averaging over shifted views: A. Krizhevsky, I. Sutskever, G. Hinton, "ImageNet classification
    with deep convolutional neural networks" (2012). On held-out digits the mean of the logits,
    that is the geometric mean of the probabilities, was more accurate than the arithmetic mean.
    """
    logits = network.logits(images)
    probabilities = _softmax(logits)
    if shift == 0:
        return probabilities
    confidence = probabilities.max(axis=1)
    if confidence.min(initial=1.0) >= TTA_NONE_FROM:  # most single images: 4 µs less
        return probabilities
    uncertain = np.flatnonzero(confidence < TTA_NONE_FROM)
    # In blocks, since shifted images are copies.
    block_size = BATCHES_IN_FLIGHT * PREDICTION_BATCH // N_SHIFTS
    for block in batches(len(uncertain), block_size, images.shape[1:]):
        rows = uncertain[block]
        views = _shifts(images[rows], shift)
        shifted = network.logits(views).reshape(N_SHIFTS, len(rows), -1)
        mean = _softmax((shifted.sum(axis=0) + logits[rows]) / (N_SHIFTS + 1))
        # A soft threshold, so that rounding makes no jump.
        share = (TTA_NONE_FROM - confidence[rows]) / (TTA_NONE_FROM - TTA_FULL_BELOW)
        share = np.clip(share, 0.0, 1.0)[:, np.newaxis]
        probabilities[rows] = share * mean + (1.0 - share) * probabilities[rows]
    return probabilities


def batches(n_images: int, largest: int, image_shape: tuple[int, ...]) -> list[slice]:
    """Return slices of as many images as may go through a network at once.

    Parameters
    ----------
    n_images : int
        All images.
    largest : int
        Most images of a slice; large images are fewer.
    image_shape : tuple of int, (height, width, channels)
    """
    size = max(1, min(largest, MAX_BATCH_VALUES // math.prod(image_shape)))
    return [slice(start, start + size) for start in range(0, n_images, size)]


def resolve_shift(test_time_shift: int | str, image_shape: tuple[int, int, int]) -> int:
    """Return the pixels that the ``test_time_shift`` parameter means.

    "auto" is 1, or 0 for images under 16 pixels high or wide.

    Examples
    --------
    >>> from mnist_estimator.network._inference import resolve_shift
    >>> resolve_shift("auto", (28, 28, 1)), resolve_shift("auto", (8, 8, 1))
    (1, 0)
    """
    if test_time_shift == "auto":
        return int(min(image_shape[:2]) >= MIN_SIDE_SHIFTED)
    return int(test_time_shift)


def _softmax(logits: NDArray[Any]) -> NDArray[np.float64]:
    values = logits.astype(np.float64)
    # SciPy's softmax would take a fifth of the time of a prediction for one image. In place, for
    # millions of images.
    values -= values.max(axis=1, keepdims=True)
    np.exp(values, out=values)
    values /= values.sum(axis=1, keepdims=True)
    return values


def _shifts(images: NDArray[Any], shift: int) -> NDArray[Any]:
    """Return images (8 * n, height, width, channels) shifted to each side; edges are mirrored."""
    height, width = images.shape[1:3]
    down, right = min(shift, height), min(shift, width)
    padded = np.pad(images, ((0, 0), (down, down), (right, right), (0, 0)), mode="symmetric")
    corners = [(y, x) for y in (0, down, 2 * down) for x in (0, right, 2 * right)]
    del corners[4]  # the image itself
    return np.concatenate([padded[:, y : y + height, x : x + width] for y, x in corners])


def finite(logits: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return logits; raise a ``FloatingPointError`` if one is not finite."""
    if not np.isfinite(logits).all():
        raise FloatingPointError(
            "The logits are not finite: these images are far larger than those of fit, or training "
            "diverged. Scale them as X was, or fit with a lower learning_rate."
        )
    return logits
