"""Images with labels to train on, whose shape is not known yet."""

import csv
import io
import math
import warnings
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...utils._idx import is_idx, read_idx_header
from ...utils._npy import read_npy_header
from ...utils._picture_files import GREY_MODES
from ._arrays import ARRAYS, check_size
from ._base import ImageSpec, InputError, InputSpec, readable
from ._bytes import Source
from ._label_columns import is_label_name
from ._open import PARQUET, open_images

SPLITS = {"train": "train", "test": "test", "val": "validation", "valid": "validation",
          "validation": "validation"}  # fmt: skip
"""Names of folders that hold a part of the data, and what it is for."""

WHITE = 255
"""Value of white in pictures."""


class LabelledImages(NamedTuple):
    """Images and their labels."""

    images: NDArray[Any]
    """Of shape (n, height, width, channels)."""
    labels: NDArray[Any]
    """Of shape (n,)."""
    are_pictures: bool
    """Whether 0 is black and 255 white."""


class TrainingParts(NamedTuple):
    """What a file or folder has for training, and what else it holds."""

    train: LabelledImages
    validation: LabelledImages | None
    test: LabelledImages | None


def read_parts(
    path: str, image_shape: tuple[int, ...] | None, input_spec: InputSpec
) -> TrainingParts:
    """Read images and labels, with the validation and test data that a file or folder has.

    Parameters
    ----------
    path : str
        An .npz archive, which may have ``x_test`` and ``y_test`` beside; a folder with a folder of
        pictures for each class, or with such folders ``train``, ``test`` and ``validation``; a
        folder of IDX files named as MNIST's; or what :func:`read_labelled` takes.
    image_shape : tuple of int or None
        (height, width) or (height, width, channels). None: inferred.
    input_spec : InputSpec
        Where the labels are.

    Raises
    ------
    InputError, OSError
        If there are no images with labels.
    """
    folder = Path(path)
    if path != "-" and folder.is_dir():
        idx = {part: _idx_images(folder, prefix)
               for part, prefix in (("train", "train"), ("test", "t10k"))}  # fmt: skip
        if idx["train"] is not None:
            names = {part: str(file) for part, file in idx.items() if file is not None}
        else:
            inside = {child.name.lower(): child for child in folder.iterdir() if child.is_dir()}
            is_split = "train" in inside and set(inside) <= set(SPLITS)
            names = (
                {SPLITS[name]: str(child) for name, child in inside.items()}
                if is_split
                else {"train": path}
            )
        train = read_labelled(names["train"], image_shape, input_spec)
        shape = train.images.shape[1:]
        rest = {
            part: read_labelled(name, shape, input_spec)
            for part, name in names.items()
            if part != "train"
        }
        return TrainingParts(train, rest.get("validation"), rest.get("test"))
    if _kind(path) == "npz" and input_spec.key is None and input_spec.labels is None:
        keys = _keys(path)
        known = [pair for pair in ARRAYS if set(pair) <= keys]
        train_pair = next((pair for pair in known if "train" in pair[0]), None)
        test_pair = next((pair for pair in known if "test" in pair[0]), None)
        if train_pair is not None:
            train = _read_pair(path, train_pair, image_shape, input_spec)
            shape = train.images.shape[1:]
            test = _read_pair(path, test_pair, shape, input_spec) if test_pair else None
            return TrainingParts(train, None, test)
    return TrainingParts(read_labelled(path, image_shape, input_spec), None, None)


def read_labelled(
    path: str, image_shape: tuple[int, ...] | None, input_spec: InputSpec
) -> LabelledImages:
    """Read images and labels from a file, or from a folder with a folder for each class.

    Parameters
    ----------
    path : str
        A folder of pictures; an IDX, .npy, .npz, CSV or Parquet file.
    image_shape : tuple of int or None
        As for :func:`read_parts`.
    input_spec : InputSpec
        Where the labels are.

    Raises
    ------
    InputError, OSError
        If the shape of the images cannot be inferred, or the file has no labels.
    """
    if path != "-" and Path(path).is_dir():
        from ...datasets._image_folder import load_image_folder

        on_bad_file: Literal["raise", "skip"] = "raise" if input_spec.skipped is None else "skip"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # files left out are listed at the end
                data = load_image_folder(
                    path, image_shape=image_shape, on_bad_file=on_bad_file, return_X_y=False
                )
        except ValueError as error:
            raise InputError(str(error).replace('on_bad_file="skip"', "--skip-bad")) from None
        if input_spec.skipped is not None:
            input_spec.skipped.extend(data.skipped)
        return LabelledImages(data.images, data.target, True)
    shape = _with_channels(image_shape) or _infer_shape(path, input_spec)
    spec = ImageSpec(shape, (0, WHITE))
    batches = list(open_images(path, spec, input_spec._replace(labelled=True)).batches)
    images = np.concatenate([batch.images for batch in batches])
    labels = np.concatenate([np.asarray(batch.labels) for batch in batches])
    return LabelledImages(images, _as_labels(labels), all(batch.picture for batch in batches))


def _as_labels(labels: NDArray[Any]) -> NDArray[Any]:
    """Return labels as whole numbers where all are, as from a CSV file."""
    if labels.dtype.kind == "O":
        labels = np.array([str(label) for label in labels])
    if labels.dtype.kind in "US":
        try:
            numbers = labels.astype(np.int64)
        except ValueError:
            return labels
        return numbers if (numbers.astype(str) == labels).all() else labels
    if labels.dtype.kind == "f" and (labels == np.floor(labels)).all():
        return labels.astype(np.int64)
    return labels.astype(labels.dtype.newbyteorder("="))


def _with_channels(shape: tuple[int, ...] | None) -> tuple[int, int, int] | None:
    if shape is None:
        return None
    return (shape[0], shape[1], shape[2] if len(shape) == 3 else 1)


def _idx_images(folder: Path, prefix: str) -> Path | None:
    """Return the IDX file of images in a folder whose name begins as MNIST's."""
    for pattern in (f"{prefix}-images*idx3-ubyte", f"{prefix}-images*idx3-ubyte.gz"):
        found = sorted(folder.glob(pattern))
        if found:
            return found[0]
    return None


def _kind(path: str) -> str:
    """Return the kind of a file, by its first bytes."""
    with Source(path).open() as content, readable(Source(path), "a gzip file"):
        start = content.read(16)
    if start.startswith(b"\x93NUMPY"):
        return "npy"
    if start.startswith(b"PK"):
        return "npz"
    if start.startswith(PARQUET):
        return "parquet"
    return "idx" if is_idx(start) else "csv"


def _keys(path: str) -> set[str]:
    """Return the names of the arrays in an .npz archive."""
    source = Source(path)
    with (
        source.open() as file,
        readable(source, "an .npz archive"),
        np.load(file, allow_pickle=False) as archive,
    ):
        return set(archive.files)


def _read_pair(
    path: str, pair: tuple[str, str], shape: tuple[int, ...] | None, input_spec: InputSpec
) -> LabelledImages:
    """Read two arrays of an .npz archive."""
    key, labels = pair
    return read_labelled(path, shape, input_spec._replace(key=key, labels=labels))


def _infer_shape(path: str, input_spec: InputSpec) -> tuple[int, int, int]:
    """Return the shape of the images in a file of arrays or a table."""
    source = Source(path)
    kind = _kind(path)
    if kind == "idx":
        with source.open() as file, readable(source, "an IDX file"):
            return _of_array(source, read_idx_header(file)[1], 0)
    n_labels = 0 if input_spec.labels is not None else 1
    if kind == "npy":
        with source.open() as file, readable(source, "an .npy file"):
            return _of_array(source, read_npy_header(file)[0], n_labels)
    if kind == "npz":
        return _of_npz(source, input_spec, n_labels)
    if kind == "parquet":
        return _of_parquet(source)
    return _of_csv(source)


def _of_npz(source: Source, input_spec: InputSpec, n_labels: int) -> tuple[int, int, int]:
    """Return the shape of the images in an .npz archive."""
    with (
        source.open() as file,
        readable(source, "an .npz archive of numbers"),
        np.load(file, allow_pickle=False) as archive,
    ):
        keys = [input_spec.key] if input_spec.key else [X for X, _ in ARRAYS]
        key = next((name for name in keys if name in archive.files), None)
        if key is None:
            raise InputError(
                f"{source} does not tell which array holds the images; name one with --key. It "
                f"holds {', '.join(archive.files) or 'none'}."
            )
        has_labels = any(key == X and y in archive.files for X, y in ARRAYS)
        return _of_array(source, check_size(archive, key), 0 if has_labels else n_labels)


def _of_array(source: Source, shape: tuple[int, ...], n_labels: int) -> tuple[int, int, int]:
    """Return the shape of one image in an array: flat rows are square grey images."""
    if len(shape) == 3:
        return (shape[1], shape[2], 1)
    if len(shape) == 4:
        return (shape[1], shape[2], shape[3])
    if len(shape) == 2:
        return _square(source, [shape[1] - n_labels])
    raise InputError(
        f"{source} holds an array of shape {shape}; images have the shape (n, height, width) or "
        "(n, height, width, channels), or are rows of pixels."
    )


def _square(source: Source, counts: list[int]) -> tuple[int, int, int]:
    """Return the shape of square grey images of so many pixels; the first count that fits."""
    for count in counts:
        side = math.isqrt(max(count, 0))
        if side and side * side == count:
            return (side, side, 1)
    raise InputError(
        f"{source} has rows of {counts[0]} pixels, beside the label, which are no square grey "
        "images. Give their shape with --image-shape, such as --image-shape 32,32,3."
    )


def _of_csv(source: Source) -> tuple[int, int, int]:
    """Return the shape of the images in a CSV file, by its first line."""
    with source.open() as file, readable(source, "a CSV file"):
        line = file.readline(2**24).decode("utf-8-sig")
        while line.isspace():
            line = file.readline(2**24).decode("utf-8-sig")
    fields: list[str] = []
    for separator in (",", ";", "\t"):
        found = next(csv.reader(io.StringIO(line), delimiter=separator), [])
        fields = max(fields, found, key=len)
    if len(fields) < 3:
        fields = max(fields, line.split(), key=len)
    return _of_columns(source, fields)


def _of_columns(source: Source, names: list[str]) -> tuple[int, int, int]:
    """Return the shape of the images in a table of columns: pixels, a label, perhaps an index."""
    labels = sum(is_label_name(name) for name in names) or 1
    indices = sum(name == "" or name.startswith(("Unnamed:", "__index_level_")) for name in names)
    count = len(names) - labels - indices
    return _square(source, [count, count - 1])


def _of_parquet(source: Source) -> tuple[int, int, int]:
    """Return the shape of the images in a Parquet file: of its columns, or its first picture."""
    from ._parquet import parquet_file, picture_column

    file = parquet_file(source)
    with readable(source, "a Parquet file"):
        column = picture_column(file.schema_arrow)
        if column is None:
            return _of_columns(source, file.schema_arrow.names)
        rows = next(file.iter_batches(batch_size=1, columns=[column]))
        value = rows.column(0).to_pylist()[0]
        content = value.get("bytes") if isinstance(value, dict) else value
        from PIL import Image

        with Image.open(io.BytesIO(content or b"")) as picture:
            is_grey = picture.mode in GREY_MODES
            return (picture.height, picture.width, 1 if is_grey else 3)
