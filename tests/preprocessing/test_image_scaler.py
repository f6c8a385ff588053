"""The transformer: forms, ranges, inverse, and scikit-learn's own checks."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from mnist_estimator import ImageScaler, ValueRangeWarning

NOT_OURS = {
    "check_array_api_input": "in older versions, for estimators that compute on such arrays only",
    "check_transformer_preserve_dtypes": "what comes out is float32",
    "check_array_api_mixed_inputs": "for estimators that compute on other arrays than NumPy's",
    "check_array_api_same_namespace": "for estimators that compute on other arrays than NumPy's",
}
"""Checks that MinMaxScaler gets and ours does not."""


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (20, 4, 4), dtype=np.uint8)


@parametrize_with_checks([ImageScaler(), ImageScaler(value_range=(-3.0, 3.0))])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_no_tag_shrinks_the_checks():
    ours, others = (
        {check.func.__name__ for _, check in estimator_checks_generator(estimator)}
        for estimator in (ImageScaler(), MinMaxScaler())
    )
    assert others - ours <= set(NOT_OURS)
    assert len(ours) >= 38


@pytest.mark.parametrize(
    ("form", "inverse_shape"),
    [
        (lambda X: X.reshape(20, 16), (20, 16)),
        (lambda X: X, (20, 4, 4)),
        (lambda X: X[..., None], (20, 4, 4, 1)),
    ],
)
def test_every_form_gives_the_same_images(images, form, inverse_shape):
    X = form(images)
    scaler = ImageScaler()
    scaled = scaler.fit_transform(X)
    assert scaled.shape == (20, 4, 4, 1)
    assert scaled.dtype == np.float32
    assert_allclose(scaled[..., 0], images / 255, rtol=1e-6)
    assert scaler.image_shape_ == (4, 4, 1)
    assert scaler.n_features_in_ == 16
    restored = scaler.inverse_transform(scaled)
    assert restored.shape == inverse_shape
    assert restored.dtype == np.uint8
    assert_array_equal(restored, X)


def test_lists_and_frames_give_what_arrays_give(images):
    rows = images.reshape(20, 16)
    expected = ImageScaler().fit_transform(rows.astype(np.int64))
    frame = pd.DataFrame(rows.astype(np.int64), columns=[f"p{i}" for i in range(16)])
    assert_array_equal(ImageScaler().fit_transform(rows.tolist()), expected)
    assert_array_equal(ImageScaler().fit_transform(images.tolist()), expected)
    scaler = ImageScaler().fit(frame)
    assert_array_equal(scaler.transform(frame), expected)
    assert_array_equal(scaler.feature_names_in_, frame.columns)
    assert_array_equal(scaler.get_feature_names_out(), frame.columns)


def test_bytes_are_scaled_by_255_whatever_they_hold():
    dark = np.full((3, 16), 51, dtype=np.uint8)
    assert_allclose(ImageScaler().fit_transform(dark), 0.2, rtol=1e-6)


def test_other_dtypes_are_scaled_by_the_range_of_fit_not_of_the_batch():
    X = np.array([[-2.0, 0.0, 1.0, 2.0]])
    scaler = ImageScaler().fit(X)
    assert scaler.value_range_ == (-2.0, 2.0)
    assert_allclose(scaler.transform(X).ravel(), [0, 0.5, 0.75, 1])
    assert_allclose(scaler.transform(X / 2).ravel(), [0.25, 0.5, 0.625, 0.75])
    with pytest.warns(ValueRangeWarning):
        assert_allclose(scaler.transform(X * 2).ravel(), [-0.5, 0.5, 1, 1.5])


def test_fit_on_bytes_then_transform_floats(images):
    scaler = ImageScaler().fit(images)
    assert_allclose(scaler.transform(images.astype(float)), scaler.transform(images))


def test_value_range_given_is_kept(images):
    scaled = ImageScaler(value_range=(0, 510)).fit_transform(images)
    assert_allclose(scaled[..., 0], images / 510, rtol=1e-6)


def test_constant_images_become_zero():
    assert_array_equal(ImageScaler().fit_transform(np.full((2, 4), 7.0)), 0.0)


def test_image_shape_for_colour_rows():
    X = np.arange(2 * 5 * 4 * 3, dtype=np.uint8).reshape(2, 60)
    scaled = ImageScaler(image_shape=(5, 4, 3)).fit_transform(X)
    assert_allclose(scaled, X.reshape(2, 5, 4, 3) / 255, rtol=1e-6)


def test_input_is_left_alone(images):
    X = images.astype(np.float32)
    before = X.copy()
    ImageScaler().fit_transform(X)
    assert_array_equal(X, before)


def test_clone_and_pickle(images):
    scaler = ImageScaler(image_shape=[4, 4], value_range=(0, 255)).fit(images)
    assert clone(scaler).get_params() == scaler.get_params()
    restored = pickle.loads(pickle.dumps(scaler))
    assert_array_equal(restored.transform(images), scaler.transform(images))


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_set_output_gives_frames_of_flat_rows(images):
    frame = ImageScaler().set_output(transform="pandas").fit_transform(images)
    assert isinstance(frame, pd.DataFrame)
    assert frame.shape == (20, 16)
    assert_allclose(frame.to_numpy(), images.reshape(20, 16) / 255, rtol=1e-6)


def test_unfitted_is_refused(images):
    with pytest.raises(NotFittedError, match="This ImageScaler instance is not fitted yet"):
        ImageScaler().transform(images)


def test_many_digits_survive_the_scaling():
    X = np.int64(10) ** 15 + np.arange(32).reshape(2, 16)
    assert_allclose(ImageScaler().fit_transform(X).ravel(), np.arange(32) / 31, rtol=1e-6)
    near_one = np.float32(1) + np.arange(32, dtype=np.float32).reshape(2, 16) / 2**20
    assert_allclose(ImageScaler().fit_transform(near_one).ravel(), np.arange(32) / 31, rtol=1e-6)


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint16, np.int64, np.uint64])
def test_inverse_of_every_whole_dtype(dtype):
    low, high = (0, 1) if dtype is bool else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    X = np.array([[[low, high]], [[high, low]]], dtype=dtype)
    scaler = ImageScaler().fit(X)
    back = scaler.inverse_transform(scaler.transform(X))
    assert back.dtype == X.dtype
    assert_allclose(back.astype(float), X.astype(float), rtol=1e-6)
    outside = scaler.inverse_transform(np.array([[[-1.0, 2.0]]]))
    assert_allclose(outside.astype(float), [[[low, high]]], rtol=1e-6)
