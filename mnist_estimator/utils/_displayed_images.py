"""Samples as images to be shown: their shape, and their values as grey levels."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ._image_shape import check_image_shape, infer_image_shape


def as_images(X: Any, image_shape: Sequence[int] | None = None) -> NDArray[Any]:
    """Return the rows of `X` as images.

    Parameters
    ----------
    X : array-like, sparse matrix or DataFrame
        Of shape (n_samples, n_pixels), (n_samples, height, width) or
        (n_samples, height, width, channels); numbers of any dtype and range.
    image_shape : sequence of int, default=None
        (height, width) or (height, width, channels). None takes flat rows as
        square grey images.

    Returns
    -------
    ndarray of shape (n_samples, height, width) or (n_samples, height, width, 3 or 4)
        Values and dtype as given; a single channel is dropped.

    Raises
    ------
    TypeError
        If the pixels are not numbers.
    ValueError
        If the pixels cannot be laid out as images.
    """
    array: NDArray[Any] = X.toarray() if hasattr(X, "toarray") else np.asarray(X)
    if array.dtype.kind == "O":
        array = pd.DataFrame(array).infer_objects().to_numpy() if array.ndim == 2 else array
    if array.dtype.kind not in "buif":
        raise TypeError(
            f"X must hold numbers, one a pixel; got dtype {array.dtype}. "
            "Convert it, e.g. with X.astype(float)."
        )
    if array.ndim not in (2, 3, 4):
        raise ValueError(
            "X must have the shape (n_samples, n_pixels), (n_samples, height, width) or "
            f"(n_samples, height, width, channels); got {array.shape}."
        )
    shape = infer_image_shape(array.shape[1:], check_image_shape(image_shape))
    images = array.reshape(len(array), *shape)
    if shape[2] == 1:
        return images[..., 0]
    if shape[2] not in (3, 4):
        raise ValueError(
            "X must hold grey (1 channel), RGB (3) or RGBA (4) images, channels last; got images "
            f"of shape {shape}. Move the channels last or pass image_shape."
        )
    return images


def scale_to_unit(images: NDArray[Any]) -> NDArray[Any]:
    """Scale pixels of any range to float64 in [0, 1], for display.

    Bytes are taken as 0 to 255 and booleans as 0 and 1; anything else by the
    smallest and largest finite value in `images`. Values that are not finite
    become 0.
    """
    low, high = value_range(images)
    scaled = (np.nan_to_num(images.astype(float), nan=low, posinf=high, neginf=low) - low) / (
        high - low
    )
    shown: NDArray[Any] = np.clip(scaled, 0.0, 1.0)
    return shown


def value_range(images: NDArray[Any]) -> tuple[float, float]:
    """Return the values displayed as black and white: see `scale_to_unit`."""
    if images.dtype == np.uint8:
        return 0.0, 255.0
    finite = images[np.isfinite(images)]
    if images.dtype == bool or finite.size == 0:
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    return (low, high) if low < high else (low, low + 1.0)
