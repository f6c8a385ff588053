"""What a fitted classifier and its data say: predictions, labels, images, training history.

Shared by the pictures and the report. Nothing here needs a particular
estimator: whatever has `predict` will do.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.base import is_outlier_detector, is_regressor
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection._search import BaseSearchCV
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from ._validation import (
    check_image_shape,
    count_rows,
    infer_image_shape,
    refuse_streams,
    refuse_surrogates,
)
from ._wording import shown

LABELS_BY_ARGMAX = {
    "mnist_estimator.classifier.CNNClassifier",
    "sklearn.calibration.CalibratedClassifierCV",
    "sklearn.ensemble._voting.VotingClassifier",  # with soft votes, else without predict_proba
}
"""Classes whose ``predict`` is ``classes_[predict_proba(X).argmax(axis=1)]``, to the label."""

DELEGATING = (BaseSearchCV, Pipeline)
"""scikit-learn's classes whose ``predict`` and ``predict_proba`` are those of the estimator inside.

A class of this package is one if it defines ``_delegates_to``, the attribute that holds the
fitted estimator."""


class Predictions(NamedTuple):
    """What a classifier says of some samples."""

    y_pred: NDArray[Any]
    """What `predict` gives, of shape (n_samples,); rejected samples have the reject label."""
    labels: NDArray[Any]
    """The predicted labels, of shape (n_samples,); of rejected samples the most probable one."""
    proba: NDArray[Any] | None
    """Probabilities, of shape (n_samples, n_classes), columns as in `classes`."""
    classes: NDArray[Any] | None
    """The estimator's `classes_`."""
    confidence: NDArray[Any] | None
    """Probability of each of `labels`, of shape (n_samples,)."""
    rejected: NDArray[np.bool_] | None
    """Which samples are rejected, of shape (n_samples,); None without a reject option."""


def check_same_kind(y_true: NDArray[Any], known: NDArray[Any], name: str = "y") -> None:
    """Refuse strings against numbers: "7" would never equal 7, and all would be mistakes.

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


def predict(estimator: Any, X: Any) -> Predictions:
    """Predict labels and, where the estimator can, probabilities.

    Labels come from `predict`, not from the largest probability: with a tuned decision
    threshold or a reject option the two differ. Where they are known not to, the
    estimator is asked once.

    Parameters
    ----------
    estimator : fitted classifier
        Any estimator with `predict`; `predict_proba` is used if it is there.
    X : array-like or DataFrame
        Samples, in the form the estimator takes.

    Returns
    -------
    Predictions
        Probabilities, classes and confidence are None without `predict_proba` or `classes_`.

    Raises
    ------
    TypeError
        If `estimator` is a regressor or outlier detector, or has no `predict`.
    NotFittedError
        If `estimator` is not fitted.
    ValueError
        If what it returns does not fit together.
    """
    _check_classifier(estimator)
    rejecting = find_rejecting(estimator)
    classes = getattr(estimator, "classes_", None)
    if classes is None or not hasattr(estimator, "predict_proba"):
        given = estimator.predict(X)
        if rejecting is None:
            labels = _one_column(given, "estimator.predict(X)")
            return Predictions(labels, labels, None, None, None, None)
        rejected = _is_reject_label(given, rejecting.reject_label_)
        labels = _without_reject_label(given, rejected, rejecting.classes_, rejecting.classes_[0])
        return Predictions(np.asarray(given), labels, None, None, None, rejected)
    classes = _one_column(classes, "estimator.classes_")
    if rejecting is None and _labels_are_argmax(estimator):
        proba = np.asarray(estimator.predict_proba(X))
        _check_proba(proba, len(proba), len(classes))
        most_probable = proba.argmax(axis=1)
        labels, sure = classes[most_probable], proba[np.arange(len(proba)), most_probable]
        return Predictions(labels, labels, proba, classes, sure, None)
    given = estimator.predict(X)
    proba = np.asarray(estimator.predict_proba(X))
    if rejecting is None:
        labels = _one_column(given, "estimator.predict(X)")
        sure = _confidence(labels, proba, classes)
        return Predictions(labels, labels, proba, classes, sure, None)
    _check_proba(proba, len(given), len(classes))
    rejected = _is_reject_label(given, rejecting.reject_label_)
    labels = _without_reject_label(
        given, rejected, classes, classes[proba.argmax(axis=1)][rejected]
    )
    sure = _confidence(labels, proba, classes)
    return Predictions(np.asarray(given), labels, proba, classes, sure, rejected)


def predict_proba(estimator: Any, X: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the probabilities, and the classes that their columns stand for.

    Raises
    ------
    TypeError
        If `estimator` has no `predict_proba`, or is no classifier.
    NotFittedError
        If `estimator` is not fitted.
    ValueError
        If there is not one column for each of its classes.
    """
    _check_classifier(estimator)
    if not hasattr(estimator, "predict_proba") or not hasattr(estimator, "classes_"):
        raise TypeError(
            "estimator must have predict_proba; "
            f"got {type(estimator).__name__}. Wrap it, e.g. in CalibratedClassifierCV."
        )
    classes = _one_column(estimator.classes_, "estimator.classes_")
    proba = np.asarray(estimator.predict_proba(X))
    _check_proba(proba, len(proba), len(classes))
    return proba, classes


def find_rejecting(estimator: Any) -> Any:
    """Return the part of an estimator that rejects samples in its `predict`, None without."""
    while estimator is not None:
        if hasattr(estimator, "reject_label_"):
            return estimator
        inner = passes_on_to(estimator)
        estimator = getattr(estimator, "estimator_", None) if inner is None else inner
    return None


def _check_classifier(estimator: Any) -> None:
    if not hasattr(estimator, "predict") or isinstance(estimator, type):
        raise TypeError(
            "estimator must be a fitted classifier, an object with predict; "
            f"got {shown(estimator)}. Pass an instance on which fit has been called."
        )
    if hasattr(estimator, "__sklearn_tags__"):  # others are taken at their word
        if is_regressor(estimator):
            raise TypeError(
                "estimator must be a classifier; got the regressor "
                f"{type(estimator).__name__}. Use sklearn.metrics for regressors."
            )
        if is_outlier_detector(estimator):
            raise TypeError(
                "estimator must be a classifier; got the outlier detector "
                f"{type(estimator).__name__}. Wrap a classifier and the detector in "
                "RejectingClassifier(classifier, outlier_detector=...)."
            )
        check_is_fitted(estimator)


def passes_on_to(estimator: Any) -> Any:
    """Return the fitted estimator whose answers this one gives as they are, None without."""
    if isinstance(estimator, FrozenEstimator):
        return estimator.estimator
    if hasattr(estimator, "best_estimator_"):
        return estimator.best_estimator_
    if hasattr(type(estimator), "_delegates_to"):
        return getattr(estimator, type(estimator)._delegates_to, None)
    return estimator.steps[-1][1] if isinstance(estimator, Pipeline) else None


def _labels_are_argmax(estimator: Any) -> bool:
    """Tell whether the labels are known to be those of the largest probabilities."""
    while True:
        if {"predict", "predict_proba"} & set(getattr(estimator, "__dict__", ())):
            return False  # set on the instance
        if type(estimator) is FrozenEstimator:
            estimator = estimator.estimator
            continue
        definers = {_definer(estimator, method) for method in ("predict", "predict_proba")}
        if len(definers) > 1:
            return False
        (definer,) = definers
        if definer not in DELEGATING and "_delegates_to" not in vars(definer):
            return f"{definer.__module__}.{definer.__qualname__}" in LABELS_BY_ARGMAX
        estimator = passes_on_to(estimator)


def _definer(estimator: Any, method: str) -> type:
    """Return the class that defines a method of an estimator."""
    return next((base for base in type(estimator).__mro__ if method in vars(base)), object)


def _is_reject_label(y_pred: Any, mark: Any) -> NDArray[np.bool_]:
    """Tell which predictions are the reject label, which may be None or NaN."""
    values = np.asarray(y_pred)
    if isinstance(mark, float) and math.isnan(mark):
        return np.array([value != value for value in values.tolist()], dtype=bool)
    return np.array([value is mark or value == mark for value in values.tolist()], dtype=bool)


def _without_reject_label(
    y_pred: Any, rejected: NDArray[np.bool_], classes: NDArray[Any], instead: Any
) -> NDArray[Any]:
    """Return predictions in the dtype of the classes, other labels in place of rejections."""
    labels = np.empty(len(rejected), dtype=classes.dtype)
    labels[~rejected] = np.asarray(y_pred)[~rejected]
    labels[rejected] = instead
    return labels


def _check_proba(proba: NDArray[Any], n_samples: int, n_classes: int) -> None:
    if proba.shape != (n_samples, n_classes):
        raise ValueError(
            "estimator.predict_proba(X) must have one row a sample and one column a class, "
            f"here the shape {(n_samples, n_classes)}; got {proba.shape}."
        )


def _confidence(y_pred: NDArray[Any], proba: NDArray[Any], classes: NDArray[Any]) -> NDArray[Any]:
    _check_proba(proba, len(y_pred), len(classes))
    unknown = np.setdiff1d(y_pred, classes)
    if unknown.size:
        raise ValueError(
            "estimator.predict(X) must return labels from estimator.classes_; "
            f"got {unknown.tolist()[:5]}, which {classes.tolist()[:10]} does not hold."
        )
    order = np.argsort(classes)
    columns = order[np.searchsorted(classes, y_pred, sorter=order)]
    return proba[np.arange(len(y_pred)), columns]


def check_count(value: int, name: str, low: int, high: float = math.inf) -> None:
    """Refuse what is no whole number from `low` to `high`.

    Raises
    ------
    TypeError
        If `value` is no whole number.
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


def check_labels(X: Any, y: Any, name: str = "y") -> NDArray[Any]:
    """Return `y` as a one-dimensional array that has one label for each row of `X`.

    Parameters
    ----------
    X : array-like or DataFrame of shape (n_samples, ...)
        Samples; only their number is looked at.
    y : array-like of shape (n_samples,)
        Labels: numbers, strings or booleans.
    name : str, default="y"
        What errors call `y`.

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
    labels = _one_column(y, name)
    if len(labels) != n_samples:
        raise ValueError(
            f"{name} must have one value for each of the {n_samples} samples in X; "
            f"got {len(labels)}. Pass X and {name} cut from the same rows."
        )
    return labels


def _one_column(values: Any, name: str) -> NDArray[Any]:
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


def as_images(X: Any, image_shape: Sequence[int] | None = None) -> NDArray[Any]:
    """Return the rows of `X` as images.

    Parameters
    ----------
    X : array-like, sparse matrix or DataFrame
        Of shape (n_samples, n_pixels), (n_samples, height, width) or
        (n_samples, height, width, channels); numbers of any dtype and range.
    image_shape : sequence of int, default=None
        (height, width) or (height, width, channels). None takes flat rows as
        square grey images.

    Returns
    -------
    ndarray of shape (n_samples, height, width) or (n_samples, height, width, 3 or 4)
        Values and dtype as given; a single channel is dropped.

    Raises
    ------
    TypeError
        If the pixels are not numbers.
    ValueError
        If the pixels cannot be laid out as images.
    """
    array = X.toarray() if issparse(X) else np.asarray(X)
    if array.dtype.kind == "O":
        array = pd.DataFrame(array).infer_objects().to_numpy() if array.ndim == 2 else array
    if array.dtype.kind not in "buif":
        raise TypeError(
            f"X must hold numbers, one a pixel; got dtype {array.dtype}. "
            "Convert it, e.g. with X.astype(float)."
        )
    if array.ndim not in (2, 3, 4):
        raise ValueError(
            "X must have the shape (n_samples, n_pixels), (n_samples, height, width) or "
            f"(n_samples, height, width, channels); got {array.shape}."
        )
    shape = infer_image_shape(array.shape[1:], check_image_shape(image_shape))
    images = array.reshape(len(array), *shape)
    if shape[2] == 1:
        return images[..., 0]
    if shape[2] not in (3, 4):
        raise ValueError(
            "X must hold grey (1 channel), RGB (3) or RGBA (4) images, channels last; got images "
            f"of shape {shape}. Move the channels last or pass image_shape."
        )
    return images


def scale_to_unit(images: NDArray[Any]) -> NDArray[Any]:
    """Bring pixels of any range to float64 in [0, 1], for showing.

    Bytes are taken as 0 to 255 and booleans as 0 and 1; anything else by the
    smallest and largest finite value in `images`. Values that are not finite
    become 0.
    """
    low, high = value_range(images)
    scaled = (np.nan_to_num(images.astype(float), nan=low, posinf=high, neginf=low) - low) / (
        high - low
    )
    return np.clip(scaled, 0.0, 1.0)


def value_range(images: NDArray[Any]) -> tuple[float, float]:
    """Return the values shown as black and as white: see `scale_to_unit`."""
    if images.dtype == np.uint8:
        return 0.0, 255.0
    finite = images[np.isfinite(images)]
    if images.dtype == bool or finite.size == 0:
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    return (low, high) if low < high else (low, low + 1.0)


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
        inner += list(np.ravel(getattr(estimator, "estimators_", ())))
    for part in inner:
        yield from fitted_parts(part, with_members=with_members)


def final_estimator(estimator: Any) -> Any:
    """Return the estimator at the heart of searches, pipelines, frozen and cached ones."""
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
    """Return the rows of `X` at `indices`, as a DataFrame if it is one, else as an array."""
    if hasattr(X, "iloc"):
        return X.iloc[indices]
    return X[indices] if hasattr(X, "shape") else np.asarray(X)[indices]


def most_confident_first(indices: NDArray[Any], confidence: NDArray[Any] | None) -> NDArray[Any]:
    """Order `indices` by falling confidence; ties, and all without one, stay as they are."""
    if confidence is None:
        return indices
    return indices[np.argsort(-confidence[indices], kind="stable")]
