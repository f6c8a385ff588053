"""Pages that lie on their side or upside down: turned, and found to be so."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._binarization import Ink

CLEAR = 0.1
"""..."""
ROTATIONS = (0, 90, 180, 270)
"""Degrees by which a page may be turned clockwise."""


def turn(image: NDArray[Any], rotation: int) -> NDArray[Any]:
    """Return an image turned clockwise by a multiple of 90 degrees."""
    return np.ascontiguousarray(np.rot90(image, -(rotation // 90)))


def turn_ink(ink: Ink, rotation: int) -> Ink:
    """Return the ink of a page that is turned clockwise."""
    if rotation == 0:
        return ink
    arrays: dict[str, Any] = {
        field.name: turn(value, rotation)
        for field in dataclasses.fields(ink)
        if isinstance(value := getattr(ink, field.name), np.ndarray)
    }
    return dataclasses.replace(ink, **arrays)


def turn_boxes_back(
    boxes: NDArray[np.int64], rotation: int, shape: tuple[int, ...]
) -> NDArray[np.int64]:
    """Return boxes on a turned page as boxes on the page as it was.

    Parameters
    ----------
    boxes : ndarray of shape (n, 4), int64
        First row and column, and those after the last, on the page turned clockwise.
    rotation : {0, 90, 180, 270}
        Degrees by which it was turned.
    shape : tuple of int, (height, width, ...)
        Of the page before it was turned.

    Returns
    -------
    ndarray of shape (n, 4), int64
    """
    height, width = shape[:2]
    top, left, bottom, right = np.asarray(boxes).reshape(-1, 4).T
    if rotation == 90:
        sides = height - right, top, height - left, bottom
    elif rotation == 180:
        sides = height - bottom, width - right, height - top, width - left
    elif rotation == 270:
        sides = left, width - bottom, right, width - top
    else:
        sides = top, left, bottom, right
    return np.stack(sides, axis=1)


def choose_rotation(confidences: Sequence[NDArray[np.floating] | None]) -> tuple[int, bool]:
    """Choose the rotation in which a classifier is clearly most confident.

    Parameters
    ----------
    confidences : sequence of ndarray
        For each rotation, the first of which leaves the page as it is: the confidence in each
        digit. None without probabilities.

    Returns
    -------
    number : int
        Position of the rotation; 0 if none is clearly the best.
    is_sure : bool
        Whether it is; True for a page without digits.
    """
    if not any(part is not None and len(part) for part in confidences):
        return 0, confidences[0] is not None
    scores = np.array([_score(part) for part in confidences])
    best, second = np.argsort(-scores, kind="stable")[:2]
    if scores[best] - scores[second] < CLEAR:
        return 0, False
    return int(best), True


def _score(confidences: NDArray[np.floating] | None) -> float:
    """Return the mean logarithm of the confidences."""
    if confidences is None or not len(confidences):
        return -np.inf
    return float(np.log(np.maximum(confidences, 1e-6)).mean())
