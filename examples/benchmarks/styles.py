"""What drawn digits of several countries add to MNIST's training images.

A pipeline learns the first 50,000 training images, and as many drawn digits of `make_digits` as
each row says. It is judged on the last 10,000 training images; on scikit-learn's digits of 8×8
pixels, by Turkish writers; and on drawn digits: European ones of `make_digits` with another seed,
and those of examples/handwriting, whose strokes are others. The test set of MNIST takes no part.

    python examples/benchmarks/styles.py                       # "fast": minutes
    python examples/benchmarks/styles.py --preset balanced --drawn 0 10000 --seeds 1

The table goes to docs/pictures.md, with --page elsewhere.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
from reporting import describe, replace_between, to_markdown
from rich.console import Console
from rich.progress import track
from sklearn.datasets import load_digits

from mnist_estimator import DigitNormalizer, load_mnist, make_digits, make_pipeline
from mnist_estimator.pipeline import PRESETS

ROOT = Path(__file__).resolve().parents[2]
START, END = "<!-- table of styles.py -->", "<!-- end of the table of styles.py -->"
N_TRAIN = 50_000
Judged = dict[str, tuple[np.ndarray, np.ndarray]]


def strokes(n_digits: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return drawn digits of examples/handwriting, and their labels."""
    sys.path.insert(0, str(ROOT / "examples"))
    from handwriting.strokes import Writer

    generator = np.random.default_rng(seed)
    labels, pictures = generator.integers(0, 10, n_digits), []
    for number, label in enumerate(labels.tolist()):
        if number % 10 == 0:
            writer = Writer(int(generator.integers(2**31)), wobble=generator.uniform(0.01, 0.04))
        ink = writer.write(label, 60, 60 / generator.uniform(8, 16))
        pictures.append(np.rint(255 * ink).astype(np.uint8))
    normalizer = DigitNormalizer(polarity="light_on_dark")
    return normalizer.fit_transform(pictures), labels


def judged_on(X: np.ndarray, y: np.ndarray, n_digits: int) -> Judged:
    """Return images and labels of each kind to judge by."""
    small, labels = load_digits(return_X_y=True)
    return {
        "last 10,000 training images": (X, y),
        "scikit-learn's digits": (
            DigitNormalizer().fit_transform(small.reshape(-1, 8, 8) * (255 / 16)),
            labels,
        ),
        "European, drawn": make_digits(n_digits, styles="european", random_state=10_000),
        "other strokes": strokes(n_digits, 0),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", choices=list(PRESETS), default="fast")
    parser.add_argument("--drawn", type=int, nargs="+", default=[0, 5_000, 10_000, 20_000])
    parser.add_argument("--seeds", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "pictures.md")
    options = parser.parse_args(arguments)
    X, y = load_mnist("train", return_X_y=True)
    n_train = int(os.environ.get("MNIST_EXAMPLE_SIZE", N_TRAIN))
    judged = judged_on(X[N_TRAIN:], y[N_TRAIN:], min(3_000, n_train))
    X, y = X[:n_train], y[:n_train]
    console, rows = Console(), {}
    for n_drawn in track(options.drawn, "Numbers of digits", console=console, transient=True):
        scores = []
        for seed in range(options.seeds):
            pipe = make_pipeline(options.preset, random_state=seed)
            if n_drawn:
                more = make_digits(n_drawn, random_state=seed)
                pipe.fit(np.concatenate([X, more[0]]), np.concatenate([y, more[1]]))
            else:
                pipe.fit(X, y)
            scores.append([100 * pipe.score(*some) for some in judged.values()])
        deviations = np.std(scores, axis=0, ddof=1) if options.seeds > 1 else [np.nan] * len(judged)
        rows[f"{n_drawn:,}"] = [
            f"{mean:.2f} ± {deviation:.2f}"
            for mean, deviation in zip(np.mean(scores, axis=0), deviations, strict=True)
        ]
    table = pd.DataFrame(rows, index=list(judged)).T.rename_axis("drawn digits")
    text = to_markdown(table)
    console.print(text, highlight=False, soft_wrap=True)
    about = (
        f'Accuracy in %, preset `"{options.preset}"`, mean and standard deviation over '
        f"{options.seeds} seeds. {describe(str(date.today()))}."
    )
    replace_between(options.page, START, END, f"{text}\n\n{about}")


if __name__ == "__main__":
    main()
