"""``save`` and ``load``: what comes back, what stays on the disk, and what a bad file gives."""

import copy
import errno
import gzip
import io
import itertools
import json
import os
import pickle
import shlex
import stat
import struct
import sys
import threading
import tracemalloc
import zipfile
from pathlib import Path
from unittest import mock

import joblib
import keras
import numpy as np
import pandas as pd
import pytest
import skops.io
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier, StackingClassifier, VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC

import mnist_estimator
from mnist_estimator import CNNClassifier, load, make_pipeline, save
from mnist_estimator.persistence import _archive, _pipeline_file, _save_load

GOLDEN = Path(__file__).parents[1] / "data"


@pytest.fixture(scope="module")
def pipe(quick_pipeline, digits):
    """Return a fitted pipeline; tests must not change it."""
    X, y = digits
    return quick_pipeline(epochs=1).fit(X, y)


@pytest.fixture(scope="module")
def good(pipe):
    """Return the file of the pipeline."""
    return _pipeline_file.pack(pipe)


def through_a_file(estimator, folder):
    """Save and load."""
    save(estimator, folder / "digits.pipeline")
    return load(folder / "digits.pipeline")


# What comes back


def test_a_pipeline_comes_back_to_the_bit(pipe, digits, tmp_path):
    X, _ = digits
    again = through_a_file(pipe, tmp_path)
    assert_array_equal(again.predict_proba(X), pipe.predict_proba(X))
    assert repr(again.get_params()) == repr(pipe.get_params())
    assert again[-1].history_ == pipe[-1].history_
    assert [path.name for path in tmp_path.iterdir()] == ["digits.pipeline"]


@pytest.mark.parametrize("as_path", [str, Path], ids=["str", "Path"])
def test_a_classifier_alone_and_any_kind_of_path(pipe, digits, tmp_path, as_path):
    path = as_path(tmp_path / "alone")
    save(pipe[-1], path)
    X = pipe[:-1].transform(digits[0])
    assert_array_equal(load(path).predict_proba(X), pipe[-1].predict_proba(X))


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["zero", "one"]),
        np.array(["zero", "one"], dtype=object),
        np.array([False, True]),
        np.array([-3, 7], dtype=np.int8),
        np.array([1.0, 2.0]),
    ],
    ids=["U", "object", "bool", "int8", "float"],
)
def test_labels_come_back_as_they_were(quick_pipeline, two_classes, tmp_path, labels):
    X, y = two_classes
    fitted = quick_pipeline(epochs=1).fit(X, labels[y])
    again = through_a_file(fitted, tmp_path)
    assert again.classes_.dtype == fitted.classes_.dtype
    assert again.predict(X).dtype == labels.dtype
    assert_array_equal(again.predict(X), fitted.predict(X))


@pytest.mark.parametrize("dtype", ["Int64", "boolean", "string", "category"])
def test_frames_and_labels_of_pandas(quick_pipeline, two_classes, tmp_path, dtype):
    X, y = two_classes
    frame = pd.DataFrame(X.reshape(200, 64), columns=[f"pixel{i}" for i in range(64)])
    fitted = quick_pipeline(epochs=1).fit(frame, pd.Series(y).astype(dtype))
    again = through_a_file(fitted, tmp_path)
    assert_array_equal(again.feature_names_in_, fitted.feature_names_in_)
    assert_array_equal(again.predict_proba(frame), fitted.predict_proba(frame))
    assert_array_equal(again.predict(frame), fitted.predict(frame))
    with pytest.raises(ValueError, match="feature names"):
        again.predict(frame.rename(columns={"pixel0": "other"}))


def around(name, quick_pipeline, quick):
    """Return an estimator with a classifier in it."""
    pipe = quick_pipeline(epochs=1)
    return {
        "calibrated": CalibratedClassifierCV(pipe, cv=2),
        "voting": VotingClassifier(
            [("cnn", pipe), ("log", LogisticRegression(max_iter=5000))], voting="soft"
        ),
        "stacking": StackingClassifier([("cnn", pipe), ("svm", SVC())], cv=2),
        "other steps": Pipeline(
            [("log", FunctionTransformer(np.log1p)), ("scale", StandardScaler()),
             ("pca", PCA(16, random_state=0)), ("cnn", quick(epochs=1))]
        ),
        "generator": quick_pipeline(epochs=1, random_state=np.random.RandomState(3)),
        "parameters": quick_pipeline(
            epochs=1, class_weight={3: 2.0}, augmentation={"shift": 0.1}, filters=[4, [4, 4]],
            dense_units=(8,), precision="float64",
        ),
    }[name]  # fmt: skip


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    "name", ["calibrated", "voting", "stacking", "other steps", "generator", "parameters"]
)
def test_what_stands_around_comes_back(quick_pipeline, quick, digits, tmp_path, name):
    X, y = digits
    fitted = around(name, quick_pipeline, quick).fit(X, y)
    again = through_a_file(fitted, tmp_path)
    assert_array_equal(again.predict_proba(X), fitted.predict_proba(X))
    if name == "generator":
        states = [e[-1].random_state.get_state(legacy=False)["state"] for e in (again, fitted)]
        assert_array_equal(states[0]["key"], states[1]["key"])
    else:
        assert repr(again.get_params()) == repr(fitted.get_params())


def test_what_was_one_object_is_one_again(quick_pipeline, digits, tmp_path):
    X, y = digits
    voting = VotingClassifier([("cnn", quick_pipeline(epochs=1))], voting="soft").fit(X, y)
    again = through_a_file(voting, tmp_path)
    assert again.named_estimators_["cnn"] is again.estimators_[0]
    alone = _pipeline_file.pack(voting.estimators_[0])
    assert (tmp_path / "digits.pipeline").stat().st_size < len(alone) + 6000


# What is on the disk


def test_the_default_network_takes_little_more_than_twice_its_weights(tmp_path):
    """With data frames, whose column names take room, and thirty epochs of history."""
    generator = np.random.default_rng(0)
    X = pd.DataFrame(
        generator.integers(0, 256, (40, 784), dtype=np.uint8),
        columns=[f"pixel{i}" for i in range(784)],
    )
    pipe = make_pipeline(random_state=0)
    images = pipe[0].fit_transform(X)
    pipe[1].initialize(images, np.arange(40) % 10)
    names = ("loss", "accuracy", "learning_rate", "val_loss", "val_accuracy")
    pipe[1].history_ = {name: generator.uniform(size=30).tolist() for name in names}
    save(pipe, tmp_path / "digits.pipeline")
    weights = sum(weight.nbytes for weight in pipe[1].model_.get_weights())
    size = (tmp_path / "digits.pipeline").stat().st_size
    assert 2 * weights < size < 2.4 * weights


@pytest.mark.slow
def test_the_optimizer_is_saved_where_training_goes_on(quick_pipeline, digits, tmp_path):
    X, y = digits
    large = {"epochs": 1, "filters": (32, 64)}
    sizes = {}
    for name, pipe in {
        "fit": quick_pipeline(**large).fit(X, y),
        "warm_start": quick_pipeline(**large, warm_start=True).fit(X, y),
    }.items():
        save(pipe, tmp_path / name)
        sizes[name] = (tmp_path / name).stat().st_size
    piece = pipe[:-1].transform(X)
    save(load(tmp_path / "fit")[-1].partial_fit(piece, y), tmp_path / "partial_fit")
    sizes["partial_fit"] = (tmp_path / "partial_fit").stat().st_size
    weights = sum(weight.nbytes for weight in pipe[1].model_.get_weights())
    assert sizes["fit"] < 2.2 * weights
    assert 3.5 * weights < min(sizes["warm_start"], sizes["partial_fit"])

    goes_on = load(tmp_path / "warm_start").fit(X, y)
    assert_array_equal(goes_on.predict_proba(X), pipe.fit(X, y).predict_proba(X))
    clf = load(tmp_path / "partial_fit")
    save(clf, tmp_path / "again")
    on_disk = load(tmp_path / "again").partial_fit(piece, y).predict_proba(piece)
    assert_array_equal(on_disk, clf.partial_fit(piece, y).predict_proba(piece))


def test_equal_pipelines_give_equal_files(pipe, good):
    assert _pipeline_file.pack(copy.deepcopy(pipe)) == good
    assert _pipeline_file.pack(_pipeline_file.unpack(good)) == good


def test_equal_pipelines_give_equal_files_but_for_the_date(pipe, tmp_path, monkeypatch):
    """SOURCE_DATE_EPOCH, as in reproducible builds, replaces the date."""
    names = [tmp_path / name for name in ("one", "other", "later")]
    for path, date in zip(names, ("1700000000", "1700000000", "1800000000"), strict=True):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", date)
        save(copy.deepcopy(pipe), path, metadata={"author": "A. Smith"})
    one, other, later = (path.read_bytes() for path in names)
    assert one == other
    members, later_members = map(_archive.open_archive, (one, later))
    info, later_info = (json.loads(m.pop("info.json")) for m in (members, later_members))
    assert members == later_members
    assert info.pop("saved_at") == "2023-11-14T22:13:20Z"
    assert later_info.pop("saved_at") == "2027-01-15T08:00:00Z"
    assert info == later_info


def test_versions_and_checksum_are_inside(good):
    with zipfile.ZipFile(io.BytesIO(good)) as file:
        manifest = json.loads(file.read("manifest.json"))
        assert file.comment.startswith(b"sha256:")
        assert file.testzip() is None
    assert manifest["format"] == "mnist_estimator pipeline"
    assert manifest["format_version"] == 2
    assert manifest["written_by"] == mnist_estimator.__version__
    assert manifest["numpy"] == np.__version__
    assert {"python", "scikit-learn", "tensorflow", "keras", "skops"} < set(manifest)


def mean_over_shifts(pipe, images):
    """Return probabilities as versions before 0.6 averaged them: not their logits."""
    once = pipe.set_params(cnn__test_time_shift=0).predict_proba
    padded = np.pad(images.reshape(-1, 28, 28), [(0, 0), (1, 1), (1, 1)], mode="symmetric")
    places = itertools.product(range(3), repeat=2)
    mean = np.mean([once(padded[:, y : y + 28, x : x + 28]) for y, x in places], axis=0)
    share = np.interp(once(images).max(axis=1), [0.8, 0.9], [1.0, 0.0])[:, np.newaxis]
    return share * mean + (1 - share) * once(images)


@pytest.mark.parametrize("version", ["0.3.0", "0.5.0", "0.6.0", "0.7.0"])
def test_an_older_file_predicts_the_same(version):
    """A file that was written once for all; see "Versions of files" in CONTRIBUTING."""
    expected = np.load(GOLDEN / f"digits-{version}.npz")
    path = GOLDEN / f"digits-{version}.pipeline"
    pipe = load(path)
    assert_array_equal(pipe.predict(expected["images"]), expected["labels"])
    found = pipe.predict_proba(expected["images"])
    if version == "0.5.0":
        found = mean_over_shifts(pipe, expected["images"])
    assert_allclose(found, expected["probabilities"], atol=1e-5)
    assert path.stat().st_size < 80_000


# What goes wrong when it is written


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "pipe must be a fitted pipeline or another estimator .* got None"),
        ({"pipe": 1}, "got {'pipe': 1}"),
        (np.zeros(3), "got array"),
        (CNNClassifier, "<class 'mnist_estimator.classifier.CNNClassifier'>"),
    ],
    ids=["None", "dict", "array", "class"],
)
def test_what_is_no_estimator_is_not_saved(tmp_path, value, words):
    with pytest.raises(TypeError, match=words):
        save(value, tmp_path / "digits.pipeline")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("make", [make_pipeline, CNNClassifier], ids=["pipeline", "classifier"])
def test_unfitted_is_not_saved(tmp_path, make):
    with pytest.raises(NotFittedError, match=r"pipe is not fitted. Call fit before save"):
        save(make(), tmp_path / "digits.pipeline")
    assert list(tmp_path.iterdir()) == []


def shout(X):
    return X


class Own(StandardScaler):
    """A class of the user's."""


def foreign(name, pipe):
    """Return a fitted estimator with something in it that is not saved."""
    if name == "callback":
        return copy.deepcopy(pipe).set_params(cnn__callbacks=[keras.callbacks.TerminateOnNaN()])
    step = {
        "function": FunctionTransformer(shout),
        "lambda": FunctionTransformer(lambda X: X),
        "own class": Own(with_mean=False),
        "forest": RandomForestClassifier(2, random_state=0),
        "lock": FunctionTransformer(kw_args={"lock": threading.Lock()}),
    }[name]
    return Pipeline([("step", step.fit(np.eye(3), [0, 1, 1])), ("cnn", pipe[-1])])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("callback", r"TerminateOnNaN \(in cnn__callbacks\).*set_params\(cnn__callbacks=None\)"),
        ("function", r"\.shout \(in step__func\)"),
        ("lambda", "lambda"),
        ("own class", r"\.Own \(in step\)"),
        ("forest", "sklearn.tree._tree.Tree"),
        ("lock", "lock"),
    ],
)
def test_foreign_types_are_not_saved(pipe, tmp_path, name, words):
    (tmp_path / "digits.pipeline").write_bytes(b"as it was")
    with pytest.raises(TypeError, match=words) as raised:
        save(foreign(name, pipe), tmp_path / "digits.pipeline")
    assert "Nothing was written" in str(raised.value)
    assert (tmp_path / "digits.pipeline").read_bytes() == b"as it was"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    "action", [lambda path, pipe: save(pipe, path), lambda path, _: load(path)]
)
def test_paths_that_are_none(pipe, tmp_path, action):
    with pytest.raises(IsADirectoryError, match=r"path must name a file; got the folder"):
        action(tmp_path, pipe)
    with pytest.raises(FileNotFoundError, match=r"path must name a .*nowhere"):
        action(tmp_path / "nowhere" / "digits.pipeline", pipe)
    for path in (3, None, b"digits.pipeline"):
        with pytest.raises(TypeError, match="path must be a str or a path"):
            action(path, pipe)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "fifo")
        with pytest.raises((OSError, ValueError), match=r"device or pipe|not a regular file"):
            action(tmp_path / "fifo", pipe)
        assert stat.S_ISFIFO((tmp_path / "fifo").stat().st_mode)


def test_folder_of_a_training_is_loaded(pipe, good, tmp_path):
    (tmp_path / "digits.pipeline").write_bytes(good)
    assert load(tmp_path).classes_.tolist() == pipe.classes_.tolist()
    (tmp_path / "digits.pipeline").rename(tmp_path / "other.pipeline")
    with pytest.raises(IsADirectoryError, match=r"without a digits\.pipeline in it"):
        load(str(tmp_path))


@pytest.mark.parametrize("there_before", [True, False])
@pytest.mark.parametrize("place", ["write", "fsync", "replace"])
@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left"),
        PermissionError(errno.EACCES, "No"),
        KeyboardInterrupt,
    ],
    ids=["full", "rights", "Ctrl-C"],
)
def test_a_failed_save_leaves_the_old_file_and_no_other(
    pipe, tmp_path, monkeypatch, place, error, there_before
):
    path = tmp_path / "digits.pipeline"
    if there_before:
        path.write_bytes(b"as it was")
    with monkeypatch.context() as patch:
        target = "pathlib.Path.write_bytes" if place == "write" else f"os.{place}"
        patch.setattr(target, mock.Mock(side_effect=error))
        kind = KeyboardInterrupt if error is KeyboardInterrupt else type(error)
        with pytest.raises(kind) as raised:
            save(pipe, path)
    if kind is not KeyboardInterrupt:
        assert raised.value.errno == error.errno
        assert "a file that was there is as before" in str(raised.value)
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"as it was"] * there_before


def test_an_old_file_is_replaced_and_a_link_followed(pipe, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "folder" / "real")
    save(pipe, tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert_array_equal(load(tmp_path / "folder" / "real").classes_, pipe.classes_)
    assert len(list(tmp_path.rglob("*"))) == 3


# Files that are bad: by chance


@pytest.mark.parametrize("share", [0, 0.0001, 0.1, 0.5, 0.9, 0.999, 1])
def test_a_file_cut_off_is_refused(good, tmp_path, share):
    path = tmp_path / "digits.pipeline"
    path.write_bytes(good[: min(int(share * len(good)), len(good) - 1)])
    with pytest.raises(ValueError, match=r"digits.pipeline cannot be loaded: it .* Nothing in it"):
        load(path)


@pytest.mark.parametrize("bit", [0, 7])
def test_every_changed_byte_is_found(good, tmp_path, bit):
    path = tmp_path / "digits.pipeline"
    step = len(good) // 300
    places = [*range(bit, len(good), step), *range(len(good) - 100, len(good))]
    for place in places:
        changed = bytearray(good)
        changed[place] ^= 1 << bit
        path.write_bytes(changed)
        with pytest.raises(ValueError, match="cannot be loaded: it"):
            load(path)


# Files that are bad: on purpose. Those with a right checksum are the work of somebody who knows
# how files are made.


class Payload:
    """Creates a file when unpickled."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {shlex.quote(str(self.marker))}",)


def sealed(entries, compression=zipfile.ZIP_STORED):
    """Return an archive with a right checksum: ``entries`` are names or infos, and contents."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name, content in entries:
            info = name if isinstance(name, zipfile.ZipInfo) else plain(name)
            file.writestr(info, content, None if isinstance(name, zipfile.ZipInfo) else compression)
        file.comment = bytes(71)
    return checksummed(buffer.getvalue())


def checksummed(data):
    """Return an archive with the right checksum in place of the one it has."""
    return data[:-71] + _archive.checksum(data[:-71])


def plain(name, mode=stat.S_IFREG | 0o644, compression=zipfile.ZIP_STORED):
    info = zipfile.ZipInfo(name)
    info.external_attr, info.compress_type = mode << 16, compression
    return info


def members(good, **changed):
    """Return the members of a file, some of them changed: None takes one away."""
    found = _archive.open_archive(good) | {
        {"schema": "schema.json", "manifest": "manifest.json"}.get(name, f"{name[1:]}.npy"): content
        for name, content in changed.items()
    }
    return {name: content for name, content in found.items() if content is not None}


def manifest(good, **changed):
    """Return a file with another manifest."""
    found = json.loads(members(good)["manifest.json"]) | changed
    return _archive.seal(members(good, manifest=json.dumps(found).encode()))


def schema_of(good):
    return json.loads(members(good)["schema.json"])


def with_schema(good, schema):
    """Return a file with another schema, of the arrays that this one names."""
    text = schema if isinstance(schema, bytes) else json.dumps(schema).encode()
    return _archive.seal(members(good, schema=text))


def planted(good, node, key_type=("builtins", "str"), key="planted"):
    """Return a file whose pipeline has one attribute more, to be made with the others."""
    schema = schema_of(good)
    schema["content"]["content"][key] = node
    module, name = key_type
    types = schema["content"]["key_types"]["content"]
    types.append({"__class__": name, "__module__": module, "__loader__": "TypeNode"})
    return with_schema(good, schema)


def node(loader, name="builtins.list", **more):
    module, _, class_ = name.rpartition(".")
    return {"__class__": class_, "__module__": module, "__loader__": loader, **more}


def value(content):
    return node("JsonNode", "builtins.str", content=json.dumps(content), is_json=True)


def values(*contents):
    return node("TupleNode", "builtins.tuple", content=[*contents])


def command(marker):
    return f"touch {shlex.quote(str(marker))}"


SYSTEM = f"{os.system.__module__}.system"

LIVE = {
    "a constructor": lambda good, marker: planted(
        good,
        node(
            "ConstructorFromReduceNode",
            "subprocess.Popen",
            content=values(value(["touch", str(marker)])),
        ),
    ),
    "a list of another type": lambda good, marker: planted(
        good, node("ListNode", "subprocess.Popen", content=[value("touch"), value(str(marker))])
    ),
    "a set of another type": lambda good, marker: planted(
        good, node("SetNode", "subprocess.Popen", content=[value("touch"), value(str(marker))])
    ),
    "a key of another type": lambda good, marker: planted(
        good, value(1), tuple(SYSTEM.split(".")), command(marker)
    ),
    "operator.methodcaller": lambda good, marker: planted(
        good,
        node(
            "OperatorFuncNode",
            "operator.call",
            attrs=values(node("FunctionNode", SYSTEM), value(command(marker))),
        ),
    ),
    "the import of a module": lambda good, marker: planted(good, node("ObjectNode", "evil.Type")),
}
"""Schemas that run something in a reader that trusts what they name."""


def old_pickle(good, marker):
    return pickle.dumps(Payload(marker))


def joblib_file(good, marker, compress=0):
    buffer = io.BytesIO()
    joblib.dump(Payload(marker), buffer, compress=compress)
    return buffer.getvalue()


def object_array(good, marker):
    buffer = io.BytesIO()
    np.save(buffer, np.array([Payload(marker)], dtype=object), allow_pickle=True)
    return _archive.seal(members(good, _0=buffer.getvalue()))


def npy(header):
    """Return an array of four bytes that says other things of itself."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"fortran_order": False, **header})
    return buffer.getvalue() + bytes(4)


def keras_file(good, marker):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Lambda(lambda x: x)])
    path = marker.with_name("work") / "lambda.keras"
    model.save(path)
    data = path.read_bytes()
    path.unlink()
    return data


def plain_skops(good, marker):
    return _archive.zip_members({k: v for k, v in members(good).items() if k != "manifest.json"})


def entries(good, *more, replaced=None):
    return sealed([*(members(good) | (replaced or {})).items(), *more])


def duplicate(good, marker):
    with pytest.warns(UserWarning, match="Duplicate name"):
        return entries(good, ("schema.json", members(good)["schema.json"]))


def bomb(good, marker):
    """Zeros in a thousandth of their number."""
    content = members(good)
    text = content["schema.json"] + b" " * (_archive.LARGEST_SCHEMA + 2**20)
    schema = (plain("schema.json", compression=zipfile.ZIP_DEFLATED), text)
    return sealed([("manifest.json", content["manifest.json"]), schema])


def lying_bomb(good, marker):
    """The same, said to be small, and with the checksum of what a careful reader would read."""
    data = bytearray(bomb(good, marker))
    said = len(members(good)["schema.json"])
    crc = struct.pack("<I", zipfile.crc32(members(good)["schema.json"]))
    true = struct.pack("<I", said + _archive.LARGEST_SCHEMA + 2**20)
    for start, offset in ((b"PK\x03\x04", 14), (b"PK\x01\x02", 16)):
        place = data.rindex(start) + offset
        assert data[place + 8 : place + 12] == true
        data[place : place + 4], data[place + 8 : place + 12] = crc, struct.pack("<I", said)
    return checksummed(bytes(data))


def wrong_crc(good, marker):
    data = bytearray(good)
    place = data.index(b"\x93NUMPY") + 200
    data[place] ^= 1
    return checksummed(bytes(data))


def encrypted(good, marker):
    data = bytearray(good)
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return checksummed(bytes(data))


def overlapping(good, marker):
    """Every array's entry points at the largest one, again and again."""
    count = 3000
    content, array = members(good), npy({"shape": (2**18,), "descr": "|u1"}) + bytes(2**18 - 4)
    few = sealed(
        [("manifest.json", content["manifest.json"]), ("schema.json", content["schema.json"]),
         ("0.npy", array)]
    )  # fmt: skip
    end = few.rindex(b"PK\x05\x06")
    start = few.rindex(b"PK\x01\x02")
    entry = bytearray(few[start:end])
    head = few[: few.index(b"PK\x01\x02")]
    directory = bytearray(few[len(head) : start])
    for number in range(count):
        name = f"{number}.npy".encode()
        changed = entry[:46] + name
        changed[28:30] = struct.pack("<H", len(name))
        directory += changed
    tail = bytearray(few[end:])
    tail[8:12] = struct.pack("<HH", count + 2, count + 2)
    tail[12:20] = struct.pack("<II", len(directory), len(head))
    return checksummed(head + bytes(directory) + bytes(tail))


def laughs(good, marker):
    """Sixty lists, each of which holds the next one twice: a million million million objects."""
    inner = node("ListNode", content=[], __id__=10**6)
    for number in range(1, 60):
        again = {"__loader__": "CachedNode", "__id__": 10**6 + number - 1}
        inner = node("ListNode", content=[inner, again], __id__=10**6 + number)
    return planted(good, inner)


def cycle(good, marker):
    again = {"__loader__": "CachedNode", "__id__": 10**6}
    return planted(good, node("ListNode", content=[again], __id__=10**6))


def twice(good, marker):
    same = node("ListNode", content=[], __id__=10**6)
    return planted(good, node("ListNode", content=[same, same]))


def with_state(**changed):
    """Return a maker of files in which the classifier's state is another."""

    def make(good, marker):
        pipe, state_of = _pipeline_file.unpack(good), CNNClassifier.__getstate__
        changes = {
            name: change(state_of(pipe[-1])[name]) if callable(change) else change
            for name, change in changed.items()
        }
        with mock.patch.object(CNNClassifier, "__getstate__", lambda s: state_of(s) | changes):
            return _pipeline_file.pack(pipe)

    return make


def sizes(**changed):
    """Return a change of the sizes of the network."""
    return lambda architecture: tuple((dict(architecture) | changed).items())


def weight(change, number=2):
    """Return a change of one of the weights."""

    def make(weights):
        return [change(w) if i == number else w for i, w in enumerate(weights)]

    return make


NOT_OURS = "it is not an archive written by save"
NO_SUM = "it does not end with a checksum"
BAD = {
    # files of another kind
    "empty": (lambda good, marker: b"", NOT_OURS),
    "text": (lambda good, marker: b"digits\n" * 100, NOT_OURS),
    "a pickle": (old_pickle, "it is a pickle, as joblib's files are, which may run anything"),
    "an old pickle": (lambda g, m: pickle.dumps(Payload(m), protocol=0), NOT_OURS),
    "joblib": (joblib_file, "it is a pickle, as joblib's files are, which may run anything"),
    "joblib, compressed": (lambda g, m: joblib_file(g, m, 3), NOT_OURS),
    "gzip": (lambda good, marker: gzip.compress(good), NOT_OURS),
    "keras with a Lambda": (keras_file, NO_SUM),
    "skops": (plain_skops, NO_SUM),
    "something before": (lambda good, marker: b"#!/bin/sh\n" + good, NOT_OURS),
    "something behind": (lambda good, marker: good + b"\n", NO_SUM),
    "another's checksum": (lambda g, m: g[:-1] + (b"0" if g[-1:] != b"0" else b"1"), "checksum is"),
    # archives
    "no directory": (
        lambda g, m: checksummed(g[: len(g) // 2] + bytes(71)),
        "not a readable archive: File is",
    ),
    "no manifest": (lambda g, m: sealed([("schema.json", b"{}")]), "first member is not manifest"),
    "nothing inside": (lambda g, m: checksummed(b"PK\x03\x04" + sealed([])), "first member is not"),
    "climbing out": (lambda g, m: entries(g, ("../marker", b"x")), "member '../marker' that does"),
    "an absolute name": (lambda g, m: entries(g, (str(m), b"x")), "a member '.*marker' that does"),
    "a name of Windows": (lambda g, m: entries(g, ("C:\\marker", b"x")), "that does not belong"),
    "code beside": (lambda g, m: entries(g, ("evil.py", b"x")), "a member 'evil.py' that does not"),
    "a folder": (lambda g, m: entries(g, ("folder/", b"")), "a member 'folder/' that does not"),
    "a member twice": (duplicate, "a member 'schema.json' that does not belong"),
    "a link": (
        lambda g, m: sealed(
            (plain(k, stat.S_IFLNK | 0o777) if k == "0.npy" else k, v if k != "0.npy" else b"/etc")
            for k, v in members(g).items()
        ),
        "0.npy is compressed, encrypted or no plain file",
    ),
    "bzip2": (lambda g, m: sealed(members(g).items(), zipfile.ZIP_BZIP2), "is compressed"),
    "arrays compressed": (
        lambda g, m: sealed(
            (plain(k, compression=zipfile.ZIP_DEFLATED) if k == "0.npy" else k, v)
            for k, v in members(g).items()
        ),
        "0.npy is compressed",
    ),
    "encrypted": (encrypted, "manifest.json is compressed, encrypted"),
    "a wrong CRC": (wrong_crc, "not a readable archive: Bad CRC-32"),
    "a bomb": (bomb, "schema.json is said to have .* bytes; 16777216 may be"),
    "a bomb that lies": (lying_bomb, "Bad CRC-32 for file 'schema.json'"),
    "an archive in it": (
        lambda g, m: _archive.seal(members(g, _0=g)),
        "0.npy is not an array",
    ),
    "members that overlap": (overlapping, "its members overlap"),
    # manifests
    "a newer format": (
        lambda g, m: manifest(g, format_version=3),
        "is of format 3, written by .*Up",
    ),
    "another format": (lambda g, m: manifest(g, format="other"), "does not say that it is a pipel"),
    "a version in words": (
        lambda g, m: manifest(g, format_version="1"),
        "format_version is '1', a",
    ),
    "a version of true": (lambda g, m: manifest(g, format_version=True), "format_version is True"),
    "version 0": (lambda g, m: manifest(g, format_version=0), "format_version is 0, and no whole"),
    "a manifest in words": (
        lambda g, m: _archive.seal(members(g, manifest=b"hi")),
        "is not valid JSON",
    ),
    "a list": (
        lambda g, m: _archive.seal(members(g, manifest=b"[1]")),
        "does not say that it is",
    ),
    "a deep manifest": (
        lambda g, m: _archive.seal(members(g, manifest=b"[" * 60_000)),
        "manifest.json is not valid JSON",
    ),
    "a large manifest": (
        lambda g, m: manifest(g, more="x" * _archive.LARGEST_MANIFEST),
        "manifest.json is said to have .* bytes; 65536 may be",
    ),
    # arrays
    "an array of objects": (object_array, "0.npy is said to be .* of object, .* or may not be"),
    "a huge array": (
        lambda g, m: _archive.seal(members(g, _0=npy({"shape": (10**12,), "descr": "<f4"}))),
        "0.npy is said to be .*1000000000000.* of float32, which it is not",
    ),
    "a huge array of nothing": (
        lambda g, m: _archive.seal(members(g, _0=npy({"shape": (10**12,), "descr": "|V0"}))),
        "0.npy is said to be",
    ),
    "no array": (lambda g, m: _archive.seal(members(g, _0=b"hi")), "0.npy is not an array"),
    "an array missing": (
        lambda g, m: _archive.seal(members(g, _0=None)),
        "that does not belong",
    ),
    "an array too many": (
        lambda g, m: entries(
            g, (f"{len(members(g)) - 2}.npy", npy({"shape": (4,), "descr": "|u1"}))
        ),
        "its arrays are not those that its schema names",
    ),
    # schemas
    "a schema in words": (lambda g, m: with_schema(g, b"hi"), "its schema is not readable"),
    "no schema": (
        lambda g, m: _archive.seal(members(g, schema=None)),
        "second member is not schema",
    ),
    "a schema of a list": (lambda g, m: with_schema(g, [1]), "its schema is not readable"),
    "a deep schema": (lambda g, m: with_schema(g, b"[" * 10**6), "its schema is not readable"),
    "an old protocol": (
        lambda g, m: with_schema(g, schema_of(g) | {"protocol": 0}),
        "it is of protocol 0 of skops",
    ),
    "no estimator": (
        lambda g, m: _archive.seal(
            {
                "manifest.json": members(g)["manifest.json"],
                "schema.json": json.dumps(value(1) | {"protocol": 2}).encode(),
            }
        ),
        "it holds no estimator",
    ),
    "another class": (
        lambda g, m: with_schema(
            g, schema_of(g) | {"__module__": "subprocess", "__class__": "Popen"}
        ),
        "objects of foreign types, subprocess.Popen",
    ),
    "a function": (
        lambda g, m: planted(
            g,
            node(
                "ObjectNode",
                "sklearn.preprocessing._function_transformer.FunctionTransformer",
                content=node(
                    "DictNode",
                    "builtins.dict",
                    content={"func": node("FunctionNode", SYSTEM)},
                    key_types=node("ListNode", content=[node("TypeNode", "builtins.str")]),
                ),
            ),
        ),
        f"objects of foreign types, {SYSTEM}",
    ),
    "eval": (lambda g, m: planted(g, node("TypeNode", "builtins.eval")), "types, builtins.eval"),
    "a method": (
        lambda g, m: planted(
            g,
            node("MethodNode", "builtins.str", content={"func": "format", "obj": value("{}")}),
        ),
        "it holds builtins.str as a 'MethodNode', which is not allowed",
    ),
    "a partial": (
        lambda g, m: planted(
            g,
            node(
                "PartialNode",
                "functools.partial",
                content={
                    "func": node("FunctionNode", SYSTEM),
                    "args": values(value(command(m))),
                    "kwds": value(None),
                    "namespace": value(None),
                },
            ),
        ),
        "functools.partial as a 'PartialNode', which is not allowed",
    ),
    "a Lambda layer": (
        lambda g, m: planted(g, node("ObjectNode", "keras.src.layers.core.lambda_layer.Lambda")),
        "foreign types, keras.src.layers.core.lambda_layer.Lambda",
    ),
    "a type of this package that is not saved": (
        lambda g, m: planted(g, node("ObjectNode", "mnist_estimator.training._loop.TrainingState")),
        "foreign types, mnist_estimator.training._loop.TrainingState",
    ),
    "a bit generator": (
        lambda g, m: planted(
            g,
            node(
                "RandomGeneratorNode",
                "numpy.random._generator.Generator",
                content={
                    "bit_generator": node(
                        "DictNode",
                        "builtins.dict",
                        content={"bit_generator": value("seed")},
                        key_types=node("ListNode", content=[]),
                    ),
                    "seed_seq": node("ListNode", content=[]),
                },
            ),
        ),
        "numpy.random.seed",
    ),
    "a block of nothing": (
        lambda g, m: planted(g, node("NdArrayNode", "numpy.void", type="numpy", file="0.npy")),
        "numpy.void as a 'NdArrayNode', which is not allowed",
    ),
    "a sparse matrix": (
        lambda g, m: planted(
            g, node("SparseMatrixNode", "scipy.sparse._csr.csr_matrix", type="scipy", file="0.npy")
        ),
        "as a 'SparseMatrixNode', which is not allowed",
    ),
    "an unknown kind": (lambda g, m: planted(g, node("NewNode")), "as a 'NewNode', which is not"),
    "no kind": (lambda g, m: planted(g, {"__id__": 10**6}), "its schema is not readable"),
    "a file outside": (
        lambda g, m: planted(
            g, node("NdArrayNode", "numpy.ndarray", type="numpy", file="../../etc/passwd")
        ),
        "its arrays are not those that its schema names",
    ),
    "too many objects": (laughs, "it holds more than 1048576 objects"),
    "a cycle": (cycle, "it refers to an object before that is defined"),
    "an object twice": (twice, "it defines an object twice"),
    # states
    "a million filters": (
        with_state(_architecture=sizes(filters=(10**6,) * 3)),
        r"it cannot be rebuilt: A weight does not fit .* shape \(3, 3, 1, 1000000\) is due",
    ),
    "a huge kernel": (with_state(_architecture=sizes(kernel_size=10**5)), "A weight does not fit"),
    "a huge image": (
        with_state(_architecture=sizes(image_shape=(10**7, 10**7, 1))),
        "A weight does not fit",
    ),
    "a billion classes": (
        with_state(_architecture=sizes(n_classes=10**9)),
        "A weight does not fit",
    ),
    "sizes below one": (with_state(_architecture=sizes(filters=(-1,))), "sizes .* not readable"),
    "sizes in words": (with_state(_architecture=sizes(n_classes="ten")), "sizes .* out of range"),
    "other arguments": (with_state(_architecture=sizes(evil=1)), "are out of range"),
    "no sizes": (with_state(_architecture=None), "sizes of the network are not readable"),
    "weights that are none": (with_state(_weights=lambda w: ["a"] * len(w)), "no list of arrays"),
    "a weight missing": (with_state(_weights=lambda w: w[:-1]), "there is none"),
    "a weight too many": (
        with_state(_weights=lambda w: [*w, w[0]]),
        "extra weight of shape",
    ),
    "a weight of another shape": (
        with_state(_weights=weight(lambda w: w[..., :1].copy())),
        r"A weight does not fit .* shape \(3, 3, 1, 8\) is due, the state has shape \(3, 3, 1, 1\)",
    ),
    "a weight that is NaN": (with_state(_weights=weight(lambda w: w * np.nan)), "is not finite"),
    "a weight of another dtype": (
        with_state(_weights=weight(lambda w: w.astype(np.float64))),
        "not finite or not of dtype float32",
    ),
    "a generator missing": (
        with_state(_weights=lambda w: [a for a in w if a.dtype.kind == "f"]),
        "A generator's state does not fit",
    ),
    "a class missing": (with_state(classes_=lambda c: c[1:]), "names other classes"),
    "moments missing": (with_state(_n_steps=3, _moments=[]), "A moment does not fit"),
    "steps below zero": (with_state(_n_steps=-3, _moments=[]), "training steps is -3"),
    "a newer classifier": (
        with_state(_written_by="99.1"),
        "written by version 99.1 of mnist_estimator, .* Upgrade mnist_estimator",
    ),
    "a version that is none": (with_state(_written_by="new"), "'new', which is no version"),
}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Return where a payload would leave its mark; the working folder lies beside it."""
    (tmp_path / "work").mkdir()
    (tmp_path / "modules").mkdir()
    marker = tmp_path / "marker"
    code = f"open({str(marker)!r}, 'w').close()\nclass Type: pass\n"
    (tmp_path / "modules" / "evil.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path / "modules")
    monkeypatch.chdir(tmp_path / "work")
    yield marker
    sys.modules.pop("evil", None)


def check_refused(data, marker, words):
    """Load a bad file: a clear error, little memory, nothing run and nothing written."""
    path = marker.with_name("work") / "digits.pipeline"
    path.write_bytes(data)
    before = sorted(marker.parent.rglob("*"))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=words) as raised:
            load(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert str(raised.value).startswith(f"{path} cannot be loaded: ")
    assert "Nothing in it was run." in str(raised.value)
    assert peak < 40e6 + 20 * len(data)
    assert sorted(marker.parent.rglob("*")) == before
    assert not marker.exists()


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused(good, place, name):
    make, words = BAD[name]
    check_refused(make(good, place), place, words)


@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
@pytest.mark.parametrize("name", LIVE)
def test_a_payload_is_not_run(good, place, name):
    """And it is a live one: a reader that trusts all that the file names runs it."""
    data = LIVE[name](good, place)
    check_refused(data, place, "foreign types|which is not allowed")
    opened = plain_skops_of(data)
    trusted = skops.io.get_untrusted_types(data=opened)
    try:
        made = skops.io.loads(opened, trusted=trusted)
        if hasattr(getattr(made, "planted", None), "wait"):
            made.planted.wait()
    except Exception:  # it is run all the same
        pass
    assert place.exists()


def plain_skops_of(data):
    """Return a file as skops reads it."""
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        names = [name for name in file.namelist() if name != "manifest.json"]
        return _archive.zip_members({name: file.read(name) for name in names})


@pytest.mark.parametrize("make", [old_pickle, joblib_file])
def test_what_pickle_and_joblib_do_instead(good, place, make):
    joblib.load(io.BytesIO(make(good, place)))
    assert place.exists()


def test_a_good_file_made_by_the_same_means_loads(good, pipe, digits, tmp_path):
    """So that the bad ones are refused for what is bad in them."""
    path = tmp_path / "digits.pipeline"
    untouched = (
        sealed(members(good).items()),
        manifest(good, written_by="0.0.1", more="of a later version"),
        with_schema(good, schema_of(good)),
        planted(good, value(1)),
        with_state(dropout=0.1)(good, None),
    )
    for data in untouched:
        path.write_bytes(data)
        assert_array_equal(load(path).predict_proba(digits[0]), pipe.predict_proba(digits[0]))


def test_too_large_a_file_is_not_read(tmp_path, monkeypatch, pipe):
    monkeypatch.setattr(_save_load, "LARGEST_FILE", 1000)
    with pytest.raises(OSError, match="a file may have at most 1000"):
        save(pipe, tmp_path / "digits.pipeline")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(_archive, "LARGEST_FILE", 1000)
    (tmp_path / "large").write_bytes(bytes(1001))
    with pytest.raises(ValueError, match="or has 1001 bytes, more than the 1000 allowed"):
        load(tmp_path / "large")
