"""The architecture of a network: sizes in, list of layers out."""

import functools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np

from ..utils._wording import shown
from ._inference import batches
from ._layer_specs import (
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    LayerSpec,
    MaxPooling2D,
    ReLU,
)

MIN_SIDE_UNPADDED = 16
"""Smallest image side, in pixels, from which the first convolution is not padded."""

MIN_SIDE_AFTER_CONV, MIN_SIDE_POOLED = 3, 6
"""In a compact network: smallest side, in pixels, that an unpadded convolution may leave, and
that is pooled."""

MAX_PADDED_KERNEL = 7
"""Largest kernel side, in pixels, that is accepted for images of any size."""

MAX_WEIGHTS = 250_000_000
"""Most weights of a network: 1 GB in float32, of which training needs five times as much."""

SMALL_SIDE = 16
"""Image side, in pixels, below which predictions are computed in float64."""

MAX_BATCH = 1000
"""Most images that go through the network at once outside training."""

ANY_RATE = 0.5
"""Dropout rate that stands for every rate above 0 in :meth:`NetworkConfig.for_tracing`."""


@dataclass(frozen=True)
class NetworkConfig:
    """Architecture of a convolutional network that maps images to one logit per class.

    Each stage is one or more convolutions, each followed by batch normalization and a ReLU; the
    last convolution of a stage is followed by 2×2 max pooling. Pooling precedes normalization
    and activation, which gives the same maximum for a quarter of the work. Then come flattening,
    dropout and dense layers.

    Convolutions are padded, except the first one if both image sides are 16 pixels or more: this
    saves a quarter of the work for MNIST. A compact network of such images pads no convolution
    that leaves three pixels a side, and pools no side below six: this saves another third.

    Instances are hashable and serve as keys of caches. Sequences may be given in any form; they
    are kept as tuples of Python numbers.

    Attributes
    ----------
    image_shape : tuple of int, (height, width, channels)
        Shape of one image, at least (1, 1, 1).
    n_classes : int
        Number of logits, at least 1.
    filters : tuple of int or of tuples of int, default=(16, (48, 48), 96)
        The stages: the number of filters of the convolution, or of each of several.
    kernel_size : int or tuple of int, default=(5, 3)
        Side of the square kernels, in pixels; for all stages, or stage by stage, the last number
        for all that follow.
    dense_units : tuple of int, default=()
        Units of the hidden dense layers.
    dropout : float in [0, 1), default=0.3
        Share of the activations dropped before each dense layer.
    batch_norm : bool, default=True
        Whether convolutions are followed by batch normalization.
    compact : bool, default=False
        Whether later convolutions are not padded, either. False is the architecture of versions
        before 0.5.
    ensemble_size : int, default=1
        Number of such networks side by side, each with initial weights of its own. Their logits
        are averaged.
    dtype : {"float32", "float64"}, default="float32"
        Dtype of the weights.

    Examples
    --------
    >>> from mnist_estimator.network._architecture import NetworkConfig
    >>> config = NetworkConfig((28, 28, 1), 10, filters=[32], batch_norm=False)
    >>> [layer.name for layer in config.layers()]
    ['conv1_1', 'pool1', 'relu1_1', 'flatten', 'dropout', 'logits']
    >>> list(config.weight_shapes())
    [(1,), (1,), (5, 5, 1, 32), (32,), (4608, 10), (10,)]
    """

    image_shape: tuple[int, int, int]
    n_classes: int
    filters: Sequence[int | Sequence[int]] = (16, (48, 48), 96)
    kernel_size: int | Sequence[int] = (5, 3)
    dense_units: Sequence[int] = ()
    dropout: float = 0.3
    batch_norm: bool = True
    compact: bool = False
    ensemble_size: int = 1
    dtype: str = "float32"

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, plain(getattr(self, field.name)))

    def to_pairs(self) -> tuple[tuple[str, Any], ...]:
        """Return (name, value) pairs sorted by name, as pickles and files hold them."""
        return tuple(sorted((field.name, getattr(self, field.name)) for field in fields(self)))

    @classmethod
    def from_pairs(cls, pairs: Any) -> "NetworkConfig":
        """Return the config that pairs from a pickle or a file describe.

        Parameters
        ----------
        pairs : iterable of (str, value) pairs
            From :meth:`to_pairs`, of this or an earlier version, which may lack ``compact``,
            ``ensemble_size`` and ``dtype``. They are checked, since files may be damaged.

        Raises
        ------
        ValueError
            If a size is missing, unknown or out of range.
        """
        try:
            given = dict(pairs)
            missing = {"filters", "kernel_size", "dense_units", "dropout", "batch_norm"} - {*given}
            if missing:
                raise KeyError(*sorted(missing))
            height, width, channels = given["image_shape"]
            check_sizes(given["filters"], given["kernel_size"], given["dense_units"])
            config = cls(**given) if set(given) <= {field.name for field in fields(cls)} else None
            is_valid = (
                config is not None
                and all(
                    type(size) is int and size > 0
                    for size in (height, width, channels, config.n_classes, config.ensemble_size)
                )
                and type(config.batch_norm) is bool
                and type(config.compact) is bool
                and 0.0 <= config.dropout < 1.0
                and config.dtype in ("float32", "float64")
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"The sizes of the network are not readable: {error!r}.") from None
        if config is None or not is_valid:
            raise ValueError(f"The sizes of the network are out of range: {given!r:.500}.")
        return config

    def layers(self) -> list[LayerSpec]:
        """Return the layers from standardized images to logits, of one member of an ensemble."""
        layers: list[LayerSpec] = []
        maps = self.image_shape
        for conv in _convolutions(self):
            number = f"{conv.stage}_{conv.number}"
            layers.append(
                Conv2D(
                    f"conv{number}", conv.channels, conv.filters, conv.kernel_size, conv.padding,
                    use_bias=not self.batch_norm,
                )
            )  # fmt: skip
            if conv.window:
                layers.append(MaxPooling2D(f"pool{conv.stage}", conv.window))
            if self.batch_norm:
                layers.append(BatchNormalization(f"norm{number}", conv.filters))
            layers.append(ReLU(f"relu{number}"))
            maps = (conv.height, conv.width, conv.filters)
        layers.append(Flatten("flatten"))
        inputs = math.prod(maps)
        flattened: tuple[int, int, int] | None = maps
        for i, units in enumerate(self.dense_units, start=1):
            layers.append(Dropout(f"dropout{i}", self.dropout))
            layers.append(Dense(f"dense{i}", inputs, units, is_output=False, maps=flattened))
            inputs, flattened = units, None
        layers.append(Dropout("dropout", self.dropout))
        layers.append(Dense("logits", inputs, self.n_classes, is_output=True, maps=flattened))
        return layers

    def weight_shapes(self) -> Iterator[tuple[int, ...]]:
        """Yield the shape of each floating-point weight, in order, without building the network.

        Sizes from a damaged file may ask for more memory than there is, so its weights are
        compared with these shapes first.
        """
        yield from [(self.image_shape[2],)] * 2  # of the layer that standardizes the channels
        layers = self.layers()
        for _member in range(self.ensemble_size):
            for layer in layers:
                yield from layer.weight_shapes()

    @property
    def prediction_dtype(self) -> str:
        """Dtype in which the network predicts: float64 for images of few pixels.

        Without AVX-512, the last digit of a sum in TensorFlow depends on the place of an image in
        the batch. Small images take little time, so they get more digits.
        """
        height, width, _ = self.image_shape
        return "float64" if min(height, width) < SMALL_SIDE else self.dtype

    def batches(self, n_images: int, largest: int = MAX_BATCH) -> list[slice]:
        """Return slices of as many images as may go through the network at once.

        Parameters
        ----------
        n_images : int
            All images.
        largest : int, default=MAX_BATCH
            Most images of a slice; large images are fewer.
        """
        return batches(n_images, largest, self.image_shape)

    def for_tracing(self) -> "NetworkConfig":
        """Return this config with one dropout rate in place of all rates above 0.

        The rate is an input of the traced training step, so a search over it traces nothing
        again.
        """
        return _for_tracing(self)

    def check_fit(self) -> None:
        """Check that a network to be built fits its images, and the memory.

        Networks from files are not checked: their weights are there already.

        Raises
        ------
        ValueError
            If a kernel is larger than the feature maps of its stage (kernels up to
            ``MAX_PADDED_KERNEL`` fit any image), or there are more than ``MAX_WEIGHTS`` weights.
        """
        kernels = fitting = _kernels(self.kernel_size, len(self.filters))
        where = ""
        for stage in range(len(self.filters)):
            height, width = self.image_shape[:2]
            if stage:
                before = replace(self, filters=self.filters[:stage], kernel_size=fitting)
                *_, last = _convolutions(before)
                height, width = last.height, last.width
            largest = max(height, width, MAX_PADDED_KERNEL)
            if fitting[stage] > largest:
                if fitting is kernels:
                    where = (
                        f"{kernels[stage]} in stage {stage + 1}, which gets {height}×{width} pixels"
                    )
                fitting = (*fitting[:stage], largest, *fitting[stage + 1 :])
        if fitting is not kernels:
            raise ValueError(
                f"kernel_size must not exceed what a stage gets of an image; got {where} of "
                f"images of {self.image_shape[0]}×{self.image_shape[1]}. What fits is "
                f"kernel_size={fitting}."
            )
        shapes = replace(self, ensemble_size=1).weight_shapes()
        n_weights = self.ensemble_size * sum(math.prod(shape) for shape in shapes)
        if n_weights > MAX_WEIGHTS:
            raise ValueError(
                f"The network must have at most {MAX_WEIGHTS:,} weights; filters={self.filters!r}, "
                f"kernel_size={self.kernel_size!r}, dense_units={self.dense_units!r} and "
                f"ensemble_size={self.ensemble_size} give it {n_weights:,}, "
                f"{n_weights * 4 / 1e9:,.0f} GB. Take fewer."
            )


@functools.lru_cache
def _for_tracing(config: NetworkConfig) -> NetworkConfig:
    """Compute :meth:`NetworkConfig.for_tracing`, once: every prediction asks for it."""
    return replace(config, dropout=ANY_RATE if config.dropout > 0.0 else 0.0)


def plain(value: Any) -> Any:
    """Return lists and arrays as tuples, and NumPy scalars as Python's, so that it is hashable.

    Examples
    --------
    >>> from mnist_estimator.network._architecture import plain
    >>> plain([8, [16, 16]])
    (8, (16, 16))
    """
    if isinstance(value, list | tuple | np.ndarray):
        return tuple(map(plain, value))
    return value.item() if isinstance(value, np.generic) else value


def check_sizes(filters: Any, kernel_size: Any, dense_units: Any) -> None:
    """Check the sizes of a network.

    Parameters
    ----------
    filters, kernel_size, dense_units
        As in :class:`NetworkConfig`.

    Raises
    ------
    TypeError
        If one is not an integer or a sequence of integers where one is due.
    ValueError
        If a number is below 1, or there is no stage or no kernel size.
    """

    def check(name: str, values: Any, form: str, depth: int) -> None:
        allowed = f"{name} must be {form}, from 1 up; got {shown(values)}."
        remedy = f" For example, {name}={_EXAMPLES[name]}."
        if isinstance(values, Integral) and not isinstance(values, bool):
            raise TypeError(allowed + remedy)
        _check_integers(values, allowed + remedy, depth)

    check("filters", filters, "a sequence of whole numbers or of sequences of them", 2)
    check("dense_units", dense_units, "a sequence of whole numbers", 1)
    if not isinstance(kernel_size, Integral):
        check("kernel_size", kernel_size, "a whole number or a sequence of them", 1)
    if len(filters) == 0:
        raise ValueError("filters must have at least one stage; got none. For example, (16, 32).")
    if isinstance(kernel_size, Integral):
        if isinstance(kernel_size, bool) or kernel_size < 1:
            raise ValueError(
                f"kernel_size must be from 1 up; got {shown(kernel_size)}. The usual side is 3 "
                "pixels."
            )
    elif len(kernel_size) == 0:
        raise ValueError(
            "kernel_size must have at least one number; got none. The usual side is 3 pixels."
        )


_EXAMPLES = {"filters": "(16, (32, 32))", "dense_units": "(128,)", "kernel_size": "(5, 3)"}


def _check_integers(values: Any, message: str, depth: int) -> None:
    """Raise unless ``values`` is a sequence of integers from 1 up, at most ``depth`` deep."""
    if isinstance(values, str) or not isinstance(values, Sequence | np.ndarray) or depth == 0:
        raise TypeError(message)
    for value in values:
        if isinstance(value, bool) or not isinstance(value, Integral):
            _check_integers(value, message, depth - 1)
        elif value < 1:
            raise ValueError(message)


class _Convolution(NamedTuple):
    """A convolution, the pooling after it, and the size of the feature maps they give."""

    stage: int
    number: int
    channels: int
    filters: int
    kernel_size: int
    padding: str
    window: tuple[int, int] | None
    height: int
    width: int


def _convolutions(config: NetworkConfig) -> Iterator[_Convolution]:
    """Yield the convolutions of a network in order."""
    height, width, channels = config.image_shape
    is_large = min(height, width) >= MIN_SIDE_UNPADDED
    compact = config.compact and is_large
    kernels = _kernels(config.kernel_size, len(config.filters))
    for i, (stage, kernel) in enumerate(zip(config.filters, kernels, strict=True), start=1):
        widths = (stage,) if isinstance(stage, int) else tuple(stage)
        for j, n_filters in enumerate(widths, start=1):
            side_left = min(height, width) - kernel + 1
            if compact:
                is_unpadded = side_left >= MIN_SIDE_AFTER_CONV
            else:
                is_unpadded = i == j == 1 and is_large and side_left >= 1
            if is_unpadded:
                height, width = height - kernel + 1, width - kernel + 1
            window = None
            if j == len(widths):
                least = MIN_SIDE_POOLED if compact else 2
                window = (2 if height >= least else 1, 2 if width >= least else 1)
                window = None if window == (1, 1) else window
            if window:
                height, width = height // window[0], width // window[1]
            yield _Convolution(
                i, j, channels, n_filters, kernel, "valid" if is_unpadded else "same", window,
                height, width,
            )  # fmt: skip
            channels = n_filters


def _kernels(kernel_size: int | Sequence[int], n_stages: int) -> tuple[int, ...]:
    """Return the kernel side of each stage, in pixels."""
    sizes = (kernel_size,) if isinstance(kernel_size, int) else tuple(kernel_size)
    return (*sizes, *[sizes[-1]] * n_stages)[:n_stages]


def changed_parameters(was: NetworkConfig, wanted: NetworkConfig) -> list[str]:
    """Return the parameters of the classifier in which two configs differ.

    ``compact``, which is no parameter, is not compared: networks of older versions keep theirs.
    """
    names: Iterable[str] = (field.name for field in fields(was) if field.name != "compact")
    return sorted(
        "precision" if name == "dtype" else name
        for name in names
        if getattr(was, name) != getattr(wanted, name)
    )
