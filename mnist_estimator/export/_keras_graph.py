"""The ONNX graph of a network that a user has built, by tf2onnx."""

import warnings
from dataclasses import replace
from typing import Any

import onnx
from onnx import compose

from ..network._keras_config import KerasConfig
from ..network._network import Network
from ..utils._quiet_tensorflow import tf

INPUT, OUTPUT = "images", "logits"


def has_converter() -> bool:
    """Tell whether tf2onnx is installed."""
    try:
        import tf2onnx  # noqa: F401
    except ImportError:
        return False
    return True


def keras_graph(network: Network, opset: int, prefix: str) -> onnx.GraphProto:
    """Return the graph of a user's network.

    Parameters
    ----------
    network : Network
        With a :class:`~mnist_estimator.network._keras_config.KerasConfig`.
    opset : int
        Version of ONNX's operators.
    prefix : str
        Put before all names, so that the graph can be part of another.

    Returns
    -------
    onnx.GraphProto
        From images, float32 of shape (n, height, width, channels), to logits, float32 of shape
        (n, n_classes); one input and one output.

    Raises
    ------
    ImportError
        If tf2onnx is not installed.
    ValueError
        If it cannot convert the network.
    """
    try:
        import tf2onnx
    except ImportError as error:
        raise ImportError(
            "A network that model builds is exported by tf2onnx, which is not installed: "
            'pip install "mnist_estimator[onnx]".'
        ) from error
    assert isinstance(network.config, KerasConfig)
    config = replace(network.config, prediction_dtype="float32")
    model = config.build("predict")
    for variable, given in zip(model.variables, network.model.variables, strict=True):
        variable.assign(given.numpy())

    @tf.function(autograph=False)
    def forward(images: tf.Tensor) -> tf.Tensor:
        return model(images, training=False)

    spec = tf.TensorSpec([None, *config.image_shape], tf.float32, name=INPUT)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of tf2onnx and what it imports
            converted: Any = tf2onnx.convert.from_function(forward, [spec], opset=opset)[0]
    except Exception as error:  # of many types
        raise ValueError(
            f"tf2onnx cannot convert the network that model built: {error!s:.300} Predict with "
            "the pipeline itself."
        ) from error
    return compose.add_prefix(converted, prefix).graph
