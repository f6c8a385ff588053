"""Labels and probabilities of any fitted classifier."""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_outlier_detector, is_regressor
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from ._fitted import passes_on_to
from ._labels import as_column
from ._protocols import Classifier
from ._sklearn_compat import BaseSearchCV
from ._wording import shown

LABELS_BY_ARGMAX = {
    "mnist_estimator.classifier.CNNClassifier",
    "mnist_estimator.serving.Predictor",
    "sklearn.calibration.CalibratedClassifierCV",
    "sklearn.ensemble._voting.VotingClassifier",  # with soft votes, else without predict_proba
}
"""Classes whose ``predict`` is ``classes_[predict_proba(X).argmax(axis=1)]``, to the label."""

DELEGATING = (BaseSearchCV, Pipeline)
"""scikit-learn's classes whose ``predict`` and ``predict_proba`` are those of the estimator inside.

A class of this package is one if it defines ``_delegates_to``, the name of the attribute that
holds the fitted estimator."""


class Predictions(NamedTuple):
    """Labels and probabilities of some samples."""

    y_pred: NDArray[Any]
    """What `predict` returns, of shape (n_samples,); rejected samples have the reject label."""
    labels: NDArray[Any]
    """Predicted labels, of shape (n_samples,); for rejected samples the most probable label."""
    proba: NDArray[Any] | None = None
    """Probabilities, of shape (n_samples, n_classes), columns as in `classes`."""
    classes: NDArray[Any] | None = None
    """The estimator's `classes_`."""
    confidence: NDArray[Any] | None = None
    """Probability of each of `labels`, of shape (n_samples,)."""
    rejected: NDArray[np.bool_] | None = None
    """Whether each sample is rejected, of shape (n_samples,); None without a reject option."""
    score: NDArray[np.float64] | None = None
    """What is compared with the threshold of a reject option, of shape (n_samples,), if known."""


def predict(estimator: Classifier, X: Any) -> Predictions:
    """Predict labels and, where the estimator can, probabilities.

    Labels come from `predict`, which differs from the largest probability with a tuned decision
    threshold or a reject option. Estimators for which both follow from the probabilities are
    called only once.

    Parameters
    ----------
    estimator : fitted classifier
        Any estimator with `predict`; `predict_proba` is used if it has it.
    X : array-like or DataFrame of shape (n_samples, ...)
        Samples, in the form that the estimator takes.

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
        If labels, probabilities and `classes_` are inconsistent.
    """
    _check_classifier(estimator)
    rejecting = find_rejecting(estimator)
    classes = getattr(estimator, "classes_", None)
    if classes is None or not hasattr(estimator, "predict_proba"):
        y_pred = estimator.predict(X)
        if rejecting is None:
            labels = as_column(y_pred, "estimator.predict(X)")
            return Predictions(labels, labels)
        rejected = _is_reject_label(y_pred, rejecting.reject_label_)
        labels = _without_reject_label(y_pred, rejected, rejecting.classes_, rejecting.classes_[0])
        return Predictions(np.asarray(y_pred), labels, rejected=rejected)
    classes = as_column(classes, "estimator.classes_")
    once = _predict_once(estimator, X)
    if once is not None:
        return once
    y_pred = estimator.predict(X)
    proba = np.asarray(estimator.predict_proba(X))
    if rejecting is None:
        labels = as_column(y_pred, "estimator.predict(X)")
        return Predictions(labels, labels, proba, classes, _confidence(labels, proba, classes))
    rejected = _is_reject_label(y_pred, rejecting.reject_label_)
    return _with_rejections(y_pred, rejected, proba, classes)


def _predict_once(estimator: Any, X: Any) -> Predictions | None:
    """Predict with one call of the classifier; None if that may differ from `predict`.

    Pipelines, searches and other delegating estimators are followed to the estimator inside.
    """
    inner = estimator
    while True:
        if {"predict", "predict_proba"} & set(getattr(inner, "__dict__", ())):
            return None  # set on the instance
        if has_own_rejections(inner):
            break
        if type(inner) is not FrozenEstimator:
            definers = {_definer(inner, method) for method in ("predict", "predict_proba")}
            if len(definers) > 1:
                return None
            (definer,) = definers
            if definer not in DELEGATING and "_delegates_to" not in vars(definer):
                name = f"{definer.__module__}.{definer.__qualname__}"
                if name not in LABELS_BY_ARGMAX or find_rejecting(inner) is not None:
                    return None
                break
        inner = passes_on_to(inner)
    classes = as_column(estimator.classes_, "estimator.classes_")
    if has_own_rejections(inner):
        y_pred, rejected, proba, score = inner._predict_with_rejections(_transform(estimator, X))
        return _with_rejections(y_pred, rejected, proba, classes)._replace(score=score)
    proba = np.asarray(estimator.predict_proba(X))
    _check_proba(proba, len(proba), len(classes))
    columns = proba.argmax(axis=1)
    labels = classes[columns]
    return Predictions(labels, labels, proba, classes, proba[np.arange(len(proba)), columns])


def has_own_rejections(estimator: Classifier) -> bool:
    """Tell whether the class with the reject option, and no subclass of it, defines `predict`."""
    definer = _definer(estimator, "_predict_with_rejections")
    return (
        definer is not object
        and definer is _definer(estimator, "predict")
        and issubclass(definer, _definer(estimator, "predict_proba"))
    )


def _transform(estimator: Any, X: Any) -> Any:
    """Return X as the estimator inside gets it: transformed by the steps of pipelines."""
    while estimator is not None:
        if isinstance(estimator, Pipeline) and len(estimator.steps) > 1:
            X = estimator[:-1].transform(X)
        estimator = passes_on_to(estimator)
    return X


def _with_rejections(
    y_pred: Any, rejected: NDArray[np.bool_], proba: NDArray[Any], classes: NDArray[Any]
) -> Predictions:
    _check_proba(proba, len(y_pred), len(classes))
    most_probable = classes[proba.argmax(axis=1)][rejected]
    labels = _without_reject_label(y_pred, rejected, classes, most_probable)
    confidence = _confidence(labels, proba, classes)
    return Predictions(np.asarray(y_pred), labels, proba, classes, confidence, rejected)


def predict_with_confidence(estimator: Classifier, X: Any) -> Predictions:
    """Predict as :func:`predict` does, but refuse an estimator without probabilities.

    Raises
    ------
    TypeError
        If `estimator` has no `predict_proba` or no `classes_`, or is not a classifier.
    NotFittedError, ValueError
        As :func:`predict`.
    """
    predictions = predict(estimator, X)
    if predictions.confidence is None:
        raise _no_probabilities(estimator)
    return predictions


def predict_proba(estimator: Classifier, X: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return probabilities, of shape (n_samples, n_classes), and the classes of their columns.

    Raises
    ------
    TypeError
        If `estimator` has no `predict_proba`, or is not a classifier.
    NotFittedError
        If `estimator` is not fitted.
    ValueError
        If there is not one column for each of its classes.
    """
    _check_classifier(estimator)
    if not hasattr(estimator, "predict_proba") or not hasattr(estimator, "classes_"):
        raise _no_probabilities(estimator)
    classes = as_column(estimator.classes_, "estimator.classes_")
    proba = np.asarray(estimator.predict_proba(X))
    _check_proba(proba, len(proba), len(classes))
    return proba, classes


def _no_probabilities(estimator: Classifier) -> TypeError:
    """Return the error for an estimator without probabilities."""
    return TypeError(
        "estimator must have predict_proba; "
        f"got {type(estimator).__name__}. Wrap it, e.g. in CalibratedClassifierCV."
    )


def find_rejecting(estimator: Any) -> Any:
    """Return the part of an estimator that has a reject option, or None."""
    while estimator is not None:
        if hasattr(estimator, "reject_label_"):
            return estimator
        inner = passes_on_to(estimator)
        estimator = getattr(estimator, "estimator_", None) if inner is None else inner
    return None


def _check_classifier(estimator: Classifier) -> None:
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


def _definer(estimator: Classifier, method: str) -> type:
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


def most_confident_first(indices: NDArray[Any], confidence: NDArray[Any] | None) -> NDArray[Any]:
    """Order `indices` by falling confidence; ties, and all without one, stay as they are."""
    if confidence is None:
        return indices
    return indices[np.argsort(-confidence[indices], kind="stable")]
