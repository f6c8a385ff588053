"""Binarization: ink separated from paper under uneven light and noise."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..preprocessing._digit_image import otsu_threshold
from ._filters import hysteresis_threshold
from ._polarity import find_polarity, stroke_width

WORKING_PIXELS = 4_000_000
"""Larger pictures are reduced to this number of pixels; digits on a page keep 30 rows or more."""
COARSE_SIDE = 512
"""Longer side of the reduced picture that the background is estimated from, in pixels."""
LARGE_SIDE = 160
"""Pictures with a longer side are photos or scans, whose noise is smoothed, in pixels."""
FAINTEST = 0.1
"""Minimum share of the paper's light that ink absorbs."""


WINDOW = 10
"""Maximum width of ink, in stroke widths."""
MUCH_INK = 0.35
"""Share of a picture from which on ink counts as noise of the paper, unless it is left out."""
CLEARLY = 8.0
"""Minimum distance of ink from paper, in standard deviations of the noise."""
DARKEST = 0.02
"""Minimum brightness of paper, as a share of white."""
MIN_RELATIVE_INK = 0.35
"""Minimum ink of a pixel, relative to the maximum in its neighbourhood."""


@dataclass
class Ink:
    """The ink on a page.

    Parameters
    ----------
    amount : ndarray of shape (height, width), float32
        Share of the paper's light that is absorbed, in [0, 1]; includes noise.
    mask : ndarray of shape (height, width), bool
        Where ink is.
    noise : float
        Standard deviation of `amount` on blank paper.
    stroke : float
        Width of a stroke in pixels.
    scale : float
        Pixels of the picture per pixel of `amount`, at least 1.
    """

    amount: NDArray[np.float32]
    mask: NDArray[np.bool_]
    noise: float
    stroke: float
    scale: float


def find_ink(grey: NDArray[np.float32], polarity: str = "auto") -> Ink:
    """Separate ink from paper.

    Parameters
    ----------
    grey : ndarray of shape (height, width), float32
        From 0 to 1.
    polarity : {"auto", "light_on_dark", "dark_on_light"}, default="auto"
        Whether the ink is lighter than the paper.

    Returns
    -------
    Ink

    Notes
    -----
    1. Polarity: :func:`~mnist_estimator.recognition._polarity.find_polarity`.
    2. The light of the blank paper: a morphological closing, which takes out what
       is dark and narrow, and keeps the edges of shadows and of the page.
    3. Ink is the share of that light that is missing. A pixel is ink if it has
       more than noise and 0.35 of the most ink nearby, and is connected to one that
       has clearly more than noise (hysteresis).
    """
    work, scale = _scaled_down(grey)
    factor = min(1.0, COARSE_SIDE / max(work.shape))
    found = find_polarity(_resized(work, factor))
    is_auto = polarity == "auto"
    light_on_dark = found.light_on_dark if is_auto else polarity == "light_on_dark"
    if light_on_dark:
        work = 1.0 - work
    thickest = found.thickness / factor if light_on_dark == found.light_on_dark else 0.0
    large = max(work.shape) > LARGE_SIDE
    if large:
        work = ndimage.gaussian_filter(work, 0.8)
    ink = _darker_than(_paper(work, np.inf, thickest), work, scale)
    # Second pass: a window near the stroke width follows the light better.
    if large and ink.mask.any():
        ink = _darker_than(_paper(work, WINDOW * ink.stroke, thickest), work, scale)
    return ink


def _darker_than(paper: NDArray[np.floating], work: NDArray[np.floating], scale: float) -> Ink:
    """Return the pixels that are significantly darker than the paper."""
    amount = (paper - work) / np.maximum(paper, DARKEST)
    level, noise = _level_and_noise(amount)
    if max(level, 5.0 * noise) > FAINTEST:  # half of a picture that is cropped at its ink is ink
        threshold = otsu_threshold(np.clip(amount, 0.0, 1.0))
        is_ink = amount > threshold
        if MUCH_INK < is_ink.mean() < 1.0:
            blank = _level_and_noise(amount[~is_ink])
            if float(np.median(amount[is_ink])) > blank[0] + CLEARLY * blank[1]:
                level, noise = blank
    amount = np.clip((amount - level) / max(1.0 - level, DARKEST), 0.0, 1.0).astype(np.float32)
    seen = amount[amount > max(5.0 * noise, FAINTEST)]
    if not seen.size:
        return Ink(amount, np.zeros(amount.shape, dtype=bool), noise, 1.0, scale)
    usual = float(np.percentile(seen, 90.0))
    low = max(3.0 * noise, 0.15 * usual, FAINTEST / 2)
    high = max(6.0 * noise, 0.3 * usual, FAINTEST)
    reach = max(3, round(min(work.shape) / 100))
    nearby = ndimage.maximum_filter(amount, 2 * reach + 1)
    mask = hysteresis_threshold(
        np.where(amount > MIN_RELATIVE_INK * nearby, amount, 0.0), low, high
    )
    return Ink(amount, mask, noise, stroke_width(mask), scale)


def _level_and_noise(amount: NDArray[np.floating]) -> tuple[float, float]:
    """Return the median, and the standard deviation of normal noise around it."""
    level = float(np.median(amount))
    return level, 1.4826 * float(np.median(np.abs(amount - level)))


def usual_size(mask: NDArray[np.bool_]) -> float:
    """Return the median of the longer sides of connected components, weighted by area, or 0.

    Components as long as half of the page, which hang together by a line, count only if there
    is little else.
    """
    labels, n_labels = ndimage.label(mask, structure=np.ones((3, 3)))
    if not n_labels:
        return 0.0
    areas = np.bincount(labels.ravel())[1:]
    places = ndimage.find_objects(labels)
    sizes = [max(rows.stop - rows.start, columns.stop - columns.start) for rows, columns in places]
    kept = np.array(sizes) < max(mask.shape) / 2
    if areas[kept].sum() < 0.2 * areas.sum():
        kept[:] = True
    return weighted_median(np.array(sizes)[kept], areas[kept])


def weighted_median(values: NDArray[Any], weights: NDArray[Any]) -> float:
    """Return the weighted median."""
    order = np.argsort(values)
    reached = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(reached, reached[-1] / 2)])


def _scaled_down(grey: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
    """Return the picture reduced to `WORKING_PIXELS` at most, and the factor."""
    if grey.size <= WORKING_PIXELS:
        return grey, 1.0
    factor = (WORKING_PIXELS / grey.size) ** 0.5
    smaller = _resized(grey, factor)
    return smaller, grey.shape[0] / smaller.shape[0]


def _resized(image: NDArray[np.floating], factor: float) -> NDArray[np.float32]:
    """Reduce a picture by averaging; a factor of 1 or more leaves its size."""
    from PIL import Image

    height, width = (max(1, round(length * factor)) for length in image.shape)
    if factor >= 1.0:
        return image.astype(np.float32)
    picture = Image.fromarray(image.astype(np.float32))
    return np.asarray(picture.resize((width, height), Image.Resampling.BOX))


def _paper(
    work: NDArray[np.floating], widest: float, thickest: float = 0.0
) -> NDArray[np.floating]:
    """Return the brightness of the blank paper, by a morphological closing.

    Dark structures narrower than `widest` pixels, or a sixth of the picture if that is less,
    are ink, and those as narrow as the `thickest` stroke.
    """
    coarse = _resized(work, COARSE_SIDE / max(work.shape))
    side = min(coarse.shape)
    if side < 3:
        return np.full(work.shape, float(work.max()))
    if max(work.shape) > LARGE_SIDE:
        coarse = ndimage.median_filter(coarse, 3)
    window = side // 6 if side > 128 else side
    factor = coarse.shape[0] / work.shape[0]
    window = int(max(5, min(window, widest * factor), min(side, 1.3 * thickest * factor))) | 1
    paper: NDArray[np.floating] = ndimage.grey_closing(coarse, (window, window))
    if side > 128:
        paper = ndimage.gaussian_filter(paper, 2.0)
    if paper.shape == work.shape:
        return paper
    zoom = [new / old for new, old in zip(work.shape, paper.shape, strict=True)]
    return ndimage.zoom(paper, zoom, order=1, mode="nearest", grid_mode=True)
