"""Seams: cuts through ink from top to bottom that cross as little of it as possible."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ._blob import Blob

ASIDE = 0.05
"""Cost of a step to the side, in pixels of ink."""
OFF_CENTRE = 0.01
"""Cost of a pixel at the edge of the window of a seam, in pixels of ink."""
SCRAP = 0.2
"""A part that a seam cuts off with less than this share of the ink of its side belongs to the other
side."""


def find_seams(
    mask: NDArray[np.bool_], centres: NDArray[np.floating], reach: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the seam of least ink near each of some columns.

    Parameters
    ----------
    mask : ndarray of shape (height, width), bool
        Where ink is.
    centres : ndarray of shape (n,)
        Columns.
    reach : float
        How far a seam may be from its column, in pixels.

    Returns
    -------
    seams : ndarray of shape (n, height), int64
        The first column to the right of each seam, in each row.
    ink : ndarray of shape (n,), int64
        How many pixels of ink each crosses.

    Notes
    -----
    By dynamic programming; a step goes down, straight or to either side (S. Avidan and A. Shamir,
    "Seam carving for content-aware image resizing", 2007).
    """
    height, width = mask.shape
    reach = max(1, round(reach))
    offsets = np.arange(-reach, reach + 1)
    columns = np.rint(centres).astype(np.int64)[:, None] + offsets
    inside = (columns >= 1) & (columns < width)
    columns = np.clip(columns, 1, max(width - 1, 1))
    cost = np.where(inside, OFF_CENTRE * np.abs(offsets) / reach, np.inf)
    total = np.full((len(centres), len(offsets) + 2), np.inf)  # a column on each side is blocked
    total[:, 1:-1] = cost + mask[0, np.minimum(columns, width - 1)]
    came = np.empty((height, len(centres), len(offsets)), dtype=np.int8)
    steps = np.empty((3, len(centres), len(offsets)))
    for row in range(1, height):
        np.add(total[:, :-2], ASIDE, out=steps[0])
        steps[1] = total[:, 1:-1]
        np.add(total[:, 2:], ASIDE, out=steps[2])
        came[row] = steps.argmin(axis=0)
        total[:, 1:-1] = steps.min(axis=0) + cost
        total[:, 1:-1] += mask[row, np.minimum(columns, width - 1)]
    at = total[:, 1:-1].argmin(axis=1)
    numbers = np.arange(len(centres))
    seams = np.empty((len(centres), height), dtype=np.int64)
    for row in range(height - 1, -1, -1):
        seams[:, row] = columns[numbers, at]
        if row:
            at = np.clip(at + came[row, numbers, at] - 1, 0, len(offsets) - 1)
    ink = mask[np.arange(height), np.minimum(seams, width - 1)].sum(axis=1)
    return seams, ink


def left_of(mask: NDArray[np.bool_], seam: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return the ink to the left of a seam, and what belongs to it.

    Parameters
    ----------
    mask : ndarray of shape (height, width), bool
    seam : ndarray of shape (height,), int64
        The first column to the right, in each row.

    Returns
    -------
    ndarray of shape (height, width), bool
        Scraps that the seam cuts off a stroke on the other side count to that.
    """
    left = np.arange(mask.shape[1]) < seam[:, None]
    return (mask & left & ~_scraps(mask & left, ~left & mask)) | _scraps(mask & ~left, left & mask)


def _scraps(side: NDArray[np.bool_], other: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the small parts on one side of a seam that touch the ink on the other."""
    labels, n_parts = ndimage.label(side, structure=np.ones((3, 3)))
    if n_parts < 2:
        return np.zeros_like(side)
    areas = np.bincount(labels.ravel())[1:]
    touching = np.unique(labels[side & ndimage.maximum_filter(other, 3, mode="constant")])
    small = [label for label in touching if areas[label - 1] < SCRAP * areas.max()]
    return np.isin(labels, small) if small else np.zeros_like(side)


def split_stacked(blob: Blob, usual: float, stroke: float) -> list[Blob]:
    """Separate digits that touch those of the line below.

    Parameters
    ----------
    blob : Blob
    usual, stroke : float
        Usual height of a digit, and width of a stroke, in pixels.

    Returns
    -------
    list of Blob
        From top to bottom.
    """
    if blob.height < 1.7 * usual or blob.height > 6 * usual:
        return [blob]
    turned = blob.mask.T
    n_parts = round(blob.height / usual)
    centres = blob.height * np.arange(1, n_parts) / n_parts
    seams, ink = find_seams(turned, centres, 0.3 * blob.height / n_parts)
    sides = [left_of(turned, seam) for seam in seams[ink <= 2.5 * stroke]]
    parts = []
    for before, until in zip([np.zeros_like(turned), *sides], [*sides, turned], strict=True):
        part = trimmed((until & ~before).T, blob.top, blob.left)
        if part is not None:
            parts.append(part)
    return parts


def trimmed(mask: NDArray[np.bool_], top: int, left: int) -> Blob | None:
    """Return a mask without empty rows and columns around it, or None if it is empty."""
    found = ndimage.find_objects(mask.astype(np.int8))
    if not found:
        return None
    rows, columns = found[0]
    return Blob(mask[rows, columns], top + rows.start, left + columns.start)
