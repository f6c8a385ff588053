"""TensorFlow functions of a network, traced once and shared by every estimator.

Tracing a training step takes a second or more, and what it makes is never
quite freed; so a function is made for an *architecture*, not for an estimator.
Weights come in as arguments, as variables of the caller's, and nothing of the
caller's stays. That makes the functions safe to share between threads.
"""

import functools
import itertools
import math
import platform
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..utils._quiet_tensorflow import keras, tf
from ._architecture import WEIGHTS, AdjustableDropout, batch_norms_of, build_cnn, layers_of
from ._augmentation import harder, random_affine, random_thickness
from ._corruptions import random_disturbance
from ._model_changes import seen_of
from ._optimizers import Moments, Optimizer

CACHE_SIZE = 8
"""Architectures whose functions are kept; a search over more traces some again."""

ANY_RATE = 0.5
"""Stands for all rates of dropout above 0."""

LARGEST_BATCH = 1000
BATCH_VALUES = 2**20
"""Images, and values of pixels, that go through the network at once outside training, at most."""

SMALL_SIDE = 16
"""Pixels a side below which predictions are computed in float64."""

Architecture = tuple[tuple[str, Any], ...]
"""The arguments of ``build_cnn`` as sorted pairs, hashable."""


def freeze(mapping: Mapping[str, Any]) -> Architecture:
    """Turn keyword arguments into sorted pairs of plain values, which can be a key.

    Examples
    --------
    >>> from mnist_estimator.network._functions import freeze
    >>> freeze({"n_classes": 2, "filters": [8, [16, 16]]})
    (('filters', (8, (16, 16))), ('n_classes', 2))
    """

    def hashable(value: Any) -> Any:
        if isinstance(value, list | tuple | np.ndarray):
            return tuple(map(hashable, value))
        return value.item() if isinstance(value, np.generic) else value

    return tuple((key, hashable(mapping[key])) for key in sorted(mapping))


@dataclass(frozen=True)
class StepOptions:
    """What a training step is traced for, beside the architecture.

    Attributes
    ----------
    bfloat16 : bool
        Whether to multiply in bfloat16; weights stay as they are.
    optimizer : Optimizer
        How the step updates the weights.
    augmentation : tuple of (str, float) pairs or None
        The amounts that ``resolve_augmentation`` returns; None leaves the images as they are.
    frozen : tuple of bool, default=()
        Which of the weights stay as they are, in the order of :func:`weights_of`; () is none.
    fixed_statistics : tuple of bool, default=()
        Which batch normalizations use and keep their running statistics, in the order of
        ``batch_norms_of``; () is none.
    """

    bfloat16: bool
    optimizer: Optimizer
    augmentation: Architecture | None
    frozen: tuple[bool, ...] = ()
    fixed_statistics: tuple[bool, ...] = ()


@functools.lru_cache
def _at_any_rate(architecture: Architecture) -> Architecture:
    """Return an architecture with one rate of dropout in place of all those above 0.

    Kept, since each prediction asks for it.
    """
    sizes = dict(architecture)
    return freeze(sizes | {"dropout": ANY_RATE if sizes.get("dropout", ANY_RATE) > 0.0 else 0.0})


def _traced_once(function: Any) -> Any:
    """Keep what a function returns for the last architectures.

    Of dropout it matters only whether there is any: the rate is no part of what is traced. So
    a search over it traces nothing anew.
    """
    kept = functools.lru_cache(maxsize=CACHE_SIZE)(function)

    @functools.wraps(function)
    def call(architecture: Architecture, *options: Any) -> Any:
        return kept(_at_any_rate(architecture), *options)

    call.cache_info = kept.cache_info  # type: ignore[attr-defined]
    call.cache_clear = kept.cache_clear  # type: ignore[attr-defined]
    return call


@_traced_once
def forward_function(architecture: Architecture) -> Callable[[keras.Model, tf.Tensor], tf.Tensor]:
    """Return ``forward(model, images) -> logits``.

    Parameters
    ----------
    architecture : tuple of pairs
        From :func:`freeze`.

    Returns
    -------
    callable
        Takes a network that ``build_cnn`` built, and images (n, height, width,
        channels) of the dtype that :func:`prediction_dtype` gives; returns logits (n,
        n_classes) of the same dtype.
    """
    kept, dtype = dtype_of(architecture), prediction_dtype(architecture)
    network = build_cnn(**dict(architecture) | {"dtype": dtype}, pooled=True)
    variables = network.variables
    at = {id(variable): i for i, variable in enumerate(variables)}

    @tf.function(autograph=False)
    def forward(*handles_and_images: tf.Tensor) -> tf.Tensor:
        *handles, images = handles_and_images
        values = []
        for handle, variable in zip(handles, variables, strict=True):
            # Beside the weights there are the seeds of the dropout, which are whole numbers.
            read = kept if variable.dtype == dtype else variable.dtype
            value = tf.raw_ops.ReadVariableOp(resource=handle, dtype=read)
            value.set_shape(variable.shape)
            values.append(tf.cast(value, variable.dtype))
        parts = (network.trainable_variables, network.non_trainable_variables)
        weights = [[values[at[id(variable)]] for variable in part] for part in parts]
        return network.stateless_call(*weights, images, training=False)[0]

    handles = [tf.TensorSpec([], tf.resource)] * len(variables)
    traced = forward.get_concrete_function(*handles, _batch(dtype, *network.input_shape[1:]))

    def run(model: keras.Model, images: tf.Tensor) -> tf.Tensor:
        # Not ``traced(...)``: for one image that takes twice as long, to check its arguments.
        return tf.raw_ops.StatefulPartitionedCall(
            args=[*handles_of(model), images], Tout=[dtype], f=traced
        )[0]

    return run


_handles: weakref.WeakKeyDictionary[keras.Model, tuple[Any, list[tf.Tensor]]] = (
    weakref.WeakKeyDictionary()
)


def handles_of(model: keras.Model) -> list[tf.Tensor]:
    """Return the handles of a network's variables, which stand for what they hold at the time.

    They are collected once, as long as :func:`ensure_intact` finds the same variables.
    """
    seen = seen_of(model)
    found, handles = _handles.get(model, (None, []))
    if found is None or found is not seen:
        handles = [variable.handle for variable in variables_of(model.variables)]
        _handles[model] = seen, handles
    return handles


@_traced_once
def statistics_function(
    architecture: Architecture, fixed_statistics: tuple[bool, ...] = ()
) -> Callable[..., list[tf.Tensor]]:
    """Return ``statistics(trainable, non_trainable, images)``.

    Parameters
    ----------
    architecture : tuple of pairs
        From :func:`freeze`.
    fixed_statistics : tuple of bool, default=()
        As in :class:`StepOptions`.

    Returns
    -------
    callable
        Takes the weights of a network, as :func:`weights_of` gives them, and what the function
        of :func:`forward_function` takes; returns mean and variance of what each batch
        normalization that is not fixed sees of these images, one after the other, when it
        normalizes by them.
    """
    network = build_cnn(**dict(architecture))
    call = _with_weights(network, fixed_statistics)
    places = [place for layer in normalizations(network) for place in layer]
    for layer in batch_norms_of(network):
        layer.momentum = 0.0  # the running statistics are then those of the batch

    @tf.function(autograph=False)
    def statistics(trainable: list, non_trainable: list, images: tf.Tensor) -> list[tf.Tensor]:
        _, updates = call(trainable, non_trainable, images)
        return [updates[place] for place in places]

    _trace(statistics, network, dtype_of(architecture))
    return statistics


def _with_weights(
    network: keras.Model, fixed_statistics: tuple[bool, ...]
) -> Callable[[list, list, tf.Tensor], tuple[Any, list]]:
    """Return a function of weights and images that calls a new network in training.

    Batch normalizations with fixed statistics go by their running ones. Keras counts their
    other weights with those that are not trained, too; here these stand where they always do.
    """
    weights, others = network.trainable_variables, network.non_trainable_variables
    for layer, is_fixed in zip(batch_norms_of(network), fixed_statistics, strict=False):
        layer.trainable = not is_fixed
    parts = (network.trainable_variables, network.non_trainable_variables)

    def call(values: list, other_values: list, images: tf.Tensor) -> tuple[Any, list]:
        given = zip([*weights, *others], [*values, *other_values], strict=True)
        value_of = {id(variable): value for variable, value in given}
        sorted_values = [[value_of[id(variable)] for variable in part] for part in parts]
        answers, updates = network.stateless_call(*sorted_values, images, training=True)
        updated = {id(variable): value for variable, value in zip(parts[1], updates, strict=True)}
        return answers, [updated[id(variable)] for variable in others]

    return call


def _trace(function: Any, network: keras.Model, dtype: str) -> None:
    """Trace a function of weights and images for any number of images.

    Never by a call: TensorFlow warns of functions whose calls trace again and again,
    and takes all architectures for one.
    """
    function.get_concrete_function(*weights_of(network), _batch(dtype, *network.input_shape[1:]))


def normalizations(model: keras.Model) -> list[tuple[int, int]]:
    """Return where mean and variance of each batch normalization stand in ``weights_of``.

    Those that are frozen, and so keep them, are left out.
    """
    places = {id(variable): i for i, variable in enumerate(_parts_of(model)[1])}
    return [
        (places[id(layer.moving_mean)], places[id(layer.moving_variance)])
        for layer in batch_norms_of(model)
        if model.trainable and layer.trainable
    ]


@_traced_once
def step_function(
    architecture: Architecture, options: StepOptions
) -> Callable[..., tuple[tf.Tensor, tf.Tensor]]:
    """Return the training step of an architecture.

    Parameters
    ----------
    architecture : tuple of pairs
        From :func:`freeze`.
    options : StepOptions
        What else the step is traced for.

    Returns
    -------
    callable
        ``step(trainable, non_trainable, moments, images, targets, weights, number,
        seed, learning_rate, disturbed, dropout)`` updates the three lists of variables in place and
        returns the loss of each image, in an ensemble the mean over its members, and whether the
        answer was right.
        The weights are those that :func:`weights_of` gives;
        ``moments`` comes from :func:`zero_moments`; ``number`` counts the steps
        from 1, and ``disturbed`` is the share of the images for ``random_disturbance``;
        ``dropout`` counts if the architecture has a rate above 0.
    """
    kept = dtype_of(architecture)
    policy = "mixed_bfloat16" if options.bfloat16 else kept
    # TensorFlow's fused kernel knows no float64.
    arguments = dict(architecture) | {
        "dtype": policy,
        "fused": kept == "float32",
        "adjustable": True,
        "apart": True,
    }
    network = build_cnn(**arguments)
    call = _with_weights(network, options.fixed_statistics)
    learns = [
        not is_frozen for is_frozen in options.frozen or [False] * len(weights_of(network)[0])
    ]
    drops = [layer for layer in layers_of(network) if isinstance(layer, AdjustableDropout)]
    affine = dict(options.augmentation or ())
    disturbs = affine.pop("disturbed", 0.0) > 0.0
    thickness, adversarial = affine.pop("thickness", 0.0), affine.pop("adversarial", 0.0)

    def answer(
        values: list, non_trainable: list, images: tf.Tensor, targets: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]:
        """Return the losses, summed over the members, what is right, and the new statistics."""
        answers, updates = call(values, non_trainable, images)
        members = answers if isinstance(answers, list) else [answers]
        losses = [tf.nn.softmax_cross_entropy_with_logits(targets, logits) for logits in members]
        right = tf.argmax(tf.add_n(members), axis=1) == tf.argmax(targets, axis=1)
        return tf.add_n(losses), right, updates

    @tf.function(autograph=False)
    def step(
        trainable: list,
        non_trainable: list,
        moments: list,
        images: tf.Tensor,
        targets: tf.Tensor,
        weights: tf.Tensor,
        number: tf.Tensor,
        seed: tf.Tensor,
        learning_rate: tf.Tensor,
        disturbed: tf.Tensor,
        dropout: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        if thickness:
            images = random_thickness(images, tf.stack([-1 - seed, number]), thickness)
        if affine:
            images = random_affine(images, tf.stack([seed, number]), **affine)
        if disturbs:
            images = tf.cond(
                disturbed > 0.0,
                lambda: random_disturbance(images, tf.stack([seed, -number]), disturbed),
                lambda: images,
            )
        for layer in drops:
            layer.given_rate = dropout
        values = [tf.convert_to_tensor(variable) for variable in trainable]
        if adversarial:
            # Against the network as the step finds it, the same activations dropped.
            with tf.GradientTape() as tape:
                tape.watch(images)
                total, right, _ = answer(values, non_trainable, images, targets)
            slope = tape.gradient(total, images)
            images = harder(images, slope, right, tf.stack([-1 - seed, -number]), adversarial)
        learned = list(itertools.compress(values, learns))
        with tf.GradientTape() as tape:
            tape.watch(learned)
            # The members of an ensemble learn side by side, each as if it were alone.
            total, right, updates = answer(values, non_trainable, images, targets)
            mean = tf.reduce_mean(weights * total)
        gradients = tape.gradient(mean, learned)
        options.optimizer.update(
            list(itertools.compress(trainable, learns)), list(itertools.compress(moments, learns)),
            gradients, number, learning_rate,
        )  # fmt: skip
        for variable, value in zip(non_trainable, updates, strict=True):
            variable.assign(value)
        return total / len(network.outputs), right

    traced = step.get_concrete_function(
        *weights_of(network), zero_moments(network), _batch(kept, *network.input_shape[1:]),
        _batch(kept, dict(architecture)["n_classes"]), _batch(kept), tf.TensorSpec([], tf.int32),
        tf.TensorSpec([], tf.int32), tf.TensorSpec([], kept), tf.TensorSpec([], tf.float32),
        tf.TensorSpec([], tf.float32),
    )  # fmt: skip

    def run(
        trainable: list[tf.Variable],
        non_trainable: list[tf.Variable],
        moments: list[Moments],
        *tensors: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        # As in ``forward_function``: to check so many arguments takes a millisecond a step. The
        # executor is named, since TensorFlow takes another one for a graph without branches,
        # which runs one operation after the other.
        variables = itertools.chain(trainable, non_trainable, *moments)
        losses, right = tf.raw_ops.StatefulPartitionedCall(
            args=[*(variable.handle for variable in variables), *tensors],
            Tout=[kept, tf.bool], f=traced, executor_type="DEFAULT",
        )  # fmt: skip
        return losses, right

    return run


def weights_of(model: keras.Model) -> tuple[list[tf.Variable], list[tf.Variable]]:
    """Return the variables of a network that training is for, frozen or not, and the others."""
    weights, others = _parts_of(model)
    return variables_of(weights), variables_of(others)


def _parts_of(model: keras.Model) -> tuple[list[keras.Variable], list[keras.Variable]]:
    """Return weights, frozen ones too, which Keras counts with the others, and statistics."""
    parts: tuple[list[keras.Variable], list[keras.Variable]] = ([], [])
    for variable in model.variables:
        parts[variable.name not in WEIGHTS].append(variable)
    return parts


def dtype_of(architecture: Architecture) -> str:
    """Return the dtype of the weights and of what goes in and out, "float32" or "float64"."""
    return str(dict(architecture).get("dtype", "float32"))


def prediction_dtype(architecture: Architecture) -> str:
    """Return the dtype in which a network predicts: float64 for images of few pixels.

    Where the processor has no AVX-512, a sum of TensorFlow's depends in its last digit on
    where an image stands in the batch. Small images take no time, so they get more digits.
    """
    height, width, _ = dict(architecture)["image_shape"]
    return "float64" if min(height, width) < SMALL_SIDE else dtype_of(architecture)


def _batch(dtype: str, *shape: int) -> tf.TensorSpec:
    """Describe a batch of any size."""
    return tf.TensorSpec([None, *shape], dtype)


def zero_moments(model: keras.Model) -> list[Moments]:
    """Return what the optimizer remembers of each weight before the first step."""
    return [
        (tf.Variable(tf.zeros_like(weight)), tf.Variable(tf.zeros_like(weight)))
        for weight in weights_of(model)[0]
    ]


def variables_of(variables: list[keras.Variable]) -> list[tf.Variable]:
    """Return TensorFlow's variables behind Keras's, which a ``tf.function`` takes as they are."""
    return [variable.value for variable in variables]


def batches_of(
    n_images: int, architecture: Architecture, largest: int = LARGEST_BATCH
) -> list[slice]:
    """Return slices of so many images as may go through the network at once."""
    n_values = math.prod(dict(architecture)["image_shape"])
    size = max(1, min(largest, BATCH_VALUES // n_values))
    return [slice(start, start + size) for start in range(0, n_images, size)]


def as_tensor(values: np.ndarray, dtype: str) -> tf.Tensor:
    """Hand an array to TensorFlow in one dtype, whatever it is: each one would be traced."""
    return tf.constant(values, dtype=dtype)


def resolve_precision(precision: str) -> tuple[str, bool]:
    """Return what the ``precision`` parameter means.

    Parameters
    ----------
    precision : {"auto", "float32", "bfloat16", "float64"}
        "auto" is bfloat16 where the processor multiplies bfloat16 in hardware (a
        step then takes about half the time) and float32 elsewhere, where
        emulation would make it slower.

    Returns
    -------
    dtype : str
        Of the weights, "float32" or "float64".
    bfloat16 : bool
        Whether training multiplies in bfloat16.
    """
    if precision == "float64":
        return "float64", False
    return "float32", precision == "bfloat16" or (precision == "auto" and _multiplies_bfloat16())


@functools.cache
def _multiplies_bfloat16() -> bool:
    """Tell whether the processor has instructions for products of bfloat16."""
    if platform.system() != "Linux" or platform.machine() not in ("x86_64", "AMD64"):
        return False
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    flags = next((line for line in text.splitlines() if line.startswith("flags")), "").split()
    return "avx512_bf16" in flags or "amx_bf16" in flags
