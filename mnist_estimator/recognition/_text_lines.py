"""Lines of text: blobs grouped, also where lines climb, fall or curve."""

import numpy as np
from numpy.typing import NDArray

from ._blob import Blob

STEEPEST = 16.0
"""Maximum angle of lines with the rows of the page, in degrees."""
BETTER = 1.15
"""How much clearer lines must be at an angle than at a right one."""
OVERLAP = 0.4
"""Minimum common height of a blob and its line, relative to the lower of the two."""


def group_lines(blobs: list[Blob]) -> list[list[Blob]]:
    """Group blobs into lines of text.

    Parameters
    ----------
    blobs : list of Blob

    Returns
    -------
    list of list of Blob
        Lines from top to bottom, in them blobs from left to right.

    Notes
    -----
    Blobs go from left to right to the line whose last ones they are level with, after the page
    was sheared by its skew.
    """
    slope = find_skew(blobs)
    lines: list[list[Blob]] = []
    limits = np.empty((2, len(blobs)))  # of the last blobs of each line
    for blob in sorted(blobs, key=lambda blob: blob.middle[1]):
        top, bottom = _level(blob, slope)
        tops, bottoms = limits[:, : len(lines)]
        common = np.minimum(bottoms, bottom) - np.maximum(tops, top)
        share = common / np.minimum(bottoms - tops, blob.height)
        number = int(share.argmax()) if len(lines) else 0
        if number == len(lines) or share[number] <= OVERLAP:
            number = len(lines)
            lines.append([])
        lines[number].append(blob)
        # The neighbours to the left say where the line goes.
        last = [_level(other, slope) for other in lines[number][-3:]]
        limits[:, number] = np.median(last, axis=0)
    slopes = [_slope(line) for line in lines if len(line) > 2]
    rest = float(np.median(slopes)) if slopes else slope
    return sorted(
        lines, key=lambda line: float(np.mean([b.middle[0] - rest * b.middle[1] for b in line]))
    )


def find_skew(blobs: list[Blob]) -> float:
    """Return how many rows lines go down from one column to the next.

    Notes
    -----
    Of angles up to `STEEPEST` the one whose profile of the blobs' bottoms and tops has the
    highest energy (H. S. Baird, "The skew angle of printed documents", 1987).
    """
    if len(blobs) < 4:
        return 0.0
    rows, columns = np.array([blob.middle for blob in blobs]).T
    height = float(np.median([blob.height for blob in blobs]))
    edges = np.concatenate([rows - height / 2, rows + height / 2])
    columns = np.tile(columns - columns.mean(), 2)
    angles = np.deg2rad(np.arange(-STEEPEST, STEEPEST + 0.01, 0.5))
    energies = np.array([_energy(edges - np.tan(a) * columns, height) for a in angles])
    best = int(energies.argmax())
    level = float(energies[len(angles) // 2])
    return float(np.tan(angles[best])) if energies[best] > BETTER * level else 0.0


def _energy(rows: NDArray[np.floating], height: float) -> float:
    """Return the sum of squares of a profile with bins of a sixth of a height, smoothed."""
    bins = np.floor(6.0 * (rows - rows.min()) / height).astype(int)
    counts = np.convolve(np.bincount(bins), [0.5, 1.0, 0.5])
    return float((counts**2).sum())


def _level(blob: Blob, slope: float) -> tuple[float, float]:
    """Return top and bottom of a blob on a page that is sheared by its skew."""
    shift = slope * blob.middle[1]
    return blob.top - shift, blob.bottom - shift


def _slope(line: list[Blob]) -> float:
    """Return how many rows a line goes down from one column to the next."""
    rows, columns = np.array([blob.middle for blob in line]).T
    return float(np.polynomial.Polynomial.fit(columns, rows, 1).deriv()(0.0))
