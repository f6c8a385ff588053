"""How fast a fitted pipeline predicts, and how fast a program that uses it starts.

Beside it, with the same network: the predictor of `load_predictor`, `keras.Model.predict`, a
bare `tf.function` of the Keras model, ONNX Runtime with the file that `to_onnx` writes, and the
network alone in ONNX Runtime, OpenVINO and LiteRT (those that are installed; see runtimes.py). Each
is called twenty times in a row with one image, then it is the turn of another, in another order
each round, so that what else the machine does falls on all of them alike. The table has medians
for many images, and means for one, since doubtful ones get test-time augmentation. The
limit is the rate of a product of large matrices in the same process.

    python examples/benchmarks/prediction.py                          # trains the default first
    python examples/benchmarks/prediction.py --model digits.pipeline  # or takes a saved one

Writes prediction.csv beside the script and docs/prediction.md. Start-up is measured in
processes of their own: importing, loading the model, the first image; and the commands of the
command line, beside the import of TensorFlow.
"""

import argparse
import inspect
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
import zipfile
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image
from reporting import describe, memory, to_markdown, wrap
from rich.console import Console
from rich.progress import track
from runtimes import SIDE, limits, onnx_session, operations, runtimes
from workers import RunError, ask_worker

from mnist_estimator import load, load_mnist, load_predictor, make_pipeline, save, to_onnx

SCRIPT = Path(__file__).resolve()
PIPELINE, KERAS, ONNX = "digits.pipeline", "network.keras", "digits.onnx"
PICTURE, TABLE = "digit.png", "digits.csv"
CALLS_IN_A_ROW = 20
FLAT_CALLS = 10_000
"""Calls over which the memory is watched."""

STARTS = {
    "pipeline": (
        PIPELINE,
        "import mnist_estimator.classifier",
        "pipe = mnist_estimator.load(path)",
        "pipe.predict_proba(X)",
    ),
    "predictor": (
        PIPELINE,
        "import mnist_estimator.serving._load_predictor",
        "predictor = mnist_estimator.load_predictor(path)",
        "predictor.predict_proba(X)",
    ),
    "Keras": (
        KERAS,
        "import keras",
        "model = keras.models.load_model(path)",
        "model.predict((X / 255).astype('float32').reshape(-1, 28, 28, 1), verbose=0)",
    ),
    "ONNX Runtime": (
        ONNX,
        "import onnxruntime",
        "session = onnxruntime.InferenceSession(path)",
        "session.run(None, {'X': X})",
    ),
}
"""The file that a program loads, and what it does: import, load, first image."""

IMPORT = "`import tensorflow`"
CLI = ["-m", "mnist_estimator"]
COMMANDS = {
    IMPORT: ["-c", "import tensorflow"],
    "`predict`, one picture": [*CLI, "predict", PIPELINE, PICTURE],
    "`predict`, a picture that is missing": [*CLI, "predict", PIPELINE, "no.png"],
    "`predict`, a CSV file": [*CLI, "predict", PIPELINE, TABLE],
    "`evaluate` on MNIST": [*CLI, "evaluate", PIPELINE],
    "`draw`, until the first answer": [*CLI, "draw", PIPELINE, "--port", "0"],
}
"""Programs that are started, in a folder with the files."""

TITLES = {
    "predict": "`pipe.predict`",
    "unchecked": "the same, range of values not checked",
    "predict_proba": "`pipe.predict_proba`",
    "predictor": "`predictor.predict`",
    "keras": "`model.predict`",
    "bare": "bare `tf.function`",
    "onnx": "ONNX Runtime, the file of `to_onnx`",
    "onnx_network": "ONNX Runtime, the network alone",
    "openvino": "OpenVINO, the network alone",
    "litert": "LiteRT, the network alone",
}
ALONE = ["onnx_network", "openvino", "litert"]
"""Those without scaling and test-time augmentation."""

Call = Callable[[np.ndarray], Any]


def calls(folder: Path) -> dict[str, tuple[Call, bool]]:
    """Return what is timed, and whether it takes scaled images in place of raw pixels."""
    import tensorflow as tf

    pipe, unchecked = load(folder / PIPELINE), load(folder / PIPELINE)
    for _, step in unchecked.steps:
        del step._value_range  # as files of versions before 0.7, which have none
    model = pipe[-1].model_
    form = tf.TensorSpec([None, 28, 28, 1], tf.float32)
    bare = tf.function(lambda images: model(images, training=False), input_signature=[form])
    found: dict[str, tuple[Call, bool]] = {
        "predict": (pipe.predict, False),
        "unchecked": (unchecked.predict, False),
        "predict_proba": (pipe.predict_proba, False),
        "predictor": (load_predictor(folder / PIPELINE).predict, False),
        "keras": (lambda X: model.predict(X, batch_size=256, verbose=0), True),
        "bare": (lambda X: [bare(tf.constant(X[i : i + 256])).numpy()
                            for i in range(0, len(X), 256)], True),
    }  # fmt: skip
    session = onnx_session(str(folder / ONNX))
    found["onnx"] = (lambda X: session.run(None, {"X": X}), False)
    network = network_of(folder)
    return found | {name: (call, True) for name, call in runtimes(network, model).items()}


def network_of(folder: Path) -> bytes:
    """Return the ONNX model in the pipeline's file, from scaled images to logits."""
    with zipfile.ZipFile(folder / PIPELINE) as archive:
        return archive.read("network.onnx")


def measure_calls(folder: Path, n_images: int, n_rounds: int) -> list[dict[str, Any]]:
    """Time calls with one image and with many."""
    X, _ = load_mnist("test", return_X_y=True)
    X = X[:n_images]
    scaled = (X / 255).astype(np.float32).reshape(-1, 28, 28, 1)
    timed = calls(folder)
    rows, order = [], np.random.default_rng(0)
    for size, n_calls in ((1, CALLS_IN_A_ROW), (len(X), 1)):
        seconds: dict[str, list[float]] = {name: [] for name in timed}
        for i in range(-1, n_rounds):  # the first one is warm-up
            starts = np.arange(i * n_calls, (i + 1) * n_calls) % (len(X) - size + 1)
            for name in order.permutation(list(timed)):  # what runs before counts
                call, takes_scaled = timed[name]
                for start in starts:
                    images = (scaled if takes_scaled else X)[start : start + size]
                    started = time.perf_counter()
                    call(images)
                    if i >= 0:
                        seconds[name].append(time.perf_counter() - started)
        for name, values in seconds.items():
            summary = {"median_ms": np.median(values) * 1e3, "mean_ms": np.mean(values) * 1e3}
            rows.append({"what": "call", "name": name, "images": size, **summary})
    doubtful = np.mean(timed["predict_proba"][0](X).max(axis=1) < 0.9)
    rows.append({"what": "doubtful", "name": "predict_proba", "images": len(X), "share": doubtful})
    rows += measure_limits(folder, timed, scaled, n_rounds)
    return rows


def measure_limits(
    folder: Path, timed: dict[str, tuple[Call, bool]], scaled: np.ndarray, n_rounds: int
) -> list[dict[str, Any]]:
    """Time products of matrices, and compare the labels of the runtimes."""
    rows: list[dict[str, Any]] = [
        {"what": "limit", "name": name, "images": 0, "gflops": rate}
        for name, rate in limits(n_rounds).items()
    ]
    labels = {name: timed[name][0](scaled).argmax(axis=1) for name in ALONE if name in timed}
    for name, found in labels.items():
        share = np.mean(found != labels["onnx_network"])
        rows.append({"what": "other labels", "name": name, "images": len(found), "share": share})
    per_image = operations(network_of(folder)) / 1e9
    return [*rows, {"what": "operations", "name": "network", "images": 1, "gflops": per_image}]


def measure_memory(folder: Path, n_calls: int) -> list[dict[str, Any]]:
    """Watch the memory over many calls with one image."""
    X, _ = load_mnist("test", return_X_y=True)
    pipe = load(folder / PIPELINE)
    for i in range(n_calls // 5):
        pipe.predict(X[i % 10_000][np.newaxis])
    before, _ = memory()
    for i in range(n_calls):
        pipe.predict(X[i % 10_000][np.newaxis])
    grown = memory()[0] - before
    return [{"what": "memory", "name": "predict", "images": n_calls, "mb": grown}]


def measure_start(folder: Path, name: str) -> list[dict[str, Any]]:
    """Time import, load and first image, in a process that does nothing else."""
    file, *statements = STARTS[name]
    lines = ["import sys, time, numpy as np", "X, path = np.zeros((1, 784), 'uint8'), sys.argv[1]"]
    lines.append("times = [time.perf_counter()]")
    for statement in statements:
        lines += [statement, "times.append(time.perf_counter())"]
    lines.append("print(*(after - before for before, after in zip(times, times[1:])))")
    lines += [inspect.getsource(memory), "from pathlib import Path", "print(memory()[1])"]
    command = [sys.executable, "-c", "\n".join(lines), str(folder / file)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, peak = done.stdout.splitlines()[-2:]
    times = [
        {"what": "start", "name": f"{name}: {part}", "images": 1, "median_ms": float(value) * 1e3}
        for part, value in zip(("import", "load", "first"), seconds.split(), strict=True)
    ]
    return [*times, {"what": "peak", "name": name, "images": 1, "mb": float(peak)}]


LAUNCHER = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it is for the command
started = time.perf_counter()
process = os.posix_spawn(sys.executable, sys.argv[1:], os.environ, setsigdef=[signal.SIGTERM])
_, status, usage = os.wait4(process, 0)
print(time.perf_counter() - started, usage.ru_maxrss, file=sys.stderr)
"""
"""Starts a command from a small process, whose peak memory the command takes over."""


def measure_command(folder: Path, name: str) -> list[dict[str, Any]]:
    """Time a program until it ends, or a server until its first answer."""
    serves = "draw" in COMMANDS[name]
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-S", "-c", LAUNCHER, sys.executable, *COMMANDS[name]],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    if serves:
        (url,) = re.findall(r"http://\S+", process.stdout.readline())
        urllib.request.urlopen(url).read()
        until_answer = time.perf_counter() - started
        os.killpg(process.pid, signal.SIGTERM)
    _, errors = process.communicate()
    until_end, peak = (float(value) for value in errors.splitlines()[-1].split())
    return [
        {
            "what": "command",
            "name": name,
            "images": 1,
            "median_ms": (until_answer if serves else until_end) * 1e3,
            "mb": peak / (2**20 if sys.platform == "darwin" else 2**10),
        }
    ]


PARTS: dict[str, Callable[..., list[dict[str, Any]]]] = {
    "calls": measure_calls,
    "memory": measure_memory,
    "start": measure_start,
    "command": measure_command,
}


def prepare(folder: Path, model: Path | None, n_rows: int) -> None:
    """Write the network in the three forms that are measured, and images for the commands."""
    X, y = load_mnist("train", return_X_y=True)
    Image.fromarray(X[0].reshape(28, 28)).save(folder / PICTURE)
    np.savetxt(folder / TABLE, X[:n_rows], fmt="%d", delimiter=",")
    pipe = load(model) if model else make_pipeline(random_state=0, verbose=True).fit(X, y)
    save(pipe, folder / PIPELINE)
    pipe[-1].model_.save(folder / KERAS)
    to_onnx(pipe, folder / ONNX)


def page(rows: pd.DataFrame, described: str) -> str:
    """Return the tables as Markdown."""
    made = rows[rows["what"] == "call"]
    parts = []
    for size, by_size in made.groupby("images"):
        times = by_size.set_index("name")["mean_ms" if size == 1 else "median_ms"]
        table = pd.DataFrame(
            {
                "milliseconds": [f"{times[name]:,.2f}" if size == 1 else f"{times[name]:,.0f}"
                                 for name in times.index],
                "speed-up over model.predict": [f"{times['keras'] / value:.2f} ×"
                                                for value in times],
                "time ÷ bare tf.function": [f"{value / times['bare']:.2f} ×" for value in times],
            },
            index=pd.Index([TITLES[name] for name in times.index], name=""),
        )  # fmt: skip
        unit = "One image, mean over test images" if size == 1 else f"{size:,} images, median"
        parts += [f"## {unit}", to_markdown(table)]
    parts += _limit(rows)
    share = rows.loc[rows["what"] == "doubtful", "share"].iloc[0]
    grown = rows.loc[rows["what"] == "memory"].iloc[0]
    parts += [
        f"{share:.1%} of the test images have a largest probability below 0.9, and get test-time "
        f"augmentation. Over {grown['images']:,} calls with one image, memory grew by "
        f"{max(grown['mb'], 0.0):.1f} MB.",
        "## Start-up: a new process",
    ]
    starts = rows[rows["what"] == "start"].copy()
    starts[["program", "part"]] = starts["name"].str.split(": ", expand=True)
    table = starts.pivot_table(
        index="program", columns="part", values="median_ms", aggfunc="median"
    )
    table = table[["import", "load", "first"]]
    table["together"] = table.sum(axis=1)
    peaks = rows[rows["what"] == "peak"].groupby("name")["mb"].median()
    shown = table.map(lambda value: f"{value:,.0f} ms")
    shown["peak memory"] = [f"{peaks[name]:,.0f} MB" for name in shown.index]
    shown = shown.rename(columns={"first": "first image"}).rename_axis(index="", columns=None)
    shown = shown.loc[[name for name in STARTS if name in shown.index]]
    parts += [to_markdown(shown), "## The command line: a new process", *_commands(rows)]
    title, source = "# Prediction and start-up", "Written by `examples/benchmarks/prediction.py`."
    return wrap("\n\n".join([title, f"{described}.", source, *parts]))


def _limit(rows: pd.DataFrame) -> list[str]:
    """Return the table of operations a second, and what it says."""
    by_what = rows.set_index(["what", "name"])
    rates, (per_image,) = by_what.loc["limit", "gflops"], by_what.loc["operations", "gflops"]
    limit = rates.max()
    made = rows[rows["what"] == "call"]
    one, many = (
        by_size.set_index("name")["mean_ms" if size == 1 else "median_ms"] / size / 1e3
        for size, by_size in made.groupby("images")
    )
    names = ["predict", "predictor", "bare", *(name for name in ALONE if name in one.index)]
    other = by_what.loc["other labels", "share"]
    table = pd.DataFrame(
        [
            [
                f"{per_image / one[name]:,.0f}",
                f"{per_image / one[name] / limit:.0%}",
                f"{per_image / many[name]:,.0f}",
                f"{per_image / many[name] / limit:.0%}",
                f"{many['onnx_network'] / many[name]:.2f} ×",
                f"{other[name]:.2%}" if name in other.index else "–",
            ]
            for name in names
        ],
        columns=["one image, GFLOP/s", "of the limit", "many images, GFLOP/s", "of the limit",
                 "speed ÷ ONNX Runtime's", "other labels"],
        index=pd.Index([TITLES[name] for name in names], name=""),
    )  # fmt: skip
    products = ", ".join(f"{name} {rate:,.0f}" for name, rate in rates.items())
    return [
        "## The processor's limit",
        f"Product of two matrices of {SIDE} rows and columns in float32, GFLOP/s: {products}. The "
        f"fastest is the limit. The network takes {per_image * 1e3:.2f} million floating-point "
        "operations an image.",
        to_markdown(table),
    ]


def _commands(rows: pd.DataFrame) -> list[str]:
    """Return the table of commands, and what it says."""
    found = (
        rows[rows["what"] == "command"].groupby("name", sort=False)[["median_ms", "mb"]].median()
    )
    table = pd.DataFrame(
        {
            "seconds": found["median_ms"].map(lambda value: f"{value / 1e3:.2f}"),
            "time ÷ `import tensorflow`": (found["median_ms"] / found["median_ms"][IMPORT]).map(
                "{:.2f} ×".format
            ),
            "peak memory": found["mb"].map("{:,.0f} MB".format),
        }
    ).rename_axis(index="")
    n_rows = rows.loc[rows["what"] == "rows", "images"].iloc[0]
    return [to_markdown(table), f"The CSV file has {n_rows:,} rows."]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, help="a pipeline written by save")
    parser.add_argument("--images", type=int, default=10_000, help="default: 10,000")
    parser.add_argument("--rounds", type=int, default=10, help="default: 10")
    parser.add_argument("--calls", type=int, default=FLAT_CALLS, help=f"default: {FLAT_CALLS}")
    parser.add_argument("--rows", type=int, default=60_000, help="of the CSV file; default: 60,000")
    parser.add_argument("--csv", type=Path, default=SCRIPT.with_suffix(".csv"))
    parser.add_argument("--page", type=Path, default=SCRIPT.parents[2] / "docs" / "prediction.md")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.part:
        name, folder, *rest = json.loads(options.part)
        print(json.dumps(PARTS[name](Path(folder), *rest)))
        return
    console = Console()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        console.print("Preparing the network")
        prepare(folder, options.model, options.rows)
        jobs = [("calls", options.images, options.rounds), ("memory", options.calls)]
        n_starts = range(min(3, options.rounds))
        jobs += [("start", start) for _ in n_starts for start in STARTS]
        jobs += [("command", command) for _ in n_starts for command in COMMANDS]
        rows: list[dict[str, Any]] = [{"what": "rows", "name": TABLE, "images": options.rows}]
        for part, *rest in track(jobs, description="Measuring", console=console):
            try:
                rows += ask_worker(SCRIPT, "--part", json.dumps([part, str(folder), *rest]))
            except RunError as error:
                raise SystemExit(f"{part} failed: {error}") from error
    frame = pd.DataFrame(rows)
    described = describe(date.today().isoformat())
    text = page(frame, described)
    options.csv.write_text(f"# {described}\n" + frame.round(4).to_csv(index=False), "utf-8")
    options.page.write_text(text + "\n", encoding="utf-8")
    console.print(text, markup=False, highlight=False)


if __name__ == "__main__":
    main()
