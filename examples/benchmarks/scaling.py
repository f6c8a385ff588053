"""How time and memory of a fit grow: with images, their side, classes and filters.

Each is varied alone from a base point, one epoch of the default network on random images. The
network is fitted on a few images first, which compiles it; that is timed by itself. Short fits are
repeated, and the quickest counts.

    python examples/benchmarks/scaling.py                        # ten minutes on two cores
    python examples/benchmarks/scaling.py --images 1000 10000    # other numbers

Each fit has a process of its own. Its row goes to scaling.csv beside the script, and what stands
there with the same settings is not run again. Then docs/scaling.md and its figure are written.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from measuring import Job, Row, parser_of, reset_peak, rows_of, run, said
from reporting import memory, to_markdown

from mnist_estimator.evaluation._plot._training_history import BEST_EPOCH_COLOR, TRAINING_COLOR

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# ---------------------------------------------------------------------------------------
# The fits.

BASE = {"images": 10_000, "side": 28, "classes": 10, "filters": 1.0}
AXES = {
    "images": [1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 600_000],
    "side": [8, 16, 28, 64, 128],
    "classes": [2, 10, 100, 1_000],
    "filters": [0.25, 0.5, 1.0, 2.0, 4.0],
}
TITLES = {
    "images": "Images", "side": "Pixels a side", "classes": "Classes",
    "filters": "Filters, times (16, (48, 48), 96)",
}  # fmt: skip


REPEATS, LONG = 3, 10.0
"""Fits of a point, at most, and the seconds after which no other one begins."""


def synthetic(n_images: int, side: int, n_classes: int, seed: int = 0) -> Any:
    """Return random images whose brightness tells the class, bytes, and their labels."""
    X = np.random.default_rng(seed).integers(0, 128, (n_images, side, side), dtype=np.uint8)
    y = np.arange(n_images) % n_classes
    X += (127 * y // (n_classes - 1)).astype(np.uint8)[:, np.newaxis, np.newaxis]
    return X, y


def measure_fit(images: int, side: int, classes: int, filters: float) -> Row:
    """Time a fit that compiles, of a few images, and one that does not, of all."""
    from mnist_estimator import CNNClassifier

    def times(n: int) -> int:
        return max(1, round(filters * n))

    X, y = synthetic(images, side, classes)
    clf = CNNClassifier(
        filters=(times(16), (times(48), times(48)), times(96)), epochs=1, hard_fraction=1.0,
        early_stopping=False, random_state=0,
    )  # fmt: skip
    started = time.perf_counter()
    few = max(classes, min(images, 100))
    clf.fit(X[:few], y[:few])
    compiled = time.perf_counter()
    reset_peak()
    before, _ = memory()
    seconds: list[float] = []
    while len(seconds) < REPEATS and sum(seconds) < LONG:
        begun = time.perf_counter()
        clf.fit(X, y)
        seconds.append(time.perf_counter() - begun)
    _, highest = memory()
    return {"compile_seconds": compiled - started, "seconds": min(seconds), "peak_mb": highest,
            "added_mb": highest - before}  # fmt: skip


PARTS = {"fit": measure_fit}
FIELDS = ["compile_seconds", "seconds", "peak_mb", "added_mb"]

# ---------------------------------------------------------------------------------------
# The page.

NOTE = """\
The time should grow linearly with the images and the pixels (the square of the side), with the
first to second power of the filters, and hardly with the classes. Deviations:

- Few images: an epoch has at least 32 steps, and small batches take longer per image.
- Small sides: a step has a fixed cost, and convolutions of small images use the cores less.
- Large sides: batches exceed the processor's caches. Memory grows with the batch of 512 images;
  a smaller `batch_size` reduces it.
- Few filters: TensorFlow's convolutions process 16 channels at a time; fewer cost as much.
"""


def exponents(x: Sequence[float], y: Sequence[float]) -> list[float]:
    """Return the slope from the point before in logarithms: 1 where y grows as x does."""
    slopes = np.diff(np.log(np.asarray(y, float))) / np.diff(np.log(np.asarray(x, float)))
    return [np.nan, *slopes]


def along(fits: pd.DataFrame, axis: str) -> pd.DataFrame:
    """Return the fits that differ from the base point in one thing at most, in its order."""
    others = [name for name in BASE if name != axis]
    base = fits.attrs["base"]
    same = (fits[others] == [base[name] for name in others]).all(axis=1)
    return fits[same].sort_values(axis)


def table(fits: pd.DataFrame, axis: str) -> pd.DataFrame:
    """Lay out the fits along an axis."""
    rows = along(fits, axis)
    columns = {
        "seconds": [f"{value:.2f}" for value in rows["seconds"]],
        "grows with power": [said(v, "{:.2f}") for v in exponents(rows[axis], rows["seconds"])],
        "µs an image": [f"{v:,.0f}" for v in 1e6 * rows["seconds"] / rows["images"]],
        "compiling, s": [f"{value:.1f}" for value in rows["compile_seconds"]],
        "MB added": [f"{value:,.0f}" for value in rows["added_mb"]],
        "peak MB": [f"{value:,.0f}" for value in rows["peak_mb"]],
    }
    return pd.DataFrame(columns, index=pd.Index([f"{v:,}" for v in rows[axis]], name=TITLES[axis]))


LEAST = 0.1
"""MB: what is drawn where no more was added."""


def draw(fits: pd.DataFrame) -> "Figure":
    """Draw seconds and memory along each axis, with lines of slope 1 through the base point."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 5), dpi=150, layout="constrained")
    axes = figure.subplots(2, len(AXES), sharex="col", sharey="row")
    for column, axis in zip(axes.T, AXES, strict=True):
        rows = along(fits, axis)
        base = rows[rows[axis] == fits.attrs["base"][axis]].iloc[0]
        for ax, measure in zip(column, ("seconds", "added_mb"), strict=True):
            values = rows[measure].clip(lower=LEAST)
            ax.plot(rows[axis], values, "o-", color=TRAINING_COLOR, label="measured")
            ends = np.array([rows[axis].min(), rows[axis].max()])
            ax.plot(
                ends,
                max(base[measure], LEAST) * ends / base[axis],
                ":",
                color="gray",
                label="slope 1",
            )
            ax.set(xscale="log", yscale="log")
            ax.minorticks_off()
            ax.grid(alpha=0.3)
        shown = rows[axis].tolist()[:: 2 if len(rows) > 5 else 1]
        column[1].set_xticks(shown, [f"{value:,g}" for value in shown])
        column[0].plot(rows[axis], rows["compile_seconds"], "s--", color=BEST_EPOCH_COLOR,
                       markersize=4, label="compiling")  # fmt: skip
        column[1].set_xlabel(TITLES[axis])
    axes[0, 0].set_ylabel("Fit of one epoch (s)")
    axes[1, 0].set_ylabel("Memory added (MB)")
    axes[0, 0].legend()
    return figure


def page(rows: pd.DataFrame, described: str, base: Row, picture: Path) -> str:
    """Return the tables as Markdown, and draw the figure."""
    fits = rows_of(rows, "fit")
    fits.attrs["base"] = base
    picture.parent.mkdir(parents=True, exist_ok=True)
    draw(fits).savefig(picture)
    said_first = (
        f"Written by `examples/benchmarks/scaling.py`. One epoch of `CNNClassifier()` without "
        f"validation data, on {base['images']:,} random images of {base['side']}×{base['side']} "
        f"pixels and {base['classes']} classes; each table varies one of these numbers. "
        "Compilation is timed separately. Short fits: the fastest of three. MB added: peak memory "
        "minus memory before the fit."
    )
    parts = ["# Scaling", f"{described}.", said_first]
    parts.append(f"![Seconds and memory against each number](images/{picture.name})")
    parts += [to_markdown(table(fits, axis)) for axis in AXES]
    return "\n\n".join([*parts, NOTE])


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is not there yet, and write the page and the figure."""
    parser = parser_of(Path(__file__), "scaling.md", __doc__ or "", PARTS)
    for axis, values in AXES.items():
        kind = type(BASE[axis])
        parser.add_argument(f"--{axis}", type=kind, nargs="+", default=values, metavar="N")
        parser.add_argument(f"--base-{axis}", type=kind, default=BASE[axis], metavar="N")
    options = parser.parse_args(arguments)
    base = {axis: getattr(options, f"base_{axis}") for axis in AXES}

    def jobs_of(options: argparse.Namespace) -> list[Job]:
        points = [base | {axis: v} for axis in AXES for v in [base[axis], *getattr(options, axis)]]
        return [("fit", dict(point)) for point in dict.fromkeys(tuple(p.items()) for p in points)]

    def write(rows: pd.DataFrame, described: str) -> str:
        return page(rows, described, base, options.page.parent / "images" / "scaling.png")

    return run(Path(__file__), PARTS, FIELDS, jobs_of, write, options)


if __name__ == "__main__":
    sys.exit(main())
