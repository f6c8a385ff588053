"""Importance sampling against sampling probabilities worked out by hand."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mnist_estimator.training._sampling import (
    MIN_SAMPLING_WEIGHT,
    MISLABELLED_LOSS,
    MISLABELLED_WEIGHT,
    Sampler,
    epoch_sizes,
)


def test_hard_images_are_drawn_in_proportion_to_their_loss():
    """Against Yates and Grundy: the first of a sample without replacement has p = w / sum(w)."""
    sampler = Sampler(4)
    losses = np.array([0.1, 0.2, 0.3, 0.4])
    sampler.update(np.arange(4), losses, losses < 0.25)
    generator = np.random.default_rng(0)
    drawn = np.bincount([sampler.draw(1, generator)[0] for _ in range(20_000)], minlength=4)
    chances = losses + MIN_SAMPLING_WEIGHT
    assert_allclose(drawn / 20_000, chances / chances.sum(), atol=0.01)
    assert sampler.averages(np.array([1, 1, 0, 2.0])) == {
        "loss": pytest.approx(0.275),
        "accuracy": 0.5,
    }
    sampler.update(np.array([3]), np.array([0.0]), np.array([True]))
    assert_allclose(sampler.hardness, [0.1, 0.2, 0.3, 0.2])  # the mean of old and new
    assert_allclose(sampler.losses, [0.1, 0.2, 0.3, 0.0])
    rows = sampler.draw(3, generator)
    assert len(set(rows)) == 3
    assert_array_equal(np.sort(sampler.draw(4, generator)), np.arange(4))


def test_images_whose_loss_stays_high_are_drawn_like_easy_ones():
    sampler = Sampler(3)
    losses = np.array([0.05, 0.95 * MISLABELLED_LOSS, 2 * MISLABELLED_LOSS])
    sampler.update(np.arange(3), losses, np.zeros(3, dtype=bool))
    generator = np.random.default_rng(0)
    drawn = np.bincount([sampler.draw(1, generator)[0] for _ in range(20_000)], minlength=3)
    chances = losses * [1, 1, MISLABELLED_WEIGHT] + MIN_SAMPLING_WEIGHT
    assert_allclose(drawn / 20_000, chances / chances.sum(), atol=0.005)


def test_later_epochs_take_the_share_asked_for():
    assert epoch_sizes(60_000, 4, 0.25) == [60_000, 15_000, 15_000, 15_000]
    assert epoch_sizes(10_000, 3, 0.1) == [10_000, 4096, 4096]
    assert epoch_sizes(100, 3, 0.1) == [100, 100, 100]
    assert epoch_sizes(60_000, 3, 1.0) == [60_000] * 3
