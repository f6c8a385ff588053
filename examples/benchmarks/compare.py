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
import json
import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from comparison import select, summarize, tables, write_page
from methods import METHODS, Method, settings_of
from reporting import describe, is_comparable, memory, read_description, to_markdown
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
from workers import RunError, ask_worker, tell

from mnist_estimator import EvaluationReport, load_mnist

SCRIPT = Path(__file__).resolve()
N_TRAIN = 60_000

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


def epoch_options(method: Method) -> list[str]:
    """Return the arguments that give a worker the epochs of a method."""
    return [] if method.epochs is None else ["--epochs", str(method.epochs)]


def ask_parameters(method: Method) -> str:
    """Return the parameters of a method; a worker imports TensorFlow for ours."""
    if method.preset is None:
        return settings_of(method)
    return ask_worker(SCRIPT, "--parameters", method.name, *epoch_options(method))


def ask_run(method: Method, seed: int) -> dict[str, Any]:
    """Run a method with a seed in a process of its own."""
    return ask_worker(SCRIPT, "--worker", method.name, str(seed), *epoch_options(method))


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


def said(row: Mapping[str, Any]) -> str:
    """Say how a run went."""
    return f"{100 * row['accuracy']:.2f} %, {row['fit_seconds']:.1f} s, {row['peak_mb']:.0f} MB"


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
        "--output", type=Path, metavar="FILE", default=SCRIPT.with_suffix(".csv"),
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
        options.output_docs = SCRIPT.parents[2] / "docs" / "benchmark.md"
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
        description = read_description(options.output)
        write_page(summary, methods, training_size(), description, options.output_docs)
    if failures:
        tell(console, "\n".join(["Failed:", *failures]))
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
