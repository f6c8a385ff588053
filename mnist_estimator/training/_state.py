"""The fitted network in pickles and files: plain arrays, checked before they are used.

The format is a promise: all later versions read what one version has written. CONTRIBUTING says
how it may change.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from packaging.version import InvalidVersion, Version

from .._version import __version__
from ..network._build import Config, build, config_from_pairs
from ..network._keras_config import KerasConfig, float_shapes
from ..network._model_changes import freeze_again
from ..network._network import Network
from ._loop import TrainingState

NETWORK_STATE = ("_weights", "_moments", "_slots", "_n_steps", "_frozen", "_custom_objects")
"""What :func:`network_state` returns, besides ``_architecture``."""

REMEDY = "Fit again, or take the original of this copy."


def network_state(network: Network, training: TrainingState) -> dict[str, Any]:
    """Return a network and the state of its training as plain types and arrays.

    Parameters
    ----------
    network : Network
    training : TrainingState
        Not kept before the first step.

    Returns
    -------
    dict
        ``_architecture``, pairs of names and sizes; ``_weights``, a list of arrays, including the
        states of the dropout's generators; if training may go on, ``_moments``, a list of pairs
        of arrays, or ``_slots``, the name and the arrays of a Keras optimizer, and ``_n_steps``;
        if layers are frozen, ``_frozen``, a list of names; for a user's network,
        ``_custom_objects``, classes and functions by name.
    """
    state: dict[str, Any] = {
        "_architecture": network.config.to_pairs(),
        "_weights": [variable.numpy() for variable in network.model.variables],
    }
    if training.n_steps:
        moments = [tuple(np.asarray(v.numpy()) for v in group) for group in training.moments]
        state["_n_steps"] = training.n_steps
        if training.rule:
            state["_slots"] = {"optimizer": training.rule, "arrays": list(moments[0])}
        else:
            state["_moments"] = moments
    if isinstance(network.config, KerasConfig) and network.config.custom_objects:
        state["_custom_objects"] = dict(network.config.custom_objects)
    frozen = network.frozen_names()
    return state | ({"_frozen": frozen} if frozen else {})


def restore_network(architecture: Any, state: Mapping[str, Any]) -> tuple[Network, TrainingState]:
    """Rebuild the network from what :func:`network_state` returned.

    This package's network is not built before all weights fit the sizes, so no more memory is used
    than they take. Only a built network has the shapes of a user's.

    Parameters
    ----------
    architecture : iterable of pairs
        ``_architecture``.
    state : mapping
        The rest.

    Returns
    -------
    network : Network
    training : TrainingState
        As it was, or that before the first step if none was kept.

    Raises
    ------
    ValueError
        If the sizes are not those of a network, or an array does not fit it.
    """
    config = _config(architecture, state)
    model = build(config) if isinstance(config, KerasConfig) else None
    weights, seeds = _checked_weights(config, state, model)
    model = build(config) if model is None else model
    is_weight = [variable.dtype.startswith("float") for variable in model.variables]
    generators = [v for v, weight in zip(model.variables, is_weight, strict=True) if not weight]
    for found, variable in itertools.zip_longest(seeds, generators):
        shape = None if variable is None else tuple(variable.shape)
        _check_fit("generator's state", found, shape, None)
    floats, integers = iter(weights), iter(seeds)
    for variable, weight in zip(model.variables, is_weight, strict=True):
        variable.assign(next(floats) if weight else next(integers).astype(variable.dtype))
    freeze_again(model, state.get("_frozen", []))
    network = Network(config, model)
    network.note_unchanged()
    return network, _restore_training(network, state)


def check_network_state(
    architecture: Any, state: Mapping[str, Any]
) -> tuple[Config, list[NDArray[Any]], list[NDArray[Any]]]:
    """Check what :func:`network_state` returned, without building anything.

    Parameters
    ----------
    architecture, state
        As for :func:`restore_network`.

    Returns
    -------
    config : NetworkConfig or KerasConfig
    weights, seeds : list of ndarray
        The weights, and the states of the dropout's generators.

    Raises
    ------
    ValueError
        If the sizes are not those of a network, or a weight does not fit it.
    """
    config = _config(architecture, state)
    return config, *_checked_weights(config, state)


def _config(architecture: Any, state: Mapping[str, Any]) -> Config:
    """Return the config of a network."""
    try:
        return config_from_pairs(architecture, state.get("_custom_objects") or {})
    except ValueError as error:
        raise ValueError(f"{error} {REMEDY}") from None


def _checked_weights(
    config: Config, state: Mapping[str, Any], model: Any = None
) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
    """Return weights, and states of generators; refuse weights that do not fit the network."""
    arrays = _arrays(state["_weights"], "weights")
    # The states of the dropout's generators are integers, everything else is not.
    weights = [array for array in arrays if array.dtype.kind == "f"]
    seeds = [array for array in arrays if array.dtype.kind != "f"]
    shapes = config.weight_shapes() if model is None else float_shapes(model)
    for found, shape in itertools.zip_longest(weights, shapes):
        _check_fit("weight", found, shape, config.dtype)
    return weights, seeds


def check_version(written_by: Any) -> None:
    """Refuse a state that was written by a newer version of the package.

    Parameters
    ----------
    written_by : str
        The version that wrote it.

    Raises
    ------
    ValueError
        If it is newer than this one, or not a version.
    """
    try:
        newer = Version(written_by) > Version(__version__)
    except (InvalidVersion, TypeError):
        raise ValueError(
            f"This CNNClassifier was written by {written_by!r}, which is no version of "
            f"mnist_estimator. {REMEDY}"
        ) from None
    if newer:
        raise ValueError(
            f"This CNNClassifier was written by version {written_by} of mnist_estimator, and this "
            f"is {__version__}, which cannot know how to read it. Upgrade mnist_estimator."
        )


def _restore_training(network: Network, state: Mapping[str, Any]) -> TrainingState:
    """Return the state of training."""
    n_steps = state.get("_n_steps", 0)
    if not n_steps:
        return TrainingState.start(network)
    if not isinstance(n_steps, int) or n_steps < 0:
        raise ValueError(f"The number of training steps is {n_steps!r}. {REMEDY}")
    if "_slots" in state:
        slots = state["_slots"]
        if not (isinstance(slots, dict) and isinstance(slots.get("optimizer"), str)):
            raise ValueError(f"The optimizer's state is not readable. {REMEDY}")
        # Compared with the optimizer where training goes on.
        arrays = tuple(_arrays(slots.get("arrays"), "optimizer"))
        return TrainingState.from_arrays([arrays], n_steps, slots["optimizer"])
    pairs = [tuple(pair) for pair in state["_moments"]]
    shapes = [tuple(weight.shape) for weight in network.variables().trained]
    for pair, shape in itertools.zip_longest(pairs, shapes):
        moments = (None, None) if pair is None else _arrays(pair, "moments")
        for moment in moments:
            _check_fit("moment", moment, shape, network.config.dtype)
    return TrainingState.from_arrays(pairs, n_steps)


def _arrays(values: Any, name: str) -> list[NDArray[Any]]:
    """Return a list of numeric arrays; refuse anything else."""
    arrays: list[Any] = list(values) if isinstance(values, Sequence) else [None]
    if not all(isinstance(array, np.ndarray) and array.dtype.kind in "fiu" for array in arrays):
        raise ValueError(f"The {name} of the network are no list of arrays of numbers. {REMEDY}")
    return arrays


def _check_fit(
    name: str, found: NDArray[Any] | None, shape: tuple[int, ...] | None, dtype: str | None
) -> None:
    """Refuse an array that is missing, surplus, or of another shape or dtype than the network's."""
    if shape is None:
        assert found is not None
        raise ValueError(
            f"Unexpected extra {name} of shape {found.shape}: the state has more than the network "
            f"of the sizes given. {REMEDY}"
        )
    if found is None or found.shape != shape:
        actual = "there is none" if found is None else f"the state has shape {found.shape}"
        raise ValueError(
            f"A {name} does not fit the network of the sizes given: shape {shape} is due, "
            f"{actual}. {REMEDY}"
        )
    if dtype is not None and (found.dtype != dtype or not np.isfinite(found).all()):
        raise ValueError(f"A {name} is not finite or not of dtype {dtype}. {REMEDY}")
