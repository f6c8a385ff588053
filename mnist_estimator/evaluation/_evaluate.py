"""``evaluate``: the report of a fitted classifier on test data."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..utils._displayed_images import as_images
from ..utils._fitted import final_estimator, find_history, find_image_shape, take_rows
from ..utils._input_checks import check_count
from ..utils._labels import check_labels, check_same_kind, check_targets
from ..utils._predictions import most_confident_first, predict
from ..utils._protocols import Classifier, ProbabilisticClassifier
from ._html import N_SHOWN_REJECTIONS
from ._occlusion import map_label
from ._report import MAX_IMAGES, EvaluationReport


def evaluate(
    estimator: Classifier,
    X: Any,
    y: ArrayLike,
    *,
    image_shape: Sequence[int] | None = None,
    n_occlusion_maps: int = 0,
) -> EvaluationReport:
    """Evaluate a fitted classifier on test data.

    Parameters
    ----------
    estimator : fitted classifier
        Any classifier, pipeline or search. Without `predict_proba` the report
        has no log loss, calibration error and confidence. Samples that a
        :class:`~mnist_estimator.RejectingClassifier` rejects are counted as rejected, not as
        mistakes.
    X : array-like or DataFrame of shape (n_samples, ...)
        Samples in the form that `estimator` takes.
    y : array-like of shape (n_samples,)
        True labels, of the kind `estimator` was fitted on. Labels unknown to it
        are allowed, and count as mistakes.
    image_shape : sequence of int, default=None
        (height, width) or (height, width, channels) of flat rows, for showing
        mistakes. None takes the estimator's `image_shape_` if it has one, else
        takes rows of at least 8 × 8 pixels as square; if they cannot be, the
        report has no images.
    n_occlusion_maps : int, default=0
        Number of the most confident mistakes with an occlusion map, at most 40. Each takes
        about as long as the prediction of 1,000 images.

    Returns
    -------
    EvaluationReport

    Raises
    ------
    NotFittedError
        If `estimator` is not fitted.
    TypeError
        If `estimator` is not a classifier.
    ValueError
        If `X` is empty, `y` has another length than `X`, missing labels, or
        labels of another kind than the estimator's; if `image_shape` does
        not fit `X`; or if `n_occlusion_maps` is out of range.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from mnist_estimator import evaluate
    >>> X, y = load_digits(return_X_y=True)
    >>> model = LogisticRegression(max_iter=1000).fit(X[:1000] / 16, y[:1000])
    >>> report = evaluate(model, X[1000:] / 16, y[1000:])
    >>> report
    EvaluationReport(accuracy=0.9322, n_samples=797)
    >>> report.top_confusions[["true", "predicted"]].iloc[0].tolist()
    [1, 9]
    """
    check_count(n_occlusion_maps, "n_occlusion_maps", 0, _MAX_MAPS)
    y_true = check_labels(X, y)
    y_pred, labels, proba, seen, confidence, rejected, _ = predict(estimator, X)
    check_same_kind(y_true, labels if seen is None else seen)
    check_targets(y_true)
    classes = np.unique(np.concatenate([y_true, labels] + ([] if seen is None else [seen])))
    aligned = None
    if proba is not None and seen is not None:  # unknown classes have probability 0
        aligned = np.zeros((len(y_true), len(classes)), dtype=np.result_type(proba, np.float32))
        aligned[:, np.searchsorted(classes, seen)] = proba
    wrong = y_true != labels if rejected is None else (y_true != labels) & ~rejected
    mistakes = most_confident_first(np.flatnonzero(wrong), confidence)
    history, best_epoch = find_history(estimator) or (None, None)
    report = EvaluationReport(
        y_true=y_true,
        y_pred=y_pred,
        classes=classes,
        rejected=rejected,
        proba=aligned,
        images=_images_of(estimator, X, mistakes[:MAX_IMAGES], image_shape),
        history=history,
        best_epoch=best_epoch,
        model_name=type(final_estimator(estimator)).__name__,
        model_description=repr(estimator),
    )
    if report.images is None:
        return report
    shown = _shown_rows(report)
    examples = _images_of(estimator, X, shown, image_shape)
    maps = {}
    if proba is not None:
        for row in mistakes[:n_occlusion_maps].tolist():
            sample: Any = take_rows(X, np.array([row]))
            dense = sample.toarray() if hasattr(sample, "toarray") else sample
            column = int(np.flatnonzero(seen == labels[row])[0])
            maps[row] = map_label(
                cast(ProbabilisticClassifier, estimator),
                dense,
                column,
                float(proba[row, column]),
                image_shape=image_shape,
            )
    return replace(
        report,
        examples={} if examples is None else dict(zip(shown.tolist(), examples, strict=True)),
        occlusion_maps=maps,
    )


def _shown_rows(report: EvaluationReport) -> NDArray[np.intp]:
    """Return the rows whose images a page shows beside the most confident mistakes."""
    rows = [report.examples_of(*pair) for pair in report._shown_pairs()]
    rows.append(report._shown_label_errors()["row"].to_numpy())
    rows.append(report.rejections[:N_SHOWN_REJECTIONS])
    return np.unique(np.concatenate([*rows, np.empty(0, dtype=np.intp)]))


def _images_of(
    estimator: Classifier, X: Any, indices: NDArray[Any], image_shape: Sequence[int] | None
) -> NDArray[Any] | None:
    """Return the rows as images, or None if they are not images and no shape was given."""
    rows = take_rows(X, indices)
    if image_shape is not None:
        return as_images(rows, image_shape)
    shape = np.shape(rows)
    flat = len(shape) == 2
    image_shape = find_image_shape(estimator, int(np.prod(shape[1:]))) if flat else None
    try:
        images = as_images(rows, image_shape)
    except (TypeError, ValueError):
        return None
    smallest = _MIN_SIDE if flat and image_shape is None else 2
    return images if min(images.shape[1:3]) >= smallest else None


_MAX_MAPS = 40

_MIN_SIDE = 8  # pixels; square flat rows of fewer are more likely tables than images
