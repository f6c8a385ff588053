"""Our own Keras layers."""

import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose, assert_array_equal

from mnist_estimator.network._layers import AdjustableDropout


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "mixed_bfloat16"])
@pytest.mark.parametrize("rate", [0.1, 0.6, 0.99])
def test_adjustable_dropout_drops_that_share_and_keeps_the_mean(rate, dtype):
    layer = AdjustableDropout(0.5, seed=3, dtype=dtype)
    layer.given_rate = tf.constant(rate)
    x = tf.ones((501, 401), layer.compute_dtype)
    first, second = (tf.cast(layer(x, training=True), "float64").numpy() for _ in range(2))
    for values in (first, second):
        error = 4 * np.sqrt(rate * (1 - rate) / values.size)
        assert np.mean(values == 0) == pytest.approx(rate, abs=error)
        # Of a hundredth kept, 2⁻¹⁶ is so much; bfloat16 has three digits.
        assert_allclose(
            values[values != 0], 1 / (1 - rate), rtol=1e-3 if dtype[:5] == "float" else 4e-3
        )
    # No draw tells of another one: neither of the next call, nor of the neighbour.
    pairs = [(first, second), (first[:, 1:], first[:, :-1]), (first[1:], first[:-1])]
    for one, other in pairs:
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 4 / np.sqrt(one.size)
    assert_array_equal(layer(x, training=False), x)


def test_the_next_to_highest_rate_of_dropout_keeps_something():
    layer = AdjustableDropout(0.5, seed=3)
    layer.given_rate = tf.constant(1 - 2**-20)
    values = layer(tf.ones((1000, 1000)), training=True)
    assert 0 < np.count_nonzero(values) < 60
    assert np.isfinite(values).all()
