"""Callbacks of scikit-learn: alone, in the pipeline, in a search."""

import joblib
import keras
import numpy as np
import pandas as pd
import pytest
from joblib.externals.loky import get_reusable_executor
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from mnist_estimator import CNNClassifier

callback = pytest.importorskip("sklearn.callback", reason="new in scikit-learn 1.9")


class Follower:
    """A callback of scikit-learn's that writes down what it is told."""

    def __init__(self, stop_after=None):
        self.stop_after = stop_after
        self.told = []
        self.copies = []

    def setup(self, estimator, context):
        self.told.append("setup")

    def teardown(self, estimator, context):
        self.told.append("teardown")

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None, metadata=None):
        self.told.append(f"begin {context.task_name}")
        self.seen = X, y, metadata

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        self.told.append(f"end {context.task_name}")
        self.copies.append(fitted_estimator)
        return context.task_name == f"epoch {self.stop_after}"


def test_each_epoch_is_a_task(small, digits):
    X, y = digits
    weights = np.ones(len(y))
    follower = Follower()
    clf = small(epochs=2).set_callbacks(follower).fit(X, y, sample_weight=weights)
    assert follower.told == [
        "setup", "begin fit", "begin epoch 1", "end epoch 1", "begin epoch 2", "end epoch 2",
        "end fit", "teardown",
    ]  # fmt: skip
    assert follower.seen[0] is X
    assert follower.seen[1] is y
    assert follower.seen[2] == {"sample_weight": weights}
    first, second, last = follower.copies
    assert (first.n_iter_, second.n_iter_, last.n_iter_) == (1, 2, 2)
    assert len(first.history_["val_loss"]) == 1
    assert not np.array_equal(first.predict_proba(X), second.predict_proba(X))
    assert_array_equal(last.predict_proba(X), clf.predict_proba(X))
    assert_array_equal(last.history_["loss"], clf.history_["loss"])


def test_following_changes_no_bit(small, fitted, digits):
    clf = small().set_callbacks(Follower()).fit(*digits)
    assert_array_equal(clf.predict_proba(digits[0]), fitted.predict_proba(digits[0]))


def test_a_callback_of_scikit_learn_can_stop_training(small, digits):
    follower = Follower(stop_after=2)
    assert small().set_callbacks(follower).fit(*digits).n_iter_ == 2
    assert follower.told[-3:] == ["end epoch 2", "end fit", "teardown"]


def test_teardown_comes_after_a_failure(small, digits):
    X, y = digits

    class Fail(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise OSError("disk full")

    follower = Follower()
    clf = small(callbacks=[Fail]).set_callbacks(follower)
    with pytest.raises(OSError, match="disk full"):
        clf.fit(X, y)
    assert follower.told[-1] == "teardown"
    assert not hasattr(clf, "_callback_fit_ctx")


def test_scoring_monitor_alone(small, digits):
    X, y = digits
    monitor = callback.ScoringMonitor(scoring=["accuracy", "neg_log_loss"])
    clf = small(epochs=3, early_stopping=False).set_callbacks(monitor).fit(X, y)
    log = monitor.get_logs().data_as_pandas
    epochs = log[log["task_name"].str.startswith("epoch")]
    assert len(epochs) == 3
    assert epochs["accuracy"].iloc[-1] == pytest.approx(clf.score(X, y))
    assert epochs["neg_log_loss"].is_monotonic_increasing


@pytest.mark.filterwarnings("error")
def test_in_a_pipeline_and_a_search(small_pipeline, digits, capsys):
    X, y = digits
    pipe = small_pipeline(epochs=2).set_callbacks(callback.ProgressBar(max_propagation_depth=None))
    pipe.fit(X, y)
    shown = capsys.readouterr().out
    assert "CNNClassifier" in shown
    assert "ImageScaler" in shown

    monitor = callback.ScoringMonitor(scoring="accuracy")
    pipe = small_pipeline(epochs=2)
    pipe.named_steps["cnn"].set_callbacks(monitor)
    search = GridSearchCV(pipe, {"cnn__learning_rate": [0.003, 0.01]}, cv=2, error_score="raise")
    search.set_callbacks(callback.ProgressBar(max_propagation_depth=None)).fit(X, y)
    assert "CNNClassifier" in capsys.readouterr().out
    log = monitor.get_logs(select="all")
    rows = pd.concat([run.data_as_pandas for run in log])
    # Two candidates in two folds and the refit, each two epochs and the whole.
    assert rows["task_name"].str.startswith("epoch").sum() == 5 * 2


@pytest.mark.slow
def test_in_worker_processes(small, digits):
    # With workers that earlier tests had left, and much else to do, this has waited for ever; it is
    # not known why.
    get_reusable_executor().shutdown(wait=True)
    X, y = digits
    monitor = callback.ScoringMonitor(scoring="accuracy")
    clf = small(epochs=2).set_callbacks(monitor)
    grid = {"learning_rate": [0.003, 0.01]}
    GridSearchCV(clf, grid, cv=2, n_jobs=2, error_score="raise").fit(X, y)
    rows = pd.concat([run.data_as_pandas for run in monitor.get_logs(select="all")])
    assert rows["task_name"].str.startswith("epoch").sum() == 5 * 2


def test_pickle_and_clone_with_callbacks(small, digits, tmp_path):
    clf = small(epochs=1).set_callbacks(callback.ScoringMonitor(scoring="accuracy")).fit(*digits)
    joblib.dump(clf, tmp_path / "clf.joblib")
    copied = joblib.load(tmp_path / "clf.joblib")
    assert_array_equal(copied.predict_proba(digits[0]), clf.predict_proba(digits[0]))
    assert clone(clf).fit(*digits).n_iter_ == 1


def test_the_parameter_is_for_keras(digits):
    monitor = callback.ScoringMonitor(scoring="accuracy")
    with pytest.raises(TypeError, match="callbacks go to set_callbacks"):
        CNNClassifier(callbacks=[monitor], epochs=1).fit(*digits)
