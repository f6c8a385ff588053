"""What the readers of all files share: the expected images, batches of them, and errors."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...utils._image_shape import is_image_of
from ._bytes import Source

BATCH_SIZE = 1000
"""Images in a batch."""


class ImageSpec(NamedTuple):
    """The images that a fitted model takes."""

    image_shape: tuple[int, int, int]
    """(height, width, channels)."""
    value_range: tuple[float, float] | None = None
    """Values of black and white, for pictures; None if unknown."""
    feature_names: list[str] | None = None
    """Names of the columns, where the model was fitted on a data frame."""
    classes: list[Any] | None = None
    """The labels that the model knows."""

    @property
    def n_pixels(self) -> int:
        """Values a sample."""
        return math.prod(self.image_shape)

    def __str__(self) -> str:
        height, width, channels = self.image_shape
        return f"{height}×{width} pixels" + (f" of {channels} channels" if channels > 1 else "")

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Tell whether ``shape`` is that of one sample: flat, or with or without channels."""
        return is_image_of(shape, self.image_shape)


class Batch(NamedTuple):
    """Some images of one source."""

    source: str
    """The file, as it was named."""
    start: int
    """Position of the first image in the source, from 0."""
    images: NDArray[Any]
    """Of shape (n, height, width, channels), with the dtype of the file."""
    labels: NDArray[Any] | None = None
    """Of shape (n,), where they were asked for."""
    picture: bool = False
    """Whether this is from a picture file."""


class ImageSource(NamedTuple):
    """A source that has been opened."""

    n_images: int | None
    """Number of images, None if unknown before reading; for pictures one per file."""
    batches: Iterator[Batch]
    """Can be iterated over once."""


class InputSpec(NamedTuple):
    """Which arrays and columns to read from a file."""

    key: str | None = None
    """The array of images in an .npz archive. None: the usual one, or the only one."""
    labelled: bool = False
    """Whether labels are read, too."""
    labels: str | None = None
    """The column, array or file of the labels. None: the usual place."""
    label_column: str | None = None
    """The column of labels in a table: "first", "last" or a name. None: inferred."""
    invert: bool = False
    """Whether pictures are dark on light, which decides the colour under transparent pixels."""
    resize: bool = False
    """Whether pictures of another size are brought to that of the model."""
    skipped: list[str] | None = None
    """Collects the errors of pictures that are left out. None: they are raised."""


class InputError(ValueError):
    """A file of images is invalid; the message names the file and the remedy."""


@contextmanager
def readable(source: Source, kind: str) -> Iterator[None]:
    """Name the file in errors that libraries raise while it is read.

    Parameters
    ----------
    source : Source
        The file.
    kind : str
        The format that is assumed.

    Raises
    ------
    InputError
        In place of any exception but MemoryError.
    """
    try:
        yield
    except (InputError, MemoryError):
        raise
    except Exception as error:  # Pillow, NumPy, pandas, zipfile and zlib raise of all kinds
        raise InputError(
            f"{source} cannot be read as {kind} ({type(error).__name__}: {error}): it is damaged, "
            "cut short or something else."
        ) from error


def checked(source: Source, start: int, images: NDArray[Any]) -> NDArray[Any]:
    """Return images in the machine's byte order, if all values are finite.

    Raises
    ------
    InputError
        If one is not; ``start`` is the position of the first image in the file.
    """
    if images.dtype.kind == "f" and not np.isfinite(images).all():
        bad = np.flatnonzero(~np.isfinite(images).reshape(len(images), -1).all(axis=1))[0]
        raise InputError(
            f"{source} holds NaN or infinity in image {start + bad} (counted from 0). "
            "Replace these values or leave the image out."
        )
    return images.astype(images.dtype.newbyteorder("="), copy=False)
