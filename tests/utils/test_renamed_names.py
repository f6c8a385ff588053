"""Old names of public objects: they work, and warn."""

import pickle

import numpy as np
import pytest

import mnist_estimator
from mnist_estimator import DetectedDigits, recognition
from mnist_estimator.utils._renamed_names import RENAMED


@pytest.mark.parametrize("module", [mnist_estimator, recognition])
@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_an_old_name_is_the_new_object_and_warns(module, old, new):
    with pytest.warns(FutureWarning, match=rf"{old} was renamed to {new}.*removed in version 0\.9"):
        found = getattr(module, old)
    assert found is getattr(module, new)
    assert old not in dir(module)
    assert old not in module.__all__


def test_the_warning_names_the_line_of_the_caller():
    with pytest.warns(FutureWarning) as caught:
        mnist_estimator.read_digits  # noqa: B018
    assert caught[0].filename == __file__


def test_a_pickle_with_the_old_class_loads():
    digits = DetectedDigits(np.zeros((0, 28, 28), np.uint8), np.zeros((0, 4)), np.zeros(0))
    pickled = pickle.dumps(digits, protocol=0)
    old = pickled.replace(b"DetectedDigits", b"DigitReading")
    assert old != pickled
    with pytest.warns(FutureWarning, match="DigitReading"):
        assert type(pickle.loads(old)) is DetectedDigits
