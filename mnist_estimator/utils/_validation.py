"""The check of images that every estimator of this package makes."""

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data

from ._column_names import explain_mismatch, renumbered
from ._image_shape import (
    check_image_shape,
    check_same_shape,
    flatten_images,
    infer_image_shape,
    is_image_of,
    refuse_single_image,
    warn_of_channels_first,
)
from ._labels import as_numpy_labels
from ._scaled_images import ScaledImages
from ._sklearn_compat import get_feature_names
from ._value_range import (
    LARGEST,
    ValueRange,
    is_moderate,
    is_reported,
    learn_value_range,
    mark_reported,
    warn_of_value_range,
)


def check_images(
    estimator: BaseEstimator,
    X: Any,
    y: Any = "no_validation",
    *,
    reset: bool,
    image_shape: Any = None,
    any_range: bool = False,
    name: str = "X",
) -> Any:
    """Check images, and learn or compare their shape, column names and value range.

    With ``reset`` the estimator gets ``image_shape_``, ``n_features_in_`` (values
    a sample: height × width × channels), for data frames with string
    columns ``feature_names_in_``, and the range of the values. Without, a
    ``ValueRangeWarning`` is issued where X has values of another range.

    Parameters
    ----------
    estimator : estimator
        The estimator that is fitted or predicts.
    X : array-like of shape (n, pixels), (n, height, width) or (n, height, width, channels)
        Numbers of any dtype.
    y : array-like of shape (n,), default="no_validation"
        Targets, where there are any.
    reset : bool
        True in ``fit``, False afterwards.
    image_shape : sequence of int or None, default=None
        The estimator's parameter, for ``fit``.
    any_range : bool, default=False
        Whether the estimator takes values of any range, so that none is learned.
    name : str, default="X"
        The name of X in warnings.

    Returns
    -------
    X : ndarray of shape (n, height, width, channels)
        A view where possible, in the dtype that came. ``ScaledImages`` stay what they are.
    y : ndarray of shape (n,)
        Only if ``y`` was given.

    Raises
    ------
    ValueError
        If X is empty, holds NaN, infinity, strings or numbers too large for float32,
        has another number of rows than y, or images of another shape than those of ``fit``.
    """
    if not reset and isinstance(y, str) and _is_plain(X, estimator):
        extremes = _extremes(X)
        if extremes is None or is_moderate(*extremes):
            images = X.reshape(len(X), *estimator.image_shape_)
            _check_value_range(estimator, X, images, extremes, name)
            return images
    owner = type(estimator).__name__
    flat, sample_shape = flatten_images(X, owner)
    if not reset:
        refuse_single_image(X, estimator.image_shape_)
    if not reset and sample_shape is not None:
        remedy = "Resize the images, or fit again on images of this shape."
        check_same_shape(sample_shape, estimator.image_shape_, owner, remedy)
    if not isinstance(y, str):
        y = as_numpy_labels(y)
    with _names_explained(estimator, flat):
        checked = validate_data(estimator, flat, y, reset=reset, dtype="numeric")
    rows, *rest = checked if isinstance(checked, tuple) else (checked,)
    if reset:
        warn_of_channels_first(sample_shape or ())
        estimator._sample_shape = sample_shape or rows.shape[1:]
        estimator.image_shape_ = infer_image_shape(
            estimator._sample_shape, check_image_shape(image_shape)
        )
    lazy = isinstance(X, ScaledImages)
    images = X if lazy else rows.reshape(len(rows), *estimator.image_shape_)
    extremes = _extremes(images)
    if extremes is not None and not is_moderate(*extremes):
        raise ValueError(
            f"X must hold numbers from -{LARGEST:g} to {LARGEST:g}, as {owner} computes in "
            f"float32; got {max(extremes[1], -extremes[0]):g}. Bring the images to a range such "
            "as [0, 1]."
        )
    if reset and not any_range:
        estimator._value_range = tuple(learn_value_range(images, extremes))
    elif not reset:
        _check_value_range(estimator, X, images, extremes, name)
    return (images, *rest) if rest else images


@contextlib.contextmanager
def _names_explained(estimator: BaseEstimator, X: Any) -> Iterator[None]:
    """Add to scikit-learn's error about column names how they differ, and the remedy."""
    try:
        yield
    except ValueError as error:
        if not str(error).startswith("The feature names should match"):
            raise
        came, fitted = list(get_feature_names(X)), list(estimator.feature_names_in_)
        if set(fitted) <= set(came):
            remedy = "Pass X[list(model.feature_names_in_)]."
        elif renumbered(came, fitted) and len(came) == len(fitted):
            remedy = "If their order is the same, rename them: X.columns = model.feature_names_in_."
        else:
            remedy = "Give X the columns that the model was fitted on."
        raise ValueError(f"{error}{explain_mismatch(came, fitted)} {remedy}") from error


def _is_plain(X: Any, estimator: Any) -> bool:
    """Tell whether X is an array that passes all checks unchanged.

    Most are in prediction, and for one image the checks take as long as the network.
    """
    if type(X) is not np.ndarray or X.size == 0 or hasattr(estimator, "feature_names_in_"):
        return False
    if not is_image_of(X.shape[1:], estimator.image_shape_):
        return False
    return X.dtype == np.float32 or X.dtype.kind in "iu"


def _extremes(images: NDArray[Any] | ScaledImages) -> tuple[float, float] | None:
    """Return the smallest and largest of floating-point numbers; None for integers."""
    if images.dtype.kind != "f":
        return None
    if isinstance(images, ScaledImages):
        return images.bounds()
    return float(images.min()), float(images.max())


def _check_value_range(
    estimator: Any,
    X: Any,
    images: NDArray[Any] | ScaledImages,
    extremes: tuple[float, float] | None,
    name: str,
) -> None:
    """Warn of images with values of another range than those of ``fit``.

    ``images`` are those of ``X``, in the shape that the estimator works on.
    """
    learned = getattr(estimator, "_value_range", None)  # versions before 0.7 did not save it
    if learned is not None and not is_reported(X):
        owner = type(estimator).__name__
        warned = warn_of_value_range(
            owner, images, ValueRange(*learned), name=name, extremes=extremes
        )
        if warned and images is not X:
            mark_reported(images)
