"""Compare this package with other ways to classify MNIST, by training and measuring each.

Every method learns the 60,000 training images and is judged on the 10,000 test images, for
each seed in a process of its own, so that memory and time are its own; GPUs are hidden from
all. Results go to a CSV file as they come, one line for a method and a seed; what stands
there already is not run again, so an interrupted run goes on where it stopped.

    python examples/benchmarks/compare.py                    # everything: hours on two cores
    python examples/benchmarks/compare.py --only keras fast  # a part
    python examples/benchmarks/compare.py --only keras --seeds 0 1 2 3 4
    python examples/benchmarks/compare.py --table            # only show what is there

Then docs/benchmark.md and its picture are written. Peers: `pip install scikeras torch`; one
that is not installed is left out. Seconds swing with what else the machine does: so seed 0 of
every method runs first, then seed 1, and times are shown as shares of Keras's example too.
"""

import argparse
import csv
import dataclasses
import importlib
import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from reporting import ABSENT, machine, memory, to_markdown, versions
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from mnist_estimator import EvaluationReport, __version__, load_mnist
from mnist_estimator.plotting import BEST_EPOCH_COLOR, TRAINING_COLOR

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Annotation
    from matplotlib.transforms import Bbox

ROOT = Path(__file__).resolve().parents[2]
N_TRAIN = 60_000

# ---------------------------------------------------------------------------------------
# The methods. What they need is imported when they are made: each runs without the others.

KERAS = {"batch_size": 128, "validation_split": 0.1}
TORCH = {"batch_size": 64, "lr": 1.0, "gamma": 0.7}
MLP = {"hidden_layer_sizes": (256,), "early_stopping": True}
SUPPORT_VECTORS = {"C": 10.0, "gamma": "scale", "cache_size": 1000}  # MB
NEIGHBORS = {"n_neighbors": 3}


def scale(X: np.ndarray) -> np.ndarray:
    """Scale bytes to [0, 1]."""
    return X.astype(np.float32) / 255


def scale_images(X: np.ndarray) -> np.ndarray:
    """Scale flat rows of bytes, and bring them to the form that Keras takes."""
    return scale(X).reshape(-1, 28, 28, 1)


def make_ours(preset: str, seed: int, epochs: int | None) -> Any:
    """Make the pipeline of this package."""
    from mnist_estimator import make_pipeline

    changed: dict[str, Any] = {} if epochs is None else {"epochs": epochs}
    return make_pipeline(preset, random_state=seed, **changed)


def make_scaled(estimator: Any) -> Any:
    """Put the scaling of pixels before an estimator."""
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import FunctionTransformer

    return Pipeline([("scale", FunctionTransformer(scale)), ("estimator", estimator)])


def keras_network() -> Any:
    """Build the network of Keras's example."""
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )


class KerasExample:
    """Keras's example, https://keras.io/examples/vision/mnist_convnet, as a classifier."""

    def __init__(self, seed: int, epochs: int | None) -> None:
        self.seed = seed
        self.epochs = epochs

    def fit(self, X: np.ndarray, y: np.ndarray) -> "KerasExample":
        """Train as the example does."""
        import keras

        keras.utils.set_random_seed(self.seed)
        self.network_ = keras_network()
        self.network_.compile(
            loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"]
        )
        targets = keras.utils.to_categorical(y, 10)
        told = self.network_.fit(scale_images(X), targets, epochs=self.epochs, verbose=0, **KERAS)
        self.history_ = told.history
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Return the probability of each digit."""
        return self.network_.predict(scale_images(X), verbose=0)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return the most probable digit."""
        return self.predict_proba(X).argmax(axis=1)


class ScikerasExample:
    """The network of Keras's example in scikeras's wrapper.

    No `Pipeline` scales the pixels: with scikit-learn 1.6 it can't hold scikeras's wrapper.
    """

    def __init__(self, seed: int, epochs: int | None) -> None:
        self.seed = seed
        self.epochs = epochs

    def fit(self, X: np.ndarray, y: np.ndarray) -> "ScikerasExample":
        """Train the wrapper as Keras's example does."""
        from scikeras.wrappers import KerasClassifier

        self.wrapper_ = KerasClassifier(
            keras_network,
            loss="categorical_crossentropy",
            optimizer="adam",
            metrics=["accuracy"],
            epochs=self.epochs,
            verbose=0,
            random_state=self.seed,
            **KERAS,
        )
        self.wrapper_.fit(scale_images(X), y)
        self.history_ = self.wrapper_.history_
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Return the probability of each digit."""
        return self.wrapper_.predict_proba(scale_images(X))

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return the most probable digit."""
        return self.wrapper_.predict(scale_images(X))


def torch_network() -> Any:
    """Build the network of PyTorch's example; its softmax is in the loss."""
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(1, 32, 3),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout(0.25),
        nn.Flatten(),
        nn.Linear(9216, 128),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(128, 10),
    )


class TorchExample:
    """PyTorch's example, https://github.com/pytorch/examples/tree/main/mnist, as a classifier."""

    def __init__(self, seed: int, epochs: int | None) -> None:
        self.seed = seed
        self.epochs = epochs or 0

    def fit(self, X: np.ndarray, y: np.ndarray) -> "TorchExample":
        """Train as the example does, but on shuffled images that are in memory already."""
        import torch

        torch.manual_seed(self.seed)
        self.network_ = torch_network()
        images, labels = self._images(X), torch.from_numpy(y)
        optimizer = torch.optim.Adadelta(self.network_.parameters(), lr=TORCH["lr"])
        schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=TORCH["gamma"])
        for _ in range(self.epochs):
            self.network_.train()
            for rows in torch.randperm(len(images)).split(TORCH["batch_size"]):
                optimizer.zero_grad()
                loss = torch.nn.functional.cross_entropy(self.network_(images[rows]), labels[rows])
                loss.backward()
                optimizer.step()
            schedule.step()
        self.n_iter_ = self.epochs
        return self

    @staticmethod
    def _images(X: np.ndarray) -> Any:
        """Standardize the pixels with the numbers that stand in the example."""
        import torch

        return torch.from_numpy((scale(X) - 0.1307) / 0.3081).reshape(-1, 1, 28, 28)

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Return the probability of each digit."""
        import torch

        self.network_.eval()
        with torch.no_grad():
            parts = [self.network_(part).softmax(dim=1) for part in self._images(X).split(1000)]
        return torch.cat(parts).numpy()

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return the most probable digit."""
        return self.predict_proba(X).argmax(axis=1)


def make_mlp(seed: int, epochs: int | None) -> Any:
    """Make scikit-learn's own network."""
    from sklearn.neural_network import MLPClassifier

    return make_scaled(MLPClassifier(max_iter=epochs, random_state=seed, **MLP))


def make_svc(seed: int, epochs: int | None) -> Any:
    """Make a support vector machine."""
    from sklearn.svm import SVC

    return make_scaled(SVC(**SUPPORT_VECTORS))


def make_neighbors(seed: int, epochs: int | None) -> Any:
    """Make nearest neighbours."""
    from sklearn.neighbors import KNeighborsClassifier

    return make_scaled(KNeighborsClassifier(**NEIGHBORS))


def make_boosting(seed: int, epochs: int | None) -> Any:
    """Make gradient boosting of trees."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    return make_scaled(HistGradientBoostingClassifier(max_iter=epochs, random_state=seed))


@dataclass(frozen=True)
class Method:
    """A way to classify digits.

    Attributes
    ----------
    name : str
        What it is called on the command line and in the CSV file.
    title : str
        What it is called in the table.
    make : callable
        `make(seed, epochs)` returns an object with `fit`, `predict` and, if it gives
        probabilities, `predict_proba`. They take flat rows of bytes.
    needs : tuple of str
        Modules without which it is not installed; imported before the clock starts.
    note : str
        What to know of it.
    about : float
        Seconds of a run on two cores, until one has been measured.
    seeds : sequence of int
        The seeds of a whole run.
    settings : mapping
        Its parameters. What has other ones is run again.
    preset : str or None
        That of our pipeline, whose parameters belong to the settings.
    epochs : int or None
        Epochs, or at most so many, or trees; None for what has none or knows its own.
    published : int or None
        The epochs that it has where it comes from.
    in_epochs : bool
        Whether it learns in epochs at all.
    """

    name: str
    title: str
    make: Callable[[int, int | None], Any]
    needs: tuple[str, ...]
    note: str
    about: float
    seeds: Sequence[int] = (0,)
    settings: Mapping[str, Any] = field(default_factory=dict)
    preset: str | None = None
    epochs: int | None = None
    published: int | None = None
    in_epochs: bool = True

    @property
    def label(self) -> str:
        """The title, with the epochs where they are not those published."""
        if self.epochs == self.published:
            return self.title
        if self.published is None:
            return f"{self.title}, epochs={self.epochs}"
        return f"{self.title}, {self.epochs} of {self.published} epochs"

    @property
    def missing(self) -> list[str]:
        """Modules that are not installed; none is imported for it."""
        return [module for module in self.needs if importlib.util.find_spec(module) is None]


def ours(preset: str, seeds: Sequence[int], about: float, note: str) -> Method:
    """Return the method of a preset."""
    return Method(
        preset,
        f'make_pipeline("{preset}")',
        lambda seed, epochs: make_ours(preset, seed, epochs),
        ("tensorflow", "keras", "mnist_estimator.pipeline"),
        note,
        about,
        seeds,
        preset=preset,
    )


LIST = (
    ours("fast", range(10), 10, "this package."),
    ours("balanced", range(10), 60, "this package's default, `make_pipeline()`."),
    ours("accurate", range(3), 400, "this package: three networks in one classifier."),
    Method(
        "keras",
        "Keras's example",
        KerasExample,
        ("tensorflow", "keras"),
        "the network and the training of keras.io/examples/vision/mnist_convnet.",
        210,
        range(3),
        KERAS,
        epochs=15,
        published=15,
    ),
    Method(
        "scikeras",
        "scikeras, the same network",
        ScikerasExample,
        ("tensorflow", "keras", "scikeras"),
        "`KerasClassifier` around Keras's example, with `random_state`.",
        220,
        settings=KERAS,
        epochs=15,
        published=15,
    ),
    Method(
        "torch",
        "PyTorch's example",
        TorchExample,
        ("torch",),
        "the network and the training of pytorch/examples/mnist, stopped after the epochs stated "
        "(`--epochs-torch`). Its images are decoded beforehand, and shuffled, which it does on a "
        "GPU only.",
        190,
        settings=TORCH,
        epochs=3,
        published=14,
    ),
    Method(
        "mlp",
        "MLPClassifier",
        make_mlp,
        ("sklearn.neural_network",),
        "scikit-learn's, with 256 hidden units and early stopping.",
        60,
        settings=MLP,
        epochs=200,
        published=200,
    ),
    Method(
        "svc",
        "SVC",
        make_svc,
        ("sklearn.svm",),
        "scikit-learn's, RBF kernel, C=10, a cache of 1,000 MB. It gives no probabilities.",
        400,
        settings=SUPPORT_VECTORS,
        in_epochs=False,
    ),
    Method(
        "boosting",
        "HistGradientBoostingClassifier",
        make_boosting,
        ("sklearn.ensemble",),
        "scikit-learn's, with its defaults; its epochs are rounds of ten trees.",
        100,
        epochs=100,
        published=100,
    ),
    Method(
        "neighbors",
        "KNeighborsClassifier(3)",
        make_neighbors,
        ("sklearn.neighbors",),
        "scikit-learn's. Its fit only stores the images.",
        20,
        settings=NEIGHBORS,
        in_epochs=False,
    ),
)
METHODS = {method.name: method for method in LIST}


def settings_of(method: Method) -> str:
    """Return all parameters of a method; for ours, which imports TensorFlow, defaults too."""
    settings = dict(method.settings)
    if method.preset is not None:
        pipe = make_ours(method.preset, 0, method.epochs)
        settings |= pipe[-1].get_params() | {"random_state": None, "version": __version__}
    return json.dumps(settings, sort_keys=True, default=str)


# ---------------------------------------------------------------------------------------
# One run, in the process of a worker.

FIELDS = ["method", "seed", "n_train", "epochs", "accuracy", "weighted_f1", "f1_of_1", "f1_of_2"]
FIELDS += ["log_loss", "ece", "fit_seconds", "cpu_seconds", "epochs_run", "images_per_second"]
FIELDS += ["peak_mb", "added_mb", "parameters"]


def measure(method: Method, seed: int, n_train: int) -> dict[str, Any]:
    """Train a method, judge it on the test images, and return its line of the CSV file."""
    for module in method.needs:
        importlib.import_module(module)
    X, y = load_mnist("train", return_X_y=True)
    X_test, y_test = (array[:n_train] for array in load_mnist("test", return_X_y=True))
    model = method.make(seed, method.epochs)
    before, _ = memory()
    started, cpu_started = time.perf_counter(), time.process_time()
    model.fit(X[:n_train], y[:n_train])
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu_started
    proba = model.predict_proba(X_test) if hasattr(model, "predict_proba") else None
    if proba is None:
        model.predict(X_test)  # warm as the others
    started = time.perf_counter()
    predicted = model.predict(X_test)
    rate = len(X_test) / (time.perf_counter() - started)
    _, highest = memory()
    return {
        **{"method": method.name, "seed": seed, "n_train": n_train, "epochs": method.epochs},
        **quality(y_test, predicted, proba),
        **{"fit_seconds": round(seconds, 3), "cpu_seconds": round(cpu, 3)},
        **{"epochs_run": epochs_run(model) if method.in_epochs else None},
        **{"images_per_second": round(rate, 1)},
        **{"peak_mb": round(highest, 1), "added_mb": round(highest - before, 1)},
        **{"parameters": settings_of(method)},
    }


def quality(
    y_true: np.ndarray, y_pred: np.ndarray, proba: np.ndarray | None
) -> dict[str, float | None]:
    """Return how good predictions are; what needs probabilities is None without them."""
    report = EvaluationReport(y_true=y_true, y_pred=y_pred, classes=np.arange(10), proba=proba)
    f1 = report.per_class["f1"]
    numbers = {"accuracy": report.accuracy, "weighted_f1": report.f1.weighted}
    numbers |= {"f1_of_1": float(f1[1]), "f1_of_2": float(f1[2])}
    found: dict[str, float | None] = {name: round(value, 6) for name, value in numbers.items()}
    for name, value in (("log_loss", report.log_loss), ("ece", report.ece)):
        found[name] = None if value is None else round(value, 6)
    return found


def epochs_run(model: Any) -> int:
    """Return how many epochs a fitted model has learned, or the first one of several."""
    model = getattr(model, "estimators_", [model])[0]
    steps = getattr(model, "steps", [("", model)])
    fitted = steps[-1][1]
    return len(fitted.history_["loss"]) if hasattr(fitted, "history_") else int(fitted.n_iter_)


# ---------------------------------------------------------------------------------------
# All runs.


class RunError(Exception):
    """A worker did not come to its end."""


def ask_worker(*arguments: str) -> Any:
    """Run this script in another process, and return what its last line says."""
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    done = subprocess.run(
        [sys.executable, str(Path(__file__)), *arguments],
        env=os.environ | quiet | {"KERAS_BACKEND": "tensorflow"},
        capture_output=True,
        text=True,
    )
    if done.returncode < 0:
        raise RunError(f"ended by signal {-done.returncode}")
    lines = (done.stderr if done.returncode else done.stdout).strip().splitlines()
    if done.returncode or not lines:
        raise RunError(lines[-1] if lines else "it said nothing")
    return json.loads(lines[-1])


def epoch_options(method: Method) -> list[str]:
    """Return the arguments that give a worker the epochs of a method."""
    return [] if method.epochs is None else ["--epochs", str(method.epochs)]


def ask_parameters(method: Method) -> str:
    """Return the parameters of a method; a worker imports TensorFlow for ours."""
    if method.preset is None:
        return settings_of(method)
    return ask_worker("--parameters", method.name, *epoch_options(method))


def ask_run(method: Method, seed: int) -> dict[str, Any]:
    """Run a method with a seed in a process of its own."""
    return ask_worker("--worker", method.name, str(seed), *epoch_options(method))


def describe(today: str) -> str:
    """Return the first line of the CSV file, without its mark: machine, versions and date."""
    named = ", ".join(f"{title} {number}" for title, number in versions().items())
    return f"{machine()}; {named}; {today}"


def read_description(path: Path) -> str:
    """Return the first line of a CSV file, without its mark."""
    with path.open(encoding="utf-8") as file:
        return file.readline().removeprefix("#").strip()


def is_comparable(then: str, now: str) -> bool:
    """Tell whether runs under two descriptions may stand in one table.

    They may where the machine is the same, and each package that both have but ours, whose
    version is in the parameters.
    """

    def packages(description: str) -> dict[str, str]:
        items = description.split("; ")[1].split(", ")
        found = dict(item.split(" ", 1) for item in items)
        return {name: number for name, number in found.items() if number != ABSENT}

    if then.count("; ") != 2 or then.split("; ")[0] != now.split("; ")[0]:
        return False
    old, new = packages(then), packages(now)
    return all(old[name] == new[name] for name in old.keys() & new.keys() - {"mnist_estimator"})


def prepare(path: Path) -> None:
    """Begin the CSV file, or bring its first line up to date; refuse what can't be compared."""
    now = describe(date.today().isoformat())
    header = ",".join(FIELDS)
    lines = [header]
    if path.exists():
        then = read_description(path)
        lines = path.read_text("utf-8").splitlines()[1:] or [header]
        if lines[0] != header or not is_comparable(then, now):
            raise SystemExit(
                f"{path} holds runs of another machine, other versions or another script:\n"
                f"{then}\nwhile these would be of:\n{now}\n"
                "Remove it, or write to another file with --output."
            )
    new = path.with_name(f"{path.name}.new")
    new.write_text("\n".join([f"# {now}", *lines]) + "\n", encoding="utf-8")
    new.replace(path)


def append(path: Path, row: Mapping[str, Any]) -> None:
    """Write a run at the end of the CSV file."""
    with path.open("a", encoding="utf-8", newline="") as file:
        csv.DictWriter(file, FIELDS, lineterminator="\n").writerow(row)


def read(path: Path) -> pd.DataFrame:
    """Return the runs in the CSV file."""
    if not path.exists():
        return pd.DataFrame(columns=FIELDS)
    types: dict[str, Any] = {
        "epochs": "Int64",
        "epochs_run": "Int64",
        "parameters": str,
        "method": str,
    }
    return pd.read_csv(path, skiprows=1, dtype=types)


def select(runs: pd.DataFrame, method: Method, n_train: int) -> pd.DataFrame:
    """Return the runs of a method with so many images and its epochs."""
    of_method = runs[(runs["method"] == method.name) & (runs["n_train"] == n_train)]
    epochs = of_method["epochs"]
    return of_method[epochs.isna() if method.epochs is None else epochs.eq(method.epochs)]


Run = tuple[Method, int]


def order(methods: Iterable[Method], seeds: Sequence[int] | None) -> list[Run]:
    """Return the runs: seed by seed, so that what slows the machine slows all methods."""
    runs = [(method, seed) for method in methods for seed in seeds or method.seeds]
    return sorted(runs, key=lambda run: run[1])


def without_done(runs: Iterable[Run], path: Path, parameters: Mapping[str, str]) -> list[Run]:
    """Leave out what stands in the CSV file."""
    found, n_train, pending = read(path), training_size(), []
    for method, seed in runs:
        same = select(found, method, n_train)
        same = same[(same["seed"] == seed) & (same["parameters"] == parameters[method.name])]
        if same.empty:
            pending.append((method, seed))
    return pending


class RemainingColumn(ProgressColumn):
    """Time until the task is due, from the field "due", which counts from its start."""

    def render(self, task: Task) -> Text:
        """Write the time."""
        left = max(task.fields["due"] - (task.elapsed or 0.0), 0.0)
        return Text(f"about {left / 60:.0f} min left" if left > 90 else f"about {left:.0f} s left")


def run_all(runs: Sequence[Run], path: Path, console: Console) -> list[str]:
    """Run what is asked for, write each result as it comes, and return the failures."""
    failures = []
    expected = {method.name: method.about for method, _ in runs}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns, TimeElapsedColumn(), RemainingColumn(),
        console=console, disable=not console.is_terminal, transient=True,
        refresh_per_second=1,  # the processor is for the workers
    ) as bar:  # fmt: skip
        task = bar.add_task("", total=len(runs), due=0.0)
        for number, (method, seed) in enumerate(runs):
            left = sum(expected[other.name] for other, _ in runs[number:])
            due = (bar.tasks[0].elapsed or 0.0) + left
            bar.update(task, description=f"{method.name}, seed {seed}", due=due)
            started = time.perf_counter()
            try:
                row = ask_run(method, seed)
            except RunError as error:
                failures.append(f"{method.label}, seed {seed}: {error}")
                tell(console, f"Failed: {failures[-1]}")
            else:
                append(path, row)
                expected[method.name] = time.perf_counter() - started
                tell(console, f"{method.label}, seed {seed}: {said(row)}")
            bar.advance(task)
    return failures


def tell(console: Console, text: str) -> None:
    """Print a line as it is."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def said(row: Mapping[str, Any]) -> str:
    """Say how a run went."""
    return f"{100 * row['accuracy']:.2f} %, {row['fit_seconds']:.1f} s, {row['peak_mb']:.0f} MB"


# ---------------------------------------------------------------------------------------
# The table, the page and the picture.

MEASURES = ["accuracy", "weighted_f1", "f1_of_1", "f1_of_2", "log_loss", "ece", "fit_seconds"]
MEASURES += ["cpu_seconds", "epochs_run", "images_per_second", "peak_mb", "added_mb"]


def summarize(runs: pd.DataFrame, methods: Iterable[Method], n_train: int) -> pd.DataFrame:
    """Return mean and standard deviation of the runs of each method.

    Parameters
    ----------
    runs : DataFrame
        As :func:`read` returns them.
    methods : iterable of Method
        Those to look for. Where there are runs with several sets of parameters, the last
        set counts.
    n_train : int
        The number of training images that counts.

    Returns
    -------
    DataFrame
        A row for each method that has runs; columns are pairs of a measure and "mean" or
        "std", and ("seeds", "count"), ("share", "mean") and ("ours", "is").
    """
    rows = {}
    for method in methods:
        of_method = select(runs, method, n_train)
        of_method = of_method[of_method["parameters"].isin(of_method["parameters"].tail(1))]
        if of_method.empty:
            continue
        numbers = of_method[MEASURES].astype(float).agg(["mean", "std"])
        row = {(name, kind): numbers.loc[kind, name] for name in MEASURES for kind in numbers.index}
        row["seeds", "count"] = len(of_method)
        row["ours", "is"] = method.preset is not None
        rows[method.name] = row
    summary = pd.DataFrame.from_dict(rows, orient="index")
    if not summary.empty:
        seconds = summary["fit_seconds", "mean"]
        summary["share", "mean"] = seconds / seconds.get("keras", np.nan)
    return summary


def spread(summary: pd.DataFrame, name: str, factor: float = 1.0, digits: int = 2) -> list[str]:
    """Write mean ± standard deviation, the latter where there are several seeds."""
    return [
        "–" if np.isnan(mean)
        else f"{mean:,.{digits}f}" + ("" if np.isnan(sd) else f" ± {sd:,.{digits}f}")
        for mean, sd in factor * summary[name][["mean", "std"]].to_numpy(float)
    ]  # fmt: skip


def write_mean(summary: pd.DataFrame, name: str, pattern: str = "{:,.0f}") -> list[str]:
    """Write the means."""
    means = summary[name, "mean"].astype(float)
    return ["–" if np.isnan(mean) else pattern.format(mean) for mean in means]


def write_shares(summary: pd.DataFrame) -> list[str]:
    """Write the seconds as shares of those of Keras's example, small ones with two digits."""
    shares = summary["share", "mean"].astype(float)
    return [
        "–" if np.isnan(share) else f"{share:.2f}" if share >= 0.1 else f"{share:.2g}"
        for share in shares
    ]


def tables(summary: pd.DataFrame, labels: Mapping[str, str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Lay out the main table, and that of what else was measured.

    Returns
    -------
    main, others : DataFrame of str
        A row for each method, under its label.
    """
    index = pd.Index([labels[name] for name in summary.index], name="method")
    main = {
        "test accuracy, %": spread(summary, "accuracy", 100),
        "seeds": [str(count) for count in summary["seeds", "count"]],
        "log loss": spread(summary, "log_loss", digits=4),
        "calibration error, %": spread(summary, "ece", 100),
        "fit, s": spread(summary, "fit_seconds", digits=1),
        "share of Keras's example": write_shares(summary),
        "images/s": write_mean(summary, "images_per_second"),
        "peak MB": write_mean(summary, "peak_mb"),
    }
    others = {
        "weighted F1": spread(summary, "weighted_f1", digits=4),
        "F1 of the digit 1": spread(summary, "f1_of_1", digits=4),
        "F1 of the digit 2": spread(summary, "f1_of_2", digits=4),
        "processor time of the fit, s": spread(summary, "cpu_seconds", digits=1),
        "epochs run": write_mean(summary, "epochs_run", "{:.3g}"),
        "MB added": write_mean(summary, "added_mb"),
    }
    return pd.DataFrame(main, index=index), pd.DataFrame(others, index=index)


def page(
    summary: pd.DataFrame, methods: Mapping[str, Method], description: str, picture: str
) -> str:
    """Write the results as a page of Markdown."""
    labels = {name: method.label for name, method in methods.items()}
    shown = [methods[name] for name in summary.index]
    absent = [method.label for name, method in methods.items() if name not in summary.index]
    main, others = tables(summary, labels)
    n_train = training_size()
    parts = [
        f"{description}.",
        f"Measured by `python examples/benchmarks/compare.py` on {n_train:,} training and "
        f"{min(n_train, 10_000):,} test images of MNIST, on processors only. Each run has a "
        "process of its own, and runs go seed by seed through the methods. "
        "`examples/benchmarks/compare.csv` has each one.",
        f"![Test accuracy against seconds of the fit]({picture})",
        to_markdown(main),
        "Mean ± standard deviation over the seeds. The fit is all from bytes to the fitted "
        "classifier, scaling and compiling included, imports and loading not. Share: seconds of "
        "the fit over those of Keras's example. Images/s: `predict` on the test images, as it is "
        "by default, once warm. Peak MB: the highest resident memory of the process, with "
        "interpreter, packages and images; MB added: what of it came after the start of the fit. "
        "Calibration error: expected, over 15 bins.",
        to_markdown(others),
        "\n".join(f"- {method.label}: {method.note}" for method in shown),
    ]
    if absent:
        parts.append(f"Not run: {'; '.join(absent)}.")
    return "\n\n".join(parts) + "\n"


TICKS = [0, 20, 50, 80, 90, 95, 97, 98, 99, 99.5, 99.7, 99.8, 99.9, 99.95]
ONE_IMAGE = 0.01
"""Percent of the test images: the smallest error that can be told from none."""


def draw(summary: pd.DataFrame, labels: Mapping[str, str]) -> "Figure":
    """Draw accuracy against seconds of the fit.

    Both axes are logarithmic, the accuracy's in the error: so each halving of the errors
    takes the same height.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    figure = Figure(figsize=(8.5, 5), dpi=150, layout="constrained")
    ax = figure.subplots()
    ax.set(xscale="log", yscale="log", xlabel="Fit (s)", ylabel="Test accuracy (%)")
    errors = np.maximum(100 - 100 * summary["accuracy", "mean"].to_numpy(float), ONE_IMAGE)
    seconds = summary["fit_seconds", "mean"].to_numpy(float)
    ax.set_ylim(1.4 * errors.max(), errors.min() / 1.4)  # errors fall upwards
    ax.set_xlim(seconds.min() / 2, seconds.max() * 2)
    measures = (("fit_seconds", 1), ("accuracy", 100))
    sds = [factor * summary[name, "std"].fillna(0).to_numpy(float) for name, factor in measures]
    mine = summary["ours", "is"].to_numpy(bool)
    for chosen, color, marker, line, label in (
        (mine, TRAINING_COLOR, "o", "-", "this package"),
        (~mine, BEST_EPOCH_COLOR, "s", "none", "others"),
    ):
        ax.errorbar(
            seconds[chosen], errors[chosen], xerr=sds[0][chosen], yerr=sds[1][chosen],
            color=color, marker=marker, linestyle=line, elinewidth=1, capsize=2, label=label,
        )  # fmt: skip
    ax.yaxis.set_major_locator(FixedLocator([100 - tick for tick in TICKS]))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(FuncFormatter(lambda error, _: f"{100 - error:.4g}"))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.grid(alpha=0.3)
    ax.legend(loc="upper left")
    figure.draw_without_rendering()  # now the layout is known
    place_labels(ax, seconds, errors, [labels[name] for name in summary.index], mine)
    return figure


def place_labels(
    ax: "Axes", x: np.ndarray, y: np.ndarray, labels: Sequence[str], highlighted: np.ndarray
) -> list["Annotation"]:
    """Write each label beside its point, where it covers nothing."""
    taken = occupied(ax)
    written = []
    for position in np.argsort(-x):  # the crowd is on the right
        text = ax.annotate(
            labels[position],
            (x[position], y[position]),
            xytext=(0, 0),
            textcoords="offset points",
            fontsize=8,
            color=TRAINING_COLOR if highlighted[position] else "black",
            in_layout=False,
        )
        best = min(places(), key=lambda place: covered(text, place, taken, ax.bbox))
        move(text, best)
        taken.append(text.get_window_extent())
        written.append(text)
    return written


Place = tuple[float, float, str, str]


def places() -> Iterator[Place]:
    """Yield offsets in points, and how the text is aligned there, the best place first."""
    for distance in (6.0, 12.0, 18.0, 26.0):
        yield distance, 0.0, "left", "center"
        yield -distance, 0.0, "right", "center"
        yield 0.0, distance, "center", "bottom"
        yield 0.0, -distance, "center", "top"
        for across, side in ((distance, "left"), (-distance, "right")):
            yield across, distance, side, "bottom"
            yield across, -distance, side, "top"


def move(text: "Annotation", place: Place) -> None:
    """Put a text where a place says."""
    across, up, horizontal, vertical = place
    text.set_position((across, up))
    text.set(horizontalalignment=horizontal, verticalalignment=vertical)


def covered(text: "Annotation", place: Place, taken: Iterable["Bbox"], inside: "Bbox") -> float:
    """Return how much a text would cover at a place, in pixels; what sticks out counts too."""
    from matplotlib.transforms import Bbox

    move(text, place)
    extent = text.get_window_extent()
    shared = [Bbox.intersection(extent, other) for other in taken]
    area = sum(box.width * box.height for box in shared if box is not None)
    seen = Bbox.intersection(extent, inside)
    seen_area = 0.0 if seen is None else seen.width * seen.height
    return area + 10 * max(extent.width * extent.height - seen_area, 0.0)


def occupied(ax: "Axes") -> list["Bbox"]:
    """Return what is drawn in pixels: points and the lines between them, bars, the legend."""
    from matplotlib.transforms import Bbox

    legend = ax.get_legend()
    boxes = [] if legend is None else [legend.get_window_extent()]
    for line in ax.lines:  # points with their connection; caps of the bars
        corners = ax.transData.transform(line.get_xydata())
        sizes = np.full(len(corners), 5.0)
        if line.get_linestyle() != "None" and len(corners) > 1:
            steps = np.linspace(0, len(corners) - 1, 200)
            along = [np.interp(steps, range(len(corners)), corners[:, axis]) for axis in (0, 1)]
            corners = np.vstack([corners, np.transpose(along)])
            sizes = np.concatenate([sizes, np.full(len(steps), 2.0)])
        for (left, top), size in zip(corners, sizes, strict=True):
            boxes.append(Bbox([[left - size, top - size], [left + size, top + size]]))
    for bars in ax.collections:
        boxes += [path.get_extents(ax.transData) for path in bars.get_paths()]
    return [box if box.width and box.height else box.padded(1.0) for box in boxes]


def write_page(
    summary: pd.DataFrame, methods: Mapping[str, Method], description: str, path: Path
) -> None:
    """Write the page, and its picture into the folder `images` beside it."""
    picture = path.parent / "images" / f"{path.stem}.png"
    picture.parent.mkdir(parents=True, exist_ok=True)
    labels = {name: method.label for name, method in methods.items()}
    draw(summary, labels).savefig(picture)
    text = page(summary, methods, description, f"images/{picture.name}")
    path.write_text(text, encoding="utf-8")


# ---------------------------------------------------------------------------------------
# The command line.


def training_size() -> int:
    """Return the number of training images, and of test images at most; tests ask for few."""
    return int(os.environ.get("MNIST_EXAMPLE_SIZE", N_TRAIN))


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", choices=list(METHODS), default=list(METHODS),
        help=f"methods to run: {', '.join(METHODS)}",
    )  # fmt: skip
    parser.add_argument(
        "--seeds", type=int, nargs="+", metavar="N", help="instead of those of each method"
    )
    parser.add_argument(
        "--epochs-torch", type=int, default=METHODS["torch"].epochs, metavar="N",
        help="of PyTorch's example, which has 14 (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--epochs", type=int, metavar="N", help="of all methods, for a trial")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", default=Path(__file__).with_name("compare.csv"),
        help="the CSV file (default: compare.csv beside this script)",
    )  # fmt: skip
    parser.add_argument(
        "--output-docs", type=Path, metavar="FILE",
        help="the page, whose picture goes to images/ beside it (default: docs/benchmark.md; "
        "none after a trial with few images or epochs)",
    )  # fmt: skip
    parser.add_argument(
        "--table", action="store_true",
        help="run nothing and print the table; the page is written only if --output-docs is given",
    )  # fmt: skip
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--parameters", choices=list(METHODS), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    is_trial = options.epochs is not None or training_size() != N_TRAIN
    if options.output_docs is None and not options.table and not is_trial:
        options.output_docs = ROOT / "docs" / "benchmark.md"
    return options


def with_epochs(options: argparse.Namespace) -> dict[str, Method]:
    """Return the methods, with the epochs asked for."""
    methods = METHODS | {
        "torch": dataclasses.replace(METHODS["torch"], epochs=options.epochs_torch)
    }
    if options.epochs is None:
        return methods
    return {
        name: dataclasses.replace(method, epochs=options.epochs) if method.in_epochs else method
        for name, method in methods.items()
    }


def run_asked(
    methods: Iterable[Method], seeds: Sequence[int] | None, path: Path, console: Console
) -> list[str]:
    """Run those methods that are installed, as far as they are not done; return the failures."""
    present: list[Method] = []
    failures: list[str] = []
    parameters: dict[str, str] = {}
    for method in methods:
        if method.missing:
            modules = ", ".join(method.missing)
            tell(console, f"{method.label}: {modules} not installed")
            continue
        try:
            parameters[method.name] = ask_parameters(method)
            present.append(method)
        except RunError as error:
            failures.append(f"{method.label}: {error}")
            tell(console, f"Failed: {failures[-1]}")
    runs = without_done(order(present, seeds), path, parameters)
    if runs:
        prepare(path)
    return failures + run_all(runs, path, console)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for and not there yet, show the table, and write the page."""
    options = parse(arguments)
    methods = with_epochs(options)
    if options.parameters:
        print(json.dumps(settings_of(methods[options.parameters])))
        return 0
    if options.worker:
        name, seed = options.worker
        print(json.dumps(measure(methods[name], int(seed), training_size())))
        return 0
    console, failures = Console(stderr=True), []
    if not options.table:
        chosen = [method for name, method in methods.items() if name in options.only]
        try:
            failures = run_asked(chosen, options.seeds, options.output, console)
        except KeyboardInterrupt:
            tell(console, f"Stopped. {options.output} has what is done; the same command goes on.")
            return 130
    summary = summarize(read(options.output), methods.values(), training_size())
    if summary.empty:
        tell(console, f"{options.output} has no runs to show.")
        return int(options.table or bool(failures))
    print(to_markdown(tables(summary, {name: methods[name].label for name in methods})[0]))
    if options.output_docs:
        write_page(summary, methods, read_description(options.output), options.output_docs)
    if failures:
        tell(console, "\n".join(["Failed:", *failures]))
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
