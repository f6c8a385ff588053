"""The layers and weights inside a Keras model."""

from typing import Any

from ..utils._quiet_tensorflow import keras


def sublayers(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """Return the layers directly inside a layer or model, without inputs."""
    # Public for models only.
    inside = layer.layers if isinstance(layer, keras.Model) else layer._layers
    return [part for part in inside if not isinstance(part, keras.layers.InputLayer)]


def all_layers(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """Return all layers inside a layer or model, each once, before what is inside it."""
    found: dict[int, keras.layers.Layer] = {}

    def visit(parts: list[keras.layers.Layer]) -> None:
        for part in parts:
            if id(part) not in found:
                found[id(part)] = part
                visit(sublayers(part))

    visit(sublayers(layer))
    return list(found.values())


def trained_ids(model: keras.Model) -> set[int]:
    """Return the ``id`` of each variable that training changes by gradients, frozen or not.

    Running statistics and states of generators are left out. Keras's ``trainable_variables``
    leaves out frozen ones, too.
    """
    layers: list[Any] = [model, *all_layers(model)]
    return {id(variable) for layer in layers for variable in layer._trainable_variables}
