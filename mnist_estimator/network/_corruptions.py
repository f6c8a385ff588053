"""Random corruption of some images of a batch, inside the TensorFlow graph.

Digits from other pens, papers, cameras and lights look unlike the training images. Each corruption
removes one cue that a network could rely on: the black background, clean edges, filled strokes, the
empty margin, the usual size and slant.
"""

import math
from collections.abc import Callable

from ..utils._quiet_tensorflow import tf
from ._augmentation import dilate, random_affine

Corruption = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
"""Takes images (n, height, width, channels), float32 or float64, in [0, 1], n from 0 up, and a
seed of shape (2,), int32; returns images of the same shape and dtype, any range of values."""


def random_corruption(images: tf.Tensor, seed: tf.Tensor, rate: float | tf.Tensor) -> tf.Tensor:
    """Corrupt some of the images, each by one of :data:`CORRUPTIONS`, all equally likely.

    Parameters
    ----------
    images : tensor of shape (n, height, width, channels), float32 or float64
        The smallest and the largest value of the batch count as black and white; the result is
        in that range.
    seed : tensor of shape (2,), int32
        The same seed gives the same changes.
    rate : float or scalar tensor, float32, in [0, 1]
        Probability that an image is corrupted.

    Returns
    -------
    tensor of shape (n, height, width, channels), of the dtype of ``images``

    Notes
    -----
    Chains of simple changes for robustness: D. Hendrycks and others, "AugMix" (2020).
    Random filters: Z. Xu and others, "Robust and generalizable visual representation
    learning via random convolutions" (2021).
    """
    images = tf.convert_to_tensor(images)
    n, n_kinds = tf.shape(images)[0], len(CORRUPTIONS)
    low, high = tf.reduce_min(images), tf.reduce_max(images)
    span = high - low
    divisor = tf.where(span > 0, span, tf.ones_like(span))
    first, *seeds = _split(seed, 1 + n_kinds)
    draws = tf.random.stateless_uniform([n], first)
    kind = tf.minimum(tf.cast(draws * (n_kinds / tf.maximum(rate, 1e-9)), tf.int32), n_kinds)
    kind = tf.where(draws < rate, kind, n_kinds)
    *parts, rest = tf.dynamic_partition(images, kind, n_kinds + 1)
    for i, corrupt in enumerate(CORRUPTIONS):
        changed = corrupt((parts[i] - low) / divisor, seeds[i])
        parts[i] = tf.clip_by_value(changed, 0.0, 1.0) * span + low
    places = tf.dynamic_partition(tf.range(n), kind, n_kinds + 1)
    corrupted = tf.dynamic_stitch(places, [*parts, rest])
    corrupted.set_shape(images.shape)
    return corrupted


def light(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Change contrast and background brightness, add clouds; invert one image in four."""
    seed, other = _split(seed, 2)
    contrast, background, density, turn = _draws(images, seed, 4)
    shape = tf.shape(images)
    coarse = tf.random.stateless_uniform((shape[0], 3, 3, 1), other)
    clouds = tf.cast(tf.image.resize(coarse, shape[1:3], method="bicubic"), images.dtype)
    changed = 0.7 * background + (0.2 + 0.8 * contrast) * images + 0.5 * density * (clouds - 0.5)
    changed = tf.clip_by_value(changed, 0.0, 1.0)
    return tf.where(turn < 0.25, 1.0 - changed, changed)


def noise(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Add Gaussian noise, or salt and pepper."""
    seed, second, third = _split(seed, 3)
    strength, kind = _draws(images, seed, 2)
    shape = tf.shape(images)
    grain = tf.random.stateless_normal(shape, second, dtype=images.dtype)
    draws = tf.random.stateless_uniform(shape, third, dtype=images.dtype)
    flipped = tf.where(draws < 0.15 * strength, tf.ones_like(images), images)
    flipped = tf.where(draws > 1.0 - 0.15 * strength, tf.zeros_like(images), flipped)
    return tf.where(kind < 0.5, images + 0.5 * strength * grain, flipped)


def random_filter(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Filter all images with one random 5×5 kernel: a blur or an edge detector.

    A blur has positive weights; the weights of an edge detector sum to zero, and the absolute
    values of its output are taken.
    """
    seed, other = _split(seed, 2)
    normal = tf.random.stateless_normal([25], seed, dtype=images.dtype)
    blurs = tf.random.stateless_uniform([], other) < 0.5
    weights = tf.where(blurs, tf.nn.softmax(1.5 * normal), normal - tf.reduce_mean(normal))
    shape = tf.shape(images)
    padded = tf.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)))
    # TensorFlow's convolution takes twice as long for one channel.
    filtered = tf.add_n(
        [
            weights[5 * y + x] * padded[:, y : y + shape[1], x : x + shape[2]]
            for y in range(5)
            for x in range(5)
        ]
    )
    largest = tf.reduce_max(tf.abs(filtered), axis=(1, 2, 3), keepdims=True)
    return tf.abs(filtered) / tf.maximum(largest, 1e-3)


def outline(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Keep only the outlines of strokes: outside, inside, or both."""
    kind, gain = _draws(images, seed, 2)
    grown, shrunk = dilate(images), -dilate(-images)
    outside, inside = grown - images, images - shrunk
    edges = tf.where(kind < 0.4, outside, tf.where(kind < 0.7, inside, outside + inside))
    return edges * (1.0 + 2.0 * gain)


def patches(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Invert a half, a stripe or a block of each image, or everything else."""
    seed, other = _split(seed, 2)
    kind, width, rest = _draws(images, seed, 3)
    across, along = _from_a_line(images, other)
    width = 0.2 + 0.6 * width
    stripe = tf.abs(across) < width
    inside = tf.where(kind < 0.3, across > 0.0, stripe & ((kind < 0.7) | (tf.abs(along) < width)))
    return tf.where(inside == (rest < 0.5), 1.0 - images, images)


def lines(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Draw a line across each image, straight or zigzag, solid or dashed."""
    seed, other = _split(seed, 2)
    wiggle, pace, dash = _draws(images, seed, 3)
    across, along = _from_a_line(images, other)
    phase = (3.0 + 9.0 * pace) * along
    zigzag = 4.0 * tf.abs(phase - tf.floor(phase + 0.5)) - 1.0
    distance = tf.abs(across + 0.3 * tf.maximum(wiggle - 0.4, 0.0) * zigzag)
    pixels = tf.cast(tf.shape(images)[1], images.dtype) / 2.0
    ink = tf.clip_by_value(1.7 - distance * pixels, 0.0, 1.0)
    drawn = (dash < 0.5) | (phase - tf.floor(phase) < 0.5)
    return images + tf.where(drawn, ink, tf.zeros_like(ink))


def distortion(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Rotate, zoom, shear and shift far more than handwriting in MNIST varies."""
    return random_affine(images, seed, rotation=30.0, zoom=0.45, shear=0.5, shift=0.15)


CORRUPTIONS: tuple[Corruption, ...] = (
    light,
    noise,
    random_filter,
    outline,
    patches,
    lines,
    distortion,
)
"""All equally likely."""


def _split(seed: tf.Tensor, number: int) -> list[tf.Tensor]:
    """Return several seeds derived from one, each of shape (2,), int32."""
    seeds: list[tf.Tensor] = tf.unstack(tf.random.split(seed, number))
    return seeds


def _draws(images: tf.Tensor, seed: tf.Tensor, number: int) -> list[tf.Tensor]:
    """Return so many uniform draws from [0, 1) per image, each of shape (n, 1, 1, 1)."""
    shape = (number, tf.shape(images)[0], 1, 1, 1)
    draws: list[tf.Tensor] = tf.unstack(
        tf.random.stateless_uniform(shape, seed, dtype=images.dtype)
    )
    return draws


def _from_a_line(images: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the distance of each pixel from a random line, and along it, in half sides."""
    turn, offset = _draws(images, seed, 2)
    shape = tf.shape(images)
    dtype = images.dtype
    y = tf.reshape(tf.linspace(tf.constant(-1.0, dtype), 1.0, shape[1]), (1, -1, 1, 1))
    x = tf.reshape(tf.linspace(tf.constant(-1.0, dtype), 1.0, shape[2]), (1, 1, -1, 1))
    cos, sin = tf.cos(2 * math.pi * turn), tf.sin(2 * math.pi * turn)
    return y * cos + x * sin - (1.6 * offset - 0.8), x * cos - y * sin
