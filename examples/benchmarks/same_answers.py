"""Whether the predictor of a saved pipeline answers as the pipeline does.

Labels must be equal, and probabilities within 0.00001, on all 70,000 images of MNIST and on the
10,000 test images under each of the fifteen corruptions of MNIST-C (see mnist_c.py).

    python examples/benchmarks/same_answers.py                          # trains "fast" first
    python examples/benchmarks/same_answers.py --model digits.pipeline  # or takes a saved one

The exit code is 1 if an answer is another one. Needs `pip install scikit-image`.
"""

import argparse
import tempfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mnist_c import CORRUPTIONS, corrupt
from numpy.typing import NDArray
from reporting import describe, to_markdown
from rich.console import Console
from rich.progress import track

from mnist_estimator import load, load_mnist, load_predictor, make_pipeline, save

TOLERANCE = 1e-5
SETS = ["train", "test", *CORRUPTIONS]


def images_of(name: str, n_images: int | None) -> NDArray[np.uint8]:
    """Return images (n, 28, 28) of a subset of MNIST, or test images under a corruption."""
    X, _ = load_mnist("train" if name == "train" else "test", return_X_y=True)
    images = X[:n_images].reshape(-1, 28, 28)
    return corrupt(images, name) if name in CORRUPTIONS else images


def compare(pipe: Any, predictor: Any, images: NDArray[np.uint8]) -> dict[str, float]:
    """Return how many labels differ, and by how much the probabilities do at most."""
    expected, found = pipe.predict_proba(images), predictor.predict_proba(images)
    return {
        "images": len(images),
        "other labels": int(np.sum(pipe.predict(images) != predictor.predict(images))),
        "largest difference": float(np.abs(expected - found).max()),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, help="a pipeline written by save")
    parser.add_argument("--images", type=int, help="images of each set; default: all")
    options = parser.parse_args(arguments)
    console = Console()
    with tempfile.TemporaryDirectory() as folder:
        if options.model is None:
            pipe = make_pipeline("fast", random_state=0, verbose=True)
            pipe.fit(*load_mnist("train", return_X_y=True))
        else:
            pipe = load(options.model)
        save(pipe, Path(folder) / "digits.pipeline")
        predictor = load_predictor(Path(folder) / "digits.pipeline")
    rows = [
        {"": name.replace("_", " ")} | compare(pipe, predictor, images_of(name, options.images))
        for name in track(SETS, "Comparing", console=console, transient=True)
    ]
    table = pd.DataFrame(rows).set_index("")
    shown = table.assign(
        **{
            "images": table["images"].map("{:,}".format),
            "largest difference": table["largest difference"].map("{:.1e}".format),
        }
    )
    text = f"{describe(date.today().isoformat())}\n\n{to_markdown(shown.astype(str))}"
    console.print(text, markup=False, highlight=False, soft_wrap=True)
    is_same = table["other labels"].sum() == 0 and table["largest difference"].max() <= TOLERANCE
    console.print(f"{'The same' if is_same else 'Other'} answers.")
    return int(not is_same)


if __name__ == "__main__":
    raise SystemExit(main())
