"""Accuracy on MNIST's test set with few labelled images a class, beside scikit-learn's classifiers.

Each draw takes so many images of each class from the 60,000 training images at random. The presets
are as they are; self-training wraps "fast" and gets 10,000 more images without their labels.
Nothing is chosen by these figures: what the default does with few images was chosen on the last
10,000 training images.

    python examples/benchmarks/few_labels.py                       # 40 minutes; goes on if stopped
    python examples/benchmarks/few_labels.py --only default --labels 1 10 100
    python examples/benchmarks/few_labels.py --table               # run nothing

Rows are added to few_labels.csv, beside this file, as they are done.
"""

import argparse
import csv
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from reporting import to_markdown
from rich.console import Console
from sklearn.ensemble import RandomForestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline as chain
from sklearn.preprocessing import MinMaxScaler
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.svm import SVC

from mnist_estimator import __version__, load_mnist, make_pipeline

LABELS = (1, 3, 10, 30, 100, 1000)
"""Labelled images a class."""

N_UNLABELLED = 10_000
N_DRAWS = 5


def self_training(seed: int) -> SelfTrainingClassifier:
    """Return the preset "fast" that takes its confident predictions for labels."""
    fast = make_pipeline("fast", random_state=seed)
    return SelfTrainingClassifier(fast, threshold=0.9, max_iter=3)


METHODS: dict[str, Callable[[int], Any]] = {
    "default": lambda seed: make_pipeline(random_state=seed),
    "fast": lambda seed: make_pipeline("fast", random_state=seed),
    "fast, self-training": self_training,
    "SVC": lambda seed: chain(MinMaxScaler(), SVC(C=10)),
    "k-NN": lambda seed: KNeighborsClassifier(1),
    "random forest": lambda seed: RandomForestClassifier(300, n_jobs=-1, random_state=seed),
}
FIELDS = ["version", "method", "labels", "draw", "accuracy", "fit_seconds"]
KEY = FIELDS[:4]


def measure(method: str, n_labels: int, draw: int, n_test: int) -> dict[str, Any]:
    """Fit on a draw, and score on the test set."""
    X, y = load_mnist("train", return_X_y=True)
    X_test, y_test = (part[:n_test] for part in load_mnist("test", return_X_y=True))
    generator = np.random.default_rng((draw, n_labels))
    rows = np.concatenate(
        [generator.permutation(np.flatnonzero(y == label))[:n_labels] for label in range(10)]
    )
    given = y[rows]
    if method.endswith("self-training"):
        others = generator.permutation(np.setdiff1d(np.arange(len(y)), rows))
        others = others[: min(N_UNLABELLED, n_test)]
        rows, given = np.append(rows, others), np.append(given, np.full(len(others), -1))
    model = METHODS[method](draw)
    started = time.perf_counter()
    model.fit(X[rows], given)
    seconds = time.perf_counter() - started
    return {
        "version": __version__, "method": method, "labels": n_labels, "draw": draw,
        "accuracy": round(model.score(X_test, y_test), 5), "fit_seconds": round(seconds, 2),
    }  # fmt: skip


def tables(path: Path) -> list[pd.DataFrame]:
    """Return the table of accuracies and that of seconds."""
    found = pd.read_csv(path)
    found = found[found["version"] == __version__]
    groups = found.groupby(["method", "labels"])

    def cells(column: str, show: Callable[[float, float], str]) -> pd.DataFrame:
        means, deviations = groups[column].mean(), groups[column].std()
        table = pd.DataFrame("–", index=list(METHODS), columns=[str(n) for n in LABELS])
        for method, n_labels in means.index:
            at = (method, n_labels)
            table.loc[method, str(n_labels)] = show(means[at], deviations[at])
        return table

    def percent(mean: float, deviation: float) -> str:
        return f"{100 * mean:.1f} ± {100 * deviation:.1f}"

    return [
        cells("accuracy", percent).rename_axis("labels a class: test accuracy, %"),
        cells("fit_seconds", lambda mean, _: f"{mean:.1f}").rename_axis("labels a class: fit, s"),
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is missing, and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--labels", type=int, nargs="+", choices=LABELS, default=LABELS)
    parser.add_argument("--draws", type=int, default=N_DRAWS, help="default: %(default)s")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".csv"))
    parser.add_argument("--table", action="store_true", help="run nothing")
    options = parser.parse_args(arguments)
    n_test = int(os.environ.get("MNIST_EXAMPLE_SIZE", 10_000))
    console = Console()
    done = set()
    if options.output.exists():
        with options.output.open(encoding="utf-8", newline="") as file:
            done = {tuple(row[name] for name in KEY) for row in csv.DictReader(file)}
    jobs = [
        (method, n_labels, draw)
        for draw in range(options.draws)
        for n_labels in options.labels
        for method in options.only
    ]
    for method, n_labels, draw in [] if options.table else jobs:
        if (__version__, method, str(n_labels), str(draw)) in done:
            continue
        with console.status(f"{method}, {n_labels} labels a class, draw {draw}"):
            row = measure(method, n_labels, draw, n_test)
        is_new = not options.output.exists()
        with options.output.open("a", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
            if is_new:
                writer.writeheader()
            writer.writerow(row)
    if not options.output.exists():
        parser.error(f"{options.output} is not there yet; run without --table to make it")
    for table in tables(options.output):
        console.print(to_markdown(table), "\n", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main()
