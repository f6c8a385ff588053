"""What comes in: images in any of their forms, brought to one and checked."""

import contextlib
import math
import os
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _get_feature_names, validate_data

from ._column_names import explain_mismatch, renumbered
from ._scaled_images import ScaledImages
from ._value_range import (
    ValueRange,
    is_reported,
    learn_value_range,
    mark_reported,
    warn_of_value_range,
)
from ._wording import counted, shown

SMALLEST_IMAGE = 64
"""Flat rows of fewer values that form no square are taken as signals, one pixel high."""

LARGEST_IMAGE = 2**26
"""Values of a sample: 8192 × 8192, beyond which nothing here has the memory to go."""

_SURROGATE = re.compile("[\ud800-\udfff]")

LARGEST = 1e18
"""Values up to here have squares, and sums of squares, that float32 still holds."""


def check_image_shape(image_shape: Any) -> tuple[int, int, int] | None:
    """Bring the ``image_shape`` parameter to (height, width, channels).

    Parameters
    ----------
    image_shape : None or sequence of two or three positive ints
        (height, width) means one channel.

    Returns
    -------
    tuple of int, (height, width, channels), or None

    Raises
    ------
    TypeError
        If it is neither None nor a sequence of whole numbers.
    ValueError
        If it has not two or three numbers, or one of them is below 1.
    """
    if image_shape is None:
        return None
    allowed = (
        "image_shape must be None, (height, width) or (height, width, channels), whole numbers "
        f"from 1 up; got {shown(image_shape)}. For square grey images None finds the shape by "
        "itself."
    )
    if not isinstance(image_shape, Sequence | np.ndarray) or isinstance(image_shape, str):
        raise TypeError(allowed)
    if not all(isinstance(side, int | np.integer) for side in image_shape):
        raise TypeError(allowed)
    if len(image_shape) not in (2, 3) or min(image_shape) < 1:
        raise ValueError(allowed)
    height, width, *channels = (int(side) for side in image_shape)
    return height, width, channels[0] if channels else 1


def infer_image_shape(
    sample_shape: tuple[int, ...], image_shape: tuple[int, int, int] | None
) -> tuple[int, int, int]:
    """Find the (height, width, channels) of images given in one of their forms.

    Parameters
    ----------
    sample_shape : tuple of int
        Shape of one sample: (pixels,), (height, width) or (height, width, channels).
    image_shape : tuple of int, (height, width, channels), or None
        What the user said. None: what the samples say; flat rows are square
        grey images, or signals one pixel high if they are shorter than
        8 × 8 values and form no square.

    Returns
    -------
    tuple of int, (height, width, channels)

    Raises
    ------
    ValueError
        If the samples and ``image_shape`` disagree, or flat rows of 64 values
        or more form no square and no ``image_shape`` is given.
    """
    if math.prod(sample_shape) > LARGEST_IMAGE:
        raise ValueError(
            f"X must hold images of at most {LARGEST_IMAGE:,} values; got images of shape "
            f"{tuple(sample_shape)}. Resize them, or check which axis is that of the samples."
        )
    if len(sample_shape) == 1:
        (n_pixels,) = sample_shape
        if image_shape is not None:
            if n_pixels != math.prod(image_shape):
                raise ValueError(
                    f"image_shape={image_shape} means {math.prod(image_shape)} pixels a row, but X "
                    f"has {n_pixels}. Give the shape of the images that the rows of X hold."
                )
            return image_shape
        side = math.isqrt(n_pixels)
        if side * side == n_pixels:
            return side, side, 1
        if n_pixels < SMALLEST_IMAGE:
            return 1, n_pixels, 1
        raise ValueError(
            f"X has {n_pixels} pixels a row, which form no square image "
            f"({side}×{side} has {side * side}, {side + 1}×{side + 1} has {(side + 1) ** 2}). "
            "Pass image_shape=(height, width) or (height, width, channels), "
            "or X in the shape (n_samples, height, width)."
        )
    height, width, *channels = sample_shape
    shape = (height, width, channels[0] if channels else 1)
    if image_shape is not None and shape != image_shape:
        raise ValueError(
            f"X has images of shape {shape}, but image_shape={image_shape}. "
            "Leave image_shape at None to take the shape from X."
        )
    return shape


def as_numpy_labels(y: Any, name: str = "y") -> Any:
    """Bring labels from pandas' own types, and objects that hold numbers, to NumPy's.

    Parameters
    ----------
    y : array-like or None
        Labels. Nullable integers become integers, nullable booleans booleans;
        categories become what they name. Strings stay as they are.
    name : str, default="y"
        What errors call them.

    Returns
    -------
    ndarray, or ``y`` itself if nothing is to be done

    Raises
    ------
    ValueError
        If a label is missing, or holds half of a surrogate pair.
    TypeError
        If they are no list or array.
    """
    refuse_masked(y, name)
    refuse_streams(y, name, "labels")
    if hasattr(y, "__array__") and not isinstance(y, np.ndarray):  # of pandas, polars and the like
        y = np.asarray(y)
    elif isinstance(y, list | tuple) and not all(np.ndim(value) for value in y):
        kinds = {type(value) for value in y}
        y = np.asarray(y, dtype=object if len(kinds) > 1 else None)
    if isinstance(y, np.ndarray) and y.ndim > 1 and y.shape[1:] != (1,):
        raise ValueError(
            f"{name} should be a 1d array, one label a row, got an array of shape {y.shape} "
            f"instead. Turn one-hot rows into labels with {name}.argmax(axis=1)."
        )
    refuse_surrogates(y, name)
    if not isinstance(y, np.ndarray) or y.dtype != object:
        return y
    missing = pd.isna(y)
    if missing.any():
        raise ValueError(
            f"{name} must hold a label for every row; got {missing.sum()} missing "
            f"({shown(y[missing][0])}), the first in row {np.argwhere(missing)[0, 0]}. "
            "Leave these rows out."
        )
    kind = pd.api.types.infer_dtype(y.ravel())
    if kind in ("integer", "boolean", "floating", "mixed-integer-float"):
        return np.array(y.tolist())
    if kind in ("mixed", "mixed-integer"):
        of_each_type = list({type(value): value for value in y.ravel()}.values())
        raise ValueError(
            f"{name} mixes labels of different types, such as {shown(of_each_type[0])} and "
            f"{shown(of_each_type[-1])}; they must be all numbers or all strings. "
            "Convert them, e.g. with astype(str)."
        )
    return y


def check_classes(classes: Any) -> NDArray[Any]:
    """Return the ``classes`` of ``partial_fit``, sorted.

    Raises
    ------
    TypeError
        If they are no list or array.
    ValueError
        If they are fewer than two, or one is missing or no label.
    """
    if isinstance(classes, str | set | frozenset | dict) or not hasattr(classes, "__len__"):
        raise TypeError(
            "classes must be a list or one-dimensional array of labels, such as np.unique(y_all); "
            f"got {shown(classes)}."
        )
    labels = np.asarray(as_numpy_labels(classes, "classes"))
    labels = labels if labels.size == 0 else np.unique(labels)
    if len(labels) < 2 or (labels.dtype.kind == "f" and not np.isfinite(labels).all()):
        raise ValueError(
            "classes must hold the labels of two classes or more, such as np.unique(y_all); "
            f"got {shown(classes)}."
        )
    return labels


def check_targets(y: Any) -> None:
    """Refuse labels that are no classes, such as measurements.

    Raises
    ------
    ValueError
        If scikit-learn takes them for no classes.
    """
    with np.errstate(invalid="ignore"):  # it compares floats with integers, some beyond all
        check_classification_targets(y)


def refuse_masked(array: Any, name: str) -> None:
    """Refuse an array with masked values: nothing here would follow the mask.

    Raises
    ------
    ValueError
        If a value is masked.
    """
    if isinstance(array, np.ma.MaskedArray) and np.ma.is_masked(array):
        n_masked = array.size if array.dtype.names else np.ma.count_masked(array)
        raise ValueError(
            f"{name} is an array with {counted(int(n_masked), 'masked value')}, which cannot be "
            f"left out one by one. Pass {name}.filled(value), or leave out the rows."
        )


def refuse_streams(values: Any, name: str, what: str) -> None:
    """Refuse what is no array and becomes none by itself, such as a data set of TensorFlow.

    Parameters
    ----------
    values : object
        What came.
    name : str
        The argument, such as "X".
    what : str
        What an array of them holds: "images" or "labels".

    Raises
    ------
    TypeError
        If it is a mapping, a set, a text, or gives its items one by one only.
    """
    if what == "labels" and (values is None or np.isscalar(values)):
        return  # scikit-learn has words for these
    if hasattr(values, "__array__") or hasattr(values, "shape") or hasattr(values, "columns"):
        return
    kind = f"{type(values).__module__}.{type(values).__qualname__}".removeprefix("builtins.")
    came = f"{name} must be an array or a list of {what}; got an object of type {kind}"
    if isinstance(values, Mapping):
        keys = list(values)
        key = shown(keys[0]) if keys else "key"
        raise TypeError(f"{came}. Pass the array in it, such as {name}[{key}].")
    if isinstance(values, str | bytes | bytearray | os.PathLike):
        raise TypeError(f"{came}. Load the file first; recognize takes the path of a picture.")
    if values is None or np.isscalar(values):
        raise TypeError(f"{came}. Pass all images as one array, or [{name}] for a single one.")
    if isinstance(values, Set):
        raise TypeError(f"{came}, which has no order. Pass a list.")
    if isinstance(values, Iterable) and not hasattr(values, "__getitem__"):
        pair = "part, _" if what == "images" else "_, part"
        raise TypeError(
            f"{came}, which gives its items one by one. Make an array first: np.stack(list({name}))"
            " of single items; of batches of images and labels, as tf.data and DataLoader have "
            f"them, np.concatenate([np.asarray(part) for {pair} in data]). Or call partial_fit "
            "with each batch."
        )


def count_rows(X: Any) -> int:
    """Return how many samples X holds.

    Parameters
    ----------
    X : array-like or DataFrame of shape (n_samples, ...)

    Returns
    -------
    int

    Raises
    ------
    TypeError
        If it is no array-like.
    ValueError
        If it is a scalar.
    """
    refuse_streams(X, "X", "images")
    shape = getattr(X, "shape", None)
    if shape is None and hasattr(X, "__array__"):
        shape = np.asarray(X).shape
    if shape == () or (shape is None and not hasattr(X, "__len__")):
        raise ValueError(
            "X must be an array with one row a sample; got "
            f"{shown(X)}. Pass X[None] to have a single one."
        )
    return len(X) if shape is None else int(shape[0])


def refuse_surrogates(labels: Any, name: str) -> None:
    """Refuse text with half of a surrogate pair, which no file can hold.

    Raises
    ------
    ValueError
        If a label holds one.
    """
    if not isinstance(labels, np.ndarray) or labels.dtype.kind not in "UO":
        return
    for label in set(labels.ravel().tolist()) if labels.dtype.kind == "U" else labels.ravel():
        if isinstance(label, str) and not label.isascii() and _SURROGATE.search(label):
            raise ValueError(
                f"{name} must hold text that can be written as UTF-8; got {shown(label)}, which "
                "has half of a surrogate pair. Repair it where the text was decoded, or use "
                "str.encode('utf-8', 'replace').decode()."
            )


@contextlib.contextmanager
def prefix_errors(name: str) -> Iterator[None]:
    """Say in errors which argument they are about, where a check knows it as X or y.

    Parameters
    ----------
    name : str
        The argument, such as "X_val".
    """
    try:
        yield
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name}: {error}") from error


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
    """Check images, and set or compare what the estimator knows of their form and values.

    With ``reset`` the estimator gets ``image_shape_``, ``n_features_in_`` (values
    a sample: height × width × channels), for data frames with string
    columns ``feature_names_in_``, and the range of the values. Without, a
    ``ValueRangeWarning`` is issued where X has values of another range.

    Parameters
    ----------
    estimator : estimator
        Who asks.
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
        What the warning calls X.

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
        if extremes is None or _is_moderate(*extremes):
            images = X.reshape(len(X), *estimator.image_shape_)
            _check_value_range(estimator, X, images, extremes, name)
            return images
    owner = type(estimator).__name__
    flat, sample_shape = _flatten(X, owner)
    if not reset:
        _refuse_single_image(X, estimator.image_shape_)
    if not reset and sample_shape is not None:
        came = infer_image_shape(sample_shape, None)
        if came != estimator.image_shape_:
            raise ValueError(
                f"X has images of shape {came}, but {owner} was fitted on images of shape "
                f"{estimator.image_shape_} (height, width, channels). "
                "Resize the images, or fit again on images of this shape."
            )
    if not isinstance(y, str):
        y = as_numpy_labels(y)
    with _names_explained(estimator, flat):
        checked = validate_data(estimator, flat, y, reset=reset, dtype="numeric")
    rows, *rest = checked if isinstance(checked, tuple) else (checked,)
    if reset:
        _warn_of_channels_first(sample_shape or ())
        estimator._sample_shape = sample_shape or rows.shape[1:]
        estimator.image_shape_ = infer_image_shape(
            estimator._sample_shape, check_image_shape(image_shape)
        )
    lazy = isinstance(X, ScaledImages)
    images = X if lazy else rows.reshape(len(rows), *estimator.image_shape_)
    extremes = _extremes(images)
    if extremes is not None and not _is_moderate(*extremes):
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


said_of, plain_labels = prefix_errors, as_numpy_labels  # the names that classifier.py uses


@contextlib.contextmanager
def unchanged_on_failure(estimator: BaseEstimator) -> Iterator[None]:
    """Give an estimator back its attributes if the block fails: a failed fit spoils no fitted one.

    Parameters
    ----------
    estimator : estimator
        Whose attributes are kept, not copied.
    """
    before = vars(estimator).copy()
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


@contextlib.contextmanager
def _names_explained(estimator: BaseEstimator, X: Any) -> Iterator[None]:
    """Add to scikit-learn's error about names of columns how they differ, and what to do."""
    try:
        yield
    except ValueError as error:
        if not str(error).startswith("The feature names should match"):
            raise
        came, fitted = list(_get_feature_names(X)), list(estimator.feature_names_in_)
        if set(fitted) <= set(came):
            remedy = "Pass X[list(model.feature_names_in_)]."
        elif renumbered(came, fitted) and len(came) == len(fitted):
            remedy = "If their order is the same, rename them: X.columns = model.feature_names_in_."
        else:
            remedy = "Give X the columns that the model was fitted on."
        raise ValueError(f"{error}{explain_mismatch(came, fitted)} {remedy}") from error


def _is_plain(X: Any, estimator: Any) -> bool:
    """Tell whether X is an array that every check would let pass as it is.

    So are most in prediction, and the checks take as long as the network for one image.
    """
    if type(X) is not np.ndarray or X.size == 0 or hasattr(estimator, "feature_names_in_"):
        return False
    shape = estimator.image_shape_
    plane = shape[:2] if shape[2] == 1 else shape
    if X.shape[1:] not in (shape, plane, (estimator.n_features_in_,)):
        return False
    return X.dtype == np.float32 or X.dtype.kind in "iu"


def _extremes(images: NDArray[Any] | ScaledImages) -> tuple[float, float] | None:
    """Return the smallest and largest of floating-point numbers; None for integers."""
    if images.dtype.kind != "f":
        return None
    if isinstance(images, ScaledImages):
        return images.bounds()
    return float(images.min()), float(images.max())


def _is_moderate(low: float, high: float) -> bool:
    """Tell whether float32 computes with numbers in this range; NaN is in none."""
    return low >= -LARGEST and high <= LARGEST


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


def _flatten(X: Any, owner: str) -> tuple[Any, tuple[int, ...] | None]:
    """Return the images as rows, and the shape of one if they did not come as rows."""
    if isinstance(X, ScaledImages):
        return X.stand_in(), X.shape[1:]
    refuse_masked(X, "X")
    refuse_streams(X, "X", "images")
    if hasattr(X, "__array__") and not isinstance(X, np.ndarray) and not hasattr(X, "columns"):
        X = np.asarray(X)  # tensors, series, pictures
    if holds_images(X):
        X = _stack(list(np.asarray(X).ravel()))
    elif isinstance(X, Sequence) and not isinstance(X, str) and not hasattr(X, "ndim"):
        X = _stack(list(X))
    if getattr(getattr(X, "dtype", None), "kind", None) in ("m", "M", "V"):
        raise ValueError(
            f"X must hold numbers, one a pixel; {owner} got dtype {X.dtype}. Check which "
            "columns were selected."
        )
    ndim = getattr(X, "ndim", 2)
    if ndim > 4:
        raise ValueError(
            f"X must have shape (n_samples, pixels), (n_samples, height, width) or "
            f"(n_samples, height, width, channels); {owner} got {ndim} dimensions, "
            f"shape {tuple(X.shape)}. Reshape X to one of the three."
        )
    if ndim < 3:
        return X, None
    X = np.asanyarray(X)
    sample_shape = tuple(X.shape[1:])
    if math.prod(sample_shape) == 0:
        raise ValueError(
            f"X has images of shape {sample_shape}, which hold no pixel; {owner} needs at "
            "least one pixel in each direction. Check how the images were cut out or loaded."
        )
    return X.reshape(len(X), math.prod(sample_shape)), sample_shape


def holds_images(X: Any) -> bool:
    """Tell whether X is a column whose objects are images."""
    shape: tuple[int, ...] = getattr(X, "shape", ())
    if isinstance(X, np.ndarray) and X.dtype.kind != "O":
        return False
    if len(shape) not in (1, 2) or shape[0] == 0 or shape[1:] not in ((), (1,)):
        return False
    column = np.asarray(X).ravel()
    return column.dtype.kind == "O" and not np.isscalar(column[0]) and np.ndim(column[0]) > 0


def _stack(X: list[Any]) -> Any:
    """Make one array of a list of images: of arrays, lists, pictures or data frames."""
    if len(X) == 0 or np.isscalar(X[0]):
        return X
    for image in X:
        refuse_masked(image, "X")
    images = [image if isinstance(image, list | tuple) else np.asarray(image) for image in X]
    try:
        return np.asarray(images)
    except ValueError:
        shapes = sorted({str(nested_shape(image)) for image in images})
        came = f"shapes {shapes[0]} and {shapes[1]}" if len(shapes) > 1 else "unequal rows in one"
        raise ValueError(
            f"X must hold images of one size; got {came}. "
            "Resize or pad them to the same height and width."
        ) from None


def nested_shape(image: Any) -> tuple[int, ...]:
    """Return the shape of nested lists or an array, along the first elements."""
    if isinstance(image, list | tuple):
        return (len(image), *(nested_shape(image[0]) if len(image) else ()))
    return np.shape(image)


def _refuse_single_image(X: Any, image_shape: tuple[int, int, int]) -> None:
    """Tell who passes one image without the axis of the samples."""
    shape, n_pixels = tuple(getattr(X, "shape", ())), math.prod(image_shape)
    alone = shape == image_shape or (shape == image_shape[:2] and image_shape[2] == 1)
    if alone and shape[1:] not in (image_shape, image_shape[:2], (n_pixels,)):
        raise ValueError(
            f"X has shape {shape}, that of a single image. Pass X[None] to have one image."
        )


def _warn_of_channels_first(shape: tuple[int, ...]) -> None:
    """Warn of images that look as if their channels came first."""
    if len(shape) == 3 and shape[0] in (1, 3, 4) and shape[2] not in (1, 3, 4):
        channels, height, width = shape
        if height == width:
            warnings.warn(
                f"X has images of shape {shape}, read as height {channels}, width {height} and "
                f"{width} channels. If the channels come first, pass np.moveaxis(X, 1, -1).",
                UserWarning,
                stacklevel=4,
            )
