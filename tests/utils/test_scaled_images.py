"""Images of a mapped file, scaled as they are read."""

import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_array_equal
from sklearn.pipeline import Pipeline

from mnist_estimator import CNNClassifier, ImageScaler, make_pipeline
from mnist_estimator.utils._scaled_images import ScaledImages, scale


@pytest.fixture
def mapped(digits, tmp_path):
    """The digits as a file of bytes, and held in memory."""

    def of(dtype=np.uint8, shape=(-1, 64)):
        X = digits[0].reshape(shape).astype(dtype)
        np.save(tmp_path / "X.npy", X)
        return np.load(tmp_path / "X.npy", mmap_mode="r"), X

    return of


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64, np.float32, np.float64, bool])
@pytest.mark.parametrize("shape", [(-1, 64), (-1, 8, 8), (-1, 8, 8, 1)])
def test_the_pipeline_learns_the_same_to_the_bit(small_pipeline, mapped, digits, dtype, shape):
    file, X = mapped(dtype, shape)
    y = digits[1]
    one, other = (small_pipeline(epochs=2).fit(images, y) for images in (file, X))
    assert isinstance(one[:-1].transform(file), ScaledImages)
    assert_array_equal(one.predict_proba(file), other.predict_proba(X))
    assert_array_equal(one.predict_proba(X), other.predict_proba(file))


def test_what_is_read_is_what_the_array_has(mapped):
    file, X = mapped()
    scaler = ImageScaler(value_range=(-3, 17)).fit(X)
    lazy, array = scaler.transform(file), scaler.transform(X)
    for name in ("shape", "ndim", "dtype"):
        assert getattr(lazy, name) == getattr(array, name)
    assert len(lazy) == len(array)
    mask = np.arange(len(X)) % 3 == 0
    for rows in (slice(5, 40, 3), [3, 1, 1], mask, slice(None), slice(0, 0), 7, -1, np.int64(4)):
        assert_array_equal(lazy[rows], array[rows], strict=True)
        assert type(lazy[rows]) is np.ndarray
    assert_array_equal(np.asarray(lazy), array, strict=True)
    assert_array_equal(np.asarray(lazy, np.float64), array.astype(np.float64), strict=True)
    assert (lazy.min(), lazy.max()) == (array.min(), array.max())
    with pytest.raises(ValueError, match="by a copy only; got copy=False"):
        lazy.__array__(copy=False)
    with pytest.raises(IndexError):
        lazy[len(X)]


def test_bounds_hold_every_value_and_are_not_read_of_bytes(mapped):
    for dtype in (np.uint8, np.int16, np.int64, np.float32):
        file, X = mapped(dtype)
        lazy = ScaledImages(file.reshape(-1, 8, 8, 1), (0.0, 16.0))
        low, high = lazy.bounds()
        values = scale(X, (0.0, 16.0))
        assert low <= values.min() <= values.max() <= high
        if dtype != np.uint8:
            continue
        assert (low, high) == (0.0, 255 / 16)


def test_other_steps_get_an_array(mapped, digits):
    file, X = mapped()
    flat = Pipeline([("scale", ImageScaler()), ("flatten", Flatten())])
    assert_array_equal(flat.fit_transform(file), flat.fit_transform(X), strict=True)
    copied = pickle.loads(pickle.dumps(ImageScaler().fit(X).transform(file)))
    assert_array_equal(np.asarray(copied), ImageScaler().fit_transform(X))


class Flatten(sklearn.base.TransformerMixin, sklearn.base.BaseEstimator):
    """Any step of somebody else's."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return np.asarray(X).reshape(len(X), -1)


def test_data_frames_are_made_where_they_are_asked_for(mapped):
    file, X = mapped()
    scaler = ImageScaler().set_output(transform="pandas")
    pd.testing.assert_frame_equal(scaler.fit_transform(file), scaler.fit_transform(X))


def test_validation_images_may_be_mapped_too(small, mapped, digits):
    file, X = mapped()
    y = digits[1]
    scaler = ImageScaler().fit(X)
    clf = small(epochs=2)
    clf.fit(scaler.transform(file), y, X_val=scaler.transform(file[:50]), y_val=y[:50])
    held = clf.history_["val_loss"]
    clf.fit(scaler.transform(X), y, X_val=scaler.transform(X[:50]), y_val=y[:50])
    assert clf.history_["val_loss"] == held
    with pytest.warns(UserWarning, match="X_val seems not to be scaled as X is"):
        clf.fit(scaler.transform(file), y, X_val=256 * np.asarray(X[:50], float), y_val=y[:50])


def test_images_too_large_after_scaling_are_refused(small, mapped, digits):
    file, _ = mapped(np.float64)
    lazy = ImageScaler(value_range=(0, 1e-20)).fit(file).transform(file)
    with pytest.raises(ValueError, match=r"numbers from -1e\+18 to 1e\+18.*got 1\.6e\+21"):
        small(epochs=2).fit(lazy, digits[1])


def test_images_of_another_shape_or_number_are_refused(small, small_pipeline, mapped, digits):
    file, _ = mapped()
    pipe = small_pipeline(epochs=2).fit(file, digits[1])
    lazy = pipe[:-1].transform(file)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        small(epochs=2).fit(lazy, digits[1][:-1])
    other = ImageScaler().fit(np.zeros((1, 4, 4), np.uint8))
    with pytest.raises(ValueError, match=r"images of shape \(8, 8, 1\).*fitted on.*\(4, 4, 1\)"):
        other.transform(file.reshape(-1, 8, 8))
    with pytest.raises(ValueError, match=r"image_shape=\(4, 16, 1\)"):
        CNNClassifier(image_shape=(4, 16)).fit(lazy, digits[1])


def test_a_checkpoint_of_a_file_goes_on_in_memory(small_pipeline, mapped, digits, tmp_path):
    file, X = mapped()
    folder = tmp_path / "checkpoint"
    folder.mkdir()

    class Crash(Exception):
        pass

    def fit(images, y, crash):
        import keras

        class Stop(keras.callbacks.Callback):
            def on_epoch_begin(self, epoch, logs=None):
                if crash and epoch == 1:
                    raise Crash

        pipe = small_pipeline(epochs=2, callbacks=[Stop], checkpoint_dir=folder)
        return pipe.fit(images, y)

    with pytest.raises(Crash):
        fit(file, digits[1], crash=True)
    with pytest.warns(UserWarning, match="goes on from its checkpoint"):
        resumed = fit(X, digits[1], crash=False)
    whole = small_pipeline(epochs=2).fit(X, digits[1])
    assert_array_equal(resumed.predict_proba(X), whole.predict_proba(X))


def test_hashes_as_joblib_takes_them_are_those_of_the_file(mapped):
    file, X = mapped()
    scaler = ImageScaler().fit(X)
    one, other = (scaler.transform(file[rows]) for rows in (slice(0, 90), slice(0, 91)))
    assert joblib.hash(one) == joblib.hash(scaler.transform(file[:90]))
    assert joblib.hash(one) != joblib.hash(other)


@pytest.mark.slow
def test_the_pipeline_never_holds_all_images(traced_memory, tmp_path):
    generator = np.random.default_rng(0)
    shape, y = (12_000, 64, 64), generator.integers(0, 2, 12_000)
    np.save(tmp_path / "X.npy", generator.integers(0, 256, shape, dtype=np.uint8))
    file = np.load(tmp_path / "X.npy", mmap_mode="r")
    pipe = make_pipeline(filters=(4,), epochs=1, batch_size=64, random_state=0)
    pipe.fit(file[:64], y[:64]).predict(file[:64])  # what is traced stays, and is not the images
    with traced_memory() as peak:
        pipe.fit(file, y)
        assert peak() < file.nbytes / 2  # scaled, they are four times it
    with traced_memory() as peak:
        pipe.predict(file)
        assert peak() < file.nbytes / 2


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("low", "high"), [(0.0, 1e-30), (1e-45, 2e-45), (-1e-300, 1e-300)])
def test_tiny_ranges_are_scaled_and_what_is_far_outside_is_refused(low, high, dtype):
    scaler = ImageScaler(value_range=(low, high))
    images = np.full((2, 4), low, dtype)
    scaled = scaler.fit(images).transform(images)
    assert np.abs(scaled).max() <= 0.5 + 1e-6  # float32 may know no other value than 0
    images[1, 2] = 1e18
    with pytest.raises(ValueError, match="X reaches 1e\\+18, so far outside of the range from"):
        scaler.transform(images)


def test_what_cannot_be_brought_back_is_refused():
    scaler = ImageScaler().fit(np.array([[0, 1, 2, 3]], np.float16))
    with pytest.raises(ValueError, match="X has values that float16, the dtype seen in fit,"):
        scaler.inverse_transform(np.full((1, 4), 1e6))
    with pytest.raises(ValueError, match="Input X contains NaN"):
        scaler.inverse_transform(np.full((1, 4), np.nan))
