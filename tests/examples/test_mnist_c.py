"""The corruptions of MNIST-C: each does what its description says."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mnist_estimator import load_mnist

FOLDER = Path(__file__).parents[2] / "examples" / "benchmarks"
ROWS, COLUMNS = np.mgrid[:28, :28]


@pytest.fixture(scope="module")
def mnist_c():
    """Return the module."""
    spec = importlib.util.spec_from_file_location("mnist_c", FOLDER / "mnist_c.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def images():
    """Return 300 test images."""
    X, _ = load_mnist("test", return_X_y=True)
    return X[:300].reshape(-1, 28, 28)


@pytest.fixture(scope="module")
def corrupted(mnist_c, images):
    """Return a function that corrupts the images, once for each corruption."""
    made = {}

    def corrupt(name):
        if name == "canny_edges":
            pytest.importorskip("skimage")
        if name not in made:
            made[name] = mnist_c.corrupt(images, name)
        return made[name]

    return corrupt


NAMES = ["shot_noise", "impulse_noise", "glass_blur", "motion_blur", "shear", "scale", "rotate"]
NAMES += ["brightness", "translate", "stripe", "fog", "spatter", "dotted_line", "zigzag"]
NAMES += ["canny_edges"]


def test__corruptions__all__are_those_of_the_paper(mnist_c):
    assert list(mnist_c.CORRUPTIONS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test__corruption__any__keeps_form_and_input_and_repeats(mnist_c, images, corrupted, name):
    before = images.copy()
    changed = corrupted(name)
    assert_array_equal(images, before)
    assert (changed.shape, changed.dtype) == (images.shape, np.uint8)
    assert (changed != images).any(axis=(1, 2)).mean() > 0.98
    few = images[:20]
    one, same = mnist_c.corrupt(few, name, seed=1), mnist_c.corrupt(few, name, seed=1)
    assert_array_equal(one, same)
    if name not in ("scale", "brightness", "stripe", "canny_edges"):
        assert (mnist_c.corrupt(few, name, seed=2) != one).any()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [0, 255])
def test__corruption__of_blank_images__is_some_image(mnist_c, corrupted, name, value):
    corrupted(name)  # skips where a package lacks
    blank = np.full((3, 28, 28), value, np.uint8)
    assert mnist_c.corrupt(blank, name).shape == blank.shape
    assert mnist_c.corrupt(blank[:0], name).shape == (0, 28, 28)
    if name in ("motion_blur", "glass_blur", "canny_edges") or (
        name in ("shot_noise", "shear", "scale", "rotate", "translate", "fog") and value == 0
    ):
        assert_array_equal(mnist_c.corrupt(blank, name), 0 if name == "canny_edges" else value)


def centres(images):
    """Return the rows and columns of the centres of mass."""
    mass = images.sum(axis=(1, 2), dtype=float)
    return np.array([(images * places).sum(axis=(1, 2)) / mass for places in (ROWS, COLUMNS)])


def spreads(images):
    """Return the variances of rows and columns, and their covariance, about the centre of mass."""
    mass = images.sum(axis=(1, 2), dtype=float)
    rows, columns = (
        places - centre[:, np.newaxis, np.newaxis]
        for places, centre in zip((ROWS, COLUMNS), centres(images), strict=True)
    )
    pairs = ((rows, rows), (columns, columns), (rows, columns))
    return [(images * a * b).sum(axis=(1, 2)) / mass for a, b in pairs]


@pytest.fixture(scope="module")
def bar():
    """Return 200 images of a bar in the middle, 13 pixels high and 3 wide."""
    image = np.zeros((200, 28, 28), np.uint8)
    image[:, 7:21, 13:15] = 200
    return image


def test__translate__moves_by_three_to_any_corner(mnist_c, bar):
    moved = centres(mnist_c.corrupt(bar, "translate")) - 13.5
    assert_allclose(np.abs(moved), 3)
    assert len(np.unique(np.sign(moved), axis=1).T) == 4


def test__scale__shrinks_to_70_percent_about_the_centre(mnist_c, bar):
    shrunk = mnist_c.corrupt(bar[:1], "scale")
    assert_allclose(centres(shrunk), 13.5, atol=0.01)
    assert_allclose(spreads(shrunk)[0], 0.49 * spreads(bar[:1])[0], rtol=0.05)


def test__rotate__turns_by_23_degrees_to_both_sides(mnist_c, bar):
    turned = mnist_c.corrupt(bar, "rotate")
    assert_allclose(centres(turned), 13.5, atol=0.02)
    height, width, both = spreads(turned)
    angles = np.arctan2(2 * both, height - width) / 2
    assert_allclose(np.abs(angles), 0.4, atol=0.01)
    assert 60 < (angles > 0).sum() < 140


def test__shear__slants_to_both_sides_and_stretches(mnist_c, bar):
    slanted = mnist_c.corrupt(bar, "shear")
    assert_allclose(centres(slanted), 13.5, atol=0.02)
    height, _, both = spreads(slanted)
    assert_allclose(np.abs(both / height), np.sin(0.4), atol=0.01)
    assert 60 < (both > 0).sum() < 140
    assert_allclose(height, spreads(bar)[0] / np.cos(0.4) ** 2, rtol=0.05)


def test__brightness__adds_half_of_the_range(images, corrupted):
    expected = np.minimum(images.astype(int) + 127.5, 255)
    assert_allclose(corrupted("brightness"), expected, atol=0.5)


def test__stripe__inverts_the_outer_quarters(images, corrupted):
    striped = corrupted("stripe")
    assert_array_equal(striped[:, :, 7:21], images[:, :, 7:21])
    assert_array_equal(striped[:, :, :7], 255 - images[:, :, :7])
    assert_array_equal(striped[:, :, 21:], 255 - images[:, :, 21:])


def test__impulse_noise__flips_17_percent(images, corrupted):
    noisy = corrupted("impulse_noise")
    black = images == 0
    assert_allclose((noisy[black] == 255).mean(), 0.085, atol=0.004)
    grey = (images > 0) & (images < 255)
    assert_allclose((noisy[grey] == 0).mean(), 0.085, atol=0.01)
    assert_allclose((noisy[grey] == images[grey]).mean(), 0.83, atol=0.01)


def test__shot_noise__has_steps_of_a_third_and_keeps_the_mean(images, corrupted):
    noisy = corrupted("shot_noise")
    assert set(np.unique(noisy)) == {0, 85, 170, 255}
    dark = (images > 20) & (images < 60)  # hardly ever clipped
    assert_allclose(noisy[dark].mean(), images[dark].mean(), rtol=0.05)


def test__glass_blur__keeps_most_of_the_ink_near(images, corrupted):
    blurred = corrupted("glass_blur")
    assert_allclose(blurred.mean(), images.mean(), rtol=0.03)
    assert np.abs(centres(blurred) - centres(images)).max() < 1


def test__glass_blur__scatters_a_dot(mnist_c):
    dots = np.zeros((100, 28, 28), np.uint8)
    dots[:, 14, 14] = 255
    scattered = mnist_c.corrupt(dots, "glass_blur")
    assert scattered.max() < 0.6 * 255
    assert_allclose(scattered.sum(axis=(1, 2)), 255, atol=12)
    assert scattered[:, :, 13].any()  # by swaps alone: it smooths from top to bottom
    assert scattered[:, :, :8].max() == scattered[:, :, 21:].max() == 0


def test__motion_blur__smears_a_dot_along_one_side(mnist_c):
    dots = np.zeros((300, 28, 28), np.uint8)
    dots[:, 14, 14] = 255
    smeared = mnist_c.corrupt(dots, "motion_blur")
    assert_allclose(smeared.sum(axis=(1, 2)), 255, atol=5)
    assert (smeared[:, 14, 14] >= 0.23 * 255).all()  # the largest weight of the 21
    assert (smeared[:, :, 15:] == 0).all()  # the mean is over pixels to the right
    rows, columns = centres(smeared)
    angles = np.rad2deg(np.arctan2(14 - rows, 14 - columns))
    assert np.abs(angles).max() < 50
    assert angles.min() < -35
    assert angles.max() > 35


def test__fog__lifts_the_background_and_leaves_a_quarter_of_the_contrast(images, corrupted):
    foggy = corrupted("fog")
    assert 60 < foggy[:, :2].mean() < 140
    white, black = foggy[images == 255], foggy[images == 0]
    assert_allclose(white.mean() - black.mean(), 255 / 4, atol=6)
    assert np.abs(np.diff(foggy[:, 0].astype(int))).mean() < 8  # clouds, not noise


def test__spatter__covers_with_dark_grey(images, corrupted):
    spattered = corrupted("spatter")
    changed = spattered != images
    assert 0.05 < changed.mean() < 0.4
    assert spattered[images == 0].max() == 63
    assert (spattered <= np.maximum(images, 63)).all()


def test__dotted_line__adds_two_of_four_columns(images, corrupted):
    added = corrupted("dotted_line").astype(int) - images
    assert added.min() == 0
    columns = np.flatnonzero(added.any(axis=(0, 1)))
    assert set(columns) == {column for column in range(27) if column % 4 >= 2}


def test__zigzag__goes_up_and_down(mnist_c):
    blank = np.zeros((200, 28, 28), np.uint8)
    drawn = mnist_c.corrupt(blank, "zigzag")
    assert not drawn[:, :, :1].any()
    assert not drawn[:, :, 27:].any()
    inside = drawn[(drawn.sum(axis=1) > 0)[:, 3:24].all(axis=1)]
    tops = inside.argmax(axis=1)[:, 3:24]
    turns = np.diff(np.sign(np.diff(tops, axis=1)), axis=1) != 0
    assert turns.sum(axis=1).mean() > 5


def test__canny_edges__are_white_on_black_around_the_strokes(images, corrupted):
    edges = corrupted("canny_edges")
    assert set(np.unique(edges)) == {0, 255}
    assert 0.05 < (edges > 0).mean() < 0.2
    assert images[edges > 0].mean() > 3 * images.mean() / 2
