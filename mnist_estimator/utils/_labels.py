"""Checks of labels, in ``fit`` and beside predictions."""

import re
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils.multiclass import check_classification_targets

from ._input_checks import count_rows, refuse_masked, refuse_streams
from ._wording import shown

_SURROGATE = re.compile("[\ud800-\udfff]")


def as_numpy_labels(y: Any, name: str = "y") -> Any:
    """Convert labels of pandas' types, and objects that hold numbers, to NumPy's types.

    Parameters
    ----------
    y : array-like or None
        Labels. Nullable integers become integers, nullable booleans booleans;
        categories become what they name. Strings stay as they are.
    name : str, default="y"
        Their name in errors.

    Returns
    -------
    ndarray, or ``y`` itself if nothing is to be done

    Raises
    ------
    ValueError
        If a label is missing, or holds half of a surrogate pair.
    TypeError
        If they are not a list or array.
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
        If they are not a list or array.
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
    """Refuse labels that are not classes, such as measurements.

    Raises
    ------
    ValueError
        If scikit-learn takes them for no classes.
    """
    with np.errstate(invalid="ignore"):  # it compares floats with integers, some beyond all
        check_classification_targets(y)


def refuse_surrogates(labels: Any, name: str) -> None:
    """Refuse text with unpaired surrogates, which cannot be encoded as UTF-8.

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


def check_labels(X: Any, y: Any, name: str = "y") -> NDArray[Any]:
    """Return `y` as a one-dimensional array that has one label for each row of `X`.

    Parameters
    ----------
    X : array-like or DataFrame of shape (n_samples, ...)
        Samples; only their number is used.
    y : array-like of shape (n_samples,)
        Labels: numbers, strings or booleans.
    name : str, default="y"
        Name of `y` in errors.

    Returns
    -------
    ndarray of shape (n_samples,)

    Raises
    ------
    ValueError
        If `X` is empty, the lengths differ, `y` is not one-dimensional, or a
        label is missing.
    """
    n_samples = count_rows(X)
    if n_samples == 0:
        raise ValueError(
            "X must hold at least one sample; got 0. Check how the rows were selected or loaded."
        )
    refuse_streams(y, name, "labels")
    labels = as_column(y, name)
    if len(labels) != n_samples:
        raise ValueError(
            f"{name} must have one value for each of the {n_samples} samples in X; "
            f"got {len(labels)}. Pass X and {name} cut from the same rows."
        )
    return labels


def check_same_kind(y_true: NDArray[Any], known: NDArray[Any], name: str = "y") -> None:
    """Refuse labels of another kind than the estimator's, such as strings for numbers.

    Raises
    ------
    ValueError
        If `y_true` and the labels that the estimator knows are of different kinds.
    """
    named = {"U": "strings", "S": "bytes", "M": "dates", "m": "durations", "O": "objects"}
    kinds = [named.get(labels.dtype.kind, "numbers") for labels in (y_true, known)]
    if kinds[0] != kinds[1]:
        target = "str" if kinds[1] == "strings" else known.dtype.name
        raise ValueError(
            f"{name} must hold labels of the same kind as the predictions, here {kinds[1]} such "
            f"as {shown(known[0])}; got {kinds[0]} such as {shown(y_true[0])}. "
            f"Convert them, e.g. with {name}.astype({target!r})."
        )


def as_column(values: Any, name: str) -> NDArray[Any]:
    array = np.asarray(values)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise ValueError(
            f"{name} must be one-dimensional, one label a sample; got the shape {array.shape}. "
            "Turn one-hot rows into labels with argmax(axis=1)."
        )
    if pd.isna(array).any():
        raise ValueError(
            f"{name} must hold one label for each sample; got missing values. Drop those rows."
        )
    refuse_surrogates(array, name)
    if array.dtype == np.float16:  # of which pandas makes no index
        return array.astype(np.float32)
    # Columns of pandas come as objects: strings, categories, nullable integers.
    if array.dtype.kind == "O":
        array = np.array(array.tolist())
    return pd.Series(array).infer_objects().to_numpy() if array.dtype.kind == "O" else array
