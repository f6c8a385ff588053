"""The same network in other runtimes, and the rate of a matrix product as their limit.

OpenVINO and LiteRT are measured where they are installed: pip install openvino ai-edge-litert
"""

import functools
import importlib.util
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import helper

Images = NDArray[np.float32]
Call = Callable[[Images], Any]
BATCH = 256
SIDE = 2048
"""Rows and columns of the matrices."""


def cores() -> int:
    """Return how many cores may be used."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def runtimes(network: bytes, model: Any) -> dict[str, Call]:
    """Return what computes logits or probabilities of scaled images in each installed runtime.

    Parameters
    ----------
    network : bytes
        The ONNX model of the network, from scaled images to logits.
    model : keras.Model
        The same network.
    """
    calls = {"onnx_network": in_batches(onnx_call(network))}
    if importlib.util.find_spec("openvino"):
        calls["openvino"] = in_batches(openvino_call(network))
    if importlib.util.find_spec("ai_edge_litert"):
        calls["litert"] = in_batches(litert_call(model))
    return calls


def in_batches(call: Call) -> Call:
    """Return a call that takes any number of images."""

    def run(images: Images) -> Images:
        parts = [call(images[i : i + BATCH]) for i in range(0, len(images), BATCH)]
        return np.concatenate(parts)

    return run


def onnx_session(model: bytes) -> onnxruntime.InferenceSession:
    """Return a session whose threads do not spin in the others' time."""
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def onnx_call(network: bytes) -> Call:
    """Return ONNX Runtime's logits of a batch."""
    session = onnx_session(network)
    name = session.get_inputs()[0].name
    return lambda images: session.run(None, {name: images})[0]


def openvino_call(network: bytes) -> Call:
    """Return OpenVINO's logits of a batch, in float32."""
    import openvino

    core = openvino.Core()
    settings = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    request = core.compile_model(core.read_model(network), "CPU", settings).create_infer_request()
    return lambda images: request.infer([images], share_inputs=True)[0]


def litert_call(model: Any) -> Call:
    """Return LiteRT's logits of a batch, with an interpreter for each number of images."""
    import tensorflow as tf
    from ai_edge_litert.interpreter import Interpreter

    content = tf.lite.TFLiteConverter.from_keras_model(model).convert()

    @functools.cache
    def interpreter_of(size: int) -> tuple[Any, int, int]:
        interpreter = Interpreter(model_content=content, num_threads=cores())
        (takes,), (gives,) = interpreter.get_input_details(), interpreter.get_output_details()
        interpreter.resize_tensor_input(takes["index"], (size, *takes["shape"][1:]))
        interpreter.allocate_tensors()
        return interpreter, takes["index"], gives["index"]

    def run(images: Images) -> Images:
        interpreter, takes, gives = interpreter_of(len(images))
        interpreter.set_tensor(takes, images)
        interpreter.invoke()
        return interpreter.get_tensor(gives)

    return run


def operations(network: bytes) -> int:
    """Return the floating-point operations of convolutions and dense layers for one image."""
    model = onnx.shape_inference.infer_shapes(onnx.ModelProto.FromString(network))
    weights = {part.name: tuple(part.dims) for part in model.graph.initializer}
    shapes = {
        part.name: [side.dim_value for side in part.type.tensor_type.shape.dim]
        for part in [*model.graph.value_info, *model.graph.output]
    }
    total = 0
    for node in model.graph.node:
        if node.op_type == "Conv":
            total += 2 * np.prod(weights[node.input[1]]) * np.prod(shapes[node.output[0]][2:])
        elif node.op_type in ("Gemm", "MatMul"):
            total += 2 * np.prod(weights[node.input[1]])
    return int(total)


def products() -> dict[str, Callable[[], Any]]:
    """Return products of two large float32 matrices, in each installed library."""
    generator = np.random.default_rng(0)
    left, right = generator.random((2, SIDE, SIDE), dtype=np.float32)
    form = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [SIDE, SIDE])
    result = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [SIDE, SIDE])
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    weights = onnx.numpy_helper.from_array(right, "w")
    graph = helper.make_graph([node], "product", [form], [result], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    content = model.SerializeToString()
    calls = {"NumPy": lambda: left @ right}
    calls["ONNX Runtime"] = functools.partial(onnx_session(content).run, None, {"x": left})
    if importlib.util.find_spec("openvino"):
        calls["OpenVINO"] = functools.partial(openvino_call(content), left)
    return calls


def limits(n_rounds: int) -> dict[str, float]:
    """Return the GFLOP/s of each library's product: the fastest of all rounds."""
    calls = products()
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for i in range(-1, n_rounds):  # the first one is warm-up
        for name, call in calls.items():
            started = time.perf_counter()
            call()
            if i >= 0:
                seconds[name].append(time.perf_counter() - started)
    return {name: 2 * SIDE**3 / min(values) / 1e9 for name, values in seconds.items()}
