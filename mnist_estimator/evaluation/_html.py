"""The evaluation report as one page of HTML that needs nothing beside it."""

import base64
import io
import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .._version import __version__
from ..utils._displayed_images import scale_to_unit
from ..utils._output_files import atomic_write, file_path
from ..utils._templates import load_template
from ._calibration import CoverageAccuracyDisplay, ReliabilityDisplay
from ._occlusion import overlay
from ._plotting import (
    BEST_EPOCH_COLOR,
    TRAINING_COLOR,
    VALIDATION_COLOR,
    TrainingHistoryDisplay,
)

if TYPE_CHECKING:
    from ._report import EvaluationReport

_N_PAIRS = 10
SHOWN_REJECTIONS = 24
_COVERAGES = (1.0, 0.99, 0.95, 0.9)
_LONG_LABEL = 5  # characters; longer ones stand upright over the confusion matrix
_TEXT_COLOR = "#010203"  # a stand-in that occurs nowhere else in a drawing
_GRID_COLOR = "#040506"

# What matplotlib draws in these colours takes the page's, which follow light and dark.
_PAGE_COLORS = {
    _TEXT_COLOR: "currentColor",
    _GRID_COLOR: "var(--line)",
    TRAINING_COLOR.lower(): "var(--blue)",
    VALIDATION_COLOR.lower(): "var(--orange)",
    BEST_EPOCH_COLOR.lower(): "var(--muted)",
}
_CHART_STYLE: dict[Any, Any] = {
    "axes.edgecolor": _GRID_COLOR,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.labelcolor": _TEXT_COLOR,
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.facecolor": "none",
    "font.size": 11,
    "grid.color": _GRID_COLOR,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "svg.fonttype": "none",  # text stays text, in the page's font
    "svg.hashsalt": "mnist_estimator",  # the same report gives the same bytes
    "text.color": _TEXT_COLOR,
    "xtick.color": _GRID_COLOR,
    "xtick.labelcolor": _TEXT_COLOR,
    "ytick.color": _GRID_COLOR,
    "ytick.labelcolor": _TEXT_COLOR,
    "ytick.left": False,
}


def render(report: "EvaluationReport", *, title: str, n_images: int) -> str:
    """Return the page as a string.

    Parameters
    ----------
    report : EvaluationReport
        What to show.
    title : str
        The heading.
    n_images : int
        At most so many mistakes are shown.

    Returns
    -------
    str
        A whole HTML document, the same for the same report.
    """
    template = load_template(
        "mnist_estimator.evaluation", "report.html", {"percent": _percent, "score": _score}
    )
    return template.render(
        title=title,
        report=report,
        version=__version__,
        rows=[(label, row.to_dict()) for label, row in report.per_class.iterrows()],
        charts=_learning_curves(report.history, report.best_epoch),
        matrix=_confusion_cells(report),
        long_labels=max(len(str(label)) for label in report.classes) > _LONG_LABEL,
        pairs=report.top_confusions.head(_N_PAIRS).to_dict("records"),
        pictures=_mistake_pictures(report, n_images),
        trust=_trust_charts(report),
        operating=_operating_points(report),
        confused=_confused_pictures(report),
        maps=_occlusion_pictures(report),
        rejections=_rejected_pictures(report),
        suspects=_suspect_pictures(report),
        n_suspects=0 if report.label_errors is None else len(report.label_errors),
    )


def write_atomically(path: str | os.PathLike[str], make_text: Callable[[], str]) -> Path:
    """Write text to a file that appears whole or not at all.

    Parameters
    ----------
    path : path-like
        The file; its folder must exist. One that is there is replaced.
    make_text : callable
        Called without arguments for the text once `path` is known to be writable.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    FileNotFoundError
        If the folder does not exist.
    IsADirectoryError
        If `path` is a folder.
    """
    path = file_path(path, example="report.html")
    text = make_text()
    with atomic_write(path) as partial:
        partial.write_text(text, encoding="utf-8")
    return path


def _percent(share: float, digits: int = 2) -> str:
    if math.isnan(share):
        return "–"
    return f"{share:.{digits}%}".replace("%", "\N{NARROW NO-BREAK SPACE}%")


def _score(value: float | None) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:.4f}"


def _learning_curves(
    history: Mapping[str, Sequence[float]] | None, best_epoch: int | None
) -> list[dict[str, Any]]:
    """Return a chart each for loss and accuracy: what it shows in words, and its SVG."""
    if history is None:
        return []
    drawings = _draw(
        2, lambda axes: TrainingHistoryDisplay(history, best_epoch=best_epoch).plot(axes)
    )
    texts = [_in_words(metric, history) for metric in ("loss", "accuracy")]
    return [{"text": text, "svg": svg} for text, svg in zip(texts, drawings, strict=True)]


def _draw(n_charts: int, plot: Callable[[Any], Any]) -> list[Any]:
    """Return the drawings that `plot` makes in a list of so many Axes, as SVG."""
    import matplotlib
    from matplotlib.figure import Figure

    # A figure of its own and a copy of the settings: the caller's plots are left alone.
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_CHART_STYLE)
        figures = [Figure(figsize=(4.6, 3.1), layout="constrained") for _ in range(n_charts)]
        plot([figure.subplots() for figure in figures])
        return [_svg(figure) for figure in figures]


def _trust_charts(report: "EvaluationReport") -> list[dict[str, Any]]:
    """Return the charts of calibration and of accuracy by coverage."""
    if report.calibration is None or report.coverage is None or report.ece is None:
        return []
    calibration, coverage = report.calibration, _thinned(report.coverage)

    def plot(axes: Any) -> None:
        ReliabilityDisplay(calibration).plot(axes[0])
        CoverageAccuracyDisplay(coverage).plot(axes[1])

    drawings = _draw(2, plot)
    texts = [
        f"Accuracy by confidence in 15 bins; they differ by {_percent(report.ece)} on average.",
        "Accuracy by coverage: "
        + ", ".join(
            f"{_percent(point['accuracy'])} of the most confident {_percent(point['coverage'], 0)}"
            for point in _operating_points(report)
        )
        + ".",
    ]
    return [{"text": text, "svg": svg} for text, svg in zip(texts, drawings, strict=True)]


def _thinned(coverage: pd.DataFrame, n_points: int = 400) -> pd.DataFrame:
    """Leave out points of the curve that lie closer than the eye can tell apart."""
    step = (coverage["coverage"] * n_points).astype(int)
    steep = coverage["accuracy"].diff().abs() > 0.001
    return coverage[~step.duplicated(keep="last") | steep]


def _operating_points(report: "EvaluationReport") -> list[dict[str, Any]]:
    """Return coverage, accuracy, mistakes and threshold at some round coverages."""
    if report.coverage is None:
        return []
    points: list[dict[str, Any]] = []
    for coverage in _COVERAGES:
        reached = report.coverage[report.coverage["coverage"] <= coverage + 1e-9]
        if len(reached):
            point: dict[Any, Any] = reached.iloc[-1].to_dict()
            accepted = point["coverage"] * report.n_samples
            points.append(point | {"mistakes": round(accepted * (1 - point["accuracy"]))})
    return points


def _in_words(metric: str, history: Mapping[str, Sequence[float]]) -> str:
    spans = [
        f"{name} from {history[key][0]:.4f} to {history[key][-1]:.4f}"
        for name, key in (("training", metric), ("validation", f"val_{metric}"))
        if key in history
    ]
    return f"{metric.capitalize()} by epoch, {len(history[metric])} in all: {', '.join(spans)}."


def _svg(figure: Any) -> Any:
    from markupsafe import Markup

    file = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(file, format="svg", metadata=nothing)
    drawing = file.getvalue()
    drawing = drawing[drawing.index("<svg") :]  # without the XML prologue
    drawing = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", drawing, count=1)
    drawing = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", drawing, count=1)
    for color, replacement in _PAGE_COLORS.items():
        drawing = drawing.replace(color, replacement)
    return Markup(drawing)  # drawn by us from numbers only: nothing to escape


def _confusion_cells(report: "EvaluationReport") -> list[dict[str, Any]]:
    """Return the rows of the confusion matrix, each cell with how strongly to colour it.

    Mistakes are coloured by the square root of their count, so that single ones
    can be seen beside many; the diagonal by the class's recall.
    """
    counts = report._counts
    mistakes = counts * (1 - np.eye(len(counts), dtype=int))
    heat = np.sqrt(mistakes / max(1, mistakes.max()))
    support = counts.sum(axis=1)
    np.fill_diagonal(heat, np.diag(counts) / np.maximum(1, support))
    labels = report.classes.tolist()
    return [
        {
            "label": labels[i],
            "support": int(support[i]),
            "rejected": None if report.rejected is None else int(report._rejected_by_class[i]),
            "cells": [
                {"label": labels[j], "count": int(counts[i, j]), "heat": float(heat[i, j])}
                for j in range(len(labels))
            ],
        }
        for i in range(len(labels))
    ]


def _mistake_pictures(report: "EvaluationReport", n_images: int) -> list[dict[str, Any]]:
    if report.images is None or len(report.images) == 0:
        return []
    pixels = scale_to_unit(report.images)[:n_images]
    shown = zip(pixels, report.mistakes.tolist(), strict=False)
    return [
        {
            "source": _png(image),
            "row": row,
            "true": report.y_true[row],
            "predicted": report._labels[row],
            "confidence": None if report.confidence is None else float(report.confidence[row]),
        }
        for image, row in shown
    ]


def _confused_pictures(report: "EvaluationReport") -> list[dict[str, Any]]:
    """Return the most confused pairs of which there are images."""
    groups = []
    for true, predicted in report._shown_pairs():
        rows = [
            row for row in report.examples_of(true, predicted).tolist() if row in report.examples
        ]
        if rows:
            pictures = _pictures_of(report, rows)
            groups.append({"true": true, "predicted": predicted, "pictures": pictures})
    return groups


def _suspect_pictures(report: "EvaluationReport") -> list[dict[str, Any]]:
    """Return the samples of suspected labels of which there are images."""
    shown: list[dict[Any, Any]] = report._shown_label_errors().to_dict("records")
    records = [record for record in shown if record["row"] in report.examples]
    pictures = _pictures_of(report, [record["row"] for record in records])
    return [record | picture for record, picture in zip(records, pictures, strict=True)]


def _rejected_pictures(report: "EvaluationReport") -> list[dict[str, Any]]:
    """Return the rejected samples of which there are images, the least confident first."""
    rows = [row for row in report.rejections.tolist() if row in report.examples]
    return [
        picture
        | {
            "true": report.y_true[picture["row"]],
            "predicted": report._labels[picture["row"]],
            "confidence": None
            if report.confidence is None
            else float(report.confidence[picture["row"]]),
        }
        for picture in _pictures_of(report, rows[:SHOWN_REJECTIONS])
    ]


def _pictures_of(report: "EvaluationReport", rows: list[int]) -> list[dict[str, Any]]:
    if not rows:
        return []
    pixels = scale_to_unit(np.stack([report.examples[row] for row in rows]))
    return [{"source": _png(image), "row": row} for image, row in zip(pixels, rows, strict=True)]


def _occlusion_pictures(report: "EvaluationReport") -> list[dict[str, Any]]:
    if report.images is None:
        return []
    place = {row: i for i, row in enumerate(report.mistakes[: len(report.images)].tolist())}
    pixels = scale_to_unit(report.images)
    return [
        {
            "source": _png(pixels[place[row]]),
            "map": _png(overlay(pixels[place[row]], importance)),
            "row": row,
            "true": report.y_true[row],
            "predicted": report._labels[row],
        }
        for row, importance in report.occlusion_maps.items()
        if row in place
    ]


def _png(image: NDArray[Any]) -> str:
    """Return the image, of values in [0, 1], as a data address."""
    from matplotlib.image import imsave

    file = io.BytesIO()
    nothing: dict[str, Any] = {"Software": None}
    imsave(file, image, format="png", cmap="gray", vmin=0, vmax=1, metadata=nothing)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")
