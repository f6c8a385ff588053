"""Letters and words among the digits of a page, by the shapes of whole lines."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._candidates import Candidates
from ._groups import Separator, find_groups

FIRST = 5.0
"""What the evidence for letters at the beginning of a line must exceed, in log-odds: most pages
have digits only."""
GAPS, COSTS = (0.1, 0.4, 1.0), (9.0, 3.0, 1.0)
"""What it must exceed for a change from digits to letters or back, by the width of the gap beyond
the median one of its line, relative to the median height."""
BETWEEN = 2.0
"""The maximum of this between two groups."""


def has_digit_classes(classes: Any) -> bool:
    """Tell whether the classes of a classifier are the ten digits, so letters are none of them."""
    return classes is not None and {str(label) for label in classes} == set("0123456789")


def find_letters(
    log_odds: NDArray[np.floating],
    lines: NDArray[np.integer],
    groups: NDArray[np.integer],
    boxes: NDArray[np.integer],
) -> NDArray[np.bool_]:
    """Find which signs of a page are letters.

    Parameters
    ----------
    log_odds : ndarray of shape (n,)
        That each sign is a digit, by its shape.
    lines, groups : ndarray of shape (n,)
        The line of each, ascending, and its group: signs without a space between them.
    boxes : ndarray of shape (n, 4)
        First row and column of each, and those after the last.

    Returns
    -------
    ndarray of shape (n,), bool

    Notes
    -----
    Each line is the most probable sequence of two states, digit and letter, which seldom change
    where there is no gap (A. Viterbi, 1967). So the "o" of a word is a letter, and the "0" of a
    number is a digit.
    """
    letters = np.zeros(len(log_odds), dtype=bool)
    for line in np.unique(lines):
        own = np.flatnonzero(lines == line)
        height = float(np.median(boxes[own, 2] - boxes[own, 0]))
        gaps = (boxes[own[1:], 1] - boxes[own[:-1], 3]) / max(height, 1.0)
        wider = gaps - np.median(gaps) if len(gaps) else gaps
        costs = np.interp(wider, GAPS, COSTS)
        costs = np.where(np.diff(groups[own]) != 0, np.minimum(costs, BETWEEN), costs)
        letters[own] = _most_probable(log_odds[own], costs)
    return letters


def _most_probable(odds: NDArray[np.floating], costs: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Return which signs of a line are letters, given the cost of a change before each."""
    digit, letter = 0.0, float(odds[0]) + FIRST  # negative log-probabilities, but for a constant
    came = np.zeros((len(odds), 2), dtype=bool)  # whether the sign before is a letter
    for i in range(1, len(odds)):
        cost = float(costs[i - 1])
        came[i] = letter + cost < digit, letter <= digit + cost
        digit, letter = min(digit, letter + cost), min(letter, digit + cost) + float(odds[i])
    is_letter = letter < digit
    found = np.zeros(len(odds), dtype=bool)
    for i in range(len(odds) - 1, -1, -1):
        found[i] = is_letter
        is_letter = came[i, int(is_letter)]
    return found


def find_layout(
    candidates: Candidates,
    chosen: NDArray[np.integer],
    lines: NDArray[np.integer],
    *,
    drop_letters: bool,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], list[Separator]]:
    """Find the groups of a page's digits, and leave out letters.

    Parameters
    ----------
    candidates : Candidates
    chosen, lines : ndarray of shape (n,), int64
        Positions of the chosen candidates, and their lines.
    drop_letters : bool

    Returns
    -------
    kept : ndarray of shape (n_digits,), int64
        Positions among the chosen ones of those that are digits.
    lines, groups : ndarray of shape (n_digits,), int64
        Their lines and groups, numbered from 0.
    separators : list of Separator
        Those with a digit beside them in their group, or alone in it.
    """
    groups, separators = find_groups(candidates.boxes[chosen], lines, candidates.separators)
    letters = np.zeros(len(chosen), dtype=bool)
    if drop_letters:
        letters = find_letters(
            candidates.shapes.digit_odds[chosen], lines, groups, candidates.boxes[chosen]
        )
    if not letters.any():
        every = np.arange(len(chosen))
        return every, lines.astype(np.int64), groups.astype(np.int64), separators
    kept, separators = np.flatnonzero(~letters), _beside_digits(separators, letters, groups)
    lines, line_numbers = _renumbered(lines[kept], [mark.line for mark in separators])
    groups, group_numbers = _renumbered(groups[kept], [mark.group for mark in separators])
    separators = [
        mark._replace(line=int(line), group=int(group))
        for mark, line, group in zip(separators, line_numbers, group_numbers, strict=True)
    ]
    return kept, lines, groups, separators


def _renumbered(
    numbers: NDArray[np.integer], others: list[int]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return numbers of two kinds of things, without those that neither has."""
    new = np.unique(
        np.concatenate([numbers, np.array(others, dtype=np.int64)]), return_inverse=True
    )[1]
    return new[: len(numbers)], new[len(numbers) :]


def _beside_digits(
    separators: Sequence[Separator], letters: NDArray[np.bool_], groups: NDArray[np.integer]
) -> list[Separator]:
    """Return the separators that are not between letters, with their positions among digits."""
    kept = []
    before = np.concatenate([[0], np.cumsum(~letters)])
    for mark in separators:
        beside = [i for i in (mark.position - 1, mark.position)
                  if 0 <= i < len(letters) and groups[i] == mark.group]  # fmt: skip
        if not beside or not all(letters[i] for i in beside):
            kept.append(mark._replace(position=int(before[mark.position])))
    return kept
