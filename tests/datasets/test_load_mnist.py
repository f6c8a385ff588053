"""load_mnist: what it returns, that all sources agree, and what it says when they are bad.

No test reaches for the network: each replaces what would download.
"""

import gzip
import hashlib
import io
import json
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.model_selection import GroupKFold

from mnist_estimator import datasets, load_mnist
from mnist_estimator.datasets import _sources

TRAIN_COUNTS = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
TEST_COUNTS = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
# MD5 of the original IDX files: independent of the SHA-256 in the module.
IDX_MD5 = {
    ("train", "images"): "6bbc9ace898e44ae57da46a324031adb",
    ("train", "labels"): "a25bea736e30d166cdddb491f175f624",
    ("test", "images"): "2646ac647ad5339dbf082846283269ea",
    ("test", "labels"): "27ae3e4e09519cfbb04c329615203637",
}
IDX_STEMS = {"train": "train", "test": "t10k"}


@pytest.fixture(scope="module")
def bundled():
    """The reference; read only."""
    bunch = load_mnist("all")
    bunch.data.flags.writeable = bunch.target.flags.writeable = False
    return bunch


@pytest.fixture(scope="module")
def keras_arrays(bundled):
    """The four arrays as Keras's mnist.npz holds them."""
    images, labels = bundled.data.reshape(-1, 28, 28), bundled.target.astype(np.uint8)
    return {
        "x_train": images[:60000],
        "y_train": labels[:60000],
        "x_test": images[60000:],
        "y_test": labels[60000:],
    }


@pytest.fixture(scope="module")
def npz(keras_arrays, tmp_path_factory):
    path = tmp_path_factory.mktemp("npz") / "mnist.npz"
    np.savez(path, **keras_arrays)
    return path


@pytest.fixture(scope="module")
def idx(bundled):
    """The content of the four IDX files."""
    content = {}
    for subset, part in (("train", slice(60000)), ("test", slice(60000, None))):
        images, labels = bundled.data[part], bundled.target[part].astype(np.uint8)
        header = struct.pack(">4I", 2051, len(images), 28, 28)
        content[subset, "images"] = header + images.tobytes()
        content[subset, "labels"] = struct.pack(">2I", 2049, len(labels)) + labels.tobytes()
    return content


@pytest.fixture
def idx_folder(idx, tmp_path):
    """A folder with the two files of the test set, there to be spoilt."""
    return write_idx(tmp_path / "idx", {key: idx[key] for key in idx if key[0] == "test"})


def write_idx(folder, content, joint="-", gzipped=False):
    folder.mkdir()
    for (subset, kind), data in content.items():
        name = f"{IDX_STEMS[subset]}-{kind}{joint}idx{3 if kind == 'images' else 1}-ubyte"
        if gzipped:
            (folder / f"{name}.gz").write_bytes(gzip.compress(data, compresslevel=1))
        else:
            (folder / name).write_bytes(data)
    return folder


def assert_same(mnist, bundled, part=slice(None)):
    assert mnist.data.dtype == np.uint8
    assert mnist.target.dtype == np.int64
    np.testing.assert_array_equal(mnist.data, bundled.data[part])
    np.testing.assert_array_equal(mnist.target, bundled.target[part])


def files_under(folder):
    return sorted(path.name for path in Path(folder).rglob("*") if path.is_file())


# ---- what it returns --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("subset", "n_samples", "counts"),
    [
        ("train", 60000, TRAIN_COUNTS),
        ("test", 10000, TEST_COUNTS),
        ("all", 70000, np.add(TRAIN_COUNTS, TEST_COUNTS)),
    ],
)
def test_load_mnist_subset_shapes_dtypes_and_classes(subset, n_samples, counts):
    mnist = load_mnist(subset)
    assert mnist.data.shape == (n_samples, 784)
    assert mnist.data.dtype == np.uint8
    assert mnist.data.flags.c_contiguous
    assert (mnist.data.min(), mnist.data.max()) == (0, 255)
    assert mnist.images.shape == (n_samples, 28, 28)
    assert np.shares_memory(mnist.images, mnist.data)
    np.testing.assert_array_equal(mnist.images.reshape(n_samples, 784), mnist.data)
    assert mnist.target.shape == (n_samples,)
    assert mnist.target.dtype == np.int64
    np.testing.assert_array_equal(np.bincount(mnist.target), counts)


def test_load_mnist_bundled_is_the_original_byte_for_byte(idx):
    assert {key: hashlib.md5(content).hexdigest() for key, content in idx.items()} == IDX_MD5


def test_load_mnist_all_is_train_then_test(bundled):
    assert_same(load_mnist("train"), bundled, slice(60000))
    assert_same(load_mnist("test"), bundled, slice(60000, None))


def test_load_mnist_bunch_has_what_scikit_learn_loaders_have():
    mnist = load_mnist("test")
    assert set(mnist) == {
        "data",
        "images",
        "target",
        "feature_names",
        "target_names",
        "frame",
        "DESCR",
        "filename",
        "source",
    }
    assert len(mnist.feature_names) == 784
    assert (mnist.feature_names[0], mnist.feature_names[-1]) == ("pixel1", "pixel784")
    assert list(mnist.target_names) == list("0123456789")
    assert mnist.frame is None
    assert "Yann LeCun and Corinna Cortes" in mnist.DESCR
    assert "creativecommons.org/licenses/by-sa/3.0" in mnist.DESCR
    assert Path(mnist.filename).is_file()
    assert mnist.source == "bundled"


def test_load_mnist_return_X_y_is_data_and_target(bundled):
    X, y = load_mnist("test", return_X_y=True)
    np.testing.assert_array_equal(X, bundled.data[60000:])
    np.testing.assert_array_equal(y, bundled.target[60000:])


def test_load_mnist_as_frame_pandas_with_the_same_values(bundled):
    mnist = load_mnist("test", as_frame=True)
    assert isinstance(mnist.data, pd.DataFrame)
    assert isinstance(mnist.target, pd.Series)
    assert list(mnist.data.columns) == mnist.feature_names
    assert (mnist.data.dtypes == np.uint8).all()
    assert mnist.target.name == "target"
    assert mnist.target.dtype == np.int64
    assert list(mnist.frame.columns) == [*mnist.feature_names, "target"]
    assert mnist.frame.shape == (10000, 785)
    np.testing.assert_array_equal(mnist.data.to_numpy(), bundled.data[60000:])
    np.testing.assert_array_equal(mnist.frame["target"], bundled.target[60000:])

    X, y = load_mnist("test", as_frame=True, return_X_y=True)
    pd.testing.assert_frame_equal(X, mnist.data)
    pd.testing.assert_series_equal(y, mnist.target)


def test_load_mnist_arrays_changed_by_the_caller_next_call_is_clean(bundled):
    mnist = load_mnist("test")
    mnist.data[:] = 7
    mnist.images[0] = 9
    mnist.target[:] = 0
    assert_same(load_mnist("test"), bundled, slice(60000, None))


def test_load_mnist_bundled_imports_neither_tensorflow_nor_keras():
    code = (
        "import sys; from mnist_estimator import load_mnist; load_mnist('test'); "
        "sys.exit(bool({'tensorflow', 'keras', 'matplotlib'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_data_folder_small_and_with_its_licence():
    folder = Path(datasets.__file__).parent / "data"
    assert (folder / "mnist.npz").stat().st_size < 11e6
    licence = (folder / "LICENSE").read_text()
    assert "Yann LeCun and Corinna Cortes" in licence
    assert "https://creativecommons.org/licenses/by-sa/3.0/" in licence


# ---- paths ------------------------------------------------------------------------------


@pytest.mark.parametrize("as_type", [str, Path])
def test_load_mnist_npz_path_agrees(as_type, npz, bundled):
    mnist = load_mnist("all", source=as_type(npz))
    assert_same(mnist, bundled)
    assert mnist.filename == mnist.source == str(npz)


@pytest.mark.parametrize("gzipped", [False, True])
@pytest.mark.parametrize("joint", ["-", "."])
def test_load_mnist_idx_folder_agrees(joint, gzipped, idx, bundled, tmp_path):
    folder = write_idx(tmp_path / "idx", idx, joint, gzipped)
    assert_same(load_mnist("all", source=folder), bundled)


def test_load_mnist_only_one_subset_there_that_one_loads(idx_folder, bundled):
    assert_same(load_mnist("test", source=idx_folder), bundled, slice(60000, None))
    with pytest.raises(FileNotFoundError, match=r"idx has no train-images-idx3-ubyte, nor .*\.gz"):
        load_mnist("train", source=idx_folder)


def test_load_mnist_unzipped_under_the_gz_name_is_read_by_content(idx, tmp_path, bundled):
    folder = write_idx(tmp_path / "idx", idx)
    for path in folder.iterdir():
        path.rename(f"{path}.gz")
    assert_same(load_mnist("test", source=folder), bundled, slice(60000, None))


def test_load_mnist_path_with_tilde_is_the_home_folder(npz, monkeypatch):
    monkeypatch.setenv("HOME", str(npz.parent))
    monkeypatch.setenv("USERPROFILE", str(npz.parent))
    assert load_mnist("test", source="~/mnist.npz").filename == str(npz)


def test_load_mnist_path_object_named_like_a_source_is_a_path(npz, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="no file or folder"):
        load_mnist("test", source=Path("keras"))
    shutil.copy(npz, "keras")
    assert load_mnist("test", source=Path("keras")).filename == "keras"


# ---- bad files --------------------------------------------------------------------------

REMEDY = r"\. Replace it by a fresh copy, or use source='bundled'\.$"


def flip(path, position):
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


@pytest.fixture
def make_npz(keras_arrays, tmp_path):
    """Write an npz of the test set with some arrays replaced, or left out (None)."""

    def make(save=np.savez, **replaced):
        arrays = {key: keras_arrays[key] for key in ("x_test", "y_test")} | replaced
        path = tmp_path / "other.npz"
        save(path, **{key: array for key, array in arrays.items() if array is not None})
        return path

    return make


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_flipped_byte_raises(save, make_npz):
    path = make_npz(save)
    flip(path, path.stat().st_size // 2)
    with pytest.raises(
        ValueError, match=r"other\.npz can't be read as an \.npz .*damaged.*" + REMEDY
    ):
        load_mnist("test", source=path)


def test_npz_flipped_pixel_and_right_crc_raises(make_npz, keras_arrays):
    images = keras_arrays["x_test"].copy()
    images[5000, 14, 14] ^= 1
    expected = r"other\.npz holds another x_test than MNIST's.*SHA-256.*expected 0fa7898d" + ".*"
    with pytest.raises(ValueError, match=expected + REMEDY):
        load_mnist("test", source=make_npz(x_test=images))


def test_npz_truncated_raises(make_npz):
    path = make_npz()
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(ValueError, match=r"other\.npz can't be read .*not a zip.*cut short"):
        load_mnist("test", source=path)


@pytest.mark.parametrize("content", [b"", b"<html>404 Not Found</html>", b"\x80\x04K\x01."])
def test_npz_not_a_zip_raises(content, tmp_path):
    path = tmp_path / "page.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"page\.npz can't be read .*File is not a zip file"):
        load_mnist("test", source=path)


def test_npz_one_idx_file_in_its_place_points_to_the_folder(idx_folder):
    with pytest.raises(ValueError, match="for IDX files pass their folder"):
        load_mnist("test", source=idx_folder / "t10k-images-idx3-ubyte")


def test_npz_missing_array_raises(make_npz):
    with pytest.raises(ValueError, match=r"other\.npz has no array 'y_test'" + REMEDY):
        load_mnist("test", source=make_npz(y_test=None))


@pytest.mark.parametrize(
    ("key", "change", "came"),
    [
        ("x_test", lambda x: x.reshape(-1, 784), r"x_test as uint8 of shape \(10000, 784\)"),
        ("x_test", lambda x: x[:100], r"x_test as uint8 of shape \(100, 28, 28\)"),
        ("y_test", lambda y: y.astype(int), r"y_test as int64 of shape \(10000,\)"),
    ],
)
def test_npz_wrong_shape_or_dtype_raises(key, change, came, make_npz, keras_arrays):
    path = make_npz(**{key: change(keras_arrays[key])})
    with pytest.raises(ValueError, match=rf"{came}, but MNIST's is uint8 of shape \(10000"):
        load_mnist("test", source=path)


class Bomb:
    """Creates a file when unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_npz_pickled_objects_raise_and_are_not_unpickled(make_npz, tmp_path):
    path = make_npz(y_test=np.array([Bomb(tmp_path / "boom")], dtype=object))
    with pytest.raises(ValueError, match=r"Object arrays cannot be loaded"):
        load_mnist("test", source=path)
    assert not (tmp_path / "boom").exists()


def test_bundled_damaged_or_missing_says_reinstall(make_npz, monkeypatch, tmp_path):
    monkeypatch.setattr(_sources, "_BUNDLED", make_npz(y_test=None))
    with pytest.raises(ValueError, match=r"no array 'y_test'\. Reinstall mnist_estimator\.$"):
        load_mnist("test")
    monkeypatch.setattr(_sources, "_BUNDLED", tmp_path / "none.npz")
    with pytest.raises(FileNotFoundError, match=r"none\.npz is missing\. Reinstall"):
        load_mnist("test")


@pytest.mark.parametrize("gzipped", [False, True])
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda c: b"\x00\x00\x08\x01" + c[4:], r"has the magic number 2049, expected 2051"),
        (
            lambda c: c[:4] + struct.pack(">I", 60000) + c[8:],
            r"has the dimensions \(60000, 28, 28\), expected \(10000, 28, 28\)",
        ),
        (lambda c: c[:100_000], r"is truncated: it holds 100000 of 7840016 bytes"),
        (lambda c: c[:10], r"is truncated: it holds 10 of 7840016 bytes"),
        (lambda c: b"", r"is truncated: it holds 0 of 7840016 bytes"),
        (lambda c: c + b"\0", r"is longer than the 7840016 bytes that its header announces"),
        (lambda c: c[:-1] + b"\1", r"another x_test than MNIST's.*expected 0fa7898d.*"),
    ],
    ids=["magic", "dimensions", "truncated", "header cut", "empty", "too long", "flipped"],
)
def test_idx_bad_content_raises(spoil, message, gzipped, idx, tmp_path):
    spoilt = {("test", "images"): spoil(idx["test", "images"]), ("test", "labels"): b""}
    folder = write_idx(tmp_path / "idx", spoilt, gzipped=gzipped)
    with pytest.raises(ValueError, match=rf"t10k-images-idx3-ubyte\S* .*{message}" + REMEDY):
        load_mnist("test", source=folder)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda c: c[: len(c) // 2],
        lambda c: c[:5000] + bytes(200) + c[5200:],
        lambda c: c[:-8] + bytes([c[-8] ^ 1]) + c[-7:],
        lambda c: b"\x1f\x8c" + c[2:],
    ],
    ids=["truncated", "overwritten", "wrong CRC", "not gzip"],
)
def test_idx_corrupt_gzip_raises(spoil, idx, tmp_path):
    folder = write_idx(tmp_path / "idx", {("test", "images"): idx["test", "images"]}, gzipped=True)
    path = folder / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(ValueError, match=r"ubyte\.gz is a corrupt or truncated gzip.*" + REMEDY):
        load_mnist("test", source=folder)


# ---- bad parameters ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kwargs", "error", "message"),
    [
        (
            {"subset": "trian"},
            ValueError,
            r"subset must be one of 'train', 'test', 'all'; got 'trian'. Did you mean 'train'\?",
        ),
        ({"subset": "validation"}, ValueError, r"got 'validation'\. Pass one of these\."),
        ({"subset": None}, TypeError, r"subset must be .*got None, of type NoneType"),
        ({"subset": ["train"]}, TypeError, r"subset must be .*of type list"),
        (
            {"source": "kears"},
            ValueError,
            r"source must be one of 'bundled', 'keras', 'openml', or the path .*"
            r"got 'kears', which is none of them\. Did you mean 'keras'\?",
        ),
        ({"source": "OpenML"}, ValueError, r"Did you mean 'openml'\?"),
        ({"source": ""}, ValueError, r"source must be .*got '', which is none of them"),
        ({"source": None}, TypeError, r"source must be .*got None, of type NoneType"),
        ({"source": b"keras"}, TypeError, r"source must be .*of type bytes. Pass a string"),
        (
            {"source": "nowhere/mnist.npz"},
            FileNotFoundError,
            r"source must be .*got 'nowhere/mnist.npz', where there is no file or folder\. Check",
        ),
        ({"source": "mnist.npz"}, FileNotFoundError, r"got 'mnist.npz', where there is no file"),
        ({"return_X_y": "yes"}, TypeError, r"return_X_y must be True or False; got 'yes'"),
        ({"as_frame": 1}, TypeError, r"as_frame must be True or False; got 1, of type int"),
    ],
)
def test_load_mnist_bad_parameter_names_allowed_received_remedy(
    kwargs, error, message, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        load_mnist(**kwargs)


# ---- Keras ------------------------------------------------------------------------------


@pytest.fixture
def keras_cache(tmp_path, monkeypatch):
    """The folder where Keras caches data sets; any download fails the test."""
    from keras.src.backend import config
    from keras.src.utils import file_utils

    def unexpected(*args):
        pytest.fail("Keras tried to download", pytrace=False)

    # Keras reads KERAS_HOME when it is imported.
    monkeypatch.setattr(config, "_KERAS_DIR", str(tmp_path))
    monkeypatch.setattr(file_utils, "urlretrieve", unexpected)
    folder = tmp_path / "datasets"
    folder.mkdir()
    return folder


@pytest.fixture
def serve(keras_cache, monkeypatch):
    """Let Keras's download write some bytes, then raise; or go through if ``error`` is None."""
    from keras.src.datasets import mnist
    from keras.src.utils import file_utils

    def serve(content, error=None, expected_hash=None):
        def urlretrieve(url, target, progress):
            assert url.endswith("/mnist.npz")
            Path(target).write_bytes(content)
            if error is not None:
                raise error

        def get_file(**kwargs):
            return file_utils.get_file(**kwargs | {"file_hash": expected_hash})

        monkeypatch.setattr(file_utils, "urlretrieve", urlretrieve)
        if expected_hash is not None:
            # The file that Keras serves has the same arrays, compressed by another zlib.
            monkeypatch.setattr(mnist, "get_file", get_file)

    return serve


@pytest.mark.parametrize("subset", ["train", "test", "all"])
def test_keras_cached_file_agrees_and_stays(subset, keras_cache, npz, bundled):
    shutil.copy(npz, keras_cache / "mnist.npz")
    mnist = load_mnist(subset, source="keras")
    part = {"train": slice(60000), "test": slice(60000, None), "all": slice(None)}[subset]
    assert_same(mnist, bundled, part)
    assert (mnist.source, mnist.filename) == ("keras", str(keras_cache / "mnist.npz"))
    assert (keras_cache / "mnist.npz").read_bytes() == npz.read_bytes()


@pytest.mark.parametrize("damaged_before", [False, True])
def test_keras_download_agrees_and_is_cached(damaged_before, keras_cache, serve, npz, bundled):
    if damaged_before:
        (keras_cache / "mnist.npz").write_bytes(npz.read_bytes()[:1000])
    content = npz.read_bytes()
    serve(content, expected_hash=hashlib.sha256(content).hexdigest())
    assert_same(load_mnist("all", source="keras"), bundled)
    assert files_under(keras_cache) == ["mnist.npz"]
    serve(b"", error=AssertionError("downloaded twice"))
    assert_same(load_mnist("all", source="keras"), bundled)


@pytest.mark.parametrize("damaged_before", [False, True])
@pytest.mark.parametrize(
    ("error", "message"),
    [
        (URLError("no route to host"), r"URL fetch failure on https://.*no route to host"),
        (ConnectionResetError("cut off"), r"ConnectionResetError: cut off"),
        (None, r"Incomplete or corrupted file detected"),
    ],
    ids=["offline", "cut off", "wrong content"],
)
def test_keras_download_fails_nothing_is_left(
    error, message, damaged_before, keras_cache, serve, npz
):
    if damaged_before:
        (keras_cache / "mnist.npz").write_bytes(npz.read_bytes()[:1000])
    serve(npz.read_bytes()[:5000], error)
    expected = rf"source='keras': keras\.datasets\.mnist\.load_data failed .*{message}"
    with pytest.raises(ConnectionError, match=rf"(?s){expected}.*use source='bundled'"):
        load_mnist("test", source="keras")
    assert files_under(keras_cache) == []


def test_keras_interrupted_nothing_is_left(keras_cache, serve):
    serve(b"half", KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        load_mnist("test", source="keras")
    assert files_under(keras_cache) == []


def test_keras_serves_another_data_set_raises_and_nothing_is_left(keras_cache, serve, keras_arrays):
    file = io.BytesIO()
    np.savez(file, **keras_arrays | {"y_test": keras_arrays["y_test"][::-1]})
    content = file.getvalue()
    serve(content, expected_hash=hashlib.sha256(content).hexdigest())
    with pytest.raises(ValueError, match="holds another y_test than MNIST's"):
        load_mnist("test", source="keras")
    assert files_under(keras_cache) == []


def test_keras_home_not_writable_looks_where_keras_does(monkeypatch, tmp_path):
    from keras.src.backend import config

    monkeypatch.setattr(config, "_KERAS_DIR", str(tmp_path / "missing"))
    assert _sources._keras_cache() == Path("/tmp/.keras/datasets")


# ---- OpenML -----------------------------------------------------------------------------

OPENML = "https://www.openml.org/"
SEARCH = "api/v1/json/data/list/data_name/mnist_784/limit/2/data_version/1"
ARFF = "data/v1/download/52667"


def openml_replies(arff):
    """What openml.org answers for mnist_784, by path."""
    features = [
        {
            "index": str(index),
            "name": f"pixel{index + 1}" if index < 784 else "class",
            "data_type": "numeric" if index < 784 else "nominal",
            "is_target": str(index == 784).lower(),
            "is_ignore": "false",
            "is_row_identifier": "false",
            "number_of_missing_values": "0",
        }
        for index in range(785)
    ]
    description = {
        "id": "554",
        "name": "mnist_784",
        "version": "1",
        "description": "The MNIST database of handwritten digits",
        "format": "ARFF",
        "status": "active",
        "file_id": "52667",
        "url": OPENML + ARFF,
        "md5_checksum": hashlib.md5(arff).hexdigest(),
    }
    qualities = [{"name": "NumberOfInstances", "value": "70000.0"}]
    found = {"did": 554, "name": "mnist_784", "version": 1, "status": "active"}
    replies = {
        SEARCH: {"data": {"dataset": [found]}},
        "api/v1/json/data/554": {"data_set_description": description},
        "api/v1/json/data/features/554": {"data_features": {"feature": features}},
        "api/v1/json/data/qualities/554": {"data_qualities": {"quality": qualities}},
    }
    return {path: json.dumps(reply).encode() for path, reply in replies.items()} | {ARFF: arff}


def arff_of(data, target):
    names = [f"@ATTRIBUTE pixel{index} real" for index in range(1, 785)]
    header = ["@RELATION mnist_784", *names, "@ATTRIBUTE class {0,1,2,3,4,5,6,7,8,9}", "@DATA", ""]
    # Each value as up to four characters, "255,", padded with zero bytes that then go.
    words = np.array([f"{value},".encode() for value in range(256)], "S4")
    ends = np.array([f"{digit}\n".encode() for digit in range(10)], "S4")
    lines = np.hstack([words[data], ends[target][:, np.newaxis]])
    return "\n".join(header).encode() + lines.tobytes().replace(b"\0", b"")


def cache_openml(data_home, replies):
    for path, content in replies.items():
        file = data_home / "openml" / "openml.org" / f"{path}.gz"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(gzip.compress(content, compresslevel=1))


@pytest.fixture
def data_home(tmp_path, monkeypatch):
    """An empty data home of scikit-learn; any download fails the test."""
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path))
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # between retries
    serve_openml(monkeypatch, {})
    return tmp_path


class Reply(io.BytesIO):
    """An answer of the server, which may break off."""

    def __init__(self, content, error=None):
        super().__init__(content)
        self.error = error

    def info(self):
        return {}

    def read(self, size=-1):
        if self.error is not None and self.tell():
            raise self.error
        return super().read(size if self.error is None else 1000)


def serve_openml(monkeypatch, replies, broken=None, error=None):
    """Let ``urlopen`` know some replies; that for ``broken`` breaks off with ``error``."""

    def urlopen(request, *args, **kwargs):
        path = request.full_url.removeprefix(OPENML).removeprefix("https://api.openml.org/")
        if path not in replies:
            raise URLError("no route to host")
        return Reply(replies[path], error if path == broken else None)

    monkeypatch.setattr("sklearn.datasets._openml.urlopen", urlopen)


retries_warn = pytest.mark.filterwarnings(
    "ignore:A network error occurred while downloading:UserWarning",
    "ignore:Invalid cache, redownloading file:RuntimeWarning",
)

SMALL_ARFF = arff_of(np.zeros((5, 784), np.uint8), np.arange(5))


@pytest.mark.slow
def test_openml_cached_file_agrees(data_home, bundled):
    cache_openml(data_home, openml_replies(arff_of(bundled.data, bundled.target)))
    before = files_under(data_home)
    mnist = load_mnist("all", source="openml")
    assert_same(mnist, bundled)
    assert files_under(data_home) == before
    assert (mnist.source, mnist.filename) == ("openml", str(data_home / "openml"))


@retries_warn
def test_openml_offline_says_so_and_nothing_is_left(data_home):
    expected = r"source='openml': fetch_openml\('mnist_784', version=1\) failed .*no route to host"
    with pytest.raises(ConnectionError, match=expected + ".*use source='bundled'"):
        load_mnist("test", source="openml")
    assert files_under(data_home) == []


@retries_warn
@pytest.mark.parametrize("broken", [SEARCH, "api/v1/json/data/554", ARFF])
@pytest.mark.parametrize("error", [URLError("timed out"), ConnectionResetError("cut off")])
def test_openml_download_breaks_off_nothing_is_left(broken, error, data_home, monkeypatch):
    serve_openml(monkeypatch, openml_replies(SMALL_ARFF), broken, error)
    with pytest.raises(ConnectionError, match=r"(timed out|cut off).*use source='bundled'"):
        load_mnist("test", source="openml")
    assert files_under(data_home) == []


@retries_warn
@pytest.mark.parametrize("broken", [SEARCH, "api/v1/json/data/features/554", ARFF])
def test_openml_reply_cut_short_unnoticed_nothing_is_left(broken, data_home, monkeypatch):
    replies = openml_replies(SMALL_ARFF)
    serve_openml(monkeypatch, replies | {broken: replies[broken][:50]})
    with pytest.raises(ConnectionError, match=r"fetch_openml.*failed.*use source='bundled'"):
        load_mnist("test", source="openml")
    assert files_under(data_home) == []


@retries_warn
def test_openml_interrupted_nothing_is_left(data_home, monkeypatch):
    serve_openml(monkeypatch, openml_replies(SMALL_ARFF), ARFF, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        load_mnist("test", source="openml")
    assert files_under(data_home) == []


@retries_warn
def test_openml_download_fails_good_files_from_before_stay(data_home, monkeypatch):
    replies = openml_replies(SMALL_ARFF)
    early = {path: replies.pop(path) for path in (SEARCH, "api/v1/json/data/554")}
    cache_openml(data_home, early | {"api/v1/json/data/61": b"{}"})
    before = files_under(data_home)
    serve_openml(monkeypatch, replies, ARFF, ConnectionResetError("cut off"))
    with pytest.raises(ConnectionError, match="cut off"):
        load_mnist("test", source="openml")
    assert files_under(data_home) == before


def test_openml_serves_another_data_set_raises_and_nothing_is_left(data_home, monkeypatch):
    serve_openml(monkeypatch, openml_replies(SMALL_ARFF))
    with pytest.raises(ValueError, match=r"holds mnist_784 in the shapes \(5, 784\) and \(5,\)"):
        load_mnist("test", source="openml")
    assert files_under(data_home) == []


# The writers


def test_groups_are_the_writers_of_the_training_images():
    _, y, groups = load_mnist("train", return_X_y=True, return_groups=True)
    assert_array_equal(y, load_mnist("train").target)
    assert groups.shape == y.shape
    assert groups.dtype == np.int64
    numbers, counts = np.unique(groups, return_counts=True)
    assert len(numbers) == 539  # as in Yadav and Bottou, table 1
    assert counts.min() >= 10
    # A writer of NIST wrote every digit about as often.
    assert len(set(y[groups == groups[0]])) == 10


def test_groups_split_writers_apart():
    X, y, groups = load_mnist("train", return_X_y=True, return_groups=True)
    train, test = next(GroupKFold(5).split(X, y, groups))
    assert not set(groups[train]) & set(groups[test])
    assert len(train) + len(test) == 60_000


def test_groups_in_the_bunch_and_as_series():
    mnist = load_mnist("train", as_frame=True, return_groups=True)
    assert mnist.groups.name == "writer"
    assert len(mnist.groups) == len(mnist.data)
    assert "groups" not in load_mnist("train")


@pytest.mark.parametrize("subset", ["test", "all"])
def test_groups_of_test_images_are_refused(subset):
    with pytest.raises(ValueError, match='return_groups=True needs subset="train"'):
        load_mnist(subset, return_groups=True)
