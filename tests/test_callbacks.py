"""Callbacks of Keras."""

import pickle

import keras
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

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
