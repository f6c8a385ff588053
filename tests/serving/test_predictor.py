"""Predictors: the pipeline's answers without TensorFlow, as a fitted scikit-learn classifier."""

import copy
import multiprocessing
import os
import pickle
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from mnist_estimator import (
    CNNClassifier,
    ImageScaler,
    RejectingClassifier,
    ValueRangeWarning,
    evaluate,
    load_mnist,
    load_predictor,
    recognize,
    save,
    to_onnx,
)

NETWORK = {"filters": (8, 16), "kernel_size": 3, "epochs": 3, "batch_size": 32, "random_state": 0}


@pytest.fixture(scope="module")
def mnist():
    X, y = load_mnist("train", return_X_y=True)
    return X[:900], y[:900]


@pytest.fixture(scope="module")
def pipe(mnist):
    """Return a pipeline that is confident of some images and not of others."""
    X, y = mnist
    scale, cnn = ImageScaler(), CNNClassifier(**NETWORK)
    return Pipeline([("scale", scale), ("cnn", cnn)]).fit(X[:600], y[:600])


@pytest.fixture(scope="module")
def predictor(pipe, tmp_path_factory):
    path = tmp_path_factory.mktemp("predictor") / "digits.pipeline"
    save(pipe, path)
    return load_predictor(path)


def of(estimator, folder):
    """Return the predictor of an estimator, saved and loaded."""
    save(estimator, folder / "model.pipeline")
    return load_predictor(folder / "model.pipeline")


def assert_same(predictor, estimator, X):
    """Compare labels and probabilities."""
    expected = estimator.predict_proba(X)
    assert_allclose(predictor.predict_proba(X), expected, rtol=0, atol=1e-5)
    labels, wanted = predictor.predict(X), estimator.predict(X)
    assert labels.dtype == wanted.dtype
    clear = np.diff(np.sort(expected)[:, -2:])[:, 0] > 2e-5
    assert clear.mean() > 0.9
    assert_array_equal(labels[clear], wanted[clear])


# Answers


def test_answers_are_those_of_the_pipeline(pipe, predictor, mnist):
    X, y = mnist
    assert (pipe.predict_proba(X).max(axis=1) < 0.8).sum() > 20  # with test-time augmentation
    assert_same(predictor, pipe, X)
    assert predictor.score(X, y) == pytest.approx(pipe.score(X, y), abs=2 / len(X))
    weights = np.arange(len(X))
    expected = pipe.score(X, y, sample_weight=weights)
    assert predictor.score(X, y, sample_weight=weights) == pytest.approx(expected, abs=0.005)


@pytest.mark.parametrize(
    "form",
    [
        lambda X: X.reshape(-1, 28, 28),
        lambda X: X.reshape(-1, 28, 28, 1),
        lambda X: X.astype(np.float64),
        lambda X: X.astype(">i4"),
        lambda X: X.astype(np.float16),
        lambda X: np.asfortranarray(X),
        lambda X: X[::-1][::-1],
        lambda X: X.tolist(),
        lambda X: list(X.reshape(-1, 28, 28)),
        lambda X: pd.DataFrame(X),
        lambda X: X.astype(object),
        lambda X: X.astype(str),
    ],
)
def test_every_form_of_images_is_taken(predictor, mnist, form):
    X = mnist[0][:40]
    assert_allclose(predictor.predict_proba(form(X)), predictor.predict_proba(X), atol=1e-6)


def test_memory_mapped_images(predictor, mnist, tmp_path):
    X = mnist[0]
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    assert_array_equal(predictor.predict_proba(mapped), predictor.predict_proba(X))


def test_images_that_are_scaled_as_they_are_read(pipe, mnist, tmp_path):
    X = mnist[0]
    np.save(tmp_path / "X.npy", X)
    scaled = pipe[0].transform(np.load(tmp_path / "X.npy", mmap_mode="r"))
    assert not isinstance(scaled, np.ndarray)
    found = of(pipe[-1], tmp_path)
    assert_allclose(found.predict_proba(scaled), pipe.predict_proba(X), atol=1e-5)


@pytest.mark.parametrize(
    "labels",
    [
        lambda y: y.astype(str),
        lambda y: y.astype(str).astype(object),
        lambda y: y % 2 == 0,
        lambda y: y.astype(np.int8) - 4,
        lambda y: y * 0.5 // 0.5,
    ],
    ids=["str", "object", "bool", "int8", "float"],
)
def test_labels_keep_their_type(pipe, mnist, tmp_path, labels):
    X, y = mnist
    model = clone(pipe).set_params(cnn__epochs=1).fit(X[:300], labels(y[:300]))
    found = of(model, tmp_path)
    assert found.classes_.dtype == model.classes_.dtype
    assert found.classes_.tolist() == model.classes_.tolist()
    assert found.predict(X[:50]).dtype == model.predict(X[:50]).dtype


@pytest.mark.parametrize(
    "changed",
    [
        {"ensemble_size": 2, "epochs": 1},
        {"precision": "float64", "epochs": 1},
        {"test_time_shift": 0, "epochs": 1},
        {"batch_norm": False, "dense_units": (9,), "epochs": 1},
    ],
    ids=str,
)
def test_every_network(pipe, mnist, tmp_path, changed):
    X, y = mnist
    model = clone(pipe)
    model["cnn"].set_params(**changed)
    assert_same(of(model.fit(X[:200], y[:200]), tmp_path), model, X[:200])


@pytest.mark.parametrize(
    "X",
    [
        np.random.default_rng(0).uniform(-1, 1, (80, 12, 10, 3)),
        np.random.default_rng(0).uniform(1e6, 1e6 + 1, (80, 64)),
    ],
    ids=["colour", "far from zero"],
)
def test_other_images(pipe, tmp_path, X):
    y = np.arange(len(X)) % 2
    model = clone(pipe).set_params(cnn__epochs=1).fit(X, y)
    found = of(model, tmp_path)
    assert found.image_shape_ == model[-1].image_shape_
    assert_allclose(found.predict_proba(X), model.predict_proba(X), atol=1e-5)


def test_a_classifier_alone(mnist, tmp_path):
    X, y = mnist
    model = CNNClassifier(**NETWORK | {"epochs": 1}).fit(X[:200] / 255, y[:200])
    found = of(model, tmp_path)
    assert not hasattr(found, "value_range_")
    assert_same(found, model, X[:200] / 255)


def test_pipelines_in_others(pipe, mnist, tmp_path):
    nested = Pipeline([("none", "passthrough"), ("inner", FrozenEstimator(pipe))])
    assert_same(of(nested, tmp_path), pipe, mnist[0][:200])


def test_columns_of_a_data_frame(pipe, mnist, tmp_path):
    X, y = pd.DataFrame(mnist[0]).add_prefix("pixel"), mnist[1]
    model = clone(pipe).set_params(cnn__epochs=1).fit(X[:200], y[:200])
    found = of(model, tmp_path)
    assert_array_equal(found.feature_names_in_, model.feature_names_in_)
    assert_same(found, model, X[:200])
    with pytest.raises(ValueError, match=r"feature names should match.*feature_names_in_"):
        found.predict(X[X.columns[::-1]])


# Reject options


def clear_of(rejecting, X):
    """Return the images whose confidence is not that of the threshold, but for rounding."""
    return X[np.abs(rejecting.score_samples(X) - rejecting.threshold_) > 1e-5]


def test_rejections_are_those_of_the_estimator(pipe, mnist, tmp_path):
    X, y = mnist
    rejecting = RejectingClassifier(pipe, cv="prefit", error_rate=0.1).fit(X, y)
    is_clear = np.abs(rejecting.score_samples(X) - rejecting.threshold_) > 1e-5
    X, y = X[is_clear], y[is_clear]
    assert 0 < rejecting.accepts(X).mean() < 1
    found = of(rejecting, tmp_path)
    assert_array_equal(found.predict(X), rejecting.predict(X))
    assert_array_equal(found.accepts(X), rejecting.accepts(X))
    assert_allclose(found.score_samples(X), rejecting.score_samples(X), atol=1e-5)
    assert (found.threshold_, found.reject_label_) == (
        rejecting.threshold_,
        rejecting.reject_label_,
    )
    assert str(evaluate(found, X, y)) == str(evaluate(rejecting, X, y))


def test_all_are_rejected(pipe, mnist, tmp_path):
    X, y = mnist
    with pytest.warns(UserWarning, match="All samples will be rejected"):
        rejecting = RejectingClassifier(pipe, cv="prefit", error_rate=1e-6).fit(X, y)
    assert set(of(rejecting, tmp_path).predict(X)) == {-1}


def test_rejections_within_a_pipeline_and_each_other(pipe, mnist, tmp_path):
    X, y = mnist
    inner = RejectingClassifier(FrozenEstimator(pipe[-1]), cv="prefit", error_rate=0.1)
    inner.fit(pipe[:-1].transform(X), y)
    whole = Pipeline([("scale", pipe[0]), ("inner", inner)])
    clear = clear_of(inner, pipe[:-1].transform(X)).reshape(-1, 784) * 255
    assert_array_equal(of(whole, tmp_path).predict(clear), whole.predict(clear))
    outer = RejectingClassifier(
        FrozenEstimator(whole), cv="prefit", error_rate=0.2, reject_label=-7
    ).fit(X, y)
    clear = clear_of(outer, clear)
    assert_array_equal(of(outer, tmp_path).predict(clear), outer.predict(clear))


# Bad input


@pytest.mark.parametrize(
    ("X", "error", "words"),
    [
        (np.full((2, 784), np.nan), ValueError, "X contains NaN"),
        (np.full((2, 784), np.inf), ValueError, "X contains infinity"),
        (np.full((2, 784), 1e30), ValueError, "must hold numbers from -1e"),
        (np.zeros((0, 784)), ValueError, "holds no image"),
        (np.zeros((2, 64)), ValueError, "64 features, but Predictor is expecting 784"),
        (np.zeros((2, 8, 8)), ValueError, r"images of shape \(8, 8, 1\), but Predictor was"),
        (np.zeros((28, 28)), ValueError, r"a single image"),
        (np.zeros(784), ValueError, "one row an image"),
        (np.full((2, 784), "a"), ValueError, "X must hold numbers"),
        (np.zeros((2, 784), complex), ValueError, "X must hold numbers"),
        ("digits.png", TypeError, "Load the file first"),
        (None, TypeError, "must be an array"),
        (iter([[0]]), TypeError, "one by one"),
        (np.zeros((2, 784), "M8[s]"), ValueError, "must hold numbers"),
    ],
)
def test_bad_images_are_refused(predictor, X, error, words):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ValueRangeWarning)
        with pytest.raises(error, match=words):
            predictor.predict(X)


def test_another_range_of_values_is_told_of(predictor, mnist):
    with pytest.warns(ValueRangeWarning, match=r"X has values from 0 to 1, but Predictor") as told:
        predictor.predict(mnist[0] / 255)
    assert told[0].filename == __file__


def test_score_refuses_labels_of_other_images(predictor, mnist):
    with pytest.raises(ValueError, match="one label for each of the 20 images"):
        predictor.score(mnist[0][:20], mnist[1][:19])


# As a classifier of scikit-learn


def test_it_is_a_fitted_classifier(predictor, mnist):
    X, y = mnist
    assert is_classifier(predictor)
    check_is_fitted(predictor)
    assert clone(predictor) is predictor
    assert predictor.get_params() == {}
    with pytest.raises(ValueError, match="has no parameters"):
        predictor.set_params(epochs=3)
    with pytest.raises(TypeError, match=r"predicts only.*load\(path\).*FrozenEstimator"):
        predictor.fit(X, y)
    frozen = FrozenEstimator(predictor)
    voting = VotingClassifier([("one", frozen), ("other", frozen)], voting="soft").fit(X, y)
    assert_array_equal(voting.predict(X), predictor.predict(X))
    calibrated = CalibratedClassifierCV(frozen, cv=2).fit(X, y)
    assert calibrated.score(X, y) > 0.5
    assert evaluate(predictor, X, y).accuracy == predictor.score(X, y)


def test_it_recognizes_digits(predictor, pipe, mnist):
    page = np.hstack([255 - image.reshape(28, 28) for image in mnist[0][:3]])
    assert recognize(predictor, page).texts == recognize(pipe, page).texts


def test_copies_and_pickles_predict_the_same(predictor, mnist):
    X = mnist[0]
    for again in (pickle.loads(pickle.dumps(predictor)), copy.deepcopy(predictor)):
        assert_array_equal(again.predict_proba(X), predictor.predict_proba(X))


def test_threads_may_share_it(predictor, mnist):
    X, expected = mnist[0], predictor.predict_proba(mnist[0])
    with ThreadPoolExecutor(8) as threads:
        for found in threads.map(predictor.predict_proba, [X] * 16):
            assert_array_equal(found, expected)


@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="there are no forks"
)
def test_forked_processes_predict(predictor, mnist):
    parts = np.array_split(mnist[0], 4)
    expected = predictor.predict(mnist[0])
    with multiprocessing.get_context("fork").Pool(2) as pool:
        found = pool.map_async(predictor.predict, parts).get(timeout=60)
    assert_array_equal(np.concatenate(found), expected)


FORKED = """
import os, signal, sys, time
import numpy as np
from mnist_estimator import load_predictor

predictor = load_predictor(sys.argv[1])
X = np.load(sys.argv[2])
predictor.predict(X)
time.sleep(0.5)  # so that the threads of its session sleep
for use in ("not used", "used", "deleted"):
    child = os.fork()
    if child == 0:
        signal.alarm(60)  # bound against hangs: it ends the process
        if use == "used":
            print(*predictor.predict(X), flush=True)
        if use == "deleted":
            del predictor
        sys.exit(7)
    print(use, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks")
def test_forked_processes_that_inherit_it_predict_and_end(pipe, mnist, tmp_path):
    save(pipe, tmp_path / "digits.pipeline")
    np.save(tmp_path / "images.npy", mnist[0][:9])
    done = subprocess.run(
        [sys.executable, "-c", FORKED, tmp_path / "digits.pipeline", tmp_path / "images.npy"],
        env=os.environ | {"OMP_NUM_THREADS": "2"}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    labels = " ".join(map(str, pipe.predict(mnist[0][:9])))
    expected = ["not used 7", labels, "used 7", "deleted 7"]
    assert (done.stdout.splitlines(), done.stderr) == (expected, "")


def test_memory_stays_below_twice_the_images(predictor, traced_memory):
    X = np.zeros((20_000, 784), dtype=np.uint8)
    X[:, ::7] = 255
    predictor.predict(X[:1000])
    with traced_memory() as peak:
        predictor.predict_proba(X)
        assert peak() < 2 * X.nbytes


# ONNX files


@pytest.mark.parametrize("shift", [0, 1])
def test_a_file_of_to_onnx(pipe, mnist, tmp_path, shift):
    X = mnist[0]
    model = copy.deepcopy(pipe).set_params(cnn__test_time_shift=shift)
    found = load_predictor(to_onnx(model, tmp_path / "digits.onnx"))
    assert_same(found, model, X)
    assert_allclose(found.predict_proba(X[:9] + 0.0), found.predict_proba(X[:9]))
    assert (found.value_range_, found.image_shape_) == ((0, 255), (28, 28, 1))
    with pytest.raises(ValueError, match="not of dtype uint8"):
        found.predict(X[:9] + 0.5)
    with pytest.warns(ValueRangeWarning):
        found.predict((X > 127).astype(np.uint8))
