"""Networks that users build: the builder is called, and what it returns is checked."""

import difflib
import inspect
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from ..utils._global_generators import seeded
from ..utils._quiet_tensorflow import keras
from ..utils._scikeras_compat import ROUTED as PREFIX
from ..utils._tensorflow_process import check_process
from ._keras_config import KerasConfig
from ._network import Network
from ._sublayers import trained_ids

GIVEN = ("meta", "params", "compile_kwargs")
"""Arguments that a builder gets if it has parameters of these names, as in scikeras."""


class RebuiltModel:
    """A builder of the network that a file holds, in place of the function that once built it.

    Parameters
    ----------
    config : KerasConfig
        What was in the file.
    """

    def __init__(self, config: KerasConfig) -> None:
        self.config = config

    def __call__(self, meta: Mapping[str, Any]) -> keras.Model:
        """Return a new network, for images and classes as those in the file."""
        shape, n_classes = meta["image_shape_"], meta["n_classes_"]
        if (shape, n_classes) != (self.config.image_shape, self.config.n_classes):
            raise ValueError(
                f"model, which was loaded from a file, is for images of {self.config.image_shape} "
                f"and {self.config.n_classes} classes; got {shape} and {n_classes}. Pass the "
                "function that builds it, or another."
            )
        return self.config.build()

    def __repr__(self) -> str:
        return f"RebuiltModel({self.config.image_shape}, {self.config.n_classes} classes)"


def check_arguments(builder: Callable[..., Any], given: Mapping[str, Any]) -> None:
    """Check the names of the arguments of a builder.

    Parameters
    ----------
    builder : callable
    given : mapping
        Values of the parameters ``model__…``, by their names without the prefix.

    Raises
    ------
    TypeError
        If the builder has no parameter of a name, or needs one that is not given.
    """
    try:
        parameters = inspect.signature(builder).parameters
    except (TypeError, ValueError):  # of a callable in C
        return
    takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    for name in given:
        if name not in parameters and not takes_all:
            close = difflib.get_close_matches(name, parameters, n=1)
            hint = f" Did you mean {PREFIX}{close[0]}?" if close else ""
            known = ", ".join(f"{PREFIX}{known}" for known in parameters if known not in GIVEN)
            raise TypeError(
                f"{PREFIX}{name} is no parameter of model, {builder!r:.100}; it takes "
                f"{known or 'none'}.{hint}"
            )
    missing = [
        name
        for name, parameter in parameters.items()
        if parameter.default is parameter.empty
        and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        and name not in {*given, *GIVEN}
    ]
    if missing:
        raise TypeError(
            f"model, {builder!r:.100}, needs {', '.join(missing)}, which CNNClassifier does not "
            f"know. Pass it, as in CNNClassifier(model=..., {PREFIX}{missing[0]}=...); known are "
            f"{', '.join(GIVEN)}."
        )


def build_network(
    builder: Callable[..., Any],
    given: Mapping[str, Any],
    meta: Mapping[str, Any],
    params: Mapping[str, Any],
    dtype: str,
    seed: int,
) -> Network:
    """Call a builder, and return its network.

    Python's and NumPy's global generators, from which Keras draws the seeds of initial weights
    and dropout, are seeded for the call and restored after it.

    Parameters
    ----------
    builder : callable
        Returns a ``keras.Model``.
    given : mapping
        Arguments besides ``meta``, ``params`` and ``compile_kwargs``.
    meta : mapping
        What is known of the data; has ``image_shape_`` and ``n_classes_``.
    params : mapping
        Parameters of the classifier.
    dtype : {"float32", "float64"}
        Dtype of the weights.
    seed : int

    Returns
    -------
    Network

    Raises
    ------
    TypeError
        If the builder returns no Keras model, or has other parameters.
    ValueError
        If the model has another input or output shape, nothing to train, or no Keras config.
    """
    check_process()
    check_arguments(builder, given)
    names = _names_of(builder)
    compile_kwargs = {"optimizer": "adam", "loss": "sparse_categorical_crossentropy"}
    offered = {"meta": dict(meta), "params": dict(params), "compile_kwargs": compile_kwargs}
    arguments = dict(given) | {name: offered[name] for name in GIVEN if name in names}
    with seeded(seed):
        model = builder(**arguments)
    _check_model(model, meta["image_shape_"], meta["n_classes_"])
    if model.compiled and "compile_kwargs" not in arguments:
        warnings.warn(
            "The model is compiled, which has no effect: CNNClassifier trains it on the "
            "cross-entropy with its own parameters, such as optimizer and learning_rate. "
            "Leave compile out of the function that builds it.",
            UserWarning,
            stacklevel=6,
        )
    config, model = KerasConfig.from_model(model, meta["image_shape_"], dtype)
    network = Network(config, model)
    network.note_unchanged()
    return network


def _names_of(builder: Callable[..., Any]) -> set[str]:
    """Return the names among ``GIVEN`` that a builder takes."""
    parameters = inspect.signature(builder).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return set(GIVEN)
    return set(parameters)


def _check_model(model: Any, image_shape: tuple[int, int, int], n_classes: int) -> None:
    """Refuse what is no network for these images and classes."""
    if not isinstance(model, keras.Model):
        raise TypeError(
            f"model must return a keras.Model; got {model!r:.200}. Check that the function ends "
            "with a return of the model."
        )
    try:
        outputs = model(keras.KerasTensor((None, *image_shape)), training=False)
    except Exception as error:  # whatever a layer raises
        raise ValueError(
            f"model does not take images of shape {image_shape}: {error!s:.300} Build it with "
            'keras.Input(meta["image_shape_"]).'
        ) from error
    shape = getattr(outputs, "shape", None)
    if shape != (None, n_classes):
        found = "several outputs" if shape is None else f"an output of shape {tuple(shape)}"
        raise ValueError(
            f"model must have one output of shape (None, {n_classes}), a logit or a probability "
            f"for each class, also for two classes; got {found}. End it with keras.layers.Dense("
            'meta["n_classes_"]).'
        )
    if not str(outputs.dtype).startswith(("float", "bfloat")):
        raise ValueError(
            f"model must return floats; got {outputs.dtype}. End it with keras.layers.Dense("
            'meta["n_classes_"]).'
        )
    if not trained_ids(model):
        raise ValueError("model has no weights to train. Add a layer such as keras.layers.Dense.")
