"""ONNX files: the pipeline's answers, without TensorFlow and scikit-learn."""

import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from common import slow_but
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from mnist_estimator import CNNClassifier, ImageScaler, load_mnist, make_pipeline, to_onnx

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

LEAN = {"filters": (4, 8), "kernel_size": 3, "epochs": 1, "early_stopping": False}
"""A network that need not be accurate: after one epoch, all images have low confidence."""


def lean(**changed):
    """Make a pipeline with a network that is fitted in a second."""
    return make_pipeline(**LEAN | {"random_state": 0} | changed)


def run(path, X):
    """Return the labels and probabilities of a file."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(["label", "probabilities"], {"X": X})


def assert_same(path, pipe, X):
    """Compare a file with the pipeline that it is of."""
    labels, probabilities = run(path, X)
    expected = pipe.predict_proba(X)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities, expected, rtol=0, atol=1e-5)
    clear = np.diff(np.sort(expected)[:, -2:])[:, 0] > 1e-5
    assert clear.mean() > 0.9
    np.testing.assert_array_equal(labels[clear], pipe.predict(X)[clear])


@pytest.fixture(scope="module")
def mnist():
    """Return 1,200 images of MNIST as flat rows of bytes, and their labels."""
    X, y = load_mnist("train", return_X_y=True)
    return X[:1200], y[:1200]


@pytest.fixture(scope="module")
def pipe(mnist):
    """Return a pipeline that is confident of some images and not of others."""
    X, y = mnist
    return lean(filters=(8, 16), epochs=8, batch_size=32).fit(X[:600], y[:600])


@pytest.fixture(scope="module")
def path(pipe, tmp_path_factory):
    """Return the file of that pipeline."""
    return to_onnx(pipe, tmp_path_factory.mktemp("onnx") / "digits.onnx")


def patterns(n, shape, n_classes=3, seed=0):
    """Return bytes in which each class has its own bright rows, and labels."""
    generator = np.random.default_rng(seed)
    y = np.arange(n) % n_classes
    X = generator.integers(0, 200, (n, *shape), dtype=np.uint8)
    for label in range(n_classes):
        X[y == label, label::n_classes] += 50
    return X, y


class TestAnswers:
    def test_are_those_of_the_pipeline(self, mnist, pipe, path):
        X, _ = mnist
        largest = pipe.predict_proba(X).max(axis=1)
        for low, high in [(0, 0.8), (0.8, 0.9), (0.9, 1.1)]:  # the three ways to answer
            assert np.sum((largest >= low) & (largest < high)) > 10
        assert_same(path, pipe, X)

    def test_are_the_same_where_tensorflow_and_sklearn_are_missing(
        self, mnist, pipe, path, tmp_path
    ):
        X, _ = mnist
        np.save(tmp_path / "X.npy", X)
        code = (
            "import sys\n"
            "for name in ('tensorflow', 'keras', 'sklearn', 'scipy', 'mnist_estimator'):\n"
            "    sys.modules[name] = None\n"
            "import numpy as np, onnxruntime\n"
            f"session = onnxruntime.InferenceSession({str(path)!r})\n"
            f"X = np.load({str(tmp_path / 'X.npy')!r})\n"
            "labels, probabilities = session.run(None, {'X': X})\n"
            f"np.savez({str(tmp_path / 'answers.npz')!r}, labels=labels, p=probabilities)\n"
        )
        subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
        answers = np.load(tmp_path / "answers.npz")
        np.testing.assert_allclose(answers["p"], pipe.predict_proba(X), rtol=0, atol=1e-5)
        np.testing.assert_array_equal(answers["labels"], pipe.predict(X))

    def test_do_not_depend_on_the_batch(self, mnist, path):
        X = mnist[0][:60]
        session = onnxruntime.InferenceSession(path)
        (together,) = session.run(["probabilities"], {"X": X})
        for size in (1, 7):
            batches = [X[i : i + size] for i in range(0, len(X), size)]
            parts = [session.run(["probabilities"], {"X": batch})[0] for batch in batches]
            np.testing.assert_allclose(np.concatenate(parts), together, rtol=0, atol=1e-6)

    @pytest.mark.parametrize("n_images", [511, 512, 513, 1025])
    def test_come_in_chunks_of_any_number_of_images(self, n_images, mnist, pipe, path):
        X = np.resize(mnist[0], (n_images, 784))
        assert_same(path, pipe, X)

    def test_take_memory_for_a_chunk_only(self, path):
        """What the network computes stands inside a loop; only pixels in and answers out do not."""
        graph = onnx.load(path).graph
        heavy = {"Conv", "MaxPool", "BatchNormalization", "Gemm", "Cast"}
        assert heavy.isdisjoint(node.op_type for node in graph.node)
        (loop,) = (node for node in graph.node if node.op_type == "Loop")
        (body,) = (attribute.g for attribute in loop.attribute)
        assert heavy <= {node.op_type for node in body.node}

    def test_of_plain_images_alone_and_of_none(self, mnist, pipe, path):
        X, _ = mnist
        plain = pipe.predict_proba(X).max(axis=1) > 0.999
        assert_same(path, pipe, X[plain])
        labels, probabilities = run(path, X[:0])
        assert labels.shape == (0,)
        assert probabilities.shape == (0, 10)

    def test_without_test_time_augmentation_come_from_a_plain_graph(self, mnist, pipe, tmp_path):
        X, _ = mnist
        try:
            pipe.set_params(cnn__test_time_shift=0)
            path = to_onnx(pipe, tmp_path / "plain.onnx")
            assert_same(path, pipe, X)
        finally:
            pipe.set_params(cnn__test_time_shift="auto")
        operators = {node.op_type for node in onnx.load(path).graph.node}
        assert operators.isdisjoint({"Loop", "If", "NonZero", "ScatterND"})


class TestFile:
    def test_has_the_names_of_sklearns_converters(self, path):
        session = onnxruntime.InferenceSession(path)
        described = [(v.name, v.shape, v.type) for v in session.get_inputs()]
        assert described == [("X", ["n", 784], "tensor(uint8)")]
        described = [(v.name, v.shape, v.type) for v in session.get_outputs()]
        assert described == [
            ("label", ["n"], "tensor(int64)"),
            ("probabilities", ["n", 10], "tensor(float)"),
        ]

    def test_tells_the_classes_and_the_shape(self, path):
        about = onnxruntime.InferenceSession(path).get_modelmeta().custom_metadata_map
        assert json.loads(about["classes"]) == list(range(10))
        assert json.loads(about["image_shape"]) == [28, 28, 1]

    def test_is_one_that_older_runtimes_read(self, path):
        model = onnx.load(path)
        onnx.checker.check_model(model, full_check=True)
        assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 17)]
        assert model.ir_version == 8

    def test_is_the_same_to_the_byte_each_time(self, pipe, path, tmp_path):
        again = to_onnx(pipe, str(tmp_path / "again.onnx"))
        assert again == tmp_path / "again.onnx"
        assert again.read_bytes() == path.read_bytes()

    def test_stays_as_it_was_if_writing_fails(self, pipe, tmp_path, monkeypatch):
        path = tmp_path / "digits.onnx"
        path.write_bytes(b"before")

        def fail(descriptor):
            raise OSError("disk full")

        monkeypatch.setattr("os.fsync", fail)
        with pytest.raises(OSError, match="disk full"):
            to_onnx(pipe, path)
        assert path.read_bytes() == b"before"
        assert list(tmp_path.iterdir()) == [path]


class TestInput:
    @pytest.mark.parametrize("dtype", ["uint8", "uint16", "int64", "float16", "float32", "float64"])
    @pytest.mark.parametrize("form", [(784,), (28, 28), (28, 28, 1)])
    def test_is_as_the_example(self, dtype, form, mnist, pipe, tmp_path):
        X = mnist[0][:20].reshape(-1, *form).astype(dtype)
        path = to_onnx(pipe, tmp_path / "digits.onnx", X[:1])
        assert onnxruntime.InferenceSession(path).get_inputs()[0].shape == ["n", *form]
        assert_same(path, pipe, X)

    @pytest.mark.parametrize(
        ("dtype", "name"),
        [("float32", "float"), (">f4", "float"), ("float64", "double"), ("longdouble", "double"),
         ("bool", "bool"), ("int16", "int16")],
    )  # fmt: skip
    def test_is_as_in_fit_if_there_is_no_example(self, dtype, name, tmp_path):
        X, y = patterns(60, (9, 7))
        X = (X > 150 if dtype == "bool" else X).astype(dtype)
        pipe = lean().fit(X, y)
        path = to_onnx(pipe, tmp_path / "digits.onnx")
        (given,) = onnxruntime.InferenceSession(path).get_inputs()
        assert given.type == f"tensor({name})"
        assert given.shape == ["n", 9, 7]
        came = {"float": np.float32, "double": np.float64}.get(name, X.dtype)
        assert_same(path, pipe, X.astype(came))

    @pytest.mark.parametrize("low", [0.0, -3.0, 1e6])
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_of_any_range_is_scaled_as_the_transformer_does(self, low, dtype, tmp_path):
        X, y = patterns(60, (16, 16))
        X = (low + X / 255 * (64 if low == 1e6 else 1)).astype(dtype)
        pipe = lean(test_time_shift=0).fit(X, y)
        assert_same(to_onnx(pipe, tmp_path / "digits.onnx"), pipe, X)

    def test_without_contrast_is_scaled_as_the_transformer_does(self, tmp_path):
        X = np.full((20, 16, 16), 7.0, dtype=np.float32)
        pipe = lean().fit(X, np.arange(20) % 2)
        path = to_onnx(pipe, tmp_path / "digits.onnx")
        np.testing.assert_allclose(run(path, X)[1], pipe.predict_proba(X), atol=1e-5)

    def test_may_be_learned_from_a_data_frame(self, digits, tmp_path):
        X, y = digits
        frame = pd.DataFrame(X[:100]).add_prefix("pixel")
        pipe = lean().fit(frame, y[:100])
        path = to_onnx(pipe, tmp_path / "digits.onnx", frame[:1].astype("float32"))
        np.testing.assert_allclose(
            run(path, X[:100].astype(np.float32))[1], pipe.predict_proba(frame), atol=1e-5
        )


SIZES = {
    "even kernels": ((20, 18, 1), {"kernel_size": (4, 2), "filters": (4, (4, 4), 4)}),
    "colours, hidden layers": ((16, 12, 3), {"dense_units": (12, 8), "filters": (4, 6)}),
    "no batch normalization": ((17, 16, 1), {"batch_norm": False}),
    "one pixel high": ((1, 40, 2), {"filters": (4, 4)}),
    "one pixel wide": ((21, 1, 1), {"filters": (4, 4), "kernel_size": 5}),
    "no larger than a pixel": ((1, 1, 4), {}),
    "more stages than pixels": ((5, 3, 1), {"filters": (4, 4, (4, 4), 4)}),
    "kernel larger than the image": ((6, 6, 1), {"kernel_size": 7}),
    "float64": ((16, 16, 1), {"precision": "float64"}),
    "ensemble": ((17, 16, 1), {"ensemble_size": 3, "dense_units": (6,)}),
}


class TestNetworks:
    @pytest.mark.parametrize(
        "sizes", slow_but({"even kernels", "more stages than pixels", "ensemble"}, SIZES)
    )
    def test_of_all_sizes(self, sizes, tmp_path):
        shape, params = sizes
        X, y = patterns(60, shape)
        pipe = lean(**params | {"test_time_shift": 1}).fit(X, y)
        assert_same(to_onnx(pipe, tmp_path / "digits.onnx"), pipe, X)

    @pytest.mark.parametrize("shift", [2, 30])
    def test_that_look_further_aside(self, shift, tmp_path):
        X, y = patterns(60, (16, 20))
        pipe = lean(test_time_shift=shift).fit(X, y)
        assert_same(to_onnx(pipe, tmp_path / "digits.onnx"), pipe, X)

    def test_with_norms_of_negative_scale(self, mnist, tmp_path):
        """Pooling before normalization: the smallest value must not win."""
        X = mnist[0][:200]
        pipe = lean().fit(*(part[:200] for part in mnist))
        gamma = pipe["cnn"].model_.get_layer("norm1_1").gamma
        gamma.assign(-np.asarray(gamma))
        assert_same(to_onnx(pipe, tmp_path / "digits.onnx"), pipe, X)

    @pytest.mark.parametrize("precision", ["float32", "float64"])
    def test_without_a_scaler(self, precision, tmp_path):
        X, y = patterns(60, (16, 16))
        X = 10_000 + X.reshape(60, -1).astype(np.float64)
        clf = CNNClassifier(**LEAN, precision=precision, random_state=0).fit(X, y)
        path = to_onnx(clf, tmp_path / "digits.onnx", X)
        assert_same(path, clf, X)
        path = to_onnx(clf, tmp_path / "digits.onnx")
        assert_same(path, clf, X.astype(np.float32))

    def test_in_a_pipeline_with_steps_that_do_nothing(self, tmp_path):
        X, y = patterns(60, (16, 16))
        clf = CNNClassifier(**LEAN, random_state=0)
        scalers = [ImageScaler(), None, ImageScaler(value_range=(0, 0.5)), "passthrough"]
        pipe = Pipeline([*((f"step{i}", step) for i, step in enumerate(scalers)), ("cnn", clf)])
        assert_same(to_onnx(pipe.fit(X, y), tmp_path / "digits.onnx"), pipe, X)


class TestLabels:
    @pytest.mark.parametrize(
        ("classes", "dtype"),
        [
            (["eins", "zwei", "drei"], object),
            (np.array(["één", "δύο", "三"], dtype=object), object),
            ([3, 5, -7], np.int64),
            (np.array([3, 5, 7], dtype=np.uint8), np.int64),
            ([2.0, 4.0, 8.0], np.int64),
            ([False, True], np.int64),
            (np.array([2**63 + 1, 5, 7], dtype=np.uint64), np.uint64),
        ],
        ids=["strings", "objects", "numbers", "bytes", "floats", "booleans", "large"],
    )
    def test_are_those_of_the_classifier(self, classes, dtype, tmp_path):
        X, y = patterns(60, (8, 8), n_classes=len(classes))
        pipe = lean().fit(X, np.asarray(classes)[y])
        path = to_onnx(pipe, tmp_path / "digits.onnx")
        labels, _ = run(path, X)
        assert labels.dtype == dtype
        np.testing.assert_array_equal(labels, pipe.predict(X))
        about = onnxruntime.InferenceSession(path).get_modelmeta().custom_metadata_map
        assert json.loads(about["classes"]) == pipe.classes_.tolist()

    def test_dates_are_told_to_be_made_text(self, tmp_path):
        X, y = patterns(60, (8, 8), n_classes=2)
        pipe = lean().fit(X, y.astype("datetime64[D]"))
        words = r"the classes of pipe are datetime64\[D\], such as .*Fit on y.astype\(str\)"
        with pytest.raises(ValueError, match=words):
            to_onnx(pipe, tmp_path / "digits.onnx")
        assert list(tmp_path.iterdir()) == []


class TestServing:
    def test_the_server_of_the_documentation_answers(self, mnist, pipe, path, tmp_path):
        X, _ = mnist
        page = (Path(__file__).parents[2] / "docs" / "serving.md").read_text(encoding="utf-8")
        (code,) = re.findall(r"```python\n(# serve\.py\n.*?)```", page, flags=re.DOTALL)
        (tmp_path / "serve.py").write_text(code, encoding="utf-8")
        server = subprocess.Popen(
            [sys.executable, str(tmp_path / "serve.py"), str(path), "0"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        try:
            port = server.stdout.readline().split()[1]
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            url = f"http://127.0.0.1:{port}"
            with opener.open(url, data=X[:3].tobytes(), timeout=60) as response:
                answer = json.load(response)
            with pytest.raises(urllib.error.HTTPError, match="400: Send 784 bytes an image") as bad:
                opener.open(url, data=b"123", timeout=60)
            bad.value.close()
        finally:
            server.kill()
            server.communicate()
        assert answer["label"] == pipe.predict(X[:3]).tolist()
        np.testing.assert_allclose(answer["probabilities"], pipe.predict_proba(X[:3]), atol=1e-5)


class TestErrors:
    def test_not_fitted(self, tmp_path):
        for estimator in (make_pipeline(), CNNClassifier()):
            with pytest.raises(NotFittedError, match="is not fitted yet"):
                to_onnx(estimator, tmp_path / "digits.onnx")
        assert not list(tmp_path.iterdir())

    def test_another_step(self, pipe, tmp_path):
        steps = [("pca", PCA()), *pipe.steps]
        with pytest.raises(
            TypeError, match=r"its step 'pca' is of type PCA\. Pass the steps behind"
        ):
            to_onnx(Pipeline(steps), tmp_path / "digits.onnx")

    @pytest.mark.parametrize(
        ("make", "words"),
        [
            (lambda pipe: GridSearchCV(pipe, {}), "is of type GridSearchCV. Of a search, pass its"),
            (lambda pipe: pipe[:-1], "ends in step 'scale', of type ImageScaler. Pass the whole"),
            (lambda pipe: pipe["scale"], "is of type ImageScaler. Pass the whole pipeline."),
            (lambda pipe: Pipeline([("nothing", "passthrough")]), "is of type Pipeline."),
            (lambda pipe: "digits.onnx", "is of type str."),
        ],
    )
    def test_another_classifier(self, make, words, pipe, tmp_path):
        with pytest.raises(TypeError, match=re.escape(f"and a CNNClassifier; it {words}")):
            to_onnx(make(pipe), tmp_path / "digits.onnx")

    def test_a_class_that_answers_otherwise(self, pipe, tmp_path):
        class Sharper(CNNClassifier):
            def predict_proba(self, X):
                return super().predict_proba(X) ** 2

        with pytest.raises(TypeError, match="it is of type Sharper"):
            to_onnx(Sharper(), tmp_path / "digits.onnx")

    def test_example_of_another_shape(self, pipe, tmp_path):
        with pytest.raises(ValueError, match=r"images of shape \(8, 8, 1\), but ImageScaler was"):
            to_onnx(pipe, tmp_path / "digits.onnx", np.zeros((1, 8, 8)))

    def test_no_folder(self, pipe, tmp_path):
        with pytest.raises(
            FileNotFoundError, match="path must name a file in a folder that exists"
        ):
            to_onnx(pipe, tmp_path / "missing" / "digits.onnx")
        with pytest.raises(IsADirectoryError, match="path must name a file; got the folder"):
            to_onnx(pipe, tmp_path)

    def test_onnx_is_missing(self, pipe, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "onnx", None)
        with pytest.raises(ImportError, match="Install it with: pip install onnx"):
            to_onnx(pipe, tmp_path / "digits.onnx")
        assert not list(tmp_path.iterdir())
