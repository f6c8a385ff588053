"""Networks that users build, as ONNX."""

import sys

import numpy as np
import onnxruntime
import pytest
from common import slow_but
from numpy.testing import assert_allclose, assert_array_equal
from own_networks import NETWORKS, dense
from sklearn.datasets import load_digits

from mnist_estimator import load_predictor, make_pipeline, save, to_onnx

pytest.importorskip("tf2onnx", reason="needs the extra onnx")


@pytest.fixture(scope="module", params=slow_but({"dense", "residual"}, NETWORKS))
def pipe(request):
    """Return a pipeline fitted on images of 16×16 pixels, which has test-time augmentation."""
    X, y = load_digits(return_X_y=True)
    X = X[:300].reshape(-1, 8, 8).repeat(2, axis=1).repeat(2, axis=2)
    pipe = make_pipeline(model=request.param, epochs=2, batch_size=32, random_state=0)
    return pipe.fit(X, y[:300])


@pytest.fixture(scope="module")
def images():
    return load_digits().images.repeat(2, axis=1).repeat(2, axis=2)


def test_the_onnx_file_computes_the_same(pipe, images, tmp_path):
    path = to_onnx(pipe, tmp_path / "own.onnx")
    session = onnxruntime.InferenceSession(path)
    (given,) = session.get_inputs()
    pixels = images.astype({"tensor(double)": np.float64}.get(given.type, np.float32))
    labels, probabilities = session.run(None, {given.name: pixels})
    assert_array_equal(labels, pipe.predict(images))
    assert_allclose(probabilities, pipe.predict_proba(images), atol=1e-5)
    assert (pipe.predict_proba(images).max(axis=1) < 0.8).any()  # so shifts were averaged


def test_the_predictor_computes_the_same(pipe, images, tmp_path):
    save(pipe, tmp_path / "own.pipeline")
    predictor = load_predictor(tmp_path / "own.pipeline")
    assert_allclose(predictor.predict_proba(images), pipe.predict_proba(images), atol=1e-5)


def test_without_the_converter(images, tmp_path, monkeypatch):
    X, y = load_digits(return_X_y=True)
    pipe = make_pipeline(model=dense, epochs=1, random_state=0).fit(X[:100], y[:100])
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(ImportError, match=r"mnist_estimator\[onnx\]"):
        to_onnx(pipe, tmp_path / "own.onnx")
    save(pipe, tmp_path / "own.pipeline")
    with pytest.raises(ValueError, match="load"):
        load_predictor(tmp_path / "own.pipeline")
