"""What a pipeline needs to predict without TensorFlow: its network as ONNX, and its state."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..classifier import CNNClassifier
from ..network._inference import resolve_shift
from ..network._keras_config import KerasConfig
from ..preprocessing._image_scaler import ImageScaler
from ..utils._predictions import has_own_rejections
from ._onnx import flat_steps


def predictor_parts(estimator: Any) -> tuple[dict[str, Any], bytes] | None:
    """Return the state and the network that :class:`~mnist_estimator.Predictor` needs.

    Parameters
    ----------
    estimator : fitted estimator

    Returns
    -------
    state : dict
        JSON values: the classes, the shape and value range of the images, the ranges that are
        scaled to [0, 1], test-time augmentation, thresholds and labels of reject options.
    graph : bytes
        The ONNX model of the network, from scaled images to logits.

    None is returned for an estimator that has other parts than scalers, a
    :class:`~mnist_estimator.CNNClassifier` and reject options without an outlier detector, or
    classes that JSON does not hold; and for a user's network if tf2onnx is not installed.
    """
    steps: list[Any] = []
    rejections: list[dict[str, Any]] = []
    for step in _steps(estimator):
        if hasattr(step, "reject_label_"):
            label = step.reject_label_
            label = label.item() if isinstance(label, np.generic) else label
            if step.outlier_detector_ is not None or not _is_json(label):
                return None
            threshold = step.threshold_ if np.isfinite(step.threshold_) else None
            rejections.append({"threshold": threshold, "label": label})
        else:
            steps.append(step)
    if not steps:
        return None
    *scalers, classifier = steps
    if not _is_exactly(classifier, CNNClassifier, ("predict_proba", "predict")):
        return None
    if not all(_is_exactly(scaler, ImageScaler, ("transform",)) for scaler in scalers):
        return None
    classes = _json_classes(classifier.classes_)
    if classes is None:
        return None
    from ._keras_graph import has_converter
    from ._onnx_graph import build_network_graph

    if isinstance(classifier._network.config, KerasConfig) and not has_converter():
        return None
    graph = build_network_graph(classifier._current_network()).SerializeToString()
    names = getattr(steps[0], "feature_names_in_", None)
    state = {
        "classes": classes,
        "image_shape": list(map(int, classifier.image_shape_)),
        "feature_names": None if names is None else list(names),
        "learned_range": _numbers(getattr(steps[0], "_value_range", None)),
        "scaled_ranges": [_numbers(scaler.value_range_) for scaler in scalers],
        "test_time_shift": resolve_shift(classifier.test_time_shift, classifier.image_shape_),
        # Innermost first, as they are applied.
        "rejections": rejections[::-1],
        "network": hashlib.sha256(graph).hexdigest(),
    }
    return state, graph


def _steps(estimator: Any) -> Iterator[Any]:
    """Yield the steps of pipelines, reject options before what they wrap."""
    for _, step in flat_steps("", estimator):
        yield step
        if has_own_rejections(step):
            yield from _steps(step.estimator_)


def _is_exactly(step: Any, wanted: type, methods: tuple[str, ...]) -> bool:
    """Tell whether a step's methods are those of a class: a subclass may predict otherwise."""
    return all(
        getattr(type(step), method, None) is getattr(wanted, method, object())
        and method not in vars(step)
        for method in methods
    )


def _json_classes(classes: NDArray[Any]) -> dict[str, Any] | None:
    """Return classes as their dtype and JSON values, or None if that would change them."""
    values = classes.tolist()
    if classes.dtype.kind not in "biufUO" or not all(map(_is_json, values)):
        return None
    again = np.array(json.loads(json.dumps(values)), dtype=classes.dtype)
    same = again.shape == classes.shape and bool((again == classes).all())
    if not same or [type(value) for value in again.tolist()] != [type(value) for value in values]:
        return None
    return {"dtype": classes.dtype.str, "values": values}


def _is_json(value: Any) -> bool:
    """Tell whether a label is one that JSON holds."""
    if isinstance(value, float):
        return bool(np.isfinite(value))
    if isinstance(value, str):
        return value.encode("utf-8", "ignore").decode() == value  # no lone surrogates
    return value is None or isinstance(value, int)


def _numbers(values: Any) -> list[float] | None:
    return None if values is None else [float(value) for value in values]
