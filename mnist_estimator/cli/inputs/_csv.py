"""Images in CSV files, one a row."""

import csv
import re
import warnings
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import pandas as pd

from ._base import BATCH_SIZE, Batch, ImageSource, ImageSpec, InputError, InputSpec, readable
from ._bytes import Source
from ._label_columns import KnownLabels, is_label_name, is_number
from ._table_columns import check_unique, find_columns, take_columns

LONGEST_FIELD = 1000
"""Bytes of a number or name in a line, on average, beyond which it is not a table of images."""

VALUES_AT_ONCE = 2**22
"""Values read at once, if they are more than a batch of images: pandas takes time for a column."""

_SEPARATORS = (",", ";", "\t", r"\s+")
_LEAST_SHUFFLED = 10
"""Columns from which on a row of all numbers up to their number, in any order, is a header."""


def open_csv(source: Source, image_spec: ImageSpec, input_spec: InputSpec) -> ImageSource:
    """Open a CSV file: values separated by commas, semicolons, tabs or blanks."""
    return ImageSource(None, _batches(source, image_spec, input_spec))


def _batches(source: Source, image_spec: ImageSpec, input_spec: InputSpec) -> Iterator[Batch]:
    columns, start = None, 0
    with source.open() as file:
        with readable(source, "a CSV file"):
            names, tables = _tables(source, file, image_spec, input_spec)
        while (table := _next_table(source, tables)) is not None:
            if columns is None:
                columns = find_columns(source, names, table, image_spec, input_spec)
            yield take_columns(source, table, start, columns, image_spec, input_spec)
            start += len(table)
    if start == 0:
        raise InputError(f"{source} holds no image.")


def _tables(
    source: Source, file: BinaryIO, image_spec: ImageSpec, input_spec: InputSpec
) -> tuple[list[str] | None, Iterator[pd.DataFrame]]:
    """Return the names of the columns if there are any, and the rows piece by piece."""
    start = file.read(2)
    file.seek(0)
    if start == b"PK":
        raise InputError(f"{source} is a zip archive. Unpack the CSV file that is in it.")
    line = "\n"
    while line.isspace():  # pandas skips such lines, too
        line = _first_line(source, file, image_spec).decode("utf-8-sig")
    if not line:
        raise InputError(f"{source} is empty.")
    separator, fields = _fields(line, image_spec)
    named = _has_header(fields, image_spec, input_spec)
    if not named:
        file.seek(0)
    names: Sequence[str | int] = fields if named else range(len(fields))
    check_unique(source, fields if named else [])
    n_rows = max(BATCH_SIZE, VALUES_AT_ONCE // len(fields))
    tables = pd.read_csv(
        file, sep=separator, header=None, names=list(names), chunksize=n_rows,
        encoding="utf-8-sig", index_col=False, low_memory=False,
    )  # fmt: skip
    return (fields if named else None), tables


def _first_line(source: Source, file: BinaryIO, image_spec: ImageSpec) -> bytes:
    """Read a line; refuse one that is too long for an image."""
    longest = LONGEST_FIELD * (image_spec.n_pixels + 2)
    line = file.readline(longest)
    if len(line) == longest:
        raise InputError(
            f"{source} has a first line of {longest:,} bytes or more, too long for the "
            f"{image_spec.n_pixels:,} pixels of an image. Put each image on a line of its own."
        )
    return line


def _next_table(source: Source, tables: Iterator[pd.DataFrame]) -> pd.DataFrame | None:
    with readable(source, "a CSV file"), warnings.catch_warnings():
        # Of rows longer than the header pandas drops what is too much, with this warning.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        return next(tables, None)


def _fields(line: str, image_spec: ImageSpec) -> tuple[str, list[str]]:
    """Split the first line by the separator that gives one value per pixel, or most values."""
    found = {}
    for separator in _SEPARATORS:
        single = separator if len(separator) == 1 else " "
        text = line if len(separator) == 1 else re.sub(separator, single, line.strip())
        found[separator] = next(csv.reader([text], delimiter=single), [])
    fitting = range(image_spec.n_pixels, image_spec.n_pixels + 3)  # with a label and an index
    for separator, fields in found.items():
        if len(fields) in fitting:
            return separator, fields
    separator = max(_SEPARATORS[:3], key=lambda separator: len(found[separator]))
    return separator, found[separator]


def _has_header(fields: list[str], image_spec: ImageSpec, input_spec: InputSpec) -> bool:
    """Tell whether the first line names the columns; a row of 0, 1, 2, … does so, too."""
    names = {field.strip() for field in fields}
    texts = {name for name in names if not is_number(name)}
    known = KnownLabels(image_spec.classes or ())
    if any(is_label_name(name) and name not in known for name in texts):
        return True
    if input_spec.label_column in texts or not texts.isdisjoint(image_spec.feature_names or ()):
        return True
    numbers = [field.strip() for field in fields if field.strip() and is_number(field)]
    return _count(numbers) if numbers else bool(texts)


def _count(numbers: list[str]) -> bool:
    """Tell whether these are the numbers from 0 or 1 on, in their order or, if many, in any."""
    if len(numbers) < 2 or not all(number.isdecimal() for number in numbers):
        return False
    values = list(map(int, numbers))
    ordered = sorted(values)
    counted = ordered in (list(range(len(values))), list(range(1, len(values) + 1)))
    return counted and (values == ordered or len(values) >= _LEAST_SHUFFLED)
