"""Gaps and separators between digits: groups of digits within a line of text."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SPACE = 1.0
"""Minimum width of a gap that is a space, in widths of a digit..."""
WIDER = 2.0
"""... and relative to the median gap of its line: digits in boxes of a form are far apart, too."""
WIDE_SPACE = 2.5
"""A gap of so many widths of a digit is a space in any line."""
NARROWEST = 0.5
"""Minimum width of a digit in this, relative to the median height: most pages have other digits
than ones."""


class Separator(NamedTuple):
    """A mark between digits that is no digit."""

    character: str
    """Such as ".", ",", "-", "/", ":" or "+"."""
    box: tuple[int, int, int, int]
    """First row and column, and those after the last."""
    line: int
    """Line of text, from 0 at the top."""
    group: int = 0
    """Group that it is in, counted through the page from 0."""
    position: int = 0
    """How many digits of the page come before it, in reading order."""


def find_groups(
    boxes: NDArray[np.integer],
    lines: NDArray[np.integer],
    separators: Sequence[Separator] = (),
) -> tuple[NDArray[np.int64], list[Separator]]:
    """Find the groups of digits on a page: those without a space between them.

    Parameters
    ----------
    boxes : ndarray of shape (n, 4)
        First row and column of each digit, upright, and those after the last.
    lines : ndarray of shape (n,)
        Line of text of each, ascending; within a line digits go from left to right.
    separators : sequence of Separator, default=()
        Marks between digits, which belong to groups, too.

    Returns
    -------
    groups : ndarray of shape (n,), int64
        The group of each digit, counted through the page from 0.
    separators : list of Separator
        In reading order, with their group and position.

    Notes
    -----
    A gap is a space if it is wider than the median digit, and than twice the median gap of its
    line; a gap of 2.5 digits always is. Narrow digits, such as a one, count with 0.7 of the width
    of the median digit.
    """
    heights, widths = (boxes[:, 2:] - boxes[:, :2]).T
    width = 1.0
    if len(boxes):
        width = max(float(np.median(widths)), NARROWEST * float(np.median(heights)))
    groups, placed = np.zeros(len(boxes), dtype=np.int64), []
    n_groups, n_digits = 0, 0
    for line in sorted({*lines.tolist(), *(separator.line for separator in separators)}):
        digits = np.flatnonzero(lines == line)
        marks = [separator for separator in separators if separator.line == line]
        half = np.maximum(boxes[digits, 3] - boxes[digits, 1], 0.7 * width) / 2
        middles = (boxes[digits, 1] + boxes[digits, 3]) / 2
        places = np.concatenate(
            [
                np.stack([middles - half, middles + half], axis=1),
                np.reshape([mark.box for mark in marks], (-1, 4))[:, 1::2],
            ]
        )
        # Digits stay in their order; marks go where their middles are.
        order = np.argsort(
            np.concatenate([np.maximum.accumulate(middles), places[len(digits) :].mean(axis=1)]),
            kind="stable",
        )
        numbers = n_groups + np.cumsum(_starts(places[order], width)) - 1
        for item, group in zip(order.tolist(), numbers.tolist(), strict=True):
            if item < len(digits):
                groups[digits[item]] = group
                n_digits += 1
            else:
                mark = marks[item - len(digits)]
                placed.append(mark._replace(group=group, position=n_digits))
        n_groups = int(numbers[-1]) + 1
    return groups, placed


def _starts(places: NDArray[np.floating], width: float) -> NDArray[np.bool_]:
    """Return which items of a line start a group, from their first columns and those after."""
    gaps = places[1:, 0] - places[:-1, 1]
    usual = float(np.median(gaps)) if len(gaps) > 1 else 0.0
    spaces = gaps > min(max(SPACE * width, WIDER * usual), WIDE_SPACE * width)
    return np.concatenate([[True], spaces])
