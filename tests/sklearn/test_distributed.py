"""Searches on Dask and Ray, as they are: the scores of ``n_jobs=1``, also where a worker is killed.

The engines are real, on this machine, with two worker processes of one thread each.
"""

import json
import os
import pickle
import runpy
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import joblib.pool
import keras
import numpy as np
import pytest
from common import THREAD_VARIABLES
from joblib import parallel_config
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_digits
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import GridSearchCV

from mnist_estimator import make_pipeline
from mnist_estimator.utils._tensorflow_process import n_threads

pytestmark = pytest.mark.slow

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "examples"
IMPORTABLE = os.pathsep.join(map(str, (HERE, HERE.parent, os.environ.get("PYTHONPATH", ""))))
"""``PYTHONPATH`` of processes that import this module."""
PIPELINE = {"filters": (8, 16), "kernel_size": 3, "epochs": 2, "batch_size": 16, "random_state": 0}
RATES = [0.003, 0.01, 0.03]
N_FITS = 3 * len(RATES)
MEMORY = 2 * 2**30
RESTARTS = {"max_restarts": 4, "max_task_retries": 4}


class Log(keras.callbacks.Callback):
    """Write a line with the process's number to a file for each fit that is done."""

    def __init__(self, path):
        super().__init__()
        self.path = path

    def on_train_end(self, logs=None):
        with open(self.path, "a") as file:
            file.write(f"{os.getpid()}\n")


class Sender(np.ndarray):
    """An array that counts how often it was sent."""

    n_sent = 0

    def __reduce_ex__(self, protocol):
        type(self).n_sent += 1
        return np.asarray(self).__reduce_ex__(protocol)


def images():
    X, y = load_digits(return_X_y=True)
    return X[:300], y[:300]


def scores(X, y, n_jobs=None, log=None):
    """Return the scores of a search, folds by candidates; log losses, which tell any bit."""
    pipe = make_pipeline(**PIPELINE, callbacks=[] if log is None else [Log(str(log))])
    grid = {"cnn__learning_rate": RATES}
    search = GridSearchCV(pipe, grid, cv=3, n_jobs=n_jobs, scoring="neg_log_loss", refit=False)
    results = search.fit(X, y).cv_results_
    return [results[f"split{i}_test_score"].tolist() for i in range(3)]


def first(log):
    """Return the number of the process that was the first to write to a log."""
    return int(log.read_text().split()[0])


def kill_one(log, choose=first):
    """Start a thread that kills a process, as soon as one has written to a log."""
    log.touch()

    def kill():
        while not log.read_text().endswith("\n"):
            time.sleep(0.01)
        os.kill(choose(log), signal.SIGKILL)

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    return thread


@pytest.fixture(scope="module")
def expected():
    """Return the scores of ``n_jobs=1``, in a process with as many threads as a worker has."""
    code = "import json, test_distributed as here\nprint(json.dumps(here.scores(*here.images())))"
    environment = {k: v for k, v in os.environ.items() if k not in THREAD_VARIABLES}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=HERE,
        env=environment | {"OMP_NUM_THREADS": "1", "PYTHONPATH": IMPORTABLE},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def slow_search(tmp_path):
    """Return a search without TensorFlow, whose fits write to a log and then sleep."""

    class Slow(ClassifierMixin, BaseEstimator):  # not at the top: there it would need this file
        def __init__(self, log, share=0.5):
            self.log = log
            self.share = share

        def fit(self, X, y):
            self.classes_ = np.unique(y)
            with open(self.log, "a") as file:
                file.write(f"{os.getpid()}\n")
            time.sleep(0.3)
            return self

        def predict(self, X):
            return np.full(len(X), self.classes_[0])

    clf = Slow(str(tmp_path / "log"))
    return GridSearchCV(clf, {"share": [0.1, 0.2]}, cv=10, refit=False, pre_dispatch="all")


@pytest.fixture(scope="module")
def environment():
    """Return a way to set the environment that the engines' processes will inherit."""
    with pytest.MonkeyPatch.context() as patch:
        for name in THREAD_VARIABLES:
            patch.delenv(name, raising=False)
        patch.setenv("PYTHONPATH", IMPORTABLE)
        yield patch


# Dask


@pytest.fixture(scope="module")
def dask_client(environment):
    """Return the client of ``examples/distributed_dask.py``, with a cluster of two workers."""
    distributed = pytest.importorskip("distributed", reason="needs the extra dask")
    client_class = runpy.run_path(str(EXAMPLES / "distributed_dask.py"))["LastingClient"]
    cluster = distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        memory_limit=MEMORY,
        dashboard_address=":0",
    )
    with cluster, client_class(cluster) as client:
        yield client


def test_dask_search_has_the_scores_of_n_jobs_1(dask_client, expected):
    with parallel_config("dask"):
        assert_array_equal(scores(*images()), expected)
    assert list(dask_client.run(n_threads).values()) == [1, 1]
    workers = dask_client.scheduler_info()["workers"].values()
    assert [worker["memory_limit"] for worker in workers] == [MEMORY] * 2


@posix
def test_dask_worker_killed_search_ends_with_the_same_scores(dask_client, expected, tmp_path):
    dask_client.wait_for_workers(2)
    before = set(dask_client.run(os.getpid).values())
    killer = kill_one(tmp_path / "log")
    with parallel_config("dask"):
        assert_array_equal(scores(*images(), log=tmp_path / "log"), expected)
    killer.join()
    pids = [int(line) for line in (tmp_path / "log").read_text().split()]
    assert pids[0] in before
    assert pids[0] not in dask_client.run(os.getpid).values()
    assert len(pids) > N_FITS  # what was lost was done again


def test_dask_search_sends_the_images_once(dask_client):
    X, y = images()
    Sender.n_sent = 0
    with parallel_config("dask"):
        search_dummies(X.view(Sender), y)
    assert Sender.n_sent == 1


def search_dummies(X, y, candidates=10):
    grid = {"constant": range(candidates)}
    clf = DummyClassifier(strategy="constant")
    return GridSearchCV(clf, grid, cv=3, refit=False).fit(X, y)


@posix
def test_dask_worker_killed_while_data_are_sent_search_ends(dask_client, slow_search, tmp_path):
    dask_client.wait_for_workers(2)
    killer = kill_one(tmp_path / "log")
    with parallel_config("dask"):
        slow_search.fit(*images())
    killer.join()
    assert np.isfinite(slow_search.cv_results_["mean_test_score"]).all()
    assert first(tmp_path / "log") not in dask_client.run(os.getpid).values()


# Ray


@pytest.fixture(scope="module")
def ray(environment):
    """Return the module ``ray``, with two workers to be had."""
    ray = pytest.importorskip("ray", reason="needs the extra ray")
    from ray.util.joblib import register_ray

    bases = joblib.pool.PicklingPool.__bases__  # which Ray replaces for the whole process
    environment.setenv("RAY_USAGE_STATS_ENABLED", "0")
    environment.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))  # or it writes one to ~/.ray
    folder = tempfile.mkdtemp(prefix="ray-")  # short, as it holds sockets
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        object_store_memory=100 * 2**20,
        log_to_driver=False,
        logging_level="ERROR",
        _temp_dir=folder,
    )
    register_ray()
    yield ray
    ray.shutdown()
    joblib.pool.PicklingPool.__bases__ = bases
    shutil.rmtree(folder, ignore_errors=True)


def ray_config(**settings):
    return parallel_config("ray", n_jobs=2, ray_remote_args={"num_cpus": 1} | settings)


@pytest.fixture
def stored(ray):
    """Return how ``examples/distributed_ray.py`` puts an array into Ray's store."""
    return runpy.run_path(str(EXAMPLES / "distributed_ray.py"))["StoredArray"].put


@posix
def test_ray_worker_killed_search_ends_with_the_scores_of_n_jobs_1(stored, expected, tmp_path):
    X, y = images()
    killer = kill_one(tmp_path / "log")
    with ray_config(memory=MEMORY, **RESTARTS):
        assert_array_equal(scores(stored(X), y, log=tmp_path / "log"), expected)
    killer.join()
    pids = [int(line) for line in (tmp_path / "log").read_text().split()]
    assert len(pids) > N_FITS
    assert os.getpid() not in pids


@posix
def test_ray_worker_killed_without_restarts_error(ray, slow_search, tmp_path):
    killer = kill_one(tmp_path / "log")
    with ray_config(), pytest.raises(ray.exceptions.ActorDiedError, match="died unexpectedly"):
        slow_search.fit(*images())
    killer.join()


def test_ray_search_sends_stored_images_once(stored):
    X, y = images()
    sender = X.view(Sender)
    Sender.n_sent = 0
    with ray_config():
        search_dummies(stored(sender), y)
    assert Sender.n_sent == 1
    with ray_config():
        search_dummies(sender, y)
    assert Sender.n_sent > 3  # why the example stores them: when this fails, it need not


def test_stored_array_its_parts_are_sent_as_plain_arrays(stored):
    X, _ = images()
    array = stored(X)
    for part in (array[:10], array[[3, 1]], array.T, array.copy(), array + 1):
        again = pickle.loads(pickle.dumps(part))
        assert type(again) is np.ndarray
        assert_array_equal(again, part)
