"""Image filters that SciPy does not have: a fast local median, and hysteresis thresholding."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


def hysteresis_threshold(image: NDArray[np.floating], low: float, high: float) -> NDArray[np.bool_]:
    """Return the pixels above `low` that are connected to one above `high`.

    Parameters
    ----------
    image : ndarray of shape (height, width)
        Values of any range.
    low, high : float
        Thresholds, low <= high.

    Returns
    -------
    ndarray of bool of shape (height, width)
        Connected to the four direct neighbours, as in
        ``skimage.filters.apply_hysteresis_threshold``.
    """
    # float64 scalars: NumPy 2 would round Python's floats to the dtype of the image.
    labels, n_labels = ndimage.label(image > np.float64(low))
    kept = np.zeros(n_labels + 1, dtype=bool)
    kept[labels[image > np.float64(high)]] = True
    kept[0] = False
    return kept[labels]


def local_median(levels: NDArray[np.uint8], window: int) -> NDArray[np.uint8]:
    """Return the median in a square window around each pixel.

    Parameters
    ----------
    levels : ndarray of shape (height, width), uint8
        The image.
    window : int
        Side of the window in pixels, odd, at most 181. The part beyond the border is left out.

    Returns
    -------
    ndarray of shape (height, width), uint8
        The upper of the two middle values where their number is even, as in
        ``skimage.filters.rank.median``.

    Notes
    -----
    Running histograms of two levels, 16 bins of 16 values (S. Perreault, P. Hébert: Median
    Filtering in Constant Time. IEEE Transactions on Image Processing 16, 2007). The time does
    not depend on the window, unlike that of ``scipy.ndimage.median_filter``.
    """
    reach = window // 2
    height, width = levels.shape
    columns = np.arange(width)
    first, last = np.maximum(columns - reach, 0), np.minimum(columns + reach + 1, width)
    bins, remainders = np.divmod(levels, 16)
    # Histograms of the columns, preceded by an empty one. A window has less than 2**15 pixels, so
    # differences of cumulative counts are right even where these overflow.
    fine: NDArray[np.int16] = np.zeros((width + 1, 16, 16), dtype=np.int16)
    coarse: NDArray[np.int16] = np.zeros((width + 1, 16), dtype=np.int16)
    median = np.empty_like(levels)
    for row in range(-reach, height):
        for change, moved in ((1, row + reach), (-1, row - reach - 1)):
            if 0 <= moved < height:
                fine[columns + 1, bins[moved], remainders[moved]] += change
                coarse[columns + 1, bins[moved]] += change
        if row < 0:
            continue
        at_or_below = np.cumsum(_window_sums(coarse, first, last), axis=1)
        half = at_or_below[:, -1:] // 2
        found = (at_or_below > half).argmax(axis=1)
        below = np.where(found > 0, at_or_below[columns, found - 1], 0)
        within = np.cumsum(_window_sums(fine, first, last, found), axis=1)
        median[row] = 16 * found + (within > half - below[:, np.newaxis]).argmax(axis=1)
    return median


def _window_sums(counts: NDArray[np.int16], first: Any, last: Any, bins: Any = ...) -> Any:
    """Return the histogram of each window of columns; `bins`: of one coarse bin each."""
    sums = np.cumsum(counts, axis=0, dtype=np.int16)
    if bins is ...:
        return sums[last] - sums[first]
    return sums[last, bins] - sums[first, bins]
