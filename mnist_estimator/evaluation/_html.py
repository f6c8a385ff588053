"""The page of an evaluation report: one HTML file with all images and charts in it."""

import base64
import io
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .._version import __version__
from ..utils._displayed_images import scale_to_unit
from ..utils._templates import load_template
from ._plot._curves import CoverageAccuracyDisplay, ReliabilityDisplay
from ._plot._occlusion_display import overlay
from ._plot._training_history import (
    BEST_EPOCH_COLOR,
    TRAINING_COLOR,
    VALIDATION_COLOR,
    TrainingHistoryDisplay,
)

N_SHOWN_REJECTIONS = 24
"""Rejected samples that are shown."""
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


@dataclass(frozen=True, eq=False, kw_only=True)
class PageData:
    """What the page shows: the attributes of the report of the same names, and five more."""

    n_samples: int
    n_answered: int
    n_rejected: int
    model_name: str
    model_description: str
    classes: NDArray[Any]
    y_true: NDArray[Any]
    labels: NDArray[Any]
    """Predicted labels, of shape (n_samples,); for rejected samples the most probable label."""
    confidence: NDArray[Any] | None
    rejected: NDArray[np.bool_] | None
    rejections: NDArray[np.intp]
    mistakes: NDArray[np.intp]
    accuracy: float
    accuracy_interval: tuple[float, float]
    precision: Any
    recall: Any
    f1: Any
    log_loss: float | None
    ece: float | None
    per_class: pd.DataFrame
    top_confusions: pd.DataFrame
    calibration: pd.DataFrame | None
    coverage: pd.DataFrame | None
    label_errors: pd.DataFrame | None
    counts: NDArray[np.intp]
    """Answered samples by true and predicted label, of shape (n_classes, n_classes)."""
    rejected_by_class: NDArray[np.intp]
    """Rejected samples by true label, of shape (n_classes,)."""
    pairs: list[tuple[Any, Any, list[int]]]
    """The most confused labels: true, predicted, and rows of examples."""
    suspects: pd.DataFrame
    """The rows of `label_errors` to be shown."""
    history: dict[str, list[float]] | None
    best_epoch: int | None
    images: NDArray[Any] | None
    examples: dict[int, NDArray[Any]]
    occlusion_maps: dict[int, NDArray[Any]]


def render(data: PageData, *, title: str, n_images: int) -> str:
    """Return the page as a string.

    Parameters
    ----------
    data : PageData
        What to show.
    title : str
        The heading.
    n_images : int
        Maximum number of mistakes shown.

    Returns
    -------
    str
        A complete HTML document; equal data give equal text.
    """
    template = load_template(
        Path(__file__).parent / "templates",
        "report.html",
        {"percent": _percent, "score": _score},
    )
    return template.render(
        title=title,
        report=data,
        version=__version__,
        rows=[(label, row.to_dict()) for label, row in data.per_class.iterrows()],
        charts=_learning_curves(data.history, data.best_epoch),
        matrix=_confusion_cells(data),
        long_labels=max(len(str(label)) for label in data.classes) > _LONG_LABEL,
        pairs=data.top_confusions.head(len(data.pairs)).to_dict("records"),
        pictures=_mistake_pictures(data, n_images),
        trust=_trust_charts(data),
        operating=_operating_points(data),
        confused=_confused_pictures(data),
        maps=_occlusion_pictures(data),
        rejections=_rejected_pictures(data),
        suspects=_suspect_pictures(data),
        n_suspects=0 if data.label_errors is None else len(data.label_errors),
    )


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


def _trust_charts(data: PageData) -> list[dict[str, Any]]:
    """Return the charts of calibration and of accuracy by coverage."""
    if data.calibration is None or data.coverage is None or data.ece is None:
        return []
    calibration, coverage = data.calibration, _thinned(data.coverage)

    def plot(axes: Any) -> None:
        ReliabilityDisplay(calibration).plot(axes[0])
        CoverageAccuracyDisplay(coverage).plot(axes[1])

    drawings = _draw(2, plot)
    texts = [
        f"Accuracy by confidence in 15 bins; they differ by {_percent(data.ece)} on average.",
        "Accuracy by coverage: "
        + ", ".join(
            f"{_percent(point['accuracy'])} of the most confident {_percent(point['coverage'], 0)}"
            for point in _operating_points(data)
        )
        + ".",
    ]
    return [{"text": text, "svg": svg} for text, svg in zip(texts, drawings, strict=True)]


def _thinned(coverage: pd.DataFrame, n_points: int = 400) -> pd.DataFrame:
    """Leave out points of the curve that are too close to be distinguished."""
    step = (coverage["coverage"] * n_points).astype(int)
    steep = coverage["accuracy"].diff().abs() > 0.001
    return coverage[~step.duplicated(keep="last") | steep]


def _operating_points(data: PageData) -> list[dict[str, Any]]:
    """Return coverage, accuracy, mistakes and threshold at some round coverages."""
    if data.coverage is None:
        return []
    points: list[dict[str, Any]] = []
    for coverage in _COVERAGES:
        reached = data.coverage[data.coverage["coverage"] <= coverage + 1e-9]
        if len(reached):
            point: dict[Any, Any] = reached.iloc[-1].to_dict()
            accepted = point["coverage"] * data.n_samples
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
    return Markup(drawing)  # drawn from numbers only: nothing to escape


def _confusion_cells(data: PageData) -> list[dict[str, Any]]:
    """Return the rows of the confusion matrix, each cell with how strongly to colour it.

    Mistakes are coloured by the square root of their count, so that single ones
    can be seen beside many; the diagonal by the class's recall.
    """
    counts = data.counts
    mistakes = counts * (1 - np.eye(len(counts), dtype=int))
    heat = np.sqrt(mistakes / max(1, mistakes.max()))
    support = counts.sum(axis=1)
    np.fill_diagonal(heat, np.diag(counts) / np.maximum(1, support))
    labels = data.classes.tolist()
    return [
        {
            "label": labels[i],
            "support": int(support[i]),
            "rejected": None if data.rejected is None else int(data.rejected_by_class[i]),
            "cells": [
                {"label": labels[j], "count": int(counts[i, j]), "heat": float(heat[i, j])}
                for j in range(len(labels))
            ],
        }
        for i in range(len(labels))
    ]


def _mistake_pictures(data: PageData, n_images: int) -> list[dict[str, Any]]:
    if data.images is None or len(data.images) == 0:
        return []
    pixels = scale_to_unit(data.images)[:n_images]
    shown = zip(pixels, data.mistakes.tolist(), strict=False)
    return [
        {
            "source": _png(image),
            "row": row,
            "true": data.y_true[row],
            "predicted": data.labels[row],
            "confidence": None if data.confidence is None else float(data.confidence[row]),
        }
        for image, row in shown
    ]


def _confused_pictures(data: PageData) -> list[dict[str, Any]]:
    """Return the most confused pairs that have images."""
    groups = []
    for true, predicted, candidates in data.pairs:
        rows = [row for row in candidates if row in data.examples]
        if rows:
            pictures = _pictures_of(data, rows)
            groups.append({"true": true, "predicted": predicted, "pictures": pictures})
    return groups


def _suspect_pictures(data: PageData) -> list[dict[str, Any]]:
    """Return the suspected label errors that have images."""
    shown: list[dict[Any, Any]] = data.suspects.to_dict("records")
    records = [record for record in shown if record["row"] in data.examples]
    pictures = _pictures_of(data, [record["row"] for record in records])
    return [record | picture for record, picture in zip(records, pictures, strict=True)]


def _rejected_pictures(data: PageData) -> list[dict[str, Any]]:
    """Return the rejected samples that have images, the least confident first."""
    rows = [row for row in data.rejections.tolist() if row in data.examples]
    return [
        picture
        | {
            "true": data.y_true[picture["row"]],
            "predicted": data.labels[picture["row"]],
            "confidence": None
            if data.confidence is None
            else float(data.confidence[picture["row"]]),
        }
        for picture in _pictures_of(data, rows[:N_SHOWN_REJECTIONS])
    ]


def _pictures_of(data: PageData, rows: list[int]) -> list[dict[str, Any]]:
    if not rows:
        return []
    pixels = scale_to_unit(np.stack([data.examples[row] for row in rows]))
    return [{"source": _png(image), "row": row} for image, row in zip(pixels, rows, strict=True)]


def _occlusion_pictures(data: PageData) -> list[dict[str, Any]]:
    if data.images is None:
        return []
    place = {row: i for i, row in enumerate(data.mistakes[: len(data.images)].tolist())}
    pixels = scale_to_unit(data.images)
    return [
        {
            "source": _png(pixels[place[row]]),
            "map": _png(overlay(pixels[place[row]], importance)),
            "row": row,
            "true": data.y_true[row],
            "predicted": data.labels[row],
        }
        for row, importance in data.occlusion_maps.items()
        if row in place
    ]


def _png(image: NDArray[Any]) -> str:
    """Return the image, of values in [0, 1], as a data address."""
    from matplotlib.image import imsave

    file = io.BytesIO()
    nothing: dict[str, Any] = {"Software": None}
    imsave(file, image, format="png", cmap="gray", vmin=0, vmax=1, metadata=nothing)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")
