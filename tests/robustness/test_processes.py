"""Predictions and training in processes that others start, and what TensorFlow says there."""

import json
import os
import pickle
import signal
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose

from mnist_estimator.network._architecture import NetworkConfig
from mnist_estimator.network._build import build
from mnist_estimator.network._network import Network
from mnist_estimator.network._numpy_network import NumpyNetwork

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")

PREAMBLE = """
import json, multiprocessing, os, pickle, sys, urllib.request
from concurrent.futures import ProcessPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
import numpy as np
from joblib import Parallel, delayed

said = {}
data = np.load(sys.argv[1])
parts = [data[:30], data[30:]]


def joined(answers):
    return np.concatenate(list(answers)).tolist()


def load():
    with open(sys.argv[2], "rb") as file:
        return pickle.load(file)


def train(estimator, X=data):
    return estimator.fit(X, np.arange(len(X)) % 3)


def error_of(call):
    try:
        call()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
"""

FORKED = """
pipe = load()
pipe.predict(data)
fork = multiprocessing.get_context("fork")
with fork.Pool(2) as pool:
    said["pool"] = joined(pool.map(pipe.predict_proba, parts))
    said["training in a pool"] = error_of(lambda: pool.apply(train, (pipe,)))
    said["first training in a pool"] = error_of(lambda: pool.apply(train, (pipe[-1].__class__(),)))
    said["model_ in a pool"] = error_of(lambda: pool.apply(getattr, (pipe[-1], "model_")))
    said["to a pool and back"] = pool.apply(list, ([pipe],))[0].predict_proba(data).tolist()
with ProcessPoolExecutor(2, mp_context=fork) as pool:
    said["executor"] = joined(pool.map(pipe.predict_proba, parts))
    said["training in an executor"] = error_of(pool.submit(train, pipe).result)
with_joblib = Parallel(n_jobs=2, backend="multiprocessing")
said["joblib"] = joined(with_joblib(delayed(pipe.predict_proba)(part) for part in parts))
reader, writer = os.pipe()
child = os.fork()
if child == 0:
    os.write(writer, json.dumps(pipe.predict_proba(data).tolist()).encode())
    os._exit(0)
os.close(writer)
os.waitpid(child, 0)
said["os.fork"] = json.loads(open(reader).read())


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        rows = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = json.dumps([os.getpid(), pipe.predict_proba(np.array(rows)).tolist()]).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


# As gunicorn --preload does: the model is loaded and used, then workers are forked.
server = HTTPServer(("127.0.0.1", 0), Handler)
workers = []
for _ in range(2):
    worker = os.fork()
    if worker == 0:
        server.serve_forever()
    workers.append(worker)
said["servers"] = []
for _ in range(4):
    url, body = f"http://127.0.0.1:{server.server_port}/", json.dumps(data.tolist()).encode()
    with urllib.request.urlopen(url, body, timeout=60) as response:
        process, probabilities = json.load(response)
    assert process in workers
    said["servers"].append(probabilities)
for worker in workers:
    os.kill(worker, 9)
    os.waitpid(worker, 0)
print(json.dumps(said))
"""

STARTED_BY_OTHERS = """
from mnist_estimator.utils._quiet_tensorflow import tf
import mnist_estimator.classifier

tf.constant(1.0) + 1.0


def predict():
    return load().predict_proba(data)


with multiprocessing.get_context("fork").Pool(1) as pool:
    said["pool"] = pool.apply(predict).tolist()
print(json.dumps(said))
"""

NOT_FORKED = """
if __name__ == "__main__":
    pipe = load()
    for way in ("spawn", "forkserver"):
        with multiprocessing.get_context(way).Pool(1) as pool:
            said[way] = joined(pool.map(pipe.predict_proba, parts))
    with_loky = Parallel(n_jobs=2, backend="loky")
    said["loky"] = joined(with_loky(delayed(pipe.predict_proba)(part) for part in parts))
    print(json.dumps(said))
"""


def run_python(*arguments, seconds=600, **variables):
    """Run code in a session of its own; return what it prints as JSON, and its stderr.

    Whatever hangs is killed, with all that it has started.
    """
    process = subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env=os.environ | variables,
    )  # fmt: skip
    try:
        out, err = process.communicate(timeout=seconds)
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    assert process.returncode == 0, err
    return json.loads(out), err


@pytest.fixture(scope="module")
def files(small_pipeline, digits, tmp_path_factory):
    """Return the paths of images and of a pickled pipeline, and what it makes of them."""
    X, y = digits
    pipe = small_pipeline(epochs=2).fit(X, y)
    folder = tmp_path_factory.mktemp("processes")
    np.save(folder / "images.npy", X[:60])
    (folder / "pipe.pkl").write_bytes(pickle.dumps(pipe))
    return folder / "images.npy", folder / "pipe.pkl", pipe.predict_proba(X[:60])


def run_script(code, folder, files):
    """Run code after the preamble, from a file, as spawned processes need it."""
    script = folder / "script.py"
    script.write_text(PREAMBLE + code)
    return run_python(script, *files[:2])


@pytest.fixture(scope="module")
def forked(files, tmp_path_factory):
    """Return what came of every kind of forked process."""
    return run_script(FORKED, tmp_path_factory.mktemp("forked"), files)[0]


@posix
@pytest.mark.parametrize("way", ["pool", "executor", "joblib", "os.fork", "to a pool and back"])
def test_a_forked_process_predicts(way, forked, files):
    assert_allclose(forked[way], files[2], atol=1e-5)


@posix
def test_a_server_that_forks_after_loading_predicts(forked, files):
    assert len(forked["servers"]) == 4
    for answer in forked["servers"]:
        assert_allclose(answer, files[2], atol=1e-5)


@posix
@pytest.mark.parametrize(
    "what", ["training in a pool", "first training in a pool", "training in an executor"]
)
def test_training_in_a_forked_process_raises_in_the_parent(what, forked):
    assert forked[what].startswith("RuntimeError: Training cannot run in this process: it was")
    assert 'multiprocessing.get_context("spawn")' in forked[what]


@posix
def test_a_forked_process_has_no_keras_model(forked):
    assert forked["model_ in a pool"].startswith("RuntimeError: A Keras model cannot run in this")


@posix
@pytest.mark.slow
def test_a_process_forked_after_others_ran_tensorflow_predicts(files, tmp_path):
    said, _ = run_script(STARTED_BY_OTHERS, tmp_path, files)
    assert_allclose(said["pool"], files[2], atol=1e-5)


@pytest.fixture(scope="module")
def not_forked(files, tmp_path_factory):
    """Return what came of processes that start afresh, and what they wrote to stderr."""
    return run_script(NOT_FORKED, tmp_path_factory.mktemp("not_forked"), files)


@posix
@pytest.mark.slow
@pytest.mark.parametrize("way", ["spawn", "forkserver", "loky"])
def test_a_process_that_starts_afresh_predicts(way, not_forked, files):
    assert_allclose(not_forked[0][way], files[2], atol=1e-6)


@posix
@pytest.mark.slow
def test_tensorflow_says_nothing_in_processes_that_start_afresh(not_forked):
    assert not_forked[1] == ""


SIZES = {
    "several stages": {"filters": (3, (4, 5), 6), "kernel_size": (5, 3), "compact": True},
    "even kernels": {"filters": (3, 4), "kernel_size": (4, 2)},
    "bias": {"filters": (3, 4), "kernel_size": 3, "batch_norm": False},
    "dense layers": {"filters": (3,), "kernel_size": 3, "dense_units": (7, 5)},
    "an ensemble": {"filters": (3, 4), "kernel_size": 3, "ensemble_size": 2},
    "float64": {"filters": (3, 4), "kernel_size": 3, "dtype": "float64"},
}


@pytest.mark.parametrize("shape", [(28, 28, 1), (17, 20, 3), (8, 8, 1), (1, 50, 1), (1, 1, 2)])
@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
def test_numpy_computes_what_tensorflow_computes(sizes, shape):
    network = Network.build(NetworkConfig(shape, 4, **sizes))
    generator = np.random.default_rng(0)
    for variable in network.model.variables:
        if variable.dtype.startswith("float"):  # positive, as variances are
            variable.assign(variable + generator.uniform(0.1, 1.0, variable.shape))
    images = generator.random((20, *shape), dtype=np.float32)
    logits = NumpyNetwork(network.config, network.float_weights()).logits(images)
    expected = network.logits(images)
    assert logits.dtype == expected.dtype
    assert_allclose(logits, expected, rtol=1e-4, atol=1e-4)


def test_numpy_refuses_a_network_of_other_sizes():
    config = NetworkConfig((8, 8, 1), 3, filters=(4,), kernel_size=3, dropout=0.0)
    weights = [v.numpy() for v in build(config).variables]
    with pytest.raises(ValueError, match="not the one that the parameters describe"):
        NumpyNetwork(config, weights[:-1])
