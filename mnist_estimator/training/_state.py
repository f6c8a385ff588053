"""What a pickle or a file holds of a fitted network: plain arrays, checked before they are used.

This form is a promise. A state that one version has written is read by all later ones;
CONTRIBUTING says how it may change.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from packaging.version import InvalidVersion, Version

from .._version import __version__
from ..network._architecture import build_cnn, check_sizes, weight_shapes
from ..network._functions import Architecture, dtype_of, freeze, weights_of
from ..network._model_changes import freeze_again, frozen_names, note
from ..utils._quiet_tensorflow import keras
from ._loop import TrainingState

NETWORK_STATE = ("_weights", "_moments", "_n_steps", "_frozen")
"""What :func:`network_state` adds to the other attributes, ``_architecture`` among them."""

REMEDY = "Fit again, or take the original of this copy."


def network_state(model: keras.Model, training: TrainingState) -> dict[str, Any]:
    """Return a network and the state of its training as plain types and arrays.

    Parameters
    ----------
    model : keras.Model
        From ``build_cnn``.
    training : TrainingState
        Where its training stands. Before the first step there is nothing to keep.

    Returns
    -------
    dict
        ``_weights``, a list of arrays, the state of the dropout's generators among them;
        if training goes on, ``_moments``, a list of pairs of arrays, and ``_n_steps``; if
        layers are frozen, ``_frozen``, a list of names.
    """
    state: dict[str, Any] = {"_weights": [variable.numpy() for variable in model.variables]}
    if training.n_steps:
        state["_moments"] = [(mean.numpy(), square.numpy()) for mean, square in training.moments]
        state["_n_steps"] = training.n_steps
    frozen = frozen_names(model)
    return state | ({"_frozen": frozen} if frozen else {})


def restore_network(
    architecture: Any, state: Mapping[str, Any]
) -> tuple[Architecture, keras.Model, TrainingState]:
    """Build the network again that :func:`network_state` was given.

    Nothing is built before all arrays fit it, so what is built is no larger than they are.

    Parameters
    ----------
    architecture : iterable of pairs
        The arguments of ``build_cnn``.
    state : mapping
        From :func:`network_state`.

    Returns
    -------
    architecture : tuple of pairs
    model : keras.Model
    training : TrainingState
        As it was, or that before the first step where none was kept.

    Raises
    ------
    ValueError
        If the arguments are not those of a network, or an array does not fit it.
    """
    architecture, weights, seeds = check_network_state(architecture, state)
    dtype = dtype_of(architecture)
    model = build_cnn(**dict(architecture))
    is_weight = [variable.dtype.startswith("float") for variable in model.variables]
    generators = [v for v, weight in zip(model.variables, is_weight, strict=True) if not weight]
    for found, variable in itertools.zip_longest(seeds, generators):
        shape = None if variable is None else tuple(variable.shape)
        _check_fit("generator's state", found, shape, None)
    floats, whole = iter(weights), iter(seeds)
    for variable, weight in zip(model.variables, is_weight, strict=True):
        variable.assign(next(floats) if weight else next(whole).astype(variable.dtype))
    freeze_again(model, state.get("_frozen", []))
    note(model)
    return architecture, model, _restore_training(model, state, dtype)


def check_network_state(
    architecture: Any, state: Mapping[str, Any]
) -> tuple[Architecture, list[NDArray[Any]], list[NDArray[Any]]]:
    """Check what :func:`network_state` gave, and build nothing.

    Parameters
    ----------
    architecture, state
        As for :func:`restore_network`.

    Returns
    -------
    architecture : tuple of pairs
    weights, seeds : list of ndarray
        The weights, and the states of the dropout's generators.

    Raises
    ------
    ValueError
        If the arguments are not those of a network, or a weight does not fit it.
    """
    architecture = _checked_architecture(architecture)
    arrays = _arrays(state["_weights"], "weights")
    # The states of the dropout's generators are whole numbers, all else is not.
    weights = [array for array in arrays if array.dtype.kind == "f"]
    seeds = [array for array in arrays if array.dtype.kind != "f"]
    shapes = weight_shapes(**dict(architecture))
    for found, wanted in itertools.zip_longest(weights, shapes):
        _check_fit("weight", found, wanted, dtype_of(architecture))
    return architecture, weights, seeds


def check_version(written_by: Any) -> None:
    """Refuse a state that a newer version of the package has written.

    Parameters
    ----------
    written_by : str
        That version.

    Raises
    ------
    ValueError
        If it is newer than this one, or no version.
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


def _restore_training(model: keras.Model, state: Mapping[str, Any], dtype: str) -> TrainingState:
    """Return where training stood."""
    n_steps = state.get("_n_steps", 0)
    if not n_steps:
        return TrainingState.start(model)
    if not isinstance(n_steps, int) or n_steps < 0:
        raise ValueError(f"The number of training steps is {n_steps!r}. {REMEDY}")
    pairs = [tuple(pair) for pair in state["_moments"]]
    shapes = [tuple(weight.shape) for weight in weights_of(model)[0]]
    for pair, shape in itertools.zip_longest(pairs, shapes):
        mean, square = (None, None) if pair is None else _arrays(pair, "moments")
        _check_fit("moment", mean, shape, dtype)
        _check_fit("moment", square, shape, dtype)
    return TrainingState.of(pairs, n_steps)


def _checked_architecture(architecture: Any) -> Architecture:
    """Return the arguments of ``build_cnn``, if that is what they are."""
    try:
        given = dict(architecture)
        height, width, channels = given["image_shape"]
        sizes = [height, width, channels, given["n_classes"]]
        check_sizes(given["filters"], given["kernel_size"], given["dense_units"])
        ensemble_size = given.get("ensemble_size", 1)
        right = (
            set(given) <= _ARGUMENTS
            and all(type(size) is int and size > 0 for size in sizes)
            and type(given["batch_norm"]) is bool
            and type(given.get("compact", False)) is bool
            and type(ensemble_size) is int
            and ensemble_size > 0
            and 0.0 <= given["dropout"] < 1.0
            and given.get("dtype", "float32") in ("float32", "float64")
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"The sizes of the network are not readable: {error!r}. {REMEDY}"
        ) from None
    if not right:
        raise ValueError(f"The sizes of the network are out of range: {given!r:.500}. {REMEDY}")
    return freeze(given)


_ARGUMENTS = {
    "image_shape", "n_classes", "filters", "kernel_size", "dense_units", "dropout", "batch_norm",
    "compact", "ensemble_size", "dtype",
}  # fmt: skip


def _arrays(values: Any, name: str) -> list[NDArray[Any]]:
    """Return a list of arrays of numbers, if that is what they are."""
    arrays: list[Any] = list(values) if isinstance(values, Sequence) else [None]
    if not all(isinstance(array, np.ndarray) and array.dtype.kind in "fiu" for array in arrays):
        raise ValueError(f"The {name} of the network are no list of arrays of numbers. {REMEDY}")
    return arrays


def _check_fit(
    name: str, found: NDArray[Any] | None, shape: tuple[int, ...] | None, dtype: str | None
) -> None:
    """Refuse an array of another shape or dtype than the network's, or none, or one too many."""
    if found is None or shape is None or found.shape != shape:
        came = "there is none" if found is None else f"the state has shape {found.shape}"
        wanted = "there is no place for one more" if shape is None else f"shape {shape} is due"
        raise ValueError(
            f"A {name} does not fit the network of the sizes given: {wanted}, {came}. {REMEDY}"
        )
    if dtype is not None and (found.dtype != dtype or not np.isfinite(found).all()):
        raise ValueError(f"A {name} is not finite or not of dtype {dtype}. {REMEDY}")
