"""Images and labels in arrays: .npy, .npz and IDX files."""

import csv
import io
import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from .image_input import (
    LABEL_COLUMNS,
    ROWS,
    Batch,
    ImageForm,
    Images,
    InputError,
    Wanted,
    checked,
    readable,
    unzipped,
)

ARRAYS = (
    ("x_test", "y_test"), ("X_test", "y_test"), ("test_images", "test_labels"),
    ("X", "y"), ("x", "y"), ("images", "labels"), ("data", "target"),
    ("x_train", "y_train"), ("X_train", "y_train"), ("train_images", "train_labels"),
)  # fmt: skip
"""Usual names in an .npz archive, of images and of their labels; the first that is there counts."""

_IDX_DTYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


def open_npy(path: Path, form: ImageForm, wanted: Wanted) -> Images:
    """Open an .npy file, which is read piece by piece; labels are in a file of their own."""
    with readable(path, "an .npy file of numbers"):
        _check_header_length(path)
        images = np.load(path, mmap_mode="r", allow_pickle=False)
    if wanted.labelled and wanted.labels is None:
        raise InputError(f"{path} has no labels. Name a file of them with --labels.")
    y = _read_labels(Path(wanted.labels)) if wanted.labels else None
    return _open_array(path, images, y, form)


def open_npz(path: Path, form: ImageForm, wanted: Wanted) -> Images:
    """Open an .npz archive, whose arrays are loaded whole."""
    with (
        path.open("rb") as file,
        readable(path, "an .npz archive of numbers"),
        np.load(file, allow_pickle=False) as archive,
    ):
        names = archive.files
        usual = [X for X, _ in ARRAYS if X in names] or (names if len(names) == 1 else [])
        key = _name_of(path, names, wanted.key, usual, "--key")
        y = None
        if wanted.labelled:
            beside = [y for X, y in ARRAYS if key == X and y in names]
            y_key = _name_of(path, names, wanted.labels, beside, "--labels")
            _check_size(archive, y_key)
            y = archive[y_key]
        shape = _check_size(archive, key)
        if not form.fits(shape):  # else it is a single image
            _check_shape(path, shape, form)
        return _open_array(path, archive[key], y, form)


def _name_of(
    path: Path, names: list[str], wanted: str | None, usual: list[str], option: str
) -> str:
    """Return the name of the array that is wanted, or else of the usual one."""
    if wanted in names:
        return str(wanted)
    if wanted is None and usual:
        return usual[0]
    came = f"has no array {wanted!r}" if wanted else "does not tell which array to take"
    raise InputError(
        f"{path} {came}; name one with {option}. It holds {', '.join(names) or 'none'}."
    )


def _check_size(archive: Any, key: str) -> tuple[int, ...]:
    """Return the shape of an array in an archive, if what is packed is of its size.

    Before any of it is unpacked: a kilobyte may stand for gigabytes, and a header announce more.
    """
    name = key if key in archive.zip.namelist() else f"{key}.npy"
    size = archive.zip.getinfo(name).file_size
    with archive.zip.open(name) as member:
        major, _ = np.lib.format.read_magic(member)
        read = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}
        shape, _, dtype = read[major](member)
        if math.prod(shape) * dtype.itemsize != size - member.tell():
            raise ValueError(f"{name} is said to be {shape} of {dtype}, and has {size} bytes")
    return shape


def _check_header_length(path: Path) -> None:
    """Refuse a header that is said to be longer than its file."""
    with path.open("rb") as file:
        start = file.read(12)
    length = int.from_bytes(start[8 : 10 if start[6:7] == b"\1" else 12], "little")
    if length > path.stat().st_size:
        raise ValueError(f"its header is said to have {length} bytes")


def is_idx(path: Path) -> bool:
    """Tell whether a file, gzipped or not, begins as an IDX file of images does."""
    with unzipped(path) as file, readable(path, "a gzip file"):
        start = file.read(4)
    return len(start) == 4 and start[:2] == b"\0\0" and start[2] in _IDX_DTYPES and start[3] > 0


def open_idx(path: Path, form: ImageForm, wanted: Wanted) -> Images:
    """Open an IDX file, which is read piece by piece; labels are in the file beside it."""
    with unzipped(path) as file:
        dtype, shape = _idx_header(path, file)
    if len(shape) == 1:
        raise InputError(f"{path} holds no images, but {shape[0]} labels or single numbers.")
    _check_shape(path, shape, form)
    y = None
    if wanted.labelled:
        beside = Path(wanted.labels) if wanted.labels else _idx_labels(path)
        y = _check_labels(beside, _read_labels(beside), shape[0])
    return Images(shape[0], _idx_batches(path, dtype, shape, y, form))


def _idx_header(path: Path, file: BinaryIO) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Read what the format puts first: two zeros, type, number of dimensions, dimensions."""
    with readable(path, "an IDX file"):
        _, kind, n_dimensions = struct.unpack(">HBB", file.read(4))
        shape = struct.unpack(f">{n_dimensions}I", file.read(4 * n_dimensions))
        return np.dtype(_IDX_DTYPES[kind]), shape


def _idx_batches(
    path: Path,
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    labels: NDArray[Any] | None,
    form: ImageForm,
) -> Iterator[Batch]:
    size = dtype.itemsize * math.prod(shape[1:])
    with unzipped(path) as file:
        _idx_header(path, file)
        for start in range(0, shape[0], ROWS):
            n_rows = min(ROWS, shape[0] - start)
            with readable(path, "an IDX file"):
                content = file.read(n_rows * size)
            if len(content) < n_rows * size:
                raise InputError(
                    f"{path} is cut short: it holds {start + len(content) // size} whole images "
                    f"of the {shape[0]} that it announces. Get a fresh copy."
                )
            block = np.frombuffer(content, dtype).reshape(n_rows, *form.image_shape)
            given = None if labels is None else labels[start : start + n_rows]
            yield Batch(str(path), start, checked(path, start, block), given)
        with readable(path, "an IDX file"):  # a gzip file has its checksum at the end
            if file.read(1):
                raise InputError(
                    f"{path} is longer than the {shape[0]} images that it announces. "
                    "Get a fresh copy."
                )


def _idx_labels(path: Path) -> Path:
    """Return the file of labels that usually lies beside one of images."""
    name = path.name.replace("images", "labels").replace(".idx3", ".idx1").replace("-idx3", "-idx1")
    for beside in (path.with_name(name), path.with_name(f"{name}.gz")):
        if beside != path and beside.is_file():
            return beside
    raise InputError(f"{path} has no file {name} beside it. Name the file of labels with --labels.")


def _open_array(
    path: Path, images: NDArray[Any], labels: NDArray[Any] | None, form: ImageForm
) -> Images:
    """Open images that are there as an array, in memory or mapped."""
    if images.dtype.kind not in "buif":
        raise InputError(f"{path} holds {images.dtype}; images must be numbers, one a pixel.")
    if form.fits(images.shape) and images.ndim > 1 and not form.fits(images.shape[1:]):
        images = images[np.newaxis]  # a single image
    _check_shape(path, images.shape, form)
    if labels is not None:
        labels = _check_labels(path, labels, len(images))
    return Images(len(images), _array_batches(path, images, labels, form))


def _array_batches(
    path: Path, images: NDArray[Any], labels: NDArray[Any] | None, form: ImageForm
) -> Iterator[Batch]:
    for start in range(0, len(images), ROWS):
        rows = slice(start, start + ROWS)
        block = np.asarray(images[rows]).reshape(-1, *form.image_shape)
        given = None if labels is None else labels[rows]
        yield Batch(str(path), start, checked(path, start, block), given)


def _check_shape(path: Path, shape: tuple[int, ...], form: ImageForm) -> None:
    if not form.fits(shape[1:]):
        raise InputError(
            f"{path} holds an array of shape {shape}; the model reads images of {form}, in the "
            f"shape (n, {form.n_pixels}) or (n, {', '.join(map(str, form.image_shape))}). "
            "Resize or reshape them."
        )
    if shape[0] == 0:
        raise InputError(f"{path} holds no image.")


def _read_labels(path: Path) -> NDArray[Any]:
    """Read a file of labels: IDX, .npy, or CSV of one column."""
    with path.open("rb") as raw:
        start = raw.read(6)
    if start == b"\x93NUMPY":
        with readable(path, "an .npy file of labels"):
            _check_header_length(path)
            return cast(NDArray[Any], np.load(path, allow_pickle=False))
    with unzipped(path) as file:
        with readable(path, "a file of labels"):
            start = file.read(2)
            file.seek(0)
        if start == b"\0\0":
            dtype, shape = _idx_header(path, file)
            with readable(path, "an IDX file"):
                return np.frombuffer(file.read(), dtype).reshape(shape)
        with readable(path, "a CSV file of labels"):
            text = io.StringIO(file.read().decode("utf-8-sig"), newline="")
            lines = [row for row in csv.reader(text) if row]
    values = [row[0] for row in lines if len(row) == 1]
    if len(values) < len(lines):
        raise InputError(f"{path} must have one column, of labels. Leave out the others.")
    if values and values[0].strip().lower() in LABEL_COLUMNS:
        del values[0]
    return np.array(values, dtype=str)


def _check_labels(path: Path, labels: NDArray[Any], count: int) -> NDArray[Any]:
    column = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if column.shape != (count,):
        raise InputError(
            f"{path} must hold one label for each of {count} images; "
            f"its labels have the shape {labels.shape}."
        )
    return column
