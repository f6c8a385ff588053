"""Images from files of any kind, in batches."""

import codecs
import re
from pathlib import Path

from ...utils._idx import is_idx
from ...utils._picture_files import PICTURES
from ._arrays import open_idx, open_npy, open_npz
from ._base import ImageSource, ImageSpec, InputError, InputSpec, readable
from ._bytes import Source
from ._pictures import open_folder, open_picture

PARQUET = b"PAR1"
"""The first bytes of a Parquet file."""


def open_images(
    path: str,
    image_spec: ImageSpec,
    input_spec: InputSpec = InputSpec(),  # noqa: B008
) -> ImageSource:
    """Open a file or folder of images.

    Parameters
    ----------
    path : str
        A picture, a folder of pictures, an IDX, .npy, CSV or Parquet file or an .npz archive,
        gzipped or not, a pipe, or "-" for the standard input. The content decides the kind, except
        that a file named .csv is always CSV.
    image_spec : ImageSpec
        What the images must be.
    input_spec : InputSpec, default=InputSpec()
        Which of several arrays and columns to take, and whether labels with them.

    Returns
    -------
    Images

    Raises
    ------
    OSError
        If there is no such file, or it cannot be read.
    InputError
        If it is damaged, of no known kind, without images or labels, or its images are
        not those of ``image_spec``. May also be raised while the batches are read.
    """
    file = Path(path)
    if path != "-" and file.is_dir():
        return open_folder(file, image_spec, input_spec)
    source = Source(path)
    column = input_spec.label_column or input_spec.labels
    in_table = input_spec._replace(label_column=column)
    if ".csv" in (suffix.lower() for suffix in file.suffixes):
        return _open_csv(source, image_spec, in_table)
    with source.open() as content, readable(source, "a gzip file"):
        start = content.read(4096)
    if not start:
        raise InputError(f"{source} is empty.")
    if start.startswith(b"\x93NUMPY"):
        return open_npy(source, image_spec, input_spec)
    if start.startswith(b"PK"):
        return open_npz(source, image_spec, input_spec)
    if start.startswith(PARQUET):
        from ._parquet import open_parquet  # with pandas, as for CSV

        return open_parquet(source, image_spec, in_table)
    if is_idx(start):
        return open_idx(source, image_spec, input_spec)
    if file.suffix.lower() not in PICTURES and _is_text(start):
        return _open_csv(source, image_spec, in_table)
    return open_picture(source, image_spec, input_spec)


def _open_csv(source: Source, image_spec: ImageSpec, input_spec: InputSpec) -> ImageSource:
    """Open a CSV file; pandas is imported only then."""
    from ._csv import open_csv

    return open_csv(source, image_spec, input_spec)


def _is_text(start: bytes) -> bool:
    """Tell whether a file that begins like this is text; a PPM in plain text is a picture."""
    if re.match(rb"P[1-7]\s", start) or b"\0" in start:
        return False
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)  # may end within a character
    except UnicodeDecodeError:
        return False
    return True
