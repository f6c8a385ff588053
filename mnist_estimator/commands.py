"""What the command line does with a fitted pipeline: predict, evaluate, export, draw."""

import argparse
import csv
import json
import sys
import warnings
import webbrowser
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

from .output_files import check_writable, whole_file
from .terminal import PlainConsole, import_tensorflow, progress_bar
from .wording import counted
from .workflow import PIPELINE_FILE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .image_input import Batch, ImageForm, Images

BELOW = 3
"""Exit code of ``evaluate`` if the accuracy is below what was asked for."""


def predict(options: argparse.Namespace) -> int:
    """Write a line of CSV for each image: source, index, label, confidence.

    Parameters
    ----------
    options : argparse.Namespace
        ``model``, ``inputs``, ``output``, ``probabilities``, ``key``, ``invert`` and
        ``quiet``, as the command line has them.

    Returns
    -------
    int
        Exit code: 0.
    """
    model_path = _find_model(options.model)
    inputs = [Path(name) for name in options.inputs if name != "-"]
    _check_there(inputs)
    if options.output is not None:
        check_writable(options.output, inputs=(model_path, *inputs))
    shown = not options.quiet and (options.output is not None or not sys.stdout.isatty())
    with progress_bar(shown=shown) as bar:
        task = bar.add_task("Loading the model", total=None)
        model = _load(model_path)
        from .image_files import open_images
        from .image_input import Wanted

        wanted = Wanted(options.key)
        opened = [open_images(name, model.form, wanted) for name in options.inputs]
        bar.update(task, description="Images", total=_total(opened))
        light = 0
        with _csv_writer(options.output) as writer:
            names = ["source", "index", "label", "confidence"]
            if options.probabilities:
                names += [f"probability_{label}" for label in model.classes]
            for batches, images in _joined(opened):
                light += _count_light(images, model.form) if batches[0].picture else 0
                labels, proba = model.answer(images, invert=options.invert)
                if names:  # not before there is something to write
                    writer.writerow(names)
                    names = []
                _write_rows(writer, batches, labels, proba, options.probabilities)
                bar.advance(task, len(images))
        n_images = int(bar.tasks[0].completed)
    if light > n_images / 2 and model.reads_digits and not (options.invert or options.quiet):
        PlainConsole(stderr=True).print(
            f"Note: {light} of {n_images} pictures are dark on light; MNIST is light on dark. "
            "If the model learned from MNIST, add --invert."
        )
    if options.output is not None:
        done = f"Written to {options.output}: {counted(n_images, 'image')}."
        PlainConsole(quiet=options.quiet).print(done)
    return 0


def evaluate(options: argparse.Namespace) -> int:
    """Print how well a pipeline does on images with labels.

    Parameters
    ----------
    options : argparse.Namespace
        ``model``, ``data``, ``source``, ``key``, ``labels``, ``invert``, ``json``, ``html``,
        ``min_accuracy`` and ``quiet``, as the command line has them.

    Returns
    -------
    int
        Exit code: 0, or 3 if the accuracy is below ``min_accuracy``.
    """
    model_path = _find_model(options.model)
    inputs = [Path(options.data)] if options.data not in (None, "-") else []
    _check_there(inputs)
    for path in (options.json, options.html):
        if path is not None:
            check_writable(path, inputs=(model_path, *inputs))
    with progress_bar(shown=not options.quiet) as bar:
        task = bar.add_task("Loading the model", total=None)
        model = _load(model_path)
        bar.update(task, description="Reading the data")
        X, y = _labelled_data(options, model)
        bar.update(task, description="Evaluating")
        report = model.evaluate(X, y, invert=options.invert)
    PlainConsole(quiet=options.quiet).print(str(report))
    if options.json is not None:
        with whole_file(options.json) as path:
            text = json.dumps(report.to_dict(), indent=2, allow_nan=False)
            path.write_text(text + "\n", encoding="utf-8")
    if options.html is not None:
        report.to_html(options.html, title=f"{options.model} on {options.data or 'MNIST'}")
    if options.min_accuracy is not None and report.accuracy < options.min_accuracy:
        PlainConsole(stderr=True).print(
            f"mnist-estimator: the accuracy, {report.accuracy:.4f}, is below "
            f"--min-accuracy {options.min_accuracy:g}."
        )
        return BELOW
    return 0


def export(options: argparse.Namespace) -> int:
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
    model_path = _find_model(options.model)
    check_writable(options.file, inputs=(model_path,))
    with progress_bar(shown=not options.quiet) as bar:
        task = bar.add_task("Loading the model", total=None)
        model = _load(model_path)
        bar.update(task, description="Exporting")
        from .onnx_export import to_onnx

        to_onnx(model.pipe, options.file)
    PlainConsole(quiet=options.quiet).print(f"Written to {options.file}")
    return 0


def draw(options: argparse.Namespace) -> int:
    """Serve a page where a pipeline reads what is drawn, until Ctrl-C.

    Parameters
    ----------
    options : argparse.Namespace
        ``model``, ``port`` and ``open``, as the command line has them.

    Returns
    -------
    int
        Exit code: 0.
    """
    from .drawing import drawing_server
    from .image_sources import require_imaging

    model_path = _find_model(options.model)
    require_imaging("draw")
    with progress_bar(shown=True) as bar:
        bar.add_task("Loading the model", total=None)
        model = _load(model_path)
    if model.form.image_shape != (28, 28, 1) or model.form.value_range is None:
        scale = "" if model.form.value_range is not None else ", without an ImageScaler"
        raise ValueError(
            "draw needs a model with an ImageScaler that reads grey images of 28×28 pixels; "
            f"{model_path} reads {model.form}{scale}. Train one on MNIST "
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
    return 0


class _Model(NamedTuple):
    """A fitted pipeline, and what the files have to suit."""

    pipe: Any
    form: "ImageForm"
    classes: list[Any]

    @property
    def reads_digits(self) -> bool:
        """Whether it has the form of one that learned from MNIST."""
        return self.classes == list(range(10)) and self.form.image_shape == (28, 28, 1)

    def answer(
        self, images: "NDArray[Any]", *, invert: bool
    ) -> tuple["NDArray[Any]", "NDArray[Any]"]:
        """Return labels, and probabilities in the order of the classes."""
        proba = self.pipe.predict_proba(self._as_fitted(images, invert))
        return self.pipe.classes_[proba.argmax(axis=1)], proba

    def evaluate(self, X: "NDArray[Any]", y: "NDArray[Any]", *, invert: bool) -> Any:
        """Return the report on images and their labels."""
        from .evaluation import evaluate

        return evaluate(
            self.pipe, self._as_fitted(X, invert), self._as_known(y),
            image_shape=self.form.image_shape,
        )  # fmt: skip

    def _as_fitted(self, images: "NDArray[Any]", invert: bool) -> Any:
        """Return images inverted if need be, and as a frame if the pipeline knows columns."""
        if invert:
            if self.form.value_range is None:
                raise ValueError("--invert needs a model with an ImageScaler. Invert the images.")
            low, high = self.form.value_range
            images = (low + high - images).astype(images.dtype)
        if self.form.feature_names is None:
            return images
        import pandas as pd

        return pd.DataFrame(images.reshape(len(images), -1), columns=self.form.feature_names)

    def _as_known(self, labels: "NDArray[Any]") -> "NDArray[Any]":
        """Return labels from a file in the type of those that the model knows."""
        import numpy as np

        given = labels.tolist()
        known = {str(label): label for label in self.classes}
        if all(str(label) in known for label in given):
            return np.array([known[str(label)] for label in given])
        strings = isinstance(self.classes[0], str)
        if strings != (labels.dtype.kind in "OSU"):
            strange = next(label for label in given if str(label) not in known)
            raise ValueError(
                f"The data have the label {strange!r}, and the model knows "
                f"{', '.join(map(repr, self.classes[:12]))}. Bring the labels to the same kind."
            )
        return labels


def _find_model(path: Path) -> Path:
    """Return the file of the model; in the folder that the training wrote to it has a name."""
    file = path / PIPELINE_FILE if path.is_dir() else path
    if not file.is_file():
        raise FileNotFoundError(
            f"{file}: there is no such model. Train one (mnist-estimator train) or check the path."
        )
    return file


def _check_there(paths: Iterable[Path]) -> None:
    """See that files exist, before seconds go into loading the model."""
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(f"{path}: there is no such file or folder.")


def _load(path: Path) -> _Model:
    import_tensorflow()
    from ._inspection import fitted_parts
    from .image_input import ImageForm
    from .persistence import load

    pipe = load(path)
    learned: dict[str, Any] = {}
    for part in fitted_parts(pipe):
        for name in ("image_shape_", "value_range_", "feature_names_in_"):
            if name not in learned and hasattr(part, name):
                learned[name] = getattr(part, name)
    if "image_shape_" not in learned or not hasattr(pipe, "predict_proba"):
        raise ValueError(f"{path} holds no classifier of images, but {type(pipe).__name__}.")
    names = learned.get("feature_names_in_")
    value_range = learned.get("value_range_")
    form = ImageForm(
        tuple(learned["image_shape_"]),
        None if value_range is None else tuple(value_range),
        None if names is None else list(names),
    )
    return _Model(pipe, form, pipe.classes_.tolist())


def _labelled_data(
    options: argparse.Namespace, model: _Model
) -> tuple["NDArray[Any]", "NDArray[Any]"]:
    import numpy as np

    if options.data is None:
        from .datasets import load_mnist

        if model.form.image_shape != (28, 28, 1):
            raise ValueError(
                f"The model reads images of {model.form}, and MNIST's have 28×28. Name the data."
            )
        X, y = load_mnist("test", source=options.source or "bundled", return_X_y=True)
        return X.reshape(-1, 28, 28, 1), y
    from .image_files import open_images
    from .image_input import Wanted

    wanted = Wanted(options.key, labelled=True, labels=options.labels)
    opened = open_images(options.data, model.form, wanted)
    batches = list(opened.batches)
    return (
        np.concatenate([batch.images for batch in batches]),
        np.concatenate([np.asarray(batch.labels) for batch in batches]),
    )


def _total(opened: Iterable["Images"]) -> int | None:
    counts = [images.n_images for images in opened]
    return None if None in counts else sum(count or 0 for count in counts)


def _joined(opened: Iterable["Images"]) -> Iterator[tuple[list["Batch"], "NDArray[Any]"]]:
    """Yield batches of one kind together, up to some thousand images, with all their images."""
    import numpy as np

    from .image_input import ROWS

    waiting: list[Batch] = []
    for batch in (batch for images in opened for batch in images.batches):
        kind = (batch.images.dtype, batch.picture)
        if waiting and kind != (waiting[0].images.dtype, waiting[0].picture):
            yield waiting, np.concatenate([other.images for other in waiting])
            waiting = []
        waiting.append(batch)
        if sum(len(other.images) for other in waiting) >= ROWS:
            yield waiting, np.concatenate([other.images for other in waiting])
            waiting = []
    if waiting:
        yield waiting, np.concatenate([other.images for other in waiting])


def _count_light(images: "NDArray[Any]", form: "ImageForm") -> int:
    """Count the images whose border is nearer to white than to black."""
    import numpy as np

    inner = np.zeros(images.shape[1:3], dtype=bool)
    inner[1:-1, 1:-1] = True
    low, high = form.value_range or (0, 255)
    return int((images[:, ~inner].mean(axis=(1, 2)) > (low + high) / 2).sum())


@contextmanager
def _csv_writer(output: Path | None) -> Iterator[Any]:
    """Give what writes rows of CSV to a file, which appears whole or not at all, or to stdout."""
    how: dict[str, Any] = {"encoding": "utf-8", "errors": "surrogateescape", "newline": ""}
    if output is None:
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(errors="surrogateescape")  # names of files may be any bytes
        yield _writer(sys.stdout)
        return
    with whole_file(output) as path, path.open("w", **how) as file:
        yield _writer(file)


def _writer(file: TextIO) -> Any:
    return csv.writer(file, lineterminator="\n")


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
