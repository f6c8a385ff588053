"""Removal of marks that are not handwriting: stains, frames, shadows, edges and staples."""

import numpy as np
from numpy.typing import NDArray

from ._binarization import Ink, weighted_median
from ._blob import Blob

STAIN, LONG = 3.5, 0.3
"""A blob thicker than STAIN times the median stroke, or one at the border that is longer than LONG
times the picture, is not ink."""
HAIR = 0.35
"""Relative to the median thickness: thinner blobs are not drawn with the pen of the others."""
LONELY, BESIDE = 0.7, 6.0
"""Distances to the nearest blob, and to the nearest in the same line, in heights, from which
another pen is enough to drop a blob."""
MANY = 3
"""So many blobs at the left or right border are the edge of torn paper."""
ENCLOSED = 0.3
"""A frame encloses at least this share of its own ink."""
FAINT = 0.25
"""Relative to the median darkness: fainter blobs shine through from the back, or are stains."""
HIGH, BROAD = 0.6, 0.3
"""Minimum height and width of a digit at the border, relative to the usual height."""


def without_stains(blobs: list[Blob], shape: tuple[int, ...]) -> list[Blob]:
    """Remove blobs that are not handwriting: the table beside the page, frames, stains, shadows.

    Parameters
    ----------
    blobs : list of Blob
        All connected components of ink.
    shape : tuple of int, (height, width)
        Of the page.

    Returns
    -------
    list of Blob
    """
    height, width = shape
    inner = [blob for blob in blobs if not _sides(blob, shape).any()]
    if not inner:
        return blobs
    widths = np.array([blob.thickness for blob in inner])
    areas = np.array([blob.mask.sum() for blob in inner])
    usual = weighted_median(widths, areas)

    def is_stain(blob: Blob) -> bool:
        long = blob.height > LONG * height or blob.width > LONG * width
        if long and _sides(blob, shape).any():
            return True
        if long and float(blob.mask.mean()) < 0.1 and _encloses(blob, blobs):
            return True
        return blob.thickness > STAIN * usual

    kept = [blob for blob in blobs if not is_stain(blob)]
    return [blob for blob in kept if not _is_scrap(blob, kept, shape)]


def _sides(blob: Blob, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return whether a blob touches the upper, left, lower and right side of the picture."""
    height, width = shape
    return np.array([blob.top == 0, blob.left == 0, blob.bottom == height, blob.right == width])


def _encloses(frame: Blob, blobs: list[Blob]) -> bool:
    """Tell whether much of the ink is inside the bounding box of a blob."""
    inside = sum(
        int(blob.mask.sum())
        for blob in blobs
        if frame.top < blob.top
        and blob.bottom < frame.bottom
        and frame.left < blob.left
        and blob.right < frame.right
    )
    return inside > ENCLOSED * int(frame.mask.sum())


def _is_scrap(blob: Blob, blobs: list[Blob], shape: tuple[int, ...]) -> bool:
    """Tell whether a blob at the border of the picture is a bit of what lies beside the page."""
    sides = _sides(blob, shape)
    inner = [other for other in blobs if not _sides(other, shape).any()]
    if not sides.any() or not inner:
        return False
    usual = weighted_median(
        np.array([other.height for other in inner]),
        np.array([other.mask.sum() for other in inner]),
    )
    n_beside = [sum(_sides(other, shape)[side] for other in blobs) for side in (1, 3)]
    if max(np.array(n_beside)[sides[1::2]], default=0) >= MANY:
        return True
    if blob.height >= HIGH * usual and blob.width >= BROAD * usual:
        return False
    # A one may touch the side of a picture that is cropped at its digits.
    beside = [o for o in inner if o.top < blob.bottom and blob.top < o.bottom]
    near = min((max(o.left - blob.right, blob.left - o.right) for o in beside), default=np.inf)
    alone = sum(_sides(other, shape)[sides].any() for other in blobs) == 1
    return not (alone and blob.height >= 0.75 * usual and near < usual)


def drawn_like_the_rest(blobs: list[Blob], ink: Ink) -> list[Blob]:
    """Remove blobs much fainter than the median, or drawn with another pen: shadows, staples.

    Parameters
    ----------
    blobs : list of Blob
    ink : Ink
        The ink of their page.

    Returns
    -------
    list of Blob
    """
    if not blobs:
        return []
    dark = np.array([np.percentile(blob.cut_from(ink.amount)[blob.mask], 75.0) for blob in blobs])
    wide = np.array([blob.thickness for blob in blobs])
    faint, wide = dark / np.median(dark), wide / np.median(wide)
    out = (faint < FAINT) | ((faint < 0.6) & (wide > 2.0))
    if len(blobs) > 3:
        out |= wide < HAIR  # no pen, but a crease or the edge of a sheet
        out |= _are_alone(blobs) & ((faint < 0.8) | (wide < 0.7))
    return [blob for blob, dropped in zip(blobs, out, strict=True) if not dropped]


def _are_alone(blobs: list[Blob]) -> NDArray[np.bool_]:
    """Return which blobs have no other beside them, and none near."""
    boxes = np.array([(blob.top, blob.left, blob.bottom, blob.right) for blob in blobs])
    height = float(np.median(boxes[:, 2] - boxes[:, 0]))
    apart = np.maximum(
        boxes[:, None, :2] - boxes[None, :, 2:], boxes[None, :, :2] - boxes[:, None, 2:]
    )
    near = (apart < LONELY * height).all(axis=2)
    near |= (apart[..., 0] < -0.3 * height) & (apart[..., 1] < BESIDE * height)
    return near.sum(axis=1) == 1  # itself
