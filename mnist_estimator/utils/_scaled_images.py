"""Images scaled to [0, 1]: in memory, or lazily from a memory-mapped file."""

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

SMALLEST = 1e-18
"""Ranges from here up, of numbers that float32 can square, leave quotients that it can hold."""

ROWS_AT_ONCE = 1000
"""Images scaled at once where float64 is needed in between."""


def float32_suffices(dtype: np.dtype[Any], low: float, span: float) -> bool:
    """Tell whether numbers can be scaled in float32 without float64 in between.

    Parameters
    ----------
    dtype : dtype
        Of the numbers.
    low, span : float
        The value that becomes 0, and what from there on becomes 1.

    Returns
    -------
    bool
    """
    return dtype.itemsize < 8 and max(abs(low), SMALLEST) <= span <= 1 / SMALLEST


def scale(images: NDArray[Any], value_range: tuple[float, float]) -> NDArray[np.float32]:
    """Return images with a range of values brought to [0, 1], as a new array.

    Parameters
    ----------
    images : ndarray of shape (n, ...)
        Of any numeric dtype.
    value_range : tuple of float, (low, high)
        The values that become 0 and 1; where they are the same, it becomes 0.

    Returns
    -------
    ndarray of shape (n, ...), float32

    Raises
    ------
    ValueError
        If a scaled value would be beyond float32.
    """
    low, high = value_range
    span = high - low if high > low else 1.0
    if float32_suffices(images.dtype, low, span):
        # In place, on the one copy that is returned: 60,000 images are 188 MB.
        scaled = np.array(images, dtype=np.float32, subok=False)
        if low:
            scaled -= np.float32(low)
        scaled /= np.float32(span)
        return scaled
    # A range far from zero, or many digits: float32 only after the subtraction.
    scaled = np.empty(images.shape, dtype=np.float32)
    for start in range(0, len(images), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        with np.errstate(over="ignore"):
            scaled[rows] = (images[rows].astype(np.float64) - low) / span
        if not np.isfinite(scaled[rows]).all():
            far = np.abs(images[rows].astype(np.float64)).max()
            raise ValueError(
                f"X reaches {far:g}, so far outside of the range from {low:g} to {high:g} that "
                "float32 cannot hold what becomes of it. Bring X to the range that was learned, or "
                "give the scaler a wider one: value_range=(low, high)."
            )
    return scaled


class ScaledImages:
    """Images of a memory-mapped file, scaled as they are read.

    Two million images of 28×28 bytes are 1.6 GB in a file, and 6.3 GB when scaled. So those of
    a file stay there: ``scaled[rows]`` reads and scales some. NumPy and everything that takes
    arrays gets all of them, as one array, by ``numpy.asarray``.

    Parameters
    ----------
    images : numpy.memmap of shape (n, height, width, channels)
        Of any numeric dtype, finite.
    value_range : tuple of float, (low, high)
        As for :func:`scale`.

    Attributes
    ----------
    shape : tuple of int, (n, height, width, channels)
    ndim : int
        4.
    dtype : numpy.dtype
        float32.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from mnist_estimator.utils._scaled_images import ScaledImages
    >>> with tempfile.TemporaryFile() as file:
    ...     images = np.memmap(file, dtype=np.uint8, mode="w+", shape=(3, 1, 2, 1))
    ...     images[:] = 51
    ...     scaled = ScaledImages(images, (0.0, 255.0))
    ...     scaled[1:].ravel()
    array([0.2, 0.2, 0.2, 0.2], dtype=float32)
    """

    ndim = 4
    dtype = np.dtype(np.float32)

    def __init__(self, images: NDArray[Any], value_range: tuple[float, float]) -> None:
        self._images = images
        self._value_range = value_range

    @property
    def shape(self) -> tuple[int, ...]:
        """Images, height, width, channels."""
        return self._images.shape

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, rows: Any) -> NDArray[np.float32]:
        """Return some of the images, or one, scaled."""
        if isinstance(rows, int | np.integer):
            image: NDArray[np.float32] = self[[rows]][0]
            return image
        return scale(np.asarray(self._images[rows]), self._value_range)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("ScaledImages becomes an array by a copy only; got copy=False.")
        return self[:].astype(dtype or self.dtype, copy=False)

    def min(self) -> np.float32:
        """Return the smallest value; the file is passed over."""
        return self._extreme(np.min)

    def max(self) -> np.float32:
        """Return the largest value; the file is passed over."""
        return self._extreme(np.max)

    def _extreme(self, which: Any) -> np.float32:
        # Scaling keeps the order.
        extreme: np.float32 = scale(np.asarray(which(self._images))[np.newaxis], self._value_range)[
            0
        ]
        return extreme

    def bounds(self) -> tuple[float, float]:
        """Return bounds of the values; for small integers without reading them."""
        dtype = self._images.dtype
        if dtype.kind in "iu" and dtype.itemsize <= 2:
            limits = np.array([np.iinfo(dtype).min, np.iinfo(dtype).max], dtype)
            low, high = scale(limits, self._value_range)
            return float(low), float(high)
        return float(self.min()), float(self.max())

    def stand_in(self) -> NDArray[np.uint8]:
        """Return an array of zeros of as many rows and columns that takes no memory.

        Of bytes, which no check goes through in search of NaN.
        """
        n_images, *sides = self.shape
        return np.broadcast_to(np.uint8(0), (n_images, math.prod(sides)))
