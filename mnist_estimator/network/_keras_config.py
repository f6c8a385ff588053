"""The config of a network that a user has built: Keras's own, from which copies are made."""

import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from ..utils._global_generators import seeded
from ..utils._quiet_tensorflow import keras
from ._architecture import MAX_BATCH, SMALL_SIDE
from ._inference import batches
from ._layers import Logits
from ._sublayers import all_layers

PLAIN_MODULES = {
    "builtins", "keras", "keras.activations", "keras.constraints", "keras.initializers",
    "keras.layers", "keras.models", "keras.optimizers", "keras.optimizers.schedules",
    "keras.random", "keras.regularizers",
}  # fmt: skip
PLAIN_PREFIXES = ("keras.src.models.", "keras.src.ops.", "keras.src.layers.")
"""Modules whose layers and functions a config may name without ``custom_objects``."""

N_TRIALS = 4
"""Random images on which a copy is compared with the network."""

REGISTER = (
    "Networks are copied by their Keras config, so every layer must have one: a custom layer needs "
    "get_config, and a custom function the decorator keras.saving.register_keras_serializable(). "
    "Lambda layers hold code and are refused; write a Layer instead."
)


@dataclass(frozen=True)
class KerasConfig:
    """Architecture of a network that a user has built, in Keras's own form.

    It serves where a :class:`~mnist_estimator.network._architecture.NetworkConfig` does: as the key
    of the caches, and to make copies for training and prediction.

    Attributes
    ----------
    image_shape : tuple of int, (height, width, channels)
        Shape of one image.
    n_classes : int
        Number of outputs.
    architecture : str
        What ``keras.saving.serialize_keras_object`` returns, as JSON.
    custom_objects : tuple of (str, class or function) pairs
        What is not Keras's own, by the names under which Keras registers it.
    from_logits : bool
        Whether the outputs are logits; else probabilities.
    dtype : {"float32", "float64"}
        Dtype of the weights.
    prediction_dtype : {"float32", "float64"}
        Dtype in which the network predicts: float64 for images under 16 pixels high or wide,
        where its layers allow that.
    """

    image_shape: tuple[int, int, int]
    n_classes: int
    architecture: str
    custom_objects: tuple[tuple[str, Any], ...] = ()
    from_logits: bool = True
    dtype: str = "float32"
    prediction_dtype: str = "float32"

    ensemble_size = 1
    dropout = 0.0
    """Dropout rates are in the architecture; this one is never used."""

    @classmethod
    def from_model(
        cls, model: keras.Model, image_shape: tuple[int, int, int], dtype: str
    ) -> tuple["KerasConfig", keras.Model]:
        """Return the config of a network, and the network with weights of a dtype.

        Parameters
        ----------
        model : keras.Model
            Built, with one input and one output of shape (n, n_classes).
        image_shape : tuple of int, (height, width, channels)
        dtype : {"float32", "float64"}
            Dtype of the weights.

        Returns
        -------
        config : KerasConfig
        model : keras.Model
            The same one, or a copy in float64.

        Raises
        ------
        ValueError
            If no copy can be made by the network's config, or the copy computes something else.
        """
        custom_objects = _custom_objects(model)
        try:
            description = keras.saving.serialize_keras_object(model)
            description.pop("compile_config", None)
            text = json.dumps(description, sort_keys=True)
        except (TypeError, ValueError, NotImplementedError) as error:
            raise ValueError(
                f"model cannot be written as a Keras config: {error!s:.300} {REGISTER}"
            ) from error
        custom_objects |= registered_objects(description)
        images = np.random.default_rng(0).random((N_TRIALS, *image_shape), dtype=np.float32)
        outputs = _outputs(model, images)
        sums = outputs.sum(axis=1)
        from_logits = not (outputs.min() >= 0.0 and np.allclose(sums, 1.0, atol=1e-3))
        parts = (tuple(sorted(custom_objects.items())), from_logits, dtype)
        config = cls(image_shape, outputs.shape[1], text, *parts, dtype)
        twin = config.copy_of(model)
        if _dtypes(twin) != {dtype}:
            raise ValueError(
                f"precision needs weights of {dtype}; model has some of "
                f"{', '.join(sorted(_dtypes(twin)))}. A custom layer must pass its dtype on to the "
                "layers inside it: keras.layers.Dense(units, dtype=self.dtype_policy). Or fit with "
                'precision="auto".'
            )
        if not np.allclose(_outputs(twin, images), outputs, rtol=1e-3, atol=1e-4):
            raise ValueError(
                "model computes something else than a copy made by its Keras config. Check the "
                f"get_config of its custom layers: {sorted(custom_objects)}."
            )
        if min(image_shape[:2]) < SMALL_SIDE and config.predicts_in_float64():
            config = replace(config, prediction_dtype="float64")
        return config, model if dtype == "float32" else twin

    def build(self, role: str = "reference", *, bfloat16: bool = False) -> keras.Model:
        """Return a new network; see :func:`~mnist_estimator.network._build.build`."""
        description = json.loads(self.architecture)
        if role == "predict":
            dtype = policy = self.prediction_dtype
        else:
            dtype = policy = self.dtype
        if role == "train" and bfloat16:
            policy = "mixed_bfloat16"
        if policy != "float32":
            description = _with_policy(description, policy)
        try:
            with seeded(0):  # initial weights are then replaced
                model = keras.saving.deserialize_keras_object(
                    description, custom_objects=dict(self.custom_objects), safe_mode=True
                )
                if not model.built:
                    model.build((None, *self.image_shape))
        except (TypeError, ValueError, NotImplementedError) as error:
            raise ValueError(
                f"model cannot be rebuilt from its Keras config: {error!s:.300} {REGISTER}"
            ) from error
        if role == "reference":
            return model
        model.trainable = True  # what is frozen, the traced functions are told
        is_plain = self.from_logits or _without_softmax(model)
        images = keras.Input(self.image_shape, dtype=dtype)
        return keras.Model(images, Logits(is_plain, dtype=dtype)(model(images)))

    def copy_of(self, model: keras.Model) -> keras.Model:
        """Return a new network with the weights of a model."""
        twin = self.build()
        shapes, found = ([tuple(v.shape) for v in one.variables] for one in (model, twin))
        if shapes != found:
            raise ValueError(
                f"model has weights of other shapes than a copy made by its Keras config: {shapes} "
                f"and {found}. Check the get_config of its custom layers."
            )
        for variable, given in zip(twin.variables, model.variables, strict=True):
            variable.assign(given.numpy())
        return twin

    def predicts_in_float64(self) -> bool:
        """Tell whether a copy of the network computes in float64."""
        try:
            twin = replace(self, prediction_dtype="float64").build("predict")
            return _dtypes(twin) == {"float64"}
        except Exception:  # whatever a custom layer may raise
            return False

    def to_pairs(self) -> tuple[tuple[str, Any], ...]:
        """Return (name, value) pairs sorted by name, as pickles and files hold them."""
        names = (field.name for field in fields(self) if field.name != "custom_objects")
        return tuple(sorted((name, getattr(self, name)) for name in names))

    @classmethod
    def from_pairs(cls, pairs: Any, custom_objects: Mapping[str, Any]) -> "KerasConfig":
        """Return the config that pairs from a pickle or a file describe.

        Parameters
        ----------
        pairs : iterable of (str, value) pairs
            From :meth:`to_pairs`.
        custom_objects : mapping
            Classes and functions by name. What users have registered with Keras is known, too.

        Raises
        ------
        ValueError
            If a value is missing or out of range, or the architecture names what is neither
            Keras's nor among the custom objects.
        """
        try:
            config = cls(**dict(pairs))
            height, width, channels = config.image_shape
            is_valid = (
                all(
                    type(size) is int and size > 0
                    for size in (height, width, channels, config.n_classes)
                )
                and type(config.from_logits) is bool
                and {config.dtype, config.prediction_dtype} <= {"float32", "float64"}
            )
            description = json.loads(config.architecture)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"The config of the network is not readable: {error!r:.300}") from None
        if not is_valid:
            raise ValueError("The config of the network is out of range.")
        needed = set(foreign_names(description))
        known = registered_objects(description) | dict(custom_objects)
        if not needed <= set(known):
            raise ValueError(
                f"The network has layers or functions that are not Keras's: "
                f"{', '.join(sorted(needed - set(known)))}. Pass them by these names, as in "
                "load(path, custom_objects={name: class}), or import the module that registers "
                "them with Keras."
            )
        kept = {name: value for name, value in known.items() if name in _all_names(description)}
        return replace(config, custom_objects=tuple(sorted(kept.items())))

    def weight_shapes(self) -> Iterator[tuple[int, ...]]:
        """Yield the shape of each floating-point weight, in order."""
        yield from float_shapes(self.build())

    def batches(self, n_images: int, largest: int = MAX_BATCH) -> list[slice]:
        """Return slices of as many images as may go through the network at once."""
        return batches(n_images, largest, self.image_shape)

    def for_tracing(self) -> "KerasConfig":
        """Return this config with names, seeds and frozen layers in one form.

        Keras numbers the names of layers, so a builder that is called again gives others.
        """
        return _for_tracing(self)


def float_shapes(model: keras.Model) -> Iterator[tuple[int, ...]]:
    """Yield the shape of each floating-point weight of a network, in order."""
    for variable in model.variables:
        if variable.dtype.startswith("float"):
            yield tuple(variable.shape)


@functools.lru_cache
def _for_tracing(config: KerasConfig) -> KerasConfig:
    description = canonical(json.loads(config.architecture))
    text = json.dumps(description, sort_keys=True)
    return replace(config, architecture=text)


def description_of(model: keras.Model) -> Any:
    """Return a network's Keras config in the form of :func:`canonical`."""
    return canonical(json.loads(json.dumps(keras.saving.serialize_keras_object(model))))


def canonical(description: Any) -> Any:
    """Return a Keras config with numbered layer names, seeds of 0 and nothing frozen.

    Parameters
    ----------
    description : dict
        From ``keras.saving.serialize_keras_object``; not changed.

    Returns
    -------
    dict
    """
    names: dict[str, str] = {}

    def find(node: Any) -> None:
        if isinstance(node, dict) and node.get("class_name") != "DTypePolicy":
            config = node.get("config")
            if "class_name" in node and isinstance(config, dict) and "name" in config:
                names.setdefault(str(config["name"]), f"{node['class_name']}_{len(names)}".lower())
            for value in node.values():
                find(value)
        elif isinstance(node, list):
            for value in node:
                find(value)

    def renamed(node: Any, key: str = "") -> Any:
        if isinstance(node, dict) and node.get("class_name") == "DTypePolicy":
            return node
        if isinstance(node, dict):
            kept = {k: v for k, v in node.items() if k != "compile_config"}
            return {k: renamed(v, k) for k, v in kept.items()}
        if isinstance(node, list):
            return [renamed(value, key if key in _NAMING else "") for value in node]
        if key in _NAMING and isinstance(node, str):
            return names.get(node, node)
        if key == "seed":
            return 0
        return True if key == "trainable" else node

    find(description)
    return renamed(description)


_NAMING = {"name", "keras_history", "input_layers", "output_layers"}
"""Keys of a Keras config whose strings are names of layers."""


def first_difference(now: Any, was: Any, path: str = "") -> str:
    """Return where two configs differ, and how."""
    if isinstance(now, dict) and isinstance(was, dict):
        for key in [*was, *(key for key in now if key not in was)]:
            if now.get(key) != was.get(key):
                return first_difference(now.get(key), was.get(key), f"{path}.{key}".lstrip("."))
    if isinstance(now, list) and isinstance(was, list) and len(now) == len(was):
        for i, (one, other) in enumerate(zip(now, was, strict=True)):
            if one != other:
                return first_difference(one, other, f"{path}[{i}]")
    return f"{path} was {was!r:.100} and is {now!r:.100}"


def _dtypes(model: keras.Model) -> set[str]:
    """Return the dtypes of the weights."""
    return {variable.dtype for variable in model.variables if variable.dtype.startswith("float")}


def _outputs(model: keras.Model, images: np.ndarray) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(model(images, training=False)), np.float64)


def _custom_objects(model: keras.Model) -> dict[str, Any]:
    """Return the classes of a network that are not Keras's, by the names Keras gives them."""
    kinds = {type(layer) for layer in [model, *all_layers(model)]}
    return {
        keras.saving.get_registered_name(kind): kind
        for kind in kinds
        if kind.__module__.partition(".")[0] != "keras"
    }


def registered_objects(description: Any) -> dict[str, Any]:
    """Return what a Keras config names and users have registered, such as functions."""
    found = ((name, keras.saving.get_registered_object(name)) for name in _all_names(description))
    return {
        name: value
        for name, value in found
        if value is not None and value.__module__.partition(".")[0] != "keras"
    }


def _all_names(node: Any) -> Iterator[str]:
    """Yield the registered names in a Keras config, and the names of functions."""
    if isinstance(node, dict):
        for key in ("registered_name", "config", "class_name"):
            if isinstance(node.get(key), str):
                yield node[key]
        node = list(node.values())
    if isinstance(node, list):
        for value in node:
            yield from _all_names(value)


def foreign_names(node: Any) -> Iterator[str]:
    """Yield the names in a Keras config of what is not Keras's own."""
    if isinstance(node, dict):
        if "class_name" in node:
            module, kind = node.get("module"), str(node["class_name"])
            is_plain = isinstance(module, str) and (
                module in PLAIN_MODULES or module.startswith(PLAIN_PREFIXES)
            )
            if kind == "__lambda__" or (kind == "Lambda" and is_plain):
                yield "Lambda"
            elif node.get("registered_name") not in (None, kind, "function"):
                yield str(node["registered_name"])
            elif not is_plain and not kind.startswith("__"):
                yield str(node.get("registered_name") or kind)
        node = list(node.values())
    if isinstance(node, list):
        for value in node:
            yield from foreign_names(value)


def _with_policy(description: Any, policy: str) -> Any:
    """Return a Keras config in another dtype policy; the output layer stays in full precision."""
    dtype = "float32" if policy.startswith("mixed") else policy
    output = _output_name(description)

    def changed(node: Any, wanted: str) -> Any:
        if isinstance(node, list):
            return [changed(value, wanted) for value in node]
        if not isinstance(node, dict):
            return node
        config = node.get("config")
        if node.get("class_name") == "DTypePolicy" and config == {"name": "float32"}:
            return {**node, "config": {"name": wanted}}
        if isinstance(config, dict) and "class_name" in node and config.get("name") == output:
            wanted = dtype
        node = {key: changed(value, wanted) for key, value in node.items()}
        if node.get("dtype") == "float32":
            node["dtype"] = dtype
        return node

    return changed(description, policy)


def _output_name(description: Any) -> str | None:
    """Return the name of the output layer of a sequential or functional network."""
    config = description.get("config", {})
    if config.get("output_layers"):
        outputs = config["output_layers"]
        name = outputs[0][0] if isinstance(outputs[0], list) else outputs[0]
        return name if isinstance(name, str) else None
    layers: Sequence[Any] = config.get("layers") or [{}]
    last: str | None = layers[-1].get("config", {}).get("name")
    return last


def _without_softmax(model: keras.Model) -> bool:
    """Take the softmax from the output layer; return whether that was possible."""
    layer = model
    while isinstance(layer, keras.Model) and layer.layers:
        if isinstance(layer, keras.Sequential):
            layer = layer.layers[-1]
            continue
        outputs = getattr(layer, "outputs", None)
        if not outputs or not hasattr(outputs[0], "_keras_history"):
            return False
        layer = outputs[0]._keras_history.operation
    if getattr(layer, "activation", None) is not keras.activations.softmax:
        return False
    layer.activation = keras.activations.linear
    return True
