"""A report in one figure."""

from typing import TYPE_CHECKING, Any, Self

from sklearn.metrics import ConfusionMatrixDisplay

from ._curves import CoverageAccuracyDisplay, ReliabilityDisplay
from ._image_grid import ImageGridDisplay, title_of
from ._training_history import TrainingHistoryDisplay

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

    from .._report import EvaluationReport

_ROW_HEIGHT, _WIDTH = 4.2, 10.0  # inches
_N_MISTAKES = 9
_MOST_COUNTS = 20
"""Classes up to which the cells of the confusion matrix have their counts."""


class EvaluationReportDisplay:
    """A report in one figure, made by :meth:`~mnist_estimator.EvaluationReport.plot`.

    Parameters
    ----------
    report : EvaluationReport
        From :func:`~mnist_estimator.evaluate`.

    Attributes
    ----------
    displays_ : dict of str to display
        What is drawn, each with its handles: "confusion" (scikit-learn's
        ``ConfusionMatrixDisplay``), "mistakes" (:class:`~mnist_estimator.ImageGridDisplay`) where
        the report has images, "history" (:class:`~mnist_estimator.TrainingHistoryDisplay`) where
        it has a history, "calibration" (:class:`~mnist_estimator.ReliabilityDisplay`) and
        "coverage" (:class:`~mnist_estimator.CoverageAccuracyDisplay`) where it has probabilities.
    axes_ : dict of str to matplotlib Axes
        "confusion", "mistakes", "loss", "accuracy", "calibration" and "coverage", as far as drawn.
    figure_ : matplotlib Figure or SubFigure
        The figure.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from mnist_estimator import evaluate
    >>> X, y = load_digits(return_X_y=True)
    >>> model = LogisticRegression(max_iter=1000).fit(X[:1000] / 16, y[:1000])
    >>> display = evaluate(model, X[1000:] / 16, y[1000:]).plot()
    >>> sorted(display.axes_)
    ['calibration', 'confusion', 'coverage', 'mistakes']
    """

    __module__ = "mnist_estimator.evaluation"  # pickles name it

    def __init__(self, report: "EvaluationReport") -> None:
        self.report = report

    def plot(self, figure: "FigureBase | None" = None) -> Self:
        """Draw the report.

        Parameters
        ----------
        figure : matplotlib Figure or SubFigure, default=None
            Where to draw. None makes a new figure.

        Returns
        -------
        EvaluationReportDisplay
            Itself, with the handles set.
        """
        report = self.report
        rows = self._rows()
        if figure is None:
            import matplotlib.pyplot as plt

            size = (_WIDTH, _ROW_HEIGHT * len(rows))
            figure = plt.figure(figsize=size, layout="constrained")
        self.figure_ = figure
        mosaic: Any = rows  # Matplotlib's own type is of lists of anything
        self.axes_: dict[str, Axes] = figure.subplot_mosaic(mosaic)
        self.displays_: dict[str, Any] = {"confusion": self._plot_confusion()}
        if "mistakes" in self.axes_:
            self.displays_["mistakes"] = self._plot_mistakes()
        if report.history is not None:
            axes = [self.axes_["loss"], self.axes_["accuracy"]]
            display = TrainingHistoryDisplay(report.history, best_epoch=report.best_epoch)
            self.displays_["history"] = display.plot(axes)
        if report.calibration is not None and report.coverage is not None:
            self.displays_ |= {
                "calibration": ReliabilityDisplay(report.calibration).plot(
                    self.axes_["calibration"]
                ),
                "coverage": CoverageAccuracyDisplay(report.coverage).plot(self.axes_["coverage"]),
            }
        return self

    def _rows(self) -> list[list[str]]:
        """Return the names of the Axes, row by row."""
        has_images = self.report.images is not None
        rows = [["confusion", "mistakes" if has_images else "confusion"]]
        if self.report.history is not None:
            rows.append(["loss", "accuracy"])
        if self.report.proba is not None:
            rows.append(["calibration", "coverage"])
        return rows

    def _plot_confusion(self) -> Any:
        report, ax = self.report, self.axes_["confusion"]
        n_classes = len(report.classes)
        display = ConfusionMatrixDisplay(
            report._counts, display_labels=[str(label) for label in report.classes]
        )
        longest = max(len(label) for label in display.display_labels)
        display.plot(
            ax=ax,
            cmap="Blues",
            colorbar=False,
            include_values=n_classes <= _MOST_COUNTS,
            xticks_rotation="vertical" if longest > 3 else "horizontal",
            values_format=",d",
        )
        for label in (*ax.get_xticklabels(), *ax.get_yticklabels()):
            label.set_parse_math(False)
        ax.set_title(report._headline()[0].partition(" (")[0])
        return display

    def _plot_mistakes(self) -> ImageGridDisplay:
        report, ax = self.report, self.axes_["mistakes"]
        images: Any = report.images
        rows = report.mistakes[:_N_MISTAKES]
        sure = report.confidence
        titles = [
            title_of(
                report.y_true[row],
                report.y_pred[row],
                None if sure is None else float(sure[row]),
                rejected=False,
            )
            for row in rows.tolist()
        ]
        display = ImageGridDisplay(
            images[: len(rows)], titles=titles, indices=rows, empty_message="No mistakes."
        )
        ax.set_title("Most confident mistakes" if sure is not None else "Mistakes")
        return display.plot(ax, n_columns=3)
