"""The presets as they are on other data: clothes, digits of 8×8 pixels, digits in colour.

- Fashion-MNIST, from its four files (Debian: the package `dataset-fashion-mnist`), with
  augmentation and without;
- scikit-learn's digits, half of them for training;
- MNIST's digits of 32×32 pixels in random colours on random grounds, light or dark: 10,000
  for training.

    python examples/benchmarks/other_data.py --fashion /usr/share/datasets/fashion-mnist
    python examples/benchmarks/other_data.py --presets fast balanced     # "accurate" takes longest

Beside ours, a support vector machine. Each line is one fit with seed 0.
"""

import argparse
import gzip
import os
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from reporting import describe, to_markdown
from rich.console import Console
from sklearn.base import ClassifierMixin
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline as chain
from sklearn.preprocessing import MinMaxScaler
from sklearn.svm import SVC

from mnist_estimator import load_mnist, make_pipeline
from mnist_estimator.pipeline import PRESETS

N_COLOURED = 10_000
SIDE = 32


class Data(NamedTuple):
    """Images and labels, for training and for the test, and the shape of one image."""

    name: str
    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray
    image_shape: tuple[int, ...]


def fashion(folder: Path) -> Data:
    """Read Fashion-MNIST from its four files."""

    def read(name: str, header: int) -> np.ndarray:
        with gzip.open(folder / f"{name}.gz") as file:
            return np.frombuffer(file.read(), np.uint8, offset=header)

    parts = []
    for part in ("train", "t10k"):
        parts.append(read(f"{part}-images-idx3-ubyte", 16).reshape(-1, 784))
        parts.append(read(f"{part}-labels-idx1-ubyte", 8).astype(np.int64))
    return Data("Fashion-MNIST", *parts, (28, 28))


def small_digits() -> Data:
    """Return scikit-learn's digits, half of them for training."""
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.5, stratify=y, random_state=0)
    return Data("scikit-learn's digits", X, y, X_test, y_test, (8, 8))


def coloured() -> Data:
    """Return MNIST's digits in a random colour on a random ground, 32×32×3 bytes."""
    generator = np.random.default_rng(0)

    def paint(part: str, n: int) -> tuple[np.ndarray, np.ndarray]:
        X, y = load_mnist(part, return_X_y=True)
        rows = generator.permutation(len(X))[:n]
        ink = np.pad(X[rows].reshape(n, 28, 28), ((0, 0), (2, 2), (2, 2)))[..., None] / 255.0
        ground, pen = generator.uniform(0, 255, (2, n, 1, 1, 3))
        near = np.abs(ground - pen).max(axis=-1, keepdims=True) < 80
        pen = np.where(near, 255 - ground + 60 * np.sign(127.5 - ground), pen)
        images = ground + ink * (pen - ground) + generator.normal(0, 8, (n, SIDE, SIDE, 3))
        return np.clip(images, 0, 255).astype(np.uint8).reshape(n, -1), y[rows]

    return Data(
        "digits in colour", *paint("train", N_COLOURED), *paint("test", 5000), (SIDE, SIDE, 3)
    )


def contestants(data: Data, presets: Sequence[str]) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield what is tried on the data."""
    for preset in presets:
        given = {"image_shape": data.image_shape, "random_state": 0}
        yield preset, lambda preset=preset, given=given: make_pipeline(preset, **given)
        if data.name == "Fashion-MNIST":
            plain = given | {"augmentation": None}
            name = f"{preset}, not augmented"
            yield name, lambda preset=preset, given=plain: make_pipeline(preset, **given)
    if len(data.X) <= N_COLOURED:
        yield "SVC", lambda: chain(MinMaxScaler(), SVC(C=10))


def measure(model: ClassifierMixin, data: Data, n_train: int) -> list[str]:
    """Fit and score, and return both as text."""
    started = time.perf_counter()
    model.fit(data.X[:n_train], data.y[:n_train])
    seconds = time.perf_counter() - started
    return [f"{100 * model.score(data.X_test, data.y_test):.2f}", f"{seconds:.1f}"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--fashion", type=Path, metavar="FOLDER", help="of the four files")
    parser.add_argument("--presets", nargs="+", choices=list(PRESETS), default=list(PRESETS))
    options = parser.parse_args(arguments)
    n_train = int(os.environ.get("MNIST_EXAMPLE_SIZE", 10**9))
    console = Console()
    sets = [small_digits(), coloured()]
    if options.fashion:
        sets.append(fashion(options.fashion))
    rows = {}
    for data in sets:
        for name, make in contestants(data, options.presets):
            with console.status(f"{data.name}: {name}"):
                rows[f"{data.name}: {name}"] = measure(make(), data, n_train)
    table = pd.DataFrame(rows, index=["test accuracy, %", "fit, s"]).T.rename_axis("data: method")
    console.print(f"{describe(str(date.today()))}.\n", highlight=False, soft_wrap=True)
    console.print(to_markdown(table), highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main()
