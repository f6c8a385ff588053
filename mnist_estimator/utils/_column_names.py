"""Names of columns of pixels: how they are numbered, and how those of data and model differ."""

import re
from collections.abc import Sequence
from typing import NamedTuple

_NUMBER = re.compile(r"\d+")


class Numbered(NamedTuple):
    """Names that differ in their numbers only, such as pixel0 to pixel783."""

    pattern: str
    """The name with # for each number, such as "pixel#"."""
    numbers: list[tuple[int, ...]]
    """The numbers in each name; those that are the same in all names are left out."""


def name_pattern(name: str) -> str:
    """Return a name with # for each number in it.

    Examples
    --------
    >>> from mnist_estimator.utils._column_names import name_pattern
    >>> name_pattern("pixel_0_27")
    'pixel_#_#'
    """
    return _NUMBER.sub("#", name)


def numbered(names: Sequence[str]) -> Numbered | None:
    """Return the numbers in names, or None if the names differ in more than numbers.

    Parameters
    ----------
    names : sequence of str
        Names of columns.

    Returns
    -------
    Numbered or None

    Examples
    --------
    >>> from mnist_estimator.utils._column_names import numbered
    >>> numbered(["28_pixel2", "28_pixel1"])
    Numbered(pattern='#_pixel#', numbers=[(2,), (1,)])
    >>> numbered(["label", "pixel1"])
    """
    patterns = {name_pattern(name) for name in names}
    if len(patterns) != 1:
        return None
    rows = [tuple(map(int, _NUMBER.findall(name))) for name in names]
    varying = [i for i, values in enumerate(zip(*rows, strict=True)) if len(set(values)) > 1]
    if not varying:
        return None
    return Numbered(patterns.pop(), [tuple(row[i] for i in varying) for row in rows])


def missing_numbers(numbers: Sequence[tuple[int, ...]]) -> list[int]:
    """Return the first numbers that single numbers leave out, at most as many as there are."""
    values = {value for (value,) in numbers}
    first = min(values)  # the largest may be any: a billion columns need not be listed
    span = range(first, min(max(values), first + 2 * len(values)) + 1)
    return [value for value in span if value not in values][: len(values)]


def explain_mismatch(came: Sequence[str], fitted: Sequence[str]) -> str:
    """Say how names of columns differ from those that a model was fitted on.

    Parameters
    ----------
    came, fitted : sequence of str
        Names in the data, and those of the model.

    Returns
    -------
    str
        A sentence.

    Examples
    --------
    >>> from mnist_estimator.utils._column_names import explain_mismatch
    >>> explain_mismatch(["pixel0", "pixel1"], ["pixel1", "pixel2"])
    'The data count pixels from 0 (pixel0 to pixel1), the model from 1 (pixel1 to pixel2).'
    """
    starts = renumbered(came, fitted)
    if starts is not None:
        pixels = [name for name in came if name_pattern(name) == name_pattern(fitted[0])]
        return (
            f"The data count pixels from {starts[0]} ({_ends(pixels)}), the model from "
            f"{starts[1]} ({_ends(fitted)})."
        )
    missing, more = _listed(came, fitted), _listed(fitted, came)
    if not missing and not more:
        return "The data have the columns of the model in another order."
    lacks = f"the data lack {missing}" if missing else ""
    has = f"the data have {more}, which the model does not know" if more else ""
    return f"The model was fitted on the columns {_ends(fitted)}; {lacks or has}."


def renumbered(came: Sequence[str], fitted: Sequence[str]) -> tuple[int, int] | None:
    """Return the first numbers of two series of names that differ in where they begin only.

    Parameters
    ----------
    came, fitted : sequence of str
        Names in the data, perhaps with a label among them, and those of the model.

    Returns
    -------
    tuple of int, (of came, of fitted), or None
        None if they differ in more or are the same.
    """
    ours = numbered(fitted)
    if ours is None:
        return None
    theirs = numbered([name for name in came if name_pattern(name) == ours.pattern] or came)
    if theirs is None or theirs.pattern != ours.pattern or len(theirs.numbers) != len(fitted):
        return None
    pairs = list(zip(sorted(theirs.numbers), sorted(ours.numbers), strict=True))
    if len(pairs[0][0]) != 1 or len(pairs[0][1]) != 1:
        return None
    if len({their[0] - our[0] for their, our in pairs}) > 1 or pairs[0][0] == pairs[0][1]:
        return None
    return pairs[0][0][0], pairs[0][1][0]


def _listed(known: Sequence[str], names: Sequence[str]) -> str:
    """List the first of the names that are not known."""
    have = set(known)
    strange = [name for name in names if name not in have]
    more = f" and {len(strange) - 3} more" if len(strange) > 3 else ""
    return ", ".join(strange[:3]) + more


def _ends(names: Sequence[str]) -> str:
    """Name the first and the last of the columns by their numbers, or as they stand."""
    found = numbered(names)
    if found is None:
        return f"{names[0]} to {names[-1]}"
    order = sorted(range(len(names)), key=found.numbers.__getitem__)
    return f"{names[order[0]]} to {names[order[-1]]}"
