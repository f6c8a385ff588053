"""Removal of ruled lines that keeps the strokes crossing them."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ._binarization import usual_size

SHORTEST = 0.25
"""Minimum length of a ruled line, as a share of the page's width."""
LENGTH = 2.5
"""Minimum length of a ruled line, in heights of a digit."""
UNBROKEN = 0.6
"""Minimum length of a stretch without gaps, relative to that..."""
ALL = 0.85
"""... or minimum share of all columns with ink, near digits, too: feet and bars of digits are
level with one another, but there is paper between them."""
LENGTH_TO_WIDTH = 25
"""Minimum ratio of the length of a ruled line to its thickness."""
STEEPEST = 0.27
"""Maximum slope of a ruled line against the page: 15 degrees."""
COVERED = 0.6
"""Minimum share of a line's columns that contain ink."""


def remove_ruled_lines(
    mask: NDArray[np.bool_], stroke: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Remove horizontal and vertical lines from the ink.

    Parameters
    ----------
    mask : ndarray of shape (height, width), bool
        Where ink is.
    stroke : float
        Usual width of a stroke, in pixels.

    Returns
    -------
    mask : ndarray of shape (height, width), bool
        The ink without the lines, with the strokes that cross them.
    removed : ndarray of shape (height, width), bool
        The removed pixels.

    Notes
    -----
    Like the removal of staff lines from music: along a line, ink is removed where its
    vertical run is no longer than the line's thickness (C. Dalitz et al., "A comparative
    study of staff removal algorithms", 2008).
    """
    removed = _lines(mask, stroke, 0.0)
    if removed.any():
        # A stroke of a large digit is as long as that digit is high, or not much longer.
        size = usual_size(mask & ~removed)
        removed = _lines(mask, stroke, LENGTH * size) if size else np.zeros_like(mask)
    left = mask & ~removed
    if removed.any():
        # Close the gaps in strokes that cross a line at a low angle.
        gap = round(stroke) + 3
        closed = ndimage.binary_closing(np.pad(left, gap), np.ones((gap, gap), dtype=bool))
        left |= closed[gap:-gap, gap:-gap] & removed
    return left, removed & ~left


def _lines(mask: NDArray[np.bool_], stroke: float, shortest: float) -> NDArray[np.bool_]:
    """Return the pixels of lines, across and down, that are not shorter than `shortest`."""
    return _lines_across(mask, stroke, shortest) | _lines_across(mask.T, stroke, shortest).T


def _lines_across(mask: NDArray[np.bool_], stroke: float, shortest: float) -> NDArray[np.bool_]:
    """Return the pixels of lines that go from left to right."""
    height, width = mask.shape
    removed = np.zeros(mask.shape, dtype=bool)
    length = max(24, width // 30)
    if width < 4 * length or height < 8:
        return removed
    thick = ndimage.maximum_filter1d(mask, 3, axis=0)
    opened = ndimage.minimum_filter1d(thick, length, axis=1)
    opened = ndimage.maximum_filter1d(opened, length, axis=1, origin=-1 if length % 2 == 0 else 0)
    opened &= mask
    linked = ndimage.maximum_filter1d(opened, 2 * length + 1, axis=1)
    linked = ndimage.maximum_filter1d(linked, 3, axis=0)
    labels, n_labels = ndimage.label(linked, structure=np.ones((3, 3)))
    if not n_labels:
        return removed
    runs = _vertical_runs(mask)
    unbroken = UNBROKEN * shortest
    shortest = max(shortest, SHORTEST * width)
    for label, place in enumerate(ndimage.find_objects(labels), start=1):
        if place[1].stop - place[1].start < shortest:
            continue
        rows, columns = np.nonzero(opened[place] & (labels[place] == label))
        rows, columns = rows + place[0].start, columns + place[1].start
        # Where digits stand on a line, their strokes count neither for its place nor thickness.
        own = runs[rows, columns]
        thin = own <= 2.0 * np.percentile(own, 25.0) + 1.0
        rows, columns = rows[thin], columns[thin]
        seen = np.unique(columns)
        span = seen[-1] - seen[0] + 1
        if span < shortest or len(seen) < COVERED * span:
            continue
        curve = _fit(columns, rows, 3 if span > width / 2 else 1)
        if np.median(np.abs(rows - curve(columns))) > max(2.0, stroke):
            continue
        if abs(curve(columns.max()) - curve(columns.min())) > STEEPEST * span:
            continue
        if _longest(seen) < unbroken and _inked(mask, curve, seen, stroke) < ALL:
            continue
        thickness = float(np.median(runs[rows, columns]))
        if thickness > min(max(3.0, 1.5 * stroke), span / LENGTH_TO_WIDTH):
            continue
        _take_out(removed, mask, runs, curve, (columns.min(), columns.max()), thickness)
    return removed


def _fit(
    columns: NDArray[np.intp], rows: NDArray[np.intp], degree: int
) -> np.polynomial.Polynomial:
    """Fit a curve, twice again to the pixels that are near it."""
    curve = np.polynomial.Polynomial.fit(columns, rows, degree)
    for _ in range(2):
        off = np.abs(rows - curve(columns))
        near = off <= 2.0 * np.median(off) + 1.0
        curve = np.polynomial.Polynomial.fit(columns[near], rows[near], degree)
    return curve


def _longest(columns: NDArray[np.intp]) -> int:
    """Return the length of the longest stretch of columns with gaps of 3 pixels at most."""
    ends = np.flatnonzero(np.diff(columns) > 4)
    first, last = np.append(0, ends + 1), np.append(ends, len(columns) - 1)
    return int((columns[last] - columns[first] + 1).max())


def _inked(
    mask: NDArray[np.bool_],
    curve: np.polynomial.Polynomial,
    seen: NDArray[np.intp],
    stroke: float,
) -> float:
    """Return the share of columns in which there is ink along a curve."""
    columns = np.arange(seen[0], seen[-1] + 1)
    reach = max(1, round(stroke / 3))
    rows = np.rint(curve(columns)).astype(int) + np.arange(-reach, reach + 1)[:, None]
    return float(mask[np.clip(rows, 0, len(mask) - 1), columns].any(axis=0).mean())


def _take_out(
    removed: NDArray[np.bool_],
    mask: NDArray[np.bool_],
    runs: NDArray[np.int32],
    curve: np.polynomial.Polynomial,
    ends: tuple[int, int],
    thickness: float,
) -> None:
    """Mark the pixels of one line, and a little beyond its ends."""
    height, width = mask.shape
    columns = np.arange(max(0, ends[0] - 4), min(width, ends[1] + 5))
    middle = np.rint(curve(columns)).astype(int)
    reach = round(thickness / 2) + 2
    for offset in range(-reach, reach + 1):
        rows = middle + offset
        inside = (rows >= 0) & (rows < height)
        at = rows[inside], columns[inside]
        removed[at] |= mask[at] & (runs[at] <= 1.4 * thickness + 1.0)


def _vertical_runs(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return the length of the vertical run through each pixel of ink, 0 elsewhere."""
    above = np.zeros(mask.shape, dtype=np.int32)
    below = np.zeros(mask.shape, dtype=np.int32)
    for row in range(len(mask)):
        above[row] = mask[row] * ((above[row - 1] if row else 0) + 1)
    for row in range(len(mask) - 1, -1, -1):
        below[row] = mask[row] * ((below[row + 1] if row + 1 < len(mask) else 0) + 1)
    runs: NDArray[np.int32] = np.maximum(above + below - 1, 0)
    return runs
