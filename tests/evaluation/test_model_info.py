"""``read_info`` and the metadata of ``save``: what is in a file, and what a bad one gives."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator

import mnist_estimator
from mnist_estimator import (
    CachedClassifier,
    ModelInfo,
    load,
    load_predictor,
    make_pipeline,
    read_info,
    save,
    to_onnx,
)
from mnist_estimator.persistence import _archive, _model_facts

DATA = Path(__file__).parents[1] / "data"
METADATA = {"author": "Åsa", "notes": ["a", 1, 2.5, None, True, {"deep": {}}]}


@pytest.fixture(scope="module")
def pipe(quick_pipeline, digits):
    """Return a fitted pipeline; tests must not change it."""
    return quick_pipeline(epochs=2, class_weight={3: 2.0}).fit(*digits)


@pytest.fixture(scope="module")
def path(pipe, tmp_path_factory):
    """Return the file of the pipeline."""
    path = tmp_path_factory.mktemp("info") / "digits.pipeline"
    save(pipe, path, metadata=METADATA)
    return path


def with_info(path, folder, change):
    """Return a file with another info.json and a right checksum."""
    members = _archive.open_archive(path.read_bytes())
    members["info.json"] = change(members["info.json"])
    changed = folder / "changed.pipeline"
    changed.write_bytes(_archive.seal(members))
    return changed


# What is in a file


def test_everything_is_in_the_file(pipe, path, digits):
    X, y = digits
    info = read_info(path)
    clf = pipe[-1]
    assert info.kind == "pipeline"
    assert info.format_version == 2
    assert info.versions["mnist_estimator"] == mnist_estimator.__version__
    assert info.versions["numpy"] == np.__version__
    assert info.saved_at.endswith("Z")
    assert info.estimator == "Pipeline"
    assert info.classes == list(range(10))
    assert info.image_shape == [8, 8, 1]
    assert info.value_range == [X.min(), X.max()]
    assert info.parameters["cnn__epochs"] == 2
    assert info.parameters["cnn__class_weight"] == {"3": 2.0}
    assert info.parameters["scale"] == "ImageScaler"
    assert info.training_data["X"]["sha256"] == hashlib.sha256(X.tobytes()).hexdigest()
    assert info.training_data["y"]["sha256"] == hashlib.sha256(y.tobytes()).hexdigest()
    assert info.training_data["X"]["shape"] == [600, 64]
    best = clf.best_epoch_
    assert info.scores == {"epochs": 2, "best_epoch": best} | {
        name: clf.history_[name][best - 1]
        for name in ("loss", "accuracy", "val_loss", "val_accuracy")
    }
    assert info.metadata == METADATA
    assert info.size == path.stat().st_size
    assert sum(info.members.values()) > info.members["network.onnx"] > 0


def test_parameters_are_those_that_a_new_pipeline_takes(pipe, path):
    mine = read_info(path).parameters
    for name, value in pipe.get_params().items():
        if name in mine and isinstance(value, str | int | float | None):
            assert mine[name] == value


def test_all_shapes_of_the_answer(path):
    info = read_info(path)
    assert json.loads(json.dumps(info.to_dict())) == info.to_dict()
    for text in (str(info), info._repr_html_()):
        assert "8×8×1" in text
        assert info.training_data["X"]["sha256"] in text
        assert "Åsa" in text
    assert repr(info).startswith("ModelInfo(path=")
    with pytest.raises(AttributeError):
        info.kind = "other"


def test_the_file_is_loaded_as_without_metadata(pipe, path, digits):
    X, _ = digits
    assert (load(path).predict_proba(X) == pipe.predict_proba(X)).all()
    np.testing.assert_allclose(
        load_predictor(path).predict_proba(X), pipe.predict_proba(X), atol=1e-5
    )


def test_it_goes_on_after_loading_and_saving(path, tmp_path):
    save(load(path), tmp_path / "again")
    first, again = read_info(path), read_info(tmp_path / "again")
    assert again.training_data == first.training_data
    assert again.scores == first.scores
    assert again.parameters == first.parameters
    assert again.metadata == {}  # it belongs to the file, not to the pipeline


def test_folders_are_not_named(digits, quick_pipeline, tmp_path):
    folder = tmp_path / "secret"
    folder.mkdir()
    pipe = quick_pipeline(epochs=1, checkpoint_dir=str(folder), memory=str(folder)).fit(*digits)
    cached = CachedClassifier(FrozenEstimator(pipe), str(folder)).fit(*digits)
    for model in (pipe, cached):
        save(model, tmp_path / "model")
        assert "secret" not in json.dumps(read_info(tmp_path / "model").parameters)


def test_estimators_around_keep_what_is_known(pipe, digits, tmp_path):
    calibrated = CalibratedClassifierCV(FrozenEstimator(pipe), cv=2).fit(*digits)
    save(calibrated, tmp_path / "model")
    info = read_info(tmp_path / "model")
    assert info.estimator == "CalibratedClassifierCV"
    assert info.image_shape == [8, 8, 1]
    assert info.training_data is None  # each member may have its own


@pytest.mark.parametrize(
    "name", ["digits-0.3.0", "digits-0.5.0", "digits-0.6.0", "rejecting-0.6.0"]
)
def test_older_files_say_what_is_not_there(name):
    info = read_info(DATA / f"{name}.pipeline")
    assert info.format_version == 1
    assert info.versions["mnist_estimator"] == name.split("-")[1]
    assert info.saved_at is info.classes is info.training_data is info.parameters is None
    assert info.metadata == {}
    lines = {line[:16].strip(): line for line in str(info).splitlines()}
    for row in ("saved", "classes", "image shape", "training data", "scores", "parameters"):
        assert lines[row].endswith("not in the file")


def test_a_file_without_info_has_what_its_predictor_knows(path, tmp_path):
    members = _archive.open_archive(path.read_bytes())
    del members["info.json"]
    (tmp_path / "model").write_bytes(_archive.seal(members))
    info = read_info(tmp_path / "model")
    assert info.classes == list(range(10))
    assert info.image_shape == [8, 8, 1]
    assert info.scores is None
    assert load(tmp_path / "model")[-1].n_iter_ == 2


def test_an_onnx_file(pipe, tmp_path):
    to_onnx(pipe, tmp_path / "digits.onnx")
    info = read_info(tmp_path / "digits.onnx")
    assert info.kind == "onnx"
    assert info.format_version is None
    assert info.classes == list(range(10))
    assert info.image_shape == [8, 8, 1]
    assert info.value_range == [0, 16]
    assert info.versions == {"mnist_estimator": mnist_estimator.__version__}
    assert "not in the file" in str(info)


def test_neither_tensorflow_nor_scikit_learn_is_imported(path):
    code = (
        "import sys; from mnist_estimator import read_info; read_info(sys.argv[1]);"
        "print([m for m in ('tensorflow', 'keras', 'sklearn', 'pandas', 'scipy', 'skops')"
        " if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


# What is refused as metadata


class Text(str):
    """A kind of str, which JSON takes as one."""


HOLDS_ITSELF: dict = {}
HOLDS_ITSELF["self"] = HOLDS_ITSELF

BAD_METADATA = [
    ([], TypeError, r"metadata must be a dict of JSON values.*got \[\]"),
    ("text", TypeError, "metadata must be a dict"),
    ({1: "a"}, TypeError, "metadata must have strings as keys.*got 1"),
    ({"a": {None: 1}}, TypeError, r"metadata\['a'\] must have strings as keys"),
    ({"a": np.int64(1)}, TypeError, r"metadata\['a'\] must be a JSON value.*type int64.*tolist"),
    ({"a": np.zeros(2)}, TypeError, r"metadata\['a'\].*type ndarray"),
    ({"a": (1, 2)}, TypeError, r"metadata\['a'\].*type tuple.*list\(\)"),
    ({"a": Path("x")}, TypeError, r"metadata\['a'\]"),
    ({"a": b"x"}, TypeError, "type bytes"),
    ({"a": [0, {"b": float("nan")}]}, ValueError, r"metadata\['a'\]\[1\]\['b'\] must be a finite"),
    ({"a": float("-inf")}, ValueError, "finite number, as JSON has no others; got -inf"),
    ({"a": 2**63}, ValueError, "integer of 64 bits; got one of 64 bits"),
    ({"a": "\ud800"}, ValueError, r"metadata\['a'\] must be text that UTF-8 can encode"),
    ({"\udcff": 1}, ValueError, "a key of metadata must be text"),
    ({"a": "x" * 2**20}, ValueError, "at most 1,048,576 bytes as JSON"),
    (HOLDS_ITSELF, ValueError, "at most 20 levels"),
]


@pytest.mark.parametrize(("metadata", "error", "words"), BAD_METADATA)
def test_other_metadata_are_refused_and_nothing_is_written(pipe, tmp_path, metadata, error, words):
    with pytest.raises(error, match=words):
        save(pipe, tmp_path / "model", metadata=metadata)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"a": -(2**63)},
        {"": ""},
        {"a": Text("b")},
        {"a": "😀\x1b\n"},
        {"a": 0.1 + 0.2},
        {"a": "x" * 2**19},
    ],
)
def test_metadata_come_back_as_they_were(pipe, tmp_path, metadata):
    save(pipe, tmp_path / "model", metadata=metadata)
    assert read_info(tmp_path / "model").metadata == metadata


@pytest.mark.parametrize("date", ["yesterday", "1e9", "9" * 30])
def test_a_wrong_date_in_the_environment_is_named(pipe, tmp_path, monkeypatch, date):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", date)
    with pytest.raises(ValueError, match=r"SOURCE_DATE_EPOCH must be a number of seconds"):
        save(pipe, tmp_path / "model")


def test_parameters_that_json_lacks_become_text():
    pipe = make_pipeline(
        random_state=np.random.RandomState(0), class_weight={float("nan"): np.float32(2)},
        learning_rate=float("inf"), filters=[np.int64(8)] * 2, dense_units=tuple(range(5000)),
    )  # fmt: skip
    pipe.set_params(cnn__schedule="\ud800", cnn__batch_size=10**30)
    found = _model_facts._parameters(pipe)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["cnn__random_state"].startswith("RandomState")
    assert found["cnn__filters"] == [8, 8]
    assert found["cnn__learning_rate"] is None
    assert found["cnn__dense_units"].endswith("…")
    assert found["cnn__schedule"] == "\\ud800"
    assert found["cnn__class_weight"] == {"nan": 2.0}


# Bad files


def test_a_cut_or_changed_file_is_refused(path, tmp_path):
    data = path.read_bytes()
    for size in (0, 1, 100, len(data) // 2, len(data) - 1):
        (tmp_path / "cut").write_bytes(data[:size])
        with pytest.raises(ValueError, match=r"cannot be read: .*Nothing in it was run"):
            read_info(tmp_path / "cut")
    position = data.index(b'"saved_at"')
    (tmp_path / "changed").write_bytes(data[:position] + b"X" + data[position + 1 :])
    with pytest.raises(ValueError, match="its checksum is wrong"):
        read_info(tmp_path / "changed")


def replaced(**values):
    """Return a change of some values of info.json."""
    return lambda text: json.dumps(json.loads(text) | values).encode()


BAD_INFO = {
    "no JSON": (lambda text: text[:-1], "info.json is not valid"),
    "no object": (lambda text: b"[]", "info.json is not valid"),
    "bytes": (lambda text: b"\xff\xfe", "info.json is not valid"),
    "deep": (lambda text: b"[" * 10**5, "info.json is not valid"),
    "NaN": (lambda text: text.replace(b'"Pipeline"', b"NaN"), "NaN is no JSON value"),
    "infinity": (replaced(metadata={"a": float("inf")}), "Infinity is no JSON value"),
    "nothing": (lambda text: b"{}", "info.json is not valid: 'saved_at'"),
    "date": (replaced(saved_at=1), "saved_at is of the wrong kind"),
    "classes": (replaced(classes="0123456789"), "classes is of the wrong kind"),
    "shape": (replaced(image_shape=["<b>", 1, 1]), "image_shape is of the wrong kind"),
    "range": (replaced(value_range=["0", 1]), "value_range is of the wrong kind"),
    "metadata": (replaced(metadata=[]), "metadata is of the wrong kind"),
    "scores": (replaced(scores={"epochs": "2"}), "epochs is of the wrong kind"),
    "data": (replaced(training_data={"X": {"shape": 3}}), "info.json is not valid"),
}


@pytest.mark.parametrize("name", BAD_INFO)
def test_a_wrong_info_is_refused_and_the_model_loads(path, tmp_path, name):
    change, words = BAD_INFO[name]
    changed = with_info(path, tmp_path, change)
    with pytest.raises(ValueError, match=words):
        read_info(changed)
    assert load_predictor(changed).classes_.tolist() == list(range(10))


def test_a_large_info_is_not_read(path, tmp_path, monkeypatch):
    changed = with_info(path, tmp_path, lambda text: text + b" " * _archive.LARGEST_SCHEMA)
    with pytest.raises(ValueError, match=r"info\.json is said to have"):
        read_info(changed)


def test_what_a_file_says_is_text_only(path, tmp_path):
    evil = "</td><script>alert(1)</script>\x1b[2J\nformat \u202e"
    changed = with_info(path, tmp_path, replaced(estimator=evil, metadata={evil: evil}))
    info = read_info(changed)
    assert "<script>" not in info._repr_html_()
    assert str(info).count("\n") == str(read_info(path)).count("\n") - 1
    assert not {"\x1b", "\u202e"} & set(str(info) + info._repr_html_())


def test_files_of_other_kinds_are_refused(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"not a model")
    (tmp_path / "model.pipeline").write_bytes(b"\x80\x04K\x01.")
    for name in ("model.onnx", "model.pipeline"):
        with pytest.raises(ValueError, match=r"cannot be read.*Nothing in it was run"):
            read_info(tmp_path / name)
    with pytest.raises(FileNotFoundError, match="must name a file that exists"):
        read_info(tmp_path / "none")
    with pytest.raises(IsADirectoryError, match="got the folder"):
        read_info(tmp_path)
    with pytest.raises(TypeError, match="path must be a str or a path"):
        read_info(7)


def test_the_folder_of_a_training_is_taken(path):
    assert read_info(path.parent).to_dict() == read_info(path).to_dict()
    assert isinstance(read_info(os.fspath(path)), ModelInfo)
