"""Recalibrated statistics of batch normalization against Keras's own layers."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mnist_estimator.network._architecture import NetworkConfig
from mnist_estimator.network._network import Network
from mnist_estimator.training._batch_norm import recalibrate_batch_norm
from mnist_estimator.training._data import Images

CONFIG = NetworkConfig((8, 8, 1), 3, filters=(4, 6), kernel_size=3)


@pytest.mark.parametrize("n_images", [3, 600, 2000, 9000])
def test_statistics_become_those_of_the_images(n_images):
    """Against Keras's own layers, each normalizing by what it sees of the whole batch."""
    network = Network.build(CONFIG, seed=3)
    generator = np.random.default_rng(0)
    X = generator.normal(1.0, 2.0, size=(n_images, 8, 8, 1)).astype(np.float32)
    weights = np.where(np.arange(n_images) % 2, 1.0, 1e-9)  # in effect only the odd ones
    images = Images.from_arrays(X, np.zeros(n_images, dtype=np.int64), weights)
    recalibrate_batch_norm(network, images, generator)

    seen = X[1::2] if n_images > 3 else X  # three are all drawn
    tolerance = 0.0005 if n_images == 3 else 0.3
    for layer in network.model.layers:
        if layer.name.startswith("norm"):
            mean, variance = seen.mean(axis=(0, 1, 2)), seen.var(axis=(0, 1, 2))
            assert_allclose(layer.moving_mean, mean, atol=tolerance * variance.max() ** 0.5)
            assert_allclose(layer.moving_variance, variance, rtol=tolerance)
        seen = layer(seen, training=False).numpy()


def test_recalibration_leaves_a_network_without_batch_norm_as_it_is():
    network = Network.build(replace(CONFIG, batch_norm=False))
    before = network.model.get_weights()
    images = Images.from_arrays(np.ones((4, 8, 8, 1)), np.zeros(4, dtype=np.int64), np.ones(4))
    recalibrate_batch_norm(network, images, np.random.default_rng(0))
    for one, other in zip(before, network.model.get_weights(), strict=True):
        assert_array_equal(one, other)
