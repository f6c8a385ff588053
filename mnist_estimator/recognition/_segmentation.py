"""Ink on a page taken apart into digits, in reading order."""

import functools
import heapq
import warnings
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import KDTree
from scipy.spatial.distance import cdist

from ..preprocessing._digit_normalizer import fit_box
from ._binarization import Ink, weighted_median

MOST_PARTS = 10_000
"""Connected parts of the ink of a page, at most: printed A4 text in 11 points has 4,500."""
SMALLEST = 6
"""Pixels that a digit is high, at least."""
SPECK = 0.4
"""Of the usual height; what is lower is a dot, a comma or a dash if it belongs to nothing."""
PART = 0.6
"""Of the usual height; what is smaller is joined to what it is near to."""
NEAR = 0.2
"""Of the usual height; parts that are that far from each other may be one digit."""
TALLEST, WIDEST = 1.5, 1.25
"""Of the usual height; joined parts become no higher and no wider."""
STAIN, LONG = 3.5, 0.3
"""What is that many times thicker than the usual stroke is none; nor is what runs along the
picture's edge for that share of it."""
FAINT = 0.25
"""Of the usual darkness; what is lighter shines through, or is a stain."""

WIDE, PERHAPS_WIDE, USUAL_WIDTH = 1.2, 0.85, 0.68
"""In heights: what is wider is taken for several digits; may be several, if the classifier says
so; and how wide one is."""
MOST_CUT = 1.7
"""In strokes: where no classifier is asked, a cut goes through no more ink."""
MOST_DISTANCES = 1_000_000
"""Between pixels of two outlines, computed one by one."""

Scorer = Callable[[Sequence[Sequence[NDArray[np.float32]]]], list[float]]
"""Takes ways to cut a blot into images, and tells how good each is, from 0 to 1."""


@dataclass
class Blot:
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
        return self.mask.shape[0]

    @property
    def width(self) -> int:
        """Columns."""
        return self.mask.shape[1]

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
        return np.argwhere(self.mask & ~inner) + np.array([self.top, self.left])


def find_digits(ink: Ink, score: Scorer | None = None) -> list[list[Blot]]:
    """Find the digits on a page.

    Parameters
    ----------
    ink : Ink
        Without ruled lines.
    score : callable, default=None
        Tells how good each of several ways to cut a wide blot is. None goes by the
        width, and the ink that is cut through.

    Returns
    -------
    list of list of Blot
        The lines from top to bottom, in each the digits from left to right.
    """
    blots = _connected(ink.mask)
    if len(blots) > MOST_PARTS:
        warnings.warn(
            f"The picture has {len(blots):,} separate marks, more than the {MOST_PARTS:,} that a "
            "page of digits may have, so no digits are returned. It may be a texture, a halftone "
            "print or small text: cut out the part with the digits, or blur the picture.",
            UserWarning,
            stacklevel=4,
        )
        return []
    blots = _without_stains(blots, ink.mask.shape)
    if not blots:
        return []
    heights = np.array([blot.height for blot in blots])
    usual = weighted_median(heights, np.array([blot.mask.sum() for blot in blots]))
    blots = _joined(blots, usual)
    blots = [blot for blot in blots if max(blot.height, blot.width) >= SPECK * usual]
    blots = [part for blot in blots for part in _split_stacked(blot, usual, ink.stroke)]
    blots = [blot for blot in blots if blot.height >= max(SPECK * usual, SMALLEST)]
    blots = _drawn_like_the_rest(blots, ink)
    lines = _in_lines(blots)
    return [_split_touching(line, ink, score) for line in lines]


def draw(blot: Blot, ink: Ink) -> NDArray[np.float32]:
    """Draw a blot in MNIST's format.

    Parameters
    ----------
    blot : Blot
        What to draw.
    ink : Ink
        Of its page.

    Returns
    -------
    ndarray of shape (28, 28), float32
        From 0 to 1.
    """
    room = 1 + round(ink.stroke / 3)
    top, left = max(0, blot.top - room), max(0, blot.left - room)
    amount = ink.amount[top : blot.bottom + room, left : blot.right + room]
    own = np.zeros(amount.shape, dtype=bool)
    own[blot.top - top :, blot.left - left :][: blot.height, : blot.width] = blot.mask
    others = ink.mask[top : blot.bottom + room, left : blot.right + room] & ~own
    near = ndimage.maximum_filter(own, 2 * room + 1, mode="constant") & ~others
    full = float(np.percentile(amount[own], 75.0))
    floor = min(3.0 * ink.noise, 0.3 * full)
    return fit_box(np.where(near, np.clip((amount - floor) / (full - floor), 0.0, 1.0), 0.0))


def _connected(mask: NDArray[np.bool_]) -> list[Blot]:
    """Return the connected parts of the ink, without single pixels."""
    labels, n_labels = ndimage.label(mask, structure=np.ones((3, 3)))
    areas = np.bincount(labels.ravel(), minlength=n_labels + 1)
    return [
        Blot(labels[place] == label, place[0].start, place[1].start)
        for label, place in enumerate(ndimage.find_objects(labels), start=1)
        if areas[label] > 3
    ]


def _without_stains(blots: list[Blot], shape: tuple[int, ...]) -> list[Blot]:
    """Leave out what no pen draws: the table beside the page, a frame, a stain, a shadow."""
    height, width = shape

    def at_edge(blot: Blot) -> bool:
        return min(blot.top, blot.left, height - blot.bottom, width - blot.right) == 0

    inner = [blot for blot in blots if not at_edge(blot)]
    if not inner:
        return blots
    widths = np.array([blot.thickness for blot in inner])
    areas = np.array([blot.mask.sum() for blot in inner])
    usual = weighted_median(widths, areas)

    def is_stain(blot: Blot) -> bool:
        long = blot.height > LONG * height or blot.width > LONG * width
        if long and (at_edge(blot) or float(blot.mask.mean()) < 0.1):
            return True
        return blot.thickness > STAIN * usual

    return [blot for blot in blots if not is_stain(blot)]


def _joined(blots: list[Blot], usual: float) -> list[Blot]:
    """Join parts of broken strokes: small ones to what is next to them, the nearest first."""
    blots = [blot for blot in blots if max(blot.height, blot.width) >= 0.1 * usual]
    boxes = np.empty((2 * len(blots), 4))  # of unions, too, which come in at the end
    boxes[: len(blots)] = [(b.top, b.left, b.bottom, b.right) for b in blots]
    is_there = np.arange(len(boxes)) < len(blots)
    order = sorted(range(len(blots)), key=lambda number: blots[number].left)
    lefts = [blots[number].left for number in order]
    reach = WIDEST * usual
    pairs: list[tuple[float, int, int]] = []

    def add_pairs(number: int) -> None:
        """Note how near a blot is to those before it with which it may be joined."""
        left = blots[number].left
        near = slice(bisect_left(lefts, left - reach), bisect_right(lefts, left + reach))
        others = np.array(order[near])
        others = others[(others < number) & is_there[others]]
        for other in others[_may_join(boxes[number], boxes[others], usual)].tolist():
            distance = _distance(blots[other], blots[number])
            if distance < NEAR * usual:
                heapq.heappush(pairs, (distance, other, number))

    for number in range(len(blots)):
        add_pairs(number)
    while pairs:
        _, *pair = heapq.heappop(pairs)
        if is_there[pair].all():
            number, union = len(blots), _union(*(blots[part] for part in pair))
            blots.append(union)
            boxes[number] = union.top, union.left, union.bottom, union.right
            is_there[pair], is_there[number] = False, True
            place = bisect_right(lefts, union.left)
            order.insert(place, number)
            lefts.insert(place, union.left)
            add_pairs(number)
    return [blots[number] for number in np.flatnonzero(is_there)]


def _may_join(
    box: NDArray[np.floating], others: NDArray[np.floating], usual: float
) -> NDArray[np.bool_]:
    """Return which other blots may belong to one, by their boxes."""
    sizes, other_sizes = box[2:] - box[:2], others[:, 2:] - others[:, :2]
    high, wide = (np.maximum(others[:, 2:], box[2:]) - np.minimum(others[:, :2], box[:2])).T
    apart = np.maximum(others[:, :2], box[:2]) - np.minimum(others[:, 2:], box[2:])
    lower, narrower = np.minimum(other_sizes, sizes).T
    over_each_other = -apart[:, 1] >= 0.5 * narrower
    may = (np.maximum(lower, narrower) < PART * usual) | over_each_other
    may &= (high <= TALLEST * usual) & (wide <= WIDEST * usual)
    return may & (apart.max(axis=1) <= NEAR * usual)


def _distance(first: Blot, second: Blot) -> float:
    """Return how many pixels are between the ink of two blots."""
    if len(first.outline) * len(second.outline) > MOST_DISTANCES:
        return float(KDTree(first.outline).query(second.outline)[0].min())
    return float(cdist(first.outline, second.outline).min())


def _union(first: Blot, second: Blot) -> Blot:
    """Return two blots as one."""
    top, left = min(first.top, second.top), min(first.left, second.left)
    bottom, right = max(first.bottom, second.bottom), max(first.right, second.right)
    mask = np.zeros((bottom - top, right - left), dtype=bool)
    for blot in (first, second):
        part = mask[blot.top - top :, blot.left - left :][: blot.height, : blot.width]
        part |= blot.mask
    return Blot(mask, top, left)


def _drawn_like_the_rest(blots: list[Blot], ink: Ink) -> list[Blot]:
    """Leave out what is much lighter than the rest, or lighter and thicker: shadows."""
    if not blots:
        return []
    dark = np.array([np.percentile(_cut(ink.amount, blot)[blot.mask], 75.0) for blot in blots])
    wide = np.array([blot.thickness for blot in blots])
    faint = dark / np.median(dark)
    shadow = (faint < 0.6) & (wide > 2.0 * np.median(wide))
    return [blot for blot, out in zip(blots, (faint < FAINT) | shadow, strict=True) if not out]


def _cut(image: NDArray[np.floating], blot: Blot) -> NDArray[np.floating]:
    """Return the part of a page where a blot lies."""
    return image[blot.top : blot.bottom, blot.left : blot.right]


def _in_lines(blots: list[Blot]) -> list[list[Blot]]:
    """Group blots into lines of text, which may go up or down a little."""
    lines: list[list[Blot]] = []
    limits = np.empty((2, len(blots)))  # of the last blots of each line
    for blot in sorted(blots, key=lambda blot: blot.middle[1]):
        tops, bottoms = limits[:, : len(lines)]
        common = np.minimum(bottoms, blot.bottom) - np.maximum(tops, blot.top)
        share = common / np.minimum(bottoms - tops, blot.height)
        number = int(share.argmax()) if len(lines) else 0
        if number == len(lines) or share[number] <= 0.4:
            number = len(lines)
            lines.append([])
        lines[number].append(blot)
        # The neighbours to the left say where the line goes.
        last = lines[number][-3:]
        limits[:, number] = np.median([(other.top, other.bottom) for other in last], axis=0)
    slopes = [_slope(line) for line in lines if len(line) > 2]
    slope = float(np.median(slopes)) if slopes else 0.0
    return sorted(
        lines, key=lambda line: float(np.mean([b.middle[0] - slope * b.middle[1] for b in line]))
    )


def _slope(line: list[Blot]) -> float:
    """Return how many rows a line goes down from one column to the next."""
    rows, columns = np.array([blot.middle for blot in line]).T
    return float(np.polynomial.Polynomial.fit(columns, rows, 1).deriv()(0.0))


def _split_stacked(blot: Blot, usual: float, stroke: float) -> list[Blot]:
    """Cut digits apart that touch the ones of the line below."""
    if blot.height < 1.7 * usual or blot.height > 6 * usual:
        return [blot]
    turned = Blot(blot.mask.T, blot.left, blot.top)
    parts = _cut_into(turned, round(blot.height / usual), 2.5 * stroke)
    return [Blot(part.mask.T, part.left, part.top) for part in parts]


def _split_touching(line: list[Blot], ink: Ink, score: Scorer | None) -> list[Blot]:
    """Cut digits apart that touch each other."""
    height = float(np.median([blot.height for blot in line]))
    digits = []
    for blot in line:
        wide = blot.width > WIDE * min(height, WIDE * blot.height)
        if wide or (score is not None and blot.width > PERHAPS_WIDE * height):
            digits.extend(_best_cut(blot, height, ink, score, wide))
        else:
            digits.append(blot)
    return digits


def _best_cut(blot: Blot, height: float, ink: Ink, score: Scorer | None, wide: bool) -> list[Blot]:
    """Return a blot in parts, or whole if that is better."""
    likely = max(2, round(blot.width / (USUAL_WIDTH * height)))
    most_ink = MOST_CUT * ink.stroke if score is None else np.inf
    numbers = {2} if not wide else {likely} if score is None else {2, likely, likely + 1}
    ways = [[blot]]
    for n_parts in sorted(numbers):
        parts = _cut_into(blot, n_parts, most_ink)
        if len(parts) > 1 and min(part.height for part in parts) >= PART * blot.height:
            ways.append(parts)
    if score is None or len(ways) == 1:
        return ways[-1]
    scores = score([[draw(part, ink) for part in parts] for parts in ways])
    scores[0] += 0.02 if wide else 0.3  # a digit of usual width is seldom two
    return ways[int(np.argmax(scores))]


def _cut_into(blot: Blot, n_parts: int, most_ink: float) -> list[Blot]:
    """Cut a blot from top to bottom where there is least ink; not through too much of it."""
    limits = []
    rows = np.arange(blot.height)
    for i in range(1, n_parts):
        seam, crossed = _seam(blot.mask, blot.width * i / n_parts, 0.3 * blot.width / n_parts)
        if crossed <= most_ink:
            limits.append(seam)
    columns = np.arange(blot.width)
    sections = sum((columns >= seam[rows, np.newaxis] for seam in limits), np.zeros(1, dtype=int))
    parts = []
    for section in range(len(limits) + 1):
        part = _trimmed(blot.mask & (sections == section), blot.top, blot.left)
        if part is not None:
            parts.append(part)
    return parts


def _seam(mask: NDArray[np.bool_], middle: float, reach: float) -> tuple[NDArray[np.int_], int]:
    """Return the way from top to bottom through least ink, and how many pixels of ink it crosses.

    By dynamic programming; a step goes down, straight or to either side.
    """
    first = max(1, int(middle - reach))
    last = min(mask.shape[1] - 1, int(middle + reach) + 1)
    columns = np.arange(first, max(last, first + 1))
    cost = mask[:, columns].astype(float) + 0.01 * np.abs(columns - middle) / max(reach, 1.0)
    total = np.full((len(cost), len(columns) + 2), np.inf)  # a column on each side is no way
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


def _trimmed(mask: NDArray[np.bool_], top: int, left: int) -> Blot | None:
    """Return a mask without empty rows and columns around it."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    inner = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return Blot(inner, top + int(rows[0]), left + int(columns[0]))
