"""Learning rate schedules."""

from numpy.testing import assert_allclose

from mnist_estimator.training._schedules import schedule_factor


def test_schedules():
    one_cycle = [schedule_factor("one_cycle", t) for t in (0, 0.125, 0.25, 0.625, 1)]
    assert_allclose(one_cycle, [0, 0.5, 1, 0.5, 0], atol=1e-12)
    assert_allclose([schedule_factor("cosine", t) for t in (0, 0.5, 1)], [1, 0.5, 0], atol=1e-12)
    assert {schedule_factor("constant", t) for t in (0, 0.3, 1)} == {1.0}
