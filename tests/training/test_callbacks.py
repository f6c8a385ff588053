"""Callbacks of Keras."""

import io
import logging
import pickle
import threading

import keras
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from tqdm.keras import TqdmCallback

from mnist_estimator.utils._sklearn_compat import cloudpickle

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
    assert clf.history_["learning_rate"][-1] > 1e-4
    assert abs(clf.predict_proba(X) - before).max() > 1e-3


class Holder(keras.callbacks.Callback):
    """Hold what a copy can have of its own, and something else."""

    def __init__(self, held):
        super().__init__()
        self.held = held
        self.epochs = []

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append(epoch)
        if isinstance(self.held, io.TextIOBase):
            self.held.write(f"{epoch} ")


class SelfContained(keras.callbacks.Callback):
    """Refuse to be copied at all."""

    def __reduce_ex__(self, protocol):
        raise TypeError("no copies")


class Endless:
    """Answer to every name by asking for another, as wrappers of streams do."""

    def __init__(self):
        self.name = "wrapper"

    def __getattr__(self, name):
        return getattr(self.stream, name)


UNCOPIABLE = {
    "a stream": lambda folder: (folder / "log.txt").open("w"),
    "a lock": lambda folder: threading.Lock(),
    "a generator": lambda folder: (number for number in range(3)),
    "a logger's handler": lambda folder: logging.FileHandler(folder / "log.txt"),
    "a wrapper": lambda folder: Endless(),
}


@pytest.fixture(params=UNCOPIABLE.values(), ids=UNCOPIABLE)
def holder(request, tmp_path):
    """Return a callback that holds what cannot be copied."""
    held = request.param(tmp_path)
    yield Holder(held)
    if hasattr(type(held), "close"):
        held.close()


def test_a_fit_copies_what_can_be_copied(holder, small, digits):
    clf = small(epochs=2, callbacks=[holder]).fit(*digits)
    assert holder.epochs == []
    assert clf.get_params()["callbacks"] == [holder]


def test_a_fit_uses_what_cannot_be_copied(small, digits):
    holder = Holder(io.StringIO())
    holder.lock = threading.Lock()
    small(epochs=2, callbacks=[holder]).fit(*digits)
    assert holder.held.getvalue() == ""  # a StringIO can be copied
    holder.held = stream = open_for_good()
    small(epochs=2, callbacks=[holder]).fit(*digits)
    assert stream.written == ["0 ", "1 "]


def open_for_good():
    """Return a stream that cannot be copied."""

    class Stream(io.TextIOBase):
        def __init__(self):
            self.written, self.lock = [], threading.Lock()

        def write(self, text):
            self.written.append(text)
            return len(text)

    return Stream()


def test_a_callback_that_allows_no_copy_is_used_as_it_is(small, digits):
    callback = SelfContained()
    assert small(epochs=1, callbacks=[callback]).fit(*digits).n_iter_ == 1
    assert callback.model is not None


def test_a_clone_shares_what_cannot_be_copied_and_says_so(holder, small):
    clf = small(callbacks=(holder, Stop))
    with pytest.warns(UserWarning, match=r"callbacks\[0\], of Holder, cannot .* share its 'held'"):
        copied = clone(clf)
    twin, stop = copied.callbacks
    assert (twin.held, stop) == (holder.held, Stop)
    assert twin is not holder
    assert twin.epochs is not holder.epochs
    assert clf.callbacks[0] is holder


def test_a_clone_copies_all_that_can_be_copied(small):
    holder = Holder([1, 2])
    copied = clone(small(callbacks=[holder]))
    assert copied.callbacks[0].held == [1, 2]
    assert copied.callbacks[0].held is not holder.held
    assert clone(small(callbacks=None)).callbacks is None


def test_a_search_shares_what_cannot_be_copied(small, digits):
    holder = Holder(open_for_good())
    search = GridSearchCV(small(callbacks=[holder]), {"epochs": [1, 2]}, cv=2, refit=False)
    with pytest.warns(UserWarning, match="in a search all fits do"):
        search.fit(*digits)
    assert sorted(holder.held.written) == ["0 "] * 4 + ["1 "] * 2


def test_a_fitted_classifier_is_pickled_without_what_cannot_be(holder, small, digits):
    clf = small(epochs=1, callbacks=[holder, Stop]).fit(*digits)
    with pytest.warns(UserWarning, match=r"callbacks\[0\], of Holder, .* copy is without it"):
        copied = pickle.loads(pickle.dumps(clf))
    assert copied.callbacks == [Stop]
    assert_array_equal(copied.predict_proba(digits[0]), clf.predict_proba(digits[0]))


def test_an_unfitted_classifier_is_not_pickled_without_what_cannot_be(holder, small):
    words = r"callbacks\[0\], of Holder, cannot be pickled .* such as callbacks=\[Holder\]"
    with pytest.raises(TypeError, match=words):
        pickle.dumps(small(callbacks=[holder]))


def test_a_callback_that_only_cloudpickle_takes_is_left_to_it(small):
    scheduler = keras.callbacks.LearningRateScheduler(lambda epoch: 0.5**epoch)
    copied = cloudpickle.loads(cloudpickle.dumps(small(callbacks=[scheduler])))
    assert copied.callbacks[0].schedule(2) == 0.25


def test_tqdm_shows_the_epochs(small, digits, capsys):
    clf = small(epochs=2, callbacks=[TqdmCallback(verbose=0)]).fit(*digits)
    shown = capsys.readouterr().err
    assert "2/2" in shown
    assert f"val_loss={clf.history_['val_loss'][-1]:.3g}"[:12] in shown


def test_tqdm_as_a_class_is_copied_everywhere(small, digits, capsys):
    clf = clone(pickle.loads(pickle.dumps(small(epochs=2, callbacks=[TqdmCallback]))))
    search = GridSearchCV(clf, {"dropout": [0.0, 0.1]}, cv=2).fit(*digits)
    assert capsys.readouterr().err.count("2/2") >= 5
    assert search.best_estimator_.n_iter_ == 2


@pytest.mark.parametrize("made", ["unused", "used"])
def test_callbacks_of_keras_that_write_files_work_again_and_in_copies(
    made, small, digits, tmp_path
):
    """One that Keras itself has used holds an open or closed file."""
    log = keras.callbacks.CSVLogger(tmp_path / "log.csv")
    if made == "used":
        log.set_params({"epochs": 1})
        log.set_model(keras.Sequential())
        log.on_train_begin()
        log.on_train_end()
    small(epochs=2, callbacks=[log]).fit(*digits)
    assert len(pd.read_csv(tmp_path / "log.csv")) == 2
    small(epochs=3, callbacks=[log]).fit(*digits)
    assert len(pd.read_csv(tmp_path / "log.csv")) == 3
