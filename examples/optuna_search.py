# %% [markdown]
"""
A search that prunes poor candidates
====================================

Optuna proposes parameters, follows each training epoch by epoch, and prunes those that fall
behind. The study is stored in a file: killed and started again, it resumes.

Run time: about 1 minute on 2 cores. ``MNIST_EXAMPLE_SIZE`` in the environment sets
another number of images than 1,500, and no more test images than that. Needs
``pip install "mnist_estimator[optuna]"``.
"""

# %%
import os
import tempfile
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import optuna
from optuna.trial import TrialState
from optuna_integration import KerasPruningCallback
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from mnist_estimator import load_mnist, make_pipeline

SIZE = int(os.environ.get("MNIST_EXAMPLE_SIZE", 1500))
N_TEST = int(os.environ.get("MNIST_EXAMPLE_SIZE", 10_000))
N_TRIALS = 16
EPOCHS = 8

# %%
X, y = load_mnist("train", return_X_y=True)
X_train, _, y_train, _ = train_test_split(X, y, train_size=SIZE, stratify=y, random_state=0)

# %% [markdown]
# One trial
# ---------
#
# Each pipeline holds out the same fifth of the images, as ``random_state`` is the same. The
# callback reports the loss on them after each epoch, and raises ``TrialPruned`` if Optuna decides
# so. All trials have the same number of epochs: the learning rate rises and falls over them, so
# epochs of trainings of different lengths cannot be compared.
#
# Ctrl-C would end the current fit only, and the trial would count with the weights so far. Here it
# is an error, which ends the study.

# %%
warnings.filterwarnings("error", "Training was interrupted", ConvergenceWarning)


def pipeline(parameters, **others):
    """Make the pipeline that a trial's parameters mean."""
    width = parameters["width"]
    return make_pipeline(
        filters=(width, 2 * width, 4 * width),
        learning_rate=parameters["learning_rate"],
        optimizer=parameters["optimizer"],
        epochs=EPOCHS,
        random_state=0,
        **others,
    )


def validation_loss(pipe):
    """Return the loss on the images held out, in the epoch whose weights were kept."""
    cnn = pipe[-1]
    return cnn.history_["val_loss"][cnn.best_epoch_ - 1]


def propose(trial):
    """Let Optuna propose parameters."""
    return {
        "learning_rate": trial.suggest_float("learning_rate", 1e-4, 0.3, log=True),
        "width": trial.suggest_categorical("width", [8, 16]),
        "optimizer": trial.suggest_categorical("optimizer", ["adam", "muon"]),
    }


def objective(trial):
    """Train with what is proposed, and return the loss."""
    prune = KerasPruningCallback(trial, "val_loss")
    pipe = pipeline(propose(trial), validation_fraction=0.2, callbacks=[prune])
    return validation_loss(pipe.fit(X_train, y_train))


# %% [markdown]
# The study
# ---------
#
# A trial is pruned if its best loss so far is above the median of the finished ones in the same
# epoch. The first four trials, and the first two epochs of each, are never pruned.
#
# Two things are needed to resume. A sampler with the same seed would propose the same parameters
# again, so the number of trials is the seed. And a trial whose process was killed stays marked as
# running: it is marked as failed, and its parameters are queued first. (So let one process at a
# time work on the study, or see Optuna's ``heartbeat_interval``.)

# %%
place = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
STORAGE = f"sqlite:///{Path(place.name, 'study.db')}"
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
optuna.logging.set_verbosity(optuna.logging.WARNING)


def open_study():
    """Open the study, or begin it."""
    study = optuna.create_study(
        study_name="digits",
        storage=STORAGE,
        load_if_exists=True,
        direction="minimize",
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=2),
    )
    study.sampler = optuna.samplers.TPESampler(n_startup_trials=6, seed=len(study.trials))
    for trial in study.get_trials(states=[TrialState.RUNNING]):
        study.tell(trial.number, state=TrialState.FAIL)
        study.enqueue_trial(trial.params)
    return study


# %%
study = open_study()
study.optimize(objective, n_trials=N_TRIALS // 2)
propose(study.ask())  # begun and never finished: as if the process had been killed here

# %% [markdown]
# Started again, the same lines run the missing trials.

# %%
study = open_study()
n_finished = len(study.get_trials(states=FINISHED))
print(f"Goes on after {n_finished} of {N_TRIALS} trials")
study.optimize(objective, n_trials=N_TRIALS - n_finished)

# %%
trials = study.get_trials(states=FINISHED)
pruned = [trial for trial in trials if trial.state == TrialState.PRUNED]
n_epochs = sum(len(trial.intermediate_values) for trial in trials)
print(f"{len(trials)} trials, {len(pruned)} pruned; {n_epochs} epochs of {N_TRIALS * EPOCHS}")
for trial in sorted(trials, key=lambda trial: (trial in pruned, trial.value)):
    state = "pruned" if trial in pruned else "      "
    print(f"{trial.number:3} {state} {trial.value:7.4f} {trial.params}")

# %%
figure, ax = plt.subplots(figsize=(6, 4), layout="constrained")
for trial in trials:
    epochs = [epoch + 1 for epoch in trial.intermediate_values]
    color, width = ("C1", 1) if trial in pruned else ("C0", 1.5)
    ax.plot(epochs, list(trial.intermediate_values.values()), color=color, linewidth=width)
    ax.plot(epochs[-1], trial.intermediate_values[epochs[-1] - 1], "o", color=color, markersize=4)
ax.set(yscale="log", xlabel="Epoch", ylabel="Loss on images held out")
ax.set_title("Orange: pruned")

# %% [markdown]
# The best
# --------
#
# A fresh fit has the same value, to the last digit. The final pipeline is fitted on all images.

# %%
best = pipeline(study.best_params, validation_fraction=0.2).fit(X_train, y_train)
print(f"Best: {study.best_params}, loss {study.best_value:.4f}")
print("The same from a fresh fit:", validation_loss(best) == study.best_value)

# %%
X_test, y_test = (part[:N_TEST] for part in load_mnist("test", return_X_y=True))
final = pipeline(study.best_params, early_stopping=False).fit(X_train, y_train)
print(f"On the test images: {final.score(X_test, y_test):.4f}")

# %%
if plt.get_backend().lower() != "agg":  # which has no windows
    plt.show()
place.cleanup()
