"""The threshold of a reject option: its bound, and which samples it accepts."""

import numpy as np
import pytest
from scipy.stats import binom

from mnist_estimator.uncertainty import choose_threshold


def test_bound_is_the_largest_rate_that_could_have_given_so_few_mistakes():
    correct, score = np.arange(400) >= 6, np.linspace(0, 1, 400)
    chosen = choose_threshold(correct, score, error_rate=0.1)
    assert chosen[:3] == (0.0, 1.0, 6 / 400)
    level = 1 - 0.05 / 9  # 9 steps of a binary search among 400
    # At the bound, six mistakes or fewer are just as unlikely as the level allows.
    assert binom.cdf(6, 400, chosen.error_bound) == pytest.approx(1 - level)


def test_threshold_accepts_the_most_that_the_bound_allows():
    score = np.linspace(0, 1, 3000)
    correct = score > 0.3
    chosen = choose_threshold(correct, score, error_rate=0.01)
    accepted = score >= chosen.threshold
    assert chosen.coverage == accepted.mean()
    assert chosen.error_rate == (~correct[accepted]).mean()
    assert chosen.error_rate < chosen.error_bound <= 0.01
    more = choose_threshold(correct, score, error_rate=0.02)
    assert more.threshold < chosen.threshold
    sure = choose_threshold(correct, score, error_rate=0.01, confidence_level=0.999)
    assert sure.threshold > chosen.threshold


def test_equal_scores_are_accepted_together():
    correct, score = np.arange(1000) % 100 > 0, np.repeat([0.9, 0.5], 500)
    correct[:500] = True
    chosen = choose_threshold(correct, score, error_rate=0.01)
    assert (chosen.threshold, chosen.coverage, chosen.error_rate) == (0.9, 0.5, 0.0)


def test_bound_holds_as_often_as_it_says():
    """In 400 draws of 500 samples whose true error rate is known at each threshold."""
    generator = np.random.default_rng(0)
    broken = 0
    for _ in range(400):
        score = generator.random(500)
        correct = generator.random(500) < 0.8 + 0.2 * score
        threshold = choose_threshold(correct, score, error_rate=0.1, confidence_level=0.8).threshold
        if threshold < np.inf:  # mistakes among scores from t to 1: the mean of 0.2 (1 - score)
            broken += 0.1 * (1 - threshold) > 0.1
    assert broken <= 0.2 * 400


@pytest.mark.parametrize(("n", "accepted"), [(50, False), (2000, True)])
def test_few_samples_prove_nothing(n, accepted):
    chosen = choose_threshold(np.ones(n, bool), np.linspace(0, 1, n), error_rate=0.01)
    assert (chosen.threshold == 0.0) == accepted
    if not accepted:
        assert chosen.threshold == np.inf
        assert chosen.coverage == 0
        assert np.isnan(chosen.error_bound)


def test_outliers_are_never_accepted():
    score = np.where(np.arange(900) < 300, -np.inf, 0.9)
    chosen = choose_threshold(np.ones(900, bool), score, error_rate=0.05)
    assert (chosen.threshold, chosen.coverage) == (0.9, pytest.approx(2 / 3))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([], []), "at least 1; got the shapes"),
        (([True], [0.5, 0.5]), "of one length"),
        (([True], [np.nan]), "score must hold numbers; got NaN"),
    ],
)
def test_threshold_of_bad_data(arguments, words):
    with pytest.raises(ValueError, match=words):
        choose_threshold(*arguments)


@pytest.mark.parametrize("name", ["error_rate", "confidence_level"])
@pytest.mark.parametrize("value", [0, -0.1, 1.5, np.nan])
def test_threshold_of_bad_rates(name, value):
    with pytest.raises(ValueError, match=f"{name} must be a share above 0"):
        choose_threshold([True], [1.0], **{name: value})
