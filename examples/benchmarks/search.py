"""How long searches of hyperparameters take, and whether many fits fill the memory.

A grid of twelve candidates in three folds is searched with this package and with scikeras,
around the same network: Keras's example, with other numbers of filters too. Then the same in
two processes, by successive halving, and two hundred fits in one process.

    python examples/benchmarks/search.py                    # everything: about half an hour
    python examples/benchmarks/search.py --only grid        # a part
    python examples/benchmarks/search.py --only memory

Each measurement has a process of its own. Its row goes to search.csv beside the script, and
what stands there with the same settings is not run again. Then docs/search_speed.md is written.
"""

import argparse
import math
import os
import sys
import time
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from measuring import Job, Row, parser_of, rows_of, run, said
from reporting import memory, to_markdown

from mnist_estimator import load_mnist, make_pipeline

GRID = {
    "learning_rate": [0.001, 0.003, 0.01],
    "dropout": [0.2, 0.5],
    "filters": [(16, 32), (32, 64)],
}
SCIKERAS = {"learning_rate": "optimizer__learning_rate", "dropout": "model__dropout",
            "filters": "model__filters"}  # fmt: skip
"""What scikeras calls them."""
BATCH_SIZE = 128
SAME_WORK = {
    "kernel_size": 3, "batch_norm": False, "batch_size": BATCH_SIZE, "optimizer": "adam",
    "beta_2": 0.999, "schedule": "constant", "hard_fraction": 1.0, "augmentation": None,
    "test_time_shift": 0, "early_stopping": False,
}  # fmt: skip
"""What makes this package train the network of Keras's example as Keras does."""
WHO = {
    "scikeras": {},
    "this package, the same work": SAME_WORK,
    "the same in float32": SAME_WORK | {"precision": "float32"},
    "this package, its defaults": {},
}
FOLDS = 3
HALVED = 12
"""Candidates that successive halving begins with."""


def first_images(n_images: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the first training images and their labels."""
    X, y = load_mnist("train", return_X_y=True)
    return X[:n_images], y[:n_images]


def keras_network(filters: Sequence[int], dropout: float) -> Any:
    """Build the network of Keras's example, with other numbers of filters and dropout."""
    import keras
    from keras import layers

    network = [keras.Input((28, 28, 1))]
    for number in filters:
        network += [layers.Conv2D(number, 3, activation="relu"), layers.MaxPooling2D(2)]
    network += [layers.Flatten(), layers.Dropout(dropout), layers.Dense(10, activation="softmax")]
    return keras.Sequential(network)


def scikeras_classifier(epochs: int) -> Any:
    """Wrap the network of Keras's example; without a seed, which would slow it down."""
    from scikeras.wrappers import KerasClassifier

    return KerasClassifier(
        keras_network, model__filters=(32, 64), model__dropout=0.5, optimizer="adam",
        optimizer__learning_rate=0.001, loss="sparse_categorical_crossentropy",
        epochs=epochs, batch_size=BATCH_SIZE, verbose=0,
    )  # fmt: skip


def score(estimator: Any, X: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Return the accuracy, the process, and the threads that TensorFlow has in it."""
    from mnist_estimator.utils._tensorflow_process import n_threads

    accuracy = float(np.mean(estimator.predict(X) == y))
    return {"accuracy": accuracy, "process": os.getpid(), "threads": n_threads()}


def timed(search: Any, X: np.ndarray, y: np.ndarray) -> Row:
    """Fit a search, and return what it took."""
    before, _ = memory()
    started = time.perf_counter()
    search.fit(X, y)
    seconds = time.perf_counter() - started
    fits = FOLDS * len(search.cv_results_["params"])
    return {"seconds": seconds, "fits": fits, "added_mb": memory()[1] - before}


def measure_grid(
    who: str, parameters: Row, grid: dict[str, list], n_images: int, epochs: int, n_jobs: int
) -> Row:
    """Time a search of all candidates."""
    from sklearn.model_selection import GridSearchCV, StratifiedKFold

    X, y = first_images(n_images)
    if who == "scikeras":
        import_module("mnist_estimator.utils._scikeras_compat")  # scikit-learn from 1.6 on wants it

        estimator = scikeras_classifier(epochs)
        X = (X.astype(np.float32) / 255).reshape(-1, 28, 28, 1)
    else:
        estimator = make_pipeline(epochs=epochs, random_state=0, **parameters)
    named = {SCIKERAS[key] if who == "scikeras" else f"cnn__{key}": grid[key] for key in grid}
    search = GridSearchCV(estimator, named, scoring=score, cv=StratifiedKFold(FOLDS), refit=False,
                          n_jobs=n_jobs, error_score="raise")  # fmt: skip
    row, told = timed(search, X, y), search.cv_results_
    processes, threads = ([told[f"split{i}_test_{name}"] for i in range(FOLDS)]
                          for name in ("process", "threads"))  # fmt: skip
    return row | {
        "best_score": float(np.max(told["mean_test_accuracy"])),
        "processes": len(np.unique(processes)), "threads": float(np.max(threads)),
    }  # fmt: skip


def measure_halving(
    resource: str, grid: dict[str, list], candidates: int, n_images: int, epochs: int,
    most_epochs: int,
) -> Row:  # fmt: skip
    """Time successive halving over epochs, or over images."""
    from scipy.stats import loguniform
    from sklearn.experimental import enable_halving_search_cv  # noqa: F401
    from sklearn.model_selection import HalvingRandomSearchCV, StratifiedKFold

    most = most_epochs if resource == "cnn__epochs" else n_images
    distributions = {f"cnn__{name}": values for name, values in grid.items()}
    distributions["cnn__learning_rate"] = loguniform(min(grid["learning_rate"]), 0.03)
    search = HalvingRandomSearchCV(
        make_pipeline(epochs=epochs, random_state=0), distributions, factor=3,
        n_candidates=candidates, resource=resource, min_resources=max(1, most // 9),
        max_resources=most,
        cv=StratifiedKFold(FOLDS), refit=False, random_state=0, error_score="raise",
    )  # fmt: skip
    row = timed(search, *first_images(n_images))
    return row | {"best_score": float(search.best_score_)}


# ---------------------------------------------------------------------------------------
# Many fits.

EARLY = 20
"""Fits after which the memory is to stay."""
STAGES = [(4, 8), (8, 16), (8, (16, 16)), (16, 32)]


def changed_parameters(number: int, new_dropout: bool) -> dict[str, Any]:
    """Return the parameters of a fit: of twelve architectures, or each with its own dropout."""
    dropout = (0.1, 0.2, 0.4)[number // len(STAGES) % 3]
    return {
        "learning_rate": 0.003 + 0.0001 * (number % 100),
        "filters": STAGES[number % len(STAGES)],
        "dropout": 0.1 + 0.0001 * number if new_dropout else dropout,
    }


def fit_once(number: int, new_dropout: bool, X: np.ndarray, y: np.ndarray) -> tuple[int, float]:
    """Fit a pipeline; return the process, and its memory afterwards in MB."""
    changed = changed_parameters(number, new_dropout)
    make_pipeline(epochs=1, random_state=0, **changed).fit(X, y)
    return os.getpid(), memory()[0]


def summarize_memory(told: Sequence[tuple[int, float]]) -> Row:
    """Return the memory after twenty fits and after the last, of the process that grew most.

    Parameters
    ----------
    told : sequence of (process, MB)
        One a fit, in their order.
    """
    of_process: dict[int, list[float]] = {}
    for process, mb in told:
        of_process.setdefault(process, []).append(mb)
    ends = [(values[min(EARLY, len(values)) - 1], values[-1]) for values in of_process.values()]
    early, late = max(ends, key=lambda end: end[1] - end[0])
    return {"fits": len(told), "processes": len(of_process), "mb_early": early, "mb_late": late}


def measure_memory(new_dropout: bool, n_images: int, n_fits: int, n_jobs: int) -> Row:
    """Fit so many times in this process, or in as many others so many times each."""
    from joblib import Parallel, delayed

    X, y = first_images(n_images)
    told = Parallel(n_jobs, batch_size=1)(
        delayed(fit_once)(number, new_dropout, X, y) for number in range(n_fits * n_jobs)
    )
    return summarize_memory(told)


PARTS = {"grid": measure_grid, "halving": measure_halving, "memory": measure_memory}
FIELDS = ["seconds", "fits", "best_score", "added_mb", "processes", "threads"]
FIELDS += ["mb_early", "mb_late"]

# ---------------------------------------------------------------------------------------
# The page.

NOTE = """\
"The same work" is the network of Keras's example: 3×3 convolutions without batch normalization,
Adam at a constant learning rate, batches of 128, all images in every epoch, no corruption, no
validation data and no test-time augmentation. It uses `precision="auto"`: bfloat16 where the
processor has it. scikeras gets images that are already scaled, and no `random_state`, which would
slow it down. In this package, candidates of the same architecture share one compiled function,
which is most of the gain: the convolutions are TensorFlow's in both, so with more epochs the times
converge."""
TEXTS = {
    "grid": "## A grid\n\n`GridSearchCV` of {candidates} candidates in three folds, on "
    "{n_images:,} images of MNIST, without `refit`: learning rates, dropouts, "
    "filters.",
    "halving": "## Successive halving\n\n`HalvingRandomSearchCV`, starting from {candidates} "
    "candidates, in three folds, on the same images. The resource is the number of epochs, 1 to "
    "{most_epochs}, or the number of images, with {epochs} epochs.",
    "memory": "## Memory\n\nConsecutive fits of the pipeline, each with other parameters, on "
    "{n_images:,} images, one epoch; {n_fits} fits a process. With several processes, the one that "
    "grew most.",
}


def table(part: str, rows: pd.DataFrame) -> pd.DataFrame:
    """Lay out what was measured of a part."""
    single = rows["n_jobs"] == 1 if "n_jobs" in rows else pd.Series(True, rows.index)
    columns: dict[str, list[str]] = {}
    if part == "memory":
        labels = np.where(rows["new_dropout"], "another dropout in every fit", "12 architectures")
        ends = [rows[name].to_numpy(float) for name in ("mb_early", "mb_late")]
        for title, values in zip((f"MB after {EARLY}", "MB after the last"), ends, strict=True):
            columns[title] = [f"{mb:,.0f}" for mb in values]
        columns["growth, MB"] = [f"{mb:,.1f}" for mb in ends[1] - ends[0]]
    else:
        labels = rows["who"] if part == "grid" else [f"`{name}`" for name in rows["resource"]]
        columns["seconds"] = [f"{seconds:.1f}" for seconds in rows["seconds"]]
        if part == "grid":
            base = rows.loc[rows["who"] == "scikeras", "seconds"].min()
            columns["share of scikeras"] = [said(s / base, "{:.2f}") for s in rows["seconds"]]
        columns["fits"] = [said(number) for number in rows["fits"]]
        columns["best accuracy, %"] = [f"{100 * value:.2f}" for value in rows["best_score"]]
        columns["MB added"] = [said(mb) for mb in rows["added_mb"].where(single)]
    if part == "grid":
        columns["threads of TensorFlow"] = [said(number) for number in rows["threads"]]
    columns["processes"] = [said(number) for number in rows["processes"].fillna(1)]
    told = [f", n_jobs={n}" if n > 1 else "" for n in rows.get("n_jobs", single)]
    labels = [label + more for label, more in zip(labels, told, strict=True)]
    return pd.DataFrame(columns, index=pd.Index(labels, name=""))


def page(rows: pd.DataFrame, described: str) -> str:
    """Return the tables as Markdown."""
    parts = ["# Speed of searches", f"{described}.", "Written by `examples/benchmarks/search.py`."]
    for part, text in TEXTS.items():
        of_part = rows_of(rows, part)
        if of_part.empty:
            continue
        first = of_part.iloc[0].to_dict()
        if part == "grid":
            first["candidates"] = math.prod(map(len, first["grid"].values()))
        parts.append(text.format(**first))
        if part == "grid":
            for epochs, of_epochs in of_part.groupby("epochs"):
                said_epochs = "One epoch" if epochs == 1 else f"{epochs} epochs"
                parts += [f"{said_epochs}:", to_markdown(table(part, of_epochs))]
            parts.append(NOTE)
        else:
            parts.append(to_markdown(table(part, of_part)))
    return "\n\n".join(parts) + "\n"


def jobs_of(options: argparse.Namespace) -> list[Job]:
    """Return what is to be measured."""
    data = {"n_images": options.images, "grid": GRID}
    jobs: list[Job] = []
    for epochs in options.epochs:
        size = data | {"epochs": epochs}
        for who, parameters in WHO.items():
            if who != "scikeras" or find_spec("scikeras"):
                jobs.append(("grid", {"who": who, "parameters": parameters, "n_jobs": 1, **size}))
        two = {"who": "this package, the same work", "parameters": SAME_WORK, "n_jobs": 2}
        jobs.append(("grid", two | size))
    most = max(options.epochs)
    halving = data | {"candidates": HALVED, "epochs": most, "most_epochs": 3 * most}
    for resource in ("cnn__epochs", "n_samples"):
        jobs.append(("halving", {"resource": resource, **halving}))
    few = {"n_images": min(600, options.images), "n_fits": options.fits}
    for new in (False, True):
        jobs += [("memory", {"new_dropout": new, "n_jobs": n, **few}) for n in (1, 2)]
    return [job for job in jobs if job[0] in options.only]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is not there yet, and write the page."""
    parser = parser_of(Path(__file__), "search_speed.md", __doc__ or "", PARTS)
    size = int(os.environ.get("MNIST_EXAMPLE_SIZE", 6000))
    parser.add_argument("--images", type=int, default=size, help="default: %(default)s")
    parser.add_argument("--epochs", type=int, nargs="+", default=[1, 3],
                        help="of the grid; default: 1 3")  # fmt: skip
    parser.add_argument("--fits", type=int, default=200, help="default: %(default)s")
    options = parser.parse_args(arguments)
    return run(Path(__file__), PARTS, FIELDS, jobs_of, page, options)


if __name__ == "__main__":
    sys.exit(main())
