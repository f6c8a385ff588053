"""The whole workflow: load, train, evaluate, write the results."""

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
from ._pipeline import configured_pipeline
from ._terminal import PlainConsole, import_tensorflow, list_skipped
from ._training_data import TrainingData, load_training_data

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from ..evaluation._report import EvaluationReport


def run_train(options: argparse.Namespace) -> int:
    """Train on MNIST or other images, evaluate, and write the results into a folder.

    Parameters
    ----------
    options : argparse.Namespace
        ``data``, ``preset``, ``epochs``, ``settings``, ``seed``, ``output``, ``source``, ``drawn``,
        ``train_size``, ``validation``, ``test``, ``checkpoint_dir``, ``quiet`` and those that say
        what is in ``data``, as the command line has them.

    Returns
    -------
    int
        Exit code: 0; 4 if bad files were left out; 130 after Ctrl-C, when the weights trained so
        far are kept.
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


def _train(options: argparse.Namespace, console: PlainConsole) -> int:
    """Load, train, evaluate, write."""
    make_folder(options.output, "--output")
    if options.checkpoint_dir is not None:
        make_folder(options.checkpoint_dir, "--checkpoint-dir")
    data = load_training_data(options, console)

    import_tensorflow()
    from ..evaluation._evaluate import evaluate
    from ..persistence._save_load import save
    from ..training._few_images import fewest_held_out_of

    pipe = configured_pipeline(options, data)
    if options.checkpoint_dir is not None:
        pipe.set_params(cnn__checkpoint_dir=str(options.checkpoint_dir))
    pipe.set_params(cnn__verbose=0 if options.quiet else 1)
    cnn = pipe.named_steps["cnn"]
    share = f"{cnn.validation_fraction:.0%} of them held out for validation"
    fewest = fewest_held_out_of(cnn.epochs, cnn.early_stopping)
    holds_out = cnn.early_stopping and data.X_val is None and len(data.X) >= fewest
    held_out = f", {share}" if holds_out else ""
    console.print(f"Training on {len(data.X):,} images{held_out}.")
    started = time.perf_counter()
    interrupted = _fit(pipe, data, console)
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
    report = evaluate(pipe, data.X_test, data.y_test, n_occlusion_maps=8)
    console.print(str(report))
    facts = _facts(options, pipe, len(data.X), seconds)
    _write_results(options.output, pipe, report, data, facts)
    console.print(f"\nWritten to {options.output}: open {options.output / 'report.html'}")
    code = list_skipped(data.skipped)
    return ExitCode.INTERRUPTED if interrupted else code


def _fit(pipe: "Pipeline", data: TrainingData, console: Console) -> bool:
    """Fit, and tell whether Ctrl-C cut it short."""
    from sklearn.exceptions import ConvergenceWarning

    validation = {}
    if data.X_val is not None:
        # Scaled here, as a pipeline does so only with scikit-learn's metadata routing.
        scaler = pipe.named_steps["scale"].fit(data.X)
        validation = {"cnn__X_val": scaler.transform(data.X_val), "cnn__y_val": data.y_val}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        pipe.fit(data.X, data.y, **validation)
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


def make_folder(folder: Path, option: str) -> None:
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
    data: TrainingData,
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
    report.to_html(folder / "report.html", title=f"{data.name}, test set")

    def save(display: Any, name: str) -> None:
        display.figure_.savefig(folder / name, dpi=150, bbox_inches="tight")

    axes = Figure(figsize=(10, 4), layout="constrained").subplots(1, 2)
    save(TrainingHistoryDisplay.from_estimator(pipe, ax=axes), "training_history.png")
    matrix = ConfusionMatrixDisplay(report.confusion.to_numpy(), display_labels=report.classes)
    axes = Figure(figsize=(7, 6), layout="constrained").subplots()
    save(matrix.plot(ax=axes, cmap="Blues", colorbar=False), "confusion_matrix.png")
    grid = ImageGridDisplay.from_predictions(
        data.X_test,
        report.y_true,
        report.y_pred,
        confidence=report.confidence,
        ax=Figure(figsize=(9, 10), layout="constrained").subplots(),
    )
    save(grid, "mistakes.png")
