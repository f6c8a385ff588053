"""TensorFlow functions of a network, traced once per config and shared by all estimators.

Tracing a training step takes a second or more, and its memory is never quite freed; so a function
is made for a config, not for an estimator. Weights are passed as variables of the
caller, and nothing of the caller is kept. So the functions are safe to share between threads.
"""

import contextlib
import functools
import inspect
import itertools
import platform
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..utils._quiet_tensorflow import keras, tf
from ._augmentation import (
    adversarial_perturbation,
    random_affine,
    random_crop,
    random_erase,
    random_flip,
    random_thickness,
)
from ._build import Config, batch_norms_of, build
from ._corruptions import random_corruption
from ._keras_optimizers import KerasOptimizer
from ._layers import AdjustableDropout
from ._optimizers import Moments, Optimizer
from ._sublayers import all_layers, trained_ids

CACHE_SIZE = 8
"""Configs whose functions are kept; a search over more traces some again."""

Amounts = tuple[tuple[str, float], ...]
"""Amounts of augmentation, as pairs of name and amount."""


@dataclass(frozen=True)
class StepOptions:
    """What a training step is traced for, besides the config.

    Attributes
    ----------
    bfloat16 : bool
        Whether to multiply in bfloat16; weights stay as they are.
    optimizer : Optimizer or KerasOptimizer
        How the step updates the weights.
    augmentation : tuple of (str, float) pairs or None
        The amounts that ``resolve_augmentation`` returns; None leaves images unchanged.
    frozen : tuple of bool, default=()
        Which trained variables stay unchanged, in the order of :class:`Variables`; () is none.
    fixed_statistics : tuple of bool, default=()
        Which batch normalizations use and keep their running statistics, in the order of
        ``batch_norms_of``; () is none.
    users_augmentation : callable, default=None
        Augments instead: a Keras layer, or a function of images and perhaps a seed.
    """

    bfloat16: bool
    optimizer: Optimizer | KerasOptimizer
    augmentation: Amounts | None
    frozen: tuple[bool, ...] = ()
    fixed_statistics: tuple[bool, ...] = ()
    users_augmentation: Callable[..., Any] | None = None


class Variables(NamedTuple):
    """The variables of a network, by what training does to them.

    Attributes
    ----------
    trained : list of tf.Variable
        Changed by gradients, unless frozen.
    others : list of tf.Variable
        Running statistics, and the state of the dropout's generators.
    """

    trained: list[tf.Variable]
    others: list[tf.Variable]


class StepInputs(NamedTuple):
    """Tensors that a training step takes, beside the variables.

    Attributes
    ----------
    images : tf.Tensor of shape (n, height, width, channels)
        In the config's dtype, like all but the last five.
    targets : tf.Tensor of shape (n, n_classes)
        Probabilities of the classes.
    weights : tf.Tensor of shape (n,)
        Weight of each image.
    number : scalar tf.Tensor, int32
        Number of the step, from 1.
    seed : scalar tf.Tensor, int32
        Seeds the augmentation.
    learning_rate : scalar tf.Tensor
        In the config's dtype.
    corruption_rate : scalar tf.Tensor, float32
        Share of the images to corrupt; has no effect if the augmentation corrupts none.
    dropout : scalar tf.Tensor, float32
        Dropout rate; has no effect if that of the config is 0.
    """

    images: tf.Tensor
    targets: tf.Tensor
    weights: tf.Tensor
    number: tf.Tensor
    seed: tf.Tensor
    learning_rate: tf.Tensor
    corruption_rate: tf.Tensor
    dropout: tf.Tensor


Step = Callable[[Variables, Sequence[Moments], StepInputs], tuple[tf.Tensor, tf.Tensor]]
"""Updates variables and moments in place; returns the loss of each image, shape (n,), and
whether it was classified correctly, shape (n,), bool."""


def _traced_once(function: Any) -> Any:
    """Cache a function of a config, which must not depend on the dropout rate above 0."""
    cached = functools.lru_cache(maxsize=CACHE_SIZE)(function)

    @functools.wraps(function)
    def call(config: Config, *options: Any) -> Any:
        return cached(config.for_tracing(), *options)

    call.cache_info = cached.cache_info  # type: ignore[attr-defined]
    call.cache_clear = cached.cache_clear  # type: ignore[attr-defined]
    return call


@_traced_once
def forward_function(
    config: Config,
) -> Callable[[Sequence[tf.Tensor], tf.Tensor], tf.Tensor]:
    """Return ``forward(handles, images) -> logits``.

    Parameters
    ----------
    config : NetworkConfig or KerasConfig

    Returns
    -------
    callable
        Takes the handles of a network's variables, in the order of ``model.variables``, and
        images (n, height, width, channels) in ``config.prediction_dtype``; returns logits
        (n, n_classes) in the same dtype.
    """
    stored, dtype = config.dtype, config.prediction_dtype
    network = build(config, "predict")
    variables = network.variables
    at = {id(variable): i for i, variable in enumerate(variables)}

    @tf.function(autograph=False)
    def forward(*handles_and_images: tf.Tensor) -> tf.Tensor:
        *handles, images = handles_and_images
        values = []
        for handle, variable in zip(handles, variables, strict=True):
            # Beside the weights there are the states of the dropout's generators, integers.
            stored_as = stored if variable.dtype == dtype else variable.dtype
            value = tf.raw_ops.ReadVariableOp(resource=handle, dtype=stored_as)
            value.set_shape(variable.shape)
            values.append(tf.cast(value, variable.dtype))
        parts = (network.trainable_variables, network.non_trainable_variables)
        weights = [[values[at[id(variable)]] for variable in part] for part in parts]
        return network.stateless_call(*weights, images, training=False)[0]

    handles = [tf.TensorSpec([], tf.resource)] * len(variables)
    traced = forward.get_concrete_function(*handles, _batch(dtype, *config.image_shape))

    def run(handles: Sequence[tf.Tensor], images: tf.Tensor) -> tf.Tensor:
        # Calling ``traced`` checks its arguments, which doubles the time for one image.
        return tf.raw_ops.StatefulPartitionedCall(args=[*handles, images], Tout=[dtype], f=traced)[
            0
        ]

    return run


@_traced_once
def statistics_function(
    config: Config, fixed_statistics: tuple[bool, ...] = ()
) -> Callable[[list[Any], list[Any], tf.Tensor], list[tf.Tensor]]:
    """Return ``statistics(trained, others, images) -> [mean, variance, ...]``.

    Parameters
    ----------
    config : NetworkConfig or KerasConfig
    fixed_statistics : tuple of bool, default=()
        As in :class:`StepOptions`.

    Returns
    -------
    callable
        Takes the two parts of :class:`Variables` and images (n, height, width, channels) in the
        config's dtype; returns the mean and variance, of shape (channels,), of the inputs of each
        batch normalization that is not fixed, when all normalize by these statistics.
    """
    network = build(config)
    call = _with_variables(network, fixed_statistics)
    places = [place for layer in statistics_places(network) for place in layer]
    for layer in batch_norms_of(network):
        layer.momentum = 0.0  # the running statistics are then those of the batch

    @tf.function(autograph=False)
    def traced(trained: list[Any], others: list[Any], images: tf.Tensor) -> list[tf.Tensor]:
        _, updates = call(trained, others, images)
        return [updates[place] for place in places]

    # Never traced by a call: TensorFlow warns of functions whose calls trace again and again, and
    # takes those of all configs for one.
    traced.get_concrete_function(*variables_of(network), _batch(config.dtype, *config.image_shape))
    statistics: Callable[[list[Any], list[Any], tf.Tensor], list[tf.Tensor]] = traced
    return statistics


@_traced_once
def step_function(config: Config, options: StepOptions) -> Step:
    """Return the training step of a config.

    Parameters
    ----------
    config : NetworkConfig or KerasConfig
    options : StepOptions
        What else the step is traced for.

    Returns
    -------
    callable
        ``step(variables, moments, inputs) -> (losses, correct)``; see :data:`Step`. Moments are
        those of ``options.optimizer.zero_moments``. In an ensemble, the loss is the mean over the
        members.
    """
    network = build(config, "train", bfloat16=options.bfloat16)
    loss_of = _loss_function(network, options.fixed_statistics)
    augment, adversarial = _augmentation(options.augmentation)
    if options.users_augmentation is not None:
        augment = _users_augmentation(options.users_augmentation)
    variables = variables_of(network)
    learns = [not is_frozen for is_frozen in options.frozen or [False] * len(variables.trained)]
    update = options.optimizer.updater(_parts_of(network)[0], learns)
    dropouts = [layer for layer in all_layers(network) if isinstance(layer, AdjustableDropout)]

    @tf.function(autograph=False)
    def step(
        trained: list[Any], others: list[Any], moments: list[Any], inputs: StepInputs
    ) -> tuple[tf.Tensor, tf.Tensor]:
        images = augment(inputs)
        for layer in dropouts:
            layer.given_rate = inputs.dropout
        values = [tf.convert_to_tensor(variable) for variable in trained]
        if adversarial:
            # Against the network before the step, with the same activations dropped.
            with tf.GradientTape() as tape:
                tape.watch(images)
                total, correct, _ = loss_of(values, others, images, inputs.targets)
            gradient = tape.gradient(total, images)
            seed = tf.stack([-1 - inputs.seed, -inputs.number])
            images = adversarial_perturbation(images, gradient, correct, seed, adversarial)
        learned = list(itertools.compress(values, learns))
        with tf.GradientTape() as tape:
            tape.watch(learned)
            # The members of an ensemble learn side by side, each as if it were alone.
            total, correct, updates = loss_of(values, others, images, inputs.targets)
            mean = tf.reduce_mean(inputs.weights * total)
        gradients = tape.gradient(mean, learned)
        update(trained, moments, gradients, inputs.number, inputs.learning_rate)
        for variable, value in zip(others, updates, strict=True):
            variable.assign(value)
        return total / len(network.outputs), correct

    moments = options.optimizer.zero_moments(variables.trained)
    traced = step.get_concrete_function(*variables, moments, _input_specs(config))
    # A Keras optimizer has variables that threads must not share.
    captured = traced.captured_inputs
    turn = threading.Lock() if captured else contextlib.nullcontext()

    def run(
        variables: Variables, moments: Sequence[Moments], inputs: StepInputs
    ) -> tuple[tf.Tensor, tf.Tensor]:
        # As in ``forward_function``: checking so many arguments takes a millisecond. The executor
        # is named, since for a graph without branches TensorFlow takes another one, which runs
        # one operation after the other.
        everything = itertools.chain(variables.trained, variables.others, *moments)
        with turn:
            losses, correct = tf.raw_ops.StatefulPartitionedCall(
                args=[*(variable.handle for variable in everything), *inputs, *captured],
                Tout=[config.dtype, tf.bool], f=traced, executor_type="DEFAULT",
            )  # fmt: skip
        return losses, correct

    return run


def _input_specs(config: Config) -> StepInputs:
    """Return what the inputs of a training step look like."""
    dtype = config.dtype
    return StepInputs(
        images=_batch(dtype, *config.image_shape),
        targets=_batch(dtype, config.n_classes),
        weights=_batch(dtype),
        number=tf.TensorSpec([], tf.int32),
        seed=tf.TensorSpec([], tf.int32),
        learning_rate=tf.TensorSpec([], dtype),
        corruption_rate=tf.TensorSpec([], tf.float32),
        dropout=tf.TensorSpec([], tf.float32),
    )


def _augmentation(amounts: Amounts | None) -> tuple[Callable[[StepInputs], tf.Tensor], float]:
    """Return what augments the images of a step, and the amount of adversarial perturbation."""
    affine = dict(amounts or ())
    corrupts = affine.pop("corruption", 0.0) > 0.0
    thickness, adversarial = affine.pop("thickness", 0.0), affine.pop("adversarial", 0.0)
    flip, crop, erase = (affine.pop(name, 0.0) for name in ("flip", "crop", "erase"))
    is_affine = any(affine.values())

    def augment(inputs: StepInputs) -> tf.Tensor:
        images, seed, number = inputs.images, inputs.seed, inputs.number

        def seed_of(kind: int) -> tf.Tensor:
            return tf.random.experimental.stateless_fold_in(tf.stack([seed, number]), kind)

        if flip:
            images = random_flip(images, seed_of(1), flip)
        if crop:
            images = random_crop(images, seed_of(3), crop)
        if thickness:
            images = random_thickness(images, tf.stack([-1 - seed, number]), thickness)
        if is_affine:
            images = random_affine(images, tf.stack([seed, number]), **affine)
        if corrupts:
            rate = inputs.corruption_rate
            clean = images
            images = tf.cond(
                rate > 0.0,
                lambda: random_corruption(clean, tf.stack([seed, -number]), rate),
                lambda: clean,
            )
        if erase:
            images = random_erase(images, seed_of(2), erase)
        return images

    return augment, adversarial


def _users_augmentation(augmentation: Callable[..., Any]) -> Callable[[StepInputs], tf.Tensor]:
    """Return what augments the images of a step by a user's Keras layer or function."""

    def augment(inputs: StepInputs) -> tf.Tensor:
        images, seed = inputs.images, tf.stack([inputs.seed, inputs.number])
        if isinstance(augmentation, keras.layers.Layer):
            # Its generators start from the seed of the step, so nothing depends on what ran before.
            mapping = [
                (
                    variable,
                    tf.cast(tf.random.experimental.stateless_fold_in(seed, i), variable.dtype),
                )
                for i, variable in enumerate(augmentation.variables)
                if tuple(variable.shape) == (2,) and not variable.dtype.startswith("float")
            ]
            with keras.StatelessScope(state_mapping=mapping):
                augmented = augmentation(images, training=True)
        elif _takes_a_seed(augmentation):
            augmented = augmentation(images, seed)
        else:
            augmented = augmentation(images)
        augmented = tf.cast(augmented, images.dtype)
        if not augmented.shape.is_compatible_with(images.shape):
            raise ValueError(
                f"augmentation must return images of the same shape, {images.shape}; got "
                f"{augmented.shape}."
            )
        return tf.ensure_shape(augmented, images.shape)

    return augment


def _takes_a_seed(function: Callable[..., Any]) -> bool:
    """Tell whether a function has a second parameter that must be given."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # of a callable in C
        return False
    return len(parameters) > 1 and (
        parameters[1].default is inspect.Parameter.empty or parameters[1].name == "seed"
    )


def _loss_function(
    network: keras.Model, fixed_statistics: tuple[bool, ...]
) -> Callable[
    [list[Any], list[Any], tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]
]:
    """Return a function of the variables, images and targets.

    It returns the loss of each image, summed over the members of an ensemble; whether each is
    classified correctly; and the new running statistics.
    """
    call = _with_variables(network, fixed_statistics)

    def loss_of(
        trained: list[Any], others: list[Any], images: tf.Tensor, targets: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]:
        outputs, updates = call(trained, others, images)
        members = outputs if isinstance(outputs, list) else [outputs]
        losses = [tf.nn.softmax_cross_entropy_with_logits(targets, logits) for logits in members]
        correct = tf.argmax(tf.add_n(members), axis=1) == tf.argmax(targets, axis=1)
        return tf.add_n(losses), correct, updates

    return loss_of


def _with_variables(
    network: keras.Model, fixed_statistics: tuple[bool, ...]
) -> Callable[[list[Any], list[Any], tf.Tensor], tuple[Any, list[Any]]]:
    """Return a function of variables and images that calls a new network in training mode.

    Batch normalizations with fixed statistics use their running ones. Keras then counts their
    other weights as not trainable; here the order of :class:`Variables` never changes.
    """
    trained, others = _parts_of(network)
    for layer, is_fixed in zip(batch_norms_of(network), fixed_statistics, strict=False):
        layer.trainable = not is_fixed
    parts = (network.trainable_variables, network.non_trainable_variables)

    def call(
        values: list[Any], other_values: list[Any], images: tf.Tensor
    ) -> tuple[Any, list[Any]]:
        pairs = zip([*trained, *others], [*values, *other_values], strict=True)
        value_of = {id(variable): value for variable, value in pairs}
        sorted_values = [[value_of[id(variable)] for variable in part] for part in parts]
        outputs, updates = network.stateless_call(*sorted_values, images, training=True)
        updated = {id(variable): value for variable, value in zip(parts[1], updates, strict=True)}
        return outputs, [updated[id(variable)] for variable in others]

    return call


def variables_of(model: keras.Model) -> Variables:
    """Return TensorFlow's variables of a network, frozen ones among the trained."""
    return Variables(*([variable.value for variable in part] for part in _parts_of(model)))


def statistics_places(model: keras.Model) -> list[tuple[int, int]]:
    """Return where the mean and variance of each batch normalization are in ``others``.

    ``others`` is that of :class:`Variables`. Frozen batch normalizations, which keep their
    statistics, are left out.
    """
    places = {id(variable): i for i, variable in enumerate(_parts_of(model)[1])}
    return [
        (places[id(layer.moving_mean)], places[id(layer.moving_variance)])
        for layer in batch_norms_of(model)
        if model.trainable and layer.trainable
    ]


def _parts_of(model: keras.Model) -> tuple[list[keras.Variable], list[keras.Variable]]:
    """Return trained variables, also frozen ones, which Keras counts with the others; and these."""
    parts: tuple[list[keras.Variable], list[keras.Variable]] = ([], [])
    trained = trained_ids(model)
    for variable in model.variables:
        parts[id(variable) not in trained].append(variable)
    return parts


def _batch(dtype: str, *shape: int) -> tf.TensorSpec:
    """Describe a batch of any size."""
    return tf.TensorSpec([None, *shape], dtype)


def as_tensor(values: np.ndarray, dtype: str) -> tf.Tensor:
    """Return an array as a tensor of one dtype, since each dtype would be traced."""
    return tf.constant(values, dtype=dtype)


def resolve_precision(precision: str) -> tuple[str, bool]:
    """Return what the ``precision`` parameter means.

    Parameters
    ----------
    precision : {"auto", "float32", "bfloat16", "float64"}
        "auto" is bfloat16 where the processor multiplies bfloat16 in hardware, which halves the
        time of a step, and float32 elsewhere, where emulation would make it slower.

    Returns
    -------
    dtype : {"float32", "float64"}
        Dtype of the weights.
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
