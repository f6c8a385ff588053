"""The convolutional network: sizes in, Keras model out, nothing else."""

import math
from collections.abc import Iterator, Sequence
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np

from ..utils._quiet_tensorflow import keras, tf
from ..utils._tensorflow_process import check_process
from ..utils._wording import shown

FEW = 4
"""Channels up to which a convolution and its pooling are faster in one."""

UNPADDED = 16
"""Images of as many pixels a side, or more, are not padded before the first convolution."""

LEAST_LEFT, LEAST_POOLED = 3, 6
"""Pixels a side that a compact network's convolutions leave, and that it pools, at the least."""

LARGEST_PADDED = 7
"""Kernels of as many pixels a side fit images of any size, which are padded for them."""

MOST_WEIGHTS = 250_000_000
"""Of a network: 1 GB, which training takes five times."""


STANDARDIZE = "standardize"
"""Name of the layer that brings the channels to mean 0 and variance 1; it is never trained."""

WEIGHTS = {"kernel", "bias", "gamma", "beta"}
"""Names of the variables that training is for; the others are statistics and seeds."""


class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Batch normalization that trains on TensorFlow's fused kernel.

    Keras 3 composes the layer of elementary operations, which costs a training
    step on a CPU half as much again as the fused kernel does. Weights, their
    order and the result are those of the parent class; so a network trains with
    this layer and is kept with the plain one.
    """

    def call(self, inputs: Any, training: bool = False, mask: Any = None) -> Any:
        """Normalize a batch of images (n, height, width, channels)."""
        if not training or not self.trainable:
            return super().call(inputs, training=False)
        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs,
            scale=tf.cast(self.gamma, tf.float32),
            offset=tf.cast(self.beta, tf.float32),
            epsilon=self.epsilon,
            is_training=True,
        )
        for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + batch * (1.0 - self.momentum))
        return outputs


class PooledConv2D(keras.layers.Conv2D):
    """A convolution and the 2×2 max pooling after it, in one.

    The four values of a window come from four kernels, each the given one moved by a
    pixel, that go over the image in steps of two pixels; the largest is kept. Of images
    with few channels that takes half the time: the steps after it pass over a quarter of
    the values. Weights and result are those of the two layers.
    """

    def call(self, inputs: Any) -> Any:
        """Return the largest answers (n, height // 2, width // 2, filters) to images."""
        kernel = tf.convert_to_tensor(self.kernel)
        moved = [
            tf.pad(kernel, [[down, 1 - down], [right, 1 - right], [0, 0], [0, 0]])
            for down in (0, 1)
            for right in (0, 1)
        ]
        if self.padding == "same":
            inputs = tf.pad(
                inputs, [[0, 0], *(_margins(size) for size in self.kernel_size), [0, 0]]
            )
        answers = tf.nn.conv2d(inputs, tf.concat(moved, axis=3), strides=2, padding="VALID")
        height, width = answers.shape[1:3]
        answers = tf.reshape(answers, [-1, height, width, len(moved), self.filters])
        largest = tf.reduce_max(answers, axis=3)
        return largest + self.bias if self.use_bias else largest

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """Return the shape of the pooled answers."""
        n, height, width, filters = super().compute_output_shape(input_shape)
        return n, height // 2, width // 2, filters


class AdjustableDropout(keras.layers.Dropout):
    """Dropout whose rate is a tensor, so that what is traced with one rate serves for all.

    Keras's layer has the rate as a constant, and draws a number of the activations' own type for
    each of them, which takes a tenth of a training step in bfloat16. Here sixteen random bits
    decide: half the time, and a share that is right to four digits in any precision.

    Attributes
    ----------
    given_rate : tf.Tensor
        The rate, float32, to be set before each call in training.
    """

    given_rate: tf.Tensor

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Drop activations in training."""
        if not training or self.rate == 0:
            return inputs
        shape, n_values = tf.shape(inputs), tf.size(inputs)
        pairs = tf.random.stateless_uniform(
            [(n_values + 1) // 2], tf.cast(self.seed_generator.next(), tf.int32),
            minval=None, maxval=None, dtype=tf.uint32,
        )  # fmt: skip
        draws = tf.reshape(tf.bitcast(pairs, tf.uint16), [-1])[:n_values]
        n_levels = tf.uint16.max + 1
        n_dropped = tf.minimum(tf.round(self.given_rate * n_levels), n_levels - 1.0)
        kept = tf.reshape(draws, shape) >= tf.cast(n_dropped, tf.uint16)
        scale = n_levels / (n_levels - n_dropped)
        return inputs * (tf.cast(kept, inputs.dtype) * tf.cast(scale, inputs.dtype))


def _margins(size: int) -> list[int]:
    """Return the pixels that "same" adds before and after an image for a kernel."""
    return [(size - 1) // 2, size // 2]


def build_cnn(
    image_shape: tuple[int, int, int],
    n_classes: int,
    *,
    filters: Sequence[int | Sequence[int]] = (16, (48, 48), 96),
    kernel_size: int | Sequence[int] = (5, 3),
    dense_units: Sequence[int] = (),
    dropout: float = 0.3,
    batch_norm: bool = True,
    compact: bool = False,
    ensemble_size: int = 1,
    dtype: str = "float32",
    fused: bool = False,
    pooled: bool = False,
    adjustable: bool = False,
    apart: bool = False,
    seed: int = 0,
) -> keras.Model:
    """Build a convolutional network that maps images to one logit a class.

    Every stage is one or more convolutions, each followed by batch
    normalization and a ReLU; the last convolution of a stage is followed by
    2×2 max pooling, as long as the image is at least two pixels high or wide.
    Pooling comes before normalization and activation, which gives the same
    maximum for a quarter of the work. Then the image is flattened, dropout
    applied, and dense layers lead to the logits.

    Convolutions are padded, but not the first one if the image has 16 pixels or
    more a side: then all that follows has less to do, a quarter less for MNIST. In a
    compact network of such images no convolution is padded that leaves three pixels a
    side, and nothing is pooled below six: that takes another third off.

    The first layer, ``standardize``, subtracts a mean and divides by a standard
    deviation for each channel. Both are weights that are not trained: 0 and 1
    until set. In an ensemble it stands before all members; their logits are averaged.

    Parameters
    ----------
    image_shape : tuple of int, (height, width, channels)
        Shape of one image, at least (1, 1, 1).
    n_classes : int
        Number of logits, at least 1.
    filters : sequence of int or of sequences of int, default=(16, (48, 48), 96)
        The stages: the number of filters of the convolution, or of each of
        several convolutions.
    kernel_size : int or sequence of int, default=(5, 3)
        Side of the square kernels in pixels; for all stages, or stage by stage,
        the last number for all that follow.
    dense_units : sequence of int, default=()
        Units of the hidden dense layers before the logits.
    dropout : float in [0, 1), default=0.3
        Share of the activations dropped, before each dense layer.
    batch_norm : bool, default=True
        Whether convolutions are followed by batch normalization.
    compact : bool, default=False
        Whether later convolutions go without padding, too. (False builds what versions
        before 0.5 built.)
    ensemble_size : int, default=1
        Number of such networks side by side, each with initial weights of its own.
    dtype : str, default="float32"
        Keras dtype policy of the layers, such as ``"mixed_bfloat16"``.
    fused : bool, default=False
        Use :class:`FusedBatchNormalization`, for a network that is to train.
    pooled : bool, default=False
        Use :class:`PooledConv2D` where it is faster, for a network that only
        predicts; it has the same weights in the same order.
    adjustable : bool, default=False
        Use :class:`AdjustableDropout`, for a network that is to train with any rate above 0.
    apart : bool, default=False
        Leave the logits of an ensemble's members apart, as a list, for each to be trained.
    seed : int, default=0
        Seeds the initial weights and the dropout. No global generator is used.

    Returns
    -------
    keras.Model
        A ``keras.Sequential``, but for ensembles. Built, not compiled; inputs (n, height,
        width, channels), outputs (n, n_classes) logits, both float32, or float64 if that is
        ``dtype``.

    Examples
    --------
    >>> from mnist_estimator.network._architecture import build_cnn
    >>> model = build_cnn((28, 28, 1), 10)
    >>> model.output_shape
    (None, 10)
    """
    check_process()
    seeds = _seeds(seed)
    kept = "float64" if dtype == "float64" else "float32"
    images = keras.Input(image_shape, dtype=kept, name="images")
    standardize = keras.layers.BatchNormalization(
        center=False, scale=False, epsilon=0.0, trainable=False, dtype=kept, name=STANDARDIZE
    )
    # All layers at once: ``Sequential.add`` builds the network anew for every one.
    members = [
        _member_layers(
            image_shape, n_classes, filters=filters, kernel_size=kernel_size,
            dense_units=dense_units, dropout=dropout, batch_norm=batch_norm, compact=compact,
            dtype=dtype, fused=fused, pooled=pooled, adjustable=adjustable, seeds=seeds,
        )
        for _ in range(ensemble_size)
    ]  # fmt: skip
    if ensemble_size == 1:
        return keras.Sequential([images, standardize, *members[0]], name="cnn")
    standardized = standardize(images)
    answers = [
        keras.Sequential([keras.Input(image_shape, dtype=kept), *layers], name=f"member{i}")(
            standardized
        )
        for i, layers in enumerate(members, start=1)
    ]
    mean = answers if apart else keras.layers.Average(dtype=kept, name="logits")(answers)
    return keras.Model(images, mean, name="cnn")


def members_of(model: keras.Model) -> list[keras.Sequential]:
    """Return the members of an ensemble that :func:`build_cnn` built, or the one network.

    Examples
    --------
    >>> from mnist_estimator.network._architecture import build_cnn, members_of
    >>> [member.name for member in members_of(build_cnn((28, 28, 1), 10, ensemble_size=2))]
    ['member1', 'member2']
    """
    return [layer for layer in model.layers if isinstance(layer, keras.Sequential)] or [model]


def layers_of(model: keras.Model) -> list[keras.layers.Layer]:
    """Return the layers of a network, those of its members one after the other."""
    return [layer for member in members_of(model) for layer in member.layers]


def batch_norms_of(model: keras.Model) -> list[keras.layers.BatchNormalization]:
    """Return the batch normalizations of a network, but for ``standardize``."""
    return [
        layer
        for layer in layers_of(model)
        if isinstance(layer, keras.layers.BatchNormalization) and layer.name != STANDARDIZE
    ]


def _member_layers(
    image_shape: tuple[int, int, int],
    n_classes: int,
    *,
    filters: Sequence[int | Sequence[int]],
    kernel_size: int | Sequence[int],
    dense_units: Sequence[int],
    dropout: float,
    batch_norm: bool,
    compact: bool,
    dtype: str,
    fused: bool,
    pooled: bool,
    adjustable: bool,
    seeds: Iterator[int],
) -> list[keras.layers.Layer]:
    """Return the layers from standardized images to logits."""
    kept = "float64" if dtype == "float64" else "float32"
    drop = AdjustableDropout if adjustable else keras.layers.Dropout
    normalization = FusedBatchNormalization if fused else keras.layers.BatchNormalization
    layers: list[keras.layers.Layer] = []
    for conv in convolutions(image_shape, filters, kernel_size, compact):
        number = f"{conv.stage}_{conv.number}"
        is_first = conv.stage == conv.number == 1
        is_pooled = pooled and is_first and conv.window == (2, 2) and conv.channels <= FEW
        convolution = PooledConv2D if is_pooled else keras.layers.Conv2D
        layers.append(
            convolution(
                conv.filters, conv.kernel, padding=conv.padding, use_bias=not batch_norm,
                data_format="channels_last", dtype=dtype,
                kernel_initializer=keras.initializers.HeNormal(seed=next(seeds)),
                name=f"conv{number}",
            )
        )  # fmt: skip
        if conv.window and not is_pooled:
            pool = keras.layers.MaxPooling2D(
                conv.window, data_format="channels_last", dtype=dtype, name=f"pool{conv.stage}"
            )
            layers.append(pool)
        if batch_norm:
            layers.append(normalization(momentum=0.9, dtype=dtype, name=f"norm{number}"))
        layers.append(keras.layers.Activation("relu", dtype=dtype, name=f"relu{number}"))

    layers.append(keras.layers.Flatten(data_format="channels_last", dtype=dtype, name="flatten"))
    for i, units in enumerate(dense_units, start=1):
        layers += [
            drop(dropout, seed=next(seeds), dtype=dtype, name=f"dropout{i}"),
            keras.layers.Dense(
                units, activation="relu", dtype=dtype, name=f"dense{i}",
                kernel_initializer=keras.initializers.HeNormal(seed=next(seeds)),
            ),
        ]  # fmt: skip
    layers += [
        drop(dropout, seed=next(seeds), dtype=dtype, name="dropout"),
        keras.layers.Dense(
            n_classes, dtype=kept, name="logits",
            kernel_initializer=keras.initializers.GlorotUniform(seed=next(seeds)),
        ),
    ]  # fmt: skip
    return layers


def weight_shapes(
    image_shape: tuple[int, int, int],
    n_classes: int,
    *,
    filters: Sequence[int | Sequence[int]],
    kernel_size: int | Sequence[int],
    dense_units: Sequence[int],
    batch_norm: bool,
    compact: bool = False,
    ensemble_size: int = 1,
    **_: Any,
) -> Iterator[tuple[int, ...]]:
    """Yield the shape of each weight of a network, without building it.

    Sizes that come from a file may ask for more memory than there is; so its weights are
    compared with these first.

    Parameters
    ----------
    image_shape, n_classes, filters, kernel_size, dense_units, batch_norm, compact, ensemble_size
        As :func:`build_cnn` takes them; its other arguments change no shape.

    Yields
    ------
    tuple of int
        In the order of the weights of the network.

    Examples
    --------
    >>> from mnist_estimator.network._architecture import weight_shapes
    >>> sizes = {"filters": (32,), "kernel_size": 3, "dense_units": (), "batch_norm": False}
    >>> list(weight_shapes((28, 28, 1), 10, **sizes))
    [(1,), (1,), (3, 3, 1, 32), (32,), (5408, 10), (10,)]
    """
    yield from [(image_shape[2],)] * 2
    for _member in range(ensemble_size):
        units = 0
        for conv in convolutions(image_shape, filters, kernel_size, compact):
            yield (conv.kernel, conv.kernel, conv.channels, conv.filters)
            yield from [(conv.filters,)] * (4 if batch_norm else 1)
            units = conv.height * conv.width * conv.filters
        for n_units in (*dense_units, n_classes):
            yield (units, n_units)
            yield (n_units,)
            units = n_units


class _Convolution(NamedTuple):
    """A convolution, the pooling after it, and what they leave of an image."""

    stage: int
    number: int
    channels: int
    filters: int
    kernel: int
    padding: str
    window: tuple[int, int] | None
    height: int
    width: int


def convolutions(
    image_shape: tuple[int, int, int],
    filters: Sequence[int | Sequence[int]],
    kernel_size: int | Sequence[int],
    compact: bool,
) -> Iterator[_Convolution]:
    """Yield the convolutions of a network in their order."""
    height, width, channels = image_shape
    is_large = min(height, width) >= UNPADDED
    compact &= is_large
    kernels = _kernels(kernel_size, len(filters))
    for i, (stage, kernel) in enumerate(zip(filters, kernels, strict=True), start=1):
        widths = (stage,) if isinstance(stage, int) else tuple(stage)
        for j, n_filters in enumerate(widths, start=1):
            left = min(height, width) - kernel + 1
            may = left >= LEAST_LEFT if compact else i == j == 1 and is_large and left >= 1
            padding = "valid" if may else "same"
            if padding == "valid":
                height, width = height - kernel + 1, width - kernel + 1
            window = None
            if j == len(widths):
                least = LEAST_POOLED if compact else 2
                window = (2 if height >= least else 1, 2 if width >= least else 1)
                window = None if window == (1, 1) else window
            if window:
                height, width = height // window[0], width // window[1]
            yield _Convolution(i, j, channels, n_filters, kernel, padding, window, height, width)
            channels = n_filters


def check_sizes(filters: Any, kernel_size: Any, dense_units: Any) -> None:
    """Check the sizes of a network.

    Parameters
    ----------
    filters, kernel_size, dense_units
        As :func:`build_cnn` takes them.

    Raises
    ------
    TypeError
        If one is no whole number or sequence of whole numbers where one is due.
    ValueError
        If a number is below 1, or there is no stage or no kernel size.
    """

    def check(name: str, values: Any, form: str, depth: int) -> None:
        allowed = f"{name} must be {form}, from 1 up; got {shown(values)}."
        remedy = f" For example, {name}={_EXAMPLES[name]}."
        if isinstance(values, Integral) and not isinstance(values, bool):
            raise TypeError(allowed + remedy)
        _check_whole(values, allowed + remedy, depth)

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


def check_fit(
    image_shape: tuple[int, int, int],
    n_classes: int,
    *,
    filters: Sequence[int | Sequence[int]],
    kernel_size: int | Sequence[int],
    compact: bool = False,
    ensemble_size: int = 1,
    **sizes: Any,
) -> None:
    """Check that a network to be built fits its images, and the memory.

    Networks from files are not checked: their weights are there already.

    Parameters
    ----------
    image_shape, n_classes, filters, kernel_size, compact, ensemble_size, **sizes
        As :func:`build_cnn` takes them.

    Raises
    ------
    ValueError
        If a kernel is larger than what its stage gets of an image (kernels of up to
        ``LARGEST_PADDED`` pixels fit any image), or there are more than ``MOST_WEIGHTS`` weights.
    """
    kernels = fitting = _kernels(kernel_size, len(filters))
    for stage in range(len(filters)):
        before = convolutions(image_shape, filters[:stage], fitting, compact)
        *_, height, width = [*before][-1] if stage else image_shape[:2]
        largest = max(height, width, LARGEST_PADDED)
        if fitting[stage] > largest:
            if fitting is kernels:
                where = f"{kernels[stage]} in stage {stage + 1}, which gets {height}×{width} pixels"
            fitting = (*fitting[:stage], largest, *fitting[stage + 1 :])
    if fitting is not kernels:
        raise ValueError(
            f"kernel_size must not exceed what a stage gets of an image; got {where} of images of "
            f"{image_shape[0]}×{image_shape[1]}. What fits is kernel_size={fitting}."
        )
    sizes |= {"filters": filters, "kernel_size": kernel_size, "compact": compact}
    shapes = weight_shapes(image_shape, n_classes, **sizes)
    n_weights = ensemble_size * sum(math.prod(shape) for shape in shapes)
    if n_weights > MOST_WEIGHTS:
        raise ValueError(
            f"The network must have at most {MOST_WEIGHTS:,} weights; filters={filters!r}, "
            f"kernel_size={kernel_size!r}, dense_units={sizes['dense_units']!r} and ensemble_size="
            f"{ensemble_size} give it {n_weights:,}, {n_weights * 4 / 1e9:,.0f} GB. Take fewer."
        )


def _kernels(kernel_size: int | Sequence[int], n_stages: int) -> tuple[int, ...]:
    """Return the side of the kernels stage by stage."""
    sizes = (kernel_size,) if isinstance(kernel_size, int) else tuple(kernel_size)
    return (*sizes, *[sizes[-1]] * n_stages)[:n_stages]


_EXAMPLES = {"filters": "(16, (32, 32))", "dense_units": "(128,)", "kernel_size": "(5, 3)"}


def _check_whole(values: Any, message: str, depth: int) -> None:
    """Raise unless ``values`` is a sequence of whole numbers from 1 up, ``depth`` deep at most."""
    if isinstance(values, str) or not isinstance(values, Sequence | np.ndarray) or depth == 0:
        raise TypeError(message)
    for value in values:
        if isinstance(value, bool) or not isinstance(value, Integral):
            _check_whole(value, message, depth - 1)
        elif value < 1:
            raise ValueError(message)


def _seeds(seed: int) -> Iterator[int]:
    """Yield independent seeds, so that no two layers start alike."""
    generator = np.random.default_rng(seed)
    while True:
        yield int(generator.integers(2**31))
