"""Polarity of a picture: whether ink is lighter or darker than its background."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ..preprocessing._digit_image import otsu_threshold
from ._filters import local_median

BORDER = 0.85
"""Minimum share of the picture's border that is background where the border decides."""
SEPARATED = 0.8
"""Minimum share of the variance that is between ink and background then."""
THICKEST_STROKE = 0.7
"""Maximum thickness of a stroke then, relative to the shorter side of the picture..."""
EVEN = 1.8
"""... and to the mean width of strokes: a junction has 1.5, a disc or a square has 2."""


class Polarity(NamedTuple):
    """What is ink in a picture."""

    light_on_dark: bool
    thickness: float
    """Of the thickest stroke, in pixels; 0 where it is unknown."""


def find_polarity(coarse: NDArray[np.floating]) -> Polarity:
    """Tell whether the ink of a picture is lighter than its background.

    Parameters
    ----------
    coarse : ndarray of shape (height, width)
        The picture, reduced.

    Returns
    -------
    Polarity

    Notes
    -----
    Of the two classes of Otsu's threshold the background is the one that covers the border, if
    the other one is of strokes. Otherwise ink covers less than half of any neighbourhood, so that
    what deviates from the local median deviates towards ink (the sign of the third moment): so
    it is under uneven light, and for a page on a table.
    """
    low, high = float(coarse.min()), float(coarse.max())
    if high <= low:
        return Polarity(False, 0.0)
    levels = (coarse - low) / (high - low)
    light = levels > otsu_threshold(levels)
    share = float(np.concatenate([light[0], light[-1], light[:, 0], light[:, -1]]).mean())
    if (share >= BORDER or share <= 1.0 - BORDER) and _separation(levels, light) >= SEPARATED:
        ink = light if share < 0.5 else ~light
        thickness = 2.0 * float(ndimage.distance_transform_edt(np.pad(ink, 1)).max())
        if thickness <= min(THICKEST_STROKE * min(coarse.shape), EVEN * stroke_width(ink) + 2.0):
            return Polarity(share < 0.5, thickness)
    whole = np.clip(np.rint(levels * 255.0), 0, 255).astype(np.uint8)
    side = min(whole.shape)
    median = local_median(whole, min(max(51, side // 5), side) | 1)
    return Polarity(float(np.mean((whole - median.astype(np.float64)) ** 3)) > 0.0, 0.0)


def _separation(levels: NDArray[np.floating], light: NDArray[np.bool_]) -> float:
    """Return the share of the variance that is between two classes (Otsu's eta)."""
    part = float(light.mean())
    apart = float(levels[light].mean() - levels[~light].mean())
    return part * (1.0 - part) * apart**2 / float(levels.var())


def stroke_width(mask: NDArray[np.bool_]) -> float:
    """Return the mean stroke width in pixels: twice the area over the outline."""
    inner = ndimage.binary_erosion(mask)
    outline = int(mask.sum()) - int(inner.sum())
    return max(1.0, 2.0 * int(mask.sum()) / outline) if outline else 1.0
