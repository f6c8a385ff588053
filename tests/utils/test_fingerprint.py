"""Fingerprints of training data: anyone can compute them, and they are of what was given."""

import gc
import hashlib

import numpy as np
import pandas as pd
import pytest

from mnist_estimator import CNNClassifier, ImageScaler
from mnist_estimator.utils import _fingerprint
from mnist_estimator.utils._fingerprint import fingerprint, remember_source, source_fingerprint


@pytest.mark.parametrize(
    "array",
    [
        np.arange(24, dtype=np.uint8).reshape(2, 3, 4),
        np.arange(24.0).reshape(6, 4)[::2, ::-1],
        np.array(["a", "bc"]),
        np.array([True, False]),
        np.array(7),
        np.empty((0, 3)),
        np.arange(3).astype("M8[D]"),
    ],
    ids=["bytes", "strided", "text", "bool", "scalar", "empty", "dates"],
)
def test_the_hash_is_that_of_the_bytes(array, monkeypatch):
    monkeypatch.setattr(_fingerprint, "BLOCK", 8)
    assert fingerprint(array) == {
        "shape": list(array.shape),
        "dtype": str(array.dtype),
        "sha256": hashlib.sha256(array.tobytes()).hexdigest(),
    }


def test_objects_are_hashed_as_text():
    labels = np.array(["one", "two"], dtype=object)
    assert fingerprint(labels) == fingerprint(np.array(["one", "two"]))


@pytest.fixture
def images():
    """Return a thousand images as bytes."""
    return np.random.default_rng(0).integers(0, 256, (1000, 64), dtype=np.uint8)


def test_scaled_images_have_the_fingerprint_of_their_source(images):
    scaled = ImageScaler().fit_transform(images)
    assert source_fingerprint(scaled, scaled) == fingerprint(images)
    assert source_fingerprint(scaled.copy(), scaled) == fingerprint(scaled)


def test_scaled_images_that_changed_have_their_own(images):
    scaled = ImageScaler().fit_transform(images)
    scaled *= 0.5
    assert source_fingerprint(scaled, scaled) == fingerprint(scaled) != fingerprint(images)


def test_nothing_is_kept_of_images_that_are_gone(images):
    gc.collect()
    before = len(_fingerprint._sources)
    scaled = ImageScaler().fit_transform(images)
    remember_source(scaled, images, images.shape)
    assert len(_fingerprint._sources) == before + 1
    del scaled
    gc.collect()
    assert len(_fingerprint._sources) == before


def test_mapped_files_are_hashed_as_they_are(images, tmp_path):
    np.save(tmp_path / "X.npy", images)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    scaled = ImageScaler().fit_transform(mapped)
    assert source_fingerprint(scaled, scaled) == fingerprint(images)
    assert fingerprint(scaled) == fingerprint(np.asarray(scaled))


def test_a_pipeline_knows_the_data_that_it_was_given(quick_pipeline, digits):
    X, y = digits
    pipe = quick_pipeline(epochs=1)
    assert pipe.fit(X, y)[-1]._training_data == {
        "X": fingerprint(X), "y": fingerprint(y), "further_calls": 0, "further_images": 0,
    }  # fmt: skip
    frame = pd.DataFrame(X.astype(np.uint8), columns=[f"pixel{i}" for i in range(64)])
    known = pipe.fit(frame, pd.Series(y).astype(str))[-1]._training_data
    assert known["X"] == fingerprint(X.astype(np.uint8))
    assert known["y"]["shape"] == [600]


def test_a_classifier_counts_what_it_learns_later(small, digits):
    X, y = digits
    clf = small(epochs=1, warm_start=True).fit(X, y)
    first = clf._training_data
    assert first["X"] == fingerprint(X.reshape(-1, 8, 8, 1))
    clf.partial_fit(X[:50], y[:50]).fit(X[:60], y[:60])
    assert clf._training_data == first | {"further_calls": 2, "further_images": 110}
    del clf._training_data  # as in files of versions before 0.7
    clf.partial_fit(X[:50], y[:50])
    assert clf._training_data == {
        "X": None, "y": None, "further_calls": 1, "further_images": 50,
    }  # fmt: skip


def test_a_failed_fit_leaves_the_record(fitted, digits):
    X, _ = digits
    before = fitted._training_data
    with pytest.raises(ValueError, match="labels that are not among the classes"):
        fitted.partial_fit(X[:5], np.full(5, 99))
    assert fitted._training_data == before


def test_initialize_is_no_training(digits):
    X, y = digits
    clf = CNNClassifier(filters=(4,), epochs=1, batch_size=64, warm_start=True).initialize(X, y)
    assert not hasattr(clf, "_training_data")
    clf.fit(X, y)
    assert clf._training_data["y"] == fingerprint(y)
    assert clf._training_data["further_calls"] == 0
