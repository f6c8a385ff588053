"""A crash loses nothing: checkpoints written, resumed, refused; processes killed."""

import errno
import json
import multiprocessing
import os
import pathlib
import pickle
import re
import signal
import sys
import time

import keras
import numpy as np
import pytest
from common import slow_but
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import cross_val_score

from mnist_estimator import CNNClassifier
from mnist_estimator.training import _checkpoint, _loop, _sampling
from mnist_estimator.training._checkpoint import NAME, SEED, Checkpoint, digest

# Keras's own conversion of variables, on NumPy 2. Remove when Keras's __array__ takes copy.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL and no fork")
if sys.platform != "win32":
    # Processes that have imported everything and run nothing: each starts in no time.
    STARTED = multiprocessing.get_context("forkserver")
    STARTED.set_forkserver_preload(["mnist_estimator.classifier", "sklearn.datasets"])

IDENTITY = {"parameters": {SEED: 1}, "data": {}, "start": ""}


class Crash(BaseException):
    """Stand in for the end of the process."""


@pytest.fixture(scope="module")
def digits(digits):
    """Return 200 of the digits: an epoch of them takes a twentieth of a second."""
    X, y = digits
    return X[:200], y[:200]


@pytest.fixture
def crash_after(monkeypatch):
    """Let a fit crash as soon as it has written the checkpoint after an epoch."""

    def set_up(n_epochs):
        save = Checkpoint.save

        def save_and_crash(self, state):
            save(self, state)
            if state["n_epochs"] == n_epochs:
                monkeypatch.setattr(Checkpoint, "save", save)
                raise Crash

        monkeypatch.setattr(Checkpoint, "save", save_and_crash)

    return set_up


@pytest.fixture
def crashed(quick, digits, crash_after, tmp_path):
    """Return a classifier whose fit on the digits has crashed after two epochs."""
    clf = quick(checkpoint_dir=tmp_path)
    crash_after(2)
    with pytest.raises(Crash):
        clf.fit(*digits)
    return clf


def says(words):
    return re.escape(words)


def assert_same(one, other):
    """Compare two fits to the bit: the network, what training goes on from, how it went."""
    for estimator in (one, other):
        assert estimator.n_iter_ == len(estimator.history_["loss"])
    assert one.history_ == other.history_
    assert (one.n_iter_, one.best_epoch_) == (other.n_iter_, other.best_epoch_)
    states = [estimator.__getstate__() for estimator in (one, other)]
    assert states[0].get("_n_steps") == states[1].get("_n_steps")  # kept with warm_start
    for name in states[0].keys() & {"_weights", "_moments"}:
        for mine, theirs in zip(*(state[name] for state in states), strict=True):
            assert_array_equal(mine, theirs, strict=True)


def n_epochs_in(folder):
    with np.load(folder / NAME, allow_pickle=False) as archive:
        return int(archive["n_epochs"])


# Real processes, killed


def fit_and_tell(folder):
    """Fit with all that training carries on, and write what came of it."""
    _sampling.SMALLEST_EPOCH = 100  # so that few images are drawn by their losses, too
    X, y = load_digits(return_X_y=True)
    clf = CNNClassifier(
        filters=(4,), kernel_size=3, batch_size=32, epochs=80, patience=79, random_state=0,
        checkpoint_dir=folder / "runs",
    ).fit(X[:400], y[:400])  # fmt: skip
    (folder / "result.pickle").write_bytes(pickle.dumps(clf))


@posix
@pytest.mark.slow
def test__fit__killed_again_and_again__ends_with_the_bits_of_one_never_killed(tmp_path):
    generator, kills, n_written = np.random.default_rng(7), [], 0
    for name in ("whole", "killed"):
        (tmp_path / name / "runs").mkdir(parents=True)
    whole = STARTED.Process(target=fit_and_tell, args=(tmp_path / "whole",))
    whole.start()
    file = tmp_path / "killed" / "runs" / NAME
    while len(kills) < 5:
        process = STARTED.Process(target=fit_and_tell, args=(tmp_path / "killed",))
        before = _version(file)
        process.start()
        for _ in range(generator.integers(1, 4)):  # files, the first without an epoch behind it
            n_written += 1
            while process.is_alive() and _version(file) == before:
                time.sleep(0.001)
            before = _version(file)
        time.sleep(generator.uniform(0, 0.05))
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL, "It ended before it was killed."
        kills.append(n_epochs_in(file.parent))
    assert kills == sorted(kills)
    assert kills[-1] >= n_written - len(kills) - 1 > 2
    for process, folder in ((whole, "whole"), (None, "killed")):
        if process is None:
            process = STARTED.Process(target=fit_and_tell, args=(tmp_path / folder,))
            process.start()
        process.join()
        assert process.exitcode == 0
    one, other = (
        pickle.loads((tmp_path / name / "result.pickle").read_bytes())
        for name in ("whole", "killed")
    )
    assert other.n_iter_ == 80
    assert_same(one, other)
    assert list(file.parent.iterdir()) == []


def _version(path):
    """Return what changes when a file is replaced."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns


def write_and_die(folder, moment):
    """Write the states after epochs 1 and 2, and be killed at a moment of the second."""

    def die(*args, **kwargs):
        os.kill(os.getpid(), signal.SIGKILL)

    class DiesHalfWay:
        def __init__(self, file):
            self.file = file

        def write(self, content):
            self.file.write(content[: len(content) // 2])
            self.file.flush()
            die()

    checkpoint = Checkpoint(folder)
    checkpoint.identify(IDENTITY)
    checkpoint.begin(_state(0))
    checkpoint.save(_state(1))
    opened, replace, fsync = pathlib.Path.open, os.replace, os.fsync

    class Opened:
        def __init__(self, path, mode):
            self.file = opened(path, mode)
            if moment == "opened":
                die()

        def __enter__(self):
            return DiesHalfWay(self.file) if moment == "half written" else self.file

        def __exit__(self, *error):
            self.file.close()

    def replace_and_die(*paths):
        replace(*paths)
        die()

    pathlib.Path.open = lambda path, mode: Opened(path, mode)
    os.fsync = die if moment == "not yet on disk" else fsync
    os.replace = {"not replaced": die, "replaced": replace_and_die}.get(moment, replace)
    checkpoint.save(_state(2))


def _state(n_epochs, size=1000):
    return {"n_epochs": np.array(n_epochs), "values": np.full(size, float(n_epochs))}


@posix
@pytest.mark.parametrize(
    ("moment", "left"),
    [("opened", 1), ("half written", 1), ("not yet on disk", 1), ("not replaced", 1),
     ("replaced", 2)],
)  # fmt: skip
def test__save__killed_while_writing__leaves_the_old_or_the_new(moment, left, tmp_path):
    process = STARTED.Process(target=write_and_die, args=(tmp_path, moment))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    checkpoint = Checkpoint(tmp_path)
    checkpoint.identify(IDENTITY)
    found = checkpoint.begin(_state(0))
    assert checkpoint.n_epochs == left
    assert_array_equal(found["values"], np.full(1000, float(left)))
    assert os.listdir(tmp_path) == [NAME]  # what the dead one left half written is gone
    checkpoint.close()


# Going on


def test__fit__crashed__runs_only_the_epochs_left(crashed, quick, digits, tmp_path, monkeypatch):
    with pytest.raises(NotFittedError):
        crashed.predict(digits[0])
    assert os.listdir(tmp_path) == [NAME]
    begun, run_epoch = [], _loop._Loop.run_epoch

    def note_and_run(self, epoch, *args):
        begun.append(epoch)
        return run_epoch(self, epoch, *args)

    monkeypatch.setattr(_loop._Loop, "run_epoch", note_and_run)
    crashed.fit(*digits)
    assert begun == [2, 3]
    assert_same(crashed, quick().fit(*digits))
    assert os.listdir(tmp_path) == []


VARIANTS = {
    "nothing held out": {"early_stopping": False},
    "no normalization": {"batch_norm": False, "dense_units": (8,)},
    "float64": {"precision": "float64", "augmentation": None},
    "ensemble": {"ensemble_size": 2},
    "patience": {"patience": 1, "epochs": 12, "learning_rate": 0.1},
    "classes weighed": {"class_weight": {3: 2.0}, "schedule": "cosine"},
}


@pytest.mark.parametrize("changed", slow_but({"nothing held out", "classes weighed"}, VARIANTS))
def test__fit__crashed__ends_with_the_same_bits(changed, quick, digits, crash_after, tmp_path):
    X, y = digits[0], np.array([f"digit {label}" for label in digits[1]], dtype=object)
    if "class_weight" in changed:
        y = digits[1]
    clf = quick(**{"epochs": 3, "checkpoint_dir": str(tmp_path)} | changed)
    whole = clone(clf).set_params(checkpoint_dir=None).fit(X, y)
    assert (whole.n_iter_ < clf.epochs) == ("patience" in changed)
    for n_epochs in (1, whole.n_iter_):
        crash_after(n_epochs)
        with pytest.raises(Crash):
            clf.fit(X, y)
        assert n_epochs_in(tmp_path) == n_epochs
    assert_same(clf.fit(X, y), whole)


def test__fit__crashed__weights_and_validation_data(quick, digits, crash_after, tmp_path):
    X, y = digits
    data = {"sample_weight": np.where(y == 1, 0, 1 + y), "X_val": X[150:], "y_val": y[150:]}
    data["sample_weight"] = data["sample_weight"][:150]
    clf = quick(checkpoint_dir=tmp_path)
    crash_after(2)
    with pytest.raises(Crash):
        clf.fit(X[:150], y[:150], **data)
    for changed in ({"sample_weight": None}, {"X_val": X[140:190]}, {"y_val": y[100:150]}):
        words = f": {next(iter(changed))} holds other data. To go on"
        with pytest.raises(ValueError, match=says(words)):
            clf.fit(X[:150], y[:150], **data | changed)
    assert_same(clf.fit(X[:150], y[:150], **data), quick().fit(X[:150], y[:150], **data))


def test__fit__crashed__warm_start(quick, digits, crash_after, tmp_path):
    first, second = ((part[:100], part[100:]) for part in digits)
    (X, y), (X2, y2) = zip(first, second, strict=True)
    clf = quick(warm_start=True).fit(X, y)
    saved = pickle.dumps(clf)
    whole = pickle.loads(saved).fit(X2, y2)
    clf.set_params(checkpoint_dir=tmp_path)
    crash_after(3)
    before = clf.predict_proba(X)
    with pytest.raises(Crash):
        clf.fit(X2, y2)
    assert_array_equal(clf.predict_proba(X), before)
    with pytest.raises(ValueError, match="the network to start from has other weights"):
        pickle.loads(saved).fit(X, y).set_params(checkpoint_dir=tmp_path).fit(X2, y2)
    again = pickle.loads(saved).set_params(checkpoint_dir=tmp_path).fit(X2, y2)
    assert_same(again, whole)
    assert again.n_iter_ == 8


def test__fit__crashed_without_a_seed__takes_that_of_the_checkpoint(
    quick, digits, crash_after, tmp_path
):
    np.random.seed(3)  # noqa: NPY002  the one that random_state=None draws from
    clf = quick(random_state=None, checkpoint_dir=tmp_path)
    crash_after(1)
    with pytest.raises(Crash):
        clf.fit(*digits)
    clf.fit(*digits)
    np.random.seed(3)  # noqa: NPY002
    assert_same(clf, quick(random_state=None).fit(*digits))


def test__fit__memory_mapped__goes_on_with_the_same_images(crashed, digits, tmp_path, quick):
    X, y = digits
    path = tmp_path / "X.npy"
    np.save(path, X)
    crashed.fit(np.load(path, mmap_mode="r"), y)
    assert_same(crashed, quick().fit(X, y))


def test__fit__finished__leaves_nothing_behind(quick, digits, tmp_path):
    """So that the folds of a cross-validation do not refuse each other's."""
    scores = cross_val_score(quick(checkpoint_dir=tmp_path), *digits, cv=2, error_score="raise")
    assert len(scores) == 2
    assert os.listdir(tmp_path) == []


def test__partial_fit__writes_nothing(quick, digits, tmp_path):
    (tmp_path / "there").mkdir()
    for folder in ("missing", "there"):
        quick(checkpoint_dir=tmp_path / folder).partial_fit(*digits, classes=range(10))
    assert [path.name for path in tmp_path.rglob("*")] == ["there"]


def test__fit__crashed__progress_begins_where_it_stood(crashed, digits, capsys):
    crashed.set_params(verbose=1).fit(*digits)
    lines = capsys.readouterr().out.strip().splitlines()
    assert [line.split("  ")[0] for line in lines] == ["Epoch 3/4", "Epoch 4/4"]


class Note(keras.callbacks.Callback):
    """Note what an epoch is told."""

    seen = []  # noqa: RUF012  of the class, as a fit works with copies

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append((epoch, self.params["steps_done"], len(self.params["history"]["loss"])))


def test__fit__crashed_with_callbacks__goes_on_with_the_rate_and_warns(
    quick, digits, crash_after, tmp_path
):
    halving = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    clf = quick(callbacks=[halving, Note], checkpoint_dir=tmp_path)
    whole = clone(clf).set_params(checkpoint_dir=None).fit(*digits)
    crash_after(2)
    with pytest.raises(Crash):
        clf.fit(*digits)
    with pytest.raises(ValueError, match=says("callbacks was ('LearningRateScheduler', 'Note')")):
        clone(clf).set_params(callbacks=None).fit(*digits)
    Note.seen.clear()
    with pytest.warns(UserWarning, match="callbacks begin anew in epoch 3: one that remembers"):
        clf.fit(*digits)
    n_steps = -(-194 // 16)
    assert Note.seen == [(2, 2 * n_steps, 3), (3, 2 * n_steps, 4)]
    assert_same(clf, whole)


def test__fit__crashed__scikit_learn_s_callbacks_follow_the_epochs_left(crashed, digits):
    callback = pytest.importorskip("sklearn.callback", reason="since scikit-learn 1.9")
    monitor = callback.ScoringMonitor(scoring="accuracy")
    crashed.set_callbacks(monitor).fit(*digits)
    assert crashed.n_iter_ == 4
    log = monitor.get_logs().data_as_pandas
    epochs = log[log["task_name"].str.startswith("epoch")]
    assert epochs["task_name"].tolist() == ["epoch 3", "epoch 4"]
    assert epochs["accuracy"].iloc[-1] == pytest.approx(crashed.score(*digits))


# Refusing


CHANGES = [
    ({"learning_rate": 0.02}, "learning_rate was 0.01 and is 0.02 now. To go on with that fit"),
    ({"epochs": 5, "filters": (8, 8)}, "epochs was 4 and is 5 now; filters was (8, 16) and is (8"),
    ({"random_state": 1}, "the seed drawn from random_state was 209652396 and is 1791095845 now."),
    ({"augmentation": {"shift": 0.1}}, "augmentation was 'auto' and is {'shift': 0.1} now."),
    ({"precision": "float64"}, " and is 'float64' now."),
    ({"class_weight": {1: 2}}, "class_weight was None and is {1: 2} now."),
]


@pytest.mark.parametrize(("changed", "words"), CHANGES)
def test__fit__with_other_parameters__is_refused(changed, words, crashed, digits, tmp_path):
    content = (tmp_path / NAME).read_bytes()
    beginning = f"checkpoint_dir={str(tmp_path)!r} holds the checkpoint of another fit, which was "
    end = f"delete {str(tmp_path / NAME)!r} or pass another folder."
    with pytest.raises(ValueError, match=f"{says(beginning)}.*{says(words)}.*{says(end)}$"):
        clone(crashed).set_params(**changed).fit(*digits)
    assert (tmp_path / NAME).read_bytes() == content


def test__fit__with_what_leaves_the_weights__is_not_refused(
    crashed, digits, tmp_path, quick, monkeypatch
):
    X, y = digits
    crashed.set_params(test_time_shift=1, verbose=0, filters=[8, np.int64(16)], random_state=0)
    monkeypatch.chdir(tmp_path)
    crashed.set_params(checkpoint_dir=".").fit(X.tolist(), y.tolist())
    assert_same(crashed, quick().fit(X, y))


@pytest.mark.parametrize("name", ["X", "y", "sample_weight", "X_val"])
def test__fit__on_other_data__is_refused(name, crashed, digits):
    X, y = digits
    data = {"X": X.copy(), "y": y.copy()}
    if name == "X":
        data["X"][199, 60] += 1
    elif name == "y":
        data["y"][:2] = data["y"][1::-1]
    elif name == "sample_weight":
        data[name] = np.arange(200)
    else:
        data |= {"X_val": X[:5], "y_val": y[:5]}
    with pytest.raises(ValueError, match=f"2 epochs done.: {name} holds other data"):
        crashed.fit(**data)


def test__fit__by_another_version__is_refused(crashed, digits, monkeypatch):
    monkeypatch.setattr(_checkpoint, "__version__", "9.9")
    with pytest.raises(ValueError, match=r"the version of mnist_estimator was \d.* and is 9.9 now"):
        crashed.fit(*digits)


class Malicious:
    """Leave a trace when unpickled."""

    def __reduce__(self):
        return os.mkdir, ("executed",)


def _cut(content):
    return content[: len(content) // 2]


def _flipped(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def _pickled(content):
    with open("x.npz", "wb") as file:
        np.savez(file, identity=np.array([Malicious()], dtype=object), n_epochs=np.array(2))
    return pathlib.Path("x.npz").read_bytes()


def _lacking(content):
    with np.load(pathlib.Path(NAME)) as archive:
        state = {name: archive[name] for name in archive if name != "variable_3"}
    with open("x.npz", "wb") as file:
        np.savez(file, **state)
    return pathlib.Path("x.npz").read_bytes()


DAMAGES = {
    "empty": lambda content: b"",
    "cut": _cut,
    "flipped": _flipped,
    "pickle": lambda content: pickle.dumps(Malicious()),
    "pickled array": _pickled,
    "lacking an array": _lacking,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test__fit__from_a_damaged_file__is_refused(damage, crashed, digits, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / NAME
    path.write_bytes(damage(path.read_bytes()))
    words = f"holds a file {NAME!r} that is damaged or no checkpoint"
    with pytest.raises(ValueError, match=words) as error:
        crashed.fit(*digits)
    assert str(error.value).endswith("Delete it to begin anew, or pass another folder.")
    assert not (tmp_path / "executed").exists()
    path.unlink()
    assert crashed.fit(*digits).n_iter_ == 4


@pytest.mark.parametrize(
    ("folder", "kind", "words"),
    [
        ("missing", FileNotFoundError, "does not exist. Create the folder first, or pass another"),
        ("file", NotADirectoryError, "is no folder. Pass a folder; the file in it is 'checkpoint."),
    ],
)
def test__fit__without_a_folder__fails_before_training(
    folder, kind, words, quick, digits, tmp_path
):
    (tmp_path / "file").touch()
    clf = quick(checkpoint_dir=tmp_path / folder)
    with pytest.raises(kind, match=says(f"checkpoint_dir={str(tmp_path / folder)!r} {words}")):
        clf.fit(*digits)
    assert not hasattr(clf, "history_")


def test__checkpoint_dir__of_a_wrong_kind__is_refused(quick, digits):
    with pytest.raises(TypeError, match="The 'checkpoint_dir' parameter of CNNClassifier must be"):
        quick(checkpoint_dir=3).fit(*digits)


@posix
def test__fit__in_a_folder_in_use__is_refused(quick, digits, tmp_path):
    held = Checkpoint(tmp_path)
    with pytest.raises(BlockingIOError, match=r"is in use by another fit\. Give each of the fits"):
        quick(checkpoint_dir=tmp_path).fit(*digits)
    held.close()
    quick(checkpoint_dir=tmp_path).fit(*digits)


def test__fit__diverged__leaves_no_checkpoint(quick, digits, tmp_path):
    clf = quick(checkpoint_dir=tmp_path, learning_rate=1e30, batch_norm=False)
    with pytest.raises(FloatingPointError):
        clf.fit(*digits)
    assert os.listdir(tmp_path) == []


# No room


def fill_a_disk(folder):
    """Try a real disk of 64 KiB; exit with 77 where none may be mounted."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    new_user, new_mounts = (0 if os.geteuid() == 0 else 0x10000000), 0x00020000
    if libc.unshare(new_user | new_mounts) or libc.mount(
        b"none", str(folder).encode(), b"tmpfs", 0, b"size=64k"
    ):
        os._exit(77)
    for size in (10_000, 5000):  # one file has no room; one has, two have not
        checkpoint = Checkpoint(folder)
        checkpoint.identify(IDENTITY)
        with pytest.raises(OSError, match="cannot take a checkpoint: No space left") as error:
            checkpoint.begin(_state(0, size))
        assert error.value.errno == errno.ENOSPC
        assert os.listdir(folder) == []
        checkpoint.close()
    checkpoint = Checkpoint(folder)
    checkpoint.identify(IDENTITY)
    assert checkpoint.begin(_state(0)) is None
    checkpoint.save(_state(1))
    (folder / "of somebody else").write_bytes(bytes(48 * 1024))
    with pytest.warns(UserWarning, match=r"epoch 2 could not be written .*: No space left"):
        checkpoint.save(_state(2))
    checkpoint.save(_state(3))  # says nothing more
    assert n_epochs_in(folder) == checkpoint.n_epochs == 1
    assert sorted(os.listdir(folder)) == [NAME, "of somebody else"]
    (folder / "of somebody else").unlink()
    checkpoint.save(_state(4))
    assert n_epochs_in(folder) == 4


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a disk as Linux does")
def test__disk__full__old_checkpoint_stays(tmp_path):
    process = STARTED.Process(target=fill_a_disk, args=(tmp_path,))
    process.start()
    process.join()
    if process.exitcode == 77:
        pytest.skip("no disk may be mounted here")
    assert process.exitcode == 0


@pytest.fixture
def no_room():
    """Make files end at 512 bytes, for as long as it is said."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def set_up(lasts):
        limit = (512, before[1]) if lasts else before
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)

    yield set_up
    set_up(False)


def test__fit__without_room__fails_before_training(quick, digits, tmp_path, no_room):
    clf = quick(checkpoint_dir=tmp_path)
    no_room(True)
    with pytest.raises(OSError, match=r"cannot take a checkpoint: File too large\. It must"):
        clf.fit(*digits)
    no_room(False)
    assert not hasattr(clf, "history_")
    assert os.listdir(tmp_path) == []


def test__fit__room_gone_meanwhile__warns_once_and_goes_on(quick, digits, tmp_path, no_room):
    left = []

    class Fill(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            left.append(n_epochs_in(tmp_path))
            no_room(2 <= epoch < 4)

    clf = quick(epochs=6, checkpoint_dir=tmp_path, callbacks=[Fill])
    with pytest.warns(UserWarning, match="after epoch 3 could not be written to") as warnings:
        clf.fit(*digits)
    assert len(warnings) == 1
    assert left == [0, 1, 2, 2, 2, 5]
    assert_same(clf, quick(epochs=6).fit(*digits))


# Ctrl-C


def test__ctrl_c__keeps_the_best_weights_and_the_checkpoint(quick, digits, tmp_path):
    X, y = digits

    class Interrupt(keras.callbacks.Callback):
        at = 3

        def on_train_batch_end(self, batch, logs=None):
            if (
                batch == 5
                and self.params["history"].get("loss", [])
                and len(self.params["history"]["loss"]) == Interrupt.at
            ):
                signal.raise_signal(signal.SIGINT)

    clf = quick(epochs=8, checkpoint_dir=tmp_path, callbacks=[Interrupt])
    words = (
        "Training was interrupted in epoch 4; the classifier is fitted with the weights of epoch "
        f"{{}}, the best so far. {str(tmp_path / NAME)!r} stays as of 3 finished epochs; the same "
        "fit goes on from there."
    )
    with pytest.warns(ConvergenceWarning) as warnings:
        clf.fit(X, y)
    assert str(warnings[0].message) == words.format(clf.best_epoch_)
    assert clf.n_iter_ == 4
    assert clf.predict(X).shape == (200,)
    assert n_epochs_in(tmp_path) == 3
    Interrupt.at = None
    with pytest.warns(UserWarning, match="callbacks begin anew in epoch 4"):
        clf.fit(X, y)
    assert_same(clf, quick(epochs=8).fit(X, y))


def test__ctrl_c__leaves_the_weights_of_the_best_epoch_not_of_the_last(quick, digits):
    """The last epoch is made the worst: its learning rate is far too high."""
    X, y = digits

    class Spoil(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch
            if epoch == 4:
                self.model.optimizer.learning_rate = 30.0

        def on_train_batch_end(self, batch, logs=None):
            if self.epoch == 4 and batch == 8:
                signal.raise_signal(signal.SIGINT)

    clf = quick(epochs=50, schedule="constant", callbacks=[Spoil])
    with pytest.warns(ConvergenceWarning, match=r"in epoch 5; .* of epoch [1-4], the best so far"):
        clf.fit(X, y)
    history = clf.history_["val_loss"]
    assert history[4] > 2 * history[clf.best_epoch_ - 1]
    assert clf.score(X, y) > 0.5


# Pieces


def test__digest__tells_arrays_apart_however_they_lie_in_memory(monkeypatch):
    array = np.arange(24.0).reshape(4, 6)
    monkeypatch.setattr(_checkpoint, "BLOCK", 48)  # one row at a time
    assert digest(array) == digest(np.asfortranarray(array)) == digest(array[::-1][::-1])
    others = [array.T, array.astype(np.float32), array + 1, array.reshape(24), array[:3]]
    assert len({digest(other) for other in [array, *others]}) == 6
    assert digest(array, array) != digest(array)


def test__checkpoint__has_the_parameters_by_name(crashed, tmp_path):
    with np.load(tmp_path / NAME, allow_pickle=False) as archive:
        identity = json.loads(str(archive["identity"]))
        assert archive["history_loss"].shape == (2,)
    assert identity["parameters"]["learning_rate"] == "0.01"
    assert not {"verbose", "checkpoint_dir", "test_time_shift"} & identity["parameters"].keys()
