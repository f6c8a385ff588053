"""Learning rate schedules."""

import keras
import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone

from mnist_estimator.training._schedules import learning_rate_at, schedule_factor


def test_schedules():
    one_cycle = [schedule_factor("one_cycle", t) for t in (0, 0.125, 0.25, 0.625, 1)]
    assert_allclose(one_cycle, [0, 0.5, 1, 0.5, 0], atol=1e-12)
    assert_allclose([schedule_factor("cosine", t) for t in (0, 0.5, 1)], [1, 0.5, 0], atol=1e-12)
    assert {schedule_factor("constant", t) for t in (0, 0.3, 1)} == {1.0}


def test_a_callable_gives_the_share_of_the_rate(small, digits):
    clf = small(epochs=3, learning_rate=0.01, schedule=lambda progress: 1.0 - progress)
    rates = clf.fit(*digits).history_["learning_rate"]
    assert_allclose(rates, 0.01 * (1 - np.array([1, 2, 3]) / 3), atol=0.001)
    assert rates == sorted(rates, reverse=True)


def test_a_schedule_of_keras_gives_the_rate_by_the_step(small, digits):
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([1, 3], [0.02, 0.01, 0.005])
    assert learning_rate_at(schedule, 1.0, 0.5, 0, 1.0) == pytest.approx(0.02)
    clf = small(epochs=3, schedule=schedule, random_state=0)
    clf.fit(*digits)
    assert clf.history_["learning_rate"][-1] == pytest.approx(0.005)
    twin = clone(clf).fit(*digits)
    assert twin.history_ == clf.history_


@pytest.mark.parametrize("value", [-1.0, float("nan"), "fast"])
def test_a_schedule_that_returns_no_rate(value):
    with pytest.raises(ValueError, match="schedule must return a finite number from 0 up"):
        learning_rate_at(lambda progress: value, 0.1, 0.5, 3, 0.1)
