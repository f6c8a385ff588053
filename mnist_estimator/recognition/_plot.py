"""The picture with boxes and labels, drawn by matplotlib."""

from typing import TYPE_CHECKING, Any

import numpy as np

from ._annotation import LINE_COLORS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ._recognition import Recognition

REJECTED = "?"
"""Label of a digit that the classifier rejects."""


def plot(
    found: "Recognition",
    ax: "Axes | None",
    limit: float,
    box_kw: dict[str, Any],
    text_kw: dict[str, Any],
) -> tuple["Axes", list[Any], list[Any]]:
    """Draw what was recognized: see :meth:`Recognition.plot`.

    Returns
    -------
    ax : matplotlib Axes
    boxes : list of matplotlib Rectangle
    labels : list of matplotlib Text
    """
    import matplotlib.pyplot as plt
    from matplotlib.patches import Rectangle

    if ax is None:
        height, width = found.picture.shape[:2]
        _, ax = plt.subplots(
            figsize=(8, float(np.clip(8 * height / width, 2, 12))), layout="constrained"
        )
    ax.imshow(found.picture, cmap="gray", vmin=0, vmax=1 if found.picture.ndim == 2 else None)
    ax.set_axis_off()
    boxes: list[Any] = []
    labels: list[Any] = []
    for i, (top, left, bottom, right) in enumerate(found.boxes):
        confidence = 1.0 if found.confidences is None else float(found.confidences[i])
        is_rejected = found.rejected is not None and bool(found.rejected[i])
        color = LINE_COLORS[found.lines[i] % 2]
        is_uncertain = confidence < limit and not is_rejected
        label = REJECTED if is_rejected else str(found.labels[i])
        text = label + (f" {confidence:.0%}" if is_uncertain else "")
        line = ":" if is_rejected else "--" if is_uncertain else "-"
        style: dict[str, Any] = {"fill": False, "edgecolor": color, "linestyle": line}
        style |= box_kw
        # Pixels are drawn around whole numbers.
        place = (left - 0.5, top - 0.5)
        boxes.append(ax.add_patch(Rectangle(place, right - left, bottom - top, **style)))
        words: dict[str, Any] = {"color": color, "fontsize": 8, "va": "bottom"}
        labels.append(ax.text(*place, text, **words | text_kw))
    return ax, boxes, labels
