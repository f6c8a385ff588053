"""Copies of every kind: they predict to the bit, train on as the original would, share nothing."""

import copy
import pickle
import pickletools
import subprocess
import sys
from pathlib import Path

import joblib
import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from mnist_estimator import CNNClassifier, ImageScaler


def by_pickle(protocol):
    return lambda estimator, folder: pickle.loads(pickle.dumps(estimator, protocol=protocol))


def by_joblib(compress=0, mmap_mode=None):
    def make(estimator, folder):
        # A file of its own each time: the estimator itself may lie in an earlier one, mapped.
        path = folder / f"{len(list(folder.iterdir()))}.joblib"
        joblib.dump(estimator, path, compress=compress)
        return joblib.load(path, mmap_mode=mmap_mode)

    return make


def by_cloudpickle(estimator, folder):
    cloudpickle = pytest.importorskip("cloudpickle")
    return cloudpickle.loads(cloudpickle.dumps(estimator))


def by_skops(estimator, folder):
    skops = pytest.importorskip("skops.io")
    skops.dump(estimator, folder / "estimator.skops")
    trusted = skops.get_untrusted_types(file=folder / "estimator.skops")
    return skops.load(folder / "estimator.skops", trusted=trusted)


WAYS = {
    "deepcopy": lambda estimator, folder: copy.deepcopy(estimator),
    **{f"pickle {protocol}": by_pickle(protocol) for protocol in range(6)},
    "joblib": by_joblib(),
    "joblib, compressed": by_joblib(compress=3),
    "joblib, lzma": by_joblib(compress=("lzma", 1)),
    **{f"joblib, mapped {mode}": by_joblib(mmap_mode=mode) for mode in ("r", "r+", "c")},
    "cloudpickle": by_cloudpickle,
    "skops": by_skops,
}
"""Ways to copy an estimator with all that it holds, given a folder to write to."""

FEW = ("deepcopy", "pickle 5", "joblib, mapped r", "skops")
few_ways = pytest.mark.parametrize("duplicate", FEW, indirect=True)
"""What concerns the state and not the way: enough for tests that train."""


@pytest.fixture(params=WAYS)
def duplicate(request, tmp_path):
    """Copy an estimator in one of the ways."""
    return lambda estimator: WAYS[request.param](estimator, tmp_path)


@pytest.fixture(scope="module")
def frame(two_classes):
    """Return images as a frame, and their names: so that names are among what is copied."""
    X, y = two_classes
    columns = [f"pixel{i}" for i in range(64)]
    return pd.DataFrame(X.reshape(200, 64), columns=columns), np.array(["above", "below"])[y]


MUTABLE = {"filters": [8, 16], "augmentation": {"rotation": 10.0, "shift": 0.08}}
"""Parameters that a copy could share, and spoil."""


@pytest.fixture(scope="module", params=["classifier", "pipeline"])
def make(request, quick, quick_pipeline):
    """Make an unfitted classifier, or a pipeline around one."""
    parameters = {**MUTABLE, "epochs": 2, "warm_start": True}
    if request.param == "classifier":
        return lambda **changed: quick(**parameters | changed)
    return lambda **changed: quick_pipeline(**parameters | changed)


def network(estimator):
    """Return the classifier itself."""
    return estimator[-1] if isinstance(estimator, Pipeline) else estimator


def train_on(estimator, X, y):
    """Train the classifier for one pass more, inside a pipeline too."""
    if isinstance(estimator, Pipeline):
        X = estimator[:-1].transform(X)
    network(estimator).partial_fit(X, y)
    return estimator


@pytest.fixture(scope="module")
def original(make, frame):
    """Return a fitted estimator; tests must not change it."""
    return make().fit(*frame)


@pytest.fixture(scope="module")
def stages(make, frame):
    """Return the probabilities after each stage of a training that nothing was copied in."""
    X, y = frame
    estimator = make().fit(X, y)
    fitted = estimator.predict_proba(X)
    further = train_on(estimator, X, y).predict_proba(X)
    furthest = estimator.fit(X, y).predict_proba(X)
    assert not np.array_equal(fitted, further)
    assert not np.array_equal(further, furthest)
    return fitted, further, furthest


def assert_same(one, other):
    """Compare two values of any kind, in type and to the bit."""
    assert type(one) is type(other) or isinstance(other, np.memmap)
    if isinstance(one, dict):
        assert list(one) == list(other)
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for left, right in zip(one, other, strict=True):
            assert_same(left, right)
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        assert_array_equal(one, other)
    elif isinstance(one, ImageScaler | CNNClassifier):
        assert_same(one.get_params(deep=False), other.get_params(deep=False))
        assert_same(learned(one), learned(other))
    else:
        assert one == other


def learned(estimator):
    """Return what a fit has left: arrays for networks."""
    names = [name for name in vars(estimator) if name.endswith("_") and not name.startswith("_")]
    state = {name: getattr(estimator, name) for name in sorted(names) if name != "model_"}
    if hasattr(estimator, "model_"):
        state["weights"] = estimator.model_.get_weights()
        state["moments"] = [
            variable.numpy() for pair in estimator._training_state.moments for variable in pair
        ]
        state["n_steps"] = estimator._training_state.n_steps
    return state


def test_a_copy_of_a_fitted_one_is_the_same_to_the_bit(duplicate, original, stages, frame):
    X, _ = frame
    copied = duplicate(original)
    assert_array_equal(copied.predict_proba(X), stages[0])
    assert_array_equal(copied.predict(X), original.predict(X))
    assert {"model_", "history_", "image_shape_", "classes_"} <= set(vars(network(copied)))
    assert "feature_names_in_" in vars(steps(copied)[0])
    for one, other in zip(steps(original), steps(copied), strict=True):
        assert_same(one, other)


def steps(estimator):
    """Return the steps of a pipeline, or the one estimator."""
    return [step for _, step in estimator.steps] if hasattr(estimator, "steps") else [estimator]


@pytest.mark.parametrize(
    "duplicate", [*FEW, "joblib, mapped r+", "joblib, mapped c", "cloudpickle"], indirect=True
)
def test_copies_and_copies_of_copies_train_on_as_the_original(duplicate, original, stages, frame):
    X, y = frame
    fitted, further, furthest = stages
    copied = train_on(duplicate(original), X, y)
    assert_array_equal(copied.predict_proba(X), further)
    again = duplicate(copied).fit(X, y)  # warm_start
    assert_array_equal(again.predict_proba(X), furthest)
    assert network(again).n_iter_ == 5
    assert_array_equal(copied.predict_proba(X), further)
    assert_array_equal(original.predict_proba(X), fitted)


def test_a_copy_of_an_unfitted_one_is_the_same(duplicate, make):
    copied = duplicate(make())
    for one, other in zip(steps(make()), steps(copied), strict=True):
        assert_same(one, other)
    with pytest.raises(NotFittedError):
        check_is_fitted(network(copied))


@few_ways
def test_a_copy_of_an_unfitted_one_fits_alike(duplicate, make, stages, frame):
    X, y = frame
    copied = duplicate(make())
    assert_array_equal(copied.fit(X, y).predict_proba(X), stages[0])


@few_ways
def test_a_network_built_but_not_trained_is_copied(duplicate, quick, frame):
    X, y = frame
    built = quick().initialize(X, y)
    copied = duplicate(built)
    assert_array_equal(copied.predict_proba(X), built.predict_proba(X))
    assert copied.history_ == {}
    assert_array_equal(
        copied.partial_fit(X, y).predict_proba(X),
        quick().initialize(X, y).partial_fit(X, y).predict_proba(X),
    )


def mutable_parts(value, seen=None):
    """Return every list, dict, array and variable that hangs on a value, by its identity."""
    seen = {} if seen is None else seen
    plain_callable = callable(value) and not isinstance(value, keras.Model)
    if id(value) in seen or isinstance(value, type) or plain_callable:
        return seen
    if isinstance(value, list | dict | np.ndarray | tf.Variable | keras.Model):
        seen[id(value)] = value
    if isinstance(value, dict):
        children = list(value.values())
    elif isinstance(value, list | tuple):
        children = list(value)
    elif isinstance(value, keras.Model):
        children = [variable.value for variable in value.variables]
    elif isinstance(value, tf.Variable | np.ndarray):
        children = []
    else:
        children = list(getattr(value, "__dict__", {}).values())
    for child in children:
        mutable_parts(child, seen)
    return seen


def test_deep_copies_share_nothing(duplicate, original):
    copied = duplicate(original)
    own, others = mutable_parts(original), mutable_parts(copied)
    kinds = {type(part).__name__ for part in own.values()}
    assert {"list", "dict", "ndarray", "Sequential", "ResourceVariable"} <= kinds
    assert not set(own) & set(others)
    arrays = [part for part in own.values() if isinstance(part, np.ndarray) and part.size]
    copies = [part for part in others.values() if isinstance(part, np.ndarray) and part.size]
    assert len(arrays) == len(copies) > 1
    assert not any(np.shares_memory(one, other) for one in arrays for other in copies)


def test_a_shallow_copy_shares_parameters_and_no_network(quick, frame):
    X, y = frame
    clf = quick(**MUTABLE).fit(X, y)
    before = clf.predict_proba(X)
    copied = copy.copy(clf)
    assert copied.filters is clf.filters
    assert copied.model_ is not clf.model_
    further = copied.partial_fit(X, y).predict_proba(X)
    assert_array_equal(clf.predict_proba(X), before)
    assert (clf.n_iter_, copied.n_iter_) == (4, 5)
    assert len(clf.history_["loss"]) == 4
    assert_array_equal(clf.partial_fit(X, y).predict_proba(X), further)


@pytest.mark.slow
def test_double_precision_is_kept(quick, frame):
    X, y = frame
    clf = quick(epochs=1, precision="float64").fit(X, y)
    copied = pickle.loads(pickle.dumps(clf))
    assert {weights.dtype for weights in copied.model_.get_weights()} == {np.dtype(np.float64)}
    assert_same(learned(clf), learned(copied))
    assert_array_equal(
        copied.partial_fit(X, y).predict_proba(X), clf.partial_fit(X, y).predict_proba(X)
    )


@few_ways
@pytest.mark.slow
def test_the_generator_given_is_copied_with_its_state(duplicate, quick, frame):
    X, y = frame
    clf = quick(epochs=1, random_state=np.random.RandomState(3)).fit(X, y)
    copied = duplicate(clf)
    assert copied.random_state is not clf.random_state
    expected = clf.partial_fit(X, y).predict_proba(X)
    assert_array_equal(copied.partial_fit(X, y).predict_proba(X), expected)
    assert copied.random_state.randint(1000) == clf.random_state.randint(1000)


@pytest.mark.parametrize("mmap_mode", ["r", "r+", "c"])
def test_training_on_leaves_the_mapped_file_alone(original, frame, tmp_path, mmap_mode):
    X, y = frame
    path = tmp_path / "estimator.joblib"
    joblib.dump(original, path)
    before = path.read_bytes()
    copied = joblib.load(path, mmap_mode=mmap_mode)
    train_on(copied, X, y).fit(X, y)
    del copied
    assert path.read_bytes() == before


def test_a_pickle_names_no_type_of_keras_or_tensorflow(original):
    strings = {
        value
        for code, value, _ in pickletools.genops(pickle.dumps(original, protocol=4))
        if code.name in ("SHORT_BINUNICODE", "BINUNICODE") and isinstance(value, str)
    }
    assert "mnist_estimator.classifier" in strings
    for package in ("keras", "tensorflow", "scikeras"):
        assert not [text for text in strings if text.split(".")[0] == package]


def test_a_pickle_holds_the_weights_and_their_moments_only(original):
    n_weights = sum(weights.size for weights in network(original).model_.get_weights())
    assert len(pickle.dumps(original)) < 3 * 4 * n_weights + 20_000


@pytest.mark.parametrize("state", ["unfitted", "fitted"])
def test_skops_needs_trust_in_our_types_only(make, original, state):
    skops = pytest.importorskip("skops.io")
    dumped = skops.dumps(original if state == "fitted" else make())
    unknown = skops.get_untrusted_types(data=dumped)
    assert "mnist_estimator.classifier.CNNClassifier" in unknown
    assert {name.split(".")[0] for name in unknown} == {"mnist_estimator"}
    with pytest.raises(TypeError, match=r"mnist_estimator\.classifier\.CNNClassifier"):
        skops.loads(dumped, trusted=[])
    assert_same(steps(skops.loads(dumped, trusted=unknown))[-1].get_params()["filters"], [8, 16])


ELSEWHERE = """
import pickle, sys
import numpy as np

folder = sys.argv[1]
with open(f"{folder}/all.pickle", "rb") as file:
    estimators, X, y = pickle.load(file)
found = []
for estimator in estimators:
    found.append(estimator.predict_proba(X))
    found.append(estimator.fit(X, y).predict_proba(X))
np.save(f"{folder}/found.npy", found)
"""


@pytest.mark.slow
def test_another_process_predicts_and_trains_on_to_the_bit(quick, quick_pipeline, frame, tmp_path):
    X, y = frame
    estimators = [factory(warm_start=True, epochs=2) for factory in (quick, quick_pipeline)]
    for estimator in estimators:
        estimator.fit(X, y)
    with open(tmp_path / "all.pickle", "wb") as file:
        pickle.dump((estimators, X, y), file)
    expected = []
    for estimator in estimators:
        expected.append(estimator.predict_proba(X))
        expected.append(estimator.fit(X, y).predict_proba(X))
    script = tmp_path / "elsewhere.py"
    script.write_text(ELSEWHERE, encoding="utf-8")
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, script, tmp_path], check=True, cwd=root, timeout=300)
    assert_array_equal(np.load(tmp_path / "found.npy"), expected)


def test_clone_has_the_parameters_and_nothing_of_the_fit(original):
    cloned = clone(original)
    for one, other in zip(steps(original), steps(cloned), strict=True):
        assert type(one) is type(other)
        assert_same(one.get_params(), other.get_params())
        assert set(vars(other)) == set(one.get_params())
    assert network(cloned).filters is not network(original).filters
    assert network(cloned).augmentation is not network(original).augmentation


@few_ways
def test_a_clone_of_a_copy_fits_alike(duplicate, original, stages, frame):
    X, y = frame
    assert_array_equal(clone(duplicate(original)).fit(X, y).predict_proba(X), stages[0])


@pytest.mark.parametrize("duplicate", ["deepcopy", "pickle 5", "cloudpickle"], indirect=True)
def test_callbacks_are_copied_with_the_parameters(duplicate, quick, frame):
    X, y = frame
    stop = keras.callbacks.EarlyStopping(monitor="loss", patience=0, min_delta=10)
    clf = quick(callbacks=[stop, keras.callbacks.TerminateOnNaN]).fit(X, y)
    assert clf.n_iter_ == 2
    copied = duplicate(clf)
    assert type(copied.callbacks[0]) is keras.callbacks.EarlyStopping
    assert copied.callbacks[0] is not stop
    assert copied.callbacks[1] is keras.callbacks.TerminateOnNaN
    assert_array_equal(copied.fit(X, y).predict_proba(X), clf.predict_proba(X))
    assert copied.n_iter_ == 2


@few_ways
@pytest.mark.slow
def test_labels_keep_their_type_in_a_copy(duplicate, quick, two_classes):
    X, y = two_classes
    for labels in (y == 1, y.astype(np.int8) - 5, np.array(["a", "b"], dtype=object)[y]):
        clf = quick(epochs=1).fit(X, labels)
        copied = duplicate(clf)
        assert copied.classes_.dtype == clf.classes_.dtype
        assert copied.predict(X).dtype == labels.dtype
        assert_array_equal(copied.predict(X), clf.predict(X))
