"""Networks that users build: the builder is called, and what it returns is checked."""

import inspect
import warnings
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ..utils._global_generators import seeded
from ..utils._quiet_tensorflow import keras
from ..utils._scikeras_compat import ROUTED
from ..utils._tensorflow_process import check_process
from ..utils._wording import nearest
from ._architecture import plain
from ._keras_config import KerasConfig
from ._network import Network
from ._sublayers import trained_ids

ARCHITECTURE = ("filters", "kernel_size", "dense_units", "dropout", "batch_norm", "ensemble_size")
"""Parameters that describe this package's network."""

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
            near = nearest(name, parameters)
            hint = "" if near is None else f" Did you mean {ROUTED}{near}?"
            known = ", ".join(f"{ROUTED}{known}" for known in parameters if known not in GIVEN)
            raise TypeError(
                f"{ROUTED}{name} is no parameter of model, {builder!r:.100}; it takes "
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
            f"know. Pass it, as in CNNClassifier(model=..., {ROUTED}{missing[0]}=...); known are "
            f"{', '.join(GIVEN)}."
        )


class Builder(NamedTuple):
    """A function that builds a network, and its arguments.

    Attributes
    ----------
    function : callable
        The parameter ``model``, or ``_keras_build_fn`` of a subclass, as in scikeras.
    arguments : dict
        The parameters ``model__…`` without the prefix; for a method also those that it names.
    is_method : bool
        Whether a subclass defines it.
    """

    function: Callable[..., Any]
    arguments: dict[str, Any]
    is_method: bool

    @classmethod
    def of(cls, estimator: Any) -> "Builder | None":
        """Return what builds the network of a classifier; None if this package does."""
        is_method = estimator.model is None
        function = getattr(estimator, "_keras_build_fn", None) if is_method else estimator.model
        if function is None:
            return None
        parameters = estimator.get_params(deep=False)
        arguments = {
            name.removeprefix(ROUTED): value
            for name, value in parameters.items()
            if name.startswith(ROUTED)
        }
        if is_method:
            wanted = inspect.signature(function).parameters
            arguments |= {name: parameters[name] for name in wanted if name in parameters}
        return cls(function, arguments, is_method)

    def build(self, estimator: Any, n_images: int, dtype: str, seed: int) -> Network:
        """Call the function, and return its network.

        Python's and NumPy's global generators, from which Keras draws the seeds of initial
        weights and dropout, are seeded for the call and restored after it.

        Parameters
        ----------
        estimator : CNNClassifier
            With ``classes_`` and ``image_shape_``.
        n_images : int
            Training images.
        dtype : {"float32", "float64"}
            Dtype of the weights.
        seed : int

        Returns
        -------
        Network

        Raises
        ------
        TypeError
            If the function returns no Keras model, or has other parameters.
        ValueError
            If the model has another input or output shape, nothing to train, or no Keras config.
        """
        check_process()
        meta = _meta(estimator, n_images)
        names = _names_of(self.function)
        compile_kwargs = {"optimizer": "adam", "loss": "sparse_categorical_crossentropy"}
        offered = {
            "meta": meta, "params": estimator.get_params(), "compile_kwargs": compile_kwargs,
        }  # fmt: skip
        arguments = self.arguments | {name: offered[name] for name in GIVEN if name in names}
        with seeded(seed):
            model = self.function(**arguments)
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


def check_builder(estimator: Any) -> None:
    """Check the parameters of a classifier that have to do with a network of the user's own.

    Raises
    ------
    ValueError
        If one of them would have no effect.
    TypeError
        If the function that builds the network has other parameters.
    """
    builder = Builder.of(estimator)
    parameters = estimator.get_params(deep=False)
    if builder is None:
        stray = next((name for name in parameters if name.startswith(ROUTED)), None)
        if stray is not None:
            raise ValueError(
                f"{stray} is an argument of model, which is None. Pass model as well, or leave "
                f"{stray} out."
            )
        return
    check_arguments(builder.function, builder.arguments)
    if builder.is_method:  # which may use them
        return
    defaults = inspect.signature(type(estimator)).parameters
    changed = [
        name
        for name in ARCHITECTURE
        if name in defaults and plain(parameters[name]) != plain(defaults[name].default)
    ]
    if changed:
        raise ValueError(
            f"{', '.join(changed)} have no effect on the network that model builds. Leave them at "
            "their defaults, and pass arguments of model as model__…, such as model__units=64."
        )


def _meta(estimator: Any, n_images: int) -> dict[str, Any]:
    """Return what a builder may know of the data, by scikeras's names."""
    known = {
        name: value
        for name, value in vars(estimator).items()
        if name.endswith("_") and not name.startswith("_") and not name.endswith("__")
    }
    n_classes = len(estimator.classes_)
    return known | {
        "n_classes_": n_classes,
        "X_shape_": (n_images, *estimator.image_shape_),
        "n_outputs_": 1,
        "n_outputs_expected_": n_classes,
        "target_type_": "multiclass",  # also of two classes: there is an output for each
    }


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
