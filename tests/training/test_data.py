"""Training data: weights, the hold-out, the door that all data come through."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mnist_estimator.training._data import Samples, prepare, split_validation


def test_split_validation_takes_a_share_of_each_class():
    labels = np.repeat([0, 1, 2, 3], [100, 50, 4, 1])
    train, validation = split_validation(labels, 0.1, seed=0)
    assert_array_equal(np.sort(np.r_[train, validation]), np.arange(155))
    assert_array_equal(np.bincount(labels[validation], minlength=4), [10, 5, 1, 0])
    again = split_validation(labels, 0.1, seed=0)[1]
    assert_array_equal(validation, again)
    assert not np.array_equal(validation, split_validation(labels, 0.1, seed=1)[1])


def test_every_class_keeps_a_row_for_training():
    labels = np.repeat([0, 1], [10, 1])
    train, _ = split_validation(labels, 0.99, seed=0)
    assert_array_equal(np.unique(labels[train]), [0, 1])


def samples(n_images=20, sample_weight=None):
    """Return images of which every pixel has the index of the image, and alternating labels."""
    images = np.arange(n_images)[:, None, None, None] * np.ones((1, 2, 2, 1))
    return Samples(images, np.arange(n_images) % 2, sample_weight)


CLASSES = np.array(["a", "b"])


def test_prepared_weights_are_products_with_mean_one():
    given = samples(sample_weight=np.arange(20.0))
    data = prepare(given, CLASSES, {"a": 0.5})
    expected = np.arange(20.0) * np.where(given.labels == 0, 0.5, 1.0)
    assert_array_equal(data.training.positions, np.arange(1, 20))  # the first has weight 0
    assert_allclose(data.training.weights, expected[1:] / expected[1:].mean())
    assert_array_equal(data.training[np.array([0, 4])][:, 0, 0, 0], [1, 5])
    assert data.validation is None


def test_prepared_data_are_split_without_overlap_by_the_seed():
    one, same, other = (
        prepare(samples(), CLASSES, None, validation_fraction=0.3, seed=seed) for seed in (0, 0, 1)
    )
    together = np.r_[one.training.positions, one.validation.positions]
    assert_array_equal(np.sort(together), np.arange(20))
    assert_array_equal(np.bincount(one.validation.labels), [3, 3])
    assert_array_equal(one.validation.positions, same.validation.positions)
    assert not np.array_equal(one.validation.positions, other.validation.positions)


def test_given_validation_data_replace_the_split_and_get_the_class_weights():
    data = prepare(samples(), CLASSES, {"a": 3.0}, validation=samples(4), validation_fraction=0.3)
    assert len(data.training) == 20
    assert_array_equal(data.validation.weights, [3, 1, 3, 1])
    one_b = Samples(np.ones((1, 2, 2, 1)), np.array([1]))
    with pytest.raises(ValueError, match="class_weight leaves no row of y_val"):
        prepare(samples(), CLASSES, {"b": 0.0}, validation=one_b)


def test_nothing_is_held_out_of_classes_with_one_row():
    assert prepare(samples(2), CLASSES, None, validation_fraction=0.5).validation is None
