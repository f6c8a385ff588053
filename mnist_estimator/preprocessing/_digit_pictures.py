"""Pictures of one digit each: lists of different sizes, PIL images, colours and alpha."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..utils._image_shape import holds_images, nested_shape
from ..utils._input_checks import refuse_masked

LUMINANCE = np.array([0.299, 0.587, 0.114])
"""Weights of red, green and blue in the luminance (ITU-R BT.601)."""

CHANNELS = (1, 2, 3, 4)
"""Grey, grey and alpha, RGB, RGB and alpha."""
FULL_SCALES = (1.0, 255.0, 65535.0)
"""Possible values of white and of opaque."""
CONTRAST = 0.25
"""Minimum contrast of opaque pixels that hold both ink and paper, as a share of the scale."""


def separate_images(X: Any) -> list[NDArray[Any]] | None:
    """Return X as a list of images, if it is one.

    Parameters
    ----------
    X : object
        A list, tuple, Series or array of objects that holds arrays, nested lists or PIL
        images; or anything else.

    Returns
    -------
    list of ndarray of shape (height, width) or (height, width, channels), or None
        None if X is something else, such as one array for all, or rows.
    """
    if holds_images(X):
        X = list(np.asarray(X).ravel())
    if not isinstance(X, Sequence) or isinstance(X, str | bytes) or len(X) == 0:
        return None
    first = X[0]
    if np.isscalar(first) or len(nested_shape(first)) < 2:
        return None
    return [_as_array(image, position) for position, image in enumerate(X)]


def _as_array(image: Any, position: int) -> NDArray[Any]:
    """Return one image as an array: a palette, CMYK and the like as RGB, with alpha if it has."""
    refuse_masked(image, f"X[{position}]")
    if hasattr(image, "getbands"):  # a PIL image
        if image.mode.startswith(("I", "F")) or (image.mode in ("1", "L") and not _is_clear(image)):
            return np.asarray(image)
        return np.asarray(image.convert("RGBA" if _is_clear(image) else "RGB"))
    try:
        array = np.asarray(image)
    except ValueError:
        array = np.empty(0, dtype=object)
    if array.ndim not in (2, 3) or array.dtype == object:
        raise ValueError(
            "X must hold images of shape (height, width) or (height, width, channels); got "
            f"{'the shape ' + str(array.shape) if array.size else 'unequal rows'} at position "
            f"{position}. Pass each image as a rectangle of pixels, its channels last."
        )
    return array


def _is_clear(image: Any) -> bool:
    """Tell whether a PIL image may be transparent somewhere."""
    return bool({"A", "a"} & set(image.getbands())) or "transparency" in image.info


def image_to_grey(image: NDArray[Any], polarity: str = "auto") -> NDArray[np.float32]:
    """Return the only channel of an image or its luminance, with alpha composited over paper.

    Parameters
    ----------
    image : ndarray of shape (height, width, channels)
        Grey (1 channel), grey and alpha (2), RGB (3) or RGB and alpha (4).
    polarity : {"auto", "light_on_dark", "dark_on_light"}, default="auto"
        See :class:`~mnist_estimator.DigitNormalizer`.

    Returns
    -------
    ndarray of shape (height, width), float32
    """
    channels = image.shape[2]
    colours = image[..., : channels - 1] if channels in (2, 4) else image
    grey = colours[..., 0] if colours.shape[2] == 1 else colours @ LUMINANCE
    if channels in (2, 4):
        grey = _on_paper(grey.astype(np.float64), image[..., -1], colours, polarity)
    elif channels == 1:
        # The difference to the first value is kept where float32 would round the values off.
        grey = grey.astype(np.float64) - float(image.flat[0])
    return grey.astype(np.float32)


def _on_paper(
    grey: NDArray[np.float64], alpha: NDArray[Any], colours: NDArray[Any], polarity: str
) -> NDArray[np.float64]:
    """Composite a picture over paper, so that ink in the alpha channel is visible.

    Where the opaque pixels hold ink and paper, transparent ones become that paper: its level is
    the more frequent. Else the opaque pixels are the ink, and the paper is white under dark
    ink and black under light ink; ``polarity``, if it is not "auto", says which.
    """
    opacity = alpha.astype(np.float64) / _full_scale(alpha)
    if (opacity == opacity.flat[0]).all():  # no information
        return grey if opacity.flat[0] > 0 else np.zeros_like(grey)
    low = min(0.0, float(colours.min()))
    white = _full_scale(colours) if low == 0.0 else float(colours.max())
    opaque = grey[opacity > 0.5 * opacity.max()]
    darkest, lightest = np.percentile(opaque, [2.0, 98.0])
    if lightest - darkest > CONTRAST * (white - low):
        paper = float(np.median(opaque))
    elif polarity == "auto":
        paper = low if float(opaque.mean()) > 0.5 * (low + white) else white
    else:
        paper = white if polarity == "dark_on_light" else low
    return grey * opacity + paper * (1.0 - opacity)


def _full_scale(values: NDArray[Any]) -> float:
    """Return the value of white, or opaque: 255 for bytes, else 1, 255 or 65535."""
    if values.dtype == np.uint8:
        return 255.0
    highest = float(values.max())
    return next((full for full in FULL_SCALES if highest <= full), highest)
