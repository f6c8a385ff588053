"""From a config to a Keras model, for one of three roles; and the parts of such a model."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import numpy as np

from ..utils._quiet_tensorflow import keras
from ..utils._tensorflow_process import check_process
from ._architecture import NetworkConfig
from ._keras_config import KerasConfig
from ._layer_specs import BuildOptions
from ._sublayers import all_layers

STANDARDIZE = "standardize"
"""Name of the layer that brings the channels to mean 0 and variance 1; it is never trained."""

Config = NetworkConfig | KerasConfig
"""The architecture of this package's network, or of one that a user has built."""

Role = Literal["reference", "train", "predict"]


def build(
    config: Config, role: Role = "reference", *, bfloat16: bool = False, seed: int = 0
) -> keras.Model:
    """Build the network of a config.

    The first layer, ``standardize``, subtracts a mean and divides by a standard deviation per
    channel. Both are weights that are not trained: 0 and 1 until set. In an ensemble it precedes
    all members.

    Parameters
    ----------
    config : NetworkConfig or KerasConfig
        The architecture. That of a user's network has neither ``standardize`` nor members.
    role : {"reference", "train", "predict"}, default="reference"
        What the network is for. All three have the same weights in the same order.

        - "reference": Keras's own layers, for a model that users see.
        - "train": faster batch normalization, dropout of any rate, and the logits of an
          ensemble's members as a list, since each is trained by itself.
        - "predict": in ``config.prediction_dtype``.
    bfloat16 : bool, default=False
        Whether a network that is to train multiplies in bfloat16; its weights stay float32.
    seed : int, default=0
        Seeds initial weights and dropout. No global generator is used. Has no effect on a user's
        network, whose weights are then set.

    Returns
    -------
    keras.Model
        A ``keras.Sequential``, or a functional model for ensembles. Built, not compiled; inputs
        (n, height, width, channels), outputs (n, n_classes) logits, both of the config's dtype.

    Examples
    --------
    >>> from mnist_estimator.network._architecture import NetworkConfig
    >>> from mnist_estimator.network._build import build
    >>> build(NetworkConfig((28, 28, 1), 10)).output_shape
    (None, 10)
    """
    check_process()
    if isinstance(config, KerasConfig):
        return config.build(role, bfloat16=bfloat16)
    dtype = config.prediction_dtype if role == "predict" else config.dtype
    is_trained = role == "train"
    options = BuildOptions(
        policy="mixed_bfloat16" if is_trained and bfloat16 else dtype,
        output_dtype=dtype,
        fused=is_trained and config.dtype == "float32",  # the fused kernel knows no float64
        adjustable=is_trained,
        seeds=_seeds(seed),
    )
    images = keras.Input(config.image_shape, dtype=dtype, name="images")
    standardize = keras.layers.BatchNormalization(
        center=False, scale=False, epsilon=0.0, trainable=False, dtype=dtype, name=STANDARDIZE
    )
    specs = config.layers()
    # All layers at once: ``Sequential.add`` would rebuild the network for each one.
    members = [[spec.to_keras(options) for spec in specs] for _ in range(config.ensemble_size)]
    if config.ensemble_size == 1:
        return keras.Sequential([images, standardize, *members[0]], name="cnn")
    standardized = standardize(images)
    logits = [
        keras.Sequential(
            [keras.Input(config.image_shape, dtype=dtype), *layers], name=f"member{i}"
        )(standardized)
        for i, layers in enumerate(members, start=1)
    ]
    if is_trained:
        return keras.Model(images, logits, name="cnn")
    mean = keras.layers.Average(dtype=dtype, name="logits")(logits)
    return keras.Model(images, mean, name="cnn")


def config_from_pairs(pairs: Any, custom_objects: Mapping[str, Any]) -> Config:
    """Return the config that pairs from a pickle or a file describe.

    Parameters
    ----------
    pairs : iterable of (str, value) pairs
        From ``to_pairs`` of a config.
    custom_objects : mapping
        Classes and functions of a user's network, by name.

    Raises
    ------
    ValueError
        If they describe no network.
    """
    try:
        is_users = "architecture" in dict(pairs)
    except (TypeError, ValueError):
        is_users = False
    if is_users:
        return KerasConfig.from_pairs(pairs, custom_objects)
    return NetworkConfig.from_pairs(pairs)


def members_of(model: keras.Model) -> list[keras.Sequential]:
    """Return the members of an ensemble that :func:`build` built, or the one network.

    Examples
    --------
    >>> from mnist_estimator.network._architecture import NetworkConfig
    >>> from mnist_estimator.network._build import build, members_of
    >>> config = NetworkConfig((28, 28, 1), 10, ensemble_size=2)
    >>> [member.name for member in members_of(build(config))]
    ['member1', 'member2']
    """
    return [layer for layer in model.layers if isinstance(layer, keras.Sequential)] or [model]


def batch_norms_of(model: keras.Model) -> list[keras.layers.BatchNormalization]:
    """Return the batch normalizations of a network, without ``standardize``."""
    return [
        layer
        for layer in all_layers(model)
        if isinstance(layer, keras.layers.BatchNormalization) and not is_standardize(layer)
    ]


def is_standardize(layer: keras.layers.Layer) -> bool:
    """Tell whether a layer is the one that brings channels to mean 0 and variance 1."""
    return layer.name == STANDARDIZE and not layer.get_config().get("scale", True)


def _seeds(seed: int) -> Iterator[int]:
    """Yield independent seeds, so that no two layers start alike."""
    generator = np.random.default_rng(seed)
    while True:
        yield int(generator.integers(2**31))
