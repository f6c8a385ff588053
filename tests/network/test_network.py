"""Predictions of a network against its Keras model."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mnist_estimator.network._architecture import NetworkConfig
from mnist_estimator.network._network import Network

CONFIG = NetworkConfig((8, 8, 1), 3, filters=(4, 6), kernel_size=3)


def test_forward_is_the_network_itself():
    network = Network.build(CONFIG, seed=3)
    images = np.random.default_rng(0).normal(size=(5, 8, 8, 1)).astype(np.float32)
    expected = network.model(images, training=False)
    assert_allclose(network.logits(images), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [(28, 28, 1), (8, 8, 3), (1, 5, 1)])
def test_logits_do_not_depend_on_the_batch(shape):
    config = replace(CONFIG, image_shape=shape, filters=(16, (32, 32)))
    network = Network.build(config, seed=3)
    images = np.random.default_rng(0).normal(size=(12, *shape)).astype(np.float32)
    whole = network.logits(images)
    for n in (1, 2, 5):
        parts = [network.logits(images[i : i + n]) for i in range(0, 12, n)]
        assert_allclose(np.concatenate(parts), whole, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [(28, 28, 1), (9, 17, 2), (5, 5, 4), (2, 3, 1)])
@pytest.mark.parametrize("kernel_size", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("batch_norm", [True, False])
def test_predictions_are_those_of_the_keras_model(shape, kernel_size, batch_norm):
    """Whatever weights it has, negative scales included, and when they have changed."""
    config = NetworkConfig(
        shape, 3, filters=(6, (4, 5)), kernel_size=kernel_size, batch_norm=batch_norm,
        dtype="float64",
    )  # fmt: skip
    network, generator = Network.build(config), np.random.default_rng(0)
    images = generator.normal(size=(7, *shape))
    for _ in range(2):
        for variable in network.model.variables:
            if variable.dtype == "float64":
                low = 0.5 if "variance" in variable.name else -1.0
                variable.assign(generator.uniform(low, 1.5, variable.shape))
        expected = network.model(images, training=False)
        assert_allclose(network.logits(images), expected, rtol=1e-9)
