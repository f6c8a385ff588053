"""Accuracy on writers that training has seen, and on writers that it has not.

Folds of MNIST's 60,000 training images: stratified, where each writer is on both sides, and by
writers. Each fold holds out 12,000 images; the test set of MNIST takes no part.

    python examples/benchmarks/writers.py                      # "fast" and "balanced": minutes
    python examples/benchmarks/writers.py --presets accurate   # half an hour
"""

import argparse
import os
from collections.abc import Sequence
from datetime import date

import numpy as np
import pandas as pd
from reporting import describe, to_markdown
from rich.console import Console
from rich.progress import track
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, cross_val_score

from mnist_estimator import load_mnist, make_pipeline
from mnist_estimator.pipeline import PRESETS


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--presets", nargs="+", choices=list(PRESETS), default=["fast", "balanced"])
    parser.add_argument("--folds", type=int, default=5, help="default: %(default)s")
    options = parser.parse_args(arguments)
    X, y, writers = load_mnist("train", return_X_y=True, return_groups=True)
    size = int(os.environ.get("MNIST_EXAMPLE_SIZE", len(X)))
    X, y, writers = X[:size], y[:size], writers[:size]
    splits = {
        "stratified": StratifiedKFold(options.folds, shuffle=True, random_state=0),
        "by writers": StratifiedGroupKFold(options.folds, shuffle=True, random_state=0),
    }
    console = Console()
    rows = {}
    for preset in track(options.presets, "Presets", console=console, transient=True):
        for name, splitter in splits.items():
            pipe = make_pipeline(preset, random_state=0)
            scores = 100 * cross_val_score(pipe, X, y, groups=writers, cv=splitter)
            deviation = np.std(scores, ddof=1)
            rows[f"{preset}, {name}"] = [f"{scores.mean():.2f} ± {deviation:.2f}"]
    table = pd.DataFrame(rows, index=["accuracy, %"]).T.rename_axis(f"{options.folds} folds")
    console.print(f"{describe(str(date.today()))}.\n", highlight=False, soft_wrap=True)
    console.print(to_markdown(table), highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main()
