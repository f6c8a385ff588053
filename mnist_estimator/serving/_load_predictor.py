"""``load_predictor``: a saved pipeline, ready to predict without TensorFlow."""

import json
import os
import warnings
from typing import Any

from ..persistence._archive import GRAPH, STATE, open_archive, read_file, read_manifest
from ..utils._output_files import PIPELINE_FILE, as_path, pipeline_file
from ._backends import open_network, open_pipeline_graph
from ._predictor import Predictor, make_predictor


def load_predictor(path: str | os.PathLike[str]) -> Predictor:
    """Load a saved pipeline to predict with ONNX Runtime, without TensorFlow and scikit-learn.

    Parameters
    ----------
    path : str or path-like
        A file written by :func:`~mnist_estimator.save`, the folder that ``mnist-estimator train``
        wrote to, or a file named ``.onnx`` written by :func:`~mnist_estimator.to_onnx`.

    Returns
    -------
    Predictor
        A fitted classifier. Labels, probabilities, warnings and rejections are those of the
        pipeline. Files of versions before 0.7 hold no network for ONNX Runtime: they are loaded
        with TensorFlow, with a ``UserWarning``.

    Raises
    ------
    ValueError
        If the file is damaged, of a newer version, or of another kind, or if its pipeline has
        parts that need scikit-learn, such as calibration.
    OSError
        If it cannot be read.
    ImportError
        If onnxruntime is missing.

    See Also
    --------
    mnist_estimator.load : Load the pipeline, which can be trained further.

    Examples
    --------
    >>> from mnist_estimator import load_predictor
    >>> load_predictor("digits.pipeline").predict(X)  # doctest: +SKIP
    """
    predictor, is_older = find_predictor(path)
    if is_older:
        from ..persistence._save_load import load

        predictor = predictor_of(load(path), path)
    if predictor is None:
        raise ValueError(
            f"{path} holds a pipeline with parts that need scikit-learn, such as calibration, or "
            "labels that are neither numbers nor strings. Use load, which loads it whole."
        )
    return predictor


def find_predictor(path: str | os.PathLike[str]) -> tuple[Predictor | None, bool]:
    """Load the predictor that a file holds.

    Parameters
    ----------
    path : str or path-like
        As for :func:`load_predictor`.

    Returns
    -------
    predictor : Predictor or None
        None if there is none in the file: its pipeline has parts that need scikit-learn, or a
        version before 0.7 wrote it.
    is_older : bool
        Whether it was such a version.

    Raises
    ------
    ValueError, OSError, ImportError
        As :func:`load_predictor`.
    """
    source = pipeline_file(as_path(path, example=PIPELINE_FILE))
    data = read_file(source)
    try:
        if source.suffix.lower() == ".onnx":
            return make_predictor(*open_pipeline_graph(data)), False
        members = open_archive(data)
        if STATE in members:
            parts = json.loads(members[STATE]), members[GRAPH]
            return make_predictor(*open_network(*parts)), False
        manifest = read_manifest(members["manifest.json"])
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{source} cannot be loaded: {error} Nothing in it was run. Take a copy that save has "
            "written, or fit again."
        ) from error
    return None, manifest["format_version"] == 1


def predictor_of(pipe: Any, path: str | os.PathLike[str]) -> Predictor | None:
    """Make the predictor of a pipeline from a file that holds none, with a ``UserWarning``.

    Parameters
    ----------
    pipe : fitted estimator
    path : str or path-like
        The file, for the warning.

    Returns
    -------
    Predictor or None
        None, without a warning, if the pipeline has parts that need scikit-learn.
    """
    from ..export._predictor_parts import predictor_parts

    parts = predictor_parts(pipe)
    if parts is None:
        return None
    warnings.warn(
        f"{path} was written by a version before 0.7: TensorFlow is loaded to make a network for "
        "ONNX Runtime, each time. To have it in the file, save(load(path), path) once.",
        UserWarning,
        stacklevel=3,
    )
    return make_predictor(*open_network(*parts))
