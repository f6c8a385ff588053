"""Early stopping: the one-standard-error rule, temperature scaling, the weights that are kept."""

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import softmax
from sklearn.metrics import log_loss

from mnist_estimator.network._architecture import NetworkConfig
from mnist_estimator.network._build import build
from mnist_estimator.training._early_stopping import (
    EarlyStopping,
    cross_entropy,
    exceeds_by_one_standard_error,
    temperature_scale,
)


def test_a_loss_exceeds_another_by_one_standard_error():
    """Weights are repeated rows, but for the factor n / (n - 1) that the error leaves out."""
    generator = np.random.default_rng(0)
    zeros, ones = np.zeros(400), np.ones(400)
    for mean in (0.0, 0.02, 0.05, 0.2):
        losses = generator.normal(mean, 1, 400)
        error = losses.std() / 20
        expected = losses.mean() > error
        assert exceeds_by_one_standard_error(losses, zeros, ones) == expected
        shifted = losses - losses.mean()
        assert exceeds_by_one_standard_error(shifted + 1.01 * error, zeros, 3 * ones)
        assert not exceeds_by_one_standard_error(shifted + 0.99 * error, zeros, 3 * ones)


def test_best_epoch_is_the_last_not_clearly_above_the_lowest():
    model = build(NetworkConfig((8, 8, 1), 3, filters=(4, 6), kernel_size=3))
    stopping, kept = EarlyStopping(model, patience=2, n_images=100), []
    ones, noise = np.ones(100), np.tile([1.0, -1.0], 50)
    stops = []
    for epoch, loss in enumerate([3.0, 1.0, 1.05, 2.0, 2.0], start=1):
        for variable in model.trainable_variables:
            variable.assign(np.full(variable.shape, float(epoch)))
        stops.append(stopping.update(epoch, loss + (noise if epoch == 3 else 0 * noise), ones))
        kept.append(stopping.best_epoch)
    assert kept == [1, 2, 3, 3, 3]
    assert stops == [False, False, False, False, True]
    stopping.restore()
    assert {float(np.mean(v.numpy())) for v in model.trainable_variables} == {3.0}


def noisy_logits(n=600, share_wrong=0.3):
    """Return logits that are confident of the true class, and labels of which some are wrong."""
    generator = np.random.default_rng(0)
    true = generator.integers(0, 5, n)
    labels = np.where(generator.random(n) < share_wrong, (true + 1) % 5, true)
    return 8.0 * np.eye(5)[true] + generator.normal(0, 0.5, (n, 5)), labels


def test_cross_entropy_is_that_of_scikit_learn():
    logits, labels = noisy_logits()
    losses = cross_entropy(logits, labels)
    assert losses.shape == (600,)
    assert_allclose(losses.mean(), log_loss(labels, softmax(logits, axis=1)), rtol=1e-6)


def test_temperature_scaling_minimizes_the_loss():
    """Against the derivative: where the mean loss is lowest, the gradient is zero."""
    logits, labels = noisy_logits()
    weights = np.random.default_rng(1).random(600)
    scaled = temperature_scale(logits, labels, weights)
    share = scaled[0, 0] / logits[0, 0]
    assert 0 < share < 0.6
    assert_allclose(scaled, share * logits)
    expected = (softmax(scaled, axis=1) * logits).sum(axis=1)
    slope = expected - logits[np.arange(600), labels]
    assert abs(np.average(slope, weights=weights)) < 1e-3
    assert_allclose(temperature_scale(3 * logits, labels, weights), scaled, rtol=1e-3)


def test_logits_that_are_not_overconfident_keep_their_temperature():
    logits, labels = noisy_logits(share_wrong=0.0)
    assert_array_equal(temperature_scale(logits, labels, np.ones(600)), logits)


def test_a_more_accurate_epoch_is_better_however_confident_it_is():
    """With many wrong labels the plain loss rises while the network learns."""
    logits, labels = noisy_logits()
    confident, uncertain, ones = 2.0 * logits, 0.1 * logits, np.ones(600)
    uncertain[:100] = np.roll(uncertain[:100], 2, axis=1)  # misclassified, too
    worse, better = (cross_entropy(given, labels) for given in (confident, uncertain))
    assert exceeds_by_one_standard_error(worse, better, ones)
    scaled = [temperature_scale(given, labels, ones) for given in (uncertain, confident)]
    worse, better = (cross_entropy(given, labels) for given in scaled)
    assert exceeds_by_one_standard_error(worse, better, ones)
