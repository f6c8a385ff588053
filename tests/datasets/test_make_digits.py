"""``make_digits``: digits drawn by the strokes of a pen."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import ndimage

from mnist_estimator import make_digits
from mnist_estimator.datasets._ductus import FORMS, STYLES
from mnist_estimator.datasets._make_digits import PER_WRITER


@pytest.fixture(scope="module")
def drawn():
    """Return 600 digits with their writers."""
    return make_digits(600, return_groups=True, random_state=0)


def test_arrays_are_those_of_load_mnist(drawn):
    X, y, groups = drawn
    assert X.shape == (600, 784)
    assert X.dtype == np.uint8
    assert y.dtype == groups.dtype == np.int64
    assert_array_equal(np.bincount(y), np.full(10, 60))
    assert len(np.unique(groups)) == 600 // PER_WRITER
    assert X.max(axis=1).min() > 200
    assert len(np.unique(X, axis=0)) == 600


def test_digits_are_in_the_box_of_mnist_and_centred(drawn):
    images = drawn[0].reshape(-1, 28, 28)
    for image in images:
        rows, columns = ndimage.find_objects((image > 0).astype(int))[0]
        sides = rows.stop - rows.start, columns.stop - columns.start
        assert 19 <= max(sides) <= 22
    centres = np.array([ndimage.center_of_mass(image) for image in images])
    assert np.abs(centres - 13.5).mean() < 1.0


@pytest.mark.parametrize("styles", ["european", ["american"], ("east_asian", "european"), STYLES])
def test_random_state_counts_to_the_bit(styles):
    one, same, other = (make_digits(30, styles=styles, random_state=seed) for seed in (0, 0, 1))
    for a, b in zip(one, same, strict=True):
        assert_array_equal(a, b)
    assert not np.array_equal(one[0], other[0])


def test_random_states_are_those_of_scikit_learn():
    state = np.random.RandomState(0)
    first, second = make_digits(20, random_state=state), make_digits(20, random_state=state)
    assert not np.array_equal(first[0], second[0])
    assert_array_equal(make_digits(20, random_state=np.random.RandomState(0))[0], first[0])
    make_digits(1)


def test_every_digit_has_forms_in_every_style():
    for forms in FORMS.values():
        for style in STYLES:
            assert sum(getattr(form, style) for form in forms) > 0
        for form in forms:
            for stroke in form.strokes:
                for before, run in itertools.pairwise(stroke):
                    assert before[-1] == run[0]  # with a corner there
                assert all(-0.05 <= v <= 1.05 for run in stroke for point in run for v in point)


def test_styles_differ():
    """A European 1 has an upstroke, so it is wider than an American one."""
    widths = {}
    for style in ("american", "european"):
        X, y = make_digits(400, styles=style, random_state=0)
        ones = X[y == 1].reshape(-1, 28, 28) > 100
        widths[style] = np.median(ones.any(axis=1).sum(axis=1))
    assert widths["european"] > 1.3 * widths["american"]


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"n_samples": 0}, ValueError, "n_samples must be at least 1; got 0"),
        ({"n_samples": 2.5}, TypeError, "n_samples must be a whole number; got 2.5"),
        ({"n_samples": True}, TypeError, "n_samples must be a whole number; got True"),
        ({"styles": "roman"}, ValueError, "styles must be one or several of 'american'.*'roman'"),
        ({"styles": []}, ValueError, "styles must be .*; got none"),
        ({"styles": ["american", 3]}, TypeError, "styles must be .*; got 3"),
        ({"styles": None}, TypeError, "styles must be .*; got None"),
        ({"return_groups": 1}, TypeError, "return_groups must be True or False; got 1"),
        ({"random_state": "x"}, ValueError, "seed a numpy.random.RandomState instance"),
    ],
)
def test_bad_arguments_are_refused_in_words(parameters, error, message):
    with pytest.raises(error, match=message):
        make_digits(**parameters)
