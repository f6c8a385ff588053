"""Parts of broken strokes joined to digits."""

import heapq
from bisect import bisect_left, bisect_right

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree
from scipy.spatial.distance import cdist

from ._blob import Blob

PART = 0.6
"""Relative to the usual height: smaller blobs are joined to those near them."""
NEAR = 0.2
"""Relative to the usual height: maximum distance of parts of one digit."""
TALLEST, WIDEST = 1.5, 1.25
"""Relative to the usual height: maximum height and width of joined parts."""
MOST_DISTANCES = 1_000_000
"""Maximum number of distances between two outlines that are computed pairwise."""


def join_parts(blobs: list[Blob], usual: float) -> list[Blob]:
    """Join parts of broken strokes to their neighbours, the nearest first.

    Parameters
    ----------
    blobs : list of Blob
        Connected components of ink.
    usual : float
        Usual height of a digit, in pixels.

    Returns
    -------
    list of Blob
    """
    blobs = [blob for blob in blobs if max(blob.height, blob.width) >= 0.1 * usual]
    boxes = np.empty((2 * len(blobs), 4))  # of unions, too, which come in at the end
    boxes[: len(blobs)] = [(b.top, b.left, b.bottom, b.right) for b in blobs]
    is_there = np.arange(len(boxes)) < len(blobs)
    order = sorted(range(len(blobs)), key=lambda number: blobs[number].left)
    lefts = [blobs[number].left for number in order]
    reach = WIDEST * usual
    pairs: list[tuple[float, int, int]] = []

    def add_pairs(number: int) -> None:
        """Add the distances of a blob to earlier ones that it may be joined with."""
        left = blobs[number].left
        near = slice(bisect_left(lefts, left - reach), bisect_right(lefts, left + reach))
        others = np.array(order[near])
        others = others[(others < number) & is_there[others]]
        for other in others[_may_join(boxes[number], boxes[others], usual)].tolist():
            distance = _distance(blobs[other], blobs[number])
            if distance < NEAR * usual:
                heapq.heappush(pairs, (distance, other, number))

    for number in range(len(blobs)):
        add_pairs(number)
    while pairs:
        _, *pair = heapq.heappop(pairs)
        if is_there[pair].all():
            number, union = len(blobs), blobs[pair[0]].union(blobs[pair[1]])
            blobs.append(union)
            boxes[number] = union.top, union.left, union.bottom, union.right
            is_there[pair], is_there[number] = False, True
            place = bisect_right(lefts, union.left)
            order.insert(place, number)
            lefts.insert(place, union.left)
            add_pairs(number)
    return [blobs[number] for number in np.flatnonzero(is_there)]


def _may_join(
    box: NDArray[np.floating], others: NDArray[np.floating], usual: float
) -> NDArray[np.bool_]:
    """Return which blobs may be joined with one, by their bounding boxes."""
    sizes, other_sizes = box[2:] - box[:2], others[:, 2:] - others[:, :2]
    high, wide = (np.maximum(others[:, 2:], box[2:]) - np.minimum(others[:, :2], box[:2])).T
    apart = np.maximum(others[:, :2], box[:2]) - np.minimum(others[:, 2:], box[2:])
    lower, narrower = np.minimum(other_sizes, sizes).T
    over_each_other = -apart[:, 1] >= 0.5 * narrower
    may = (np.maximum(lower, narrower) < PART * usual) | over_each_other
    may &= (high <= TALLEST * usual) & (wide <= WIDEST * usual)
    return may & (apart.max(axis=1) <= NEAR * usual)


def _distance(first: Blob, second: Blob) -> float:
    """Return how many pixels are between the ink of two blobs."""
    if len(first.outline) * len(second.outline) > MOST_DISTANCES:
        return float(KDTree(first.outline).query(second.outline)[0].min())
    return float(cdist(first.outline, second.outline).min())
