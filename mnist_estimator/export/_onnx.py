"""`to_onnx`: a fitted pipeline as a file that runs without TensorFlow."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from ..classifier import CNNClassifier
from ..preprocessing._image_scaler import ImageScaler
from ..utils._fitted import passes_on_to
from ..utils._output_files import atomic_write, file_path
from ..utils._validation import check_images
from ..utils._wording import shown


def to_onnx(
    pipe: Pipeline | CNNClassifier, path: str | os.PathLike[str], X: ArrayLike | None = None
) -> Path:
    """Write a fitted pipeline as an ONNX file, which runs without TensorFlow and scikit-learn.

    The file takes raw pixels and contains the whole pipeline: the scaling, the network and
    test-time augmentation. It uses standard ONNX operators only (opset 17), and its probabilities
    agree with the pipeline's to five digits. Names and types are those of scikit-learn's ONNX
    converters (``skl2onnx``, with ``zipmap=False``):

    - input ``X``: any number of images, in the shape and dtype of ``X``;
    - output ``label``: int64 of shape (n,), or strings if the classes are strings;
    - output ``probabilities``: float32 of shape (n, n_classes), columns in the order
      of ``classes_``.

    The metadata entry ``classes`` lists the classes as JSON, ``image_shape`` height,
    width and channels.

    Parameters
    ----------
    pipe : Pipeline or CNNClassifier
        Fitted: an :class:`~mnist_estimator.ImageScaler` and a
        :class:`~mnist_estimator.CNNClassifier`, or the classifier alone. They may be in
        pipelines within pipelines, a search, a ``FrozenEstimator`` or a
        :class:`~mnist_estimator.CachedClassifier`.
    path : path-like
        The file to write, such as "digits.onnx"; an existing one is replaced. It is written
        whole or not at all.
    X : array-like of shape (n, pixels), (n, height, width) or (n, height, width, channels), \
default=None
        An example, one image or more, of the input, since ONNX fixes its shape and dtype:
        ``X[:1].astype("float32")`` for flat rows of float32. None: as in ``fit``, but float32
        for a classifier alone.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    ImportError
        If the package onnx is missing.
    NotFittedError
        If ``pipe`` or a step of it is not fitted.
    TypeError
        If ``pipe`` is, or has a step that is, another estimator.
    ValueError
        If ``X`` holds images of another shape than in ``fit``, or the classes are dates or of
        another type that ONNX lacks.
    FileNotFoundError
        If the folder does not exist.
    IsADirectoryError
        If `path` is a folder.

    Notes
    -----
    Pixels are not checked: NaN gives NaN. Images are processed in chunks, so that memory hardly
    grows with their number. With ``test_time_shift=0``, set before or after ``fit``, there is no
    test-time augmentation and no loop in the graph, for runtimes without loops; then pass at most
    a few thousand images at once, since each takes 65 kB.

    Examples
    --------
    >>> from mnist_estimator import load_mnist, make_pipeline, to_onnx
    >>> X, y = load_mnist("train", return_X_y=True)
    >>> pipe = make_pipeline(filters=(4, 8), epochs=1, random_state=0).fit(X[:200], y[:200])
    >>> path = to_onnx(pipe, "digits.onnx")  # doctest: +SKIP
    >>> session = onnxruntime.InferenceSession(path)  # doctest: +SKIP
    >>> label, probabilities = session.run(None, {"X": X[:3]})  # doctest: +SKIP
    """
    path = file_path(path, example="digits.onnx")
    *scalers, classifier = steps = _steps(pipe)
    sample_shape, dtype = _input_form(steps[0], X)
    if classifier.classes_.dtype.kind not in "UObiuf":
        raise ValueError(
            "ONNX has labels that are numbers, booleans or strings; the classes of pipe are "
            f"{classifier.classes_.dtype}, such as {shown(classifier.classes_[0])}. Fit on "
            "y.astype(str)."
        )
    try:
        import onnx
    except ImportError as error:
        raise ImportError(
            "to_onnx needs the package onnx, which is not installed or not complete. "
            "Install it with: pip install onnx"
        ) from error
    from ._onnx_graph import build_graph

    model = build_graph(scalers, classifier, sample_shape, dtype)
    onnx.checker.check_model(model, full_check=True)
    with atomic_write(path) as partial:
        partial.write_bytes(model.SerializeToString())
    return path


def _steps(pipe: Any) -> list[Any]:
    """Return the fitted scalers followed by the classifier; refuse all other steps."""
    steps = list(flat_steps("", pipe)) or [("", pipe)]
    for place, (name, step) in enumerate(steps):
        is_last = place == len(steps) - 1
        wanted: type = CNNClassifier if is_last else ImageScaler
        method = "predict_proba" if is_last else "transform"
        # A subclass with its own method would predict otherwise than the file.
        if getattr(type(step), method, None) is not getattr(wanted, method):
            raise TypeError(_refusal(name, step, is_last))
        check_is_fitted(step)
    return [step for _, step in steps]


def flat_steps(name: str, estimator: Any) -> Iterator[tuple[str, Any]]:
    """Yield names and steps of a pipeline, also those of pipelines inside."""
    if isinstance(estimator, Pipeline):
        for inner, step in estimator.steps:
            if step not in (None, "passthrough"):
                yield from flat_steps(f"{name}__{inner}" if name else inner, step)
        return
    inside = passes_on_to(estimator)
    if inside is None:
        yield name, estimator
    else:
        yield from flat_steps(name, inside)


def _refusal(name: str, step: Any, is_last: bool) -> str:
    what = type(step).__name__
    if is_last:
        came = f"ends in step {name!r}, of type {what}" if name else f"is of type {what}"
        remedy = "Of a search, pass its best_estimator_."
        if hasattr(step, "reject_label_"):
            remedy = (
                "Pass its estimator_, and reject in serving what has no probability of its "
                f"threshold_, {step.threshold_:.6g}, or more"
                + (", or is an outlier." if step.outlier_detector_ is not None else ".")
            )
        if isinstance(step, ImageScaler):
            remedy = "Pass the whole pipeline."
        return (
            "pipe must be a CNNClassifier, or a Pipeline of an ImageScaler and a CNNClassifier; "
            f"it {came}. {remedy}"
        )
    return (
        "pipe must be a CNNClassifier, or a Pipeline of an ImageScaler and a CNNClassifier; its "
        f"step {name!r} is of type {what}. Pass the steps behind it, such as pipe[-2:] or "
        f"pipe[-1], and do in serving what {name!r} does."
    )


def _input_form(first: Any, X: Any) -> tuple[tuple[int, ...], np.dtype]:
    """Return shape and dtype of one input image."""
    if X is None:
        shape, dtype = first._sample_shape, np.dtype(getattr(first, "_input_dtype", np.float32))
    else:
        images = check_images(first, X, reset=False)
        shape, dtype = np.shape(X)[1:] or images.shape[1:], images.dtype
    # ONNX has no byte order, and nothing longer than float64.
    is_long = dtype.kind == "f" and dtype.itemsize > 8
    return tuple(map(int, shape)), np.dtype(np.float64) if is_long else dtype.newbyteorder("=")
