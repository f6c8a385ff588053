"""Images and labels in arrays: .npy, .npz and IDX files."""

import csv
import io
import math
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from ...utils._idx import read_idx_header
from ...utils._npy import read_npy_header
from ._base import (
    BATCH_SIZE,
    Batch,
    ImageSource,
    ImageSpec,
    InputError,
    InputSpec,
    checked,
    readable,
)
from ._bytes import Source
from ._label_columns import FIRST, LAST, is_label_name, told_label_column

ARRAYS = (
    ("x_test", "y_test"), ("X_test", "y_test"), ("test_images", "test_labels"),
    ("X", "y"), ("x", "y"), ("images", "labels"), ("data", "target"),
    ("x_train", "y_train"), ("X_train", "y_train"), ("train_images", "train_labels"),
)  # fmt: skip
"""Usual names in an .npz archive, of images and of their labels."""


def open_npy(source: Source, image_spec: ImageSpec, input_spec: InputSpec) -> ImageSource:
    """Open an .npy file, memory-mapped if it is a file and not gzipped."""
    file = source.file_to_map()
    with readable(source, "an .npy file of numbers"):
        if file is not None:
            with file.open("rb") as opened:
                _check_header_length(opened.read(12), file.stat().st_size)
            images = np.load(file, mmap_mode="r", allow_pickle=False)
        else:
            with source.open() as content:
                images = _load_npy(content.read())
    images, y = _split_labels(source, images, image_spec, input_spec)
    if input_spec.labelled and input_spec.labels is not None:
        y = _read_labels(Source(input_spec.labels))
    elif input_spec.labelled and y is None:
        raise InputError(f"{source} has no labels. Name a file of them with --labels.")
    return _open_array(source, images, y, image_spec)


def open_npz(source: Source, image_spec: ImageSpec, input_spec: InputSpec) -> ImageSource:
    """Open an .npz archive, whose arrays are loaded whole."""
    with (
        source.open() as file,
        readable(source, "an .npz archive of numbers"),
        np.load(file, allow_pickle=False) as archive,
    ):
        names = archive.files
        key = _name_of(source, names, input_spec.key, _usual(names), "--key")
        shape = check_size(archive, key)
        if not image_spec.fits(shape) and shape[1:] != (
            image_spec.n_pixels + 1,
        ):  # else one image, or labels
            _check_shape(source, shape, image_spec)
        images, y = _split_labels(source, archive[key], image_spec, input_spec)
        if input_spec.labelled and (input_spec.labels is not None or y is None):
            beside = [y for X, y in ARRAYS if key == X and y in names]
            y_key = _name_of(source, names, input_spec.labels, beside, "--labels")
            check_size(archive, y_key)
            y = archive[y_key]
        return _open_array(source, images, y, image_spec)


def _load_npy(content: bytes) -> NDArray[Any]:
    """Load an .npy file that is in memory."""
    _check_header_length(content[:12], len(content))
    return cast(NDArray[Any], np.load(io.BytesIO(content), allow_pickle=False))


def check_size(archive: Any, key: str) -> tuple[int, ...]:
    """Return the shape of an array in an archive, if what is packed is of its size.

    Before any of it is unpacked: a kilobyte may stand for gigabytes, and a header announce more.
    """
    name = key if key in archive.zip.namelist() else f"{key}.npy"
    size = archive.zip.getinfo(name).file_size
    with archive.zip.open(name) as member:
        shape, dtype = read_npy_header(member)
        if dtype.hasobject:
            raise ValueError("Object arrays cannot be loaded when allow_pickle=False")
        if math.prod(shape) * dtype.itemsize != size - member.tell():
            raise ValueError(f"{name} is said to be {shape} of {dtype}, and has {size} bytes")
    return shape


def _check_header_length(start: bytes, size: int) -> None:
    """Refuse an .npy file, of which these are the first bytes, if its header is longer than it."""
    length = int.from_bytes(start[8 : 10 if start[6:7] == b"\1" else 12], "little")
    if length > size:
        raise ValueError(f"its header is said to have {length} bytes")


def _usual(names: list[str]) -> list[str]:
    """Return the arrays that may be meant: those of a test set rather than of a training set."""
    usual = [X for X, _ in ARRAYS if X in names] or (names if len(names) == 1 else [])
    return [name for name in usual if "train" not in name] or usual


def _name_of(
    source: Source, names: list[str], wanted: str | None, usual: list[str], option: str
) -> str:
    """Return the requested name of an array, or else the usual one."""
    if wanted in names:
        return str(wanted)
    if wanted is None and len(usual) == 1:
        return usual[0]
    came = f"has no array {wanted!r}" if wanted else "does not tell which array to take"
    raise InputError(
        f"{source} {came}; name one with {option}. It holds {', '.join(names) or 'none'}."
    )


def _split_labels(
    source: Source, array: NDArray[Any], image_spec: ImageSpec, input_spec: InputSpec
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Part images from labels in an array of rows that has one column more than pixels."""
    if array.ndim != 2 or array.shape[1] != image_spec.n_pixels + 1:
        return array, None
    side = input_spec.label_column or told_label_column(
        source, array[:, 0], array[:, -1], image_spec.classes
    )
    if side not in (FIRST, LAST):
        raise InputError(
            f"{source} has no names of columns, and so no {side!r}. Pass --label-column {FIRST} "
            f"or --label-column {LAST}."
        )
    if side == FIRST:
        return array[:, 1:], np.asarray(array[:, 0])
    return array[:, :-1], np.asarray(array[:, -1])


def open_idx(source: Source, image_spec: ImageSpec, input_spec: InputSpec) -> ImageSource:
    """Open an IDX file, read in batches; its labels are in the file beside it."""
    with source.open() as file:
        dtype, shape = _idx_header(source, file)
    if len(shape) == 1:
        raise InputError(f"{source} holds no images, but {shape[0]} labels or single numbers.")
    _check_shape(source, shape, image_spec)
    y = None
    if input_spec.labelled:
        beside = Source(input_spec.labels) if input_spec.labels else _idx_labels(source)
        y = _check_labels(beside, _read_labels(beside), shape[0])
    return ImageSource(shape[0], _idx_batches(source, dtype, shape, y, image_spec))


def _idx_header(source: Source, file: BinaryIO) -> tuple[np.dtype[Any], tuple[int, ...]]:
    with readable(source, "an IDX file"):
        return read_idx_header(file)


def _idx_batches(
    source: Source,
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    labels: NDArray[Any] | None,
    image_spec: ImageSpec,
) -> Iterator[Batch]:
    size = dtype.itemsize * math.prod(shape[1:])
    with source.open() as file:
        _idx_header(source, file)
        for start in range(0, shape[0], BATCH_SIZE):
            n_rows = min(BATCH_SIZE, shape[0] - start)
            with readable(source, "an IDX file"):
                content = file.read(n_rows * size)
            if len(content) < n_rows * size:
                raise InputError(
                    f"{source} is cut short: it holds {start + len(content) // size} whole images "
                    f"of the {shape[0]} that it announces. Get a fresh copy."
                )
            block = np.frombuffer(content, dtype).reshape(n_rows, *image_spec.image_shape)
            given = None if labels is None else labels[start : start + n_rows]
            yield Batch(source.name, start, checked(source, start, block), given)
        with readable(source, "an IDX file"):  # a gzip file has its checksum at the end
            if file.read(1):
                raise InputError(
                    f"{source} is longer than the {shape[0]} images that it announces. "
                    "Get a fresh copy."
                )


def _idx_labels(source: Source) -> Source:
    """Return the file of labels that usually lies beside one of images."""
    path = source.path
    name = path.name.replace("images", "labels").replace(".idx3", ".idx1").replace("-idx3", "-idx1")
    for beside in (path.with_name(name), path.with_name(f"{name}.gz")):
        if beside != path and beside.is_file():
            return Source(beside)
    raise InputError(
        f"{source} has no file {name} beside it. Name the file of labels with --labels."
    )


def _open_array(
    source: Source, images: NDArray[Any], labels: NDArray[Any] | None, image_spec: ImageSpec
) -> ImageSource:
    """Open images that are there as an array, in memory or mapped."""
    if images.dtype.kind not in "buif":
        raise InputError(f"{source} holds {images.dtype}; images must be numbers, one a pixel.")
    if image_spec.fits(images.shape) and images.ndim > 1 and not image_spec.fits(images.shape[1:]):
        images = images[np.newaxis]  # a single image
    _check_shape(source, images.shape, image_spec)
    if labels is not None:
        labels = _check_labels(source, labels, len(images))
    return ImageSource(len(images), _array_batches(source, images, labels, image_spec))


def _array_batches(
    source: Source, images: NDArray[Any], labels: NDArray[Any] | None, image_spec: ImageSpec
) -> Iterator[Batch]:
    for start in range(0, len(images), BATCH_SIZE):
        rows = slice(start, start + BATCH_SIZE)
        block = np.asarray(images[rows]).reshape(-1, *image_spec.image_shape)
        given = None if labels is None else labels[rows]
        yield Batch(source.name, start, checked(source, start, block), given)


def _check_shape(source: Source, shape: tuple[int, ...], image_spec: ImageSpec) -> None:
    if not image_spec.fits(shape[1:]):
        raise InputError(
            f"{source} holds an array of shape {shape}; the model takes images of {image_spec}, in "
            f"the shape (n, {image_spec.n_pixels}) or "
            f"(n, {', '.join(map(str, image_spec.image_shape))}). "
            "Resize or reshape them."
        )
    if shape[0] == 0:
        raise InputError(f"{source} holds no image.")


def _read_labels(source: Source) -> NDArray[Any]:
    """Read a file of labels: IDX, .npy, or CSV of one column."""
    with source.open() as file:
        with readable(source, "a file of labels"):
            start = file.read(6)
            file.seek(0)
        if start == b"\x93NUMPY":
            with readable(source, "an .npy file of labels"):
                return _load_npy(file.read())
        if start[:2] == b"\0\0":
            dtype, shape = _idx_header(source, file)
            with readable(source, "an IDX file"):
                return np.frombuffer(file.read(), dtype).reshape(shape)
        with readable(source, "a CSV file of labels"):
            text = io.StringIO(file.read().decode("utf-8-sig"), newline="")
            lines = [row for row in csv.reader(text) if row]
    if lines and len(lines[0]) == 2 and lines[0][0] == "":  # the index, as pandas writes it
        lines = [row[1:] for row in lines]
    values = [row[0] for row in lines if len(row) == 1]
    if len(values) < len(lines):
        raise InputError(f"{source} must have one column, of labels. Leave out the others.")
    if values and is_label_name(values[0]):
        del values[0]
    return np.array(values, dtype=str)


def _check_labels(source: Source, labels: NDArray[Any], count: int) -> NDArray[Any]:
    column = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if column.shape != (count,):
        raise InputError(
            f"{source} must hold one label for each of {count} images; "
            f"its labels have the shape {labels.shape}."
        )
    return column
