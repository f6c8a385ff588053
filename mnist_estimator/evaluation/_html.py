"""The page of an evaluation report, and the part of it that notebooks show, as HTML."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from .._version import __version__
from ..utils._displayed_images import scale_to_unit
from ..utils._image_address import image_address
from ..utils._templates import load_template
from ._charts import learning_curves, operating_points, percent, trust_charts
from ._page_data import PageData
from ._plot._occlusion_display import overlay

N_SHOWN_REJECTIONS = 24
"""Rejected samples that are shown."""
_N_IN_NOTEBOOK = 16  # mistakes
_LONG_LABEL = 5  # characters; longer ones stand upright over the confusion matrix


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
    return _render(
        "report.html",
        data,
        title=title,
        version=__version__,
        charts=learning_curves(data),
        pairs=data.top_confusions.head(len(data.pairs)).to_dict("records"),
        pictures=_mistake_pictures(data, n_images),
        trust=trust_charts(data),
        operating=operating_points(data),
        confused=_confused_pictures(data),
        maps=_occlusion_pictures(data),
        rejections=_rejected_pictures(data),
        suspects=_suspect_pictures(data),
        n_suspects=0 if data.label_errors is None else len(data.label_errors),
    )


def render_fragment(data: PageData) -> str:
    """Return what a notebook shows: headline, classes, confusion matrix, charts and mistakes.

    Parameters
    ----------
    data : PageData
        What to show.

    Returns
    -------
    str
        A ``div`` in the colours of the text around it; equal data give equal text.
    """
    return _render(
        "notebook.html",
        data,
        charts=learning_curves(data) + trust_charts(data),
        pictures=_mistake_pictures(data, _N_IN_NOTEBOOK),
    )


def _render(name: str, data: PageData, **values: Any) -> str:
    """Fill a template with what the page and the notebook have in common, and the values."""
    template = load_template(
        Path(__file__).parent / "templates", name, {"percent": percent, "score": _score}
    )
    text: str = template.render(
        report=data,
        rows=[(label, row.to_dict()) for label, row in data.per_class.iterrows()],
        matrix=_confusion_cells(data),
        long_labels=max(len(str(label)) for label in data.classes) > _LONG_LABEL,
        **values,
    )
    return text


def _score(value: float | None) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:.4f}"


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
            "source": image_address(image),
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
    return [
        {"source": image_address(image), "row": row}
        for image, row in zip(pixels, rows, strict=True)
    ]


def _occlusion_pictures(data: PageData) -> list[dict[str, Any]]:
    if data.images is None:
        return []
    place = {row: i for i, row in enumerate(data.mistakes[: len(data.images)].tolist())}
    pixels = scale_to_unit(data.images)
    return [
        {
            "source": image_address(pixels[place[row]]),
            "map": image_address(overlay(pixels[place[row]], importance)),
            "row": row,
            "true": data.y_true[row],
            "predicted": data.labels[row],
        }
        for row, importance in data.occlusion_maps.items()
        if row in place
    ]
