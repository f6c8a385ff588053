"""What users may do to the network of a fitted classifier: frozen layers count, else refused."""

import functools
import itertools
import json
import operator
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from ..utils._quiet_tensorflow import keras
from ._build import Config, batch_norms_of, build, is_standardize
from ._keras_config import KerasConfig, description_of, first_difference
from ._sublayers import all_layers, sublayers, trained_ids

REMEDY = (
    "Undo the change, or fit a new classifier whose parameters say what you want, such as filters, "
    "dense_units, dropout or precision. What may be done to model_: new weights of the same shapes "
    "(set_weights, load_weights), and layers frozen (trainable = False)."
)

UNCOMPARED = {"trainable", "seed"}
"""Settings of a layer that count elsewhere or not at all, besides its initializers."""


class Frozen(NamedTuple):
    """What training leaves unchanged; () stands for nothing.

    Attributes
    ----------
    weights : tuple of bool
        One per weight, in the order of ``Network.variables().trained``.
    statistics : tuple of bool
        One per batch normalization, in the order of ``batch_norms_of``: whether it uses and
        keeps its running statistics, as Keras's does when it is frozen.
    """

    weights: tuple[bool, ...]
    statistics: tuple[bool, ...]


NOTHING_FROZEN = Frozen((), ())


def frozen_parts(model: keras.Model) -> Frozen:
    """Return what the user has frozen.

    Parameters
    ----------
    model : keras.Model
        One that :func:`check_network` accepts.

    Returns
    -------
    Frozen

    Raises
    ------
    ValueError
        If all weights are frozen.
    """
    trainable = {id(variable) for variable in model.trainable_variables}
    trained = trained_ids(model)
    weights = [variable for variable in model.variables if id(variable) in trained]
    is_frozen = tuple(id(variable) not in trainable for variable in weights)
    if all(is_frozen):
        raise ValueError(
            "All layers of model_ are frozen, so there is nothing to train. Free those that are to "
            "learn: model_.get_layer(name).trainable = True, after model_.trainable = True where "
            "the model itself was frozen."
        )
    statistics = tuple(not (model.trainable and layer.trainable) for layer in batch_norms_of(model))
    return Frozen(is_frozen if any(is_frozen) else (), statistics if any(statistics) else ())


def frozen_names(model: keras.Model) -> list[str]:
    """Return the names of the frozen layers and weights; "" is the model itself.

    Examples
    --------
    >>> from mnist_estimator.network._model_changes import frozen_names
    >>> from mnist_estimator.network._architecture import NetworkConfig
    >>> from mnist_estimator.network._build import build
    >>> model = build(NetworkConfig((8, 8, 1), 2, filters=(4,)))
    >>> model.get_layer("norm1_1").trainable = False
    >>> frozen_names(model)
    ['norm1_1', 'norm1_1/gamma', 'norm1_1/beta']
    """
    return [name for name, part in _freezable(model) if not part.trainable]


def freeze_again(model: keras.Model, names: Any) -> None:
    """Freeze the layers and weights that :func:`frozen_names` returned.

    Parameters
    ----------
    model : keras.Model
        From ``build``, unchanged.
    names : sequence of str

    Raises
    ------
    ValueError
        If a name is not one of the network's.
    """
    known = {name for name, _ in _freezable(model)}
    if not isinstance(names, Sequence) or isinstance(names, str) or not known.issuperset(names):
        raise ValueError(
            f"The frozen layers must be names of the network's layers; got {names!r:.200}."
        )
    if names or frozen_names(model):  # a user's network may be built with frozen layers
        # From the outside in: setting a layer sets all that is in it.
        for name, part in _freezable(model):
            part.trainable = name not in names
        for layer in model.layers:
            if is_standardize(layer):
                layer.trainable = False


def _freezable(model: keras.Model) -> Iterator[tuple[str, Any]]:
    """Yield names and the model, its members, layers and weights, each before its parts."""
    yield "", model
    trained = trained_ids(model)

    def parts(layers: list[keras.layers.Layer], prefix: str) -> Iterator[tuple[str, Any]]:
        for layer in layers:
            if is_standardize(layer) or not layer.weights:
                continue
            name = prefix + layer.name
            yield name, layer
            inside = sublayers(layer)
            yield from parts(inside, f"{name}/")
            elsewhere = {id(weight) for part in inside for weight in part.weights}
            for weight in layer.weights:
                if id(weight) in trained - elsewhere:
                    yield f"{name}/{weight.name}", weight

    yield from parts(sublayers(model), "")


class Fingerprint(NamedTuple):
    """What shows, within microseconds, whether a layer or a variable was replaced or changed."""

    variables: list[keras.Variable]
    settings: list[tuple[Any, ...]]

    @classmethod
    def of(cls, model: keras.Model) -> "Fingerprint":
        """Return the fingerprint of a network as it is."""
        return cls(model.variables, _settings(model))

    def matches(self, model: keras.Model) -> bool:
        """Tell whether a network still has the same variables and settings."""
        variables = model.variables
        is_same = len(variables) == len(self.variables) and all(
            map(operator.is_, variables, self.variables)
        )
        return is_same and _settings(model) == self.settings


def _settings(model: keras.Model) -> list[tuple[Any, ...]]:
    """Return the settings of layers that are changed most often."""
    return [
        (type(layer), layer.dtype_policy, getattr(layer, "activation", None),
         getattr(layer, "rate", None))
        for layer in all_layers(model)
    ]  # fmt: skip


def check_network(model: Any, config: Config) -> None:
    """Refuse a network that is not the one that was built.

    Training, prediction, saving and export take only the weights from ``model``, so a layer that
    was added or changed would have no effect.

    Parameters
    ----------
    model : keras.Model
        The attribute ``model_``.
    config : NetworkConfig or KerasConfig
        What it was built from.

    Raises
    ------
    TypeError
        If it is not a Keras model.
    ValueError
        If its layers or their settings differ.
    """
    if not isinstance(model, keras.Model):
        raise TypeError(f"model_ must be a keras.Model; got {model!r:.200}. {REMEDY}")
    if isinstance(config, KerasConfig):
        now, was = description_of(model), json.loads(config.for_tracing().architecture)
        if now != was:
            raise ValueError(f"model_ has been changed: {first_difference(now, was)}. {REMEDY}")
        return
    found, wanted = _description(model), _expected(config)
    names, wanted_names = list(found), list(wanted)
    if names != wanted_names:
        added = [name for name in names if name not in wanted]
        gone = [name for name in wanted_names if name not in found]
        told = f"added: {added or 'none'}, missing: {gone or 'none'}"
        raise ValueError(f"model_ has other layers than when it was built ({told}). {REMEDY}")
    for name, settings in found.items():
        for key in settings.keys() | wanted[name].keys():
            now, was = settings.get(key), wanted[name].get(key)
            if now != was:
                raise ValueError(
                    f"model_ has been changed: {key} of the layer {name!r} was {was!r:.100} and "
                    f"is {now!r:.100}. {REMEDY}"
                )


@functools.lru_cache(maxsize=8)
def _expected(config: Config) -> dict[str, dict[str, Any]]:
    """Return the description of the network as it is built."""
    return _description(build(config))


def _description(model: keras.Model) -> dict[str, dict[str, Any]]:
    """Return the layers by name, each with its kind, settings and the shapes of its variables."""
    members = [layer for layer in model.layers if isinstance(layer, keras.Sequential)]
    layers = itertools.chain(
        (("", layer) for layer in model.layers if layer not in members),
        ((f"{member.name}/", layer) for member in members for layer in member.layers),
    )
    description = {}
    for prefix, layer in layers:
        settings = {
            name: value
            for name, value in layer.get_config().items()
            if name not in UNCOMPARED and not name.endswith("_initializer")
        }
        # A layer that is used twice, or has the name of another, gets a prime.
        name = prefix + layer.name
        while name in description:
            name += "'"
        description[name] = settings | {
            "kind": type(layer).__name__,
            "weights": [(v.name, tuple(v.shape), v.dtype) for v in layer.variables],
        }
    return description
