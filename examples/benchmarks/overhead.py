"""What `pipe.fit` costs beside the bare training steps, and what a second fit costs.

The bare loop takes the same training steps of the same network on images that are scaled
already, in an order drawn at once: no choice of images by their losses, no statistics, no
validation, no checks. It is timed in turn with a fit, and with another one straight after that:
what memory was free for seconds, a virtual machine may have handed back to its host, and gets
again at a cost. The first fit, which compiles, is measured by itself. Other work on the machine
changes the least time of several less than their median.

    python examples/benchmarks/overhead.py                 # the default: minutes
    python examples/benchmarks/overhead.py --preset fast --repeats 10
"""

import argparse
import math
import os
import time
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf
from reporting import describe, to_markdown
from rich.console import Console
from rich.progress import track
from sklearn.pipeline import Pipeline

from mnist_estimator import load_mnist, make_pipeline
from mnist_estimator.network._augmentation import resolve_augmentation
from mnist_estimator.network._functions import StepInputs, step_function
from mnist_estimator.network._network import Network
from mnist_estimator.network._optimizers import zero_moments
from mnist_estimator.pipeline import PRESETS
from mnist_estimator.training._loop import FINAL_CLEAN_SHARE
from mnist_estimator.training._sampling import epoch_sizes

N_TRAIN = 60_000


def prepare_bare_loop(pipe: Pipeline, X: np.ndarray, y: np.ndarray) -> Callable[[], None]:
    """Return the training steps of a fitted pipeline without its early stopping, as a loop."""
    clf = pipe[-1]
    images = pipe[:-1].transform(X).astype(np.float32)
    targets = np.eye(len(clf.classes_), dtype=np.float32)[np.searchsorted(clf.classes_, y)]
    config = clf._network.config
    used = clf.get_params() | clf.resolved_params_
    step = step_function(config, clf._step_options(used["augmentation"]))
    batch_size = used["batch_size"]
    sizes = epoch_sizes(len(X), used["epochs"], clf.hard_fraction)
    n_steps = sum(math.ceil(size / batch_size) for size in sizes)
    corruption_rate = (resolve_augmentation(used["augmentation"]) or {}).get("corruption", 0.0)

    def run() -> None:
        variables = Network.build(config).variables()
        moments = zero_moments(variables.trained)
        generator = np.random.default_rng(0)
        ones, number = np.ones(len(X), np.float32), 0
        for size in sizes:
            order = generator.permutation(len(X))[:size]
            for rows in np.array_split(order, math.ceil(size / batch_size)):
                number += 1
                is_clean = number >= (1 - FINAL_CLEAN_SHARE) * n_steps
                inputs = StepInputs(
                    images=tf.constant(images[rows]),
                    targets=tf.constant(targets[rows]),
                    weights=tf.constant(ones[rows]),
                    number=tf.constant(number),
                    seed=tf.constant(0),
                    learning_rate=tf.constant(clf.learning_rate, tf.float32),
                    corruption_rate=tf.constant(0.0 if is_clean else corruption_rate, tf.float32),
                    dropout=tf.constant(clf.dropout, tf.float32),
                )
                losses, _ = step(variables, moments, inputs)
                losses.numpy()

    return run


def seconds(run: Callable[[], Any]) -> float:
    """Return how long a call takes."""
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def compare(preset: str, repeats: int, n_train: int, console: Console) -> pd.DataFrame:
    """Time the fits and the bare loop in turn, and return a table."""
    X, y = load_mnist("train", return_X_y=True)
    X, y = X[:n_train], y[:n_train]
    whole = make_pipeline(preset, early_stopping=False, random_state=0)

    def fit() -> None:
        whole.fit(X, y)

    first = seconds(fit)
    traced = step_function.cache_info().misses
    bare = prepare_bare_loop(whole, X, y)
    contestants = {"bare loop": bare, "pipe.fit": fit, "pipe.fit, straight after another": fit}
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in track(range(repeats), f"{preset}, in turn", console=console, transient=True):
        for name, run in contestants.items():
            times[name].append(seconds(run))
    if step_function.cache_info().misses != traced:
        raise RuntimeError("The training step was traced again.")
    times["first pipe.fit"] = [first]
    return pd.DataFrame(
        [
            [
                *over(times["bare loop"], values, np.median),
                *over(times["bare loop"], values, np.min),
            ]
            for values in times.values()
        ],
        index=pd.Index(times, name=f"{preset}, all images"),
        columns=["median, s", "% over the loop", "least, s", "% over the loop"],
    )


def over(base: list[float], values: list[float], summary: Callable[[Any], Any]) -> tuple[str, str]:
    """Return a summary of seconds, and by how many percent it exceeds that of others."""
    return f"{summary(values):.2f}", f"{100 * (summary(values) / summary(base) - 1):+.1f}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", choices=list(PRESETS), default="balanced")
    parser.add_argument("--repeats", type=int, default=3, help="default: %(default)s")
    options = parser.parse_args(arguments)
    n_train = int(os.environ.get("MNIST_EXAMPLE_SIZE", N_TRAIN))
    console = Console()
    table = compare(options.preset, options.repeats, n_train, console)
    console.print(f"{describe(str(date.today()))}.\n", highlight=False, soft_wrap=True)
    console.print(to_markdown(table), highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main()
