# %% [markdown]
"""
# Wrappers of networks, compared as scikit-learn classifiers

What holds of `CNNClassifier`, of the wrappers of scikeras, Keras and skorch, and of
scikit-learn's own `MLPClassifier`: scikit-learn's estimator checks, and a row of features,
each tried by running it. No answer is written down here; the installed versions give it.

Run time: about 10 minutes on 2 cores. `--no-checks` leaves out the estimator checks, and
`--only NAME` all columns but one; a package that is not installed is reported as that.
Peers: `pip install scikeras skorch torch skops`.
"""

# %%
import argparse
import importlib
import importlib.util
import json
import os
import pickle
import platform
import random
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from sklearn import config_context
from sklearn.base import clone, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer
from sklearn.model_selection import (
    GridSearchCV,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_validate,
)
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import check_estimator

# %% [markdown]
# ## The estimators
#
# Each wrapper gets the same small network, as a user who knows the wrapper would write it:
# it takes images of any shape and any number of classes, converts dtypes where the wrapper
# leaves that to the network, shuffles, and has a seed where the wrapper knows one. What
# fails then is the wrapper's.

# %%
EPOCHS = 10
RATE = 0.01
BATCH = 32
UNITS = 64


def make_ours(n_classes: int = 10) -> Any:
    """Make a `CNNClassifier`, with a network that is traced in a second."""
    from mnist_estimator import CNNClassifier

    return CNNClassifier(
        filters=(8, 16),
        kernel_size=3,
        epochs=EPOCHS,
        learning_rate=RATE,
        batch_size=BATCH,
        augmentation=None,
        random_state=0,
    )


def make_ours_checked() -> Any:
    """Make the `CNNClassifier` for the estimator checks, with all defaults."""
    from mnist_estimator import CNNClassifier

    return CNNClassifier()


def keras_network(input_shape: tuple[int, ...], n_classes: int) -> Any:
    """Build the network of both wrappers of Keras."""
    import keras

    layers = [
        keras.Input(input_shape),
        keras.layers.Flatten(),
        keras.layers.Dense(UNITS, activation="relu"),
        keras.layers.Dense(n_classes, activation="softmax"),
    ]
    return keras.Sequential(layers)


def scikeras_network(meta: dict[str, Any]) -> Any:
    """Build the network from what scikeras knows of the data; scikeras compiles it."""
    return keras_network(meta["X_shape_"][1:], meta["n_classes_"])


def make_scikeras(n_classes: int = 10) -> Any:
    """Make scikeras's `KerasClassifier`."""
    from scikeras.wrappers import KerasClassifier

    return KerasClassifier(
        scikeras_network,
        loss="sparse_categorical_crossentropy",
        optimizer="adam",
        optimizer__learning_rate=RATE,
        epochs=EPOCHS,
        batch_size=BATCH,
        verbose=0,
        random_state=0,
    )


def compiled_network(X: Any, y: Any) -> Any:
    """Build and compile the network for data as Keras's wrapper prepares them."""
    import keras

    network = keras_network(X.shape[1:], y.shape[1])
    network.compile(optimizer=keras.optimizers.Adam(RATE), loss="categorical_crossentropy")
    return network


def keras_fit_kwargs(epochs: int = EPOCHS, **more: Any) -> dict[str, Any]:
    """Return the parameter of Keras's wrapper that says how to train."""
    return {"fit_kwargs": {"epochs": epochs, "batch_size": BATCH, "verbose": 0} | more}


def make_keras(n_classes: int = 10) -> Any:
    """Make Keras's own `SKLearnClassifier`."""
    from keras.wrappers import SKLearnClassifier

    return SKLearnClassifier(compiled_network, **keras_fit_kwargs())


def to_float32(module: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Convert what comes into a network of PyTorch, as the first line of a `forward` would."""
    return (inputs[0].float(), *inputs[1:])


def torch_network(n_features: int = 64, n_classes: int = 10) -> Any:
    """Build the network of skorch."""
    from torch import nn

    network = nn.Sequential(
        nn.Flatten(),
        nn.Linear(n_features, UNITS),
        nn.ReLU(),
        nn.Linear(UNITS, n_classes),
        nn.Softmax(dim=-1),
    )
    network.register_forward_pre_hook(to_float32)
    return network


def make_skorch(n_classes: int = 10, **more: Any) -> Any:
    """Make skorch's `NeuralNetClassifier`, whose network has to be told the classes."""
    import skorch
    import torch

    return skorch.NeuralNetClassifier(
        torch_network,
        module__n_classes=n_classes,
        max_epochs=EPOCHS,
        lr=RATE,
        optimizer=torch.optim.Adam,
        batch_size=BATCH,
        iterator_train__shuffle=True,
        verbose=0,
        **more,
    )


def make_skorch_checked() -> Any:
    """Make the `NeuralNetClassifier` for the estimator checks, whose data have many shapes."""
    from skorch.callbacks import Callback

    global ShapeSetter  # where pickle finds it

    class ShapeSetter(Callback):
        """Fit the network to the data, as skorch's documentation advises."""

        def on_train_begin(self, net: Any, X: Any = None, y: Any = None, **kwargs: Any) -> None:
            labels = np.asarray(y)
            whole = labels.dtype.kind in "iu"  # an output for each label from 0 up
            net.set_params(
                module__n_features=int(np.prod(np.shape(X)[1:])),
                module__n_classes=int(labels.max()) + 1 if whole else len(np.unique(labels)),
            )

    return make_skorch(callbacks=[ShapeSetter])


def make_mlp(n_classes: int = 10) -> Any:
    """Make scikit-learn's `MLPClassifier`."""
    from sklearn.neural_network import MLPClassifier

    return MLPClassifier(
        (UNITS,), max_iter=EPOCHS, batch_size=BATCH, learning_rate_init=RATE, random_state=0
    )


def make_mlp_checked() -> Any:
    """Make the `MLPClassifier` for the estimator checks, with all defaults."""
    from sklearn.neural_network import MLPClassifier

    return MLPClassifier()


def stop_keras_early() -> list[Any]:
    """Return callbacks of Keras that stop early."""
    import keras

    return [keras.callbacks.EarlyStopping(patience=5)]


def stop_skorch_early() -> list[Any]:
    """Return callbacks of skorch that stop early."""
    from skorch.callbacks import EarlyStopping

    return [EarlyStopping(patience=5)]


@dataclass(frozen=True)
class Column:
    """An estimator, and how it spells what all of them have.

    Attributes
    ----------
    title : str
        Heading of the column.
    requires : tuple of str
        Modules without which the column is "not installed".
    make : callable
        `make(n_classes)` returns a new estimator for images of 64 pixels.
    make_checked : callable
        Returns a new estimator for the estimator checks, whose data have any shape.
    epochs : callable
        `epochs(n)` returns the one parameter, and its value, that sets the epochs.
    losses : callable
        Takes a fitted estimator, returns its training losses, one an epoch.
    early_stopping : callable
        Returns the parameters that hold out a fifth of the data and stop early.
    """

    title: str
    requires: tuple[str, ...]
    make: Callable[..., Any]
    make_checked: Callable[[], Any]
    epochs: Callable[[int], dict[str, Any]]
    losses: Callable[[Any], Sequence[float]]
    early_stopping: Callable[[], dict[str, Any]]


COLUMNS = {
    "mnist_estimator": Column(
        "mnist_estimator CNNClassifier",
        ("mnist_estimator", "keras", "tensorflow"),
        make_ours,
        make_ours_checked,
        lambda n: {"epochs": n},
        lambda fitted: fitted.history_["loss"],
        lambda: {"early_stopping": True, "validation_fraction": 0.2},
    ),
    "scikeras": Column(
        "scikeras KerasClassifier",
        ("scikeras", "keras", "tensorflow"),
        make_scikeras,
        make_scikeras,
        lambda n: {"epochs": n},
        lambda fitted: fitted.history_["loss"],
        lambda: {"validation_split": 0.2, "callbacks": stop_keras_early()},
    ),
    "keras": Column(
        "Keras SKLearnClassifier",
        ("keras", "tensorflow"),
        make_keras,
        make_keras,
        keras_fit_kwargs,
        lambda fitted: fitted.history_.history["loss"],
        lambda: keras_fit_kwargs(validation_split=0.2, callbacks=stop_keras_early()),
    ),
    "skorch": Column(
        "skorch NeuralNetClassifier",
        ("skorch", "torch"),
        make_skorch,
        make_skorch_checked,
        lambda n: {"max_epochs": n},
        lambda fitted: fitted.history[:, "train_loss"],
        lambda: {"callbacks": stop_skorch_early()},  # a fifth is held out by default
    ),
    "sklearn": Column(
        "scikit-learn MLPClassifier",
        ("sklearn",),
        make_mlp,
        make_mlp_checked,
        lambda n: {"max_iter": n},
        lambda fitted: fitted.loss_curve_,
        lambda: {"early_stopping": True, "validation_fraction": 0.2},
    ),
}

# %% [markdown]
# ## The features
#
# One function each. It takes a column and returns whether the feature is there; raising
# means that it is not. The data are 300 images of 8×8 pixels.


# %%
class NotTried(Exception):
    """What a feature is tried with is not installed."""


def optional(module: str) -> Any:
    """Import a module that a feature is tried with, and that need not be there."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise NotTried(f"{error.name} is not installed") from error


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Return 300 images as flat rows (300, 64) float32 in [0, 1], and labels 0 to 9, int64."""
    X, y = load_digits(return_X_y=True)
    return (X[:300] / 16).astype(np.float32), y[:300].astype(np.int64)


def two_classes() -> tuple[np.ndarray, np.ndarray]:
    """Return the images, labelled 0 up to the digit 4 and 1 from there."""
    X, y = digits()
    return X, (y > 4).astype(np.int64)


def sorted_digits() -> tuple[np.ndarray, np.ndarray]:
    """Return the images in the order of their labels."""
    X, y = digits()
    order = np.argsort(y, kind="stable")
    return X[order], y[order]


def balanced(estimator: Any) -> Any:
    """Turn class weights on where the estimator has them: they are combined with the others."""
    if "class_weight" in estimator.get_params():
        estimator.set_params(class_weight="balanced")
    return estimator


def is_a_classifier(column: Column) -> bool:
    """Ask scikit-learn."""
    return is_classifier(column.make())


def stratifies(column: Column) -> bool:
    """Look for every class in every fold of data that come sorted."""
    X, y = sorted_digits()
    result = cross_validate(
        column.make(), X, y, cv=3, error_score="raise", return_indices=True
    )["indices"]  # fmt: skip
    return all(len(np.unique(y[rows])) == 10 for rows in result["test"])


def returns_labels(column: Column) -> bool:
    """Fit on words, and look for words among the predictions."""
    X, y = digits()
    words = np.array([f"digit {label}" for label in y])
    return set(column.make().fit(X, words).predict(X)) <= set(words)


def gives_probabilities(column: Column) -> bool:
    """Sum the rows of `predict_proba`."""
    X, y = digits()
    probabilities = column.make().fit(X, y).predict_proba(X)
    return probabilities.shape == (300, 10) and np.allclose(probabilities.sum(axis=1), 1, atol=1e-5)


def scores_roc_auc(column: Column) -> bool:
    """Use a scorer that wants probabilities of two classes."""
    X, y = two_classes()
    return 0.5 < get_scorer("roc_auc")(column.make(2).fit(X, y), X, y) <= 1


def calibrates(column: Column) -> bool:
    """Calibrate the probabilities of ten classes and of two in cross-validation."""
    return all(
        CalibratedClassifierCV(column.make(n_classes), cv=3).fit(X, y).score(X, y) > 0.7
        for n_classes, (X, y) in ((10, digits()), (2, two_classes()))
    )


def votes(column: Column) -> bool:
    """Average the probabilities with those of another classifier."""
    X, y = digits()
    members = [("network", column.make()), ("linear", LogisticRegression(max_iter=1000))]
    fitted = VotingClassifier(members, voting="soft").fit(X, y)
    return fitted.predict_proba(X).shape == (300, 10)


def tunes_threshold(column: Column) -> bool:
    """Choose the threshold between two classes in cross-validation."""
    X, y = two_classes()
    return TunedThresholdClassifierCV(column.make(2), cv=3).fit(X, y).score(X, y) > 0.7


def searches(column: Column) -> bool:
    """Search over the epochs, then over something else; count as score how many were run."""
    X, y = digits()
    ((name, three),) = column.epochs(3).items()

    def epochs_run(grid: dict[str, list[Any]]) -> list[float]:
        search = GridSearchCV(
            column.make().set_params(**{name: three}),
            grid,
            scoring=lambda fitted, X, y: len(column.losses(fitted)),
            cv=2,
            error_score="raise",
        )
        return search.fit(X, y).cv_results_["mean_test_score"].tolist()

    one = column.epochs(1)[name]
    return epochs_run({name: [one, three]}) == [1, 3] and epochs_run({"warm_start": [False]}) == [3]


def keeps_parameters(column: Column) -> bool:
    """Compare the parameters of a clone."""
    plain = (bool, int, float, str, tuple, list, dict)

    def same(a: Any, b: Any) -> bool:
        return type(a) is type(b) and (a == b if isinstance(a, plain) else True)

    estimator = column.make()
    before, after = estimator.get_params(), clone(estimator).get_params()
    return before.keys() == after.keys() and all(same(before[key], after[key]) for key in before)


def suggests_spelling(column: Column) -> bool:
    """Leave out the last letter of a parameter; the error must name it more often than others."""
    estimator = column.make()
    (name,) = column.epochs(1)
    others = estimator.get_params().keys() - {name}
    try:
        estimator.set_params(**{name[:-1]: 1})
    except (TypeError, ValueError) as error:
        message = str(error)
        return message.count(f"'{name}'") > max(message.count(f"'{other}'") for other in others)
    return False


def takes_images(column: Column) -> bool:
    """Fit on images that are not flattened."""
    X, y = digits()
    shapes = (300, 8, 8), (300, 8, 8, 1)
    return all(
        column.make().fit(X.reshape(shape), y).predict(X.reshape(shape)).shape == (300,)
        for shape in shapes
    )


def predicts_float64(column: Column) -> bool:
    """Predict the same values in double precision."""
    X, y = digits()
    fitted = column.make().fit(X, y)
    return np.array_equal(fitted.predict(X.astype(np.float64)), fitted.predict(X))


def predicts_after_uint8(column: Column) -> bool:
    """Fit on bytes, as images are read, and predict floats, as a resized image has."""
    X, y = digits()
    X = (16 * X).astype(np.uint8)
    fitted = column.make().fit(X, y)
    return np.array_equal(fitted.predict(X.astype(np.float32)), fitted.predict(X))


def names_features(column: Column) -> bool:
    """Fit on a data frame."""
    X, y = digits()
    frame = pd.DataFrame(X, columns=[f"pixel{i}" for i in range(64)])
    return column.make().fit(frame, y).feature_names_in_.tolist() == list(frame.columns)


def takes_categories(column: Column) -> bool:
    """Fit on a data frame whose columns are categories, all of them numbers."""
    X, y = digits()
    frame = pd.DataFrame(16 * X, columns=[f"pixel{i}" for i in range(64)]).astype(int)
    categories = frame.astype("category")
    fitted = column.make().fit(categories, y)
    return np.array_equal(fitted.predict(categories), fitted.predict(frame))


def repeats(column: Column) -> bool:
    """Fit twice with one `random_state`."""
    X, y = digits()
    first, second = (
        column.make().set_params(random_state=1).fit(X, y).predict_proba(X) for _ in range(2)
    )
    return np.array_equal(first, second)


def leaves_generators(column: Column) -> bool:
    """Compare what the global generators draw with and without a seeded fit before."""
    X, y = digits()
    estimator = column.make().set_params(random_state=1)
    before = switches()
    estimator.fit(X, y)
    draw_unseeded()
    seed_all(2)
    expected = draws()
    seed_all(2)
    # Old versions of Keras have a generator that seeding does not set.
    seeded = [one == other for one, other in zip(expected, draws(), strict=True)]
    seed_all(2)
    estimator.fit(X, y)
    same = [one == other for one, other in zip(expected, draws(), strict=True)]
    return same == seeded and switches() == before


def obeys_weights(column: Column) -> bool:
    """Give a class no weight; it must not be predicted then."""
    X, y = digits()
    weights = (y != 9).astype(np.float64)
    return 9 not in column.make().fit(X, y, sample_weight=weights).predict(X)


def takes_whole_weights(column: Column) -> bool:
    """Give weights that are integers, as counts are."""
    X, y = digits()
    fitted = balanced(column.make()).fit(X, y, sample_weight=1 + np.arange(300) % 3)
    return fitted.predict(X).shape == (300,)


def leaves_weights(column: Column) -> bool:
    """Compare the array of weights before and after a fit."""
    X, y = digits()
    weights = np.linspace(1, 2, 300)
    before = weights.copy()
    balanced(column.make()).fit(X, y, sample_weight=weights)
    return np.array_equal(weights, before)


def routes_weights(column: Column) -> bool:
    """Send weights through cross-validation and a pipeline; a class with none never comes out."""
    X, y = digits()
    weights = (y != 9).astype(np.float64)
    with config_context(enable_metadata_routing=True):
        classifier = column.make().set_fit_request(sample_weight=True)
        pipe = Pipeline([("scale", MinMaxScaler()), ("network", classifier)])
        predicted = cross_val_predict(pipe, X, y, cv=3, params={"sample_weight": weights})
    return 9 not in predicted


def balances_classes(column: Column) -> bool:
    """Fit with weights of the classes that balance them."""
    X, y = two_classes()
    fitted = column.make(2).set_params(class_weight="balanced").fit(X, y)
    return fitted.predict(X).shape == (300,)


def fits_in_parts(column: Column) -> bool:
    """Fit on a batch that lacks a class, then on one that has it."""
    X, y = digits()
    estimator = column.make()
    estimator.partial_fit(X[y < 9], y[y < 9], classes=np.arange(10))
    return estimator.partial_fit(X, y).predict_proba(X).shape == (300, 10)


def starts_warm(column: Column) -> bool:
    """Fit one epoch more; its loss must be far below that of the very first epoch."""
    X, y = digits()
    estimator = column.make().set_params(warm_start=True).fit(X, y)
    first = column.losses(estimator)[0]
    estimator.set_params(**column.epochs(1)).fit(X, y)
    return column.losses(estimator)[-1] < first / 2


def holds_out_each_class(column: Column) -> bool:
    """Hold out a fifth of sorted data; the last classes must still be learned."""
    X, y = sorted_digits()
    fitted = column.make().set_params(**column.early_stopping()).fit(X, y)
    return np.mean(fitted.predict(X[y == 9]) == 9) > 0.5


def calls_back(column: Column) -> bool:
    """Count the scores that scikit-learn's monitor sees, one an epoch."""
    callback = optional("sklearn.callback")
    X, y = digits()
    monitor = callback.ScoringMonitor(scoring="accuracy")
    fitted = column.make().set_callbacks(callback.ProgressBar(), monitor).fit(X, y)
    scores = [row["accuracy"] for row in monitor.get_logs().data if "accuracy" in row]
    return len(scores) >= len(column.losses(fitted))


def pickles(column: Column) -> bool:
    """Predict after a round trip through a pickle."""
    X, y = digits()
    fitted = column.make().fit(X, y)
    return np.array_equal(pickle.loads(pickle.dumps(fitted)).predict(X), fitted.predict(X))


def persists_with_skops(column: Column) -> bool:
    """Predict after a round trip through skops, trusting types of the estimator's package only."""
    skops = optional("skops.io")
    X, y = digits()
    fitted = column.make().fit(X, y)
    data = skops.dumps(fitted)
    types = skops.get_untrusted_types(data=data)
    own = type(fitted).__module__.partition(".")[0]
    foreign = [name for name in types if name.partition(".")[0] not in (own, "__main__")]
    if foreign:
        raise TypeError(f"types of others would have to be trusted: {', '.join(foreign)}")
    return np.array_equal(skops.loads(data, trusted=types).predict(X), fitted.predict(X))


def switches() -> dict[str, Any]:
    """Return settings of the process that a fit might change."""
    found: dict[str, Any] = {
        name: value for name, value in os.environ.items() if name.startswith(("TF_", "KERAS_"))
    }
    if keras := sys.modules.get("keras"):
        found["dtype policy"] = keras.config.dtype_policy().name
        found["floatx"] = keras.config.floatx()
    if torch := sys.modules.get("torch"):
        found["deterministic"] = torch.are_deterministic_algorithms_enabled()
    return found


def draw_unseeded() -> None:
    """Draw from TensorFlow without a seed, which it refuses where determinism is switched on.

    It looks at that switch once in a process: so this feature is tried before all others.
    """
    if tensorflow := sys.modules.get("tensorflow"):
        tensorflow.random.set_seed(None)
        tensorflow.random.uniform([1])


def seed_all(seed: int) -> None:
    """Seed the global generators of what is imported."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  the global one is meant
    if keras := sys.modules.get("keras"):
        keras.utils.set_random_seed(seed)  # TensorFlow's too
    if torch := sys.modules.get("torch"):
        torch.manual_seed(seed)


def draws() -> list[float]:
    """Draw a number from each global generator of what is imported."""
    numbers = [random.random(), float(np.random.rand())]  # noqa: NPY002  the global one is meant
    if keras := sys.modules.get("keras"):
        numbers.append(float(keras.random.uniform(())))
    if tensorflow := sys.modules.get("tensorflow"):
        numbers.append(float(tensorflow.random.uniform([])))
    if torch := sys.modules.get("torch"):
        numbers.append(float(torch.rand(())))
    return numbers


CLASSIFIER = "A classifier to scikit-learn (`is_classifier`)"
FIRST = "A seeded fit leaves the global generators alone"
CHECKS = "checks"
FEATURES: dict[str, Callable[[Column], bool]] = {
    CLASSIFIER: is_a_classifier,
    "`cv=3` is stratified": stratifies,
    "Labels come back as they were, strings too": returns_labels,
    "`predict_proba`": gives_probabilities,
    "Scorer `roc_auc`": scores_roc_auc,
    "`CalibratedClassifierCV`": calibrates,
    "Soft `VotingClassifier`": votes,
    "`TunedThresholdClassifierCV`": tunes_threshold,
    "`GridSearchCV` trains with the epochs set or searched": searches,
    "`clone` keeps every parameter": keeps_parameters,
    "A misspelled parameter: the right one is suggested": suggests_spelling,
    "Images of three and four dimensions": takes_images,
    "Fitted on float32, predicts float64": predicts_float64,
    "Fitted on uint8, predicts floats": predicts_after_uint8,
    "Data frames: `feature_names_in_`": names_features,
    "Data frames: categorical columns of numbers": takes_categories,
    "Same `random_state`, same bits": repeats,
    FIRST: leaves_generators,
    "`sample_weight` takes effect": obeys_weights,
    "`sample_weight` of whole numbers": takes_whole_weights,
    "`sample_weight` is left unchanged": leaves_weights,
    "`sample_weight` routed through a pipeline": routes_weights,
    '`class_weight="balanced"`': balances_classes,
    "`partial_fit`, the first batch lacking a class": fits_in_parts,
    "`warm_start` goes on from the last fit": starts_warm,
    "Early stopping holds out some of each class": holds_out_each_class,
    "scikit-learn's callbacks, one call an epoch": calls_back,
    "pickle": pickles,
    "skops, with no type of others trusted": persists_with_skops,
}

# %% [markdown]
# ## One process for each estimator
#
# scikeras changes settings of the whole process, and what crashes or hangs must not take
# the rest with it. A "no" is tried again in a process of its own, so that it is not blamed
# for what another feature has left behind.

# %%
Line = dict[str, Any]


def first_line(error: BaseException) -> str:
    """Return kind and first line of an error."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__


def try_feature(name: str, column: Column) -> Line:
    """Return whether an estimator has a feature, and if not, why."""
    seed_all(0)  # not all have a `random_state`, and the answers are to repeat
    try:
        answer, reason = ("yes", "") if FEATURES[name](column) else ("no", "another result")
    except NotTried as error:
        answer, reason = "not tried", str(error)
    except Exception as error:
        answer, reason = "no", first_line(error)
    return {"feature": name, "answer": answer, "reason": reason}


def run_checks(column: Column, report: Callable[[Line], None]) -> None:
    """Run scikit-learn's estimator checks, and report each as it comes."""

    def on_check(check_name: str, status: str, exception: Any, estimator: Any, **_: Any) -> None:
        reason = "" if exception is None else first_line(exception)
        line = {"check": check_name, "status": status, "reason": reason}
        # scikit-learn gives some checks on its own estimators others than it was given.
        report(line if estimator is given else line | {"instead": repr(estimator)})

    try:
        given = column.make_checked()
        seed_all(0)
        check_estimator(given, on_fail=None, on_skip=None, callback=on_check)
    except Exception as error:
        report({"check": "the checks themselves", "status": "error", "reason": first_line(error)})


def work(name: str, tasks: Sequence[str]) -> None:
    """Try features in this process and print an answer a line, as JSON."""
    channel = os.fdopen(os.dup(1), "w", buffering=1)
    with open(os.devnull, "w") as nothing:  # what libraries print
        os.dup2(nothing.fileno(), 1)
        os.dup2(nothing.fileno(), 2)
    warnings.simplefilter("ignore")

    def report(line: Line) -> None:
        channel.write(json.dumps(line) + "\n")

    for module in COLUMNS[name].requires:  # what is not imported is not seeded
        importlib.import_module(module)
    for task in sorted(tasks, key=lambda task: task != FIRST):
        if task == CHECKS:
            run_checks(COLUMNS[name], report)
            report({"feature": CHECKS, "answer": "yes", "reason": ""})
        else:
            report(try_feature(task, COLUMNS[name]))


def run_worker(name: str, tasks: Sequence[str], timeout: float) -> Iterator[Line]:
    """Try features in another process; yield its answers.

    Parameters
    ----------
    name : str
        Key of the column.
    tasks : sequence of str
        Keys of `FEATURES`, or `CHECKS`.
    timeout : float
        Seconds without an answer after which the process is ended.

    Yields
    ------
    dict
        As :func:`try_feature` and :func:`run_checks` make them. A task that the process did
        not come to the end of is answered "no".
    """
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__)), "--worker", name, *tasks],
        stdout=subprocess.PIPE,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "SCIPY_ARRAY_API": "1"},  # one check's
        text=True,
    )
    left, silent = list(tasks), threading.Event()

    def give_up() -> None:
        silent.set()
        process.kill()

    timer = threading.Timer(timeout, give_up)
    timer.start()
    try:
        for text in process.stdout or ():
            timer.cancel()
            timer = threading.Timer(timeout, give_up)
            timer.start()
            line = json.loads(text)
            if line.get("feature") in left:
                left.remove(line["feature"])
            yield line
    finally:
        timer.cancel()
        process.kill()
        process.communicate()
    end = f"no answer in {timeout:g} s" if silent.is_set() else "the process ended early"
    for task in left:
        yield {"feature": task, "answer": "no", "reason": end}


def run_column(
    name: str,
    features: Sequence[str],
    checks: bool,
    timeout: float,
    progress: Callable[[str], None] = lambda done: None,
) -> dict[str, Any]:
    """Try everything on one estimator.

    Parameters
    ----------
    name : str
        Key of the column.
    features : sequence of str
        Keys of `FEATURES`.
    checks : bool
        Whether to run the estimator checks.
    timeout : float
        Seconds without an answer after which a process is ended.
    progress : callable
        Called with the name of each feature and check that is done.

    Returns
    -------
    dict
        `installed`, a bool; `features`, for each the `answer` and the `reason`; `checks`, a
        list with `check`, `status` and `reason` of each; `stopped`, why they ended early, or "".
    """
    column: dict[str, Any] = {
        "installed": is_installed(name), "features": {}, "checks": [], "stopped": "",
    }  # fmt: skip
    if not column["installed"]:
        return column
    answers = column["features"]
    for line in run_worker(name, features, timeout):
        progress(line["feature"])
        answers[line.pop("feature")] = line
    for feature in [feature for feature, line in answers.items() if line["answer"] == "no"]:
        (line,) = run_worker(name, [feature], timeout)
        answers[line.pop("feature")] = line
    for line in run_worker(name, [CHECKS], timeout) if checks else ():
        if "check" in line:
            progress(line["check"])
            column["checks"].append(line)
        else:
            column["stopped"] = line["reason"]
    return column


def is_installed(name: str) -> bool:
    """Look for the modules of a column without importing them."""
    return all(importlib.util.find_spec(module) is not None for module in COLUMNS[name].requires)


# %% [markdown]
# ## The table

# %%
PACKAGES = {
    "TensorFlow": "tensorflow",
    "Keras": "keras",
    "scikit-learn": "scikit-learn",
    "scikeras": "scikeras",
    "skorch": "skorch",
    "PyTorch": "torch",
    "skops": "skops",
}
MARKS = {"yes": "✓", "no": "–", "not tried": "?"}
SHOWN = 8
"""Failed checks named below the table; the JSON file has them all, with the reasons."""
STATUSES = ("run", "passed", "failed", "skipped")
EQUIVALENCE = "check_sample_weight_equivalence_on_dense_data"
Results = dict[str, dict[str, Any]]


def versions() -> str:
    """Name the installed versions, on one line."""

    def installed(package: str) -> str:
        try:
            return version(package)
        except PackageNotFoundError:
            return "not installed"

    found = [f"{title} {installed(package)}" for title, package in PACKAGES.items()]
    return ", ".join([f"Python {platform.python_version()}", *found])


def count_checks(checks: Iterable[Line], status: str) -> int:
    """Count the checks of a status; "run" are all but those skipped."""
    of = [line["status"] for line in checks]
    return sum(s in ("passed", "failed") for s in of) if status == "run" else of.count(status)


def summary(result: dict[str, Any]) -> str:
    """Say in a line how an estimator did."""
    if not result["installed"]:
        return "not installed"
    answers = [line["answer"] for line in result["features"].values()]
    checks = result["checks"]
    parts = [f"{answers.count('yes')} of {len(answers)} features"]
    if checks:
        passed, run = count_checks(checks, "passed"), count_checks(checks, "run")
        parts.append(f"{passed} of {run} estimator checks")
    return ", ".join(parts)


def cells(results: Results) -> pd.DataFrame:
    """Lay the results out, a row for each number of checks and each feature.

    Returns
    -------
    DataFrame of str
        Columns are the titles of the estimators.
    """

    def column(result: dict[str, Any]) -> dict[str, str]:
        rows = {}
        if any(other["checks"] for other in results.values()):
            for status in STATUSES:
                number = count_checks(result["checks"], status)
                rows[f"Estimator checks {status}"] = str(number) if result["checks"] else ""
        for feature in FEATURES:
            if any(feature in other["features"] for other in results.values()):
                line = result["features"].get(feature)
                rows[feature] = MARKS[line["answer"]] if line else ""
        return rows if result["installed"] else dict.fromkeys(rows, "not installed")

    return pd.DataFrame({COLUMNS[name].title: column(result) for name, result in results.items()})


def notes(results: Results) -> list[str]:
    """Say what the numbers of checks do not."""
    lines, failures = [], set()
    for name, result in results.items():
        title, checks = COLUMNS[name].title, result["checks"]
        failed = [line["check"] for line in checks if line["status"] == "failed"]
        failures |= set(failed)
        if failed:
            names = [f"`{check}`" for check in dict.fromkeys(failed)]
            shown = ", ".join(names[:SHOWN]) + (" and others" if len(names) > SHOWN else "")
            lines.append(f"Failed by {title}: {shown}.")
        if checks and result["features"].get(CLASSIFIER, {}).get("answer") == "no":
            lines.append(
                f"{title} is no classifier to scikit-learn: the checks of classifiers are left out."
            )
        lines += [
            f"scikit-learn runs `{line['check']}` on `{line['instead']}` in place of the one given."
            for line in checks
            if "instead" in line
        ]
        ends = [line["reason"] for line in checks if line["status"] == "error"]
        ends += [result["stopped"]] if result["stopped"] else []
        lines += [f"The checks of {title} did not end: {end}." for end in ends]
    if EQUIVALENCE in failures:
        lines.append(
            f"`{EQUIVALENCE}` wants weights to equal repeated rows to seven digits, which they do "
            "not where batches, dropout, augmentation or a hold-out are random."
        )
    return lines


def to_markdown(results: Results) -> str:
    """Write the results as a page of Markdown."""
    table = cells(results)
    rows = [
        ["", *table.columns],
        ["---", *[":---:"] * len(table.columns)],
        *([label, *row] for label, row in zip(table.index, table.to_numpy(), strict=True)),
    ]
    parts = [
        f"{versions()}.",
        "Found by running `python examples/compare_wrappers.py --output docs/wrappers.md`. "
        "✓ yes, – no or an error, ? not tried. All have a small network: the wrappers the same "
        f"one with {UNITS} hidden units. Only for the estimator checks CNNClassifier and "
        "MLPClassifier have their defaults.",
        "\n".join(f"| {' | '.join(row)} |" for row in rows),
        *notes(results),
    ]
    return "\n\n".join(parts) + "\n"


def to_json(results: Results) -> str:
    """Write the results with the reason of every "no"."""
    content = {"versions": versions(), "columns": results}
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def read_earlier(path: Path) -> Results:
    """Read the columns of an earlier run.

    Raises
    ------
    ValueError
        If it was made with other versions than those installed now.
    """
    content = json.loads(path.read_text(encoding="utf-8"))
    if content["versions"] != versions():
        raise ValueError(
            f"{path} was made with {content['versions']}; installed are {versions()}. "
            "Run its columns again."
        )
    return content["columns"]


WRITERS: dict[str, Callable[[Results], str]] = {
    ".md": to_markdown,
    ".csv": lambda results: cells(results).to_csv(index_label="feature"),
    ".json": to_json,
}


def show(results: Results, console: Console) -> None:
    """Print the table."""
    table = cells(results)
    shown = Table(pad_edge=False)
    shown.add_column("")
    for title in table.columns:
        shown.add_column(title.replace(" ", "\n"), justify="center")
    for label, row in zip(table.index, table.to_numpy(), strict=True):
        shown.add_row(label.replace("`", ""), *row)
    console.print(shown)
    for line in notes(results):
        console.print(line.replace("`", ""), highlight=False)


# %% [markdown]
# ## The command line


# %%
def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Compare wrappers of networks, by running them.")
    parser.add_argument(
        "--only", metavar="NAME", choices=list(COLUMNS), nargs="+", default=list(COLUMNS),
        help=f"columns to run: {', '.join(COLUMNS)}",
    )  # fmt: skip
    parser.add_argument(
        "--output", metavar="FILE", type=Path, nargs="+", default=[],
        help="where to write the table, as .md, .csv or .json (with the reasons)",
    )  # fmt: skip
    parser.add_argument(
        "--keep", metavar="FILE", type=Path,
        help="a .json of an earlier run; its columns are shown beside those run now",
    )  # fmt: skip
    parser.add_argument("--no-checks", action="store_true", help="features only")
    parser.add_argument(
        "--timeout", metavar="SECONDS", type=float, default=300.0,
        help="how long to wait for one feature or check (default: 300)",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    for path in options.output:
        if path.suffix not in WRITERS:
            parser.error(f"--output takes files ending in {', '.join(WRITERS)}; got {path}.")
    return options


def main(arguments: Sequence[str] | None = None) -> Results:
    """Run the comparison, print it and write it."""
    options = parse(arguments)
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(versions(), highlight=False, soft_wrap=True)
    kept = read_earlier(options.keep) if options.keep else {}
    results = {name: kept[name] for name in COLUMNS if name in kept}
    errors = Console(stderr=True)
    with Progress(console=errors, disable=not errors.is_terminal, transient=True) as bar:
        for name in options.only:
            title = COLUMNS[name].title
            task = bar.add_task(title, total=len(FEATURES) + 55 * (not options.no_checks))

            def advance(done: str, task: Any = task, title: str = title) -> None:
                bar.update(task, advance=1, description=f"{title}: {done.replace('`', '')}")

            results[name] = run_column(
                name, list(FEATURES), not options.no_checks, options.timeout, advance
            )
            results = {name: results[name] for name in COLUMNS if name in results}  # in order
            bar.remove_task(task)
            errors.print(f"{title}: {summary(results[name])}", highlight=False)
            for path in options.output:  # after each column: nothing is lost
                path.write_text(WRITERS[path.suffix](results), encoding="utf-8")
    show(results, console)
    return results


# %%
if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        work(sys.argv[2], sys.argv[3:])
    else:
        main()
