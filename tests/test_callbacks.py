"""Who may follow a fit: callbacks of Keras and of scikit-learn."""

import pickle

import joblib
import keras
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from mnist_estimator import CNNClassifier

# Keras's own conversion of variables, on NumPy 2. Remove when Keras's __array__ takes copy.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


class Stop(keras.callbacks.Callback):
    """Stop after the second epoch."""

    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = epoch == 1


def test_instances_and_classes(small, digits, tmp_path):
    X, y = digits
    log = keras.callbacks.CSVLogger(tmp_path / "log.csv")
    clf = small(callbacks=[log, keras.callbacks.TerminateOnNaN]).fit(X, y)
    frame = pd.read_csv(tmp_path / "log.csv")
    assert_allclose(frame["val_loss"], clf.history_["val_loss"])
    assert_allclose(frame["accuracy"], clf.history_["accuracy"])


def test_instances_of_the_user_are_left_alone(small, digits):
    history = keras.callbacks.History()
    clf = small(epochs=2, callbacks=[history]).fit(*digits)
    assert clf.callbacks == [history]
    assert history.model is None
    assert clone(clf).fit(*digits).n_iter_ == 2


def test_a_callback_can_stop_training(small, digits):
    assert small(callbacks=[Stop]).fit(*digits).n_iter_ == 2
    assert small(callbacks=[Stop()]).fit(*digits).n_iter_ == 2


def test_tensorboard(small, digits, tmp_path):
    board = keras.callbacks.TensorBoard(tmp_path / "logs", histogram_freq=1)
    clf = small(epochs=2, callbacks=[board]).fit(*digits)
    assert list(tmp_path.glob("logs/train/events.*"))
    copied = pickle.loads(pickle.dumps(clf))
    assert_array_equal(copied.predict_proba(digits[0]), clf.predict_proba(digits[0]))
    assert isinstance(clone(clf).callbacks[0], keras.callbacks.TensorBoard)


def test_model_checkpoint_saves_a_model_that_keras_loads(small, digits, tmp_path):
    X, y = digits
    path = tmp_path / "best.keras"
    keep = keras.callbacks.ModelCheckpoint(path, monitor="val_loss", save_best_only=True)
    clf = small(callbacks=[keep]).fit(X, y)
    logits = keras.models.load_model(path)(X.reshape(-1, 8, 8, 1).astype(np.float32))
    assert_array_equal(clf.classes_[np.argmax(logits, axis=1)], clf.predict(X))


def test_learning_rate_scheduler_sets_the_rate(small, digits):
    """As in Keras: the rate of an epoch comes from the callback."""
    halving = keras.callbacks.LearningRateScheduler(lambda epoch, rate: 0.01 * 0.5**epoch)
    clf = small(epochs=3, schedule="constant", callbacks=[halving]).fit(*digits)
    assert_allclose(clf.history_["learning_rate"], [0.01, 0.005, 0.0025], rtol=1e-6)
    by_hand = small(epochs=3, schedule="constant").fit(*digits)
    assert_allclose(by_hand.history_["learning_rate"], 0.01)
    assert not np.array_equal(clf.predict_proba(digits[0]), by_hand.predict_proba(digits[0]))


def test_reduce_on_plateau_scales_the_schedule(small, digits):
    reduce = keras.callbacks.ReduceLROnPlateau(factor=0.1, patience=1, min_delta=1e9)
    clf = small(epochs=4, schedule="constant", callbacks=[reduce]).fit(*digits)
    assert_allclose(clf.history_["learning_rate"], [0.01, 0.01, 0.001, 0.0001], rtol=1e-6)


def test_callbacks_that_only_watch_change_no_bit(small, fitted, digits):
    clf = small(callbacks=[keras.callbacks.History]).fit(*digits)
    assert_array_equal(clf.predict_proba(digits[0]), fitted.predict_proba(digits[0]))


def test_a_rate_set_by_a_callback_is_gone_with_it(small, digits):
    X, y = digits
    slow = keras.callbacks.LearningRateScheduler(lambda epoch: 1e-9)
    clf = small(epochs=1, callbacks=[slow]).fit(X, y)
    before = clf.predict_proba(X)
    clf.set_params(callbacks=None).partial_fit(X, y)
    assert clf.history_["learning_rate"][-1] == 0.01
    assert abs(clf.predict_proba(X) - before).max() > 0.1


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


def test_in_worker_processes(small, digits):
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
    with pytest.raises(TypeError, match="callbacks of scikit-learn's go to set_callbacks"):
        CNNClassifier(callbacks=[monitor], epochs=1).fit(*digits)
