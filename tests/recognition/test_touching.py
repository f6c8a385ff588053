"""Digits that touch: seams, the pieces between them, and the choice of pieces."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from mnist_estimator import find_digits, recognize
from mnist_estimator.recognition._blob import Blob
from mnist_estimator.recognition._seams import ASIDE, find_seams, left_of, split_stacked
from mnist_estimator.recognition._touching import choose_pieces, pieces_of_line


def test_seams_cross_as_little_ink_as_possible():
    """Compare with all paths through a few columns."""
    generator = np.random.default_rng(0)
    for _ in range(20):
        mask = generator.random((5, 9)) < 0.5
        seams, ink = find_seams(mask, np.array([4.0]), 1.0)
        rows = np.arange(5)
        costs = [
            mask[rows, path].sum() + ASIDE * np.abs(np.diff(path)).sum()
            for path in itertools.product((3, 4, 5), repeat=5)
            if np.abs(np.diff(path)).max() <= 1
        ]
        assert np.abs(np.diff(seams[0])).max() <= 1
        cost = mask[rows, seams[0]].sum() + ASIDE * np.abs(np.diff(seams[0])).sum()
        assert cost == pytest.approx(min(costs), abs=0.06)  # nearness to the middle counts, too
        assert ink[0] == mask[rows, seams[0]].sum()


def test_several_seams_are_those_found_one_by_one():
    mask = np.random.default_rng(1).random((30, 60)) < 0.4
    centres = np.array([8.0, 20.0, 33.5, 55.0])
    seams, ink = find_seams(mask, centres, 4.0)
    for i in range(len(centres)):
        alone = find_seams(mask, centres[i : i + 1], 4.0)
        assert_array_equal(alone[0][0], seams[i])
        assert alone[1][0] == ink[i]
    assert (np.abs(seams - np.rint(centres)[:, None]) <= 4).all()


def test_a_scrap_beyond_a_seam_belongs_to_its_stroke():
    mask = np.zeros((20, 20), dtype=bool)
    mask[:, 12:15] = True  # a stroke ...
    mask[9:11, 8:12] = True  # ... with a bulge beyond the seam
    mask[:, 2:5] = True  # another
    left = left_of(mask, np.full(20, 10))
    assert_array_equal(left, mask & (np.arange(20) < 6))


def bars(*columns, height=40, width=60, bridge=None):
    """Return a blob of bars, with a bridge in a row between the first and the last."""
    mask = np.zeros((height, width), dtype=bool)
    for column in columns:
        mask[:, column : column + 4] = True
    if bridge is not None:
        mask[bridge : bridge + 2, columns[0] : columns[-1]] = True
    return Blob(mask, 100, 200)


def test_pieces_between_neighbouring_seams_make_up_the_blob():
    blob = bars(0, 28, 56, bridge=20)
    (pieces,) = pieces_of_line([blob], 4.0)
    assert pieces[0].part is blob
    n_seams = pieces[0].last
    steps = [piece for piece in pieces if piece.last == piece.first + 1]
    whole = np.zeros_like(blob.mask)
    for piece in steps:
        part = piece.part
        place = whole[part.top - 100 :, part.left - 200 :][: part.height, : part.width]
        assert not (place & part.mask).any()
        place |= part.mask
    if len(steps) == n_seams:  # none is too low
        assert_array_equal(whole, blob.mask)
    assert len(pieces) > 3


def test_a_blob_of_the_width_of_a_digit_is_one_piece():
    blob = bars(0, 20, width=24)
    (pieces,) = pieces_of_line([blob], 4.0)
    assert [(p.first, p.last) for p in pieces] == [(0, 1)]


def test_the_best_sequence_of_pieces_is_chosen():
    """Compare with all sequences from end to end."""
    generator = np.random.default_rng(0)
    spans = [(0, 4), *((i, j) for i in range(4) for j in range(i + 1, 5) if (i, j) != (0, 4))]
    for _ in range(30):
        scores = generator.normal(-2, 2, len(spans))
        best = max(
            ([0, *inner, 4] for n in range(4) for inner in itertools.combinations((1, 2, 3), n)),
            key=lambda nodes: sum(scores[spans.index(s)] for s in itertools.pairwise(nodes)),
        )
        chosen = [spans[i] for i in choose_pieces(spans, scores)]
        assert chosen == list(itertools.pairwise(best))


def test_a_blob_without_another_way_is_one_digit():
    assert choose_pieces([(0, 3), (0, 1), (2, 3)], np.array([-9.0, 0.0, 0.0])) == [0]


def test_digits_of_two_lines_that_touch_are_separated():
    mask = np.zeros((82, 30), dtype=bool)
    mask[:40, 5:9] = mask[42:, 15:19] = True
    mask[39:43, 8:16] = True
    parts = split_stacked(Blob(mask, 0, 0), 40.0, 4.0)
    assert len(parts) == 2
    assert all(35 <= part.height <= 47 for part in parts)
    assert parts[0].top < parts[1].top


def touching_pair(mnist, first, second, overlap):
    """Return a page with two digits of MNIST, the second of which begins before the first ends."""
    X, _ = mnist
    ink = []
    for row in (first, second):
        digit = np.kron(X[row].reshape(28, 28), np.ones((2, 2), np.uint8))
        ink.append(digit[:, digit.any(axis=0)])
    page = np.zeros((96, 240), np.uint8)
    middle = 100
    page[20:76, middle - ink[0].shape[1] : middle] = ink[0]
    right = page[20:76, middle - overlap : middle - overlap + ink[1].shape[1]]
    np.maximum(right, ink[1], out=right)
    return 255 - page


def test_pairs_that_touch_are_mostly_recognized(mnist, reader):
    y = mnist[1]
    right = []
    for first in range(0, 40, 2):
        page = touching_pair(mnist, first, first + 1, 4)
        right.append(recognize(reader, page).text == f"{y[first]}{y[first + 1]}")
    assert np.mean(right) >= 0.8


def test_without_a_classifier_shapes_decide(mnist):
    counts = [len(find_digits(touching_pair(mnist, i, i + 1, 4))) for i in range(0, 40, 2)]
    assert np.mean(np.array(counts) == 2) >= 0.8
