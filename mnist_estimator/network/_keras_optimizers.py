"""Keras's optimizers: their configs, copies, and the update in a training step."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..utils._quiet_tensorflow import keras, tf
from ..utils._wording import shown
from ._keras_config import foreign_names, registered_objects
from ._optimizers import Moments, Update

OBJECT, CLASS = "keras_object", "keras_optimizer_class"
"""Keys under which a pickle or file holds a Keras object, as its config, and an optimizer's class,
by name."""


class KerasOptimizer(NamedTuple):
    """A rule that updates weights by one of Keras's optimizers; hashable.

    It serves where an :class:`~mnist_estimator.network._optimizers.Optimizer` does.

    Attributes
    ----------
    config : str
        What ``keras.saving.serialize_keras_object`` returns, as JSON, with a learning rate of 0:
        each step is given its own.
    custom_objects : tuple of (str, class) pairs
        The class, if it is not Keras's own, by the name under which Keras registers it.
    """

    config: str
    custom_objects: tuple[tuple[str, Any], ...]

    @classmethod
    def of(cls, optimizer: keras.Optimizer) -> "KerasOptimizer":
        """Return the rule of an optimizer, which stays as it is."""
        description = keras.saving.serialize_keras_object(optimizer)
        config = description["config"] | {"learning_rate": 0.0, "name": "optimizer"}
        text = json.dumps(description | {"config": config}, sort_keys=True)
        return cls(text, tuple(classes_of(optimizer).items()))

    @property
    def kind(self) -> str:
        """The name of the optimizer's class."""
        return str(json.loads(self.config)["class_name"])

    def build(self, weights: Sequence[keras.Variable]) -> keras.Optimizer:
        """Return a new optimizer of these weights."""
        optimizer = keras.saving.deserialize_keras_object(
            json.loads(self.config), custom_objects=dict(self.custom_objects)
        )
        optimizer.build(list(weights))
        return optimizer

    def zero_moments(self, weights: Sequence[tf.Variable]) -> list[Moments]:
        """Return the state before the first step: all variables of the optimizer as one tuple."""
        twins = [keras.Variable(weight.numpy(), dtype=weight.dtype.name) for weight in weights]
        return [tuple(tf.Variable(own.numpy()) for own in self.build(twins).variables)]

    def updater(self, twins: Sequence[keras.Variable], learns: Sequence[bool]) -> Update:
        """Return what takes a step; see :meth:`Optimizer.updater`.

        TensorFlow's backend has no stateless optimizers, so one is built on the variables of the
        traced network; values are copied into these variables before a step and back after it.
        """
        optimizer = self.build(twins)
        learned = [twin for twin, is_learned in zip(twins, learns, strict=True) if is_learned]

        def update(
            weights: Sequence[tf.Variable], moments: Sequence[Moments],
            gradients: Sequence[tf.Tensor], number: tf.Tensor, learning_rate: tf.Tensor,
        ) -> None:  # fmt: skip
            own = [variable.value for variable in [*twins, *optimizer.variables]]
            (slots,) = moments
            theirs = [*weights, *slots]
            for variable, given in zip(own, theirs, strict=True):
                variable.assign(given)
            optimizer.learning_rate = tf.cast(learning_rate, keras.config.floatx())
            optimizer.apply(gradients, learned)
            for variable, given in zip(own, theirs, strict=True):
                given.assign(variable)

        return update


def check_optimizer(optimizer: Any, settings: dict[str, Any], defaults: dict[str, Any]) -> None:
    """Refuse a Keras optimizer that cannot be used, or parameters that it leaves without effect.

    Parameters
    ----------
    optimizer : keras.Optimizer, or a class of them
    settings, defaults : dict
        The classifier's ``learning_rate``, ``schedule``, ``beta_1`` and ``beta_2``, as they are
        and by default.

    Raises
    ------
    TypeError
        If it is another class.
    ValueError
        If it averages weights, scales the loss, or has a function for its learning rate; or a
        parameter would have no effect.
    """
    is_class = isinstance(optimizer, type)
    if is_class and not issubclass(optimizer, keras.Optimizer):
        raise TypeError(
            "optimizer must be 'muon', 'adam', or a keras.optimizers.Optimizer, as an instance or "
            f"a class; got {shown(optimizer)}. Derive it from keras.optimizers.Optimizer."
        )
    own = instance_of(optimizer)
    rate = getattr(own, "_learning_rate", None)
    is_schedule = isinstance(rate, keras.optimizers.schedules.LearningRateSchedule)
    has_rate = is_schedule or (
        isinstance(rate, keras.Variable) and "learning_rate" in own.get_config()
    )
    if getattr(own, "use_ema", False) or not has_rate:
        raise ValueError(
            "optimizer must have a learning rate that is a number or a Keras schedule, and no "
            f"use_ema; got {own!r:.200}. Use another optimizer, and the parameter schedule for a "
            "function of the progress."
        )
    without_effect = ["beta_1", "beta_2"]
    without_effect += [] if is_class else ["learning_rate"]
    without_effect += ["schedule"] if is_schedule else []
    changed = [name for name in without_effect if settings[name] != defaults[name]]
    if changed:
        kind = type(own).__name__
        raise ValueError(
            f"{', '.join(changed)} have no effect with optimizer={kind}(...), which has its own. "
            f"Leave them at their defaults, or pass the class, optimizer=keras.optimizers.{kind}, "
            "which takes learning_rate and schedule."
        )


def instance_of(optimizer: Any) -> keras.Optimizer:
    """Return an optimizer of a class, or the one given."""
    return optimizer() if isinstance(optimizer, type) else optimizer


def own_rate(optimizer: Any, rate: float, schedule: Any) -> tuple[float, Any]:
    """Return the learning rate and the schedule that an optimizer brings along.

    Parameters
    ----------
    optimizer : str, keras.Optimizer or a class of them
    rate : float
        What to return for names and classes.
    schedule : str, callable or LearningRateSchedule
        What to return if the optimizer has none.
    """
    if not isinstance(optimizer, keras.Optimizer):
        return rate, schedule
    own = optimizer._learning_rate
    if isinstance(own, keras.optimizers.schedules.LearningRateSchedule):
        return rate, own
    return float(optimizer.get_config()["learning_rate"]), schedule


def copy_optimizer(optimizer: Any) -> Any:
    """Return a new optimizer with the settings of one; anything else as it is."""
    if not isinstance(optimizer, keras.Optimizer):
        return optimizer
    return type(optimizer).from_config(optimizer.get_config())


def to_plain(value: Any) -> Any:
    """Return an optimizer or a schedule of Keras as plain types; anything else as it is.

    Parameters
    ----------
    value : object
        A parameter of the classifier.

    Returns
    -------
    object
        A dict with a config under ``OBJECT``, or a name under ``CLASS`` for Keras's own classes.
    """
    if isinstance(value, keras.Optimizer | keras.optimizers.schedules.LearningRateSchedule):
        return {OBJECT: keras.saving.serialize_keras_object(value)}
    name = value.__name__ if isinstance(value, type) else ""
    if name and getattr(keras.optimizers, name, None) is value:
        return {CLASS: name}
    return value


def from_plain(value: Any, classes: Mapping[str, Any]) -> Any:
    """Return what :func:`to_plain` was given.

    Parameters
    ----------
    value : object
    classes : mapping
        From :func:`classes_of`; empty for what is in a file.

    Raises
    ------
    ValueError
        If its class is neither Keras's nor known by ``keras.saving``.
    """
    if isinstance(value, dict) and isinstance(value.get(CLASS), str):
        kind = getattr(keras.optimizers, value[CLASS], None)
        if isinstance(kind, type) and issubclass(kind, keras.Optimizer):
            return kind
        raise ValueError(f"Keras has no optimizer {value[CLASS]!r:.100}.")
    if not (isinstance(value, dict) and OBJECT in value):
        return value
    description = value[OBJECT]
    known = registered_objects(description) | dict(classes)
    missing = sorted(set(foreign_names(description)) - set(known))
    if missing:
        raise ValueError(
            f"It has an optimizer or a schedule that is not Keras's: {', '.join(missing)}. Pass it "
            "by this name, as in load(path, custom_objects={name: class}), or import the module "
            "that registers it with Keras."
        )
    try:
        return keras.saving.deserialize_keras_object(description, custom_objects=known)
    except Exception as error:  # a config may hold anything
        raise ValueError(f"Its optimizer cannot be read: {error!s:.200}") from error


def classes_of(value: Any) -> dict[str, Any]:
    """Return the class of a parameter that is the user's, by the name Keras gives it."""
    kind = type(value)
    if not isinstance(value, keras.Optimizer | keras.optimizers.schedules.LearningRateSchedule):
        return {}
    if kind.__module__.partition(".")[0] == "keras":
        return {}
    return {keras.saving.get_registered_name(kind): kind}
