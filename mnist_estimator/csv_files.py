"""Images in CSV files, one a row."""

import csv
import io
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .image_input import (
    LABEL_COLUMNS,
    ROWS,
    Batch,
    ImageForm,
    Images,
    InputError,
    Wanted,
    readable,
    unzipped,
)  # fmt: skip
from .wording import shown

LONGEST_FIELD = 1000
"""Bytes of a number or name in a line, on average, before it is no table of images."""


def open_csv(path: str, form: ImageForm, wanted: Wanted) -> Images:
    """Open a CSV file, gzipped or not, or with "-" the standard input."""
    return Images(None, _batches(path, form, wanted))


def _batches(path: str, form: ImageForm, wanted: Wanted) -> Iterator[Batch]:
    name = "standard input" if path == "-" else path
    with io.BytesIO(sys.stdin.buffer.read()) if path == "-" else unzipped(Path(path)) as file:
        with readable(name, "a CSV file"):
            longest = LONGEST_FIELD * (form.n_pixels + 2)
            line = file.readline(longest)
            if len(line) == longest:
                raise InputError(
                    f"{name} has a first line of {longest:,} bytes or more, too long for the "
                    f"{form.n_pixels:,} pixels of an image. Put each image on a line of its own."
                )
            named = _has_header(line.decode("utf-8-sig"))
            file.seek(0)
            header = 0 if named else None
            tables = pd.read_csv(
                file, header=header, chunksize=ROWS, encoding="utf-8-sig",
                index_col=False, low_memory=False,
            )  # fmt: skip
        start = 0
        while (table := _next_table(name, tables)) is not None:
            pixels, given = _split_columns(name, table, named, form, wanted)
            images = _numbers(name, pixels, start).reshape(-1, *form.image_shape)
            yield Batch(path, start, images, given)
            start += len(table)
    if start == 0:
        raise InputError(f"{name} holds no image.")


def _next_table(name: str, tables: Iterator[pd.DataFrame]) -> pd.DataFrame | None:
    with readable(name, "a CSV file"), warnings.catch_warnings():
        # Of rows longer than the header pandas drops what is too much, with this warning.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        return next(tables, None)


def _has_header(line: str) -> bool:
    """Tell whether the first line names the columns; a row of 0, 1, 2, … does so, too."""
    fields = next(csv.reader([line]), [])
    counted = [[str(i + first) for i in range(len(fields))] for first in (0, 1)]
    return (len(fields) > 1 and fields in counted) or not all(map(_is_number, fields))


def _is_number(text: str) -> bool:
    try:
        float(text or "nan")
    except ValueError:
        return False
    return True


def _split_columns(
    name: str,
    table: pd.DataFrame,
    named: bool,
    form: ImageForm,
    wanted: Wanted,
) -> tuple[pd.DataFrame, NDArray[Any] | None]:
    """Return the columns of pixels, and the labels if they are wanted."""
    columns = list(table.columns)
    if wanted.labels is not None:
        found = [column for column in columns if str(column) == wanted.labels]
    elif named:
        found = [column for column in columns if str(column).strip().lower() in LABEL_COLUMNS]
    else:  # as MNIST goes round as CSV: the label, then the pixels
        found = columns[:1] if len(columns) == form.n_pixels + 1 else []
    if wanted.labelled and len(found) != 1:
        raise InputError(
            f"{name} has no column {wanted.labels!r}."
            if wanted.labels is not None
            else f"{name} must have one column of labels. Name it with --labels."
        )
    if form.feature_names is not None and set(form.feature_names) <= set(columns):
        pixels = table[list(form.feature_names)]
    else:
        others = wanted.labelled or len(columns) > form.n_pixels
        pixels = table.drop(columns=found) if others else table
    if pixels.shape[1] != form.n_pixels:
        raise InputError(
            f"{name} has {pixels.shape[1]} columns of pixels; the model reads {form.n_pixels} "
            f"({form}). Separate them by commas, and leave out all others but a label."
        )
    if not wanted.labelled:
        return pixels, None
    given = table[found[0]]
    if given.isna().any():
        row = table.index[given.isna()][0]
        raise InputError(f"{name} has no label in row {row} (counted from 0). Leave it out.")
    return pixels, given.to_numpy()


def _numbers(name: str, table: pd.DataFrame, start: int) -> NDArray[Any]:
    """Return a table as numbers, if it holds nothing else."""
    numeric = table
    if any(dtype.kind not in "uif" for dtype in table.dtypes):
        numeric = table.apply(pd.to_numeric, errors="coerce").astype(np.float64)
    values = numeric.to_numpy()
    finite = np.isfinite(values)
    if not finite.all():
        row, column = np.argwhere(~finite)[0]
        raise InputError(
            f"{name} holds {shown(table.iat[row, column])} in column "
            f"{table.columns[column]!r} of row {start + row} (counted from 0), where a finite "
            "number is due."
        )
    return cast(NDArray[Any], values)
