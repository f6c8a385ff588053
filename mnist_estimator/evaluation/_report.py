"""The report of a classifier on test data: numbers, tables and an HTML page."""

import math
import os
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, overload

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn.metrics import classification_report, precision_recall_fscore_support

from ..utils._input_checks import check_count
from ..utils._output_files import atomic_write, file_path
from ..utils._predictions import most_confident_first
from ._calibration import calibration_table, coverage_table, expected_calibration_error
from ._html import render, render_fragment
from ._label_errors import suspect_labels
from ._page_data import PageData

if TYPE_CHECKING:
    from matplotlib.figure import FigureBase

    from ._plot._report_display import EvaluationReportDisplay

MAX_IMAGES = 100
"""Mistakes of which a report has the images."""
N_SHOWN_PAIRS, N_IMAGES_OF_PAIR, N_SHOWN_LABEL_ERRORS = 10, 8, 12
"""What a page shows of confused pairs of labels, of each of them, and of label errors."""


class Averages(NamedTuple):
    """A metric over all classes."""

    weighted: float
    """Mean over the classes, weighted by the number of true samples of each."""
    macro: float
    """Plain mean over the classes."""


def _pick(rows: NDArray[Any], columns: NDArray[np.intp]) -> NDArray[Any]:
    """Return one value of each row."""
    return rows[np.arange(len(rows)), columns]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class EvaluationReport:
    """Metrics of a classifier on test data, made by :func:`evaluate`.

    `print(report)` shows the main numbers, a notebook also the confusion matrix, curves and
    mistakes; `report.plot()` draws them, and `report.to_html(path)` writes a page with
    all numbers and images. Each number and table is a property.

    Where the classifier has a reject option, accuracy, precision, recall, F1, mistakes and
    confusions refer to the samples that are not rejected. Log loss, calibration, coverage
    and label errors refer to the probabilities of all samples.

    Attributes
    ----------
    y_true, y_pred : ndarray of shape (n_samples,)
        True labels, and what `predict` gives; rejected samples have the reject label.
    rejected : ndarray of bool of shape (n_samples,) or None
        Which samples are rejected. None without a reject option.
    classes : ndarray of shape (n_classes,)
        The labels that the estimator knows or that occur, sorted.
    proba : ndarray of float of shape (n_samples, n_classes) or None
        Probabilities, columns as in `classes`; 0 for labels that the estimator
        does not know. None without `predict_proba`.
    images : ndarray of shape (n_images, height, width[, channels]) or None
        The first 100 of `mistakes` as images. None if the samples are not images.
    examples : dict of int to ndarray of shape (height, width[, channels])
        By their row in `X`, images of the most confused pairs, of samples with suspected
        labels and of 24 rejected ones; empty if the samples are not images.
    occlusion_maps : dict of int to ndarray of shape (height, width)
        By their row in `X`, occlusion maps of the predicted label of the most confident
        mistakes, from :func:`~mnist_estimator.evaluation.occlusion_map`; empty unless asked for.
    history : dict of str to list of float, or None
        The estimator's `history_`, if it has one.
    best_epoch : int or None
        The estimator's `best_epoch_`, counted from 1, if it has one.
    model_name, model_description : str
        Class name of the classifier, and the estimator's representation.
    """

    __module__ = "mnist_estimator.evaluation"  # pickles name it

    y_true: NDArray[Any]
    y_pred: NDArray[Any]
    classes: NDArray[Any]
    rejected: NDArray[np.bool_] | None = None
    proba: NDArray[Any] | None = None
    images: NDArray[Any] | None = None
    history: dict[str, list[float]] | None = None
    best_epoch: int | None = None
    model_name: str = "Classifier"
    model_description: str = ""
    examples: dict[int, NDArray[Any]] = field(default_factory=dict)
    occlusion_maps: dict[int, NDArray[Any]] = field(default_factory=dict)

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return len(self.y_true)

    @cached_property
    def n_rejected(self) -> int:
        """Number of samples that are rejected; 0 without a reject option."""
        return 0 if self.rejected is None else int(self.rejected.sum())

    @property
    def n_answered(self) -> int:
        """Number of samples that are not rejected."""
        return self.n_samples - self.n_rejected

    @cached_property
    def rejections(self) -> NDArray[np.intp]:
        """Rows of `X` that are rejected, the least confident first."""
        rows = np.empty(0, np.intp) if self.rejected is None else np.flatnonzero(self.rejected)
        return most_confident_first(rows, None if self.confidence is None else -self.confidence)

    @cached_property
    def _answered(self) -> NDArray[np.bool_]:
        return np.ones(self.n_samples, bool) if self.rejected is None else ~self.rejected

    @cached_property
    def _labels(self) -> NDArray[Any]:
        """Predicted labels, of rejected samples the most probable ones."""
        if self.rejected is None:
            return self.y_pred
        labels = np.full(self.n_samples, self.classes[0], dtype=self.classes.dtype)
        if self.proba is not None:
            labels = self.classes[self.proba.argmax(axis=1)]
        labels[self._answered] = self.y_pred[self._answered]
        return labels

    @cached_property
    def accuracy(self) -> float:
        """Share of correct predictions among the answered samples, in [0, 1]; NaN without any."""
        if self.n_answered == 0:
            return math.nan
        return float(np.mean((self.y_true == self._labels)[self._answered]))

    @cached_property
    def accuracy_interval(self) -> tuple[float, float]:
        """Confidence interval of the accuracy at 95 %, as (low, high).

        By E. B. Wilson: Probable Inference, the Law of Succession, and Statistical
        Inference. Journal of the American Statistical Association 22, 1927.
        """
        if self.n_answered == 0:  # no samples
            return 0.0, 1.0
        n_correct = int(np.sum((self.y_true == self._labels)[self._answered]))
        interval = binomtest(n_correct, self.n_answered).proportion_ci(0.95, method="wilson")
        return float(interval.low), float(interval.high)

    @property
    def precision(self) -> Averages:
        """Precision, weighted and macro, in [0, 1].

        Over the classes that occur in `y_true` or `y_pred`, 0 where it is undefined,
        as scikit-learn's `precision_score` with `zero_division=0`. So are recall and F1.
        """
        return self._average("precision")

    @property
    def recall(self) -> Averages:
        """Recall, weighted and macro, in [0, 1]."""
        return self._average("recall")

    @property
    def f1(self) -> Averages:
        """F1, weighted and macro, in [0, 1]."""
        return self._average("f1")

    def _average(self, metric: str) -> Averages:
        if self.n_answered == 0:
            return Averages(weighted=math.nan, macro=math.nan)
        values, support = self.per_class[metric], self.per_class["support"]
        weighted = float((values * support).sum() / support.sum())
        return Averages(weighted=weighted, macro=float(values.mean()))  # both skip NaN

    @cached_property
    def confidence(self) -> NDArray[Any] | None:
        """Probability of each predicted label, of shape (n_samples,); None without `proba`.

        Of rejected samples that of the most probable label.
        """
        if self.proba is None:
            return None
        return _pick(self.proba, np.searchsorted(self.classes, self._labels))

    @cached_property
    def log_loss(self) -> float | None:
        """Mean negative logarithm of the true label's probability, in nats; None without `proba`.

        As in scikit-learn, a probability of 0 counts as the resolution of its dtype.
        """
        if self.proba is None:
            return None
        eps = np.finfo(self.proba.dtype).eps
        likelihood = np.clip(_pick(self.proba, np.searchsorted(self.classes, self.y_true)), eps, 1)
        return float(-np.mean(np.log(likelihood, dtype=float)))

    @cached_property
    def ece(self) -> float | None:
        """Expected calibration error over 15 bins, in [0, 1]; None without `proba`.

        See :func:`expected_calibration_error`.
        """
        if self.confidence is None:
            return None
        return expected_calibration_error(self.y_true == self._labels, self.confidence)

    @cached_property
    def per_class(self) -> pd.DataFrame:
        """Precision, recall, f1 and support (number of true samples) by class.

        NaN for a class that neither occurs nor is predicted. With a reject option all of them
        are over the answered samples, and the column `rejected` has the number of the others.
        """
        y_true, y_pred = self.y_true[self._answered], self._labels[self._answered]
        if len(y_true):
            precision, recall, f1, support = precision_recall_fscore_support(
                y_true, y_pred, labels=self.classes, zero_division=0
            )
        else:
            precision = recall = f1 = np.full(len(self.classes), np.nan)
            support = np.zeros(len(self.classes), dtype=int)
        table = pd.DataFrame(
            {"precision": precision, "recall": recall, "f1": f1, "support": support},
            index=pd.Index(self.classes, name="class"),
        )
        absent = (support == 0) & ~np.isin(self.classes, y_pred)
        table.loc[absent, ["precision", "recall", "f1"]] = np.nan
        if self.rejected is not None:
            table["rejected"] = self._rejected_by_class
        return table

    @cached_property
    def _rejected_by_class(self) -> NDArray[np.intp]:
        true = np.searchsorted(self.classes, self.y_true[~self._answered])
        return np.bincount(true, minlength=len(self.classes))

    @cached_property
    def _counts(self) -> NDArray[np.intp]:
        """Counts of answered samples by true and predicted label, of shape (n_classes,) * 2."""
        n_classes = len(self.classes)
        true, predicted = (
            np.searchsorted(self.classes, labels[self._answered])
            for labels in (self.y_true, self._labels)
        )
        counts = np.bincount(true * n_classes + predicted, minlength=n_classes**2)
        return counts.reshape(n_classes, n_classes)

    @cached_property
    def confusion(self) -> pd.DataFrame:
        """Counts of samples; rows are true labels, columns predicted ones.

        With a reject option there is a last column, `"rejected"`.
        """
        table = pd.DataFrame(
            self._counts,
            index=pd.Index(self.classes, name="true"),
            columns=pd.Index(self.classes, name="predicted"),
        )
        if self.rejected is not None:
            table.columns = table.columns.astype(object)
            table.insert(len(self.classes), "rejected", self._rejected_by_class, True)
        return table

    @cached_property
    def top_confusions(self) -> pd.DataFrame:
        """Pairs of labels by falling number of mistakes.

        The columns: true, predicted, count, and share of the true label's samples in [0, 1];
        with a reject option, of those answered.
        """
        counts = self._counts
        true, predicted = np.nonzero(counts * (1 - np.eye(len(counts), dtype=int)))
        pairs = pd.DataFrame(
            {
                "true": self.classes[true],
                "predicted": self.classes[predicted],
                "count": counts[true, predicted],
                "share": counts[true, predicted] / counts.sum(axis=1)[true],
            }
        )
        order = ["count", "share"]
        return pairs.sort_values(order, ascending=False, kind="stable", ignore_index=True)

    @cached_property
    def mistakes(self) -> NDArray[np.intp]:
        """Rows of `X` with a wrong prediction, the most confident first."""
        wrong = (self.y_true != self._labels) & self._answered
        return most_confident_first(np.flatnonzero(wrong), self.confidence)

    @cached_property
    def calibration(self) -> pd.DataFrame | None:
        """Confidence and accuracy over 15 bins of confidence; None without `proba`.

        The columns: low, high, count, confidence, accuracy. See
        :func:`~mnist_estimator.evaluation.calibration_table`.
        """
        if self.confidence is None:
            return None
        return calibration_table(self.y_true == self._labels, self.confidence)

    @cached_property
    def coverage(self) -> pd.DataFrame | None:
        """Accuracy among the samples that each threshold accepts; None without `proba`.

        The columns: threshold, coverage, accuracy. See
        :func:`~mnist_estimator.evaluation.coverage_table`.
        """
        if self.confidence is None:
            return None
        return coverage_table(self.y_true == self._labels, self.confidence)

    @cached_property
    def label_errors(self) -> pd.DataFrame | None:
        """Samples whose label is probably wrong; None without `proba`.

        The most suspicious first. The columns: row, label, suggested, label_probability,
        suggested_probability, confident; see :func:`~mnist_estimator.find_label_errors`.
        The estimator must not have been fitted on these samples.
        """
        if self.proba is None:
            return None
        return suspect_labels(self.y_true, self.proba, self.classes)

    def _shown_pairs(self) -> list[tuple[Any, Any]]:
        """Return the most confused pairs of labels, (true, predicted), at most 10.

        Returns
        -------
        list of tuple
        """
        pairs = self.top_confusions[["true", "predicted"]].head(N_SHOWN_PAIRS)
        return list(pairs.itertuples(index=False, name=None))

    def _shown_label_errors(self) -> pd.DataFrame:
        """Return the rows of `label_errors` that a page shows.

        Returns
        -------
        DataFrame
        """
        if self.label_errors is None:
            return pd.DataFrame({"row": np.empty(0, dtype=np.intp)})
        return self.label_errors.head(N_SHOWN_LABEL_ERRORS)

    def examples_of(self, true: Any, predicted: Any) -> NDArray[np.intp]:
        """Return rows of `X` that are examples of a confused pair, at most 8.

        Parameters
        ----------
        true, predicted : object
            Two labels.

        Returns
        -------
        ndarray of int
            Rows with this true and this predicted label, the most confident first.
        """
        of_pair = (self.y_true == true) & (self._labels == predicted) & self._answered
        return most_confident_first(np.flatnonzero(of_pair), self.confidence)[:N_IMAGES_OF_PAIR]

    def __repr__(self) -> str:
        rejected = "" if self.rejected is None else f", n_rejected={self.n_rejected}"
        return (
            f"EvaluationReport(accuracy={self.accuracy:.4f}, n_samples={self.n_samples}{rejected})"
        )

    def __str__(self) -> str:
        lines = self._headline()
        if self.n_answered:
            y_true, y_pred = self.y_true[self._answered], self._labels[self._answered]
            table = classification_report(y_true, y_pred, digits=4, zero_division=0)
            lines += ["", table.rstrip()]
        if self.log_loss is not None and self.ece is not None:
            over = "" if self.rejected is None else f", over all {self.n_samples:,} samples"
            lines += [
                "",
                f"Log loss {self.log_loss:.4f}, calibration error {100 * self.ece:.2f} %{over}",
            ]
        return "\n".join(lines)

    def _headline(self) -> list[str]:
        if self.n_answered == 0:
            return [f"All {self.n_samples:,} samples rejected: accuracy undefined"]
        low, high = self.accuracy_interval
        accuracy = (
            f"Accuracy {100 * self.accuracy:.2f} % "
            f"(95 % interval {100 * low:.2f} to {100 * high:.2f} %), "
            f"{len(self.mistakes):,} mistakes"
        )
        if self.rejected is None:
            return [f"{accuracy} in {self.n_samples:,} samples"]
        share = 100 * self.n_rejected / self.n_samples
        return [
            f"{accuracy} in {self.n_answered:,} answered samples",
            f"Rejected {self.n_rejected:,} of {self.n_samples:,} samples ({share:.2f} %)",
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return the metrics as plain Python values, ready for `json.dump`.

        Returns
        -------
        dict
            "n_samples", "n_rejected", "n_mistakes", "accuracy", "accuracy_interval",
            "precision_weighted", "precision_macro" and so on for recall and
            f1, "log_loss", "ece", "per_class" (by label as str), "confusion"
            ("labels", "counts" with true labels as rows, and with a reject option
            "rejected") and "top_confusions". Undefined values are None.
        """
        averages = {
            f"{metric}_{kind}": value
            for metric in ("precision", "recall", "f1")
            for kind, value in getattr(self, metric)._asdict().items()
        }
        # Object columns hold Python's numbers, and can hold None where a float has NaN.
        per_class = self.per_class.astype(object).where(self.per_class.notna(), None)
        confusion = {"labels": self.classes.tolist(), "counts": self._counts.tolist()}
        if self.rejected is not None:
            confusion["rejected"] = self._rejected_by_class.tolist()
        rates = {"accuracy": self.accuracy, **averages}
        return {
            "n_samples": self.n_samples,
            "n_rejected": self.n_rejected,
            "n_mistakes": len(self.mistakes),
            "accuracy_interval": list(self.accuracy_interval),
            **{name: None if math.isnan(value) else value for name, value in rates.items()},
            "log_loss": self.log_loss,
            "ece": self.ece,
            "per_class": {str(label): row.to_dict() for label, row in per_class.iterrows()},
            "confusion": confusion,
            "top_confusions": self.top_confusions.to_dict("records"),
        }

    def _repr_html_(self) -> str:
        return render_fragment(self._page_data())

    def plot(self, figure: "FigureBase | None" = None) -> "EvaluationReportDisplay":
        """Draw the report in one figure.

        The confusion matrix, the most confident mistakes, the learning curves if the estimator
        has a history, calibration, and accuracy by coverage.

        Parameters
        ----------
        figure : matplotlib Figure or SubFigure, default=None
            Where to draw. None makes a new figure.

        Returns
        -------
        EvaluationReportDisplay
            With `figure_`, `axes_` and `displays_`.
        """
        from ._plot._report_display import EvaluationReportDisplay

        return EvaluationReportDisplay(self).plot(figure)

    @overload
    def to_html(self, path: None = ..., *, title: str = ..., n_images: int = ...) -> str: ...

    @overload
    def to_html(
        self, path: str | os.PathLike[str], *, title: str = ..., n_images: int = ...
    ) -> Path: ...

    def to_html(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        title: str = "Evaluation report",
        n_images: int = 40,
    ) -> Path | str:
        """Write the report as a self-contained HTML page, or return its text.

        The page holds the numbers, the table of classes, the learning curves
        if the estimator has a history, calibration, accuracy by coverage, the confusion
        matrix, the most confused pairs with examples, the most confident mistakes, their
        occlusion maps, and suspected label errors. The file is written atomically.

        Parameters
        ----------
        path : path-like, default=None
            The file to write; one that is there is replaced. None writes no file.
        title : str, default="Evaluation report"
            The page's heading.
        n_images : int, default=40
            Maximum number of mistakes shown, from 0 to 100.

        Returns
        -------
        Path or str
            `path`; without one the text of the page.

        Raises
        ------
        FileNotFoundError
            If the folder of `path` does not exist.
        IsADirectoryError
            If `path` is a folder.
        TypeError, ValueError
            If `n_images` is not a whole number or out of range.
        """
        check_count(n_images, "n_images", 0, MAX_IMAGES)
        target = None if path is None else file_path(path, example="report.html")
        page = render(self._page_data(), title=title, n_images=n_images)
        if target is None:
            return page
        with atomic_write(target) as partial:
            partial.write_text(page, encoding="utf-8")
        return target

    def _page_data(self) -> PageData:
        own: dict[str, Any] = {
            "labels": self._labels,
            "counts": self._counts,
            "rejected_by_class": self._rejected_by_class,
            "pairs": [(*pair, self.examples_of(*pair).tolist()) for pair in self._shown_pairs()],
            "suspects": self._shown_label_errors(),
        }
        names = [field.name for field in fields(PageData) if field.name not in own]
        return PageData(**own, **{name: getattr(self, name) for name in names})
