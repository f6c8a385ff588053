"""Removal of the borders of a form's cells, which hold one digit each."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

SMALLEST_CELL = 12
"""Minimum side of a cell, in pixels."""
STRAIGHT = 0.6
"""Minimum share of each side of a cell that lies on a straight line."""
STEEPEST = 0.27
"""Maximum slope of a side against the page: 15 degrees."""
THICKEST = 40
"""Maximum thickness of a border, in pixels..."""
THICKEST_SHARE = 0.15
"""... and relative to the shorter side of its cell."""
LEAST_PAPER = 0.4
"""Minimum share of paper in the bounding box of a cell."""
CORNER = 0.06
"""How far from the corner of a cell there is paper, relative to its sides."""
SAME_SIZE = 0.15
"""Maximum relative difference between the sides of an empty cell and of one with ink."""


DRAWN = 0.9
"""Minimum share of each side of a neighbouring cell that has ink."""
ROOM = THICKEST + 2
"""Pixels around the page, and around a cell."""


class _Side(NamedTuple):
    """The upper side of a cell, or another that was turned up: a line of `thickness`."""

    line: np.polynomial.Polynomial
    thickness: int


class _Cell(NamedTuple):
    """A cell: its place on the page, with `ROOM` around it, and its sides turned up."""

    around: tuple[slice, ...]
    sides: list[_Side]

    @property
    def middle(self) -> tuple[float, ...]:
        """Row and column of its middle."""
        return tuple((s.start + s.stop) / 2 for s in self.around)


def remove_cells(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the pixels of the borders of rectangular cells, without strokes that cross them.

    Parameters
    ----------
    mask : ndarray of shape (height, width), bool
        Where ink is.

    Returns
    -------
    ndarray of shape (height, width), bool

    Notes
    -----
    A cell is a region of paper that is closed by four straight sides and has paper in its
    corners; loops of digits are round or have three sides. It must hold ink, or be as large as
    one that does.
    """
    padded = np.pad(mask, ROOM)
    removed = np.zeros_like(padded)
    closed = ndimage.binary_closing(padded, np.ones((3, 3), dtype=bool)) | padded
    labels, _ = ndimage.label(~closed)
    cells = []
    for label, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1):
        shape = rows.stop - rows.start, columns.stop - columns.start
        if min(shape) < SMALLEST_CELL or rows.start == 0:  # paper around everything
            continue
        region = labels[rows, columns] == label
        if float(region.mean()) < LEAST_PAPER:
            continue
        around = tuple(slice(s.start - THICKEST - 2, s.stop + ROOM) for s in (rows, columns))
        found = [_upper_side(np.rot90(region, k), np.rot90(padded[around], k)) for k in range(4)]
        sides = [side for side in found if side is not None]
        if len(sides) == 4 and _has_corners(region):
            cells.append((around, shape, sides, _holds_ink(padded[rows, columns], region)))
    sizes = np.array([shape for _, shape, _, holds_ink in cells if holds_ink]).reshape(-1, 2)
    kept = [
        _Cell(around, sides)
        for around, shape, sides, _ in cells
        if (np.abs(sizes - shape) <= SAME_SIZE * sizes + 2).all(axis=1).any()
    ]
    for cell in kept + _neighbours(kept, padded):
        for k, side in enumerate(cell.sides):
            _take_out(np.rot90(removed[cell.around], k), np.rot90(padded[cell.around], k), side)
    return removed[ROOM:-ROOM, ROOM:-ROOM]


def _neighbours(cells: list[_Cell], padded: NDArray[np.bool_]) -> list[_Cell]:
    """Return cells beside those found, which digits that touch two of their sides divide."""
    found: list[_Cell] = []
    waiting = list(cells)
    middles = [cell.middle for cell in cells]
    while waiting:
        cell = waiting.pop()
        shape = np.array([s.stop - s.start - 2 * ROOM for s in cell.around])
        others = np.array(middles)
        apart = np.abs(others - cell.middle)
        pitches = [shape + [side.thickness for side in cell.sides[:2]]]
        in_row = apart[(apart[:, 0] < 0.3 * shape[0]) & (apart[:, 1] > 0.5 * shape[1]), 1]
        if len(in_row):
            pitches.append(np.array([pitches[0][0], in_row.min()]))
        steps = {(0, sign * round(float(p[1]))) for p in pitches for sign in (1, -1)}
        steps |= {(sign * round(float(pitches[0][0])), 0) for sign in (1, -1)}
        for down, across in steps:
            middle = np.add(cell.middle, (down, across))
            if (np.abs(others - middle) < 0.5 * shape).all(axis=1).any():
                continue
            around = tuple(
                slice(s.start + step, s.stop + step)
                for s, step in zip(cell.around, (down, across), strict=True)
            )
            if any(
                s.start < 0 or s.stop > length
                for s, length in zip(around, padded.shape, strict=True)
            ):
                continue
            if all(
                _is_drawn(np.rot90(padded[around], k), side) for k, side in enumerate(cell.sides)
            ):
                new = _Cell(around, cell.sides)
                found.append(new)
                waiting.append(new)
                middles.append(new.middle)
                others = np.array(middles)
    return found


def _is_drawn(around: NDArray[np.bool_], side: _Side) -> bool:
    """Tell whether there is ink along the upper side of a cell."""
    columns = np.arange(ROOM, around.shape[1] - ROOM)
    lower = np.rint(side.line(columns - ROOM)).astype(int) + ROOM
    rows = lower + 2 - np.arange(side.thickness + 5)[:, None]
    return float(around[np.clip(rows, 0, None), columns].any(axis=0).mean()) > DRAWN


def _upper_side(region: NDArray[np.bool_], around: NDArray[Any]) -> _Side | None:
    """Return the upper side of a region if it is straight and ink of little thickness."""
    columns = np.flatnonzero(region.any(axis=0))
    first = region.argmax(axis=0)[columns].astype(float)
    third = max(len(columns) // 3, 1)
    ends = [
        (np.median(columns[s]), np.median(first[s])) for s in (slice(third), slice(-third, None))
    ]
    slope = (ends[1][1] - ends[0][1]) / max(ends[1][0] - ends[0][0], 1.0)
    off = first - slope * columns
    tolerance = 1.5 + 0.01 * len(columns)
    on_line = np.abs(off - np.median(off)) <= tolerance
    if abs(slope) > STEEPEST or on_line.mean() < STRAIGHT:
        return None
    line = np.polynomial.Polynomial.fit(columns[on_line], first[on_line], 1)
    rows = np.rint(line(columns[on_line])).astype(int) + ROOM
    limit = max(2, int(min(THICKEST, THICKEST_SHARE * min(region.shape))))
    # The pixels above the line, of which the nearest may be paper still.
    above = rows - 1 - np.arange(limit + 2)[:, None]
    ink = around[np.clip(above, 0, None), columns[on_line] + ROOM]
    ink[0] |= ink[1]
    runs = np.logical_and.accumulate(ink, axis=0).sum(axis=0)
    thickness = int(np.median(runs))
    return _Side(line, thickness) if 1 <= thickness <= limit else None


def _has_corners(region: NDArray[np.bool_]) -> bool:
    """Tell whether there is paper near three corners at least of a region's bounding box.

    The corners of a cell that is turned are where its pixels are farthest out diagonally.
    """
    rows, columns = np.nonzero(region)
    height, width = region.shape
    u, v = rows / height, columns / width
    corners = 0
    for sign_u, sign_v in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
        # 1 in the corner of the box, and 0 in its middle; 0.41 at the outline of an ellipse.
        farthest = float(((sign_u * (2 * u - 1) + sign_v * (2 * v - 1)) / 2).max())
        corners += farthest > 1.0 - 2.0 * CORNER - 0.1
    return corners >= 3


def _holds_ink(ink: NDArray[np.bool_], region: NDArray[np.bool_]) -> bool:
    inside = ndimage.binary_fill_holes(region) & ink
    rows, columns = (max(1, length // 5) for length in region.shape)
    middle = ink[rows:-rows, columns:-columns]
    return int(inside.sum()) >= 9 or int(middle.sum()) >= 9


def _take_out(removed: NDArray[np.bool_], around: NDArray[np.bool_], side: _Side) -> None:
    """Mark the pixels of the upper side of a cell where no stroke crosses it."""
    thickness = side.thickness
    columns = np.arange(ROOM - thickness - 1, around.shape[1] - ROOM + thickness + 1)
    lower = np.rint(side.line(columns - ROOM)).astype(int) + ROOM
    # From two pixels inside the cell, as far out as the border goes.
    rows = lower + 1 - np.arange(thickness + 4)[:, None]
    rows = np.clip(rows, 0, len(around) - 1)
    strip = around[rows, columns]
    inside = around[np.clip(lower + 3, 0, len(around) - 1), columns]
    outside = around[np.clip(lower - thickness - 4, 0, len(around) - 1), columns]
    crossed = inside & outside
    crossed[: 2 * thickness + 4] = crossed[-2 * thickness - 4 :] = False  # corners
    removed[rows, columns] |= strip & ~crossed
