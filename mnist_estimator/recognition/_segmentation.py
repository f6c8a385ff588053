"""Segmentation of the ink on a page into digits, in reading order."""

import heapq
import warnings
from bisect import bisect_left, bisect_right
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import KDTree
from scipy.spatial.distance import cdist

from ..preprocessing._digit_image import fit_box
from ._binarization import Ink, weighted_median
from ._blob import Blob
from ._separators import Mark, set_marks_aside, take_signs
from ._text_lines import group_lines

MOST_PARTS = 10_000
"""Maximum number of connected components of a page; printed A4 text in 11 points has 4,500."""
SMALLEST = 6
"""Minimum height of a digit, in pixels."""
MIN_MARK_HEIGHT = 0.4
"""Relative to the usual height: lower blobs that nothing is joined to are punctuation."""
PART = 0.6
"""Relative to the usual height: smaller blobs are joined to those near them."""
NEAR = 0.2
"""Relative to the usual height: maximum distance of parts of one digit."""
TALLEST, WIDEST = 1.5, 1.25
"""Relative to the usual height: maximum height and width of joined parts."""
STAIN, LONG = 3.5, 0.3
"""A blob thicker than STAIN times the median stroke, or one at the border that is longer than LONG
times the picture, is not ink."""
HAIR = 0.35
"""Relative to the median thickness: thinner blobs are not drawn with the pen of the others."""
LONELY, BESIDE = 1.0, 6.0
"""Distances to the nearest blob, and to the nearest in the same line, in heights, from which
another pen is enough to drop a blob."""
MANY = 3
"""So many blobs at the left or right border are the edge of torn paper."""
ENCLOSED = 0.3
"""A frame encloses at least this share of its own ink."""
FAINT = 0.25
"""Relative to the median darkness: fainter blobs shine through from the back, or are stains."""

WIDE, PERHAPS_WIDE, USUAL_WIDTH = 1.2, 0.85, 0.68
"""Widths relative to the height: a blob wider than WIDE is several digits, one wider than
PERHAPS_WIDE may be if the classifier decides so; the width of one digit."""
PRIORS = 0.2, 0.02
"""What the classifier's confidence in two parts must exceed that in one digit by, for a blob of
these two widths."""
UNEVEN = (0.36, 0.64)
"""Where a blob may be cut in two, too: one digit may be a one."""
MOST_CUT = 1.7
"""Maximum ink on a cut without a classifier, in stroke widths."""
MOST_DISTANCES = 1_000_000
"""Maximum number of distances between two outlines that are computed pairwise."""


class Cut(NamedTuple):
    """A way to cut a blob into digits, which a classifier may choose."""

    parts: list[Blob]
    """From left to right; the blob itself if it is not cut."""
    prior: float = 0.0
    """Added to the lowest confidence of the parts when cuts are compared."""


class TextLine(NamedTuple):
    """A line of text."""

    cuts: list[list[Cut]]
    """From left to right, of each blob the cuts to choose from."""
    marks: list[Mark]
    """The separators."""


def segment_digits(ink: Ink, *, with_classifier: bool = False) -> list[TextLine]:
    """Segment the ink of a page into digits.

    Parameters
    ----------
    ink : Ink
        Without ruled lines.
    with_classifier : bool, default=False
        Whether a classifier will choose the cut of a wide blob. Otherwise the width and the ink
        on the cut decide.

    Returns
    -------
    list of TextLine
        From top to bottom. Of each blob there is one cut unless a classifier will choose.
    """
    blobs = _connected(ink.mask)
    if len(blobs) > MOST_PARTS:
        warnings.warn(
            f"The picture has {len(blobs):,} separate marks, more than the {MOST_PARTS:,} that a "
            "page of digits may have, so no digits are returned. It may be a texture, a halftone "
            "print or small text: cut out the part with the digits, or blur the picture.",
            UserWarning,
            stacklevel=4,
        )
        return []
    blobs = _without_stains(blobs, ink.mask.shape)
    if not blobs:
        return []
    heights = np.array([blob.height for blob in blobs])
    usual = weighted_median(heights, np.array([blob.mask.sum() for blob in blobs]))
    blobs, marks = set_marks_aside(blobs, usual, ink.stroke)
    blobs = _joined(blobs, usual)
    blobs = [blob for blob in blobs if max(blob.height, blob.width) >= MIN_MARK_HEIGHT * usual]
    blobs = [part for blob in blobs for part in _split_stacked(blob, usual, ink.stroke)]
    blobs = [blob for blob in blobs if blob.height >= max(MIN_MARK_HEIGHT * usual, SMALLEST)]
    blobs = _drawn_like_the_rest(blobs, ink)
    lines = group_lines(blobs)
    of_lines = _marks_of_lines(marks, lines)
    found = []
    for line, marks_of_line in zip(lines, of_lines, strict=True):
        digits, signs = take_signs(line, ink.stroke)
        cuts = _cuts_of_line(digits, ink, with_classifier)
        found.append(TextLine(cuts, marks_of_line + signs))
    return found


def _marks_of_lines(marks: list[Mark], lines: list[list[Blob]]) -> list[list[Mark]]:
    """Return the marks of each line: that of the nearest digit.

    No number begins with a comma or colon, nor with a point that is beneath or above a digit:
    these are remains of a ruled line, or of a digit's foot.
    """
    found: list[list[Mark]] = [[] for _ in lines]
    if marks and lines:
        numbers = [number for number, line in enumerate(lines) for _ in line]
        tree = KDTree([blob.middle for line in lines for blob in line])
        for mark, nearest in zip(marks, tree.query([m.blob.middle for m in marks])[1], strict=True):
            first = min(lines[numbers[nearest]], key=lambda blob: blob.middle[1])
            begins = mark.blob.middle[1] <= first.middle[1]
            if begins and (mark.character in ",:" or mark.blob.right > first.left):
                continue
            found[numbers[nearest]].append(mark)
    return found


def render_blob(blob: Blob, ink: Ink) -> NDArray[np.float32]:
    """Render a blob in MNIST's format.

    Parameters
    ----------
    blob : Blob
        The blob.
    ink : Ink
        The ink of its page.

    Returns
    -------
    ndarray of shape (28, 28), float32
        From 0 to 1.
    """
    room = 1 + round(ink.stroke / 3)
    top, left = max(0, blob.top - room), max(0, blob.left - room)
    amount = ink.amount[top : blob.bottom + room, left : blob.right + room]
    own = np.zeros(amount.shape, dtype=bool)
    own[blob.top - top :, blob.left - left :][: blob.height, : blob.width] = blob.mask
    others = ink.mask[top : blob.bottom + room, left : blob.right + room] & ~own
    near = ndimage.maximum_filter(own, 2 * room + 1, mode="constant") & ~others
    full = float(np.percentile(amount[own], 75.0))
    floor = min(3.0 * ink.noise, 0.3 * full)
    return fit_box(np.where(near, np.clip((amount - floor) / (full - floor), 0.0, 1.0), 0.0))


def _connected(mask: NDArray[np.bool_]) -> list[Blob]:
    """Return the connected parts of the ink, without single pixels."""
    labels, n_labels = ndimage.label(mask, structure=np.ones((3, 3)))
    areas = np.bincount(labels.ravel(), minlength=n_labels + 1)
    return [
        Blob(labels[place] == label, place[0].start, place[1].start)
        for label, place in enumerate(ndimage.find_objects(labels), start=1)
        if areas[label] > 3
    ]


def _without_stains(blobs: list[Blob], shape: tuple[int, ...]) -> list[Blob]:
    """Remove blobs that are not handwriting: the table beside the page, frames, stains, shadows."""
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
    if blob.height >= PART * usual and blob.width >= 0.3 * usual:
        return False
    # A one may touch the side of a picture that is cropped at its digits.
    beside = [o for o in inner if o.top < blob.bottom and blob.top < o.bottom]
    near = min((max(o.left - blob.right, blob.left - o.right) for o in beside), default=np.inf)
    alone = sum(_sides(other, shape)[sides].any() for other in blobs) == 1
    return not (alone and blob.height >= 0.75 * usual and near < usual)


def _joined(blobs: list[Blob], usual: float) -> list[Blob]:
    """Join parts of broken strokes to their neighbours, the nearest first."""
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


def _drawn_like_the_rest(blobs: list[Blob], ink: Ink) -> list[Blob]:
    """Remove blobs much fainter than the median, or drawn with another pen: shadows, staples."""
    if not blobs:
        return []
    dark = np.array([np.percentile(_cut(ink.amount, blob)[blob.mask], 75.0) for blob in blobs])
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


def _cut(image: NDArray[np.floating], blob: Blob) -> NDArray[np.floating]:
    """Return the part of a page where a blob lies."""
    return image[blob.top : blob.bottom, blob.left : blob.right]


def _split_stacked(blob: Blob, usual: float, stroke: float) -> list[Blob]:
    """Separate digits that touch those of the line below."""
    if blob.height < 1.7 * usual or blob.height > 6 * usual:
        return [blob]
    turned = Blob(blob.mask.T, blob.left, blob.top)
    n_parts = round(blob.height / usual)
    parts = _cut_into(turned, np.arange(1, n_parts) / n_parts, 2.5 * stroke)
    return [Blob(part.mask.T, part.left, part.top) for part in parts]


def _cuts_of_line(line: list[Blob], ink: Ink, with_classifier: bool) -> list[list[Cut]]:
    """Return the cuts of each blob: digits may touch each other."""
    height = float(np.median([blob.height for blob in line]))
    cuts = []
    for blob in line:
        wide = blob.width > WIDE * min(height, WIDE * blob.height)
        if wide or (with_classifier and blob.width > PERHAPS_WIDE * height):
            cuts.append(_cuts(blob, height, ink, with_classifier, wide))
        else:
            cuts.append([Cut([blob])])
    return cuts


def _cuts(blob: Blob, height: float, ink: Ink, with_classifier: bool, wide: bool) -> list[Cut]:
    """Return the ways to cut a blob, the first of which is not to; one without a classifier."""
    likely = max(2, round(blob.width / (USUAL_WIDTH * height)))
    most_ink = np.inf if with_classifier else MOST_CUT * ink.stroke
    numbers = {2} if not wide else {2, likely, likely + 1} if with_classifier else {likely}
    # Few blobs of usual width are two digits.
    ratio = blob.width / height
    doubt = float(np.interp(ratio, [PERHAPS_WIDE, WIDE], PRIORS))
    cuts = [Cut([blob], prior=PRIORS[1] if wide else doubt)]
    ways = [np.arange(1, n_parts) / n_parts for n_parts in sorted(numbers)]
    if with_classifier:
        ways += [np.array([place]) for place in UNEVEN]
    for places in ways:
        parts = _cut_into(blob, places, most_ink)
        if len(parts) > 1 and min(part.height for part in parts) >= PART * blob.height:
            cuts.append(Cut(parts))
    return cuts if with_classifier else cuts[-1:]


def _cut_into(blob: Blob, places: NDArray[np.floating], most_ink: float) -> list[Blob]:
    """Cut a blob along the seams with least ink, of at most `most_ink` pixels.

    They are near the `places`, which are shares of its width.
    """
    limits = []
    rows = np.arange(blob.height)
    reach = 0.3 * blob.width / (len(places) + 1)
    for place in places:
        seam, crossed = _seam(blob.mask, blob.width * place, reach)
        if crossed <= most_ink:
            limits.append(seam)
    columns = np.arange(blob.width)
    sections = sum((columns >= seam[rows, np.newaxis] for seam in limits), np.zeros(1, dtype=int))
    parts = []
    for section in range(len(limits) + 1):
        part = _trimmed(blob.mask & (sections == section), blob.top, blob.left)
        if part is not None:
            parts.append(part)
    return parts


def _seam(mask: NDArray[np.bool_], middle: float, reach: float) -> tuple[NDArray[np.int_], int]:
    """Return the seam from top to bottom with least ink, and how many pixels of ink it crosses.

    By dynamic programming; a step goes down, straight or to either side.
    """
    first = max(1, int(middle - reach))
    last = min(mask.shape[1] - 1, int(middle + reach) + 1)
    columns = np.arange(first, max(last, first + 1))
    cost = mask[:, columns].astype(float) + 0.01 * np.abs(columns - middle) / max(reach, 1.0)
    total = np.full((len(cost), len(columns) + 2), np.inf)  # a column on each side is blocked
    total[:, 1:-1] = cost
    came = np.zeros(cost.shape, dtype=int)
    steps = np.empty((3, len(columns)))
    for row in range(1, len(cost)):
        above = total[row - 1]
        steps[0] = above[1:-1]
        np.add(above[:-2], 0.05, out=steps[1])
        np.add(above[2:], 0.05, out=steps[2])
        came[row] = steps.argmin(axis=0)
        total[row, 1:-1] += steps.min(axis=0)
    came = np.array([0, -1, 1])[came]
    total = total[:, 1:-1]
    at = int(total[-1].argmin())
    seam = np.zeros(len(cost), dtype=int)
    for row in range(len(cost) - 1, -1, -1):
        seam[row] = columns[at]
        at += came[row, at]
    return seam, int(mask[np.arange(len(mask)), seam].sum())


def _trimmed(mask: NDArray[np.bool_], top: int, left: int) -> Blob | None:
    """Return a mask without empty rows and columns around it."""
    found = ndimage.find_objects(mask.astype(np.int8))
    if not found:
        return None
    rows, columns = found[0]
    return Blob(mask[rows, columns], top + rows.start, left + columns.start)
