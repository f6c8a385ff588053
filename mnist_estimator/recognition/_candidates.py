"""Candidates for the digits of a page, and the choice of those that are."""

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..preprocessing._digit_image import SIDE, as_bytes
from ._binarization import Ink
from ._digit_shape import Shapes, shapes_of
from ._groups import Separator
from ._segmentation import render_blob, segment_digits
from ._touching import choose_pieces

LEAST = 1e-6
"""Confidences count as this at least."""
LETTER = 4.0
"""Log-odds against a letter, as most pages have digits only."""


class Place(NamedTuple):
    """Where a candidate is on the page."""

    blob: int
    """Position of its blob of ink, in reading order. Its candidates follow one another."""
    line: int
    """Line of text, from 0 at the top."""
    first: int
    last: int
    """The seams of the blob that it lies between."""
    prior: float
    """Log-odds that it is one digit, by its width."""


class Candidates(NamedTuple):
    """What may be the digits of a page: all pieces of each blob of ink."""

    images: NDArray[np.uint8]
    """Of shape (n, 28, 28): in MNIST's format."""
    boxes: NDArray[np.int64]
    """Of shape (n, 4): first row and column on the page, and those after the last."""
    places: list[Place]
    """In reading order."""
    shapes: Shapes
    """What the candidates are, by their shapes."""
    separators: Sequence[Separator] = ()
    """Marks between digits."""

    def choose(
        self, confidences: NDArray[np.floating] | None = None, *, by_shape: bool = True
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Choose the pieces of each blob.

        Parameters
        ----------
        confidences : ndarray of shape (n,), default=None
            Of a classifier in each candidate.
        by_shape : bool, default=True
            Whether their shapes count, as they do where there are no confidences.

        Returns
        -------
        chosen : ndarray of shape (n_digits,), int64
            Positions of the chosen candidates, in reading order: of each blob the most probable
            sequence of pieces.
        lines : ndarray of shape (n_digits,), int64
            The line of text of each.
        """
        scores = np.array([place.prior for place in self.places])
        digit = np.zeros(len(scores))
        if confidences is not None:
            digit = np.log(np.maximum(confidences, LEAST))
        if by_shape or confidences is None:
            digit = np.logaddexp(digit + self.shapes.digit, self.shapes.letter - LETTER)
        scores = scores + digit
        chosen: list[int] = []
        for _, group in groupby(range(len(self.places)), lambda i: self.places[i].blob):
            own = list(group)
            spans = [self.places[i][2:4] for i in own]
            chosen += [own[i] for i in choose_pieces(spans, scores[own])]
        lines = [self.places[i].line for i in chosen]
        return np.array(chosen, dtype=np.int64), np.array(lines, dtype=np.int64)


def find_candidates(ink: Ink) -> Candidates:
    """Find what may be digits in the ink of a page.

    Parameters
    ----------
    ink : Ink
        Without ruled lines.

    Returns
    -------
    Candidates
    """
    parts, places, separators, n_blobs = [], [], [], 0
    for row, line in enumerate(segment_digits(ink)):
        for mark in line.marks:
            box = np.array([mark.blob.top, mark.blob.left, mark.blob.bottom, mark.blob.right])
            corners = np.rint(box * ink.scale).astype(int).tolist()
            separators.append(Separator(mark.character, tuple(corners), row))
        for pieces in line.pieces:
            for piece in pieces:
                parts.append(piece.part)
                places.append(Place(n_blobs, row, piece.first, piece.last, piece.prior))
            n_blobs += 1
    boxes = np.array([(part.top, part.left, part.bottom, part.right) for part in parts])
    images = np.array([as_bytes(render_blob(part, ink)) for part in parts], dtype=np.uint8)
    images = images.reshape(-1, SIDE, SIDE)
    return Candidates(
        images,
        np.rint(boxes.reshape(-1, 4) * ink.scale).astype(np.int64),
        places,
        shapes_of(images),
        separators,
    )
