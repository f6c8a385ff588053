"""A blob: ink on a page that belongs together."""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


@dataclass
class Blob:
    """Ink that belongs together: a digit, or digits that touch.

    Parameters
    ----------
    mask : ndarray of shape (height, width), bool
        Where its ink is.
    top, left : int
        Where `mask` lies on the page.
    """

    mask: NDArray[np.bool_]
    top: int
    left: int

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.mask.shape[0])

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.mask.shape[1])

    @property
    def bottom(self) -> int:
        """The row after the last."""
        return self.top + self.height

    @property
    def right(self) -> int:
        """The column after the last."""
        return self.left + self.width

    @property
    def middle(self) -> tuple[float, float]:
        """Row and column of the middle."""
        return (self.top + self.bottom) / 2, (self.left + self.right) / 2

    @functools.cached_property
    def thickness(self) -> float:
        """Width of the stroke where it is thickest."""
        padded = np.zeros((self.height + 2, self.width + 2), dtype=bool)
        padded[1:-1, 1:-1] = self.mask
        return 2.0 * float(ndimage.distance_transform_edt(padded).max())

    @functools.cached_property
    def outline(self) -> NDArray[np.intp]:
        """Rows and columns, on the page, of the pixels that have one without ink beside them."""
        padded = np.zeros((self.height + 2, self.width + 2), dtype=bool)
        padded[1:-1, 1:-1] = self.mask
        inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
        edge: NDArray[np.intp] = np.argwhere(self.mask & ~inner) + np.array([self.top, self.left])
        return edge

    def cut_from(self, page: NDArray[Any]) -> NDArray[Any]:
        """Return the part of a page where it lies."""
        return page[self.top : self.bottom, self.left : self.right]

    def union(self, other: "Blob") -> "Blob":
        """Return this and another blob as one."""
        top, left = min(self.top, other.top), min(self.left, other.left)
        bottom, right = max(self.bottom, other.bottom), max(self.right, other.right)
        mask = np.zeros((bottom - top, right - left), dtype=bool)
        for blob in (self, other):
            part = mask[blob.top - top :, blob.left - left :][: blob.height, : blob.width]
            part |= blob.mask
        return Blob(mask, top, left)
