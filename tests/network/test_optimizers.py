"""The optimizer beside Keras's, and beside what a singular value decomposition says."""

import pickle

import keras
import numpy as np
import pytest
import tensorflow as tf
from common import slow_but
from numpy.testing import assert_allclose, assert_array_equal

from mnist_estimator.network._optimizers import (
    KERNEL_RATE,
    MOMENTUM,
    N_ITERATIONS,
    NEWTON_SCHULZ,
    Optimizer,
    orthogonalize,
)

RATE = 0.01


def after_steps(optimizer, start, gradients):
    """Return a weight after one step for each gradient."""
    weight = tf.Variable(start)
    moments = [(tf.Variable(np.zeros_like(start)), tf.Variable(np.zeros_like(start)))]
    for number, gradient in enumerate(gradients, 1):
        number, rate = tf.constant(number), tf.constant(RATE, start.dtype)
        optimizer.update([weight], moments, [tf.constant(gradient)], number, rate)
    return weight.numpy()


def after_steps_of_keras(optimizer, start, gradients):
    weight = keras.Variable(start, dtype=start.dtype.name)
    for gradient in gradients:
        optimizer.apply([tf.constant(gradient)], [weight])
    return weight.value.numpy()


@pytest.mark.skipif(not hasattr(keras.optimizers, "Muon"), reason="Keras has it since 3.12")
@pytest.mark.parametrize("shape", [(3, 3, 4, 8), (1, 1, 2, 6), (5, 5, 1, 4)])
def test_kernels_take_the_steps_of_keras_s_muon(shape):
    start, *gradients = np.random.default_rng(0).normal(size=(4, *shape)).astype("f")
    theirs = keras.optimizers.Muon(
        KERNEL_RATE * RATE, momentum=MOMENTUM, ns_steps=N_ITERATIONS, rms_rate=None,
        weight_decay=None,
    )  # fmt: skip
    ours = after_steps(Optimizer("muon", 0.9, 0.99, rescale=False), start, gradients)
    flat = [values.reshape(-1, shape[-1]) for values in (start, *gradients)]
    expected = after_steps_of_keras(theirs, flat[0], flat[1:]).reshape(shape)
    assert_allclose(ours, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("name", "shape"), [("adam", (3, 3, 4, 8)), ("muon", (6, 5)), ("muon", 7)])
def test_other_weights_take_the_steps_of_keras_s_adam(name, shape):
    shape = np.atleast_1d(shape)
    start, *gradients = np.random.default_rng(0).normal(size=(4, *shape)).astype("f")
    ours = after_steps(Optimizer(name, 0.8, 0.9, rescale=True), start, gradients)
    theirs = keras.optimizers.Adam(RATE, beta_1=0.8, beta_2=0.9)
    assert_allclose(ours, after_steps_of_keras(theirs, start, gradients), rtol=1e-5, atol=1e-6)


def test_a_rescaled_kernel_moves_by_the_same_share_whatever_its_scale():
    start, gradient = np.random.default_rng(0).normal(size=(2, 3, 3, 4, 8))
    optimizer = Optimizer("muon", 0.9, 0.99, rescale=True)
    one, other = (after_steps(optimizer, scale * start, [gradient]) for scale in (1.0, 50.0))
    assert_allclose(one, other, rtol=1e-5)
    still = after_steps(optimizer, start, [np.zeros_like(start)])
    assert_allclose(still, start / np.linalg.norm(start) * 8**0.5, rtol=1e-6)


@pytest.mark.parametrize("shape", [(40, 12), (12, 40), (9, 9), (25, 1)])
def test_orthogonalize_changes_singular_values_only(shape):
    matrix = np.random.default_rng(0).normal(size=shape)
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    expected = values / np.linalg.norm(matrix)
    a, b, c = NEWTON_SCHULZ
    for _ in range(N_ITERATIONS):
        expected = a * expected + b * expected**3 + c * expected**5
    found = orthogonalize(tf.constant(matrix)).numpy()
    assert_allclose(found, left * expected @ right, rtol=1e-5, atol=1e-6)
    large = values > 0.3 * values.max()
    assert np.all((expected[large] > 0.5) & (expected[large] < 1.5))


def test_orthogonalize_leaves_zeros():
    assert_array_equal(orthogonalize(tf.zeros((4, 3))), np.zeros((4, 3)))


@pytest.mark.parametrize("optimizer", ["muon", "adam"])
@pytest.mark.parametrize("batch_norm", slow_but({"True"}, {"True": True, "False": False}))
def test_both_learn_digits_with_and_without_batch_norm(small, digits, optimizer, batch_norm):
    X, y = digits
    clf = small(optimizer=optimizer, batch_norm=batch_norm, epochs=30).fit(X[:400], y[:400])
    assert clf.score(X[400:], y[400:]) > 0.8


def test_a_classifier_from_before_there_was_a_choice_goes_on_with_adam(small, digits):
    X, y = digits
    original = small(optimizer="adam", warm_start=True).fit(X, y)
    state = original.__getstate__() | {"_written_by": "0.5.0"}
    del state["optimizer"]
    restored = pickle.loads(pickle.dumps(original))
    restored.__setstate__(state)
    assert restored.optimizer == "adam"
    for one, other in zip(
        restored.fit(X, y).model_.get_weights(),
        original.fit(X, y).model_.get_weights(),
        strict=True,
    ):
        assert_array_equal(one, other)
