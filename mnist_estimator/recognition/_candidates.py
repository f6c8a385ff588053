"""Candidates for the digits of a page, of which a classifier chooses."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..preprocessing._digit_image import SIDE, as_bytes
from ._binarization import Ink
from ._blob import Blob
from ._groups import Separator
from ._segmentation import render_blob, segment_digits


class Choice(NamedTuple):
    """A way to cut a blob of ink, as a range of candidates."""

    blob: int
    """Position of the blob on the page, in reading order. Its choices follow one another."""
    line: int
    """Line of text, from 0 at the top."""
    start: int
    stop: int
    """The candidates from `start` up to `stop`, from left to right."""
    prior: float
    """Added to the lowest confidence of its candidates."""


class Candidates(NamedTuple):
    """What may be the digits of a page: the parts of all ways to cut each blob of ink."""

    images: NDArray[np.uint8]
    """Of shape (n, 28, 28): in MNIST's format."""
    boxes: NDArray[np.int64]
    """Of shape (n, 4): first row and column on the page, and those after the last."""
    choices: list[Choice]
    """In reading order."""
    separators: Sequence[Separator] = ()
    """Marks between digits."""

    def choose(
        self, confidences: NDArray[np.floating] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Choose how each blob is cut.

        Parameters
        ----------
        confidences : ndarray of shape (n,), or None
            Of a classifier in each candidate. None where each blob has one choice.

        Returns
        -------
        chosen : ndarray of shape (n_digits,), int64
            Positions of the chosen candidates, in reading order. Of several ways to cut a blob
            the one whose least confident part has the highest confidence is chosen.
        lines : ndarray of shape (n_digits,), int64
            The line of text of each.
        """
        best: dict[int, tuple[float, Choice]] = {}
        for choice in self.choices:
            lowest = 0.0
            if confidences is not None:
                lowest = float(confidences[choice.start : choice.stop].min())
            score = lowest + choice.prior
            if choice.blob not in best or score > best[choice.blob][0]:
                best[choice.blob] = score, choice
        chosen = [choice for _, choice in best.values()]
        positions = [
            (i, choice.line) for choice in chosen for i in range(choice.start, choice.stop)
        ]
        numbers, lines = np.array(positions, dtype=np.int64).reshape(-1, 2).T
        return numbers, lines


def find_candidates(ink: Ink, *, with_classifier: bool) -> Candidates:
    """Find what may be digits in the ink of a page.

    Parameters
    ----------
    ink : Ink
        Without ruled lines.
    with_classifier : bool
        Whether a classifier will choose between ways to cut digits that touch. Otherwise there
        is one choice for each blob.

    Returns
    -------
    Candidates
    """
    parts: list[Blob] = []
    choices: list[Choice] = []
    separators: list[Separator] = []
    n_blobs = 0
    for row, line in enumerate(segment_digits(ink, with_classifier=with_classifier)):
        for mark in line.marks:
            box = np.array([mark.blob.top, mark.blob.left, mark.blob.bottom, mark.blob.right])
            place = np.rint(box * ink.scale).astype(int).tolist()
            separators.append(Separator(mark.character, tuple(place), row))
        for cuts in line.cuts:
            for cut in cuts:
                start = len(parts)
                parts += cut.parts
                choices.append(Choice(n_blobs, row, start, len(parts), cut.prior))
            n_blobs += 1
    boxes = np.array([(part.top, part.left, part.bottom, part.right) for part in parts])
    images = [as_bytes(render_blob(part, ink)) for part in parts]
    return Candidates(
        np.array(images, dtype=np.uint8).reshape(-1, SIDE, SIDE),
        np.rint(boxes.reshape(-1, 4) * ink.scale).astype(np.int64),
        choices,
        separators,
    )
