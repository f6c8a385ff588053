"""Defects that users report of other wrappers, and that this package does not have.

docs/peers_defects.md lists them with their tests, here and in other files.
"""

import functools
import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import joblib
import keras
import numpy as np
import pandas as pd
import pytest
import skops.io
import tensorflow as tf
from common import THREAD_VARIABLES
from joblib.externals.loky import get_reusable_executor
from numpy.testing import assert_array_equal
from sklearn.metrics import ConfusionMatrixDisplay, RocCurveDisplay, recall_score
from sklearn.model_selection import GridSearchCV, TunedThresholdClassifierCV

from mnist_estimator import classifier
from mnist_estimator.utils._tensorflow_process import n_threads

# Scripts that need a process of their own; what they have to say is printed as JSON.

PREAMBLE = """
import hashlib, json, multiprocessing, os, random, signal, sys, traceback
import keras, numpy as np, tensorflow as tf
from sklearn.datasets import load_digits
from tensorflow.python.framework.config import is_op_determinism_enabled
from common import SMALL
from mnist_estimator import CNNClassifier

X, y = load_digits(return_X_y=True)
X, y = X[:600], y[:600]


def small(**changed):
    return CNNClassifier(**SMALL | changed)


def digest(model):
    return hashlib.sha256(b"".join(w.tobytes() for w in model.get_weights())).hexdigest()


said = {}
for line in sys.stdin:
    # All is imported here and nothing of TensorFlow has run: a fork is as good as a new process.
    if sys.platform == "linux" and (child := os.fork()):
        _, status = os.waitpid(child, 0)
        if status:
            print(json.dumps({"error": f"ended with status {status}"}), flush=True)
        continue
    code, sys.argv[1:], variables = json.loads(line)
    os.environ.update(variables)
    if sys.platform == "linux":
        signal.alarm(600)
    try:
        exec(code)
    except Exception:
        said = {"error": traceback.format_exc()}
    print(json.dumps(said), flush=True)
    os._exit(0)
"""

NEIGHBOUR = """
def train_a_neighbour():
    model = keras.Sequential([
        keras.Input((64,)),
        keras.layers.Dense(32, "relu"),
        keras.layers.Dropout(0.3),
        keras.layers.Dense(10),
    ])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])
    noise = tf.random.normal(X.shape)
    model.fit(X + noise.numpy(), y, epochs=2, verbose=0)
    return model


ours = None
if sys.argv[1:] == ["after ours"]:
    ours = digest(small().fit(X, y).model_)  # before TensorFlow does anything else
    train_a_neighbour()  # which draws numbers, without a seed
    keras.backend.clear_session()  # counts the names of layers from the start
keras.utils.set_random_seed(7)
if ours:
    small(dense_units=(5,)).fit(X, y).predict(X)  # another network, to be traced
model = train_a_neighbour()
said |= {
    "ours": ours,
    "neighbour": digest(model),
    "names": [layer.name for layer in (model, *model.layers)],
    "draws": [float(tf.random.normal(())), random.random(), np.random.random()],
}
"""

SETTINGS = """
def settings():
    return {
        "floatx": keras.config.floatx(),
        "dtype policy": keras.config.dtype_policy().name,
        "image data format": keras.config.image_data_format(),
        "epsilon": keras.config.epsilon(),
        "determinism": is_op_determinism_enabled(),
        "threads": tf.config.threading.get_intra_op_parallelism_threads(),
        "jit": tf.config.optimizer.get_jit(),
        "eager": tf.config.functions_run_eagerly(),
        "tensor float": tf.config.experimental.tensor_float_32_execution_enabled(),
        "TensorFlow's generator": tf.random.get_global_generator().state.numpy().tolist(),
        "Python's generator": repr(random.getstate()),
        "NumPy's generator": repr(np.random.get_state()),
        "environment": dict(os.environ),
    }


keras.config.set_floatx("float64")
keras.config.set_dtype_policy("mixed_float16")
keras.config.set_image_data_format("channels_first")
keras.config.set_epsilon(1e-3)
before = settings()
clf = small().fit(X, y)
clf.predict(X)
after = settings()
said["ours"] = digest(clf.model_)
said["changed"] = [name for name in before if before[name] != after[name]]
"""

MEMORY = """
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def fit(seeds):
    for seed in seeds:
        small(epochs=1, random_state=seed).fit(X[:300], y[:300]).predict(X)


fit(range(5))
sizes = [resident()]
for seed in range(5, 35, 5):
    fit(range(seed, seed + 5))
    sizes.append(resident())
said["grown"] = np.diff(sizes).tolist()
"""

FORK = """
def learn():
    return small(epochs=1).fit(X, y).predict(X).tolist()


if sys.argv[1:] == ["after a fit"]:
    learn()
with multiprocessing.get_context("fork").Pool(1) as pool:
    try:
        outcome = pool.apply_async(learn).get(timeout=60)
    except multiprocessing.TimeoutError:
        outcome = "hangs"
    except RuntimeError as error:
        outcome = str(error)
said |= {"outcome": outcome, "expected": learn()}
"""


THREADS = """
set_to = tf.config.threading
if sys.argv[1:] == ["set before"]:
    set_to.set_intra_op_parallelism_threads(3)
CNNClassifier(filters=(4,), epochs=1, random_state=0).fit(X[:40], y[:40] % 2).predict(X[:40])
said |= {
    "told": [set_to.get_intra_op_parallelism_threads(), set_to.get_inter_op_parallelism_threads()],
    "threads": len(os.listdir("/proc/self/task")),
}
"""


@pytest.fixture(scope="module")
def ask(tmp_path_factory):
    """Return how to run a script in a new process; it gives what the script says.

    Where that is safe, on Linux, the processes are forks of one that has made the imports, which
    take longer than most scripts.
    """
    started = []
    errors = (tmp_path_factory.mktemp("ask") / "errors.txt").open("w+", encoding="utf-8")

    def start():
        variables = {key: os.environ[key] for key in os.environ if key not in THREAD_VARIABLES}
        process = subprocess.Popen(
            [sys.executable, "-c", PREAMBLE],
            cwd=Path(__file__).parents[1],
            env=variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        started.append(process)
        return process

    def ask(code, *arguments, **variables):
        process = started[-1] if started and sys.platform == "linux" else start()
        process.stdin.write(json.dumps([code, arguments, variables]) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        errors.seek(0)
        assert line, errors.read()
        said = json.loads(line)
        assert "error" not in said, said["error"] + errors.read()
        return said

    yield ask
    for process in started:
        process.communicate()
    errors.close()


@pytest.fixture(scope="module")
def outcome(ask):
    """Return what a script says that is run once for all tests, on the threads of this process."""
    scripts = {
        "alone": [NEIGHBOUR],
        "after ours": [NEIGHBOUR, "after ours"],
        "settings": [SETTINGS + MEMORY],
        "fork before": [FORK],
        "fork after": [FORK, "after a fit"],
    }
    variables = {name: os.environ[name] for name in THREAD_VARIABLES if name in os.environ}
    return functools.cache(lambda name: ask(*scripts[name], **variables))


@pytest.fixture(scope="module")
def own_digest(fitted):
    """Return the digest of the weights that a seeded fit gives in this process."""
    weights = fitted.model_.get_weights()
    return hashlib.sha256(b"".join(array.tobytes() for array in weights)).hexdigest()


def test_the_documented_tests_exist():
    root = Path(__file__).parents[2]
    text = (root / "docs" / "peers_defects.md").read_text("utf-8")
    rows = re.findall(r"^\| .* \| [SKTP ]+ \| (\w+) \| (.+) \|$", text, re.MULTILINE)
    assert len(rows) > 30
    for file, names in rows:
        (path,) = (root / "tests").rglob(f"test_{file}.py")
        tests = path.read_text("utf-8")
        for name in names.split(", "):
            assert f"def test_{name}(" in tests, name


def test_displays_and_threshold_tuning_take_it(small, two_classes):
    """Of scikeras: no classifier to scikit-learn, so these raise."""
    X, y = two_classes
    clf = small().fit(X, y)
    assert RocCurveDisplay.from_estimator(clf, X, y).roc_auc > 0.95
    assert np.trace(ConfusionMatrixDisplay.from_estimator(clf, X, y).confusion_matrix) > 190
    tuned = TunedThresholdClassifierCV(small(epochs=3), cv=2, random_state=0)
    assert tuned.fit(X.reshape(200, 64), y).score(X.reshape(200, 64), y) > 0.9


def test_categorical_data_frames(small, digits):
    """Of scikeras: columns of dtype "category" raise."""
    X, y = digits
    frame = pd.DataFrame(X, columns=[f"pixel{i}" for i in range(64)])
    kind = pd.CategoricalDtype(np.arange(17.0))
    clf = small(epochs=1).fit(frame.astype(kind), pd.Series(y).astype("category"))
    expected = small(epochs=1).fit(frame, y)
    assert_array_equal(clf.predict_proba(frame.astype(kind)), expected.predict_proba(frame))
    assert_array_equal(clf.classes_, expected.classes_)


def test_fit_changes_no_dict_of_the_callers(small, digits):
    """Of Keras's wrapper: ``fit`` writes into a dict that the constructor was given."""
    given = {"augmentation": {"shift": 0.1}, "class_weight": {3: 2.0}}
    small(epochs=1, **given).fit(*digits)
    assert given == {"augmentation": {"shift": 0.1}, "class_weight": {3: 2.0}}


def test_every_class_of_sorted_data_is_learned(small, digits):
    """Of scikeras and Keras: ``validation_split`` holds out the last rows, so whole classes."""
    X, y = digits
    order = np.argsort(y, kind="stable")
    clf = small(validation_fraction=0.3).fit(X[order], y[order])
    assert recall_score(y, clf.predict(X), average=None).min() > 0.7


def test_held_out_rows_are_not_trained_on(small, digits, monkeypatch):
    """Of many: validation data that training has seen."""
    X, y = digits[0].copy(), digits[1]
    X[:, 0] = np.arange(600)  # marks each image by its first pixel
    calls, train = [], classifier.train

    def record(network, data, *arguments, **keywords):
        calls.append((data.training, data.validation))
        return train(network, data, *arguments, **keywords)

    monkeypatch.setattr(classifier, "train", record)
    small(epochs=1).fit(X, y)
    training, held_out = (part[:][:, 0, 0, 0].astype(int).tolist() for part in calls[0])
    assert sorted(training + held_out) == list(range(600))
    assert len(held_out) == 18


def test_prediction_does_without_keras_predict(fitted, digits, monkeypatch):
    """Of scikeras and Keras's wrapper: 51 ms for one image, where a kept function takes 1 ms."""
    expected = fitted.predict(digits[0])
    monkeypatch.setattr(keras.Model, "predict", None)
    assert_array_equal(fitted.predict(digits[0]), expected)


def test_state_is_plain(fitted):
    """Of scikeras: what it holds, skops and others cannot persist."""

    def check(value, path):
        if isinstance(value, dict):
            for key, item in value.items():
                check(item, f"{path}[{key!r}]")
        elif isinstance(value, list | tuple):
            for i, item in enumerate(value):
                check(item, f"{path}[{i}]")
        elif isinstance(value, np.ndarray):
            assert value.dtype.kind in "biufU", path
        else:
            assert value is None or type(value) in (bool, int, float, str), path

    check(fitted.__getstate__(), "state")


def test_skops_persists_it(fitted, digits):
    """Of scikeras: a RecursionError."""
    data = skops.io.dumps(fitted)
    untrusted = skops.io.get_untrusted_types(data=data)
    assert untrusted == ["mnist_estimator.classifier.CNNClassifier"]
    restored = skops.io.loads(data, trusted=untrusted)
    assert_array_equal(restored.predict_proba(digits[0]), fitted.predict_proba(digits[0]))


def test_grid_search_trains_the_epochs_asked_for(small, digits):
    """Of Keras's wrapper: ``clone`` drops ``fit_kwargs``, and each candidate has one epoch."""

    class Count(keras.callbacks.Callback):
        begun = []  # noqa: RUF012  shared on purpose: fits have an instance each

        def on_epoch_begin(self, epoch, logs=None):
            self.begun.append(epoch)

    search = GridSearchCV(
        small(early_stopping=False, callbacks=[Count]), {"epochs": [2, 5]}, cv=2, refit=False
    ).fit(*digits)
    assert Count.begun == [0, 1] * 2 + [0, 1, 2, 3, 4] * 2
    scores = search.cv_results_["mean_test_score"]
    assert scores[1] > scores[0]


@pytest.mark.slow
def test_other_models_train_to_the_same_bits(outcome):
    """Of scikeras and whoever seeds globally: what ran before decides what comes after.

    Its seed also switches determinism on for the process, and random operations without a
    seed then raise; the script has some, right after the first fit.
    """
    alone, after = outcome("alone"), outcome("after ours")
    assert after["neighbour"] == alone["neighbour"]
    assert after["names"] == alone["names"]
    assert after["draws"] == alone["draws"]


@pytest.mark.slow
def test_fit_leaves_every_global_setting(outcome):
    """Of scikeras: determinism; of ``keras.backend.clear_session()``: the dtype policy."""
    assert outcome("settings")["changed"] == []


@pytest.mark.slow
def test_global_settings_do_not_reach_the_network(outcome, own_digest):
    """Of any Keras model: a global dtype policy or data format makes it another one."""
    assert outcome("settings")["ours"] == own_digest


@pytest.fixture
def no_threads_told(monkeypatch):
    """Have workers that know no number of threads but the one that joblib gives them."""
    for name in THREAD_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    get_reusable_executor().shutdown()  # whose processes may have the variables
    yield
    get_reusable_executor().shutdown()  # whose processes know a number


def threads_told():
    threading = tf.config.threading
    return (
        threading.get_intra_op_parallelism_threads(),
        threading.get_inter_op_parallelism_threads(),
    )


def fit_in_a_worker(clf, X, y):
    return clf.fit(X, y).model_.get_weights(), threads_told()


@pytest.mark.slow
def test_same_seed_gives_the_same_bits_in_any_process(outcome, own_digest):
    """Of Keras's wrapper: no seed."""
    assert outcome("after ours")["ours"] == own_digest


@pytest.mark.slow
def test_same_seed_gives_the_same_bits_in_workers(small, digits, fitted, request):
    """Of many: ``n_jobs`` hangs once TensorFlow has run, or uses all cores in every process.

    The last bit of a sum depends on the number of threads that share it, so here each worker
    has as many as this process.
    """
    share = n_threads()
    request.getfixturevalue("no_threads_told")
    fits = [
        joblib.delayed(fit_in_a_worker)(small(random_state=seed), *digits) for seed in (0, 0, 1)
    ]
    with joblib.parallel_config("loky", inner_max_num_threads=share):
        weights, told = zip(*joblib.Parallel(n_jobs=2)(fits), strict=True)
    for one, same, expected in zip(*weights[:2], fitted.model_.get_weights(), strict=True):
        assert_array_equal(one, expected)
        assert_array_equal(same, expected)
    assert not np.array_equal(weights[2][-1], weights[0][-1])
    assert told == ((share, share),) * 3


def threads_in_a_worker():
    from mnist_estimator import CNNClassifier

    X = np.random.default_rng(0).random((40, 64))
    CNNClassifier(filters=(4,), epochs=1, random_state=0).fit(X, np.arange(40) % 2).predict(X)
    return threads_told()


@pytest.mark.slow
def test_each_worker_takes_its_share_of_the_cores(no_threads_told):
    """Of many: with ``n_jobs``, TensorFlow uses all cores in every process."""
    with joblib.parallel_config("loky"), joblib.Parallel(2) as parallel:
        told = parallel(joblib.delayed(threads_in_a_worker)() for _ in range(2))
    assert told == [(max(1, joblib.cpu_count() // 2),) * 2] * 2


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_threads_that_were_set_stay(ask):
    """The share counts only where nobody has set TensorFlow's threads, and it is kept."""
    said = [
        ask(THREADS, OMP_NUM_THREADS="1"),
        ask(THREADS, OMP_NUM_THREADS="12,4"),
        ask(THREADS, "set before", OMP_NUM_THREADS="1"),
        ask(THREADS, OMP_NUM_THREADS="1", TF_NUM_INTRAOP_THREADS="2"),
        ask(THREADS, OMP_NUM_THREADS="many"),
    ]
    assert [one["told"] for one in said] == [[1, 1], [12, 12], [3, 0], [0, 0], [0, 0]]
    assert said[1]["threads"] >= said[0]["threads"] + 20  # TensorFlow's two pools


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_does_not_grow_with_every_fit(outcome):
    """Of all Keras wrappers: 5.3 MB a fit, so 160 MB after these thirty; here 4 to 6 MB."""
    # The median over six times five fits: one jump of the allocator is no leak.
    assert np.median(outcome("settings")["grown"]) < 5


@pytest.mark.skipif(sys.platform == "win32", reason="has no fork")
@pytest.mark.slow
def test_fork_before_any_fit(outcome):
    """Of many: a forked process hangs. It does not where TensorFlow has yet to run."""
    child = outcome("fork before")
    assert child["outcome"] == child["expected"]


@pytest.mark.skipif(sys.platform == "win32", reason="has no fork")
def test_fork_after_a_fit(outcome):
    """Of many: a forked process hangs. TensorFlow would; ours says what to do instead."""
    child = outcome("fork after")
    assert child["outcome"] == child["expected"] or "spawn" in child["outcome"]
