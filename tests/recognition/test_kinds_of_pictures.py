"""Digits found in pictures of every kind that examples/handwriting/kinds.py draws."""

import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from mnist_estimator import find_digits
from mnist_estimator.recognition._binarization import find_ink
from mnist_estimator.recognition._blob import Blob
from mnist_estimator.recognition._candidates import find_candidates
from mnist_estimator.recognition._find_digits import find_page_ink
from mnist_estimator.recognition._form_cells import remove_cells
from mnist_estimator.recognition._open_image import page_to_grey
from mnist_estimator.recognition._polarity import find_polarity
from mnist_estimator.recognition._ruled_lines import remove_ruled_lines
from mnist_estimator.recognition._segmentation import _marks_of_lines
from mnist_estimator.recognition._separators import Mark

pytest.importorskip("skimage")  # with which the example draws thin pens

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
from handwriting.kinds import draw

sys.path.pop(0)

KINDS = [
    "plain",
    "form cells, adjacent",
    "form cells, apart",
    "comb fields",
    "ticks under digits",
    "level ones and dots",
    "ruled and squared paper",
    "thin pens",
    "small digits",
    "tight crops",
    "filled to the edge",
    "28×28, small digit",
    "crossed seven",
    "edges, shadows, staples",
    "colours",
    "blackboard",
    "slanted lines",
    "tilted pages",
    "curved lines",
]

# Pictures without a digit so wide that only a classifier knows it for one. (That with seed 0 of the
# kind "plain" is cut in two even with one: docs/pictures.md says how often that happens.)
SEEDS = {("plain", "mnist"): 1, ("form cells, apart", "mnist"): 1, ("small digits", "mnist"): 2}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("source", ["strokes", "mnist"])
def test_every_digit_of_every_line_is_found(kind, source):
    picture, lines = draw(kind, source, SEEDS.get((kind, source), 0))
    found = find_digits(picture)
    assert np.bincount(found.lines).tolist() == [len(line) for line in lines]


def rectangle(page, top, left, height, width, thickness=2):
    """Draw the border of a rectangle."""
    page[top : top + height, left : left + width] = True
    page[
        top + thickness : top + height - thickness, left + thickness : left + width - thickness
    ] = False


def test_borders_of_cells_are_removed_and_loops_stay():
    page = np.zeros((120, 300), dtype=bool)
    rectangle(page, 20, 20, 80, 60)
    rectangle(page, 20, 78, 80, 60)
    borders = page.copy()
    page[40:80, 45:50] = page[40:80, 105:110] = True
    down, across = np.mgrid[:120, :300]
    off = np.hypot((down - 60) / 1.5, across - 220)
    page |= (off > 20) & (off < 24)  # a zero
    removed = remove_cells(page)
    assert_array_equal(removed, borders)


def test_empty_rectangle_alone_is_no_cell():
    page = np.zeros((120, 120), dtype=bool)
    rectangle(page, 20, 20, 80, 60)
    assert not remove_cells(page).any()


def test_a_divided_cell_is_removed_beside_others():
    page = np.zeros((120, 320), dtype=bool)
    for left in (20, 78, 136, 194):
        rectangle(page, 20, left, 80, 60)
    borders = page.copy()
    for left in (48, 106, 222):
        page[40:80, left : left + 5] = True
    page[58:62, 137:195] = True  # a bar from side to side
    assert remove_cells(page)[borders].mean() > 0.95


@pytest.mark.parametrize("ink", [0.1, 0.9])
def test_polarity_of_a_crop_is_decided_by_its_border(ink):
    crop = np.full((60, 40), 1.0 - ink)
    crop[4:56, 8:32] = ink
    crop[20:40, 19:21] = 1.0 - ink  # a thick zero
    assert find_polarity(crop).light_on_dark == (ink > 0.5)


@pytest.mark.parametrize("colour", [(255, 235, 20), (40, 220, 240), (250, 150, 170)])
def test_pale_colours_are_found_beside_black(colour):
    page = np.full((100, 200, 3), 255, dtype=np.uint8)
    page[30:70, 50:56] = 0
    page[30:70, 120:126] = colour
    assert find_digits(page).boxes.tolist() == [[30, 50, 70, 56], [30, 120, 70, 126]]


def test_colour_is_lighter_than_a_dark_background():
    page = np.full((20, 20, 3), 30, dtype=np.uint8)
    page[5:15, 5:8] = (60, 60, 220)
    grey = page_to_grey(page)
    assert grey[10, 6] > 3 * grey[0, 0]


def test_level_feet_are_no_ruled_line_and_a_rule_is():
    page = np.zeros((120, 600), dtype=bool)
    for left in range(60, 540, 70):
        page[40:90, left + 20 : left + 25] = True
        page[86:90, left : left + 45] = True  # feet, level with one another
    assert not remove_ruled_lines(page, 4.0)[1].any()
    page[100:102] = True
    left, removed = remove_ruled_lines(page, 4.0)
    assert removed[100:102].all()
    assert not left[100:102].any()


def test_a_steep_stroke_is_no_ruled_line():
    page = np.zeros((400, 400), dtype=bool)
    rows = np.arange(50, 350)
    for offset in range(24):
        page[rows, rows // 2 + 60 + offset] = True
    assert not remove_ruled_lines(page, 20.0)[1].any()


def separators_in(text, source="strokes"):
    """Return the separators found in the first drawn picture that holds the characters."""
    for seed in range(60):
        picture, lines = draw("separators and gaps", source, seed)
        if text in lines[0]:
            found = find_candidates(find_page_ink(picture))
            marks = sorted(found.separators, key=lambda mark: mark.box[1])
            return "".join(mark.character for mark in marks), lines[0], len(found.images)
    raise AssertionError(f"No picture holds {text!r}.")


@pytest.mark.parametrize("character", [".", ",", ":", "+"])
def test_separators_are_found_and_are_no_digits(character):
    marks, line, n_digits = separators_in(character)
    assert marks == "".join(c for c in line if not c.isdigit())
    assert n_digits == sum(c.isdigit() for c in line)


@pytest.mark.parametrize(("top", "bottom", "is_slash"), [(20, 70, True), (28, 62, False)])
def test_a_leaning_line_is_a_slash_if_it_is_longer_than_its_neighbours(top, bottom, is_slash):
    page = np.full((90, 260), 255, dtype=np.uint8)
    for left in (40, 80, 160, 200):
        page[25:65, left : left + 22] = 0
        page[30:60, left + 5 : left + 17] = 255  # a zero
    for row in range(top, bottom):
        left = round(138 - 20 * (row - top) / (bottom - top))
        page[row, left : left + 5] = 0
    found = find_candidates(find_page_ink(page))
    assert [mark.character for mark in found.separators] == ["/"] * is_slash
    assert len(found.images) == 5 - is_slash


def test_digits_that_are_half_of_the_picture_leave_the_noise_that_of_paper():
    grey = np.full((200, 120), 0.9, dtype=np.float32)
    grey += np.random.default_rng(0).normal(0, 0.01, grey.shape).astype(np.float32)
    grey[5:195, 10:100] -= 0.7
    grey[60:140, 45:60] += 0.7
    ink = find_ink(grey)
    assert ink.noise < 0.03
    assert 0.5 < ink.mask.mean() < 0.8


@pytest.mark.parametrize(
    ("character", "left", "kept"),
    [(",", 0, False), (":", 0, False), (".", 0, True), (".", 12, False), (",", 45, True)],
)
def test_no_number_begins_with_a_comma(character, left, kept):
    digits = [Blob(np.ones((40, 20), bool), 0, 10), Blob(np.ones((40, 20), bool), 0, 60)]
    mark = Mark(character, Blob(np.ones((6, 6), bool), 36, left))
    assert _marks_of_lines([mark], [digits]) == [[mark] if kept else []]
