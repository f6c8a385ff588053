"""Measure accuracy on corrupted digits: the fifteen corruptions of MNIST-C (see mnist_c.py).

Each method learns the 60,000 training images as they are, and reads the 10,000 test images,
clean and under each corruption; no corruption is used in training, and none to choose anything.
Results go to a CSV file, one line for a method and a seed; what stands there already is not
run again, so an interrupted run goes on where it stopped.

    python examples/benchmarks/corruptions.py                  # the default, with and without
                                                               # disturbances: minutes
    python examples/benchmarks/corruptions.py --only fast --seeds 0 1 2
    python examples/benchmarks/corruptions.py --held-out       # to choose by: see below
    python examples/benchmarks/corruptions.py --table          # only show what is there

Then docs/robustness.md and its picture are written. Needs `pip install scikit-image`.

With --held-out, methods learn the first 50,000 training images and are judged on the last
10,000: hyperparameters are chosen so, never by the test set. No page is written then.
"""

import argparse
import csv
import json
import os
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from mnist_c import CORRUPTIONS, corrupt
from reporting import describe, to_markdown, wrap
from rich.console import Console

from mnist_estimator import load_mnist, make_pipeline

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROOT = Path(__file__).resolve().parents[2]
N_TRAIN, N_HELD_OUT = 60_000, 10_000

METHODS: dict[str, dict[str, Any]] = {
    "default": {},
    "default, affine only": {"augmentation": "affine"},
    "fast": {"preset": "fast"},
    "fast, robust": {"preset": "fast", "augmentation": "robust"},
}
"""Arguments of ``make_pipeline``."""
FIRST = ["default", "default, affine only"]
CLEAN, MEAN = "clean", "mean of the fifteen"
FIELDS = ["method", "seed", "judged_on", "n_train", CLEAN, *CORRUPTIONS]
FIELDS += ["parameters", "machine"]


def parameters_of(method: str) -> str:
    """Return all parameters of a method, defaults included: a changed one is another method."""
    return json.dumps(make_pipeline(**METHODS[method])[-1].get_params(), sort_keys=True)


def data(held_out: bool, n_train: int) -> tuple[np.ndarray, ...]:
    """Return images and labels to learn, and images (n, 28, 28) and labels to judge by."""
    X, y = load_mnist("train", return_X_y=True)
    if held_out:
        known, judged = slice(0, -N_HELD_OUT), slice(-N_HELD_OUT, None)
        X, y, X_judged, y_judged = X[known], y[known], X[judged], y[judged]
    else:
        X_judged, y_judged = load_mnist("test", return_X_y=True)
    X_judged, y_judged = X_judged[:n_train], y_judged[:n_train]
    return X[:n_train], y[:n_train], X_judged.reshape(-1, 28, 28), y_judged


def measure(method: str, seed: int, held_out: bool, n_train: int, console: Console) -> dict:
    """Train a method and return its line of the CSV file."""
    X, y, images, labels = data(held_out, n_train)
    pipe = make_pipeline(**METHODS[method], random_state=seed)
    with console.status(f"{method}, seed {seed}: training"):
        pipe.fit(X, y)
    row: dict[str, Any] = {"method": method, "seed": seed, "n_train": n_train}
    row["judged_on"] = "held-out" if held_out else "test"
    for name in [CLEAN, *CORRUPTIONS]:
        with console.status(f"{method}, seed {seed}: {name}"):
            shown = images if name == CLEAN else corrupt(images, name)
            row[name] = round(float(np.mean(pipe.predict(shown) == labels)), 5)
    machine = describe(date.today().isoformat())
    return row | {"parameters": parameters_of(method), "machine": machine}


def append(path: Path, row: dict) -> None:
    """Write a line at the end of the CSV file."""
    is_new = not path.exists()
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
        if is_new:
            writer.writeheader()
        writer.writerow(row)


def read(path: Path, held_out: bool, n_train: int) -> pd.DataFrame:
    """Return the lines of the methods as they are now."""
    if not path.exists():
        return pd.DataFrame(columns=FIELDS)
    found = pd.read_csv(path)
    now = {name: parameters_of(name) for name in METHODS}
    judged_on = "held-out" if held_out else "test"
    return found[
        (found["parameters"] == found["method"].map(now))
        & (found["judged_on"] == judged_on)
        & (found["n_train"] == n_train)
    ]


def table(found: pd.DataFrame) -> pd.DataFrame:
    """Return accuracies in percent by corruption and method, mean ± standard deviation of seeds."""
    numbers = 100 * found[[CLEAN, *CORRUPTIONS]]
    numbers.insert(1, MEAN, numbers[list(CORRUPTIONS)].mean(axis=1))
    columns = {}
    for method in METHODS:
        of_method = numbers[found["method"] == method]
        if len(of_method):
            sds = of_method.std()
            columns[method] = [
                f"{mean:.2f}" + ("" if np.isnan(sd) else f" ± {sd:.2f}")
                for mean, sd in zip(of_method.mean(), sds, strict=True)
            ]
    index = pd.Index([name.replace("_", " ") for name in numbers.columns], name="test images")
    return pd.DataFrame(columns, index=index)


def page(found: pd.DataFrame, picture: str) -> str:
    """Write the results as a page of Markdown."""
    means = found[list(CORRUPTIONS)].mean(axis=1)
    best = found["method"][means.idxmax()]
    seeds = found.groupby("method")["seed"].nunique()
    n_seeds = ", ".join(f"{method}: {seeds[method]}" for method in METHODS if method in seeds)
    n_images = min(N_HELD_OUT, int(found["n_train"].iloc[-1]))
    parts = [
        "# Corrupted digits",
        f"{found['machine'].iloc[-1]}.",
        f"Measured by `python examples/benchmarks/corruptions.py` on {n_images:,} test images of "
        "MNIST under the fifteen corruptions of MNIST-C (N. Mu, J. Gilmer, "
        "[2019](https://arxiv.org/abs/1906.02337)), with the severities of the published data "
        "set. `examples/benchmarks/mnist_c.py` reimplements them and says where they differ. "
        "`examples/benchmarks/corruptions.csv` has every run.",
        f"![Test images, clean and under each corruption]({picture})",
        "Accuracy in percent; with several seeds, mean ± standard deviation.",
        to_markdown(table(found)),
        f"Seeds: {n_seeds}. Most accurate on corrupted digits: {best}.",
        NOTE,
    ]
    return wrap("\n\n".join(parts) + "\n")


NOTE = """\
The default is `augmentation="robust"`: in addition to small affine changes ("affine only" stops
there), 6 % of the images are corrupted, except in the last fifth of the training steps, in one of
seven ways: brightness, noise, random filters, outlines alone, inverted patches, lines, strong
affine changes. None is a corruption of MNIST-C, but some are similar (brightness and fog, patches
and stripes, outlines and Canny edges), so these figures say less about unforeseen corruptions."""


def draw(n_images: int = 10) -> "Figure":
    """Draw a test image of each digit, clean and under each corruption."""
    from matplotlib.figure import Figure

    X, y = load_mnist("test", return_X_y=True)
    first = [int(np.flatnonzero(y == digit)[0]) for digit in range(n_images)]
    images = X[first].reshape(-1, 28, 28)
    names = [CLEAN, *CORRUPTIONS]
    rows = [images if name == CLEAN else corrupt(images, name) for name in names]
    strips = [np.pad(row, ((0, 0), (1, 1), (1, 1)), constant_values=128) for row in rows]
    figure = Figure(figsize=(8, 3.8), dpi=110, layout="constrained")
    axes = figure.subplots(-(-len(names) // 2), 2).T.flat
    for ax, name, strip in zip(axes, names, strips, strict=False):
        ax.imshow(np.concatenate(strip, axis=1), cmap="gray", vmin=0, vmax=255)
        ax.set(xticks=[], yticks=[])
        ax.set_ylabel(name.replace("_", " "), rotation=0, ha="right", va="center", fontsize=8)
    return figure


def write_page(found: pd.DataFrame, path: Path) -> None:
    """Write the page, and its picture into the folder `images` beside it."""
    picture = path.parent / "images" / "corruptions.png"
    picture.parent.mkdir(parents=True, exist_ok=True)
    draw().savefig(picture)
    path.write_text(page(found, f"images/{picture.name}"), encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what is asked for and not there yet, show the table, and write the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", nargs="+", choices=list(METHODS), default=FIRST, metavar="METHOD",
        help=f"{', '.join(map(repr, METHODS))}; default: the first two",
    )  # fmt: skip
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="default: 0")
    parser.add_argument("--held-out", action="store_true", help="judge on training images")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("corruptions.csv"))
    parser.add_argument(
        "--output-docs", type=Path,
        help="the page (default: docs/robustness.md; none after a trial with few images)",
    )  # fmt: skip
    parser.add_argument("--table", action="store_true", help="run nothing")
    options = parser.parse_args(arguments)
    console = Console()
    whole = N_TRAIN - N_HELD_OUT * options.held_out
    n_train = int(os.environ.get("MNIST_EXAMPLE_SIZE", whole))
    found = read(options.output, options.held_out, n_train)
    done = set(zip(found["method"], found["seed"], strict=True))
    for seed in [] if options.table else options.seeds:
        for method in options.only:
            if (method, seed) in done:
                continue
            row = measure(method, seed, options.held_out, n_train, console)
            append(options.output, row)
            mean = 100 * np.mean([row[name] for name in CORRUPTIONS])
            console.print(f"{method}, seed {seed}: {100 * row[CLEAN]:.2f} % clean, {mean:.2f} %")
    found = read(options.output, options.held_out, n_train)
    if found.empty:
        parser.error(f"{options.output} has no runs to show; run without --table to make them")
    console.print(table(found).to_string(), highlight=False, soft_wrap=True)
    docs = options.output_docs
    if docs is None and not options.table and n_train == N_TRAIN:
        docs = ROOT / "docs" / "robustness.md"
    if docs is not None:
        write_page(found, docs)


if __name__ == "__main__":
    main()
