"""What users do to the network of a fitted classifier: frozen layers count, all else is refused."""

import functools
import itertools
import weakref
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from ..utils._quiet_tensorflow import keras
from ._architecture import STANDARDIZE, WEIGHTS, batch_norms_of, build_cnn, layers_of

REMEDY = (
    "Undo the change, or fit a new classifier whose parameters say what you want, such as filters, "
    "dense_units, dropout or precision. What may be done to model_: new weights of the same shapes "
    "(set_weights, load_weights), and layers frozen (trainable = False)."
)

UNCOMPARED = {"trainable", "seed"}
"""Settings of a layer that count elsewhere or not at all, beside its initializers."""


class Frozen(NamedTuple):
    """What of a network stays as it is in training; () stands for nothing.

    Attributes
    ----------
    weights : tuple of bool
        One for each weight, in the order of ``compilation.weights_of``.
    statistics : tuple of bool
        One for each batch normalization, in the order of ``network.batch_norms_of``: whether it
        goes by its running statistics and keeps them, as Keras's does when it is frozen.
    """

    weights: tuple[bool, ...]
    statistics: tuple[bool, ...]


NOTHING_FROZEN = Frozen((), ())


def frozen_parts(model: keras.Model) -> Frozen:
    """Return what the user has frozen.

    Parameters
    ----------
    model : keras.Model
        That :func:`check_network` lets pass.

    Returns
    -------
    Frozen

    Raises
    ------
    ValueError
        If no weight is left to learn.
    """
    learning = {id(variable) for variable in model.trainable_variables}
    weights = [variable for variable in model.variables if variable.name in WEIGHTS]
    still = tuple(id(variable) not in learning for variable in weights)
    if all(still):
        raise ValueError(
            "All layers of model_ are frozen, so there is nothing to train. Free those that are to "
            "learn: model_.get_layer(name).trainable = True, after model_.trainable = True where "
            "the model itself was frozen."
        )
    statistics = tuple(not (model.trainable and layer.trainable) for layer in batch_norms_of(model))
    return Frozen(still if any(still) else (), statistics if any(statistics) else ())


def frozen_names(model: keras.Model) -> list[str]:
    """Return the names of the layers and weights that are frozen; "" is the model itself.

    Examples
    --------
    >>> from mnist_estimator.network._model_changes import frozen_names
    >>> from mnist_estimator.network._architecture import build_cnn
    >>> model = build_cnn((8, 8, 1), 2, filters=(4,))
    >>> model.get_layer("norm1_1").trainable = False
    >>> frozen_names(model)
    ['norm1_1', 'norm1_1/gamma', 'norm1_1/beta']
    """
    return [name for name, part in _freezable(model) if not part.trainable]


def freeze_again(model: keras.Model, names: Any) -> None:
    """Freeze what :func:`frozen_names` has named.

    Parameters
    ----------
    model : keras.Model
        From ``build_cnn``, as it comes.
    names : sequence of str

    Raises
    ------
    ValueError
        If these are no names of parts of the network.
    """
    known = {name for name, _ in _freezable(model)}
    if not isinstance(names, Sequence) or isinstance(names, str) or not known.issuperset(names):
        raise ValueError(f"The frozen layers are no list of names of the network's: {names!r:.200}")
    if names:
        # From the outside in: what is set of a layer is set of all that is in it.
        for name, part in _freezable(model):
            part.trainable = name not in names
        model.get_layer(STANDARDIZE).trainable = False


def _freezable(model: keras.Model) -> Iterator[tuple[str, Any]]:
    """Yield the model, its members, layers and weights, each before what is in it."""
    yield "", model

    def parts(layers: list[keras.layers.Layer], prefix: str) -> Iterator[tuple[str, Any]]:
        for layer in layers:
            if layer.name == STANDARDIZE or not layer.weights:
                continue
            name = prefix + layer.name
            yield name, layer
            if isinstance(layer, keras.Sequential):
                yield from parts(layer.layers, f"{name}/")
                continue
            for weight in layer.weights:
                if weight.name in WEIGHTS:
                    yield f"{name}/{weight.name}", weight

    yield from parts(model.layers, "")


class Seen(NamedTuple):
    """What of a network shows, in microseconds, whether a layer or a variable is another one."""

    variables: list[keras.Variable]
    settings: list[tuple[Any, ...]]


_seen: weakref.WeakKeyDictionary[keras.Model, Seen] = weakref.WeakKeyDictionary()


def note(model: keras.Model) -> None:
    """Note a network as it was built."""
    _seen[model] = Seen(model.variables, _settings(model))


def seen_of(model: keras.Model) -> Seen | None:
    """Return how a network was when it was last noted or checked."""
    return _seen.get(model)


def ensure_intact(model: Any, architecture: tuple[tuple[str, Any], ...]) -> None:
    """Check a network if a layer, a variable or what is set of a layer most often has changed.

    For predictions, of which the whole check would take longer than the network does.

    Raises
    ------
    TypeError, ValueError
        As :func:`check_network`.
    """
    if not isinstance(model, keras.Model) or _differs(model):
        check_network(model, architecture)


def _differs(model: keras.Model) -> bool:
    """Tell whether a network is not as it was noted."""
    seen = _seen.get(model)
    if seen is None:
        return True
    variables = model.variables
    same = len(variables) == len(seen.variables) and all(map(_is, variables, seen.variables))
    return not same or _settings(model) != seen.settings


def _is(one: Any, other: Any) -> bool:
    return one is other


def _settings(model: keras.Model) -> list[tuple[Any, ...]]:
    """Return what is most often changed of layers."""
    return [
        (type(layer), layer.dtype_policy, getattr(layer, "activation", None),
         getattr(layer, "rate", None))
        for layer in layers_of(model)
    ]  # fmt: skip


def check_network(model: Any, architecture: tuple[tuple[str, Any], ...]) -> None:
    """Refuse a network that is another than the one that was built.

    What trains, predicts, saves and exports takes the weights of ``model`` only; so a layer that
    was added, or set otherwise, would have no effect.

    Parameters
    ----------
    model : keras.Model
        The attribute ``model_``.
    architecture : tuple of pairs
        The arguments of ``build_cnn``.

    Raises
    ------
    TypeError
        If it is no Keras model.
    ValueError
        If it has other layers or other settings of them.
    """
    if not isinstance(model, keras.Model):
        raise TypeError(f"model_ must be a keras.Model; got {model!r:.200}. {REMEDY}")
    found, wanted = _description(model), _expected(architecture)
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
    if _differs(model):
        note(model)


@functools.lru_cache(maxsize=8)
def _expected(architecture: tuple[tuple[str, Any], ...]) -> dict[str, dict[str, Any]]:
    """Return the description of the network as it is built."""
    return _description(build_cnn(**dict(architecture)))


def _description(model: keras.Model) -> dict[str, dict[str, Any]]:
    """Return the layers by name, each with its kind, settings and the form of its variables."""
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
        # A layer that is used twice, or of the same name, shows by a number.
        name = prefix + layer.name
        while name in description:
            name += "'"
        description[name] = settings | {
            "kind": type(layer).__name__,
            "weights": [(v.name, tuple(v.shape), v.dtype) for v in layer.variables],
        }
    return description
