"""Columns of a table: which are the pixels, in which order, and which is the label."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...utils._column_names import explain_mismatch, missing_numbers, name_pattern, numbered
from ._base import Batch, ImageSpec, InputError, InputSpec
from ._label_columns import FIRST, LAST, KnownLabels, is_label_name, told_label_column

if TYPE_CHECKING:
    from ._bytes import Source

_INDEX = re.compile(r"|Unnamed: \d+|__index_level_\d+__")
"""Names that pandas gives the index when it writes a table."""


class Columns(NamedTuple):
    """Positions of columns in a table."""

    pixels: list[int]
    """In the order of the pixels."""
    label: int | None
    """None without labels."""
    told: bool = False
    """Whether the column was inferred from its values."""


def find_columns(
    source: "Source",
    names: Sequence[str] | None,
    rows: pd.DataFrame,
    image_spec: ImageSpec,
    input_spec: InputSpec,
) -> Columns:
    """Find the pixels and the label of a table.

    Names decide where there are names: they are those of the model, or numbers in them give the
    order of the pixels. Else the order is that of the table.

    Parameters
    ----------
    source : Source
        The table, for errors.
    names : sequence of str or None
        Names of the columns, if the table has them.
    rows : DataFrame
        The first rows of the table, whose values may tell the label.
    image_spec : ImageSpec
        What the model takes.
    input_spec : InputSpec
        Which column is the label, and whether one is needed.

    Returns
    -------
    Columns

    Raises
    ------
    InputError
        If the columns are not those of the model, or it cannot be inferred which are.
    """
    if names is None:
        return _by_position(source, list(range(rows.shape[1])), rows, image_spec, input_spec)
    names = [name.strip() for name in names]
    check_unique(source, names)
    label = find_label(source, names, image_spec, input_spec)
    others = [i for i, name in enumerate(names) if i != label and not _INDEX.fullmatch(name)]
    fitted = image_spec.feature_names
    counted = all(names[i].isdecimal() for i in others)  # as pandas does without names
    if fitted is not None and (set(fitted) <= set(names) or not counted):
        pixels = _by_name(source, names, others, fitted)
    else:
        pixels = _by_number(source, names, others, image_spec)
    if label is None and len(pixels) == image_spec.n_pixels + 1:
        return _by_position(source, pixels, rows, image_spec, input_spec)
    _check_count(source, len(pixels), image_spec)
    if label is None and input_spec.labelled:
        raise InputError(
            f"{source} must have one column of labels. Name it with --label-column; beside the "
            f"pixels there is {_listed([names[i] for i in range(len(names)) if i not in pixels])}."
        )
    return Columns(pixels, label)


def check_unique(source: "Source", names: Sequence[str]) -> None:
    """Refuse a table that has a name twice.

    Raises
    ------
    InputError
        If it has.
    """
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise InputError(
            f"{source} has more than one column named {twice[0]!r}. Give each a name of its own."
        )


def find_label(
    source: "Source", names: Sequence[str], image_spec: ImageSpec, input_spec: InputSpec
) -> int | None:
    """Find the column that is named as the label, or has a usual name.

    Parameters
    ----------
    source, image_spec, input_spec
        See :func:`find_columns`.
    names : sequence of str
        Names of the columns.

    Returns
    -------
    int or None
        Its position; None if there is none.

    Raises
    ------
    InputError
        If the column that was named is not there, or several have usual names.
    """
    asked = input_spec.label_column
    if asked is not None:
        if asked in names:
            return names.index(asked)
        positions = [i for i, name in enumerate(names) if not _INDEX.fullmatch(name)]
        if asked in (FIRST, LAST):
            return positions[0 if asked == FIRST else -1]
        raise InputError(f"{source} has no column {asked!r}. It has {_listed(names)}.")
    known = set(image_spec.feature_names or ())
    found = [i for i, name in enumerate(names) if is_label_name(name) and name not in known]
    if len(found) > 1 and input_spec.labelled:
        raise InputError(
            f"{source} must have one column of labels, and has "
            f"{_listed([names[i] for i in found])}. Name the one to take with --label-column."
        )
    return found[0] if found else None


def _by_name(
    source: "Source", names: Sequence[str], others: Sequence[int], fitted: Sequence[str]
) -> list[int]:
    """Return the columns that the model knows by name, in its order."""
    places = {names[i]: i for i in others}
    if not set(fitted) <= set(places):
        raise InputError(
            f"{source} does not have the columns of the model. "
            f"{explain_mismatch([names[i] for i in others], fitted)} "
            "Rename them in the header, or leave out the header if they are in the model's order."
        )
    return [places[name] for name in fitted]


def _by_number(
    source: "Source", names: Sequence[str], others: Sequence[int], image_spec: ImageSpec
) -> list[int]:
    """Return the columns that are named by numbers, in their order; else all, as they stand."""
    patterns = Counter(name_pattern(names[i]) for i in others if name_pattern(names[i]) != names[i])
    pattern, count = patterns.most_common(1)[0] if patterns else ("", 0)
    if 2 * count <= len(others):
        return [i for i in others if not is_label_name(names[i])]
    pixels = [i for i in others if name_pattern(names[i]) == pattern]
    found = numbered([names[i] for i in pixels])
    if found is None:  # a single one
        return pixels
    if len(found.numbers[0]) > 1:
        return _in_order(source, names, pixels, found.numbers, image_spec)
    missing = missing_numbers(found.numbers)
    if missing:
        raise InputError(
            f"{source} lacks pixels: its columns run from {names[pixels[0]]} to "
            f"{names[pixels[-1]]} without the number {_listed(missing)}. Add them."
        )
    return [pixels[k] for k in sorted(range(len(pixels)), key=found.numbers.__getitem__)]


def _in_order(
    source: "Source",
    names: Sequence[str],
    pixels: list[int],
    numbers: list[tuple[int, ...]],
    image_spec: ImageSpec,
) -> list[int]:
    """Return columns that are named by row and column if they stand row by row."""
    sides = tuple(len(set(values)) for values in zip(*numbers, strict=True))
    expected = tuple(side for side in image_spec.image_shape if side > 1)
    if len(pixels) != image_spec.n_pixels or sides != expected or numbers != sorted(numbers):
        raise InputError(
            f"{source} has {len(pixels)} columns of pixels from {names[pixels[0]]} to "
            f"{names[pixels[-1]]}, whose names do not number the rows and columns of "
            f"{image_spec} in order. Sort the columns, or leave out the header if they are sorted."
        )
    return pixels


def _by_position(
    source: "Source",
    columns: list[int],
    rows: pd.DataFrame,
    image_spec: ImageSpec,
    input_spec: InputSpec,
) -> Columns:
    """Find the label, first or last, of a table whose names say nothing of it."""
    asked, told = input_spec.label_column, False
    if asked is None and len(columns) == image_spec.n_pixels + 1:
        first, last = (rows.iloc[:, columns[end]].to_numpy() for end in (0, -1))
        asked, told = told_label_column(source, first, last, image_spec.classes), True
    if asked not in (FIRST, LAST, None):
        raise InputError(
            f"{source} has no header, and so no column {asked!r}. Pass --label-column {FIRST} or "
            f"--label-column {LAST}."
        )
    if asked is None and input_spec.labelled and len(columns) == image_spec.n_pixels:
        raise InputError(
            f"{source} must have one column of labels beside {image_spec.n_pixels} pixels, and has "
            f"{len(columns)} columns. Add the labels as the first or the last."
        )
    pixels = {FIRST: columns[1:], LAST: columns[:-1], None: columns}[asked]
    _check_count(source, len(pixels), image_spec)
    return Columns(pixels, {FIRST: columns[0], LAST: columns[-1], None: None}[asked], told)


def _check_count(source: "Source", count: int, image_spec: ImageSpec) -> None:
    if count != image_spec.n_pixels:
        raise InputError(
            f"{source} has {count} column{'s' * (count != 1)} of pixels; the model takes "
            f"{image_spec.n_pixels} ({image_spec}). Separate them by commas, and leave out others "
            "but a label."
        )


def _listed(values: Sequence[Any]) -> str:
    shown = ", ".join(map(repr, values[:5])) or "none"
    return shown + (f" and {len(values) - 5} more" if len(values) > 5 else "")


def take_columns(
    source: "Source",
    table: pd.DataFrame,
    start: int,
    columns: Columns,
    image_spec: ImageSpec,
    input_spec: InputSpec,
) -> Batch:
    """Return the images, and the labels if requested, in some rows of a table.

    Parameters
    ----------
    source : Source
        The table, for errors.
    table : DataFrame
        Some of its rows.
    start : int
        Position of the first of them, from 0.
    columns : Columns
        From :func:`find_columns`.
    image_spec : ImageSpec
        What the model takes.
    input_spec : InputSpec
        Whether labels are read.

    Returns
    -------
    Batch

    Raises
    ------
    InputError
        If a pixel is not a finite number, or a label is missing.
    """
    pixels = table.iloc[:, columns.pixels]
    images = _as_numbers(source, pixels, start).reshape(-1, *image_spec.image_shape)
    labels = None if columns.label is None else table.iloc[:, columns.label]
    if labels is None or not (input_spec.labelled or columns.told):
        return Batch(source.name, start, images)
    if labels.isna().any():
        row = start + int(np.flatnonzero(labels.isna())[0])
        raise InputError(f"{source} has no label in row {row} (counted from 0). Leave it out.")
    if columns.told:
        _check_told(source, labels.to_numpy(), start, image_spec)
    return Batch(source.name, start, images, labels.to_numpy() if input_spec.labelled else None)


def _check_told(source: "Source", labels: NDArray[Any], start: int, image_spec: ImageSpec) -> None:
    """Refuse later rows that contradict the column inferred from the first rows."""
    known = KnownLabels(image_spec.classes or ())
    strange = [i for i, label in enumerate(labels.tolist()) if label not in known]
    if strange and labels.dtype.kind in "uif":
        raise InputError(
            f"{source} has {labels[strange[0]]!s} in row {start + strange[0]} (counted from 0), "
            f"where earlier rows have labels. Pass --label-column {FIRST} or --label-column {LAST}."
        )


def _as_numbers(source: "Source", table: pd.DataFrame, start: int) -> NDArray[Any]:
    """Return a table as numbers, if it holds nothing else."""
    numeric = table
    if any(dtype.kind not in "uif" for dtype in table.dtypes):
        numeric = table.apply(pd.to_numeric, errors="coerce").astype(np.float64)
    values = numeric.to_numpy()
    finite = np.isfinite(values)
    if not finite.all():
        row, column = np.argwhere(~finite)[0]
        value, name = table.iat[row, column], table.columns[column]
        found = repr(value.item() if isinstance(value, np.generic) else value)
        raise InputError(
            f"{source} holds {found} in column {repr(name) if isinstance(name, str) else name} of "
            f"row {start + row} (counted from 0), where a finite number is required."
        )
    return cast(NDArray[Any], values)
