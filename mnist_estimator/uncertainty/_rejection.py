"""Selective classification: a reject option for any classifier with `predict_proba`."""

import warnings
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.model_selection import StratifiedShuffleSplit, check_cv
from sklearn.utils import assert_all_finite, indexable
from sklearn.utils.validation import check_is_fitted, column_or_1d

from ..utils._delegating import DelegatingClassifier
from ..utils._fitted import take_rows
from ..utils._input_checks import count_rows, refuse_streams
from ..utils._labels import check_labels, check_targets
from ..utils._predictions import predict
from ..utils._reject_label import insert_reject_label
from ..utils._sklearn_compat import (
    HasMethods,
    Interval,
    StrOptions,
    validate_parameter_constraints,
)
from ..utils._wording import shown, suggest_names
from ._threshold import choose_threshold

NOT_PREFIT = (
    'This %(name)s is not fitted, as cv="prefit" requires. Fit it first. Where copies are fitted, '
    "as in searches and cross-validation, pass FrozenEstimator(...) around the fitted one with "
    "another cv, such as 2: a copy of anything else is not fitted."
)


class RejectingClassifier(DelegatingClassifier):
    """Classifier that rejects samples where its error rate would be too high.

    A sample is accepted if the probability of its predicted label reaches a threshold,
    and the outlier detector, if there is one, predicts an inlier. The threshold is
    the lowest at which the error rate among accepted samples is bounded, by
    :func:`~mnist_estimator.uncertainty.choose_threshold` on samples held out from training.
    The bound holds for samples from the distribution of those in ``fit``; other samples are
    left to the outlier detector.

    Parameters
    ----------
    estimator : classifier
        With ``predict_proba``, such as a pipeline or search.
    error_rate : float in (0, 1], default=0.005
        Allowed share of mistakes among accepted samples. 1 accepts all but outliers.
    confidence_level : float in (0, 1), default=0.95
        Probability that the true error rate is below ``error_rate``.
    outlier_detector : outlier detector or None, default=None
        With ``predict`` that gives -1 for outliers in new samples: for networks
        ``NoveltyDetector()``, else such as ``LocalOutlierFactor(novelty=True)``. It takes
        samples as ``estimator`` does. If it has a parameter ``classifier`` that is None, it
        gets the fitted estimator there.
    cv : int, float, cross-validation generator, iterable or "prefit", default=5
        Where held-out samples come from. A float in (0, 1): that share of the samples,
        stratified by class; the estimator is fitted once, on the others. An int or a splitter:
        cross-validation; then the estimator is fitted on all samples, and the bound is that of
        the ones fitted in the folds, on fewer samples. "prefit": the estimator
        and the detector are fitted, and all of X and y are held out.
    reject_label : number, str, bool or None, default="auto"
        The label of rejected samples in ``predict``. "auto": -1 for numbers, or less if
        there are labels below 0; "?" for strings; None for booleans.
    random_state : int, RandomState instance or None, default=None
        Seeds the draw where ``cv`` is a float.

    Attributes
    ----------
    estimator_ : classifier
        The fitted one.
    outlier_detector_ : outlier detector or None
        The fitted one.
    classes_ : ndarray of shape (n_classes,)
        Class labels, without ``reject_label``.
    threshold_ : float
        Smallest probability accepted; infinite if none is.
    coverage_ : float
        Share of held-out samples that are accepted, in [0, 1].
    error_rate_ : float
        Share of mistakes among those; NaN if there are none.
    error_bound_ : float
        Upper bound of the true error rate at ``confidence_level``; NaN if all are rejected.
    reject_label_ : object
        The label of rejected samples in ``predict``.

    See Also
    --------
    mnist_estimator.CoverageAccuracyDisplay : Plot the accuracy at each threshold.
    sklearn.model_selection.TunedThresholdClassifierCV : Thresholds between two classes.

    Notes
    -----
    ``score`` counts rejected samples as mistakes.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from mnist_estimator import RejectingClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> base = LogisticRegression(max_iter=1000)
    >>> model = RejectingClassifier(base, error_rate=0.02).fit(X[:1400] / 16, y[:1400])
    >>> y_pred = model.predict(X[1400:] / 16)
    >>> accepted = y_pred != -1
    >>> bool((y_pred == y[1400:])[accepted].mean() > 0.98)
    True
    """

    __module__ = "mnist_estimator.uncertainty"  # files and pickles name it
    _delegates_to = None  # its labels differ

    _parameter_constraints: dict[str, list[Any] | str] = {  # noqa: RUF012  scikit-learn's own form
        "estimator": [HasMethods(["fit", "predict", "predict_proba"])],
        "error_rate": [Interval(Real, 0, 1, closed="right")],
        "confidence_level": [Interval(Real, 0, 1, closed="neither")],
        "outlier_detector": [HasMethods(["fit", "predict"]), None],
        "cv": [
            Interval(Integral, 2, None, closed="left"),
            Interval(Real, 0, 1, closed="neither"),
            StrOptions({"prefit"}),
            "cv_object",
        ],
        "reject_label": "no_validation",
        "random_state": ["random_state"],
    }

    @suggest_names
    def __init__(
        self,
        estimator: Any,
        *,
        error_rate: float = 0.005,
        confidence_level: float = 0.95,
        outlier_detector: Any = None,
        cv: Any = 5,
        reject_label: Any = "auto",
        random_state: Any = None,
    ) -> None:
        self.estimator = estimator
        self.error_rate = error_rate
        self.confidence_level = confidence_level
        self.outlier_detector = outlier_detector
        self.cv = cv
        self.reject_label = reject_label
        self.random_state = random_state

    def fit(self, X: Any, y: ArrayLike) -> Self:
        """Fit the estimator, and choose the threshold on held-out samples.

        Issues a ``UserWarning`` if no threshold has a low enough bound; then all samples are
        rejected.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, ...)
            Samples in the form that ``estimator`` takes.
        y : array-like of shape (n_samples,)
            Labels.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter is out of range, X and y do not fit together, or
            ``reject_label`` is one of the labels.
        NotFittedError
            With ``cv="prefit"``, if the estimator or the detector is not fitted.
        """
        validate_parameter_constraints(
            self._parameter_constraints, self.get_params(deep=False), type(self).__name__
        )
        count_rows(X)
        refuse_streams(y, "y", "labels")
        X, y = indexable(X, y)
        labels = check_labels(X, column_or_1d(y, warn=True))
        if labels.dtype.kind == "f":
            assert_all_finite(labels, input_name="y")
        check_targets(labels)
        reject_label = _resolve_reject_label(self.reject_label, labels)
        if isinstance(self.cv, str):
            parts = (self.estimator, self.outlier_detector)
            for part in parts:
                if part is not None:
                    check_is_fitted(part, msg=NOT_PREFIT)
            correct, score = _correct_and_score(*parts, X, labels)
        elif isinstance(self.cv, float):
            splitter = StratifiedShuffleSplit(
                n_splits=1, test_size=self.cv, random_state=self.random_state
            )
            kept, held_out = next(splitter.split(np.zeros(len(labels)), labels))
            parts = self._fit_parts(take_rows(X, kept), labels[kept])
            correct, score = _correct_and_score(*parts, take_rows(X, held_out), labels[held_out])
        else:
            results = []
            for kept, held_out in check_cv(self.cv, labels, classifier=True).split(X, labels):
                parts = self._fit_parts(take_rows(X, kept), labels[kept])
                results.append(_correct_and_score(*parts, take_rows(X, held_out), labels[held_out]))
            correct, score = (np.concatenate(column) for column in zip(*results, strict=True))
            parts = self._fit_parts(X, labels)
        chosen = choose_threshold(
            correct,
            score,
            error_rate=self.error_rate,
            confidence_level=self.confidence_level,
        )
        if chosen.threshold == np.inf:
            warnings.warn(
                f"No threshold keeps the error rate below {self.error_rate:g} at a confidence "
                f"level of {self.confidence_level:g}: of {len(correct):,} held-out samples "
                f"{int((~correct).sum()):,} are mistaken. All samples will be rejected. Fit on "
                "more samples, or accept a larger error_rate.",
                stacklevel=2,
            )
        self.estimator_, self.outlier_detector_ = parts
        self.threshold_, self.coverage_, self.error_rate_, self.error_bound_ = chosen
        self.reject_label_ = reject_label
        self._copy_fitted_attributes()
        return self

    def _fit_parts(self, X: Any, y: NDArray[Any]) -> tuple[Any, Any]:
        estimator = clone(self.estimator).fit(X, y)
        if self.outlier_detector is None:
            return estimator, None
        detector = clone(self.outlier_detector)
        if getattr(detector, "classifier", estimator) is None:
            detector.set_params(classifier=estimator)
        return estimator, detector.fit(X)

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the labels, or ``reject_label_`` where a sample is rejected.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, ...)
            Samples in the form that ``estimator`` takes.

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        return self._predict_with_rejections(X)[0]

    def _predict_with_rejections(
        self, X: Any
    ) -> tuple[NDArray[Any], NDArray[np.bool_], NDArray[Any], NDArray[np.float64]]:
        """Return the predictions, which are rejected, the probabilities and the scores.

        The estimator and the detector are called once each, where one call is enough.
        """
        check_is_fitted(self)
        labels, proba, score = _score(self.estimator_, self.outlier_detector_, X)
        rejected = ~(score >= self.threshold_)
        return insert_reject_label(labels, rejected, self.reject_label_), rejected, proba, score

    def accepts(self, X: Any) -> NDArray[np.bool_]:
        """Tell which samples are accepted.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, ...)
            Samples in the form that ``estimator`` takes.

        Returns
        -------
        ndarray of bool of shape (n_samples,)
        """
        return self.score_samples(X) >= self.threshold_

    def score_samples(self, X: Any) -> NDArray[np.float64]:
        """Return the confidence that is compared with the threshold.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, ...)
            Samples in the form that ``estimator`` takes.

        Returns
        -------
        ndarray of float of shape (n_samples,)
            Probability of the predicted label; minus infinity for outliers.
        """
        check_is_fitted(self)
        return _score(self.estimator_, self.outlier_detector_, X)[2]

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Set the state; refuse one that no ``fit`` produces.

        Raises
        ------
        ValueError
            If the threshold is not a number, or the reject label no single value.
        """
        super().__setstate__(state)
        if not hasattr(self, "threshold_"):
            return
        if not isinstance(self.threshold_, float) or np.isnan(self.threshold_):
            raise ValueError(f"The threshold_ must be a number; got {self.threshold_!r:.100}.")
        _check_reject_label(self.reject_label_, "reject_label_")


def _score(
    estimator: Any, detector: Any, X: Any
) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.float64]]:
    """Return labels, probabilities of all classes, and scores.

    The score is the probability of the label, minus infinity for outliers.
    """
    predictions = predict(estimator, X)
    score = np.asarray(predictions.confidence, dtype=np.float64)
    if predictions.rejected is not None:  # by an inner reject option
        score = np.where(predictions.rejected, -np.inf, score)
    if detector is not None:
        score = np.where(np.asarray(detector.predict(X)) == -1, -np.inf, score)
    return predictions.labels, np.asarray(predictions.proba), score


def _correct_and_score(
    estimator: Any, detector: Any, X: Any, y: NDArray[Any]
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Return which predictions are correct, and the scores."""
    labels, _, score = _score(estimator, detector, X)
    return labels == y, score


def _resolve_reject_label(reject_label: Any, labels: NDArray[Any]) -> Any:
    if isinstance(reject_label, str) and reject_label == "auto":
        if labels.dtype.kind in "USb":
            reject_label = {"U": "?", "S": b"?", "b": None}[labels.dtype.kind]
        else:
            reject_label = min(-1, int(labels.min()) - 1)
    _check_reject_label(reject_label, "reject_label")
    if reject_label in labels.tolist():
        raise ValueError(
            f"reject_label must be none of the labels in y; got {shown(reject_label)}. "
            "Choose another, such as reject_label=None."
        )
    return reject_label


def _check_reject_label(value: Any, name: str) -> None:
    if value is not None and not isinstance(value, str | bytes | bool | Real | np.generic):
        raise ValueError(
            f"{name} must be a number, a string, a boolean or None; got {value!r:.100}. "
            'Use "auto" to have one that fits the labels.'
        )
