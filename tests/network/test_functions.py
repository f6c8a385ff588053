"""Traced functions: the training step against Keras, and what is traced how often."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose, assert_array_equal

from mnist_estimator.network._architecture import NetworkConfig
from mnist_estimator.network._build import build, members_of
from mnist_estimator.network._functions import (
    StepInputs,
    StepOptions,
    resolve_precision,
    step_function,
    variables_of,
)
from mnist_estimator.network._network import Network
from mnist_estimator.network._optimizers import Optimizer, zero_moments

CONFIG = NetworkConfig((8, 8, 1), 3, filters=(4, 6), kernel_size=3, dropout=0.0)


def step_inputs(images, targets, weights, number):
    """Return the inputs of a step at a rate of 0.01."""
    return StepInputs(
        tf.constant(images), tf.constant(targets), tf.constant(weights), tf.constant(number),
        tf.constant(0), tf.constant(0.01, images.dtype), tf.constant(0.0), tf.constant(0.0),
    )  # fmt: skip


def test_step_is_the_step_of_keras():
    """Weights and statistics after three steps: ours beside Keras's layers and optimizer."""
    generator = np.random.default_rng(0)
    images = generator.normal(size=(16, 8, 8, 1)).astype(np.float32)
    targets = np.eye(3, dtype=np.float32)[generator.integers(0, 3, 16)]
    weights = generator.uniform(0.5, 1.5, 16).astype(np.float32)

    ours, theirs = build(CONFIG), build(CONFIG)
    adam = Optimizer("adam", 0.9, 0.99, rescale=False)
    step = step_function(CONFIG, StepOptions(False, adam, None))
    moments = zero_moments(variables_of(ours).trained)
    optimizer = keras.optimizers.Adam(0.01, beta_1=0.9, beta_2=0.99)
    for number in (1, 2, 3):
        ours_losses, _ = step(
            variables_of(ours), moments, step_inputs(images, targets, weights, number)
        )
        with tf.GradientTape() as tape:
            logits = theirs(images, training=True)
            losses = keras.losses.categorical_crossentropy(targets, logits, from_logits=True)
            loss = tf.reduce_mean(weights * losses)
        optimizer.apply(tape.gradient(loss, theirs.trainable_variables), theirs.trainable_variables)
        assert_allclose(ours_losses, losses, rtol=1e-3, atol=1e-5)
    for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        if other.ndim == 1:  # Keras's layer takes the biased variance, the fused one 16/15 of it
            assert_allclose(one, other, rtol=0.02, atol=2e-3)
        else:
            assert_allclose(one, other, rtol=1e-2, atol=2e-3)


@pytest.mark.parametrize("optimizer", ["muon", "adam"])
@pytest.mark.parametrize("batch_norm", [True, False])
def test_members_of_an_ensemble_learn_as_if_alone(optimizer, batch_norm):
    """Three steps of training bring each to the weights that it comes to by itself."""
    config = replace(CONFIG, batch_norm=batch_norm, dtype="float64")
    together = build(replace(config, ensemble_size=2))
    alone = [build(config) for _ in range(2)]
    for network, member in zip(alone, members_of(together), strict=True):
        network.set_weights([np.zeros(1), np.ones(1), *member.get_weights()])
    options = StepOptions(False, Optimizer(optimizer, 0.9, 0.99, rescale=batch_norm), None)
    generator = np.random.default_rng(0)
    images, labels = generator.normal(size=(20, 8, 8, 1)), generator.integers(3, size=20)
    weights, targets = generator.uniform(size=20), np.eye(3)[labels]

    def losses_of(network, size):
        step = step_function(replace(config, ensemble_size=size), options)
        variables, seen = variables_of(network), []
        moments = zero_moments(variables.trained)
        for number in (1, 2, 3):
            losses, _ = step(variables, moments, step_inputs(images, targets, weights, number))
            seen.append(losses.numpy())
        return np.array(seen)

    mean = np.mean([losses_of(network, 1) for network in alone], axis=0)
    assert_allclose(losses_of(together, 2), mean, rtol=1e-6)
    for network, member in zip(alone, members_of(together), strict=True):
        for found, expected in zip(member.get_weights(), network.get_weights()[2:], strict=True):
            assert_allclose(found, expected, rtol=1e-6, atol=1e-9)


def test_functions_are_traced_once_for_all_networks_and_batch_sizes(monkeypatch):
    networks = [Network.build(replace(CONFIG, filters=(3, 5)), seed) for seed in range(3)]
    traced, call = [], keras.Sequential.stateless_call
    monkeypatch.setattr(
        keras.Sequential, "stateless_call", lambda *a, **k: traced.append(1) or call(*a, **k)
    )
    for n in range(1, 51):
        images = np.ones((n, 8, 8, 1), dtype=np.float32)
        network = networks[n % 3]
        expected = network.model(images, training=False)
        assert_allclose(network.logits(images), expected, rtol=1e-5, atol=1e-6)
    assert len(traced) == 1


def test_a_fit_traces_its_step_once(small, digits):
    X, y = digits
    small().fit(X[:100], y[:100])
    traced = step_function.cache_info().misses
    small(learning_rate=0.02, dropout=0.1, random_state=5).fit(X, y).predict(X[:7])
    assert step_function.cache_info().misses == traced


def test_each_fit_drops_its_own_share(small, digits):
    """Though what one rate has traced serves for another."""
    few, many, again, none = [
        small(epochs=1, dropout=rate).fit(*digits).model_.get_weights()[-1]
        for rate in (0.1, 0.6, 0.1, 0.0)
    ]
    assert_array_equal(few, again)
    assert not np.allclose(few, many)
    assert not np.allclose(few, none)


@pytest.mark.slow
def test_many_architectures_bring_no_warning_of_retracing(small, digits, caplog):
    X, y = digits
    for width in range(2, 9):
        small(filters=(width,), epochs=1).fit(X[:50], y[:50]).predict(X[:9])
    assert "retracing" not in caplog.text


def test_precision():
    assert resolve_precision("float32") == ("float32", False)
    assert resolve_precision("bfloat16") == ("float32", True)
    assert resolve_precision("float64") == ("float64", False)
    assert resolve_precision("auto") in (("float32", False), ("float32", True))
