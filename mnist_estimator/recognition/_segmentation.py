"""Segmentation of the ink on a page into digits, in reading order."""

import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import KDTree

from ..preprocessing._digit_image import fit_box
from ._binarization import Ink, weighted_median
from ._blob import Blob
from ._broken_strokes import join_parts
from ._seams import split_stacked
from ._separators import Mark, set_marks_aside, take_signs
from ._stains import drawn_like_the_rest, without_stains
from ._text_lines import group_lines
from ._touching import Piece, pieces_of_line

MOST_PARTS = 10_000
"""Maximum number of connected components of a page; printed A4 text in 11 points has 4,500."""
SMALLEST = 6
"""Minimum height of a digit, in pixels."""
MIN_MARK_HEIGHT = 0.4
"""Relative to the usual height: lower blobs that nothing is joined to are punctuation."""


class TextLine(NamedTuple):
    """A line of text."""

    pieces: list[list[Piece]]
    """From left to right, of each blob the pieces to choose from."""
    marks: list[Mark]
    """The separators."""


def segment_digits(ink: Ink) -> list[TextLine]:
    """Segment the ink of a page into digits.

    Parameters
    ----------
    ink : Ink
        Without ruled lines.

    Returns
    -------
    list of TextLine
        From top to bottom.
    """
    blobs = _connected(ink.mask)
    if len(blobs) > MOST_PARTS:
        warnings.warn(
            f"The picture has {len(blobs):,} separate marks, more than the {MOST_PARTS:,} that a "
            "page of digits may have, so no digits are returned. It may be a texture, a halftone "
            "print or small text: cut out the part with the digits, or blur the picture.",
            UserWarning,
            stacklevel=4,
        )
        return []
    blobs = without_stains(blobs, ink.mask.shape)
    if not blobs:
        return []
    heights = np.array([blob.height for blob in blobs])
    usual = weighted_median(heights, np.array([blob.mask.sum() for blob in blobs]))
    blobs, marks = set_marks_aside(blobs, usual, ink.stroke)
    blobs = join_parts(blobs, usual)
    blobs = [blob for blob in blobs if max(blob.height, blob.width) >= MIN_MARK_HEIGHT * usual]
    blobs = [part for blob in blobs for part in split_stacked(blob, usual, ink.stroke)]
    blobs = [blob for blob in blobs if blob.height >= max(MIN_MARK_HEIGHT * usual, SMALLEST)]
    blobs = drawn_like_the_rest(blobs, ink)
    lines = group_lines(blobs)
    of_lines = _marks_of_lines(marks, lines)
    found = []
    for line, marks_of_line in zip(lines, of_lines, strict=True):
        digits, signs = take_signs(line, ink.stroke)
        pieces = pieces_of_line(digits, ink.stroke)
        found.append(TextLine(pieces, marks_of_line + signs))
    return found


def _marks_of_lines(marks: list[Mark], lines: list[list[Blob]]) -> list[list[Mark]]:
    """Return the marks of each line: that of the nearest digit.

    No number begins with a comma or colon, nor with a point that is beneath or above a digit:
    these are remains of a ruled line, or of a digit's foot.
    """
    found: list[list[Mark]] = [[] for _ in lines]
    if marks and lines:
        numbers = [number for number, line in enumerate(lines) for _ in line]
        tree = KDTree([blob.middle for line in lines for blob in line])
        for mark, nearest in zip(marks, tree.query([m.blob.middle for m in marks])[1], strict=True):
            first = min(lines[numbers[nearest]], key=lambda blob: blob.middle[1])
            begins = mark.blob.middle[1] <= first.middle[1]
            if begins and (mark.character in ",:" or mark.blob.right > first.left):
                continue
            found[numbers[nearest]].append(mark)
    return found


def render_blob(blob: Blob, ink: Ink) -> NDArray[np.float32]:
    """Render a blob in MNIST's format.

    Parameters
    ----------
    blob : Blob
        The blob.
    ink : Ink
        The ink of its page.

    Returns
    -------
    ndarray of shape (28, 28), float32
        From 0 to 1.
    """
    room = 1 + round(ink.stroke / 3)
    top, left = max(0, blob.top - room), max(0, blob.left - room)
    amount = ink.amount[top : blob.bottom + room, left : blob.right + room]
    own = np.zeros(amount.shape, dtype=bool)
    own[blob.top - top :, blob.left - left :][: blob.height, : blob.width] = blob.mask
    others = ink.mask[top : blob.bottom + room, left : blob.right + room] & ~own
    near = ndimage.maximum_filter(own, 2 * room + 1, mode="constant") & ~others
    full = float(np.percentile(amount[own], 75.0))
    floor = min(3.0 * ink.noise, 0.3 * full)
    return fit_box(np.where(near, np.clip((amount - floor) / (full - floor), 0.0, 1.0), 0.0))


def _connected(mask: NDArray[np.bool_]) -> list[Blob]:
    """Return the connected parts of the ink, without single pixels."""
    labels, n_labels = ndimage.label(mask, structure=np.ones((3, 3)))
    areas = np.bincount(labels.ravel(), minlength=n_labels + 1)
    return [
        Blob(labels[place] == label, place[0].start, place[1].start)
        for label, place in enumerate(ndimage.find_objects(labels), start=1)
        if areas[label] > 3
    ]
