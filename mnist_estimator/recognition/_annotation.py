"""Recognized digits drawn over their picture: as an image, and as SVG for a notebook."""

import base64
import html
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..utils._palette import BLUE, GREY, VERMILION

if TYPE_CHECKING:
    from PIL.Image import Image

    from ._recognition import Recognition

LINE_COLORS = (BLUE, VERMILION)
"""Of the boxes in even and odd lines of text."""
SHOWN_SIDE = 1000
"""Longer side of the picture in a notebook, in pixels: more would make the file large."""
DASHES = {"sure": None, "doubtful": (4, 2), "rejected": (1, 2)}
"""Lengths of the strokes and gaps of a box, in widths of its line."""


class Mark(NamedTuple):
    """A box to be drawn over a picture."""

    box: tuple[int, int, int, int]
    text: str
    title: str
    """A longer text."""
    color: str
    state: str
    """A key of `DASHES`."""


def marks_of(found: "Recognition", doubtful: float) -> Iterator[Mark]:
    """Yield what is drawn for each digit and separator.

    Parameters
    ----------
    found : Recognition
    doubtful : float
        Confidence below which digits are doubtful.
    """
    for digit in found:
        state = "sure"
        if digit.is_rejected:
            state = "rejected"
        elif digit.confidence is not None and digit.confidence < doubtful:
            state = "doubtful"
        text = "?" if digit.is_rejected else str(digit.label)
        share = "" if digit.confidence is None else f" {digit.confidence:.0%}"
        title = ("rejected, most probable class" if digit.is_rejected else text) + share
        shown = text + (share if state == "doubtful" else "")
        yield Mark(digit.box, shown, title, LINE_COLORS[digit.line % 2], state)
    for mark in found.separators:
        yield Mark(mark.box, mark.character, "separator", GREY, "sure")


def draw(found: "Recognition", doubtful: float) -> "Image":
    """Return the picture with boxes and labels, in its own size."""
    from PIL import Image, ImageDraw, ImageFont

    picture = Image.fromarray(as_bytes(found.picture)).convert("RGB")
    draw = ImageDraw.Draw(picture)
    width, size = _sizes(found)
    font = ImageFont.load_default(size)
    for mark in marks_of(found, doubtful):
        top, left, bottom, right = mark.box
        # Around the pixels of the digit, not on them.
        corners = (left - width, top - width, right + width - 1, bottom + width - 1)
        _draw_box(draw, corners, mark.color, width, DASHES[mark.state])
        place = (left - width, max(top - width - 1, size))
        draw.text(
            place, mark.text, fill=mark.color, font=font, anchor="ls",
            stroke_width=max(1, width), stroke_fill="white",
        )  # fmt: skip
    return picture


def _draw_box(
    draw: Any, corners: tuple[int, ...], color: str, width: int, dashes: tuple[int, int] | None
) -> None:
    """Draw a box with lines of some width, dashed or not: Pillow has no dashes."""
    left, top, right, bottom = corners
    if dashes is None:
        draw.rectangle(corners, outline=color, width=width)
        return
    stroke, gap = (length * width for length in dashes)
    for x in range(left, right + 1, stroke + gap):
        end = min(x + stroke - 1, right)
        draw.rectangle((x, top, end, top + width - 1), fill=color)
        draw.rectangle((x, bottom - width + 1, end, bottom), fill=color)
    for y in range(top, bottom + 1, stroke + gap):
        end = min(y + stroke - 1, bottom)
        draw.rectangle((left, y, left + width - 1, end), fill=color)
        draw.rectangle((right - width + 1, y, right, end), fill=color)


def _sizes(found: "Recognition") -> tuple[int, int]:
    """Return the widths of lines and the height of text that suit the digits, in pixels."""
    heights = found.boxes[:, 2] - found.boxes[:, 0]
    widths = found.boxes[:, 3] - found.boxes[:, 1]
    # Digits may lie on their side.
    height = float(np.median(np.maximum(heights, widths))) if len(found) else 20.0
    return max(1, round(height / 30)), max(10, round(0.4 * height))


def to_svg(found: "Recognition", doubtful: float) -> str:
    """Return the picture with boxes and labels as an SVG element, the picture inside."""
    from PIL import Image

    height, width = found.picture.shape[:2]
    picture = Image.fromarray(as_bytes(found.picture))
    picture.thumbnail((SHOWN_SIDE, SHOWN_SIDE))
    file = io.BytesIO()
    picture.save(file, "PNG" if max(height, width) <= 300 else "JPEG", quality=85)
    kind = "png" if file.getvalue().startswith(b"\x89PNG") else "jpeg"
    content = base64.b64encode(file.getvalue()).decode()
    line, size = _sizes(found)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'style="max-width: 100%; width: {min(width, SHOWN_SIDE)}px; max-height: 80vh" '
        f'role="img" aria-label="{html.escape(found.text)}">',
        f'<image href="data:image/{kind};base64,{content}" width="{width}" height="{height}" '
        'preserveAspectRatio="none"/>',
        f'<g fill="none" stroke-width="{line}" font-size="{size}" font-family="sans-serif">',
    ]
    for mark in marks_of(found, doubtful):
        top, left, bottom, right = mark.box
        dashes = DASHES[mark.state]
        dashed = ""
        if dashes is not None:
            dashed = f' stroke-dasharray="{dashes[0] * line} {dashes[1] * line}"'
        parts.append(
            f'<g><title>{html.escape(mark.title)}</title><rect x="{left - line / 2}" '
            f'y="{top - line / 2}" width="{right - left + line}" height="{bottom - top + line}" '
            f'stroke="{mark.color}" pointer-events="all"{dashed}/><text x="{left - line}" '
            f'y="{max(top - 1.5 * line, size)}" fill="{mark.color}" stroke="white" '
            f'stroke-width="{2 * max(1, line)}" paint-order="stroke">{html.escape(mark.text)}'
            "</text></g>"
        )
    return "".join(parts) + "</g></svg>"


def as_bytes(picture: NDArray[Any]) -> NDArray[np.uint8]:
    """Return a picture, grey from 0 to 1 or RGB in bytes, as bytes."""
    if picture.dtype == np.uint8:
        return picture
    pixels: NDArray[np.uint8] = np.rint(np.clip(picture, 0.0, 1.0) * 255.0).astype(np.uint8)
    return pixels
