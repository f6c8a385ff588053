"""Letters and words among digits are left out, and digits are kept."""

import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.neighbors import KNeighborsClassifier

from mnist_estimator import load_mnist, recognize
from mnist_estimator.preprocessing._digit_image import as_bytes, fit_box
from mnist_estimator.recognition._digit_shape import SUREST, shapes_of
from mnist_estimator.recognition._groups import Separator
from mnist_estimator.recognition._letters import (
    BETWEEN,
    COSTS,
    FIRST,
    GAPS,
    _beside_digits,
    find_letters,
    has_digit_classes,
)

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
from handwriting.kinds import printed_word

sys.path.pop(0)

DIGIT, LIKE_BOTH, LETTER = 6.0, 1.0, -6.0


def boxes_of(gaps):
    """Return the boxes of signs of a line, 20 pixels high, with these gaps between them."""
    left = np.concatenate([[0], np.cumsum(10 + np.asarray(gaps, dtype=int))])
    return np.stack([0 * left, left, 0 * left + 20, left + 10], axis=1)


def letters_of(*groups, gap=30):
    """Return the letters of a line, given the log-odds of the signs in each of its groups."""
    numbers = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    odds = np.concatenate(groups)
    boxes = boxes_of(np.where(np.diff(numbers) > 0, gap, 1))
    return find_letters(odds, np.zeros(len(odds), int), numbers, boxes).tolist()


def test_a_word_is_left_out_as_a_whole():
    word, number = [LETTER, LIKE_BOTH, LIKE_BOTH, LETTER], [DIGIT, LIKE_BOTH, DIGIT]
    assert letters_of(word, number) == [True] * 4 + [False] * 3
    assert letters_of(number, word) == [False] * 3 + [True] * 4
    assert letters_of(number, word, number) == [False] * 3 + [True] * 4 + [False] * 3


def test_a_unit_after_a_number_is_left_out():
    assert letters_of([DIGIT, DIGIT, LETTER, LETTER]) == [False, False, True, True]


@pytest.mark.parametrize("odds", [-2.0, LIKE_BOTH, DIGIT])
def test_a_digit_alone_is_kept_unless_it_is_clearly_a_letter(odds):
    assert letters_of([odds]) == [False]
    assert letters_of([LETTER]) == [True]


def test_a_word_ends_at_a_gap_rather_than_before_it():
    odds = np.array([LETTER, LETTER, LETTER, -1.0, DIGIT, DIGIT])
    places = np.zeros(6, int), np.zeros(6, int)
    found = find_letters(odds, *places, boxes_of([2, 2, 16, 2, 2]))
    assert found.tolist() == [True] * 3 + [False] * 3
    found = find_letters(odds, *places, boxes_of([2, 2, 2, 2, 2]))
    assert found.tolist() == [True] * 4 + [False] * 2


def test_one_strange_digit_of_a_number_is_kept():
    assert not any(letters_of([DIGIT, -3.0, DIGIT, DIGIT]))


def test_lines_are_independent():
    odds = np.array([LETTER, LETTER, LIKE_BOTH, LIKE_BOTH])
    numbers = np.array([0, 0, 1, 1])
    found = find_letters(odds, numbers, numbers, boxes_of([1, 1, 1]))
    assert found.tolist() == [True, True, False, False]


def test_the_most_probable_sequence_is_found():
    """Compare with all sequences of two states."""
    generator = np.random.default_rng(0)
    for _ in range(50):
        n = int(generator.integers(1, 7))
        odds, groups = generator.normal(0, 6, n), np.sort(generator.integers(0, 3, n))
        gaps = generator.integers(0, 12, n - 1)
        best, least = None, np.inf
        for number in range(2**n):
            states = np.array([number >> i & 1 for i in range(n)])
            changes = states[1:] != states[:-1]
            cost = FIRST * states[0] + odds[states == 1].sum()
            wider = gaps / 20 - (np.median(gaps) / 20 if n > 1 else 0)
            within = np.interp(wider, GAPS, COSTS)
            between = np.minimum(within, BETWEEN)
            cost += np.where(groups[1:] == groups[:-1], within, between)[changes].sum()
            if cost < least:
                best, least = states, cost
        found = find_letters(odds, np.zeros(n, int), groups, boxes_of(gaps))
        assert_array_equal(found, best == 1)


def test_separators_between_letters_go_and_others_are_counted_among_digits():
    letters = np.array([True, True, False, False])
    groups = np.array([0, 0, 1, 1])
    marks = [Separator(":", (0, 0, 1, 1), 0, 0, 2), Separator(".", (0, 0, 1, 1), 0, 1, 3)]
    kept = _beside_digits(marks, letters, groups)
    assert [(mark.character, mark.position) for mark in kept] == [(".", 1)]


def test_only_classes_of_digits_have_letters_beside_them():
    assert has_digit_classes(np.arange(10))
    assert has_digit_classes(list("0123456789"))
    assert not has_digit_classes(["low", "high"])
    assert not has_digit_classes(np.arange(9))
    assert not has_digit_classes(None)


def test_shapes_of_mnist_are_digits():
    X, _ = load_mnist("test", return_X_y=True)
    shapes = shapes_of(X.reshape(-1, 28, 28)[:2000])
    assert np.mean(shapes.digit_odds > -3.0) > 0.99
    assert np.median(shapes.digit_odds) > 5.0
    assert np.mean(shapes.sign_odds > -1.0) > 0.98


def test_halves_and_pairs_of_digits_are_no_signs():
    X, y = load_mnist("test", return_X_y=True)
    images = X.reshape(-1, 28, 28)[:400]
    wide = [np.hstack([a[:, 4:24], b[:, 4:24]]) for a, b in zip(images, images[::-1], strict=True)]
    pairs = np.array([as_bytes(fit_box(pair / 255.0)) for pair in wide])
    zeros = images[y[:400] == 0]
    halves = np.array([as_bytes(fit_box(zero[:, :14] / 255.0)) for zero in zeros])
    for parts in (pairs, halves):
        assert np.mean(shapes_of(parts).sign_odds < 0.0) > 0.7


def test_a_shape_is_what_it_is_in_any_batch():
    X, _ = load_mnist("test", return_X_y=True)
    images = X.reshape(-1, 28, 28)[:1100]
    shapes = shapes_of(images)
    assert_allclose(shapes_of(images[-3:]).digit_odds, shapes.digit_odds[-3:], atol=1e-3)
    for odds in (shapes.digit_odds, shapes.sign_odds):
        assert odds.shape == (1100,)
        assert np.abs(odds).max() <= SUREST
    assert shapes_of(images[:0]).sign_odds.shape == (0,)
    assert np.isfinite(shapes_of(np.zeros((1, 28, 28), np.uint8)).digit_odds).all()


def page_with(word, mnist, rows):
    """Return a page with a printed word before digits of MNIST."""
    X, y = mnist
    printed = printed_word(word, 40, np.random.default_rng(0))
    page = np.zeros((140, 1000), np.float32)
    page[90 - len(printed) : 90, 20 : 20 + printed.shape[1]] = printed
    for i, row in enumerate(rows):
        left = printed.shape[1] + 60 + 60 * i
        digit = np.kron(X[row].reshape(28, 28), np.ones((2, 2))) / 255
        page[40:96, left : left + 56] = np.maximum(page[40:96, left : left + 56], digit)
    return np.rint(255 * (1 - page)).astype(np.uint8), "".join(map(str, y[rows]))


def test_a_printed_word_before_a_number_is_left_out(mnist, reader):
    page, number = page_with("Name:", mnist, [0, 1, 2])
    found = recognize(reader, page)
    assert found.text == number
    assert found.n_letters >= 4
    assert (found.lines.tolist(), found.groups.tolist()) == ([0] * 3, [0] * 3)
    both = recognize(reader, page, drop_letters=False)
    assert len(both) == found.n_letters + 3
    assert both.n_letters == 0


def test_a_page_of_words_has_no_digits(mnist, reader):
    found = recognize(reader, page_with("Kamera Turm", mnist, [])[0])
    assert (found.text, len(found)) == ("", 0)
    assert found.n_letters > 5


def test_letters_are_kept_for_a_classifier_of_other_classes(mnist):
    X, y = mnist
    of_parity = KNeighborsClassifier(1).fit(X, np.where(y % 2, "odd", "even"))
    page, _ = page_with("Name", mnist, [0, 1])
    found = recognize(of_parity, page)
    assert found.n_letters == 0
    assert len(found) >= 6


@pytest.mark.parametrize("value", ["yes", 1, None])
def test_drop_letters_must_be_true_or_false(value, mnist, reader):
    with pytest.raises(TypeError, match="drop_letters must be True or False; got"):
        recognize(reader, page_with("Name", mnist, [0])[0], drop_letters=value)
