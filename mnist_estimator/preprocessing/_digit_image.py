"""Images of one digit: its ink separated from the background, and brought to MNIST's format."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

SIDE, BOX = 28, 20
"""MNIST's images, and the box that the stroke is scaled into, in pixels."""

CENTRE = 14.0
"""Row and column of MNIST's images where the centre of mass is, to half a pixel."""

FINE = 4
"""Pixels of the fine grid, on which strokes are redrawn, per pixel of MNIST."""

THINNEST, THICKEST = 1.7, 4.7
"""Widths, in pixels, between which strokes are not redrawn; 98 % of MNIST's lie between them."""

SPECK_SHARE = 0.03
"""Components with a smaller share of the ink are specks; a pixel of a thin 1 in MNIST has 0.023."""

SURE = 0.6
"""Share of the outermost pixels from which on they outweigh the polarity of other images."""

EDGE_LEVEL = 0.55
"""Level of the edge of the stroke in an enlarged image."""


def as_bytes(images: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Return values from 0 to 1 as whole numbers from 0 to 255."""
    pixels: NDArray[np.uint8] = np.rint(images * 255.0).astype(np.uint8)
    return pixels


def polarity_of(image: NDArray[np.floating], usual: str | None = None) -> str | None:
    """Return whether a digit is lighter or darker than its background.

    Values are split in two by Otsu's threshold; the background is the side that more than half of
    the outermost pixels are on, or with a tie the side of more pixels.

    Parameters
    ----------
    image : ndarray of shape (height, width)
        One digit on a background.
    usual : {"light_on_dark", "dark_on_light"} or None, default=None
        That of images like this one: it holds unless 60 % of the outermost pixels are against
        it, so a digit that fills its frame is not taken for the background.

    Returns
    -------
    {"light_on_dark", "dark_on_light"} or None
        None if the image has one value only.
    """
    image = image.astype(np.float64)
    low, high = image.min(), image.max()
    if not high > low:
        return None
    image = (image - low) / (high - low)
    return _polarity_of(image, otsu_threshold(image), usual)


def extract_ink(
    image: NDArray[np.floating], polarity: str = "auto", usual: str | None = None
) -> NDArray[np.float32]:
    """Bring the background of an image to 0 and its ink to 1.

    Parameters
    ----------
    image : ndarray of shape (height, width)
        One digit on a background of one level, and noise.
    polarity : {"auto", "light_on_dark", "dark_on_light"}, default="auto"
        See :class:`~mnist_estimator.DigitNormalizer`.
    usual : str or None, default=None
        See :func:`polarity_of`; used if ``polarity`` is "auto".

    Returns
    -------
    ndarray of shape (height, width), float32
        Values from 0 to 1, all 0 if the image has one value only.
    """
    image = image.astype(np.float64)
    low, high = image.min(), image.max()
    if not high > low:
        return np.zeros(image.shape, dtype=np.float32)
    image = (image - low) / (high - low)
    threshold = otsu_threshold(image)
    if polarity == "auto":
        polarity = _polarity_of(image, threshold, usual)
    if polarity == "dark_on_light":
        image, threshold = 1.0 - image, 1.0 - threshold
    inked = image > threshold
    if inked.all():  # constant, up to rounding errors
        return np.zeros(image.shape, dtype=np.float32)
    background = image[~inked]
    level = np.median(background)
    noise = 1.4826 * np.median(np.abs(background - level))  # of a normal distribution
    floor = min(level + 3.0 * noise, threshold)
    full = np.percentile(image[inked], 75.0) if inked.any() else threshold
    ink = np.clip((image - floor) / max(full - floor, 1e-6), 0.0, 1.0)
    return without_specks(ink).astype(np.float32)


def without_specks(ink: NDArray[np.floating], share: float = SPECK_SHARE) -> NDArray[np.floating]:
    """Return ink without the connected components that hold less than a share of it."""
    labels, n_parts = ndimage.label(ink > 0, structure=np.ones((3, 3)))
    if n_parts < 2:
        return ink
    mass = ndimage.sum_labels(ink, labels, np.arange(n_parts + 1))
    return np.where((mass >= share * mass.sum())[labels], ink, 0.0)


def fit_box(ink: NDArray[np.floating], *, even_stroke: bool = True) -> NDArray[np.float32]:
    """Scale a stroke into 20×20 pixels and centre it by its mass in 28×28.

    Parameters
    ----------
    ink : ndarray of shape (height, width)
        From 0, the background, to 1.
    even_stroke : bool, default=True
        Whether strokes far thinner or thicker than MNIST's are redrawn.

    Returns
    -------
    ndarray of shape (28, 28), float32
        From 0 to 1; all 0 if there is no ink.
    """
    ink = crop(ink)
    image = np.zeros((SIDE, SIDE), dtype=np.float32)
    if ink.size == 0:
        return image
    longer = max(ink.shape)
    if longer < 0.9 * BOX:
        ink = crop(_enlarge(ink, BOX * FINE / longer))
    digit: NDArray[np.floating] = _scale(ink, BOX / max(ink.shape))
    if even_stroke:
        digit = _with_even_stroke(ink, digit)
    mass = digit.sum()
    rows, columns = (np.arange(length) for length in digit.shape)
    top = round(CENTRE - float(digit.sum(axis=1) @ rows / mass))
    left = round(CENTRE - float(digit.sum(axis=0) @ columns / mass))
    top = min(max(top, 0), SIDE - digit.shape[0])
    left = min(max(left, 0), SIDE - digit.shape[1])
    image[top : top + digit.shape[0], left : left + digit.shape[1]] = digit
    return image


def crop(ink: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the smallest part of an image that holds all ink."""
    found = ndimage.find_objects((ink != 0).astype(np.int8))
    return ink[found[0]] if found else ink[:0, :0]


def otsu_threshold(values: NDArray[np.floating], bins: int = 256) -> float:
    """Return Otsu's threshold of values in [0, 1].

    Notes
    -----
    N. Otsu, "A threshold selection method from gray-level histograms" (1979): the
    variance between the groups is the largest.
    """
    counts, edges = np.histogram(values, bins=bins, range=(0.0, 1.0))
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)[:-1]
    above = counts.sum() - below
    sums = np.cumsum(counts * centres)
    with np.errstate(invalid="ignore", divide="ignore"):
        apart = sums[:-1] / below - (sums[-1] - sums[:-1]) / above
        variance = np.nan_to_num(below * above * apart**2)
    best = np.flatnonzero(variance >= variance.max() * (1 - 1e-9))
    return float(edges[1:-1][(best[0] + best[-1]) // 2])  # the middle of several best ones


def _polarity_of(image: NDArray[np.floating], threshold: float, usual: str | None) -> str:
    """Return the polarity of an image from 0 to 1; see :func:`polarity_of`."""
    border = np.ones(image.shape, dtype=bool)
    border[1:-1, 1:-1] = False
    light = float(np.mean(image[border] > threshold))
    if usual is not None:
        least = SURE if usual == "light_on_dark" else 1.0 - SURE
        return "dark_on_light" if light >= least and light > 0.0 else "light_on_dark"
    is_light = light > 0.5 or (light == 0.5 and float(np.mean(image > threshold)) > 0.5)
    return "dark_on_light" if is_light else "light_on_dark"


def _scale(ink: NDArray[np.floating], factor: float) -> NDArray[np.float64]:
    """Return an image scaled, each pixel the mean over the area that it covers."""
    shape = [max(1, round(length * factor)) for length in ink.shape]
    down, across = (_shares(old, new) for old, new in zip(ink.shape, shape, strict=True))
    return np.clip(down @ ink @ across.T, 0.0, 1.0)


def _shares(old: int, new: int) -> NDArray[np.float64]:
    """Return the overlap of `old` with `new` equal intervals, as weights of shape (new, old)."""
    edges = np.arange(new + 1) * (old / new)
    pixels = np.arange(old)
    covered = np.minimum(edges[1:, None], pixels + 1.0) - np.maximum(edges[:-1, None], pixels)
    shares: NDArray[np.float64] = np.clip(covered, 0.0, None) * (new / old)
    return shares


def _enlarge(ink: NDArray[np.floating], factor: float) -> NDArray[np.float64]:
    """Interpolate an image of few pixels, and sharpen its edges.

    Full sharpness would close gaps of one pixel and break thin strokes; with half of it,
    accuracy on scikit-learn's 8×8 digits is higher.
    """
    padded = np.pad(ink, 1)
    large = ndimage.zoom(padded, factor, order=3, mode="grid-constant", grid_mode=True)
    # An edge that was one pixel wide is to be two pixels of MNIST wide.
    steepness = max(factor / (2 * FINE), 1.0)
    return np.clip((large - EDGE_LEVEL) * steepness + 0.5, 0.0, 1.0)


def _with_even_stroke(
    ink: NDArray[np.floating], digit: NDArray[np.floating]
) -> NDArray[np.floating]:
    """Return the scaled digit, redrawn with another stroke where it is too thin or thick."""
    width = _stroke_width(ink) * max(digit.shape) / max(ink.shape)
    wanted = min(max(width, THINNEST), THICKEST)
    if width == 0.0 or wanted == width:
        return digit
    room = math.ceil(max(wanted, 1.0)) * FINE
    fine = np.pad(_scale(ink, BOX * FINE / max(ink.shape)), room)
    inked = fine > 0.5
    if not inked.any():
        inked = fine > 0.5 * fine.max()
    inside, outside = (ndimage.distance_transform_edt(part) for part in (inked, ~inked))
    grown = (wanted - width) * FINE / 2.0
    redrawn = crop(np.clip(inside - outside + grown + 0.5, 0.0, 1.0))
    return _scale(redrawn, BOX / max(redrawn.shape)) if redrawn.size else digit


def _stroke_width(ink: NDArray[np.floating]) -> float:
    """Return the mean width of the stroke, in pixels of the image.

    The area over half the length of the outline: of a long stroke that is its width.
    """
    inked = np.pad(ink, 1)
    slopes = np.hypot(*np.gradient(inked))  # sums up to the length of the outline
    outline = slopes.sum()
    return float(2.0 * inked.sum() / outline) if outline else 0.0
