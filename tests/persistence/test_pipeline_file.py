"""The file of estimators beside the pipeline: what comes back, no folder, no hostile state."""

import copy
import json
import pickle
from pathlib import Path

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import Pipeline

from mnist_estimator import (
    CachedClassifier,
    DigitNormalizer,
    NoveltyDetector,
    RejectingClassifier,
    load,
    save,
)
from mnist_estimator.persistence import _archive, _pipeline_file

# joblib says so where half a second passes, as on a busy machine.
pytestmark = pytest.mark.filterwarnings("ignore:Persisting input arguments took:UserWarning")

GOLDEN = Path(__file__).parents[1] / "data"


@pytest.fixture(scope="module")
def data(digits):
    X, y = digits
    return X[:300], y[:300]


@pytest.fixture(scope="module")
def pipe(quick_pipeline, data):
    return quick_pipeline(epochs=2).fit(*data)


@pytest.fixture(scope="module")
def rejecting(pipe, data):
    """Return a classifier with a reject option and novelty detector; tests must not change it."""
    frozen = FrozenEstimator(pipe)
    detector = NoveltyDetector(frozen, max_samples=40, contamination=0.1, random_state=0)
    model = RejectingClassifier(
        frozen, error_rate=0.3, outlier_detector=detector, cv=StratifiedKFold(2)
    )
    return model.fit(*data)


@pytest.mark.parametrize("version", ["0.6.0", "0.7.0"])
def test_a_file_with_the_reject_option_predicts_the_same(version):
    """A file that was written once for all; see "Versions of files" in CONTRIBUTING."""
    expected = np.load(GOLDEN / f"rejecting-{version}.npz")
    model = load(GOLDEN / f"rejecting-{version}.pipeline")
    images = expected["images"]
    assert [type(step) for _, step in model.steps] == [DigitNormalizer, RejectingClassifier]
    assert isinstance(model[-1].outlier_detector_, NoveltyDetector)
    assert_array_equal(model.predict(images), expected["labels"])
    assert 0 < (expected["labels"] == -1).sum() < 10
    assert_allclose(model.predict_proba(images), expected["probabilities"], atol=1e-5)
    assert_allclose(model.score_samples(images), expected["scores"], atol=1e-5)


def test_what_was_one_network_is_one_again(rejecting, pipe, tmp_path):
    save(rejecting, tmp_path / "model")
    again = load(tmp_path / "model")
    assert again.outlier_detector_.classifier is again.estimator_
    weights = sum(weight.nbytes for weight in pipe[-1].model_.get_weights())
    features = again.outlier_detector_._neighbors._fit_X.nbytes
    assert (tmp_path / "model").stat().st_size < features + 1.5 * weights + 20_000


def test_a_pickle_of_before_with_the_search_in_it_loads(rejecting, data):
    """Up to 0.6 a NoveltyDetector was pickled with its NearestNeighbors."""
    detector = rejecting.outlier_detector_
    earlier = NoveltyDetector.__new__(NoveltyDetector)
    earlier.__setstate__(dict(vars(detector)))
    assert "_neighbors" in vars(detector)
    assert "_neighbors" not in detector.__getstate__()
    assert_array_equal(earlier.score_samples(data[0]), detector.score_samples(data[0]))
    copied = pickle.loads(pickle.dumps(detector))
    assert_array_equal(copied.score_samples(data[0]), detector.score_samples(data[0]))


# No folder is named


@pytest.mark.parametrize("as_memory", [str, joblib.Memory], ids=["path", "Memory"])
def test_a_cached_classifier_is_saved_as_what_it_wraps(pipe, data, tmp_path, as_memory):
    X, y = data
    folder = tmp_path / "fits"
    cached = CachedClassifier(FrozenEstimator(pipe), as_memory(str(folder))).fit(X, y)
    whole = Pipeline([("nothing", "passthrough"), ("read", cached)])
    for number, model in enumerate((cached, whole)):
        path = tmp_path / f"{number}.pipeline"
        save(model, path)
        assert str(folder).encode() not in _archive.open_archive(path.read_bytes())["schema.json"]
        again = load(path)
        inner = again if model is cached else again[-1]
        assert isinstance(inner, FrozenEstimator)
        assert_array_equal(again.predict_proba(X), pipe.predict_proba(X))


def test_folders_for_caches_and_checkpoints_are_not_saved(quick_pipeline, data, tmp_path):
    X, y = data
    folder = tmp_path / "folder"
    folder.mkdir()
    fitted = quick_pipeline(epochs=1, memory=str(folder), checkpoint_dir=str(folder)).fit(X, y)
    save(fitted, tmp_path / "model")
    again = load(tmp_path / "model")
    assert (again.memory, again[-1].checkpoint_dir) == (None, None)
    assert fitted[-1].checkpoint_dir == str(folder)
    assert_array_equal(again.predict_proba(X), fitted.predict_proba(X))


def edited(data, change):
    """Return a file whose schema is another."""
    members = _archive.open_archive(data)
    schema = json.loads(members["schema.json"])
    change(schema)
    return _archive.seal(members | {"schema.json": json.dumps(schema).encode()})


def text(value):
    return _pipeline_file._NONE | {"content": json.dumps(value)}


def attributes(schema):
    return schema["content"]["content"]


def test_a_folder_that_a_file_names_is_not_taken_over(pipe, data, tmp_path):
    """With a pickle there that leaves a mark when it is read, as joblib reads its cache."""
    X, y = data
    trap = str(tmp_path / "trap")
    bad = edited(
        _pipeline_file.pack(pipe), lambda schema: attributes(schema).update(memory=text(trap))
    )
    assert trap.encode() in _archive.open_archive(bad)["schema.json"]
    (tmp_path / "model").write_bytes(bad)
    again = load(tmp_path / "model")
    assert again.memory is None
    again.set_params(cnn__epochs=1).fit(X, y)
    assert not (tmp_path / "trap").exists()


def test_a_cached_classifier_in_a_file_is_refused(pipe, data, tmp_path):
    cached = CachedClassifier(FrozenEstimator(pipe), None).fit(*data)

    def plant(schema):
        schema["__module__"], schema["__class__"] = _pipeline_file.CACHED

    for model in (cached, DigitNormalizer()):  # the file of the first is that of what it wraps
        (tmp_path / "model").write_bytes(edited(_pipeline_file.pack(model), plant))
        with pytest.raises(
            ValueError,
            match=r"foreign types, mnist_estimator.persistence.CachedClas",
        ):
            load(tmp_path / "model")


# Hostile states


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("threshold_", "0.5", "threshold_ must be a number; got '0.5'"),
        ("threshold_", float("nan"), "threshold_ must be a number; got nan"),
        ("threshold_", [0.5], "threshold_ must be a number; got .0.5."),
        ("reject_label_", [1, 2], r"reject_label_ must be a number, .* got \[1, 2\]"),
        ("reject_label_", {"a": 1}, "reject_label_ must be a number, .* or None; got"),
    ],
)
def test_a_reject_option_that_no_fit_leaves_is_refused(rejecting, tmp_path, name, value, words):
    changed = copy.copy(rejecting)
    setattr(changed, name, value)
    (tmp_path / "model").write_bytes(_pipeline_file.pack(changed))
    with pytest.raises(ValueError, match=rf"it cannot be rebuilt: .*{words}"):
        load(tmp_path / "model")


@pytest.mark.parametrize(
    "known",
    [
        lambda features, k: [1],
        lambda features, k: (features, k, k),
        lambda features, k: (features.astype(np.float64), k),
        lambda features, k: (features[0], k),
        lambda features, k: (features * np.float32(np.nan), k),
        lambda features, k: (features, 0),
        lambda features, k: (features, 10**9),
        lambda features, k: (features, "5"),
        lambda features, k: (features[:k], k),
        lambda features, k: "ab",
    ],
    ids=["none", "three", "float64", "row", "NaN", "zero", "many", "text", "few", "string"],
)
def test_features_that_no_fit_leaves_are_refused(rejecting, tmp_path, monkeypatch, known):
    original = NoveltyDetector.__getstate__

    def hostile(self):
        state = original(self)
        return state | {"_known": known(*state["_known"])}

    monkeypatch.setattr(NoveltyDetector, "__getstate__", hostile)
    (tmp_path / "model").write_bytes(_pipeline_file.pack(rejecting.outlier_detector_))
    with pytest.raises(ValueError, match=r"it cannot be rebuilt: The stored features must be"):
        load(tmp_path / "model")


def test_a_search_of_another_kind_in_a_detector_is_not_taken_over(rejecting, tmp_path, monkeypatch):
    original = NoveltyDetector.__getstate__
    search = NearestNeighbors(n_neighbors=3, metric="euclidean", algorithm="brute")
    search.fit(rejecting.outlier_detector_._neighbors._fit_X)

    def hostile(self):
        state = original(self)
        del state["_known"]
        return state | {"_neighbors": search}

    with monkeypatch.context() as patch:
        patch.setattr(NoveltyDetector, "__getstate__", hostile)
        (tmp_path / "model").write_bytes(_pipeline_file.pack(rejecting.outlier_detector_))
    rebuilt = load(tmp_path / "model")._neighbors
    assert (rebuilt.metric, rebuilt.n_neighbors) == ("cosine", 3)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("polarity", 3, "polarity must be"),
        ("dtype", "object", "dtype must be"),
        ("image_shape", "ab", "image_shape must be"),
    ],
)
def test_a_normalizer_with_other_parameters_refuses_images(tmp_path, name, value, words):
    (tmp_path / "model").write_bytes(_pipeline_file.pack(DigitNormalizer(**{name: value})))
    with pytest.raises((TypeError, ValueError), match=words):
        load(tmp_path / "model").transform(np.eye(9)[np.newaxis])


def test_prefit_and_clones_say_what_to_pass(pipe, data):
    X, y = data
    with pytest.raises(ValueError, match=r"not fitted, as cv=\"prefit\" requires.* FrozenEstimat"):
        RejectingClassifier(LogisticRegression(), cv="prefit").fit(X, y)
    with pytest.raises(
        ValueError, match=r"classifier is a CNNClassifier that is not fitted.*Frozen"
    ):
        clone(NoveltyDetector(pipe)).fit(X)
