"""Images of digits given to any fitted classifier, in one call."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..preprocessing._digit_image import SIDE
from ..serving._predictor import Predictor, RejectingPredictor


class Classified(NamedTuple):
    """What a classifier says of some images."""

    labels: NDArray[Any]
    """What ``predict`` returns, of shape (n,): rejected ones are the reject label."""
    probabilities: NDArray[np.floating] | None
    """Of shape (n, n_classes); None without ``predict_proba``."""
    confidences: NDArray[np.floating] | None
    """Probability of each label, of a rejected one that of the most probable."""
    rejected: NDArray[np.bool_] | None
    """Of shape (n,); None without a reject option."""

    def take(self, positions: NDArray[np.integer]) -> "Classified":
        """Return what is said of the images at some positions."""
        parts: list[Any] = [None if part is None else part[positions] for part in self]
        return Classified(*parts)


def check_classifier(estimator: Any) -> None:
    """Check that an estimator is fitted, and on images of 28×28 pixels.

    Raises
    ------
    NotFittedError
        If it is not fitted.
    ValueError
        If it takes images of another size.
    """
    if not isinstance(estimator, Predictor):  # which is fitted
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(estimator)
    n_features = getattr(estimator, "n_features_in_", SIDE * SIDE)
    if n_features != SIDE * SIDE:
        raise ValueError(
            f"estimator must take images of 28×28 pixels, {SIDE * SIDE} values; got a "
            f"{type(estimator).__name__} that was fitted on {n_features}. Fit it on MNIST's "
            "images, or on others that DigitNormalizer has brought to their format."
        )


def classify(estimator: Any, images: NDArray[np.uint8]) -> Classified:
    """Classify images of digits.

    Parameters
    ----------
    estimator : fitted classifier
        Checked by :func:`check_classifier`. Its ``predict_proba`` is called once.
    images : ndarray of shape (n, 28, 28), uint8
        In MNIST's format.

    Returns
    -------
    Classified
    """
    if not len(images):
        return _nothing(estimator)
    rows = _rows(estimator, images)
    if type(estimator) is Predictor:
        proba = np.asarray(estimator.predict_proba(rows))
        columns = proba.argmax(axis=1)
        labels = estimator.classes_[columns]
        return Classified(labels, proba, proba[np.arange(len(proba)), columns], None)
    if type(estimator) is RejectingPredictor:
        labels, rejected, proba, _ = estimator._predict_with_rejections(rows)
        columns = proba.argmax(axis=1)
        confidences = proba[np.arange(len(proba)), columns]
        return Classified(labels, proba, confidences, rejected)
    from ..utils._predictions import predict  # with scikit-learn, whose import takes seconds

    answers = predict(estimator, rows)
    return Classified(answers.y_pred, answers.proba, answers.confidence, answers.rejected)


def _nothing(estimator: Any) -> Classified:
    """Return what a classifier would say of no images, which few take."""
    classes = np.asarray(getattr(estimator, "classes_", np.arange(10)))
    probabilities, confidences, rejected = None, None, None
    if hasattr(estimator, "predict_proba"):
        probabilities, confidences = np.empty((0, len(classes))), np.empty(0)
    if has_reject_option(estimator):
        rejected = np.empty(0, dtype=bool)
    return Classified(classes[:0], probabilities, confidences, rejected)


def has_reject_option(estimator: Any) -> bool:
    """Tell whether a classifier may reject samples."""
    if isinstance(estimator, Predictor):
        return isinstance(estimator, RejectingPredictor)
    from ..utils._predictions import find_rejecting

    return find_rejecting(estimator) is not None


def _rows(estimator: Any, images: NDArray[np.uint8]) -> Any:
    """Return images as flat rows, with the value range and columns of the fit."""
    rows: NDArray[Any] = images.reshape(len(images), -1)
    low, high = _value_range(estimator)
    if (low, high) != (0.0, 255.0):
        rows = (low + rows / 255.0 * (high - low)).astype(np.float32)
    names = getattr(estimator, "feature_names_in_", None)
    if names is None or isinstance(estimator, Predictor):  # which needs no names
        return rows
    import pandas as pd

    return pd.DataFrame(rows, columns=names)


def _value_range(estimator: Any) -> tuple[float, float]:
    """Return the values of black and white in the images of the fit."""
    for part in _parts(estimator):
        if hasattr(part, "value_range_"):
            low, high = part.value_range_
            return low, high
        learned = getattr(part, "_value_range", None)
        if learned is not None:
            return learned[0], learned[1]
        if hasattr(part, "transform") and not _is_classifier(part):
            break  # later parts take other values
    return 0.0, 255.0


def _is_classifier(part: Any) -> bool:
    from sklearn.base import is_classifier

    return bool(is_classifier(part))


def _parts(estimator: Any) -> Iterable[Any]:
    if isinstance(estimator, Predictor):
        return [estimator]
    from ..utils._fitted import fitted_parts

    return fitted_parts(estimator)
