"""Digits that touch: the pieces that a blob may consist of."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._blob import Blob
from ._seams import find_seams, left_of, trimmed

PERHAPS_WIDE, WIDE, TOO_WIDE = 0.75, 1.2, 1.7
"""Widths of a blob, relative to the height: it may be several digits from the first on."""
ONE_DIGIT = 4.5, 2.0, -4.0
"""Log-odds that a blob of these widths is one digit, apart from its shape."""
STEP, REACH = 0.1, 0.07
"""Distance of the middles of seams, and how far a seam may go aside, relative to the height."""
NARROWEST, WIDEST = 0.12, 1.25
"""Minimum and maximum width of a piece, relative to the height."""
LOWEST = 0.6
"""Minimum height of a piece, relative to the blob."""
MOST_CUT = 3.0
"""Maximum ink on a seam, in stroke widths."""
SAME = 0.03
"""Two seams are the same if no more than this share of the ink is between them."""
MOST_SEAMS = 60
"""Maximum number of seams of a blob; a line of thirty digits that touch has so many."""


class Piece(NamedTuple):
    """A part of a blob that may be a digit: what is between two of its seams."""

    part: Blob
    first: int
    """The seam to the left; 0 is the left end of the blob."""
    last: int
    """The seam to the right; the last one is the right end."""
    prior: float = 0.0
    """Log-odds that it is one digit, by its width."""


def pieces_of_line(line: list[Blob], stroke: float) -> list[list[Piece]]:
    """Return the pieces of each blob of a line, of which a sequence is to be chosen.

    Parameters
    ----------
    line : list of Blob
    stroke : float
        Usual width of a stroke, in pixels.

    Returns
    -------
    list of list of Piece
        A blob that is no wider than a digit is one piece.

    Notes
    -----
    Heuristic over-segmentation: there are more seams than digits, and a piece between each two
    (Y. LeCun et al., "Gradient-based learning applied to document recognition", 1998, section V).
    """
    height = float(np.median([blob.height for blob in line]))
    pieces = []
    for blob in line:
        ratio = blob.width / min(height, WIDE * blob.height)
        prior = float(np.interp(ratio, [PERHAPS_WIDE, WIDE, TOO_WIDE], ONE_DIGIT))
        sides = _sides(blob, height, stroke) if ratio > PERHAPS_WIDE else []
        pieces.append([Piece(blob, 0, len(sides) + 1, prior), *_pieces(blob, sides, height)])
    return pieces


def _sides(blob: Blob, height: float, stroke: float) -> list[NDArray[np.bool_]]:
    """Return the ink to the left of each seam, from left to right."""
    n_seams = min(MOST_SEAMS, int((blob.width / height - 2 * NARROWEST) / STEP) + 1)
    ends = NARROWEST * height, blob.width - NARROWEST * height
    centres = np.linspace(*ends, n_seams)
    seams, ink = find_seams(blob.mask, centres, REACH * height)
    sides: list[NDArray[np.bool_]] = []
    for seam in seams[ink <= MOST_CUT * stroke]:
        side = left_of(blob.mask, seam)
        least = SAME * blob.mask.sum()
        before = sides[-1] if sides else np.zeros_like(side)
        if (side & ~before).sum() > least and (blob.mask & ~side).sum() > least:
            sides.append(side | before)
    return sides


def _pieces(blob: Blob, sides: list[NDArray[np.bool_]], height: float) -> list[Piece]:
    """Return the pieces between the seams of a blob, but for the whole of it."""
    limits = [np.zeros_like(blob.mask), *sides, blob.mask]
    pieces = []
    for first in range(len(limits) - 1):
        for last in range(first + 1, len(limits)):
            if (first, last) == (0, len(limits) - 1):
                continue
            part = trimmed(limits[last] & ~limits[first], blob.top, blob.left)
            if part is None:
                continue
            if part.width > WIDEST * height:
                break
            if part.height >= LOWEST * min(blob.height, height):
                pieces.append(Piece(part, first, last))
    return pieces


def choose_pieces(spans: list[tuple[int, int]], scores: NDArray[np.floating]) -> list[int]:
    """Choose the sequence of pieces from end to end of a blob with the highest sum of scores.

    Parameters
    ----------
    spans : list of (int, int)
        The first and last seam of each piece; the first piece is the whole blob.
    scores : ndarray of shape (n_pieces,)
        Logarithms of their probabilities.

    Returns
    -------
    list of int
        Positions of the chosen ones, from left to right.
    """
    best: dict[int, tuple[float, list[int]]] = {0: (0.0, [])}
    order = sorted(range(len(spans)), key=lambda i: spans[i])
    for i in order:
        first, last = spans[i]
        if first not in best:
            continue
        total = best[first][0] + float(scores[i])
        if last not in best or total > best[last][0]:
            best[last] = total, [*best[first][1], i]
    return best[spans[0][1]][1]
