"""What is inside a fitted estimator: the parts of pipelines, searches and ensembles."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from ._sklearn_compat import safe_indexing


def passes_on_to(estimator: Any) -> Any:
    """Return the fitted estimator whose predictions this one returns unchanged, None without."""
    if isinstance(estimator, FrozenEstimator):
        return estimator.estimator
    if hasattr(estimator, "best_estimator_"):
        return estimator.best_estimator_
    name = getattr(type(estimator), "_delegates_to", None)
    if name is not None:
        return getattr(estimator, name, None)
    return estimator.steps[-1][1] if isinstance(estimator, Pipeline) else None


def fitted_parts(estimator: Any, *, with_members: bool = True) -> Iterator[Any]:
    """Yield the estimator and what is fitted inside it, outermost and first steps first.

    Looks into pipelines and meta-estimators: searches, frozen, calibrated, rejecting and
    cached ones. `with_members`: into the members of ensembles, too.
    """
    yield estimator
    inner = [
        getattr(estimator, name)
        for name in ("best_estimator_", "estimator_")
        if hasattr(estimator, name)
    ]
    if isinstance(estimator, FrozenEstimator):
        inner = [estimator.estimator]
    elif isinstance(estimator, Pipeline):
        inner += [step for _, step in estimator.steps]
    if with_members:
        inner += [part.estimator for part in getattr(estimator, "calibrated_classifiers_", ())]
        members = getattr(estimator, "estimators_", ())  # a list, or an array of objects
        inner += list(members.ravel() if isinstance(members, np.ndarray) else members)
    for part in inner:
        yield from fitted_parts(part, with_members=with_members)


def final_estimator(estimator: Any) -> Any:
    """Return the final estimator inside pipelines, searches and other delegating estimators."""
    while (inner := passes_on_to(estimator)) is not None:
        estimator = inner
    return estimator


def find_history(estimator: Any) -> tuple[dict[str, list[float]], int | None] | None:
    """Return (`history_`, `best_epoch_`) of the estimator or a part of it, None without."""
    for part in fitted_parts(estimator, with_members=False):
        history = getattr(part, "history_", None)
        if isinstance(history, Mapping) and {"loss", "accuracy"} <= set(history):
            copied = {key: [float(value) for value in history[key]] for key in history}
            best_epoch = getattr(part, "best_epoch_", None)
            return copied, None if best_epoch is None else int(best_epoch)
    return None


def find_image_shape(estimator: Any, n_pixels: int) -> tuple[int, ...] | None:
    """Return the first `image_shape_` in the estimator or its parts that has `n_pixels`."""
    for part in fitted_parts(estimator):
        shape = getattr(part, "image_shape_", None)
        if shape is not None and math.prod(shape) == n_pixels:
            return tuple(int(side) for side in shape)
    return None


def take_rows(X: Any, indices: NDArray[Any]) -> Any:
    """Return the rows of X at some positions.

    Parameters
    ----------
    X : array-like, sparse matrix or DataFrame of shape (n_samples, ...)
        Samples.
    indices : ndarray of int of shape (n,)
        Positions of rows.

    Returns
    -------
    array, sparse matrix or DataFrame of shape (n, ...)
        Of the kind of X; an array if X is a list.
    """
    rows = X if hasattr(X, "shape") or hasattr(X, "iloc") else np.asarray(X)
    return safe_indexing(rows, indices)
