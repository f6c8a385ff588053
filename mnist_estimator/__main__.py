"""The command line: MNIST from the data to the report, in one command."""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from ._version import __version__

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from .evaluation import EvaluationReport

PRESETS = ("fast", "balanced", "accurate")
"""Those of ``make_pipeline``, whose import would take seconds."""
DEFAULT_OUTPUT = "mnist-output"
PIPELINE_FILE = "pipeline.joblib"
N_TRAIN = 60_000
INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, default=None
        Arguments; None takes those of the process.

    Returns
    -------
    int
        Exit code: 0, 1 after an error, 2 for wrong arguments, 130 after Ctrl-C
        (what was learned until then is kept).
    """
    # Before TensorFlow is imported, or its start fills the terminal.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    options = _parser().parse_args(arguments)
    options.fitted = False
    plain: dict[str, Any] = {"highlight": False, "markup": False, "soft_wrap": True}
    console, errors = Console(quiet=options.quiet, **plain), Console(stderr=True, **plain)
    try:
        return _run(options, console)
    except KeyboardInterrupt:
        kept = options.output / PIPELINE_FILE
        errors.print(
            f"Interrupted; the fitted pipeline is in {kept}."
            if options.fitted
            else "Interrupted before anything was learned; nothing was written."
        )
        return INTERRUPTED
    except (OSError, ValueError, TypeError, FloatingPointError) as error:
        errors.print(f"mnist-estimator: {error}")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mnist-estimator",
        description="Train a convolutional network on MNIST and report how well it reads the "
        "10,000 test images.",
        epilog="The output folder gets report.html (one page with everything), the plots as PNG, "
        "metrics.json, per_class.csv, confusion_matrix.csv, history.csv and pipeline.joblib, the "
        "fitted pipeline. Ctrl-C ends the training and keeps what was learned; a second "
        "Ctrl-C stops at once.",
    )
    add = parser.add_argument
    add("--preset", choices=PRESETS, default="balanced",
        help="how much training: fast, balanced or accurate (default: balanced)")  # fmt: skip
    add("--epochs", type=_count, metavar="N",
        help="largest number of epochs (default: that of the preset)")  # fmt: skip
    add("--seed", type=_seed, metavar="N", default=0, help="random seed (default: 0)")
    add("--output", type=Path, metavar="FOLDER", default=Path(DEFAULT_OUTPUT),
        help=f"folder for the results, made if need be (default: {DEFAULT_OUTPUT})")  # fmt: skip
    add("--source", metavar="SOURCE", default="bundled",
        help='where MNIST comes from: "bundled" with the package, "keras", "openml", or the path '
        "of an mnist.npz or of a folder of IDX files (default: bundled)")  # fmt: skip
    add("--train-size", type=_train_size, metavar="N", default=N_TRAIN,
        help="train on N images only, chosen at random with the classes in proportion "
        "(default: all 60,000)")  # fmt: skip
    add("--quiet", action="store_true", help="print nothing but errors")
    add("--version", action="version", version=f"mnist-estimator {__version__}")
    return parser


def _count(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 up, got {text!r}")
    return number


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(
            f"must be a whole number from 0 to 4294967295, got {text!r}"
        )
    return int(text)


def _train_size(text: str) -> int:
    number = _count(text)
    if not 100 <= number <= N_TRAIN:
        raise argparse.ArgumentTypeError(f"must be from 100 to 60000, got {text!r}")
    return number


def _run(options: argparse.Namespace, console: Console) -> int:
    """Load, train, evaluate, write."""
    from .datasets import load_mnist

    _check_folder(options.output)
    X, y = load_mnist("train", source=options.source, return_X_y=True)
    X_test, y_test = load_mnist("test", source=options.source, return_X_y=True)
    console.print(f"MNIST ({options.source}): {len(X):,} training and {len(X_test):,} test images.")
    if options.train_size < len(X):
        from sklearn.model_selection import train_test_split

        X, _, y, _ = train_test_split(
            X, y, train_size=options.train_size, stratify=y, random_state=options.seed
        )

    _import_tensorflow()
    from .evaluation import evaluate
    from .pipeline import make_pipeline

    chosen = {} if options.epochs is None else {"epochs": options.epochs}
    pipe = make_pipeline(options.preset, random_state=options.seed, **chosen)
    pipe.set_params(cnn__verbose=0 if options.quiet else 1)
    cnn = pipe.named_steps["cnn"]
    share = f"{cnn.validation_fraction:.0%} of them held out for validation"
    console.print(f"Training on {len(X):,} images{', ' + share if cnn.early_stopping else ''}.")
    started = time.perf_counter()
    interrupted = _fit(pipe, X, y, console)
    seconds = time.perf_counter() - started
    _save(pipe, options.output / PIPELINE_FILE)  # at once, since it is what took the time
    options.fitted = True
    cnn = pipe[-1]
    console.print(
        f"Trained {cnn.n_iter_} epochs in {seconds:.0f} s; "
        f"kept the weights of epoch {cnn.best_epoch_}.\n"
    )
    report = evaluate(pipe, X_test, y_test)
    console.print(str(report))
    facts = _facts(options, pipe, len(X), seconds)
    _write_results(options.output, pipe, report, X_test, facts)
    console.print(f"\nWritten to {options.output}: open {options.output / 'report.html'}")
    return INTERRUPTED if interrupted else 0


def _fit(pipe: "Pipeline", X: Any, y: Any, console: Console) -> bool:
    """Fit, and tell whether Ctrl-C cut it short."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        pipe.fit(X, y)
    for warning in caught:
        console.print(str(warning.message))
    return any(issubclass(warning.category, ConvergenceWarning) for warning in caught)


def _facts(
    options: argparse.Namespace, pipe: "Pipeline", n_images: int, seconds: float
) -> dict[str, Any]:
    """Return how the numbers came about."""
    import platform

    import keras
    import sklearn
    import tensorflow

    cnn = pipe[-1]
    return {
        "seed": options.seed,
        "preset": options.preset,
        "training_images": n_images,
        "epochs": cnn.n_iter_,
        "best_epoch": cnn.best_epoch_,
        "fit_seconds": round(seconds, 2),
        "parameters": cnn.model_.count_params(),
        "versions": {
            "mnist_estimator": __version__,
            "python": platform.python_version(),
            "tensorflow": tensorflow.__version__,
            "keras": keras.__version__,
            "scikit-learn": sklearn.__version__,
        },
    }


def _import_tensorflow() -> None:
    """Import TensorFlow, with its greeting muted and Ctrl-C put off.

    TensorFlow 2.21 tells at import, on the process's own stderr and whatever
    TF_CPP_MIN_LOG_LEVEL says, that there is oneDNN and no GPU. A Ctrl-C that comes
    meanwhile is lost somewhere in the import.
    """
    pressed: list[int] = []
    previous = signal.signal(signal.SIGINT, lambda number, frame: pressed.append(number))
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with tempfile.TemporaryFile() as sink:
            os.dup2(sink.fileno(), 2)
            import tensorflow  # noqa: F401
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        signal.signal(signal.SIGINT, previous)
    if pressed:
        raise KeyboardInterrupt


def _check_folder(folder: Path) -> None:
    """Make the output folder and see that it takes files, before anything is trained."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OSError(
            f"--output {folder} cannot be written to ({error.strerror or error}); "
            "give a folder that can be made or written."
        ) from error


def _save(pipe: "Pipeline", path: Path) -> None:
    """Write the pipeline whole or not at all."""
    import joblib

    partial = path.with_suffix(".partial")
    try:
        joblib.dump(pipe, partial)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _write_results(
    folder: Path,
    pipe: "Pipeline",
    report: "EvaluationReport",
    X_test: Any,
    facts: dict[str, Any],
) -> None:
    """Write the report, its numbers and its pictures."""
    import pandas as pd
    from matplotlib.figure import Figure
    from sklearn.metrics import ConfusionMatrixDisplay

    from .plotting import ImageGridDisplay, TrainingHistoryDisplay

    metrics = json.dumps(report.to_dict() | {"training": facts}, indent=2)
    (folder / "metrics.json").write_text(metrics + "\n", encoding="utf-8")
    report.per_class.to_csv(folder / "per_class.csv", index_label="class")
    report.confusion.to_csv(folder / "confusion_matrix.csv", index_label="true")
    history = pd.DataFrame(pipe[-1].history_)
    history.index += 1
    history.to_csv(folder / "history.csv", index_label="epoch")
    report.to_html(folder / "report.html", title="MNIST: how well the network reads digits")

    def save(display: Any, name: str) -> None:
        display.figure_.savefig(folder / name, dpi=150, bbox_inches="tight")

    axes = Figure(figsize=(10, 4), layout="constrained").subplots(1, 2)
    save(TrainingHistoryDisplay.from_estimator(pipe, ax=axes), "training_history.png")
    matrix = ConfusionMatrixDisplay(report.confusion.to_numpy(), display_labels=report.classes)
    axes = Figure(figsize=(7, 6), layout="constrained").subplots()
    save(matrix.plot(ax=axes, cmap="Blues", colorbar=False), "confusion_matrix.png")
    grid = ImageGridDisplay.from_predictions(
        X_test,
        report.y_true,
        report.y_pred,
        confidence=report.confidence,
        ax=Figure(figsize=(9, 10), layout="constrained").subplots(),
    )
    save(grid, "mistakes.png")


if __name__ == "__main__":
    sys.exit(main())
