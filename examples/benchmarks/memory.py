"""Measure the memory that a prediction takes beside its images, and the time of pages full of ink.

Each measurement has a process of its own, warm: one image has been predicted. What it takes is the
highest resident memory during the prediction less that before, in sizes of the images as the
network takes them, float32: 60,000 of MNIST are 188 MB. It runs for two minutes.

    python examples/benchmarks/memory.py
    python examples/benchmarks/memory.py --images 20000 --only predict onnx
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path[:0] = [str(Path(__file__).parents[1])]

from handwriting.printed import PAGES

from mnist_estimator import find_digits, load, load_mnist, make_pipeline, save, to_onnx

LIMITS = {"predict": 2.0, "onnx": 3.0, "pages": 6.0}
"""In sizes of the images, and in seconds a page."""


def prepare(folder: Path) -> None:
    """Fit a network of the default's size, and write it in both forms."""
    X, y = load_mnist("train", return_X_y=True)
    pipe = make_pipeline(epochs=1, random_state=0).fit(X[:5000], y[:5000])
    save(pipe, folder / "digits.pipeline")
    to_onnx(pipe, folder / "digits.onnx")


def images(n_images: int) -> np.ndarray:
    """Return images of MNIST, as often as it takes."""
    return np.resize(load_mnist("train").data, (n_images, 784))


def memory(name: str) -> int:
    """Return an entry of the process's status, in bytes."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(rf"{name}:\s+(\d+) kB", status)
    assert found
    return int(found[1]) * 1024


def added_by(call: Callable[[np.ndarray], Any], n_images: int) -> dict[str, float]:
    """Return by how much memory rises at most while a function runs, in sizes of the images."""
    X = images(n_images)
    call(X[:1])
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak begins here
    before, start = memory("VmRSS"), time.perf_counter()
    call(X)
    seconds = time.perf_counter() - start
    return {"value": (memory("VmHWM") - before) / (4 * X.size), "seconds": seconds}


def predict(folder: Path, n_images: int) -> dict[str, float]:
    """Measure ``predict`` of a pipeline."""
    return added_by(load(folder / "digits.pipeline").predict, n_images)


def onnx(folder: Path, n_images: int) -> dict[str, float]:
    """Measure one run of ONNX Runtime."""
    import onnxruntime

    session = onnxruntime.InferenceSession(folder / "digits.onnx")
    return added_by(lambda X: session.run(None, {"X": X}), n_images)


def pages(folder: Path, n_images: int) -> dict[str, float]:
    """Measure ``find_digits`` on drawn pages; the slowest counts."""
    seconds = {}
    for name, page_of in PAGES.items():
        page = page_of()
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of too many marks
            n_found = len(find_digits(page))
        seconds[name] = time.perf_counter() - start
        megapixels = page.size / 1e6
        print(
            f"  {name}: {megapixels:.1f} MP, {n_found} found, {seconds[name]:.1f} s",
            file=sys.stderr,
        )
    return {"value": max(seconds.values()), "seconds": sum(seconds.values())}


PARTS = {"predict": predict, "onnx": onnx, "pages": pages}


def main() -> int:
    """Measure what is asked for, print it, and return 1 if a limit is exceeded."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=60_000)
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--part", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        name, folder = options.part
        print(json.dumps(PARTS[name](Path(folder), options.images)))
        return 0
    exceeded = False
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder))
        for name in options.only:
            command = [sys.executable, __file__, "--images", str(options.images)]
            answer = subprocess.run(
                [*command, "--part", name, folder], stdout=subprocess.PIPE, check=True
            ).stdout
            measured = json.loads(answer.splitlines()[-1])
            exceeded |= measured["value"] > LIMITS[name]
            unit = "s for the slowest" if name == "pages" else "sizes of the images"
            print(
                f"{name}: {measured['value']:.2f} {unit} (limit {LIMITS[name]:.0f}), "
                f"{measured['seconds']:.1f} s"
            )
    return int(exceeded)


if __name__ == "__main__":
    sys.exit(main())
