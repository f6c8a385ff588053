"""Checks of any input, and context managers for their errors."""

import contextlib
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Set
from typing import TYPE_CHECKING, Any

import numpy as np

from ._wording import counted, shown

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator


def refuse_masked(array: Any, name: str) -> None:
    """Refuse an array with masked values, as masks are not supported.

    Raises
    ------
    ValueError
        If a value is masked.
    """
    if isinstance(array, np.ma.MaskedArray) and np.ma.is_masked(array):
        n_masked = array.size if array.dtype.names else np.ma.getmaskarray(array).sum()
        raise ValueError(
            f"{name} is an array with {counted(int(n_masked), 'masked value')}, which cannot be "
            f"left out one by one. Pass {name}.filled(value), or leave out the rows."
        )


def refuse_streams(values: Any, name: str, what: str) -> None:
    """Refuse objects that are not array-like, such as a ``tf.data.Dataset``.

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
        return  # scikit-learn raises its own errors for these
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
        If it is not an array-like.
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


@contextlib.contextmanager
def prefix_errors(name: str) -> Iterator[None]:
    """Prefix the message of errors with the argument that they are about.

    Parameters
    ----------
    name : str
        The argument, such as "X_val".
    """
    try:
        yield
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name}: {error}") from error


@contextlib.contextmanager
def unchanged_on_failure(estimator: "BaseEstimator") -> Iterator[None]:
    """Restore the attributes of an estimator if the block fails.

    Parameters
    ----------
    estimator : estimator
        Its attributes are kept by reference, not copied. What scikit-learn needs to tear
        its callbacks down after the failure stays.
    """
    before = vars(estimator).copy()
    try:
        yield
    except BaseException:
        from ._sklearn_compat import CALLBACK_STATE

        kept = {name: vars(estimator)[name] for name in CALLBACK_STATE if name in vars(estimator)}
        vars(estimator).clear()
        vars(estimator).update(before | kept)
        raise


def check_count(value: int, name: str, low: int, high: float = math.inf) -> None:
    """Refuse what is not a whole number from `low` to `high`.

    Raises
    ------
    TypeError
        If `value` is not a whole number.
    ValueError
        If `value` is out of range.
    """
    allowed = f"{name} must be a whole number from {low}" + (
        " up" if high == math.inf else f" to {high}"
    )
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{allowed}; got {shown(value)}.")
    if not low <= value <= high:
        raise ValueError(f"{allowed}; got {value}.")
