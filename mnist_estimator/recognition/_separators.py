"""Separators between digits, by their shape and place: points, commas, dashes, slashes ..."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from ._blob import Blob

DIGIT = 0.6
"""Minimum height of a digit that a separator stands beside, relative to the usual height."""
LARGEST = 0.32
"""Maximum size of a point or comma, relative to the usual height."""
APART = 0.06
"""Minimum gap between a mark and the ink of a digit in its rows, relative to the usual height."""
REACH = 1.8
"""Maximum distance from a mark to a digit, in usual heights."""
LOW, BELOW = 0.74, 1.35
"""Where points and commas are beside a digit: 0 is its top, 1 its bottom."""
COLON = (0.1, 0.6)
"""Where the upper point of a colon is."""
MIDDLE = (0.3, 0.7)
"""Where dashes and plus signs are."""
CROSS = 0.85
"""Minimum share of the ink of a plus sign in its two bars."""
LEANING = 0.25
"""Minimum width of a slash, relative to its height."""
SAME_LEAN = 0.12
"""A slash leans by so much more than each 1 of its line, relative to the height."""
LONGER = 0.03
"""How much further a slash goes up and down than its neighbours, relative to their height."""


class Mark(NamedTuple):
    """A separator that was found."""

    character: str
    blob: Blob


def set_marks_aside(
    blobs: list[Blob], usual: float, stroke: float
) -> tuple[list[Blob], list[Mark]]:
    """Separate points, commas, colons and dashes from the other ink.

    Parameters
    ----------
    blobs : list of Blob
        Connected components of ink.
    usual : float
        Usual height of a digit, in pixels.
    stroke : float
        Usual width of a stroke, in pixels.

    Returns
    -------
    rest : list of Blob
    marks : list of Mark
    """
    large = [blob for blob in blobs if blob.height >= DIGIT * usual]
    small = [blob for blob in blobs if _may_be_mark(blob, usual, stroke)]
    if not large or not small:
        return blobs, []
    tree = KDTree([blob.middle for blob in large])
    marks: list[Mark] = []
    upper: list[Blob] = []
    for blob in small:
        distances, numbers = tree.query(blob.middle, k=min(4, len(large)))
        near = [
            large[i]
            for distance, i in zip(np.atleast_1d(distances), np.atleast_1d(numbers), strict=True)
            if distance <= REACH * usual
        ]
        if not near or any(_is_part(blob, digit, APART * usual) for digit in near):
            continue
        level = float(np.median([(blob.middle[0] - d.top) / d.height for d in near[:2]]))
        if blob.width >= 2 * blob.height:
            if blob.width >= 2 * stroke and MIDDLE[0] <= level <= MIDDLE[1]:
                marks.append(Mark("-", blob))
        elif LOW <= level <= BELOW:
            foot = float(np.median([(blob.bottom - d.bottom) / usual for d in near[:2]]))
            is_comma = blob.height > 1.35 * blob.width or foot > 0.14
            marks.append(Mark("," if is_comma else ".", blob))
        elif COLON[0] <= level <= COLON[1]:
            upper.append(blob)
    marks, points = _colons(marks, upper, usual)
    taken = {id(mark.blob) for mark in marks} | {id(blob) for blob in points}
    return [blob for blob in blobs if id(blob) not in taken], marks


def take_signs(line: list[Blob], stroke: float) -> tuple[list[Blob], list[Mark]]:
    """Separate plus signs and slashes from the digits of a line."""
    if len(line) < 2:
        return line, []
    rest, marks = [], []
    height = float(np.median([blob.height for blob in line]))
    leans = [_lean_of_line(blob, stroke) for blob in line]
    ones = [lean for number, lean in enumerate(leans) if lean is not None
            and not _is_slash(line, number, lean)]  # fmt: skip
    for number, blob in enumerate(line):
        beside = line[max(0, number - 2) : number] + line[number + 1 : number + 3]
        if blob.height < 0.75 * height and _is_plus(blob, beside, stroke):
            marks.append(Mark("+", blob))
        elif (
            (lean := leans[number]) is not None
            and _is_slash(line, number, lean)
            and all(lean > one + SAME_LEAN for one in ones)
        ):
            marks.append(Mark("/", blob))
        else:
            rest.append(blob)
    return rest, marks


def _may_be_mark(blob: Blob, usual: float, stroke: float) -> bool:
    """Tell whether a blob has the size of a point, a comma or a dash."""
    short, long = sorted((blob.height, blob.width))
    if short < 0.5 * stroke or short > LARGEST * usual:
        return False
    return long <= (0.7 if blob.width > blob.height else 1.25 * LARGEST) * usual


def _is_part(mark: Blob, digit: Blob, gap: float) -> bool:
    """Tell whether the ink of a digit is near a mark in its rows, or on both of its sides."""
    first, last = max(mark.top - 1, digit.top), min(mark.bottom + 1, digit.bottom)
    if first >= last:
        return mark.left < digit.right and mark.right > digit.left and mark.top > digit.bottom + gap
    columns = np.flatnonzero(digit.mask[first - digit.top : last - digit.top].any(axis=0))
    columns = columns + digit.left
    if not len(columns):
        return False
    is_near = (columns > mark.left - gap) & (columns < mark.right + gap)
    return bool(is_near.any() or (columns[0] < mark.left and columns[-1] >= mark.right))


def _colons(marks: list[Mark], upper: list[Blob], usual: float) -> tuple[list[Mark], list[Blob]]:
    """Join points above each other to colons, and return the marks and the upper points."""
    found, points = [], []
    for mark in marks:
        over = [
            blob
            for blob in upper
            if mark.character in ".,"
            and abs(blob.middle[1] - mark.blob.middle[1]) < 0.2 * usual
            and 0 < mark.blob.top - blob.bottom < 0.9 * usual
        ]
        if over:
            points.append(over[0])
            found.append(Mark(":", over[0].union(mark.blob)))
            points.append(mark.blob)
        else:
            found.append(mark)
    return found, points


def _is_plus(blob: Blob, beside: list[Blob], stroke: float) -> bool:
    """Tell whether a blob consists of two bars that cross in its middle."""
    if not 0.6 <= blob.width / blob.height <= 1.7:
        return False
    levels = [(blob.middle[0] - digit.top) / digit.height for digit in beside]
    if not MIDDLE[0] <= float(np.median(levels)) <= MIDDLE[1]:
        return False
    rows, columns = blob.mask.sum(axis=1), blob.mask.sum(axis=0)
    across, down = int(rows.argmax()), int(columns.argmax())
    reach = max(1, round(0.8 * stroke))
    bars = np.zeros_like(blob.mask)
    bars[max(0, across - reach) : across + reach + 1] = True
    bars[:, max(0, down - reach) : down + reach + 1] = True
    inner = 0.25 < across / blob.height < 0.75 and 0.25 < down / blob.width < 0.75
    full = rows.max() >= 0.85 * blob.width and columns.max() >= 0.85 * blob.height
    return bool(inner and full and blob.mask[bars].sum() >= CROSS * blob.mask.sum())


def _lean_of_line(blob: Blob, stroke: float) -> float | None:
    """Return how far a straight line leans to the right, by its height; None for other blobs."""
    if blob.width > 1.1 * blob.height:
        return None
    rows, columns = np.nonzero(blob.mask)
    line: NDArray[np.floating] = np.polynomial.Polynomial.fit(rows, columns, 1)(rows)
    lean = float(line[rows.argmin()] - line[rows.argmax()])
    wide = float(np.abs(columns - line).max()) * np.cos(np.arctan2(abs(lean), blob.height))
    return lean / blob.height if wide <= 0.75 * stroke + 1.5 else None


def _is_slash(line: list[Blob], number: int, lean: float) -> bool:
    """Tell whether a straight line is between digits, leans, and is longer than its neighbours."""
    blob = line[number]
    if not 0 < number < len(line) - 1 or blob.width < LEANING * blob.height:
        return False
    beside = line[max(0, number - 2) : number] + line[number + 1 : number + 3]
    top, bottom = min(digit.top for digit in beside), max(digit.bottom for digit in beside)
    room = LONGER * (bottom - top)
    is_longer = blob.top <= top - room and blob.bottom >= bottom + room
    return is_longer and lean >= 0.7 * LEANING
