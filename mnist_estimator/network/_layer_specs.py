"""The layers that a network is made of, as plain descriptions.

Each kind of layer is one class that knows the shapes of its weights, the Keras layer, the
computation in NumPy and the ONNX operators. :class:`NetworkConfig` lists them in order; nothing
else has to know which kinds there are.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ..utils._quiet_tensorflow import keras
from ._layers import AdjustableDropout, FusedBatchNormalization

EPSILON = 1e-3
"""Added to the variance by batch normalization; Keras's default."""

MOMENTUM = 0.9
"""Share of the running statistics that stays from one training step to the next."""

Weights = Sequence[NDArray[np.floating]]


class BuildOptions(NamedTuple):
    """What Keras layers are made with, beside what the specs say.

    Attributes
    ----------
    policy : str
        Keras dtype policy of the layers, such as ``"mixed_bfloat16"``.
    output_dtype : {"float32", "float64"}
        Dtype of the logits.
    fused : bool
        Whether batch normalization is :class:`FusedBatchNormalization`.
    adjustable : bool
        Whether dropout is :class:`AdjustableDropout`.
    seeds : iterator of int
        One seed for each initializer and each dropout, in order.
    """

    policy: str
    output_dtype: str
    fused: bool
    adjustable: bool
    seeds: Iterator[int]


class OnnxNodes(Protocol):
    """A graph to which ONNX operators are added."""

    def add(self, operator: str, *inputs: str | NDArray[Any], **attributes: Any) -> str:
        """Add a node; return the name of its output."""


@dataclass(frozen=True)
class LayerSpec(ABC):
    """A layer between the standardized images and the logits.

    Attributes
    ----------
    name : str
        Name of the Keras layer.
    """

    name: str

    def weight_shapes(self) -> list[tuple[int, ...]]:
        """Return the shapes of the floating-point weights, in Keras's order."""
        return []

    @abstractmethod
    def to_keras(self, options: BuildOptions) -> keras.layers.Layer:
        """Return the Keras layer."""

    @abstractmethod
    def compute(self, values: NDArray[np.floating], weights: Weights) -> NDArray[np.floating]:
        """Return the layer's outputs in prediction, computed by NumPy; may change ``values``."""

    @abstractmethod
    def add_onnx(self, nodes: OnnxNodes, values: str, weights: Weights) -> str:
        """Add the layer's operators in prediction; return the name of the output.

        Images are in ONNX's order, (n, channels, height, width).
        """


@dataclass(frozen=True)
class Conv2D(LayerSpec):
    """A convolution with square kernels, stride 1.

    Attributes
    ----------
    channels, filters : int
        Channels of the inputs and of the outputs.
    kernel_size : int
        Side of the kernels, in pixels.
    padding : {"valid", "same"}
    use_bias : bool
    """

    channels: int
    filters: int
    kernel_size: int
    padding: str
    use_bias: bool

    def weight_shapes(self) -> list[tuple[int, ...]]:
        """Return the shapes of kernel and bias."""
        kernel = (self.kernel_size, self.kernel_size, self.channels, self.filters)
        return [kernel, (self.filters,)] if self.use_bias else [kernel]

    def to_keras(self, options: BuildOptions) -> keras.layers.Layer:
        """Return the Keras layer."""
        return keras.layers.Conv2D(
            self.filters, self.kernel_size, padding=self.padding, use_bias=self.use_bias,
            data_format="channels_last", dtype=options.policy,
            kernel_initializer=keras.initializers.HeNormal(seed=next(options.seeds)),
            name=self.name,
        )  # fmt: skip

    def compute(self, values: NDArray[np.floating], weights: Weights) -> NDArray[np.floating]:
        """Return the convolution of images (n, height, width, channels)."""
        kernel, *bias = weights
        rows, columns, channels, filters = kernel.shape
        if self.padding == "same":
            before, after = self._margins()
            values = np.pad(values, ((0, 0), (before, after), (before, after), (0, 0)))
        windows = sliding_window_view(values, (rows, columns), axis=(1, 2))
        n, height, width = windows.shape[:3]
        windows = windows.transpose(0, 1, 2, 4, 5, 3).reshape(-1, rows * columns * channels)
        values = (windows @ kernel.reshape(-1, filters)).reshape(n, height, width, filters)
        for offset in bias:
            values += offset
        return values

    def add_onnx(self, nodes: OnnxNodes, values: str, weights: Weights) -> str:
        """Add a convolution."""
        kernel, *bias = weights
        before, after = self._margins() if self.padding == "same" else (0, 0)
        pads = [before, before, after, after]
        return nodes.add("Conv", values, kernel.transpose(3, 2, 0, 1), *bias, pads=pads)

    def _margins(self) -> tuple[int, int]:
        """Return the pixels that "same" adds before and after; an odd one goes after."""
        total = self.kernel_size - 1
        return total // 2, total - total // 2


@dataclass(frozen=True)
class MaxPooling2D(LayerSpec):
    """Max pooling; rows and columns that fill no window are dropped.

    Attributes
    ----------
    window : tuple of int, (height, width)
        Size and stride, in pixels.
    """

    window: tuple[int, int]

    def to_keras(self, options: BuildOptions) -> keras.layers.Layer:
        """Return the Keras layer."""
        return keras.layers.MaxPooling2D(
            self.window, data_format="channels_last", dtype=options.policy, name=self.name
        )

    def compute(self, values: NDArray[np.floating], weights: Weights) -> NDArray[np.floating]:
        """Return the largest value of each window."""
        n, height, width, filters = values.shape
        rows, columns = height // self.window[0], width // self.window[1]
        values = values[:, : rows * self.window[0], : columns * self.window[1]]
        windows = values.reshape(n, rows, self.window[0], columns, self.window[1], filters)
        highest: NDArray[np.floating] = windows.max(axis=(2, 4))
        return highest

    def add_onnx(self, nodes: OnnxNodes, values: str, weights: Weights) -> str:
        """Add max pooling."""
        return nodes.add("MaxPool", values, kernel_shape=self.window, strides=self.window)


@dataclass(frozen=True)
class BatchNormalization(LayerSpec):
    """Batch normalization of the channels.

    Attributes
    ----------
    channels : int
    """

    channels: int

    def weight_shapes(self) -> list[tuple[int, ...]]:
        """Return the shapes of gamma, beta, moving mean and moving variance."""
        return [(self.channels,)] * 4

    def to_keras(self, options: BuildOptions) -> keras.layers.Layer:
        """Return the Keras layer."""
        kind = FusedBatchNormalization if options.fused else keras.layers.BatchNormalization
        return kind(momentum=MOMENTUM, epsilon=EPSILON, dtype=options.policy, name=self.name)

    def compute(self, values: NDArray[np.floating], weights: Weights) -> NDArray[np.floating]:
        """Return the values, normalized by the running statistics."""
        gamma, beta, mean, variance = weights
        scale = gamma / np.sqrt(variance + variance.dtype.type(EPSILON))
        return values * scale + (beta - mean * scale)

    def add_onnx(self, nodes: OnnxNodes, values: str, weights: Weights) -> str:
        """Add batch normalization."""
        return nodes.add("BatchNormalization", values, *weights, epsilon=EPSILON)


@dataclass(frozen=True)
class ReLU(LayerSpec):
    """The rectifier, max(x, 0)."""

    def to_keras(self, options: BuildOptions) -> keras.layers.Layer:
        """Return the Keras layer."""
        return keras.layers.Activation("relu", dtype=options.policy, name=self.name)

    def compute(self, values: NDArray[np.floating], weights: Weights) -> NDArray[np.floating]:
        """Rectify in place."""
        positive: NDArray[np.floating] = np.maximum(values, 0, out=values)
        return positive

    def add_onnx(self, nodes: OnnxNodes, values: str, weights: Weights) -> str:
        """Add the rectifier."""
        return nodes.add("Relu", values)


@dataclass(frozen=True)
class Flatten(LayerSpec):
    """From feature maps (n, height, width, channels) to rows (n, height * width * channels)."""

    def to_keras(self, options: BuildOptions) -> keras.layers.Layer:
        """Return the Keras layer."""
        return keras.layers.Flatten(
            data_format="channels_last", dtype=options.policy, name=self.name
        )

    def compute(self, values: NDArray[np.floating], weights: Weights) -> NDArray[np.floating]:
        """Return one row per image."""
        return values.reshape(len(values), -1)

    def add_onnx(self, nodes: OnnxNodes, values: str, weights: Weights) -> str:
        """Add flattening, which in ONNX gives the order (channels, height, width)."""
        return nodes.add("Flatten", values)


@dataclass(frozen=True)
class Dropout(LayerSpec):
    """Dropout, in training only.

    Attributes
    ----------
    rate : float in [0, 1)
        Share of the activations dropped.
    """

    rate: float

    def to_keras(self, options: BuildOptions) -> keras.layers.Layer:
        """Return the Keras layer."""
        kind = AdjustableDropout if options.adjustable else keras.layers.Dropout
        return kind(self.rate, seed=next(options.seeds), dtype=options.policy, name=self.name)

    def compute(self, values: NDArray[np.floating], weights: Weights) -> NDArray[np.floating]:
        """Return the values: predictions drop nothing."""
        return values

    def add_onnx(self, nodes: OnnxNodes, values: str, weights: Weights) -> str:
        """Add nothing: predictions drop nothing."""
        return values


@dataclass(frozen=True)
class Dense(LayerSpec):
    """A fully connected layer: hidden, with a rectifier, or the logits.

    Attributes
    ----------
    inputs, units : int
    is_output : bool
        Whether the outputs are the logits.
    maps : tuple of int, (height, width, channels), or None
        The feature maps that were flattened to give the inputs; None if the inputs come from
        another dense layer.
    """

    inputs: int
    units: int
    is_output: bool
    maps: tuple[int, int, int] | None

    def weight_shapes(self) -> list[tuple[int, ...]]:
        """Return the shapes of kernel and bias."""
        return [(self.inputs, self.units), (self.units,)]

    def to_keras(self, options: BuildOptions) -> keras.layers.Layer:
        """Return the Keras layer."""
        initializers = keras.initializers
        kind = initializers.GlorotUniform if self.is_output else initializers.HeNormal
        return keras.layers.Dense(
            self.units,
            activation=None if self.is_output else "relu",
            dtype=options.output_dtype if self.is_output else options.policy,
            kernel_initializer=kind(seed=next(options.seeds)),
            name=self.name,
        )

    def compute(self, values: NDArray[np.floating], weights: Weights) -> NDArray[np.floating]:
        """Return the outputs (n, units)."""
        kernel, bias = weights
        values = values @ kernel + bias
        return values if self.is_output else np.maximum(values, 0, out=values)

    def add_onnx(self, nodes: OnnxNodes, values: str, weights: Weights) -> str:
        """Add a matrix product, and the rectifier of a hidden layer."""
        kernel, bias = weights
        if self.maps is not None:
            # Keras flattens (height, width, channels), ONNX (channels, height, width).
            order = np.arange(self.inputs).reshape(self.maps).transpose(2, 0, 1).ravel()
            kernel = kernel[order]
        values = nodes.add("Gemm", values, kernel, bias)
        return values if self.is_output else nodes.add("Relu", values)
