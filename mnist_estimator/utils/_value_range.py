"""The value range of the images in ``fit``, and the warning about images with another range.

The rule has three parts; `low` and `high` are the smallest and largest value seen in ``fit``, the
span is their difference, the contrast of an image is its largest value less its smallest.

- Too wide: half of the images or more leave [low, high] by more than a quarter of the span, or
  some leave it by more than three spans.
- Too narrow: all images together span less than a tenth of the median contrast in ``fit``.
- Another background: floating-point numbers from 0 to 1 where those in ``fit`` went below 0, or
  from -1 to 1 where they did not go so low, as between images scaled to [0, 1] or [-1, 1] and
  standardized ones.

Constant images, such as blank ones, are never too narrow.
"""

import math
import sys
import warnings
import weakref
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._exceptions import ValueRangeWarning
from ._scaled_images import ScaledImages

BEYOND = 0.25
"""Spans by which half of the images may leave the learned range."""

FAR_BEYOND = 3.0
"""Spans by which any image may leave the learned range."""

NARROW = 0.1
"""Smallest share of the median contrast that the values of a batch must span."""

SAMPLE = 2**22
"""Values of the images whose contrast is measured in ``fit``, and of those of a mapped file that
are examined."""

LARGEST = 1e18
"""Values up to here have squares, and sums of squares, that float32 still holds."""

_INSIDE = ("mnist_estimator.", "sklearn.", "contextlib", "joblib.")

_reported: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
"""Outputs of transformers whose input caused the warning, which the next step does not repeat."""


class ValueRange(NamedTuple):
    """The value range learned in ``fit``, as floats, which every file format can hold."""

    low: float
    high: float
    contrast: float
    """Median over the images that are not constant; 0 if all are."""


def learn_value_range(
    images: NDArray[Any] | ScaledImages, extremes: tuple[float, float] | None = None
) -> ValueRange:
    """Measure the values of training images.

    Parameters
    ----------
    images : ndarray or ScaledImages of shape (n, height, width, channels)
        Finite numbers of any dtype. Of a mapped file of bytes, a sample is measured.
    extremes : tuple of float, (low, high), default=None
        The smallest and largest value of `images`, where they are known already.

    Returns
    -------
    ValueRange
    """
    sample = _some(images)
    if isinstance(images, ScaledImages) or (images.dtype == np.uint8 and _is_mapped(images)):
        extremes = _extremes(sample)
    elif extremes is None:
        extremes = _extremes(images)
    lows, highs = _extremes_of_each(sample)
    contrasts = highs - lows
    contrasts = contrasts[contrasts > 0]
    return ValueRange(*extremes, float(np.median(contrasts)) if len(contrasts) else 0.0)


def extend_value_range(learned: ValueRange, images: NDArray[Any] | ScaledImages) -> ValueRange:
    """Extend a range by that of more training images, to each side by a quarter at most.

    Parameters
    ----------
    learned : ValueRange
        Of the training images before.
    images : ndarray or ScaledImages of shape (n, height, width, channels)

    Returns
    -------
    ValueRange
    """
    more = learn_value_range(images, _extremes(_some(images)))
    margin = BEYOND * (learned.high - learned.low)
    return ValueRange(
        max(min(learned.low, more.low), learned.low - margin),
        min(max(learned.high, more.high), learned.high + margin),
        learned.contrast,
    )


def warn_of_value_range(
    owner: str,
    images: NDArray[Any] | ScaledImages,
    learned: ValueRange,
    *,
    name: str = "X",
    extremes: tuple[float, float] | None = None,
) -> bool:
    """Issue a ``ValueRangeWarning`` if images have another range of values than those of ``fit``.

    Parameters
    ----------
    owner : str
        Class name of the estimator, for the message.
    images : ndarray or ScaledImages of shape (n, height, width, channels)
        Finite numbers of any dtype, at least one image. Of a mapped file, a sample is examined.
    learned : ValueRange
        Of the images in ``fit``.
    name : str, default="X"
        What the message calls the images.
    extremes : tuple of float, (low, high), default=None
        The smallest and largest value of `images`, where they are known already.

    Returns
    -------
    bool
        Whether the warning was issued.
    """
    span = learned.high - learned.low
    if span == 0:  # constant images teach no range
        return False
    if _is_mapped(images):
        images, extremes = _some(images), None
    low, high = extremes or _extremes(images)
    below, above = learned.low - BEYOND * span, learned.high + BEYOND * span
    too_wide = (low < below or high > above) and _leaves(images, learned, below, above)
    too_narrow = 0 < high - low < NARROW * learned.contrast
    other_background = (
        images.dtype.kind in "fb"
        and 0.9 <= high <= 1
        and (low == 0 > learned.low + NARROW * span or low == -1 < learned.low - NARROW * span)
    )
    if not (too_wide or too_narrow or other_background):
        return False
    warnings.warn(
        f"{name} has values from {low:.6g} to {high:.6g}, but {owner} was fitted on values from "
        f"{learned.low:.6g} to {learned.high:.6g}; results on another range of values are wrong. "
        f"{_remedy(name, low, high, learned)}",
        ValueRangeWarning,
        stacklevel=_levels_to_caller(),
    )
    return True


def is_moderate(low: float, high: float) -> bool:
    """Tell whether float32 computes with numbers in this range; NaN is in none."""
    return low >= -LARGEST and high <= LARGEST


def mark_reported(output: Any) -> None:
    """Record that the warning was issued for the input of a transformer with this output."""
    _reported[id(output)] = output


def is_reported(images: Any) -> bool:
    """Tell whether the warning was issued for the images that these were made from."""
    return _reported.get(id(images)) is images


def _is_mapped(images: Any) -> bool:
    """Tell whether images, or the array that they are a view of, lie in a file."""
    while not isinstance(images, ScaledImages | np.memmap):
        if images is None:
            return False
        images = getattr(images, "base", None)
    return True


def _some(images: Any) -> NDArray[Any]:
    """Return all images, or some spread evenly over them."""
    n_values = max(1, math.prod(images.shape[1:]))
    return np.asarray(images[:: math.ceil(len(images) * n_values / SAMPLE)])


def _extremes(images: NDArray[Any] | ScaledImages) -> tuple[float, float]:
    return float(images.min()), float(images.max())


def _extremes_of_each(images: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the smallest and the largest value of each image."""
    rows = images.reshape(len(images), -1)
    return rows.min(axis=1).astype(np.float64), rows.max(axis=1).astype(np.float64)


def _leaves(images: Any, learned: ValueRange, below: float, above: float) -> bool:
    """Tell whether half of the images leave these bounds, or some leave the range by far."""
    lows, highs = _extremes_of_each(np.asarray(images))
    n_outside = int(((lows < below) | (highs > above)).sum())
    far = FAR_BEYOND * (learned.high - learned.low)
    return 2 * n_outside >= len(images) or bool(
        lows.min() < learned.low - far or highs.max() > learned.high + far
    )


def _remedy(name: str, low: float, high: float, learned: ValueRange) -> str:
    fit = "or fit on images like these."
    if name == "X_val":
        return (
            "X_val seems not to be scaled as X is. In a pipeline, enable metadata routing before "
            "make_pipeline, or pass pipe[:-1].fit(X).transform(X_val)."
        )
    if min(low, learned.low) >= 0:
        if high <= 1 and 1 < learned.high <= 255:
            return f"If {name} was scaled to [0, 1], pass {name} * 255.0; {fit}"
        if learned.high <= 1 and 1 < high <= 255:
            return f"If {name} has bytes, pass {name} / 255.0; {fit}"
    return f"Bring {name} to the range of the training images, {fit}"


def _levels_to_caller() -> int:
    """Return the ``stacklevel`` that names the line outside of this package and scikit-learn."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(_INSIDE):
        level, frame = level + 1, frame.f_back
    return level
