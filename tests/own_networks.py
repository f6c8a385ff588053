"""Networks that users might bring, in the four kinds that tests go through."""

import keras
import numpy as np


def dense(meta, units=32, dropout=0.1):
    """A multilayer perceptron that returns probabilities."""
    return keras.Sequential(
        [
            keras.Input(meta["image_shape_"]),
            keras.layers.Flatten(),
            keras.layers.Dense(units, activation="relu"),
            keras.layers.Dropout(dropout),
            keras.layers.Dense(meta["n_classes_"], activation="softmax"),
        ]
    )


def residual(meta, filters=8):
    """A functional network with a skip connection and batch normalization; returns logits."""
    images = keras.Input(meta["image_shape_"])
    maps = keras.layers.Conv2D(filters, 3, padding="same", use_bias=False)(images)
    maps = keras.layers.BatchNormalization()(maps)
    first = keras.layers.ReLU()(maps)
    maps = keras.layers.Conv2D(filters, 3, padding="same", use_bias=False)(first)
    maps = keras.layers.BatchNormalization()(maps)
    maps = keras.layers.ReLU()(maps + first)
    maps = keras.layers.MaxPooling2D()(maps)
    return keras.Model(images, keras.layers.Dense(meta["n_classes_"])(keras.layers.Flatten()(maps)))


class ScaledDense(keras.layers.Layer):
    """A custom layer: a dense layer whose outputs have learned scales."""

    def __init__(self, units, **options):
        super().__init__(**options)
        self.units = units
        self.dense = keras.layers.Dense(units)

    def build(self, input_shape):
        self.dense.build(input_shape)
        self.scale = self.add_weight(shape=(self.units,), initializer="ones", name="scale")

    def call(self, inputs):
        return self.dense(inputs) * self.scale

    def get_config(self):
        return super().get_config() | {"units": self.units}


def separable(meta, filters=8):
    """Depthwise separable convolutions, spatial dropout and a custom layer."""
    images = keras.Input(meta["image_shape_"])
    maps = keras.layers.SeparableConv2D(filters, 3, activation="relu")(images)
    maps = keras.layers.SpatialDropout2D(0.1)(maps)
    maps = keras.layers.DepthwiseConv2D(3, activation="relu", padding="same")(maps)
    return keras.Model(images, ScaledDense(meta["n_classes_"])(keras.layers.Flatten()(maps)))


def frozen_base(meta, base=None):
    """A base that is not trained, with a new head; ``base`` is a file of Keras's."""
    if base is None:
        base_model = keras.Sequential(
            [
                keras.Input(meta["image_shape_"]),
                keras.layers.Conv2D(8, 3, activation="relu"),
                keras.layers.BatchNormalization(),
                keras.layers.Flatten(),
            ],
            name="base",
        )
    else:
        base_model = keras.saving.load_model(base)
    base_model.trainable = False
    images = keras.Input(meta["image_shape_"])
    head = keras.layers.Dense(meta["n_classes_"], name="head")
    return keras.Model(images, head(base_model(images)))


NETWORKS = {
    "dense": dense, "residual": residual, "separable": separable, "frozen base": frozen_base,
}  # fmt: skip


def weights_of(clf):
    """Return the weights of a classifier's network as one array."""
    return np.concatenate([weight.ravel() for weight in clf.model_.get_weights()])
