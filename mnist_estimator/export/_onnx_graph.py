"""The ONNX graph of scalers and a classifier."""

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import DTypeLike, NDArray
from onnx import helper, numpy_helper

from .._version import __version__
from ..classifier import CNNClassifier
from ..network._inference import TTA_FULL_BELOW, TTA_NONE_FROM, resolve_shift
from ..network._keras_config import KerasConfig
from ..network._network import Network
from ..preprocessing._image_scaler import ImageScaler
from ..utils._scaled_images import float32_suffices
from ._keras_graph import keras_graph

CHUNK = 512
"""Most images that go through the network at once."""

OPSET, IR_VERSION = 17, 8
"""Versions of 2022: ONNX Runtime reads them from 1.12 on."""


def build_graph(
    scalers: Sequence[ImageScaler],
    classifier: CNNClassifier,
    sample_shape: tuple[int, ...],
    dtype: np.dtype,
) -> onnx.ModelProto:
    """Build the ONNX model of fitted scalers and the classifier behind them.

    Parameters
    ----------
    scalers : sequence of ImageScaler
        Fitted; may be empty.
    classifier : CNNClassifier
        Fitted.
    sample_shape : tuple of int
        Shape of one input image.
    dtype : dtype
        Dtype of the input pixels; one that ONNX has.

    Returns
    -------
    onnx.ModelProto
        Input ``X``; outputs ``label`` and ``probabilities``; dynamic batch.
    """
    nodes = _Nodes()
    network = classifier._current_network()
    network.check()
    labels = _labels(classifier.classes_)

    def add_all(nodes: _Nodes, pixels: str) -> str:
        """Add everything from pixels to probabilities."""
        given = dtype
        for scaler in scalers:
            pixels, given = _add_scaling(nodes, pixels, given, scaler), np.dtype(np.float32)
        images = _add_images(nodes, pixels, network)
        logits = _add_network(nodes, images, network)
        probabilities = nodes.add("Softmax", logits, axis=1)
        if shift:
            probabilities = _add_test_time_augmentation(
                nodes, images, logits, probabilities, network, shift
            )
        return probabilities

    shift = resolve_shift(classifier.test_time_shift, classifier.image_shape_)
    # Without test-time augmentation there is no loop, for runtimes without loops.
    probabilities = _add_chunks(nodes, "X", len(labels), add_all) if shift else add_all(nodes, "X")
    nodes.add("Identity", probabilities, output="probabilities")
    highest = nodes.add("ArgMax", probabilities, axis=1, keepdims=0)
    nodes.add("Gather", labels, highest, output="label")

    graph = helper.make_graph(
        nodes.nodes,
        "mnist_estimator",
        [_value("X", dtype, "n", *sample_shape)],
        [
            _value("label", labels.dtype, "n"),
            _value("probabilities", np.float32, "n", len(labels)),
        ],
        list(nodes.constants.values()),
    )
    model = _model(graph)
    first = [*scalers, classifier][0]
    metadata = {
        "written_by": __version__,
        "classes": classifier.classes_.tolist(),
        "image_shape": classifier.image_shape_,
        "learned_range": getattr(first, "_value_range", None),
        "scaled_ranges": [scaler.value_range_ for scaler in scalers],
        "feature_names": getattr(first, "feature_names_in_", np.array(None)).tolist(),
    }
    texts = {
        name: json.dumps(value, default=float) for name, value in metadata.items()
    }  # longdouble
    helper.set_model_props(model, texts)
    return model


def build_network_graph(network: Network) -> onnx.ModelProto:
    """Build the ONNX model of a network alone.

    Parameters
    ----------
    network : Network

    Returns
    -------
    onnx.ModelProto
        Input ``images``, float32 of shape (n, height, width, channels), as an
        :class:`~mnist_estimator.ImageScaler` gives them; output ``logits``, float32 of shape
        (n, n_classes).
    """
    nodes = _Nodes()
    network.check()
    images = _add_images(nodes, "images", network)
    nodes.add("Identity", _add_network(nodes, images, network), output="logits")
    config = network.config
    graph = helper.make_graph(
        nodes.nodes,
        "network",
        [_value("images", np.float32, "n", *config.image_shape)],
        [_value("logits", np.float32, "n", config.n_classes)],
        list(nodes.constants.values()),
    )
    return _model(graph)


def _model(graph: onnx.GraphProto) -> onnx.ModelProto:
    return helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="mnist_estimator",
        producer_version=__version__,
    )


class _Nodes:
    """The nodes of a graph or subgraph, in the order in which they are added.

    Arrays among the inputs become constants of the graph; equal ones become one constant. A
    subgraph has its own, so the file holds the network's weights twice: ONNX Runtime optimizes
    convolutions only if their weights are in the same graph, which makes test-time augmentation
    three times as fast.

    Parameters
    ----------
    outer : _Nodes, default=None
        Nodes of the graph around a subgraph.
    """

    def __init__(self, outer: "_Nodes | None" = None) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[Any, onnx.TensorProto] = {}
        self._numbers: Iterator[int] = outer._numbers if outer else itertools.count()

    def add(
        self, operator: str, *inputs: str | NDArray[Any], output: str = "", **attributes: Any
    ) -> str:
        """Add a node with one output; return the name of the output."""
        output = output or f"{operator}_{next(self._numbers)}"
        names = [self._name(value) if isinstance(value, np.ndarray) else value for value in inputs]
        self.nodes.append(helper.make_node(operator, names, [output], output, **attributes))
        return output

    def prefix(self) -> str:
        """Return what names of a graph to be added must begin with."""
        return f"network_{next(self._numbers)}_"

    def add_graph(self, graph: onnx.GraphProto, value: str) -> str:
        """Add a graph of one input, whose names are unique; return the name of its output."""
        inside = {tensor.name for tensor in graph.initializer}
        (given,) = (entry.name for entry in graph.input if entry.name not in inside)
        self.nodes.append(helper.make_node("Identity", [value], [given]))
        self.nodes.extend(graph.node)
        self.constants |= {tensor.name: tensor for tensor in graph.initializer}
        name: str = graph.output[0].name
        return name

    def cast(self, value: str, dtype: DTypeLike) -> str:
        """Add a cast; return the name of its output."""
        return self.add("Cast", value, to=_tensor_type(dtype))

    def _name(self, array: NDArray[Any]) -> str:
        if array.dtype.kind == "i":
            array = array.astype(
                np.int64
            )  # ONNX's type of shapes and indices; NumPy's may be int32
        key = (array.dtype, array.shape, array.tobytes())
        if key not in self.constants:
            name = f"constant_{next(self._numbers)}"
            whole = np.ascontiguousarray(array).reshape(array.shape)  # scalars become 1-d
            self.constants[key] = numpy_helper.from_array(whole, name)
        return self.constants[key].name


def _tensor_type(dtype: DTypeLike) -> int:
    """Return ONNX's number for a dtype."""
    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


def _value(name: str, dtype: DTypeLike, *shape: int | str | None) -> onnx.ValueInfoProto:
    """Describe an input or output; a letter or None is a dynamic size."""
    return helper.make_tensor_value_info(name, _tensor_type(dtype), shape)


def _labels(classes: NDArray[Any]) -> NDArray[Any]:
    """Return classes as sklearn-onnx does: int64 where that is exact, or strings."""
    if classes.dtype.kind not in "biuf":
        return classes.astype(object)
    whole = classes.astype(np.int64)
    return whole if np.array_equal(whole, classes) else classes


def _add_chunks(
    nodes: _Nodes, pixels: str, n_classes: int, add_all: Callable[[_Nodes, str], str]
) -> str:
    """Add a loop over chunks of images, so that memory does not grow with their number.

    A loop can concatenate only chunks of equal size: the number of images divided by the smallest
    number of chunks of at most ``CHUNK``. The last chunk is padded with the last image, and the
    surplus is cut off.
    """
    one = np.array(1)
    n_images = nodes.add("Shape", pixels, start=0, end=1)
    n_images = nodes.add("Squeeze", n_images, np.array([0]))
    least = nodes.add("Add", n_images, np.array(CHUNK - 1))
    n_chunks = nodes.add("Max", nodes.add("Div", least, np.array(CHUNK)), one)
    size = nodes.add("Sub", nodes.add("Add", n_images, n_chunks), one)
    size = nodes.add("Div", size, n_chunks)
    offsets = nodes.add("Range", np.array(0), size, one)
    last = nodes.add("Sub", n_images, one)

    body = _Nodes(nodes)
    rows = body.add("Add", offsets, body.add("Mul", "chunk", size))
    chunk = body.add("Gather", pixels, body.add("Min", rows, last))
    body.add("Identity", add_all(body, chunk), output="of_chunk")
    body.add("Identity", "goes_on_to_chunk", output="goes_on_after_chunk")
    loop = helper.make_graph(
        body.nodes,
        "chunks",
        [_value("chunk", np.int64), _value("goes_on_to_chunk", np.bool_)],
        [
            _value("goes_on_after_chunk", np.bool_),
            _value("of_chunk", np.float32, None, n_classes),
        ],
        list(body.constants.values()),
    )
    chunks = nodes.add("Loop", n_chunks, "", body=loop)
    n_rows = nodes.add("Unsqueeze", nodes.add("Mul", n_chunks, size), np.array([0]))
    shape = nodes.add("Concat", n_rows, np.array([n_classes]), axis=0)
    together = nodes.add("Reshape", chunks, shape, allowzero=1)
    end = nodes.add("Unsqueeze", n_images, np.array([0]))
    return nodes.add("Slice", together, np.array([0]), end, np.array([0]))


def _add_scaling(nodes: _Nodes, pixels: str, dtype: np.dtype, scaler: ImageScaler) -> str:
    """Add ``ImageScaler.transform``, in the same arithmetic."""
    low, high = scaler.value_range_
    span = high - low if high > low else 1.0
    arithmetic = np.float32 if float32_suffices(dtype, low, span) else np.float64
    pixels = nodes.cast(pixels, arithmetic)
    pixels = nodes.add("Sub", pixels, np.array(low, arithmetic))
    pixels = nodes.add("Div", pixels, np.array(span, arithmetic))
    return nodes.cast(pixels, np.float32)


def _add_images(nodes: _Nodes, pixels: str, network: Network) -> str:
    """Add the standardization, and the change to ONNX's (n, channels, height, width)."""
    pixels = nodes.cast(pixels, network.config.dtype)
    images = nodes.add("Reshape", pixels, np.array([-1, *network.config.image_shape]))
    images = nodes.add("Transpose", images, perm=[0, 3, 1, 2])
    if isinstance(network.config, KerasConfig):
        return nodes.cast(images, np.float32)
    mean, variance, *_ = network.float_weights()
    scale, offset = np.ones_like(mean), np.zeros_like(mean)
    images = nodes.add("BatchNormalization", images, scale, offset, mean, variance, epsilon=0.0)
    return nodes.cast(images, np.float32)


def _add_network(nodes: _Nodes, images: str, network: Network) -> str:
    """Add the layers from standardized images to logits, averaged over an ensemble."""
    if isinstance(network.config, KerasConfig):
        images = nodes.add("Transpose", images, perm=[0, 2, 3, 1])
        return nodes.add_graph(keras_graph(network, OPSET, nodes.prefix()), images)
    weights = (np.asarray(weight, np.float32) for weight in network.float_weights()[2:])
    logits = []
    for _member in range(network.config.ensemble_size):
        values = images
        for layer in network.config.layers():
            own = [next(weights) for _ in layer.weight_shapes()]
            values = layer.add_onnx(nodes, values, own)
        logits.append(values)
    return nodes.add("Mean", *logits) if len(logits) > 1 else logits[0]


def _add_test_time_augmentation(
    nodes: _Nodes, images: str, logits: str, probabilities: str, network: Network, shift: int
) -> str:
    """Add the test-time augmentation of ``predict_probabilities``.

    A loop over the shifts does nothing if no image has low confidence, and takes no more memory
    than the first pass.
    """
    confidence = nodes.add("ReduceMax", probabilities, axes=[1], keepdims=0)
    is_uncertain = nodes.add("Less", confidence, np.array(TTA_NONE_FROM, np.float32))
    rows = nodes.add("Squeeze", nodes.add("NonZero", is_uncertain), np.array([0]))
    first, known, padded = (
        nodes.add("Gather", values, rows) for values in (probabilities, logits, images)
    )

    sides = np.array(network.config.image_shape[:2])
    by = np.minimum(shift, sides)
    for axis, side, pixels in zip((2, 3), sides, by, strict=True):
        mirrored = np.pad(np.arange(side), pixels, mode="symmetric")
        padded = nodes.add("Gather", padded, mirrored, axis=axis)
    # Corners of the eight shifted views in the padded image; the ninth is the image itself.
    starts = by * [(y, x) for y in range(3) for x in range(3) if (y, x) != (1, 1)]

    body = _Nodes(nodes)
    corners = (body.add("Gather", ends, "number") for ends in (starts, starts + sides))
    view = body.add("Slice", padded, *corners, np.array([2, 3]))
    body.add("Add", "sum_before", _add_network(body, view, network), output="sum_after")
    body.add("Identity", "goes_on", output="goes_on_after")
    n_classes = network.config.n_classes
    loop = helper.make_graph(
        body.nodes,
        "add_one_shift",
        [
            _value("number", np.int64),
            _value("goes_on", np.bool_),
            _value("sum_before", np.float32, None, n_classes),
        ],
        [_value("goes_on_after", np.bool_), _value("sum_after", np.float32, None, n_classes)],
        list(body.constants.values()),
    )
    any_uncertain = nodes.add("Min", nodes.add("Size", rows), np.array(1))
    n_rounds = nodes.add("Mul", any_uncertain, np.array(len(starts)))
    total = nodes.add("Loop", n_rounds, "", known, body=loop)
    mean = nodes.add("Div", total, np.array(len(starts) + 1, np.float32))
    mean = nodes.add("Softmax", mean, axis=1)

    confidence = nodes.add("Gather", confidence, rows)
    below = nodes.add("Sub", np.array(TTA_NONE_FROM, np.float32), confidence)
    share = nodes.add("Div", below, np.array(TTA_NONE_FROM - TTA_FULL_BELOW, np.float32))
    share = nodes.add("Clip", share, np.array(0, np.float32), np.array(1, np.float32))
    share = nodes.add("Unsqueeze", share, np.array([1]))
    change = nodes.add("Mul", share, nodes.add("Sub", mean, first))
    places = nodes.add("Unsqueeze", rows, np.array([1]))
    return nodes.add("ScatterND", probabilities, places, nodes.add("Add", first, change))
