"""The check of images before a prediction, without scikit-learn."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..utils._column_names import explain_mismatch
from ..utils._image_shape import (
    check_same_shape,
    flatten_images,
    is_image_of,
    refuse_single_image,
)
from ..utils._scaled_images import ScaledImages
from ..utils._value_range import LARGEST, is_moderate, warn_of_value_range
from ..utils._wording import shown
from ._state import PredictorState

RESIZE = "Resize the images."


def check_images(X: Any, state: PredictorState, owner: str) -> NDArray[Any] | ScaledImages:
    """Return images as (n, height, width, channels), in the dtype that came; a view if possible.

    ``ScaledImages`` of a memory-mapped file stay what they are.

    Issues a ``ValueRangeWarning`` if their values have another range than those of ``fit``.

    Raises
    ------
    ValueError
        If X is empty, holds NaN, infinity, strings or numbers too large for float32, has other
        columns, or images of another shape than those of ``fit``.
    TypeError
        If X is no array-like.
    """
    images: NDArray[Any] | ScaledImages
    extremes = None
    if isinstance(X, ScaledImages):
        check_same_shape(X.shape[1:], state.image_shape, owner, RESIZE)
        images, extremes = X, X.bounds()
    else:
        rows = X if _is_plain(X, state) else _rows(X, state, owner)
        images = rows.reshape(len(rows), *state.image_shape)
        if images.dtype.kind == "f":
            extremes = float(images.min()), float(images.max())
    if extremes is not None:
        _check_finite(*extremes, owner)
    if state.learned_range is not None:
        warn_of_value_range(owner, images, state.learned_range, extremes=extremes)
    return images


def _is_plain(X: Any, state: PredictorState) -> bool:
    """Tell whether X is an array that passes all checks unchanged but that of its values."""
    if type(X) is not np.ndarray or X.size == 0 or state.feature_names is not None:
        return False
    return is_image_of(X.shape[1:], state.image_shape) and X.dtype.kind in "iuf"


def _rows(X: Any, state: PredictorState, owner: str) -> NDArray[Any]:
    """Return images as rows of numbers, whatever array-like they came as."""
    if hasattr(X, "toarray"):
        raise TypeError(
            f"X is a sparse {type(X).__name__}, and {owner} takes dense arrays. Pass X.toarray()."
        )
    refuse_single_image(X, state.image_shape)
    flat, sample_shape = flatten_images(X, owner)
    if sample_shape is not None:
        check_same_shape(sample_shape, state.image_shape, owner, RESIZE)
    _check_names(flat, state, owner)
    rows = np.asarray(flat)
    if rows.ndim != 2:
        raise ValueError(
            f"X must have one row an image; got {rows.ndim} dimensions. "
            "Pass X[None] to have a single one."
        )
    if rows.dtype.kind not in "biuf":
        rows = _as_numbers(rows)
    if len(rows) == 0:
        raise ValueError(f"X holds no image; {owner} needs one or more.")
    if rows.shape[1] != state.n_features:
        raise ValueError(
            f"X has {rows.shape[1]} features, but {owner} is expecting {state.n_features} "
            f"features as input: images of shape {state.image_shape}."
        )
    return rows


def _check_names(X: Any, state: PredictorState, owner: str) -> None:
    """Refuse a data frame with other columns, or in another order, than in ``fit``."""
    if state.feature_names is None or not hasattr(X, "columns"):
        return
    came = list(X.columns)
    if all(isinstance(name, str) for name in came) and came != state.feature_names:
        raise ValueError(
            "The feature names should match those that were passed during fit."
            f"{explain_mismatch(came, state.feature_names)} Pass "
            "X[list(model.feature_names_in_)], or rename the columns."
        )


def _as_numbers(rows: NDArray[Any]) -> NDArray[np.float64]:
    """Return objects or texts as numbers."""
    try:
        if rows.dtype.kind == "c":
            raise ValueError("complex numbers")
        return rows.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"X must hold numbers, one a pixel; got dtype {rows.dtype}, such as "
            f"{shown(rows.flat[0]) if rows.size else 'none'} ({error})."
        ) from error


def _check_finite(low: float, high: float, owner: str) -> None:
    if is_moderate(low, high):
        return
    if low != low or np.isinf(low) or np.isinf(high):
        what = "NaN" if low != low else "infinity"
        raise ValueError(
            f"X contains {what}; {owner} takes finite numbers. Replace these values, or leave "
            "out the images."
        )
    raise ValueError(
        f"X must hold numbers from -{LARGEST:g} to {LARGEST:g}, as {owner} computes in float32; "
        f"got {max(high, -low):g}. Bring the images to the range of the training images."
    )
