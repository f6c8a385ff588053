"""Images in Parquet files: a column a pixel, or pictures in a column."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from ._base import BATCH_SIZE, Batch, ImageSource, ImageSpec, InputError, InputSpec, readable
from ._bytes import Source
from ._pictures import read_picture
from ._table_columns import find_columns, find_label, take_columns

if TYPE_CHECKING:
    from pyarrow import RecordBatch, Schema


def open_parquet(source: Source, image_spec: ImageSpec, input_spec: InputSpec) -> ImageSource:
    """Open a Parquet file: of one column a pixel, or as Hugging Face has pictures in a column."""
    file = parquet_file(source)
    with readable(source, "a Parquet file"):
        n_rows = file.metadata.num_rows
    if n_rows == 0:
        raise InputError(f"{source} holds no image.")
    picture = picture_column(file.schema_arrow)
    read = _tables if picture is None else _pictures
    return ImageSource(n_rows, read(source, file, image_spec, input_spec))


def parquet_file(source: Source) -> Any:
    """Return a file as pyarrow's ``ParquetFile``.

    Raises
    ------
    InputError
        If it is none, or pyarrow is not installed.
    """
    try:
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise InputError(
            f"{source} is a Parquet file, which needs pyarrow. Install it with: pip install "
            "pyarrow; or save the table as CSV."
        ) from error
    with readable(source, "a Parquet file"):
        return ParquetFile(source.file_to_map() or source.open())


def _rows(source: Source, file: Any) -> Iterator["RecordBatch"]:
    with readable(source, "a Parquet file"):
        yield from file.iter_batches(batch_size=BATCH_SIZE)


def _tables(
    source: Source, file: Any, image_spec: ImageSpec, input_spec: InputSpec
) -> Iterator[Batch]:
    columns, start = None, 0
    for rows in _rows(source, file):
        with readable(source, "a Parquet file"):
            table = rows.to_pandas(ignore_metadata=True)
        if columns is None:
            columns = find_columns(source, rows.schema.names, table, image_spec, input_spec)
        yield take_columns(source, table, start, columns, image_spec, input_spec)
        start += len(table)


def _pictures(
    source: Source, file: Any, image_spec: ImageSpec, input_spec: InputSpec
) -> Iterator[Batch]:
    names = file.schema_arrow.names
    column = cast(str, picture_column(file.schema_arrow))
    label = find_label(source, names, image_spec, input_spec)
    if label is None and input_spec.labelled:
        raise InputError(f"{source} must have one column of labels. Name it with --label-column.")
    start = 0
    for rows in _rows(source, file):
        images: list[NDArray[Any]] = []
        for i, value in enumerate(rows.column(column).to_pylist()):
            content = value.get("bytes") if isinstance(value, dict) else value
            if content is None:
                raise InputError(
                    f"{source} holds no picture in row {start + i} (counted from 0), or only its "
                    "path. Save the pictures themselves, or leave the row out."
                )
            place = Source(f"{source}, column {column!r}, row {start + i}", content)
            images.extend(read_picture(place, image_spec, input_spec))
            if len(images) != i + 1:
                raise InputError(f"{place} has several frames. Save one a row.")
        given = None
        if label is not None and input_spec.labelled:
            values = rows.column(label).to_pylist()
            if None in values:
                row = start + values.index(None)
                raise InputError(
                    f"{source} has no label in row {row} (counted from 0). Leave it out."
                )
            given = np.array(values)
        yield Batch(source.name, start, np.stack(images), given, picture=True)
        start += len(images)


def picture_column(schema: "Schema") -> str | None:
    """Return the column that holds pictures as PNG, JPEG and so on, if there is one."""
    from pyarrow import types

    for field in schema:
        kind = field.type
        if types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
            return str(field.name)
        if types.is_binary(kind) or types.is_large_binary(kind):
            return str(field.name)
    return None
