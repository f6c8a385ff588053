"""The whole workflow on MNIST: load, train, evaluate, write the results."""

import argparse
import json
import tempfile
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from .._version import __version__
from ..utils._output_files import PIPELINE_FILE
from ..utils._wording import counted
from ._exit_codes import ExitCode
from ._terminal import PlainConsole, import_tensorflow

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from ..evaluation._report import EvaluationReport


def run_train(options: argparse.Namespace) -> int:
    """Train on MNIST, evaluate, and write the results into a folder.

    Parameters
    ----------
    options : argparse.Namespace
        ``preset``, ``epochs``, ``seed``, ``output``, ``source``, ``train_size``,
        ``checkpoint_dir`` and ``quiet``, as the command line has them.

    Returns
    -------
    int
        Exit code: 0, or 130 after Ctrl-C; the weights trained so far are kept.
    """
    console = PlainConsole(quiet=options.quiet)
    options.fitted = False
    try:
        return _train(options, console)
    except KeyboardInterrupt:
        kept = options.output / PIPELINE_FILE
        PlainConsole(stderr=True).print(
            f"Interrupted; the fitted pipeline is in {kept}."
            if options.fitted
            else "Interrupted before the end of the first epoch; nothing was written."
        )
        return ExitCode.INTERRUPTED


def _train(options: argparse.Namespace, console: Console) -> int:
    """Load, train, evaluate, write."""
    from ..datasets._mnist import load_mnist

    _make_folder(options.output, "--output")
    if options.checkpoint_dir is not None:
        _make_folder(options.checkpoint_dir, "--checkpoint-dir")
    X, y = load_mnist("train", source=options.source, return_X_y=True)
    X_test, y_test = load_mnist("test", source=options.source, return_X_y=True)
    console.print(f"MNIST ({options.source}): {len(X):,} training and {len(X_test):,} test images.")
    if options.train_size < len(X):
        from sklearn.model_selection import train_test_split

        X, _, y, _ = train_test_split(
            X, y, train_size=options.train_size, stratify=y, random_state=options.seed
        )

    import_tensorflow()
    from ..evaluation._evaluate import evaluate
    from ..persistence._save_load import save
    from ..pipeline import make_pipeline

    chosen: dict[str, Any] = {} if options.epochs is None else {"epochs": options.epochs}
    if options.checkpoint_dir is not None:
        chosen["checkpoint_dir"] = str(options.checkpoint_dir)
    pipe = make_pipeline(options.preset, random_state=options.seed, **chosen)
    pipe.set_params(cnn__verbose=0 if options.quiet else 1)
    cnn = pipe.named_steps["cnn"]
    share = f"{cnn.validation_fraction:.0%} of them held out for validation"
    console.print(f"Training on {len(X):,} images{', ' + share if cnn.early_stopping else ''}.")
    started = time.perf_counter()
    interrupted = _fit(pipe, X, y, console)
    seconds = time.perf_counter() - started
    if options.checkpoint_dir is not None:
        pipe.set_params(cnn__checkpoint_dir=None)  # the folder was for this fit
    save(pipe, options.output / PIPELINE_FILE)  # at once, since it is what took the time
    options.fitted = True
    cnn = pipe[-1]
    console.print(
        f"Trained {counted(cnn.n_iter_, 'epoch')} in {seconds:.0f} s; "
        f"kept the weights of epoch {cnn.best_epoch_}.\n"
    )
    report = evaluate(pipe, X_test, y_test, n_occlusion_maps=8)
    console.print(str(report))
    facts = _facts(options, pipe, len(X), seconds)
    _write_results(options.output, pipe, report, X_test, facts)
    console.print(f"\nWritten to {options.output}: open {options.output / 'report.html'}")
    return ExitCode.INTERRUPTED if interrupted else ExitCode.DONE


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
    """Return the settings, times and versions of the training."""
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


def _make_folder(folder: Path, option: str) -> None:
    """Create a folder and check that it is writable, before anything is trained."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OSError(
            f"{option} {folder} cannot be written to ({error.strerror or error}); "
            "give a folder that can be made or written."
        ) from error


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

    from ..evaluation import ImageGridDisplay, TrainingHistoryDisplay

    metrics = json.dumps(report.to_dict() | {"training": facts}, indent=2)
    (folder / "metrics.json").write_text(metrics + "\n", encoding="utf-8")
    report.per_class.to_csv(folder / "per_class.csv", index_label="class")
    report.confusion.to_csv(folder / "confusion_matrix.csv", index_label="true")
    history = pd.DataFrame(pipe[-1].history_)
    history.index += 1
    history.to_csv(folder / "history.csv", index_label="epoch")
    report.to_html(folder / "report.html", title="MNIST test set")

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
