"""What a predictor knows beside its network: classes, images, reject options."""

import math
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ..utils._image_shape import LARGEST_IMAGE
from ..utils._value_range import ValueRange


class Rejection(NamedTuple):
    """A reject option: what has a lower confidence gets the label."""

    threshold: float
    label: Any


class PredictorState(NamedTuple):
    """The state of a predictor.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
    image_shape : tuple of int, (height, width, channels)
    feature_names : list of str or None
        Names of the columns, if the pipeline was fitted on a data frame.
    learned_range : ValueRange or None
        The value range of the images in ``fit``; None if unknown.
    scaled_ranges : list of tuple of float, (low, high)
        What each scaler brings to [0, 1], in order.
    test_time_shift : int
        Pixels of test-time augmentation.
    rejections : list of Rejection
        Reject options, innermost first.
    """

    classes: NDArray[Any]
    image_shape: tuple[int, int, int]
    feature_names: list[str] | None = None
    learned_range: ValueRange | None = None
    scaled_ranges: tuple[tuple[float, float], ...] = ()
    test_time_shift: int = 0
    rejections: tuple[Rejection, ...] = ()

    @property
    def n_features(self) -> int:
        """Values of an image."""
        return math.prod(self.image_shape)

    @classmethod
    def from_json(cls, values: Any) -> Self:
        """Return the state from the JSON values in a file.

        Raises
        ------
        ValueError
            If they are no state.
        """
        try:
            stored = values["classes"]
            state = cls(
                np.array(stored["values"], dtype=np.dtype(stored["dtype"])),
                _shape(values["image_shape"]),
                _names(values["feature_names"]),
                _learned_range(values["learned_range"]),
                tuple(_range(pair) for pair in values["scaled_ranges"]),
                _count(values["test_time_shift"]),
                tuple(_rejection(pair) for pair in values["rejections"]),
            )
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
            raise ValueError(f"its predictor.json is not valid: {error!r:.300}.") from error
        state.check()
        return state

    def check(self) -> None:
        """Check that the parts fit together.

        Raises
        ------
        ValueError
            If they do not.
        """
        if self.classes.ndim != 1 or len(self.classes) < 2:
            raise ValueError("its predictor.json is not valid: it names fewer than two classes.")
        if self.feature_names is not None and len(self.feature_names) != self.n_features:
            raise ValueError(
                f"its predictor.json is not valid: {len(self.feature_names)} columns, and images "
                f"of {self.n_features} values."
            )


def _shape(values: Any) -> tuple[int, int, int]:
    height, width, channels = map(_count, values)
    if not 0 < height * width * channels <= LARGEST_IMAGE:
        raise ValueError(f"image_shape {values!r:.100}")
    return height, width, channels


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= LARGEST_IMAGE:
        raise ValueError(f"{value!r:.100} is no count")
    return value


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ValueError(f"{value!r:.100} is no finite number")
    return float(value)


def _range(values: Any) -> tuple[float, float]:
    low, high = map(_number, values)
    return low, high


def _learned_range(values: Any) -> ValueRange | None:
    return None if values is None else ValueRange(*map(_number, values))


def _names(values: Any) -> list[str] | None:
    if values is not None and not all(isinstance(name, str) for name in values):
        raise ValueError("feature_names are no strings")
    return None if values is None else list(values)


def _rejection(values: Any) -> Rejection:
    threshold, label = values["threshold"], values["label"]
    if isinstance(label, list | dict):
        raise ValueError(f"reject label {label!r:.100}")
    return Rejection(math.inf if threshold is None else _number(threshold), label)
