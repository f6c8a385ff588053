"""Old names of modules: imports and pickles that have them work, and warn."""

import importlib
import pickle
import sys

import pytest

import mnist_estimator
from mnist_estimator.utils._moved_modules import MOVED

ESTIMATORS = {
    "CachedClassifier": "mnist_estimator.caching",
    "DigitNormalizer": "mnist_estimator.digit_normalization",
    "NoveltyDetector": "mnist_estimator.novelty",
    "RejectingClassifier": "mnist_estimator.rejection",
}


@pytest.fixture(autouse=True)
def forget_old_names():
    yield
    for name in MOVED:
        sys.modules.pop(name, None)


@pytest.mark.parametrize("old", MOVED)
def test_an_old_module_is_the_new_one_and_warns(old):
    with pytest.warns(FutureWarning, match=f"{old} has been {MOVED[old]} since version 0.7"):
        module = importlib.import_module(old)
    assert module is sys.modules[MOVED[old]]
    assert module.__spec__.name == MOVED[old]


@pytest.mark.parametrize(("name", "old"), ESTIMATORS.items())
def test_a_pickle_that_names_an_old_module_loads(name, old):
    estimator = getattr(mnist_estimator, name)
    blank = estimator.__new__(estimator)
    new = pickle.dumps(blank, protocol=0)
    assert f"c{MOVED[old]}\n{name}".encode() in new or f"{MOVED[old]}".encode() in new
    with pytest.warns(FutureWarning, match=old):
        assert type(pickle.loads(new.replace(MOVED[old].encode(), old.encode()))) is estimator


def test_other_names_are_not_found():
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("mnist_estimator.unknown")
