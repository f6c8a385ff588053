"""Removal of the teeth of comb fields: short lines that stand on a ruled line."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

FEWEST = 3
"""Minimum number of teeth on a line."""
SAME_LENGTH = 0.15
"""Maximum relative difference between the lengths of teeth."""
SAME_PITCH = 0.1
"""Maximum difference between their distances, relative to the smallest."""


def find_teeth(
    mask: NDArray[np.bool_], lines: NDArray[np.bool_], width: float
) -> NDArray[np.bool_]:
    """Find short lines that stand on a ruled line or hang from it, of one length and pitch.

    Parameters
    ----------
    mask : ndarray of shape (height, width), bool
        Where ink is, without ruled lines.
    lines : ndarray of shape (height, width), bool
        The ruled lines.
    width : float
        Maximum width of a tooth, in pixels.

    Returns
    -------
    ndarray of shape (height, width), bool
        The pixels of the teeth.
    """
    teeth = np.zeros(mask.shape, dtype=bool)
    bands, n_bands = ndimage.label(ndimage.maximum_filter(lines, (3, 9)), structure=np.ones((3, 3)))
    if not n_bands:
        return teeth
    near = ndimage.maximum_filter(bands, (7, 3))
    labels, _ = ndimage.label(mask, structure=np.ones((3, 3)))
    places = ndimage.find_objects(labels)
    found: dict[tuple[int, bool], list[tuple[int, float, float]]] = {}
    for label, (rows, columns) in enumerate(places, start=1):
        if columns.stop - columns.start > width or rows.stop - rows.start < 3:
            continue
        own = labels[rows, columns] == label
        for end in (0, -1):
            band = int(near[rows, columns][end][own[end]].max(initial=0))
            if band:
                length = float(rows.stop - rows.start)
                middle = (columns.start + columns.stop) / 2
                found.setdefault((band, end == 0), []).append((label, length, middle))
    for group in found.values():
        for label in _regular(group):
            teeth[places[label - 1]] |= labels[places[label - 1]] == label
    return teeth


def _regular(group: list[tuple[int, float, float]]) -> list[int]:
    """Return the labels of those of one length and pitch."""
    usual = float(np.median([length for _, length, _ in group]))
    alike = [t for t in group if abs(t[1] - usual) <= max(2.0, SAME_LENGTH * usual)]
    if len(alike) < FEWEST:
        return []
    middles = np.sort([middle for _, _, middle in alike])
    steps = np.diff(middles)
    pitch = float(np.median(steps))
    off = np.abs(steps / pitch - np.rint(steps / pitch)) if pitch else np.ones(1)
    return [label for label, _, _ in alike] if np.mean(off <= SAME_PITCH) >= 0.7 else []
