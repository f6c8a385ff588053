"""The commands that use a fitted pipeline: predict, evaluate, export, draw."""

import argparse
import csv
import json
import sys
import warnings
import webbrowser
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..utils._output_files import atomic_write, check_writable
from ..utils._wording import counted
from ._exit_codes import ExitCode
from ._model import LoadedModel, find_model, load_model, load_pipeline
from ._terminal import PlainConsole, list_skipped, open_output, progress_bar

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .inputs._base import Batch, ImageSource, ImageSpec


def run_predict(options: argparse.Namespace) -> int:
    """Write a line of CSV for each image: source, index, label, confidence.

    Parameters
    ----------
    options : argparse.Namespace
        ``model``, ``inputs``, ``output``, ``probabilities``, ``key``, ``label_column``,
        ``invert``, ``resize``, ``skip_bad`` and ``quiet``, as the command line has them.

    Returns
    -------
    int
        Exit code: 0, or 4 if bad files were left out.
    """
    model_path = find_model(options.model)
    inputs = [Path(name) for name in options.inputs if name != "-"]
    check_there(inputs)
    if options.output is not None:
        check_writable(
            options.output, name="--output", example="labels.csv", inputs=(model_path, *inputs)
        )
    shown = not options.quiet and (options.output is not None or not sys.stdout.isatty())
    with progress_bar(shown=shown) as bar:
        task = bar.add_task("Loading the model", total=None)
        model = load_model(model_path)
        skipped: list[str] | None = [] if options.skip_bad else None
        opened = list(_opened(options, model, skipped))
        bar.update(task, description="ImageSource", total=_total(opened))
        light = 0
        with open_output(options.output) as file:
            writer = csv.writer(file, lineterminator="\n")
            names = ["source", "index", "label", "confidence"]
            if options.probabilities:
                names += [f"probability_{label}" for label in model.classes]
            for batches, images in _joined(_good_batches(opened, skipped)):
                light += _count_light(images, model.image_spec) if batches[0].picture else 0
                labels, proba = model.classify(images, invert=options.invert)
                if names:  # no header without rows
                    writer.writerow(names)
                    names = []
                _write_rows(writer, batches, labels, proba, options.probabilities)
                bar.advance(task, len(images))
            if skipped and names:
                raise ValueError(f"No file can be read. {skipped[0]}")
        n_images = int(bar.tasks[0].completed)
    if light > n_images / 2 and model.classifies_digits and not (options.invert or options.quiet):
        PlainConsole(stderr=True).print(
            f"Note: {light} of {n_images} pictures are dark on light; MNIST is light on dark. "
            "If the model learned from MNIST, add --invert."
        )
    if options.output is not None:
        done = f"Written to {options.output}: {counted(n_images, 'image')}."
        PlainConsole(quiet=options.quiet).print(done)
    return list_skipped(skipped)


def run_evaluate(options: argparse.Namespace) -> int:
    """Print the metrics of a pipeline on images with labels.

    Parameters
    ----------
    options : argparse.Namespace
        ``model``, ``data``, ``source``, ``key``, ``labels``, ``label_column``, ``invert``,
        ``resize``, ``skip_bad``, ``json``, ``html``, ``min_accuracy`` and ``quiet``, as the command
        line has them.

    Returns
    -------
    int
        Exit code: 0; 3 if the accuracy is below ``min_accuracy``; else 4 if bad files were left
        out.
    """
    model_path = find_model(options.model)
    inputs = [Path(options.data)] if options.data not in (None, "-") else []
    check_there(inputs)
    for path, kind in ((options.json, "json"), (options.html, "html")):
        if path is not None:
            check_writable(
                path, name=f"--{kind}", example=f"report.{kind}", inputs=(model_path, *inputs)
            )
    with progress_bar(shown=not options.quiet) as bar:
        task = bar.add_task("Loading the model", total=None)
        model = load_model(model_path)
        bar.update(task, description="Reading the data")
        skipped: list[str] | None = [] if options.skip_bad else None
        X, y = _labelled_data(options, model, skipped)
        bar.update(task, description="Evaluating")
        report = model.evaluate(X, y, invert=options.invert)
    PlainConsole(quiet=options.quiet).print(str(report))
    if options.json is not None:
        with atomic_write(options.json) as path:
            text = json.dumps(report.to_dict(), indent=2, allow_nan=False)
            path.write_text(text + "\n", encoding="utf-8")
    if options.html is not None:
        report.to_html(options.html, title=f"{options.model} on {options.data or 'MNIST'}")
    code = list_skipped(skipped)
    if options.min_accuracy is not None and report.accuracy < options.min_accuracy:
        PlainConsole(stderr=True).print(
            f"mnist-estimator: the accuracy, {report.accuracy:.4f}, is below "
            f"--min-accuracy {options.min_accuracy:g}."
        )
        return ExitCode.BELOW_MIN_ACCURACY
    return code


def run_export(options: argparse.Namespace) -> int:
    """Write a pipeline as an ONNX file.

    Parameters
    ----------
    options : argparse.Namespace
        ``model``, ``file`` and ``quiet``, as the command line has them.

    Returns
    -------
    int
        Exit code: 0.
    """
    model_path = find_model(options.model)
    check_writable(options.file, name="FILE", example="digits.onnx", inputs=(model_path,))
    with progress_bar(shown=not options.quiet) as bar:
        task = bar.add_task("Loading the model", total=None)
        pipe = load_pipeline(model_path)
        bar.update(task, description="Exporting")
        from ..export._onnx import to_onnx

        to_onnx(pipe, options.file)
    PlainConsole(quiet=options.quiet).print(f"Written to {options.file}")
    return ExitCode.DONE


def run_draw(options: argparse.Namespace) -> int:
    """Serve a page to draw digits, which a pipeline classifies, until Ctrl-C.

    Parameters
    ----------
    options : argparse.Namespace
        ``model``, ``port`` and ``open``, as the command line has them.

    Returns
    -------
    int
        Exit code: 0.
    """
    from .draw._page import drawing_server

    model_path = find_model(options.model)
    with progress_bar(shown=True) as bar:
        bar.add_task("Loading the model", total=None)
        model = load_model(model_path)
    if model.image_spec.image_shape != (28, 28, 1) or model.image_spec.value_range is None:
        scale = "" if model.image_spec.value_range is not None else ", without an ImageScaler"
        raise ValueError(
            "draw needs a model with an ImageScaler for grey images of 28×28 pixels; "
            f"{model_path} takes {model.image_spec}{scale}. Train one on MNIST "
            "(mnist-estimator train), or on images that DigitNormalizer has normalized."
        )
    with warnings.catch_warnings():
        # The digits come as arrays, also where the pipeline was fitted on a data frame.
        warnings.filterwarnings("ignore", "X does not have valid feature names")
        with drawing_server(model.pipe, port=options.port, name=model_path.name) as server:
            print(f"Draw at {server.url} (Ctrl-C ends it)", flush=True)
            try:
                if options.open:
                    webbrowser.open(server.url)
                server.serve_forever()
            except KeyboardInterrupt:
                print("\nEnded.")
    return ExitCode.DONE


def check_there(paths: Iterable[Path]) -> None:
    """Check that files exist, before the model is loaded.

    Raises
    ------
    FileNotFoundError
        If one does not.
    """
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(f"{path}: there is no such file or folder.")


def _labelled_data(
    options: argparse.Namespace, model: LoadedModel, skipped: list[str] | None
) -> tuple["NDArray[Any]", "NDArray[Any]"]:
    import numpy as np

    if options.data is None:
        from ..datasets._mnist import load_mnist

        if model.image_spec.image_shape != (28, 28, 1):
            raise ValueError(
                f"The model takes images of {model.image_spec}, and MNIST's have 28×28. Pass DATA."
            )
        X, y = load_mnist("test", source=options.source or "bundled", return_X_y=True)
        return X.reshape(-1, 28, 28, 1), y
    from .inputs._base import InputSpec
    from .inputs._open import open_images

    input_spec = InputSpec(
        options.key,
        True,
        options.labels,
        options.label_column,
        options.invert,
        options.resize,
        skipped,
    )
    batches = list(open_images(options.data, model.image_spec, input_spec).batches)
    if not batches:
        raise ValueError(f"No file in {options.data} can be read. {(skipped or [''])[0]}")
    return (
        np.concatenate([batch.images for batch in batches]),
        np.concatenate([np.asarray(batch.labels) for batch in batches]),
    )


def _opened(
    options: argparse.Namespace, model: LoadedModel, skipped: list[str] | None
) -> Iterator["ImageSource"]:
    """Open the inputs; those that cannot be opened go to ``skipped``, if it is a list."""
    from .inputs._base import InputError, InputSpec
    from .inputs._open import open_images

    input_spec = InputSpec(
        options.key,
        label_column=options.label_column,
        invert=options.invert,
        resize=options.resize,
        skipped=skipped,
    )
    for name in options.inputs:
        try:
            yield open_images(name, model.image_spec, input_spec)
        except (InputError, OSError) as error:
            if skipped is None:
                raise
            skipped.append(str(error))


def _good_batches(opened: Iterable["ImageSource"], skipped: list[str] | None) -> Iterator["Batch"]:
    """Yield batches; the rest of a damaged file is left out if ``skipped`` is a list."""
    from .inputs._base import InputError

    for images in opened:
        try:
            yield from images.batches
        except (InputError, OSError) as error:
            if skipped is None:
                raise
            skipped.append(str(error))


def _total(opened: Iterable["ImageSource"]) -> int | None:
    counts = [images.n_images for images in opened]
    return None if None in counts else sum(count or 0 for count in counts)


def _joined(batches: Iterable["Batch"]) -> Iterator[tuple[list["Batch"], "NDArray[Any]"]]:
    """Yield batches of one kind together, up to some thousand images, with all their images."""
    import numpy as np

    from .inputs._base import BATCH_SIZE

    waiting: list[Batch] = []
    for batch in batches:
        kind = (batch.images.dtype, batch.picture)
        if waiting and kind != (waiting[0].images.dtype, waiting[0].picture):
            yield waiting, np.concatenate([other.images for other in waiting])
            waiting = []
        waiting.append(batch)
        if sum(len(other.images) for other in waiting) >= BATCH_SIZE:
            yield waiting, np.concatenate([other.images for other in waiting])
            waiting = []
    if waiting:
        yield waiting, np.concatenate([other.images for other in waiting])


def _count_light(images: "NDArray[Any]", image_spec: "ImageSpec") -> int:
    """Count the images whose border is nearer to white than to black."""
    import numpy as np

    inner = np.zeros(images.shape[1:3], dtype=bool)
    inner[1:-1, 1:-1] = True
    low, high = image_spec.value_range or (0, 255)
    return int((images[:, ~inner].mean(axis=(1, 2)) > (low + high) / 2).sum())


def _write_rows(
    writer: Any,
    batches: Iterable["Batch"],
    labels: "NDArray[Any]",
    proba: "NDArray[Any]",
    with_probabilities: bool,
) -> None:
    answers = zip(labels.tolist(), proba.max(axis=1).tolist(), proba.tolist(), strict=True)
    for batch in batches:
        for i in range(len(batch.images)):
            label, confidence, row = next(answers)
            numbers = [confidence, *(row if with_probabilities else ())]
            writer.writerow(
                [batch.source, batch.start + i, label, *(f"{number:.6f}" for number in numbers)]
            )
