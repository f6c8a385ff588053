"""Probable label errors, by confident learning."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.model_selection import check_cv

from ..utils._fitted import take_rows
from ..utils._labels import check_labels, check_same_kind
from ..utils._predictions import predict_proba
from ..utils._wording import shown


def find_label_errors(estimator: Any, X: Any, y: ArrayLike, *, cv: Any = 5) -> pd.DataFrame:
    """Find samples whose label is probably wrong, by cross-validation.

    The probabilities of each sample come from a classifier that was not fitted on it.

    Parameters
    ----------
    estimator : classifier
        With ``predict_proba``; a pipeline or search will do. It is cloned. One with a reject
        option is used by its probabilities, which it also gives for rejected samples.
    X : array-like or DataFrame of shape (n_samples, ...)
        Samples in the form that ``estimator`` takes.
    y : array-like of shape (n_samples,)
        The labels in question.
    cv : int, cross-validation generator, iterable or "prefit", default=5
        The folds, each sample in one of them. "prefit": ``estimator`` is fitted, on other
        samples than these, and predicts all of them.

    Returns
    -------
    DataFrame
        A row for each sample that is most probably of another class than its label, the most
        suspicious first: the less probable its label, the more so. Columns: ``row``, its place
        in X; ``label``, as given; ``suggested``, what it seems to be; ``label_probability`` and
        ``suggested_probability``, what the classifier gives the two, in [0, 1]; ``confident``,
        whether confident learning counts it as an error.

    Raises
    ------
    TypeError
        If ``estimator`` is not a classifier or has no ``predict_proba``.
    ValueError
        If X and y do not fit together, labels are of another kind than the estimator's, or the
        folds do not hold each sample once.

    Notes
    -----
    Confident learning: C. Northcutt, L. Jiang, I. Chuang, Confident Learning: Estimating
    Uncertainty in Dataset Labels. Journal of Artificial Intelligence Research 70, 2021. The
    threshold of a class is the mean probability that samples labelled so get for it. A sample
    belongs confidently to the most probable class that reaches its threshold; it counts as an
    error if that is not its label. Precision is high and recall low: where nearly all labels
    are correct, also check the rows after the confident ones. The package cleanlab calls the two
    ``filter_by="confident_learning"`` and ``return_indices_ranked_by="self_confidence"``, and
    returns the same rows.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from mnist_estimator import find_label_errors
    >>> X, y = load_digits(return_X_y=True)
    >>> y[7] = 3  # it was a 7
    >>> found = find_label_errors(LogisticRegression(max_iter=1000), X[:500] / 16, y[:500])
    >>> found[["row", "label", "suggested"]].iloc[0].tolist()
    [7, 3, 7]
    """
    labels = check_labels(X, y)
    classes = np.unique(labels)
    if isinstance(cv, str):
        if cv != "prefit":
            raise ValueError(
                f'cv must be a number of folds, a splitter or "prefit"; got {shown(cv)}. '
                "For five folds, pass cv=5."
            )
        proba, classes = _probabilities(estimator, X, labels, None)
        return suspect_labels(labels, proba, classes)
    proba = np.zeros((len(labels), len(classes)))
    n_predicted = np.zeros(len(labels), dtype=int)
    for kept, held_out in check_cv(cv, labels, classifier=True).split(X, labels):
        fitted = clone(estimator).fit(take_rows(X, kept), labels[kept])
        proba[held_out] = _probabilities(fitted, take_rows(X, held_out), labels, classes)[0]
        n_predicted[held_out] += 1
    if (n_predicted != 1).any():
        raise ValueError(
            "cv must hold out each sample once; got folds that hold out some of them "
            f"{n_predicted.min()} times and some {n_predicted.max()} times. Pass a KFold or int."
        )
    return suspect_labels(labels, proba, classes)


def _probabilities(
    estimator: Any, X: Any, labels: NDArray[Any], classes: NDArray[Any] | None
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return probabilities with a column for each of `classes`, None: for each class there is."""
    proba, seen = predict_proba(estimator, X)
    check_same_kind(labels, seen)
    if classes is None:
        classes = np.unique(np.concatenate([labels, seen]))
    aligned = np.zeros((len(proba), len(classes)))  # classes unknown in a fold have probability 0
    aligned[:, np.searchsorted(classes, seen)] = proba
    return aligned, classes


def suspect_labels(y: ArrayLike, proba: ArrayLike, classes: ArrayLike) -> pd.DataFrame:
    """Apply the rule of :func:`find_label_errors` to probabilities.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Labels, all of them in ``classes``.
    proba : array-like of float of shape (n_samples, n_classes)
        From classifiers that have not learned these samples.
    classes : array-like of shape (n_classes,)
        The labels that the columns of ``proba`` stand for, sorted.

    Returns
    -------
    DataFrame
        As :func:`find_label_errors`.

    Examples
    --------
    >>> from mnist_estimator.evaluation._label_errors import suspect_labels
    >>> proba = [[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.1, 0.9], [0.95, 0.05]]
    >>> suspect_labels([3, 3, 8, 8, 8], proba, [3, 8])["row"].tolist()
    [4]
    """
    known, chances = np.asarray(classes), np.asarray(proba, dtype=float)
    label = np.searchsorted(known, np.asarray(y))
    of_label = chances[np.arange(len(label)), label]
    counts = np.bincount(label, minlength=len(known))
    sums = np.bincount(label, weights=of_label, minlength=len(known))
    # A class that no sample is labelled with has no threshold, and nothing reaches it.
    thresholds = np.divide(sums, counts, out=np.full(len(known), np.inf), where=counts > 0)
    reached = np.where(chances >= thresholds, chances, -1.0)
    confident = (reached.max(axis=1) >= 0) & (reached.argmax(axis=1) != label)
    best = chances.argmax(axis=1)
    of_best = chances[np.arange(len(best)), best]
    rows = np.flatnonzero(best != label)
    rows = rows[np.lexsort((-of_best[rows], of_label[rows]))]
    return pd.DataFrame(
        {
            "row": rows,
            "label": known[label[rows]],
            "suggested": known[best[rows]],
            "label_probability": of_label[rows],
            "suggested_probability": of_best[rows],
            "confident": confident[rows],
        }
    )
