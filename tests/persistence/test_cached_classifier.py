"""Searches that go on where they were cut off: fits kept, read, told apart; processes killed."""

import multiprocessing
import pickle
import re
import signal
import sys
import time
from pathlib import Path

import joblib
import keras
import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_array_equal
from scipy.stats import loguniform
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression, Perceptron
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    cross_val_score,
)
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import check_estimator

from mnist_estimator import CachedClassifier, make_pipeline
from mnist_estimator.persistence import _cached_classifier

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
if sys.platform != "win32":
    # Processes that have imported everything and run nothing: each starts in no time.
    STARTED = multiprocessing.get_context("forkserver")
    STARTED.set_forkserver_preload(["mnist_estimator.classifier", "sklearn.datasets"])

PIPELINE = {"filters": (8, 16), "kernel_size": 3, "epochs": 2, "batch_size": 16, "random_state": 0}
RATES = [0.001, 0.01, 0.02, 0.1]
N_FITS = 3 * len(RATES) + 1


class Log(keras.callbacks.Callback):
    """Write a line to a file for each fit that begins."""

    def __init__(self, path):
        super().__init__()
        self.path = path

    def on_train_begin(self, logs=None):
        with self.path.open("a") as file:
            file.write("begun\n")


class Counted(ClassifierMixin, BaseEstimator):
    """A classifier that counts the fits of all its kind."""

    n_fits = 0

    def __init__(self, share=0.5, random_state=0):
        self.share = share
        self.random_state = random_state

    def fit(self, X, y, sample_weight=None):
        type(self).n_fits += 1
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[int(self.share * len(self.classes_))])


@pytest.fixture
def count():
    """Return a function that says how many fits of ``Counted`` there were since it was asked."""
    seen = Counted.n_fits

    def since():
        nonlocal seen
        before, seen = seen, Counted.n_fits
        return seen - before

    return since


def find_digits(n_images=200):
    X, y = load_digits(return_X_y=True)
    return X[:n_images].copy(), y[:n_images]  # a view has other steps than what a file holds


def n_kept(folder):
    return len(list(Path(folder).rglob("output.pkl")))


# Killed


def search_and_tell(folder):
    """Search with kept fits, and write the results to a file."""
    pipe = make_pipeline(**PIPELINE, callbacks=[Log(folder / "log")])
    model = CachedClassifier(pipe, folder / "fits")
    search = GridSearchCV(model, {"estimator__cnn__learning_rate": RATES}, cv=3)
    search.fit(*find_digits())
    (folder / "result.pickle").write_bytes(pickle.dumps(search))


@pytest.mark.slow
@posix
def test_search_killed_repeats_no_finished_fit_and_scores_the_same(tmp_path):
    log, n_lost, n_finished = tmp_path / "log", 0, 0
    for goal in (3, 7):
        process = STARTED.Process(target=search_and_tell, args=(tmp_path,))
        process.start()
        while process.is_alive() and n_kept(tmp_path) < goal:
            time.sleep(0.001)
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL, "It ended before it was killed."
        n_begun = len(log.read_text().splitlines())
        n_finished = n_kept(tmp_path)
        n_lost = n_begun - n_finished
        assert goal <= n_finished < N_FITS
        assert n_lost in (0, 1, 2)  # at most the one under way, in each of two processes
    process = STARTED.Process(target=search_and_tell, args=(tmp_path,))
    process.start()
    process.join()
    assert process.exitcode == 0
    assert len(log.read_text().splitlines()) == N_FITS + n_lost
    assert n_kept(tmp_path) == N_FITS

    search = pickle.loads((tmp_path / "result.pickle").read_bytes())
    X, y = find_digits()
    whole = GridSearchCV(make_pipeline(**PIPELINE), {"cnn__learning_rate": RATES}, cv=3).fit(X, y)
    for name in (*(f"split{i}_test_score" for i in range(3)), "rank_test_score"):
        assert_array_equal(search.cv_results_[name], whole.cv_results_[name])
    assert list(search.best_params_.values()) == list(whole.best_params_.values())
    assert_array_equal(search.predict_proba(X), whole.predict_proba(X))


# Kept and read


@pytest.mark.parametrize(
    "search",
    [
        lambda model: GridSearchCV(model, {"estimator__share": [0.1, 0.5, 0.9]}),
        lambda model: RandomizedSearchCV(
            model, {"estimator__share": loguniform(0.01, 0.9)}, n_iter=4, random_state=0
        ),
        lambda model: HalvingGridSearchCV(
            model, {"estimator__share": [0.1, 0.5, 0.9]}, cv=2, random_state=0
        ),
    ],
    ids=["grid", "randomized", "halving"],
)
def test_search_again_makes_no_fit(search, count, tmp_path):
    X, y = find_digits()
    first = search(CachedClassifier(Counted(), tmp_path)).fit(X, y)
    assert count() == n_kept(tmp_path) > 5
    again = search(CachedClassifier(Counted(), tmp_path)).fit(X, y)
    assert count() == 0
    assert_array_equal(again.cv_results_["mean_test_score"], first.cv_results_["mean_test_score"])


def test_search_in_processes_shares_the_folder(tmp_path):
    X, y = find_digits(1797)
    X = np.repeat(X, 3, axis=0)  # large enough for joblib to pass it as a file
    model = CachedClassifier(LogisticRegression(tol=0.5, random_state=0), tmp_path)
    scores = cross_val_score(model, X, np.repeat(y, 3), cv=3)
    assert n_kept(tmp_path) == 3
    assert_array_equal(cross_val_score(model, X, np.repeat(y, 3), cv=3, n_jobs=2), scores)
    assert n_kept(tmp_path) == 3


def test_fit_read_is_the_fit_that_was_made(small_pipeline, digits, tmp_path):
    X, y = digits
    made = small_pipeline(epochs=2).fit(X, y)
    for _ in range(2):
        read = CachedClassifier(small_pipeline(epochs=2), tmp_path).fit(X, y)
        assert_array_equal(read.predict_proba(X), made.predict_proba(X))
        assert read.estimator_[-1].history_ == made[-1].history_
        assert read.score(X, y) == made.score(X, y)
    assert n_kept(tmp_path) == 1


def test_fit_read_calls_no_callback(quick, digits, tmp_path):
    log = tmp_path / "log"
    for _ in range(2):
        CachedClassifier(quick(epochs=1, callbacks=[Log(log)]), tmp_path).fit(*digits)
    assert log.read_text().splitlines() == ["begun"]


def test_fit_callbacks_of_scikit_learn_are_not_compared(quick, digits, tmp_path):
    callback = pytest.importorskip("sklearn.callback", reason="new in scikit-learn 1.9")
    monitor = callback.ScoringMonitor(scoring="accuracy")
    for callbacks in ([monitor], [monitor], []):
        clf = quick(epochs=1)
        if callbacks:
            clf.set_callbacks(*callbacks)
        CachedClassifier(clf, tmp_path).fit(*digits)
    assert n_kept(tmp_path) == 1


def test_fit_memory_none_keeps_nothing(count):
    X, y = find_digits()
    model = CachedClassifier(Counted(), None)
    model.fit(X, y).fit(X, y)
    assert count() == 2


def test_memory_in_any_form_keeps_fits(count, tmp_path):
    X, y = find_digits()
    folder = tmp_path / "own"
    for memory in (tmp_path, str(tmp_path), *[joblib.Memory(folder, verbose=0)] * 2):
        CachedClassifier(Counted(), memory).fit(X, y)
    assert count() == 2
    assert n_kept(folder) == 1


@pytest.mark.parametrize("form", ["memmap", "frame", "strings"])
def test_fit_data_in_other_forms_is_read_again(form, count, tmp_path):
    X, y = find_digits()
    model = CachedClassifier(Counted(), tmp_path / "fits")
    if form == "memmap":
        joblib.dump(X, tmp_path / "X.joblib")
        model.fit(X, y)
        X = joblib.load(tmp_path / "X.joblib", mmap_mode="r")
    elif form == "frame":
        X = pd.DataFrame(X, columns=[f"pixel {i}" for i in range(64)])
        model.fit(X, y)
        X.describe()  # leaves something in it
    else:
        y = np.array([f"digit {label}" for label in y])
        model.fit(X, y)
        y = np.array([f"digit {label}" for label in find_digits()[1]])
    model.fit(X, y)
    assert count() == 1


@pytest.mark.parametrize("what", ["parameter", "X", "y", "sample_weight", "version"])
def test_fit_anything_else_changed_is_made(what, count, tmp_path, monkeypatch):
    X, y = find_digits()
    model = CachedClassifier(Counted(), tmp_path)
    model.fit(X, y)
    params = {}
    if what == "parameter":
        model.set_params(estimator__share=0.2)
    elif what == "X":
        X = X.copy()
        X[-1, -1] += 1
    elif what == "y":
        y = np.roll(y, 1)
    elif what == "sample_weight":
        params = {"sample_weight": np.ones(len(y))}
    else:
        monkeypatch.setattr(_cached_classifier, "version", lambda package: "99")
    assert count() == 1
    model.fit(X, y, **params)
    assert count() == 1


def test_fit_file_damaged_is_made(count, tmp_path):
    X, y = find_digits()
    model = CachedClassifier(Counted(), tmp_path).fit(X, y)
    (path,) = tmp_path.rglob("output.pkl")
    path.write_bytes(path.read_bytes()[:50])
    assert_array_equal(clone(model).fit(X, y).predict(X), model.predict(X))
    assert count() == 2
    model.fit(X, y)
    assert count() == 0


# Not kept


@pytest.mark.parametrize("kind", ["None", "RandomState"])
def test_fit_random_state_no_int_is_refused(kind, digits, tmp_path):
    seed = None if kind == "None" else np.random.RandomState(0)
    model = CachedClassifier(make_pipeline(random_state=seed), tmp_path)
    first = (
        "estimator__cnn__random_state must be an int for fits to be kept, as a random fit is "
        f"another one each time; got {kind}"
    )
    rest = "Seed it, as with set_params(estimator__cnn__random_state=0), or do without CachedClass"
    with pytest.raises(ValueError, match=f"{re.escape(first)}.*{re.escape(rest)}"):
        model.fit(*digits)
    assert n_kept(tmp_path) == 0


def test_fit_what_cannot_be_pickled_is_refused(digits, tmp_path):
    pipe = Pipeline([("same", FunctionTransformer(lambda X: X)), ("model", Counted())])
    with pytest.raises(TypeError, match=r"got what it cannot: Can't pickle .* not inside func"):
        CachedClassifier(pipe, tmp_path).fit(*digits)


def test_fit_memory_of_another_kind_is_refused(digits):
    with pytest.raises(ValueError, match="'memory' parameter of CachedClassifier must be"):
        CachedClassifier(Counted(), 3).fit(*digits)


class Interrupting(keras.callbacks.Callback):
    """Press Ctrl-C after the second epoch, if a file says so."""

    def __init__(self, path):
        super().__init__()
        self.path = path

    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1 and self.path.exists():
            self.path.unlink()
            signal.raise_signal(signal.SIGINT)


def test_search_ctrl_c_ends_it_and_keeps_only_whole_fits(quick, digits, tmp_path):
    """Alone, the classifier makes do with what it has learned: here that would stay for good."""
    clf = quick(callbacks=[Interrupting(tmp_path / "now")])
    (tmp_path / "now").touch()
    with pytest.warns(ConvergenceWarning, match=f"^{_cached_classifier.INTERRUPTED_MESSAGE}"):
        clone(clf).fit(*digits)
    model = CachedClassifier(clf, tmp_path / "fits")
    search = GridSearchCV(model, {"estimator__dropout": [0.3]}, cv=2)
    (tmp_path / "now").touch()
    with pytest.raises(KeyboardInterrupt):
        search.fit(*digits)
    assert n_kept(tmp_path) == 0
    search.fit(*digits)
    assert n_kept(tmp_path) == 3
    assert search.best_estimator_.estimator_.n_iter_ == 4


def test_fit_other_warnings_of_convergence_stay_warnings(digits, tmp_path):
    base = LogisticRegression(max_iter=1, random_state=0)
    with pytest.warns(ConvergenceWarning, match="failed to converge"):
        CachedClassifier(base, tmp_path).fit(*digits)
    assert n_kept(tmp_path) == 1


# A classifier to scikit-learn


def test_cached_classifier_passes_every_check_of_scikit_learn(tmp_path):
    check_estimator(CachedClassifier(LogisticRegression(random_state=0), tmp_path), on_skip=None)
    assert n_kept(tmp_path) > 20


def test_methods_are_those_of_the_estimator(digits, tmp_path):
    X, y = digits
    model = CachedClassifier(Perceptron(random_state=0), tmp_path)
    assert not hasattr(model, "predict_proba")
    with pytest.raises(NotFittedError):
        model.predict(X)
    model.fit(X, y)
    assert_array_equal(model.decision_function(X), model.estimator_.decision_function(X))
    weights = np.arange(len(y))
    assert model.score(X, y, sample_weight=weights) == model.estimator_.score(X, y, weights)


def test_attributes_of_another_fit_are_gone(digits, tmp_path):
    X, y = digits
    model = CachedClassifier(LogisticRegression(tol=1, random_state=0), tmp_path)
    model.fit(pd.DataFrame(X).add_prefix("pixel "), y)
    assert model.feature_names_in_[0] == "pixel 0"
    model.fit(X, y)
    assert not hasattr(model, "feature_names_in_")


def test_sample_weight_routed_reaches_the_network(digits, tmp_path):
    X, y = digits
    weights = np.where(np.arange(len(y)) % 3, 1.0, 0.0)
    with sklearn.config_context(enable_metadata_routing=True):
        pipe = make_pipeline(**PIPELINE)
        pipe[-1].set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        plain = GridSearchCV(pipe, {"cnn__dropout": [0.3]}, cv=2)
        kept = GridSearchCV(
            CachedClassifier(pipe, tmp_path), {"estimator__cnn__dropout": [0.3]}, cv=2
        )
        plain.fit(X, y, sample_weight=weights)
        kept.fit(X, y, sample_weight=weights)
    assert kept.best_score_ == plain.best_score_
    assert_array_equal(kept.predict_proba(X), plain.predict_proba(X))
