"""Optuna: trials pruned epoch by epoch, studies that go on where they were cut off."""

import multiprocessing
import signal
import sys
import time
import warnings

import pytest
from numpy.testing import assert_array_equal
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning

from mnist_estimator import CNNClassifier

optuna = pytest.importorskip("optuna")
integration = pytest.importorskip("optuna_integration")

from optuna.trial import TrialState  # noqa: E402

optuna.logging.set_verbosity(optuna.logging.WARNING)

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
if sys.platform != "win32":
    # Processes that have imported everything and run nothing: each starts in no time.
    STARTED = multiprocessing.get_context("forkserver")
    STARTED.set_forkserver_preload(["mnist_estimator.classifier", "sklearn.datasets"])

SMALL = {"filters": (8, 16), "kernel_size": 3, "batch_size": 16, "validation_fraction": 0.2}
DONE = (TrialState.COMPLETE, TrialState.PRUNED)
RATES = [0.02, 0.01, 1e-6, 0.015, 1e-5]
"""The third and the fifth learn next to nothing."""


def find_digits():
    X, y = load_digits(return_X_y=True)
    return X[:200], y[:200]


def make(rate, **changed):
    return CNNClassifier(
        **SMALL | {"learning_rate": rate, "epochs": 4, "random_state": 0} | changed
    )


def value_of(clf):
    return clf.history_["val_loss"][clf.best_epoch_ - 1]


def objective(trial):
    rate = trial.suggest_float("learning_rate", 1e-6, 0.1, log=True)
    prune = integration.KerasPruningCallback(trial, "val_loss")
    return value_of(make(rate, callbacks=[prune]).fit(*find_digits()))


def open_study(storage):
    """Open a study, or go on with it: as examples/optuna_search.py does."""
    study = optuna.create_study(
        study_name="digits",
        storage=storage,
        load_if_exists=storage is not None,
        pruner=optuna.pruners.MedianPruner(n_startup_trials=2, n_warmup_steps=1),
    )
    study.sampler = optuna.samplers.TPESampler(seed=len(study.trials))
    for trial in study.get_trials(states=[TrialState.RUNNING]):
        study.tell(trial.number, state=TrialState.FAIL)
        study.enqueue_trial(trial.params)
    return study


def run(storage, n_trials, folder):
    """Run what a study lacks, and note which trials begin."""

    def noted(trial):
        with (folder / "log").open("a") as file:
            file.write(f"{trial.number}\n")
        return objective(trial)

    study = open_study(storage)
    study.optimize(noted, n_trials=n_trials - len(study.get_trials(states=DONE)))


@pytest.fixture(scope="module")
def study():
    """Return a study of five rates, two of them hopeless; it lives in memory."""
    study = open_study(None)
    for rate in RATES:
        study.enqueue_trial({"learning_rate": rate})
    study.optimize(objective, n_trials=len(RATES))
    return study


def test_study_poor_trials_are_pruned_before_their_last_epoch(study):
    """In memory too, where a copy of the trial would report to a copy of the study."""
    assert [trial.state for trial in study.trials][:2] == [TrialState.COMPLETE] * 2
    assert {study.trials[2].state, study.trials[4].state} == {TrialState.PRUNED}
    n_epochs = [len(trial.intermediate_values) for trial in study.trials]
    assert n_epochs[:2] == [4, 4]
    assert n_epochs[2] == n_epochs[4] == 2  # the first one warms up


def test_study_reported_values_are_those_of_the_history(study):
    trial = study.trials[0]
    clf = make(trial.params["learning_rate"]).fit(*find_digits())
    assert list(trial.intermediate_values.values()) == clf.history_["val_loss"]


def test_study_best_value_is_that_of_a_fresh_fit(study):
    """Pruning only watches: it changes no bit of the fits that go to the end."""
    clf = make(study.best_params["learning_rate"]).fit(*find_digits())
    assert value_of(clf) == study.best_value


class Prune:
    """Stand in for a trial that is to be pruned after its second epoch."""

    n_reports = 0

    def report(self, value, step):
        self.n_reports += 1

    def should_prune(self):
        return self.n_reports == 2


Prune.__module__ = "optuna.trial"


def test_fit_pruned_leaves_the_classifier_as_it_was():
    X, y = find_digits()
    clf = make(0.01).fit(X, y)
    before, state = clf.predict_proba(X), set(vars(clf))
    trial = Prune()
    clf.set_params(callbacks=[integration.KerasPruningCallback(trial, "val_loss")])
    with pytest.raises(optuna.TrialPruned):
        clf.fit(X, y)
    assert trial.n_reports == 2
    assert set(vars(clf)) == state
    assert_array_equal(clf.predict_proba(X), before)
    fresh = make(0.01, callbacks=[integration.KerasPruningCallback(Prune(), "val_loss")])
    with pytest.raises(optuna.TrialPruned):
        fresh.fit(X, y)
    assert not hasattr(fresh, "model_")


def test_callbacks_but_for_the_trial_are_copied():
    """What a fit shares with the callback it was given is the trial, and nothing else."""
    trial = Prune()
    given = integration.KerasPruningCallback(trial, "val_loss", interval=5)
    given.list = []
    taken = []

    class Watch(type(given)):
        def on_train_begin(self, logs=None):
            taken.append(self)

    given.__class__ = Watch
    make(0.01, epochs=1, callbacks=[given]).fit(*find_digits())
    assert taken[0] is not given
    assert taken[0]._trial is trial
    assert taken[0].list is not given.list


@pytest.mark.slow
@posix
def test_study_killed_goes_on_without_repeating_finished_trials(tmp_path):
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    process = STARTED.Process(target=run, args=(storage, 8, tmp_path))
    process.start()
    log = tmp_path / "log"
    while process.is_alive() and not (log.exists() and len(log.read_text().split()) > 3):
        time.sleep(0.001)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL, "It ended before it was killed."
    before = optuna.load_study(study_name="digits", storage=storage).trials
    finished = [trial for trial in before if trial.state in DONE]
    assert 3 <= len(finished) < 8

    process = STARTED.Process(target=run, args=(storage, 8, tmp_path))
    process.start()
    process.join()
    assert process.exitcode == 0
    after = optuna.load_study(study_name="digits", storage=storage)
    assert [after.trials[trial.number] for trial in finished] == finished
    assert len(after.get_trials(states=DONE)) == 8
    begun = log.read_text().split()
    assert len(begun) == len(set(begun))
    # The one that was cut off was tried again, and no other twice.
    rates = [trial.params["learning_rate"] for trial in after.get_trials(states=DONE)]
    assert len(set(rates)) == 8
    for trial in before:
        if trial.state == TrialState.RUNNING and trial.params:
            assert trial.params["learning_rate"] in rates
    # As if nothing had happened: each of the values is that of a fresh fit.
    best = make(after.best_params["learning_rate"]).fit(*find_digits())
    assert value_of(best) == after.best_value


def test_study_ctrl_c_ends_it_where_the_warning_is_an_error():
    """Else the trial counts with what it has learned, and the study goes on with the next."""

    def interrupted(trial):
        def press(value, step):
            signal.raise_signal(signal.SIGINT)

        trial.report = press
        return objective(trial)

    study = optuna.create_study()
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Training was interrupted", ConvergenceWarning)
        with pytest.raises(ConvergenceWarning):
            study.optimize(interrupted, n_trials=3)
    assert [trial.state for trial in study.trials] == [TrialState.FAIL]


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
# Its own use of what Optuna will drop. Remove when optuna-integration asks for Optuna 6.
@pytest.mark.filterwarnings("ignore:.*optuna.terminator:FutureWarning")
def test_optuna_search_cv_without_pruning_is_a_search_of_scikit_learn(small_pipeline):
    X, y = find_digits()
    spaces = {"cnn__learning_rate": optuna.distributions.FloatDistribution(1e-3, 0.1, log=True)}
    search = integration.OptunaSearchCV(
        small_pipeline(epochs=2), spaces, cv=2, n_trials=2, random_state=0
    )
    search.fit(X, y)
    assert_array_equal(search.predict(X), search.best_estimator_.predict(X))
    assert len(search.trials_) == 2
