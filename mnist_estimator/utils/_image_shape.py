"""The shape of images in the forms that X may have: rows, stacked images, lists."""

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from ._input_checks import refuse_masked, refuse_streams
from ._scaled_images import ScaledImages
from ._wording import shown

SMALLEST_IMAGE = 64
"""Flat rows of fewer values that form no square are taken as signals, one pixel high."""

LARGEST_IMAGE = 2**26
"""Values of a sample: 8192 × 8192, beyond which nothing here has the memory to go."""


def check_image_shape(image_shape: Any) -> tuple[int, int, int] | None:
    """Bring the ``image_shape`` parameter to (height, width, channels).

    Parameters
    ----------
    image_shape : None or sequence of two or three positive ints
        (height, width) means one channel.

    Returns
    -------
    tuple of int, (height, width, channels), or None

    Raises
    ------
    TypeError
        If it is neither None nor a sequence of whole numbers.
    ValueError
        If it has not two or three numbers, or one of them is below 1.
    """
    if image_shape is None:
        return None
    allowed = (
        "image_shape must be None, (height, width) or (height, width, channels), whole numbers "
        f"from 1 up; got {shown(image_shape)}. For square grey images None finds the shape by "
        "itself."
    )
    if not isinstance(image_shape, Sequence | np.ndarray) or isinstance(image_shape, str):
        raise TypeError(allowed)
    if not all(isinstance(side, int | np.integer) for side in image_shape):
        raise TypeError(allowed)
    if len(image_shape) not in (2, 3) or min(image_shape) < 1:
        raise ValueError(allowed)
    height, width, *channels = (int(side) for side in image_shape)
    return height, width, channels[0] if channels else 1


def infer_image_shape(
    sample_shape: tuple[int, ...], image_shape: tuple[int, int, int] | None
) -> tuple[int, int, int]:
    """Find the (height, width, channels) of images given in one of their forms.

    Parameters
    ----------
    sample_shape : tuple of int
        Shape of one sample: (pixels,), (height, width) or (height, width, channels).
    image_shape : tuple of int, (height, width, channels), or None
        What the user said. None: what the samples say; flat rows are square
        grey images, or signals one pixel high if they are shorter than
        8 × 8 values and form no square.

    Returns
    -------
    tuple of int, (height, width, channels)

    Raises
    ------
    ValueError
        If the samples and ``image_shape`` disagree, or flat rows of 64 values
        or more form no square and no ``image_shape`` is given.
    """
    if math.prod(sample_shape) > LARGEST_IMAGE:
        raise ValueError(
            f"X must hold images of at most {LARGEST_IMAGE:,} values; got images of shape "
            f"{tuple(sample_shape)}. Resize them, or check which axis is that of the samples."
        )
    if len(sample_shape) == 1:
        (n_pixels,) = sample_shape
        if image_shape is not None:
            if n_pixels != math.prod(image_shape):
                raise ValueError(
                    f"image_shape={image_shape} means {math.prod(image_shape)} pixels a row, but X "
                    f"has {n_pixels}. Give the shape of the images that the rows of X hold."
                )
            return image_shape
        side = math.isqrt(n_pixels)
        if side * side == n_pixels:
            return side, side, 1
        if n_pixels < SMALLEST_IMAGE:
            return 1, n_pixels, 1
        raise ValueError(
            f"X has {n_pixels} pixels a row, which form no square image "
            f"({side}×{side} has {side * side}, {side + 1}×{side + 1} has {(side + 1) ** 2}). "
            "Pass image_shape=(height, width) or (height, width, channels), "
            "or X in the shape (n_samples, height, width)."
        )
    height, width, *channels = sample_shape
    shape = (height, width, channels[0] if channels else 1)
    if image_shape is not None and shape != image_shape:
        raise ValueError(
            f"X has images of shape {shape}, but image_shape={image_shape}. "
            "Leave image_shape at None to take the shape from X."
        )
    return shape


def flatten_images(X: Any, owner: str) -> tuple[Any, tuple[int, ...] | None]:
    """Return the images as rows, and the shape of one if they did not come as rows."""
    if isinstance(X, ScaledImages):
        return X.stand_in(), X.shape[1:]
    refuse_masked(X, "X")
    refuse_streams(X, "X", "images")
    if hasattr(X, "__array__") and not isinstance(X, np.ndarray) and not hasattr(X, "columns"):
        X = np.asarray(X)  # tensors, series, pictures
    if holds_images(X):
        X = _stack_images(list(np.asarray(X).ravel()))
    elif isinstance(X, Sequence) and not isinstance(X, str) and not hasattr(X, "ndim"):
        X = _stack_images(list(X))
    if getattr(getattr(X, "dtype", None), "kind", None) in ("m", "M", "V"):
        raise ValueError(
            f"X must hold numbers, one a pixel; {owner} got dtype {X.dtype}. Check which "
            "columns were selected."
        )
    ndim = getattr(X, "ndim", 2)
    if ndim > 4:
        raise ValueError(
            f"X must have shape (n_samples, pixels), (n_samples, height, width) or "
            f"(n_samples, height, width, channels); {owner} got {ndim} dimensions, "
            f"shape {tuple(X.shape)}. Reshape X to one of the three."
        )
    if ndim < 3:
        return X, None
    X = np.asanyarray(X)
    sample_shape = tuple(X.shape[1:])
    if math.prod(sample_shape) == 0:
        raise ValueError(
            f"X has images of shape {sample_shape}, which hold no pixel; {owner} needs at "
            "least one pixel in each direction. Check how the images were cut out or loaded."
        )
    return X.reshape(len(X), math.prod(sample_shape)), sample_shape


def holds_images(X: Any) -> bool:
    """Tell whether X is a column whose objects are images."""
    shape: tuple[int, ...] = getattr(X, "shape", ())
    if isinstance(X, np.ndarray) and X.dtype.kind != "O":
        return False
    if len(shape) not in (1, 2) or shape[0] == 0 or shape[1:] not in ((), (1,)):
        return False
    column = np.asarray(X).ravel()
    return column.dtype.kind == "O" and not np.isscalar(column[0]) and np.ndim(column[0]) > 0


def _stack_images(X: list[Any]) -> Any:
    """Make one array of a list of images: of arrays, lists, pictures or data frames."""
    if len(X) == 0 or np.isscalar(X[0]):
        return X
    for image in X:
        refuse_masked(image, "X")
    images = [image if isinstance(image, list | tuple) else np.asarray(image) for image in X]
    try:
        return np.asarray(images)
    except ValueError:
        shapes = sorted({str(nested_shape(image)) for image in images})
        came = f"shapes {shapes[0]} and {shapes[1]}" if len(shapes) > 1 else "unequal rows in one"
        raise ValueError(
            f"X must hold images of one size; got {came}. "
            "Resize or pad them to the same height and width."
        ) from None


def is_image_of(sample_shape: tuple[int, ...], image_shape: tuple[int, int, int]) -> bool:
    """Tell whether a sample's shape is a form of the image: flat, or with or without channels."""
    height, width, channels = image_shape
    plane = (height, width) if channels == 1 else image_shape
    return sample_shape in (image_shape, plane, (math.prod(image_shape),))


def check_same_shape(
    sample_shape: tuple[int, ...], image_shape: tuple[int, int, int], owner: str, remedy: str
) -> None:
    """Refuse stacked images of another shape than those of ``fit``.

    Parameters
    ----------
    sample_shape : tuple of int
        Of one of the images.
    image_shape : tuple of int, (height, width, channels)
        Of those of ``fit``.
    owner : str
        Class name of the estimator, for the error.
    remedy : str
        Last sentence of the error.

    Raises
    ------
    ValueError
        If it is another shape.
    """
    came = infer_image_shape(sample_shape, None)
    if came != image_shape:
        raise ValueError(
            f"X has images of shape {came}, but {owner} was fitted on images of shape "
            f"{image_shape} (height, width, channels). {remedy}"
        )


def nested_shape(image: Any) -> tuple[int, ...]:
    """Return the shape of nested lists or an array, along the first elements."""
    if isinstance(image, list | tuple):
        return (len(image), *(nested_shape(image[0]) if len(image) else ()))
    return np.shape(image)


def refuse_single_image(X: Any, image_shape: tuple[int, int, int]) -> None:
    """Refuse a single image without the axis of samples."""
    shape, n_pixels = tuple(getattr(X, "shape", ())), math.prod(image_shape)
    alone = shape == image_shape or (shape == image_shape[:2] and image_shape[2] == 1)
    if alone and shape[1:] not in (image_shape, image_shape[:2], (n_pixels,)):
        raise ValueError(
            f"X has shape {shape}, that of a single image. Pass X[None] to have one image."
        )


def warn_of_channels_first(shape: tuple[int, ...]) -> None:
    """Warn of images that look as if their channels came first."""
    if len(shape) == 3 and shape[0] in (1, 3, 4) and shape[2] not in (1, 3, 4):
        channels, height, width = shape
        if height == width:
            warnings.warn(
                f"X has images of shape {shape}, taken as height {channels}, width {height} and "
                f"{width} channels. If the channels come first, pass np.moveaxis(X, 1, -1).",
                UserWarning,
                stacklevel=4,
            )
