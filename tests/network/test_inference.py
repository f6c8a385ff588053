"""Prediction in use: many threads, thousands of calls, changed weights."""

import copy
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mnist_estimator import ValueRangeWarning
from mnist_estimator.network._functions import forward_function
from mnist_estimator.utils._validation import LARGEST

STATM = Path("/proc/self/statm")


def test_threads_predict_at_the_same_time_as_one_after_the_other(quick, digits):
    X, y = digits
    classifiers = [quick(epochs=1, random_state=seed).fit(X, y) for seed in (0, 1)]
    for clf in classifiers:
        clf.set_params(test_time_shift=1)
    expected = [clf.predict_proba(X) for clf in classifiers]
    forward_function.cache_clear()  # all threads come to the first use at once
    start = threading.Barrier(8, timeout=60)

    def predict(number):
        start.wait()
        at = number % 2
        for first in range(number, 600, 75):
            rows = slice(first, first + 1 + number * 5)
            found = classifiers[at].predict_proba(X[rows])
            assert_allclose(found, expected[at][rows], atol=1e-6)
        return True

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(predict, range(8))) == [True] * 8


@pytest.mark.slow
@pytest.mark.skipif(not STATM.exists(), reason="needs /proc")
def test_memory_is_flat_over_thousands_of_calls(fitted, digits):
    X = digits[0]
    clf = copy.copy(fitted).set_params(test_time_shift=1)

    def resident_pages(n_calls):
        for i in range(n_calls):
            clf.predict_proba(X[i % 600][np.newaxis])
        return int(STATM.read_text("ascii").split()[1])

    before = resident_pages(1000)
    after = resident_pages(5000)
    # A page is 4096 bytes or more: a leak of 1 kB a call would be over 1,000 of them.
    assert after - before < 600


def test_new_weights_count_at_once(fitted, digits):
    X = digits[0]
    clf = copy.deepcopy(fitted)
    before, weights = clf.predict_proba(X), clf.model_.get_weights()
    bias = 9.0 * np.eye(10, dtype=np.float32)[3]
    clf.model_.set_weights([*(np.zeros_like(weight) for weight in weights[:-1]), bias])
    assert_array_equal(clf.predict(X), np.full(len(X), clf.classes_[3]))
    clf.model_.set_weights(weights)
    assert_array_equal(clf.predict_proba(X), before)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_no_number_is_found_in_a_plain_array(fitted, digits, value):
    X = digits[0][:3].astype(np.float32)
    X[1, 5] = value
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        fitted.predict(X)


def test_the_largest_numbers_that_are_taken_can_be_computed_with(fitted, digits):
    X = np.full((3, 64), LARGEST, dtype=np.float32)
    with pytest.warns(ValueRangeWarning):
        assert_allclose(fitted.predict_proba(X).sum(axis=1), 1.0)
