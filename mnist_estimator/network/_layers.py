"""Keras layers that are faster than Keras's own with the same weights; and logits of outputs."""

from typing import Any

from ..utils._quiet_tensorflow import keras, tf


class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Batch normalization that trains on TensorFlow's fused kernel.

    Keras 3 composes the layer of elementary operations, which makes a training step on a CPU
    half as slow again. Weights, their order and the result are those of the parent class, so a
    network trains with this layer and is stored with the plain one. float32 only.
    """

    def call(self, inputs: Any, training: bool = False, mask: Any = None) -> Any:
        """Normalize images of shape (n, height, width, channels)."""
        if not training or not self.trainable:
            return super().call(inputs, training=False)
        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs,
            scale=tf.cast(self.gamma, tf.float32),
            offset=tf.cast(self.beta, tf.float32),
            epsilon=self.epsilon,
            is_training=True,
        )
        for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + batch * (1.0 - self.momentum))
        return outputs


class Logits(keras.layers.Layer):
    """The logits of a network that a user has built.

    Parameters
    ----------
    from_logits : bool
        Whether the network returns logits; else probabilities, of which the logarithm is taken.
    **options
        Of the base class; ``dtype`` is that of the result.
    """

    def __init__(self, from_logits: bool, **options: Any) -> None:
        super().__init__(autocast=False, **options)
        self.from_logits = from_logits

    def call(self, outputs: Any) -> Any:
        """Return logits of the same shape."""
        outputs = keras.ops.cast(outputs, self.compute_dtype)
        if self.from_logits:
            return outputs
        return keras.ops.log(keras.ops.maximum(outputs, keras.config.epsilon()))


class AdjustableDropout(keras.layers.Dropout):
    """Dropout whose rate is a tensor, so that one traced step serves every rate.

    Keras's layer has a constant rate and draws one floating-point number per activation, a tenth
    of a bfloat16 training step. Here 16 random bits per activation decide, which takes half the
    time; the rate is exact to four digits in any precision.

    Attributes
    ----------
    given_rate : tf.Tensor
        Scalar, float32: the rate. Set it before each call in training.
    """

    given_rate: tf.Tensor

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Drop activations in training."""
        if not training or self.rate == 0:
            return inputs
        shape, n_values = tf.shape(inputs), tf.size(inputs)
        pairs = tf.random.stateless_uniform(
            [(n_values + 1) // 2], tf.cast(self.seed_generator.next(), tf.int32),
            minval=None, maxval=None, dtype=tf.uint32,
        )  # fmt: skip
        draws = tf.reshape(tf.bitcast(pairs, tf.uint16), [-1])[:n_values]
        n_levels = tf.uint16.max + 1
        n_dropped = tf.minimum(tf.round(self.given_rate * n_levels), n_levels - 1.0)
        kept = tf.reshape(draws, shape) >= tf.cast(n_dropped, tf.uint16)
        scale = n_levels / (n_levels - n_dropped)
        return inputs * (tf.cast(kept, inputs.dtype) * tf.cast(scale, inputs.dtype))
