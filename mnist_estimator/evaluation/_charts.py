"""The charts of a report's page, as SVG in the colours of the page."""

import io
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from ._page_data import PageData
from ._plot._curves import CoverageAccuracyDisplay, ReliabilityDisplay
from ._plot._training_history import (
    BEST_EPOCH_COLOR,
    TRAINING_COLOR,
    VALIDATION_COLOR,
    TrainingHistoryDisplay,
)

_COVERAGES = (1.0, 0.99, 0.95, 0.9)
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


def percent(share: float, digits: int = 2) -> str:
    """Write a share in [0, 1] as a percentage; a dash for NaN."""
    if math.isnan(share):
        return "–"
    return f"{share:.{digits}%}".replace("%", "\N{NARROW NO-BREAK SPACE}%")


def learning_curves(data: PageData) -> list[dict[str, Any]]:
    """Return a chart each for loss and accuracy: what it shows in words, and its SVG.

    Parameters
    ----------
    data : PageData
        What to show.

    Returns
    -------
    list of dict
        Each with "text" and "svg"; empty without a history.
    """
    history = data.history
    if history is None:
        return []
    display = TrainingHistoryDisplay(history, best_epoch=data.best_epoch)
    drawings = _draw(2, display.plot)
    texts = [_in_words(metric, history) for metric in ("loss", "accuracy")]
    return [{"text": text, "svg": svg} for text, svg in zip(texts, drawings, strict=True)]


def trust_charts(data: PageData) -> list[dict[str, Any]]:
    """Return the charts of calibration and of accuracy by coverage.

    Parameters
    ----------
    data : PageData
        What to show.

    Returns
    -------
    list of dict
        Each with "text" and "svg"; empty without probabilities.
    """
    if data.calibration is None or data.coverage is None or data.ece is None:
        return []
    calibration, coverage = data.calibration, _thinned(data.coverage)

    def plot(axes: Any) -> None:
        ReliabilityDisplay(calibration).plot(axes[0])
        CoverageAccuracyDisplay(coverage).plot(axes[1])

    drawings = _draw(2, plot)
    texts = [
        f"Accuracy by confidence in 15 bins; they differ by {percent(data.ece)} on average.",
        "Accuracy by coverage: "
        + ", ".join(
            f"{percent(point['accuracy'])} of the most confident {percent(point['coverage'], 0)}"
            for point in operating_points(data)
        )
        + ".",
    ]
    return [{"text": text, "svg": svg} for text, svg in zip(texts, drawings, strict=True)]


def operating_points(data: PageData) -> list[dict[str, Any]]:
    """Return what is left at some round coverages.

    Parameters
    ----------
    data : PageData
        What to show.

    Returns
    -------
    list of dict
        Each with "coverage", "accuracy", "mistakes" and "threshold".
    """
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


def _thinned(coverage: pd.DataFrame, n_points: int = 400) -> pd.DataFrame:
    """Leave out points of the curve that are too close to be distinguished."""
    step = (coverage["coverage"] * n_points).astype(int)
    steep = coverage["accuracy"].diff().abs() > 0.001
    return coverage[~step.duplicated(keep="last") | steep]


def _in_words(metric: str, history: Mapping[str, Sequence[float]]) -> str:
    spans = [
        f"{name} from {history[key][0]:.4f} to {history[key][-1]:.4f}"
        for name, key in (("training", metric), ("validation", f"val_{metric}"))
        if key in history
    ]
    return f"{metric.capitalize()} by epoch, {len(history[metric])} in all: {', '.join(spans)}."


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
