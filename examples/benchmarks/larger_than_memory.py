"""What it takes to learn from images that stay on the disk, in time and memory.

Two million random images of 28×28 bytes, 1.6 GB, are written to a temporary folder and mapped
into memory. `fit`, `partial_fit` and `predict_proba` of the classifier alone and of the pipeline
take them, and read them batch by batch; beside it stand fewer images held in memory. How fast
that is beside as many images in memory is measured in turn.

    python examples/benchmarks/larger_than_memory.py                        # half an hour
    python examples/benchmarks/larger_than_memory.py --only predict_proba   # a part

Each measurement has a process of its own. Its row goes to larger_than_memory.csv beside the
script, and what stands there with the same settings is not run again. Then
docs/larger_than_memory.md is written. The numbers of the memory need Linux. `TMPDIR` in the
environment says where the folder is to be.
"""

import argparse
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from measuring import Job, Parts, Row, parser_of, reset_peak, rows_of, run, said
from reporting import to_markdown
from scaling import synthetic

SIDE, CLASSES = 28, 10
PIECE = 10_000
"""Images that are written at once, and that `partial_fit` takes at once."""
FOLDER = "MNIST_MAPPED_FOLDER"
"""The variable that tells the processes where the file is, or is to be."""
NETWORK = {
    "filters": (8, 16), "kernel_size": 3, "epochs": 1, "batch_size": 512, "hard_fraction": 1.0,
    "augmentation": None, "early_stopping": False, "test_time_shift": 0, "random_state": 0,
}  # fmt: skip


def pieces(n_images: int) -> Iterator[slice]:
    """Yield slices of some images at a time."""
    for start in range(0, n_images, PIECE):
        yield slice(start, min(start + PIECE, n_images))


def write_images(path: Path, n_images: int) -> None:
    """Write random images piece by piece, and have them on the disk before going on."""
    size = n_images * SIDE**2
    if shutil.disk_usage(path.parent).free < 2 * size:
        raise OSError(f"{path.parent} has no room for {size / 1e9:.1f} GB of images.")
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        form = {"descr": "|u1", "fortran_order": False, "shape": (n_images, SIDE, SIDE)}
        np.lib.format.write_array_header_1_0(file, form)
        for number, rows in enumerate(pieces(n_images)):
            X, _ = synthetic(rows.stop - rows.start, SIDE, CLASSES, number)
            file.write(X)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def images_of(kind: str, n_images: int) -> tuple[np.ndarray, np.ndarray]:
    """Return images and labels: an array, or a file mapped, whose pages the system has or not."""
    if kind == "array":
        return synthetic(n_images, SIDE, CLASSES)
    path = Path(os.environ[FOLDER], f"{n_images}.npy")
    if not path.exists():
        write_images(path, n_images)
    labels = np.concatenate([np.arange(rows.stop - rows.start) for rows in pieces(n_images)])
    if kind == "file, not cached":
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return np.load(path, mmap_mode="r"), labels % CLASSES


def status(name: str) -> float:
    """Return a number of this process's memory in MB, or NaN where the system has none."""
    path = Path("/proc/self/status")
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    found = [int(line.split()[1]) for line in lines if line.startswith(f"{name}:")]
    return found[0] * 1024 / 1e6 if found else float("nan")


@contextmanager
def watched(row: Row, interval: float = 0.01) -> Iterator[None]:
    """Note how long a block takes, and how far memory rises above that at its start.

    Anonymous memory is what the process needs; pages of the file, which count as resident too,
    are given back when others need the room.
    """
    reset_peak()
    resident, anonymous, done = status("VmRSS"), [status("RssAnon")], threading.Event()

    def watch() -> None:
        while not done.wait(interval):
            anonymous.append(status("RssAnon"))

    thread = threading.Thread(target=watch)
    thread.start()
    started = time.perf_counter()
    try:
        yield
    finally:
        row["seconds"] = time.perf_counter() - started
        done.set()
        thread.join()
    row["added_mb"] = status("VmHWM") - resident
    row["added_anonymous_mb"] = max(anonymous) - anonymous[0]


def compiled(who: str) -> Any:
    """Return a model that has been fitted, so that nothing is compiled any more."""
    from mnist_estimator import CNNClassifier, make_pipeline

    model: Any = make_pipeline(**NETWORK) if who == "pipeline" else CNNClassifier(**NETWORK)
    few, labels = synthetic(1000, SIDE, CLASSES)
    model.fit(few, labels).predict_proba(few)
    return model


def measure(what: str, who: str, kind: str, n_images: int, repeats: int = 1) -> Row:
    """Take all images: the median time, the most memory."""
    model = compiled(who)
    rows = pd.DataFrame(
        [take(what, who, model, *images_of(kind, n_images)) for _ in range(repeats)]
    )
    row: Row = {"images": n_images} | rows.max().to_dict() | rows[["seconds"]].median().to_dict()
    return row | {"images_per_second": n_images / row["seconds"]}


def compare(what: str, who: str, held: int, mapped: int, rounds: int) -> Row:
    """Take images from memory and as many of a file in turn: the median share of the speed.

    What else the machine does then slows both alike. No page of the file is in memory.
    """
    model, in_memory = compiled(who), images_of("array", held)
    times: dict[str, list[float]] = {"memory": [], "file": []}
    for number in range(rounds):
        X, y = images_of("file, not cached", mapped)
        start = number * held % (mapped - held + 1)
        images = {"memory": in_memory, "file": (X[start : start + held], y[start : start + held])}
        for name in ("memory", "file") if number % 2 else ("file", "memory"):
            times[name].append(take(what, who, model, *images[name])["seconds"])
        del X, images  # the system keeps pages in memory that are still mapped
    rate = held / float(np.median(times["file"]))
    share = float(np.median(np.divide(times["memory"], times["file"])))
    return {"images": held, "images_per_second": rate, "share": share}


def take(what: str, who: str, model: Any, X: np.ndarray, y: np.ndarray) -> Row:
    """Take all images once."""
    from sklearn.base import clone

    from mnist_estimator import CNNClassifier, ImageScaler

    row: Row = {}
    if what == "fit":
        new = clone(model)
        with watched(row):
            new.fit(X, y)
    elif what == "predict_proba":
        with watched(row):
            model.predict_proba(X)
    else:
        scaler, new = ImageScaler().fit(X[:PIECE]), CNNClassifier(**NETWORK)
        scale: Callable[[Any], Any] = scaler.transform if who == "pipeline" else lambda X: X
        with watched(row):
            for rows in pieces(len(X)):
                new.partial_fit(scale(X[rows]), y[rows], classes=np.arange(CLASSES))
    return row


SETTINGS: dict[str, Row] = {"fit": {}, "partial_fit": {}, "predict_proba": {"repeats": 5}}
IN_TURN = "in turn"
ROUNDS = 6
PARTS: Parts = dict.fromkeys(SETTINGS, measure) | {IN_TURN: compare}
FIELDS = ["images", "seconds", "images_per_second", "added_mb", "added_anonymous_mb", "share"]

NOTE = """\
MB added: the increase of the peak resident memory; anonymous: the same without the pages of the
file, which the system reclaims when it needs room. "Not cached": no page of the file was in memory
at the start. The arrays hold fewer images, since two million would fill the memory. Each row is one
run, which other work of the machine may have slowed; only predictions, which take a fifth of the
time, are the median of five."""


def shares(rows: pd.DataFrame) -> pd.DataFrame:
    """Lay out the speed from a file as a share of that from memory."""
    numbers = rows.pivot(index="who", columns="what", values="share")
    numbers = numbers.reindex(columns=[what for what in SETTINGS if what in numbers])
    return numbers.map(lambda share: said(100 * share, "{:.0f} %")).rename_axis("")


def table(rows: pd.DataFrame) -> pd.DataFrame:
    """Lay out a part."""
    columns = {
        "images": [f"{value:,.0f}" for value in rows["images"]],
        "images/s": [f"{value:,.0f}" for value in rows["images_per_second"]],
        "MB added": [f"{value:,.0f}" for value in rows["added_mb"]],
        "anonymous": [f"{value:,.0f}" for value in rows["added_anonymous_mb"]],
    }
    labels = [f"{who}, {kind}" for who, kind in zip(rows["who"], rows["kind"], strict=True)]
    return pd.DataFrame(columns, index=pd.Index(labels, name=""))


def page(rows: pd.DataFrame, described: str) -> str:
    """Return the tables as Markdown."""
    parts = ["# More images than memory", f"{described}."]
    parts.append(
        "Written by `examples/benchmarks/larger_than_memory.py`: one epoch of a network of 8 and "
        "16 filters on random images of 28×28 bytes."
    )
    compared = rows_of(rows, IN_TURN)
    if len(compared):
        parts += [
            "## Speed from a file relative to memory",
            f"{compared['held'].max():,} images of a file that is not cached, alternating with as "
            f"many in memory: the median of {compared['rounds'].max()} rounds.",
            to_markdown(shares(compared)),
        ]
    for what in SETTINGS:
        of_part = rows_of(rows, what)
        if len(of_part):
            parts += [f"## `{what}`", to_markdown(table(of_part))]
    return "\n\n".join([*parts, NOTE]) + "\n"


def jobs_of(options: argparse.Namespace) -> list[Job]:
    """Return what is to be measured."""
    jobs: list[Job] = []
    for what in SETTINGS:
        for who in ("classifier", "pipeline"):
            kinds = [("array", options.held), ("file", options.mapped)]
            if hasattr(os, "posix_fadvise"):
                kinds.append(("file, not cached", options.mapped))
            settings = {"what": what, "who": who} | SETTINGS[what]
            jobs += [(what, settings | {"kind": kind, "n_images": n}) for kind, n in kinds]
            settings = {"what": what, "who": who, "rounds": ROUNDS}
            if hasattr(os, "posix_fadvise"):
                jobs.append((IN_TURN, settings | {"held": options.held, "mapped": options.mapped}))
    return [job for job in jobs if job[0] in options.only]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is not there yet, and write the page."""
    parser = parser_of(Path(__file__), "larger_than_memory.md", __doc__ or "", PARTS)
    parser.add_argument("--mapped", type=int, default=2_000_000, help="default: %(default)s")
    parser.add_argument("--held", type=int, default=200_000, help="default: %(default)s")
    options = parser.parse_args(arguments)
    if options.part:
        return run(Path(__file__), PARTS, FIELDS, jobs_of, page, options)
    with tempfile.TemporaryDirectory() as folder:
        os.environ[FOLDER] = folder
        return run(Path(__file__), PARTS, FIELDS, jobs_of, page, options)


if __name__ == "__main__":
    sys.exit(main())
