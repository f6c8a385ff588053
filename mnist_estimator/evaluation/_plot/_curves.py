"""Calibration, and accuracy by coverage."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ...utils._input_checks import check_count
from ...utils._labels import check_labels, check_same_kind
from ...utils._palette import BLUE, GREY, VERMILION
from ...utils._predictions import find_rejecting, predict_with_confidence
from ...utils._protocols import Classifier
from .._calibration import calibration_table, coverage_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def _correct_and_confidence(
    y_true: ArrayLike, y_pred: ArrayLike, confidence: ArrayLike
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Return whether each prediction is correct, and the confidence, after checks."""
    predicted = np.asarray(y_pred)
    true = check_labels(predicted, y_true, "y_true")
    check_same_kind(true, predicted, "y_true")
    checked = check_labels(predicted, confidence, "confidence")
    return true == predicted, checked.astype(float)


class ReliabilityDisplay:
    """Reliability diagram: accuracy by confidence.

    It is recommended to use :meth:`from_estimator` or :meth:`from_predictions`. All
    parameters are stored as attributes. For two classes and the probability of one of them
    there is :class:`sklearn.calibration.CalibrationDisplay`; this is the confidence in the
    predicted label, of any number of classes, as in the expected calibration error.

    Parameters
    ----------
    table : DataFrame
        From :func:`~mnist_estimator.evaluation.calibration_table`.

    Attributes
    ----------
    line_ : matplotlib Line2D
        Accuracy by mean confidence, bins without samples left out.
    ideal_ : matplotlib Line2D
        The diagonal.
    counts_ : list of matplotlib Text
        The number of samples, at each point.
    ax_ : matplotlib Axes
        The Axes.
    figure_ : matplotlib Figure
        Its figure.

    References
    ----------
    C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger: On Calibration of Modern
    Neural Networks. ICML 2017.

    Examples
    --------
    >>> from mnist_estimator import ReliabilityDisplay
    >>> display = ReliabilityDisplay.from_predictions([1, 1, 1, 0], [1, 1, 0, 0], [0.9] * 4)
    >>> display.line_.get_ydata().tolist()
    [0.75]
    """

    __module__ = "mnist_estimator.evaluation"  # pickles name it

    def __init__(self, table: pd.DataFrame) -> None:
        self.table = table

    @classmethod
    def from_estimator(
        cls,
        estimator: Classifier,
        X: Any,
        y: ArrayLike,
        *,
        n_bins: int = 15,
        ax: "Axes | None" = None,
    ) -> Self:
        """Draw how well a fitted classifier is calibrated.

        Parameters
        ----------
        estimator : fitted classifier
            With ``predict_proba``. Of one with a reject option, such as
            :class:`~mnist_estimator.RejectingClassifier`, all samples count,
            rejected ones with their most probable label.
        X : array-like or DataFrame of shape (n_samples, ...)
            Samples that it was not fitted on, in the form that it takes.
        y : array-like of shape (n_samples,)
            True labels.
        n_bins : int, default=15
            Number of bins of equal width.
        ax : matplotlib Axes, default=None
            See :meth:`plot`.

        Returns
        -------
        ReliabilityDisplay
        """
        y_true = check_labels(X, y)
        predictions = predict_with_confidence(estimator, X)
        return cls.from_predictions(
            y_true, predictions.labels, np.asarray(predictions.confidence), n_bins=n_bins, ax=ax
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        confidence: ArrayLike,
        *,
        n_bins: int = 15,
        ax: "Axes | None" = None,
    ) -> Self:
        """Draw how well predictions are calibrated.

        Parameters
        ----------
        y_true, y_pred : array-like of shape (n_samples,)
            True and predicted labels.
        confidence : array-like of float of shape (n_samples,)
            Probability of each predicted label, in [0, 1].
        n_bins : int, default=15
            Number of bins of equal width.
        ax : matplotlib Axes, default=None
            See :meth:`plot`.

        Returns
        -------
        ReliabilityDisplay
        """
        check_count(n_bins, "n_bins", 1)
        correct, checked = _correct_and_confidence(y_true, y_pred, confidence)
        return cls(calibration_table(correct, checked, n_bins=n_bins)).plot(ax)

    def plot(self, ax: "Axes | None" = None, *, line_kw: Mapping[str, Any] | None = None) -> Self:
        """Draw the curve.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a new figure.
        line_kw : mapping, default=None
            Keywords for the curve's `Axes.plot`, over the defaults.

        Returns
        -------
        ReliabilityDisplay
            Itself, with the handles set.
        """
        ax = _axes(ax)
        filled = self.table[self.table["count"] > 0]
        (self.ideal_,) = ax.plot(
            [0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="ideal"
        )
        style = {"color": BLUE, "marker": "o", "markersize": 4, "label": "accuracy"}
        (self.line_,) = ax.plot(
            filled["confidence"], filled["accuracy"], **{**style, **(line_kw or {})}
        )
        self.counts_ = [
            ax.annotate(
                f"{row.count_:,}",
                (row.confidence, row.accuracy),
                xytext=(4, -4),
                textcoords="offset points",
                ha="left",
                va="top",
                fontsize=7,
            )
            for row in filled.rename(columns={"count": "count_"}).itertuples()
        ]
        ax.set(xlabel="Confidence", ylabel="Accuracy", xlim=(-0.03, 1.1), ylim=(-0.05, 1.05))
        ax.legend(loc="lower right")
        self.ax_, self.figure_ = ax, ax.figure
        return self


class CoverageAccuracyDisplay:
    """Accuracy by coverage: accuracy if the least confident samples are rejected.

    It is recommended to use :meth:`from_estimator` or :meth:`from_predictions`. All
    parameters are stored as attributes.

    Parameters
    ----------
    table : DataFrame
        From :func:`~mnist_estimator.evaluation.coverage_table`.
    threshold : float, default=None
        A threshold to mark. None marks none.

    Attributes
    ----------
    line_ : matplotlib Line2D
        Accuracy among the accepted by the share of them.
    chosen_ : matplotlib Line2D or None
        The point of ``threshold``; None without a threshold, or if it accepts nothing.
    ax_ : matplotlib Axes
        The Axes.
    figure_ : matplotlib Figure
        Its figure.

    See Also
    --------
    mnist_estimator.RejectingClassifier : Choose the threshold for an error rate.

    Examples
    --------
    >>> from mnist_estimator import CoverageAccuracyDisplay
    >>> display = CoverageAccuracyDisplay.from_predictions(
    ...     [1, 1, 0], [1, 1, 1], [0.9, 0.8, 0.6], threshold=0.7
    ... )
    >>> display.line_.get_ydata().round(2).tolist()
    [1.0, 1.0, 0.67]
    """

    __module__ = "mnist_estimator.evaluation"  # pickles name it

    def __init__(self, table: pd.DataFrame, *, threshold: float | None = None) -> None:
        self.table = table
        self.threshold = threshold

    @classmethod
    def from_estimator(
        cls, estimator: Classifier, X: Any, y: ArrayLike, *, ax: "Axes | None" = None
    ) -> Self:
        """Draw accuracy by coverage of a fitted classifier.

        Parameters
        ----------
        estimator : fitted classifier
            With ``predict_proba``. Of a :class:`~mnist_estimator.RejectingClassifier` the
            threshold is marked, and its outliers are the first to be rejected.
        X : array-like or DataFrame of shape (n_samples, ...)
            Samples that it was not fitted on, in the form that it takes.
        y : array-like of shape (n_samples,)
            True labels.
        ax : matplotlib Axes, default=None
            See :meth:`plot`.

        Returns
        -------
        CoverageAccuracyDisplay
        """
        y_true = check_labels(X, y)
        predictions = predict_with_confidence(estimator, X)
        score = predictions.score
        rejecting = find_rejecting(estimator)
        if score is None and rejecting is not None and hasattr(estimator, "score_samples"):
            score = estimator.score_samples(X)
        return cls.from_predictions(
            y_true,
            predictions.labels,
            np.asarray(predictions.confidence if score is None else score),
            threshold=getattr(rejecting, "threshold_", None),
            ax=ax,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        confidence: ArrayLike,
        *,
        threshold: float | None = None,
        ax: "Axes | None" = None,
    ) -> Self:
        """Draw accuracy by coverage of predictions.

        Parameters
        ----------
        y_true, y_pred : array-like of shape (n_samples,)
            True and predicted labels.
        confidence : array-like of float of shape (n_samples,)
            Confidence of each prediction.
        threshold : float, default=None
            A threshold to mark. None marks none.
        ax : matplotlib Axes, default=None
            See :meth:`plot`.

        Returns
        -------
        CoverageAccuracyDisplay
        """
        correct, checked = _correct_and_confidence(y_true, y_pred, confidence)
        return cls(coverage_table(correct, checked), threshold=threshold).plot(ax)

    def plot(self, ax: "Axes | None" = None, *, line_kw: Mapping[str, Any] | None = None) -> Self:
        """Draw the curve.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a new figure.
        line_kw : mapping, default=None
            Keywords for the curve's `Axes.plot`, over the defaults.

        Returns
        -------
        CoverageAccuracyDisplay
            Itself, with the handles set.
        """
        ax = _axes(ax)
        style = {"color": BLUE, "drawstyle": "steps-pre"}
        if len(self.table) == 1:
            style = {"color": BLUE, "marker": "o"}
        (self.line_,) = ax.plot(
            self.table["coverage"], self.table["accuracy"], **{**style, **(line_kw or {})}
        )
        self.chosen_ = None
        accepted = self.table
        if self.threshold is not None:
            accepted = self.table[self.table["threshold"] >= self.threshold]
        if self.threshold is not None and len(accepted):
            point = accepted.iloc[-1]
            (self.chosen_,) = ax.plot(
                point["coverage"],
                point["accuracy"],
                color=VERMILION,
                marker="o",
                linestyle="none",
                label=f"threshold {self.threshold:.4g}",
            )
            ax.legend(loc="lower left")
        ax.set(xlabel="Coverage", ylabel="Accuracy", xlim=(-0.02, 1.02))
        ax.ticklabel_format(axis="y", useOffset=False)
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _axes(ax: "Axes | None") -> "Axes":
    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots(figsize=(4.6, 3.4), layout="constrained")
    return ax
