"""Files of predictors: read without TensorFlow, and refused where they are not right."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.testing import assert_allclose
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator

from mnist_estimator import DigitNormalizer, load, load_predictor, save
from mnist_estimator.persistence import _archive

DATA = Path(__file__).parents[1] / "data"

HEAVY = ("tensorflow", "keras", "scikeras", "sklearn", "scipy", "pandas", "skops", "matplotlib")
SCRIPT = f"""
import sys
import numpy as np
from mnist_estimator import load_predictor
predictor = load_predictor(sys.argv[1])
predictor.predict(np.zeros((2, 64)))
print([name for name in {HEAVY!r} if name in sys.modules])
"""


@pytest.fixture(scope="module")
def model(small_pipeline, digits):
    return small_pipeline(epochs=1).fit(*digits)


@pytest.fixture(scope="module")
def good(model, tmp_path_factory):
    """Return the content of a file."""
    path = tmp_path_factory.mktemp("good") / "digits.pipeline"
    save(model, path)
    return path.read_bytes()


def test_nothing_heavy_is_imported(good, tmp_path, strict_python):
    (tmp_path / "digits.pipeline").write_bytes(good)
    done = subprocess.run(
        [*strict_python, "-c", SCRIPT, str(tmp_path / "digits.pipeline")],
        capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_the_folder_of_a_training_may_be_named(good, tmp_path):
    (tmp_path / "digits.pipeline").write_bytes(good)
    assert load_predictor(tmp_path).n_features_in_ == 64


def test_the_pipeline_itself_is_in_the_file_as_ever(model, digits, tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    save(model, tmp_path / "digits.pipeline")
    good = (tmp_path / "digits.pipeline").read_bytes()
    again = load(tmp_path / "digits.pipeline")
    assert (again.predict_proba(digits[0]) == model.predict_proba(digits[0])).all()
    save(again, tmp_path / "again.pipeline")
    assert (tmp_path / "again.pipeline").read_bytes() == good


def test_any_language_can_take_the_network_out(model, good, digits):
    members = _archive.open_archive(good)
    onnx.checker.check_model(onnx.load_from_string(members[_archive.GRAPH]), full_check=True)
    state = json.loads(members[_archive.STATE])
    assert state["classes"] == {"dtype": "<i8", "values": list(range(10))}
    assert state["image_shape"] == [8, 8, 1]


@pytest.mark.parametrize(
    "path", sorted(DATA.glob("digits-0.[3-6].*.pipeline")), ids=lambda path: path.name
)
def test_files_of_older_versions_are_made_into_predictors(path):
    pipe = load(path)
    X = np.random.default_rng(0).uniform(0, 16, (50, pipe.n_features_in_))
    with pytest.warns(UserWarning, match=r"before 0\.7.*save\(load\(path\), path\)"):
        predictor = load_predictor(path)
    assert_allclose(predictor.predict_proba(X), pipe.predict_proba(X), atol=1e-5)


def test_a_file_of_an_older_version_with_other_parts_is_refused():
    with pytest.raises(ValueError, match="parts that need scikit-learn"):
        load_predictor(DATA / "rejecting-0.6.0.pipeline")


def test_a_pipeline_with_other_parts_is_refused(model, digits, tmp_path):
    X, y = digits
    path = tmp_path / "calibrated.pipeline"
    save(CalibratedClassifierCV(FrozenEstimator(model), cv=2).fit(X, y), path)
    with pytest.raises(ValueError, match=r"parts that need scikit-learn.*Use load"):
        load_predictor(path)
    assert load(path).predict(X[:3]).shape == (3,)
    save(DigitNormalizer(), path)
    with pytest.raises(ValueError, match="parts that need scikit-learn"):
        load_predictor(path)


def rewritten(data, change):
    """Return a file with other members, and the right checksum."""
    members = _archive.open_archive(data)
    change(members)
    return _archive.seal(members)


def state(**changed):
    """Return a change of values in the state."""

    def change(members):
        values = json.loads(members[_archive.STATE]) | changed
        members[_archive.STATE] = json.dumps(values).encode()

    return change


def graph(model, **changed):
    """Return a change of the network and its hash."""

    def change(members):
        members[_archive.GRAPH] = model
        state(network=hashlib.sha256(model).hexdigest(), **changed)(members)

    return change


def without_state(members):
    del members[_archive.STATE]


BAD = {
    "cut off": (lambda data: data[:-100], "cut off"),
    "changed": (lambda data: data[:5000] + b"x" + data[5001:], "changed since it was written"),
    "a pickle": (lambda data: b"\x80\x04" + data, "it is a pickle"),
    "another network": (
        lambda data: rewritten(data, lambda members: members.update({_archive.GRAPH: b"hi"})),
        "not the one that its predictor.json names",
    ),
    "no network": (lambda data: rewritten(data, graph(b"hi")), "ONNX Runtime cannot run"),
    "no state": (lambda data: rewritten(data, without_state), "does not belong there"),
    "state in words": (
        lambda data: rewritten(data, lambda members: members.update({_archive.STATE: b"hi"})),
        "cannot be loaded: Expecting value",
    ),
    "a list": (
        lambda data: rewritten(data, lambda members: members.update({_archive.STATE: b"[]"})),
        "predictor.json is not valid",
    ),
    "deep": (
        lambda data: rewritten(
            data, lambda members: members.update({_archive.STATE: b"[" * 100_000})
        ),
        "cannot be loaded",
    ),
    "other classes": (
        lambda data: rewritten(data, state(classes={"dtype": "<i8", "values": [0, 1]})),
        "gives .10. logits, but its state names images of shape .* and 2 classes",
    ),
    "one class": (
        lambda data: rewritten(data, state(classes={"dtype": "<i8", "values": [0]})),
        "fewer than two classes",
    ),
    "other images": (
        lambda data: rewritten(data, state(image_shape=[4, 16, 1])),
        r"takes images of shape \[8, 8, 1\]",
    ),
    "huge images": (lambda data: rewritten(data, state(image_shape=[2**20, 2**20, 1])), "image_s"),
    "negative": (lambda data: rewritten(data, state(test_time_shift=-1)), "is no count"),
    "NaN": (lambda data: rewritten(data, state(scaled_ranges=[[0, float("nan")]])), "no finite"),
    "names": (lambda data: rewritten(data, state(feature_names=["a"])), "1 columns, and images"),
    "rejections": (lambda data: rewritten(data, state(rejections=[{}])), "not valid"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_refused(case, good, tmp_path):
    change, words = BAD[case]
    (tmp_path / "bad.pipeline").write_bytes(change(good))
    with pytest.raises(ValueError, match=words) as raised:
        load_predictor(tmp_path / "bad.pipeline")
    assert "Nothing in it was run." in str(raised.value)


def test_other_onnx_files_are_refused(good, tmp_path):
    path = tmp_path / "other.onnx"
    path.write_bytes(b"no graph")
    with pytest.raises(ValueError, match="ONNX Runtime cannot run"):
        load_predictor(path)
    path.write_bytes(_archive.open_archive(good)[_archive.GRAPH])
    with pytest.raises(ValueError, match="no ONNX file that to_onnx wrote"):
        load_predictor(path)


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="must name a file that exists"):
        load_predictor(tmp_path / "none.pipeline")
    with pytest.raises(TypeError, match="path must be a str or a path"):
        load_predictor(3)


def test_without_onnxruntime_the_package_is_named(good, tmp_path, monkeypatch):
    (tmp_path / "digits.pipeline").write_bytes(good)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError, match="pip install onnxruntime"):
        load_predictor(tmp_path / "digits.pipeline")
