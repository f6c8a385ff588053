"""The ONNX graph of scalers and a classifier, node by node."""

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
from ..network._architecture import members_of
from ..network._functions import dtype_of
from ..network._inference import CERTAIN, DOUBTFUL, resolve_shift
from ..network._model_changes import check_network
from ..preprocessing._image_scaler import ImageScaler
from ..utils._quiet_tensorflow import keras
from ..utils._scaled_images import float32_suffices

AT_ONCE = 512
"""Images that go through the network at once, at most."""

OPSET, IR_VERSION = 17, 8
"""Of 2022, so that a runtime need not be new: ONNX Runtime reads them from 1.12 on."""


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
        Shape of one image as it comes in.
    dtype : dtype
        Of the pixels as they come in; one that ONNX knows.

    Returns
    -------
    onnx.ModelProto
        Input ``X``; outputs ``label`` and ``probabilities``; dynamic batch.
    """
    nodes = _Nodes()
    check_network(classifier.model_, classifier._architecture)
    labels = _labels(classifier.classes_)

    def add_all(nodes: _Nodes, pixels: str) -> str:
        """Add the way from pixels to probabilities."""
        network, kept, came = classifier.model_, dtype_of(classifier._architecture), dtype
        for scaler in scalers:
            pixels, came = _add_scaling(nodes, pixels, came, scaler), np.dtype(np.float32)
        images = _add_images(nodes, nodes.cast(pixels, kept), network, kept)
        logits = _add_network(nodes, images, network)
        probabilities = nodes.add("Softmax", logits, axis=1)
        if shift:
            probabilities = _add_second_look(nodes, images, logits, probabilities, network, shift)
        return probabilities

    shift = resolve_shift(classifier.test_time_shift, classifier.image_shape_)
    # Without test-time augmentation there is no loop at all, for runtimes that know none.
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
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="mnist_estimator",
        producer_version=__version__,
    )
    about = {"classes": classifier.classes_.tolist(), "image_shape": classifier.image_shape_}
    told = {name: json.dumps(value, default=float) for name, value in about.items()}  # longdouble
    helper.set_model_props(model, told)
    return model


class _Nodes:
    """The nodes of a graph, or of one inside it, in the order in which they are added.

    Arrays among the inputs become constants of the graph, equal ones a single constant.
    A graph inside has its own, though the file then holds the network's weights twice:
    ONNX Runtime brings convolutions into its fast form only if their weights stand in
    the same graph, and looked at doubtful images in a third of the time.

    Parameters
    ----------
    outer : _Nodes, default=None
        Those of the graph around it.
    """

    def __init__(self, outer: "_Nodes | None" = None) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[Any, onnx.TensorProto] = {}
        self._numbers: Iterator[int] = outer._numbers if outer else itertools.count()

    def add(
        self, operator: str, *inputs: str | NDArray[Any], output: str = "", **attributes: Any
    ) -> str:
        """Add a node with one output, and return the name of that."""
        output = output or f"{operator}_{next(self._numbers)}"
        names = [self._name(value) if isinstance(value, np.ndarray) else value for value in inputs]
        self.nodes.append(helper.make_node(operator, names, [output], output, **attributes))
        return output

    def cast(self, value: str, dtype: DTypeLike) -> str:
        """Add a change of dtype, and return the name of what it gives."""
        return self.add("Cast", value, to=_tensor_type(dtype))

    def _name(self, array: NDArray[Any]) -> str:
        if array.dtype.kind == "i":
            array = array.astype(np.int64)  # ONNX's type of shapes and places; NumPy's may be int32
        key = (array.dtype, array.shape, array.tobytes())
        if key not in self.constants:
            name = f"constant_{next(self._numbers)}"
            whole = np.ascontiguousarray(array).reshape(array.shape)  # which makes 1-d of scalars
            self.constants[key] = numpy_helper.from_array(whole, name)
        return self.constants[key].name


def _tensor_type(dtype: DTypeLike) -> int:
    """Return ONNX's number for a dtype."""
    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


def _value(name: str, dtype: DTypeLike, *shape: int | str | None) -> onnx.ValueInfoProto:
    """Describe an input or output; a letter is a size that may be any."""
    return helper.make_tensor_value_info(name, _tensor_type(dtype), shape)


def _labels(classes: NDArray[Any]) -> NDArray[Any]:
    """Return classes as sklearn-onnx has them: int64 where that changes none, or strings."""
    if classes.dtype.kind not in "biuf":
        return classes.astype(object)
    whole = classes.astype(np.int64)
    return whole if np.array_equal(whole, classes) else classes


def _add_chunks(
    nodes: _Nodes, pixels: str, n_classes: int, add_all: Callable[[_Nodes, str], str]
) -> str:
    """Add a loop over the images, so that memory does not grow with what the network computes.

    All chunks are of one size, since a loop can only put such together: the number of images
    by the least number of chunks of ``AT_ONCE`` that hold them. The last image fills up the last
    chunk, and what it adds is cut off.
    """
    one = np.array(1)
    n_images = nodes.add("Shape", pixels, start=0, end=1)
    n_images = nodes.add("Squeeze", n_images, np.array([0]))
    least = nodes.add("Add", n_images, np.array(AT_ONCE - 1))
    n_chunks = nodes.add("Max", nodes.add("Div", least, np.array(AT_ONCE)), one)
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
    """Add what ``ImageScaler.transform`` does to values, in the arithmetic it does it in."""
    low, high = scaler.value_range_
    span = high - low if high > low else 1.0
    arithmetic = np.float32 if float32_suffices(dtype, low, span) else np.float64
    pixels = nodes.cast(pixels, arithmetic)
    pixels = nodes.add("Sub", pixels, np.array(low, arithmetic))
    pixels = nodes.add("Div", pixels, np.array(span, arithmetic))
    return nodes.cast(pixels, np.float32)


def _add_images(nodes: _Nodes, pixels: str, network: keras.Model, dtype: str) -> str:
    """Add the way to (n, channels, height, width), ONNX's own form, and the first layer."""
    _, height, width, channels = network.input_shape
    images = nodes.add("Reshape", pixels, np.array([-1, height, width, channels]))
    images = nodes.add("Transpose", images, perm=[0, 3, 1, 2])
    images = _add_normalization(nodes, images, network.get_layer("standardize"), dtype)
    return nodes.cast(images, np.float32)


def _add_network(nodes: _Nodes, images: str, network: keras.Model) -> str:
    """Add what comes after the first layer: from standardized images to logits."""
    answers = [_add_member(nodes, images, member) for member in members_of(network)]
    return nodes.add("Mean", *answers) if len(answers) > 1 else answers[0]


def _add_member(nodes: _Nodes, images: str, network: keras.Sequential) -> str:
    """Add the layers from standardized images to logits."""
    values = images
    order: NDArray[Any] | None = None  # of the values that come into a dense layer
    for layer in network.layers:
        match layer:
            case keras.layers.Dropout():
                pass
            case keras.layers.BatchNormalization():
                if layer.name != "standardize":
                    values = _add_normalization(nodes, values, layer, "float32")
            case keras.layers.Conv2D():
                values = _add_convolution(nodes, values, layer)
            case keras.layers.MaxPooling2D():
                window = layer.pool_size
                values = nodes.add("MaxPool", values, kernel_shape=window, strides=window)
            case keras.layers.Activation(activation=keras.activations.relu):
                values = nodes.add("Relu", values)
            case keras.layers.Flatten():
                # Keras flattens (height, width, channels), ONNX (channels, height, width).
                shape = layer.input.shape[1:]
                order = np.arange(np.prod(shape)).reshape(shape).transpose(2, 0, 1).ravel()
                values = nodes.add("Flatten", values)
            case keras.layers.Dense():
                kernel, bias = _weights(layer, "float32")
                values = nodes.add("Gemm", values, kernel if order is None else kernel[order], bias)
                order = None
                if layer.activation is keras.activations.relu:
                    values = nodes.add("Relu", values)
            case _:
                raise ValueError(
                    "pipe must have a network as CNNClassifier builds it; its model_ has the layer "
                    f"{layer.name!r}, a {type(layer).__name__}. Fit again, or leave the layer out."
                )
    return values


def _add_normalization(
    nodes: _Nodes, values: str, layer: keras.layers.BatchNormalization, dtype: str
) -> str:
    *affine, mean, variance = _weights(layer, dtype)
    scale, offset = affine or (np.ones_like(mean), np.zeros_like(mean))
    return nodes.add(
        "BatchNormalization", values, scale, offset, mean, variance, epsilon=layer.epsilon
    )


def _add_convolution(nodes: _Nodes, values: str, layer: keras.layers.Conv2D) -> str:
    kernel, *bias = _weights(layer, "float32")
    total = np.subtract(layer.kernel_size, 1) if layer.padding == "same" else np.zeros(2, int)
    before = total // 2  # of an odd number of pixels, TensorFlow puts the larger half behind
    return nodes.add(
        "Conv", values, kernel.transpose(3, 2, 0, 1), *bias, pads=[*before, *(total - before)]
    )


def _weights(layer: keras.layers.Layer, dtype: str) -> list[NDArray[Any]]:
    return [np.asarray(weight, dtype) for weight in layer.get_weights()]


def _add_second_look(
    nodes: _Nodes, images: str, logits: str, probabilities: str, network: keras.Model, shift: int
) -> str:
    """Add what ``predict_probabilities`` does to doubtful images.

    A loop goes over the shifts, and does nothing where no image is doubtful; so the
    memory taken is that of the first look at most.
    """
    largest = nodes.add("ReduceMax", probabilities, axes=[1], keepdims=0)
    is_doubtful = nodes.add("Less", largest, np.array(CERTAIN, np.float32))
    rows = nodes.add("Squeeze", nodes.add("NonZero", is_doubtful), np.array([0]))
    first, known, seen = (
        nodes.add("Gather", values, rows) for values in (probabilities, logits, images)
    )

    sides = np.array(network.input_shape[1:3])
    by = np.minimum(shift, sides)
    for axis, side, pixels in zip((2, 3), sides, by, strict=True):
        mirrored = np.pad(np.arange(side), pixels, mode="symmetric")
        seen = nodes.add("Gather", seen, mirrored, axis=axis)
    # Corners of the eight views in the mirrored image; the ninth, its middle, is known.
    starts = by * [(y, x) for y in range(3) for x in range(3) if (y, x) != (1, 1)]

    body = _Nodes(nodes)
    corners = (body.add("Gather", ends, "number") for ends in (starts, starts + sides))
    view = body.add("Slice", seen, *corners, np.array([2, 3]))
    body.add("Add", "sum_before", _add_network(body, view, network), output="sum_after")
    body.add("Identity", "goes_on", output="goes_on_after")
    n_classes = network.output_shape[-1]
    loop = helper.make_graph(
        body.nodes,
        "look_at_one_shift",
        [
            _value("number", np.int64),
            _value("goes_on", np.bool_),
            _value("sum_before", np.float32, None, n_classes),
        ],
        [_value("goes_on_after", np.bool_), _value("sum_after", np.float32, None, n_classes)],
        list(body.constants.values()),
    )
    any_doubtful = nodes.add("Min", nodes.add("Size", rows), np.array(1))
    n_rounds = nodes.add("Mul", any_doubtful, np.array(len(starts)))
    total = nodes.add("Loop", n_rounds, "", known, body=loop)
    mean = nodes.add("Div", total, np.array(len(starts) + 1, np.float32))
    mean = nodes.add("Softmax", mean, axis=1)

    below = nodes.add("Sub", np.array(CERTAIN, np.float32), nodes.add("Gather", largest, rows))
    share = nodes.add("Div", below, np.array(CERTAIN - DOUBTFUL, np.float32))
    share = nodes.add("Clip", share, np.array(0, np.float32), np.array(1, np.float32))
    share = nodes.add("Unsqueeze", share, np.array([1]))
    change = nodes.add("Mul", share, nodes.add("Sub", mean, first))
    places = nodes.add("Unsqueeze", rows, np.array([1]))
    return nodes.add("ScatterND", probabilities, places, nodes.add("Add", first, change))
