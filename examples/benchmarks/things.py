"""Fashion-MNIST: things instead of characters, with `augmentation="objects"`.

The four files are those of Debian's package `dataset-fashion-mnist`. Choices were made with
`--held-out`, on the last 10,000 training images; without it, the methods train on all 60,000 and
are judged on the test set.

    python examples/benchmarks/things.py                               # an hour; goes on if stopped
    python examples/benchmarks/things.py --only objects --seeds 0 1 2
    python examples/benchmarks/things.py --held-out --only objects

Rows are added to things.csv, beside this file, as they are done.
"""

import argparse
import csv
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
from other_data import Data, fashion
from reporting import to_markdown
from rich.console import Console
from sklearn.pipeline import make_pipeline as chain
from sklearn.preprocessing import MinMaxScaler
from sklearn.svm import SVC

from mnist_estimator import __version__, make_pipeline

FOLDER = Path("/usr/share/datasets/fashion-mnist")
N_HELD_OUT = 10_000

THOROUGH = {
    "filters": (32, (64, 64), 128), "dropout": 0.4, "epochs": 40, "hard_fraction": 1.0,
    "augmentation": "objects", "early_stopping": False,
}  # fmt: skip
"""Parameters that take about as long as the preset "accurate"."""


class KerasExample:
    """The network of Keras's MNIST example, trained as there."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def fit(self, X: np.ndarray, y: np.ndarray) -> "KerasExample":
        """Train for the 15 epochs of the example."""
        keras.utils.set_random_seed(self.seed)
        self.model = keras.Sequential(
            [
                keras.Input((28, 28, 1)),
                keras.layers.Conv2D(32, 3, activation="relu"),
                keras.layers.MaxPooling2D(2),
                keras.layers.Conv2D(64, 3, activation="relu"),
                keras.layers.MaxPooling2D(2),
                keras.layers.Flatten(),
                keras.layers.Dropout(0.5),
                keras.layers.Dense(10, activation="softmax"),
            ]
        )
        self.model.compile("adam", "sparse_categorical_crossentropy")
        self.model.fit(_scaled(X), y, 128, epochs=15, validation_split=0.1, verbose=0)
        return self

    def score(self, X: np.ndarray, y: np.ndarray) -> float:
        """Return the accuracy."""
        return float((self.model.predict(_scaled(X), verbose=0).argmax(axis=1) == y).mean())


def _scaled(X: np.ndarray) -> np.ndarray:
    return (X.reshape(-1, 28, 28, 1) / 255).astype(np.float32)


METHODS: dict[str, Callable[[int], Any]] = {
    "default": lambda seed: make_pipeline(random_state=seed),
    "not augmented": lambda seed: make_pipeline(augmentation=None, random_state=seed),
    "objects": lambda seed: make_pipeline(augmentation="objects", random_state=seed),
    "thorough": lambda seed: make_pipeline(**THOROUGH, random_state=seed),
    "Keras's example": KerasExample,
    "SVC": lambda seed: chain(MinMaxScaler(), SVC(C=10)),
}
FIELDS = ["version", "judged_on", "method", "seed", "accuracy", "fit_seconds"]
KEY = FIELDS[:4]


def measure(method: str, seed: int, data: Data, judged_on: str, n_train: int) -> dict[str, Any]:
    """Fit and score; return a row."""
    X, y, X_test, y_test = data.X, data.y, data.X_test, data.y_test
    if judged_on == "held-out":
        X, X_test, y, y_test = (*np.split(X, [-N_HELD_OUT]), *np.split(y, [-N_HELD_OUT]))
    model = METHODS[method](seed)
    started = time.perf_counter()
    model.fit(X[:n_train], y[:n_train])
    seconds = time.perf_counter() - started
    return {
        "version": __version__, "judged_on": judged_on, "method": method, "seed": seed,
        "accuracy": round(model.score(X_test, y_test), 5), "fit_seconds": round(seconds, 1),
    }  # fmt: skip


def table(path: Path, judged_on: str) -> pd.DataFrame:
    """Return mean, standard deviation and seconds of each method."""
    found = pd.read_csv(path)
    found = found[(found["version"] == __version__) & (found["judged_on"] == judged_on)]
    rows = {}
    for method in METHODS:
        own = found[found["method"] == method]
        if len(own):
            spread = f" ± {100 * own['accuracy'].std():.2f}" if len(own) > 1 else ""
            mean = f"{100 * own['accuracy'].mean():.2f}{spread}"
            rows[method] = [mean, str(len(own)), f"{own['fit_seconds'].mean():.0f}"]
    columns = ["accuracy, %", "seeds", "fit, s"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis(judged_on)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is missing, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--fashion", type=Path, default=FOLDER, metavar="FOLDER")
    parser.add_argument("--only", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="default: 0")
    parser.add_argument("--held-out", action="store_true", help="judge on training images")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".csv"))
    options = parser.parse_args(arguments)
    n_train = int(os.environ.get("MNIST_EXAMPLE_SIZE", 60_000))
    judged_on = "held-out" if options.held_out else "test"
    console, data, done = Console(), fashion(options.fashion), set()
    if options.output.exists():
        with options.output.open(encoding="utf-8", newline="") as file:
            done = {tuple(row[name] for name in KEY) for row in csv.DictReader(file)}
    for seed in options.seeds:
        for method in options.only:
            if (__version__, judged_on, method, str(seed)) in done:
                continue
            with console.status(f"{method}, seed {seed}"):
                row = measure(method, seed, data, judged_on, n_train)
            is_new = not options.output.exists()
            with options.output.open("a", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
                if is_new:
                    writer.writeheader()
                writer.writerow(row)
    found = table(options.output, judged_on)
    console.print(to_markdown(found), highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main()
