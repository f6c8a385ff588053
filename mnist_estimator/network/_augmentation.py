"""Random changes of a batch of images, inside the TensorFlow graph."""

import math
from collections.abc import Mapping
from numbers import Real

from ..utils._quiet_tensorflow import tf
from ..utils._wording import shown

AFFINE = {"rotation": 15.0, "zoom": 0.15, "shear": 0.15, "shift": 0.08}

AUGMENTATIONS: dict[str, dict[str, float]] = {
    "affine": AFFINE,
    "robust": AFFINE | {"disturbed": 0.06},
}
"""Names that the ``augmentation`` parameter takes, with their amounts: those of
``random_affine``, ``random_thickness`` and ``harder``, and the share of images for
``random_disturbance``."""

LIMITS = {
    "rotation": 180.0,
    "zoom": math.nextafter(1.0, 0.0),
    "shear": 1.0,
    "shift": 0.5,
    "thickness": 1.0,
    "adversarial": 1.0,
    "disturbed": 1.0,
}
"""The names of all amounts, and how large each may be."""

TINY = 1e-30
"""Below it, a mean square counts as zero."""

SMALLEST_SIDE = 8
"""Pixels a side below which images are not augmented: digits of 8×8 still gain by it."""


def resolve_augmentation(
    augmentation: str | Mapping[str, float] | None,
    image_shape: tuple[int, int, int] | None = None,
) -> dict[str, float] | None:
    """Return the amounts that the ``augmentation`` parameter means.

    Parameters
    ----------
    augmentation : str, mapping or None
        A name in ``AUGMENTATIONS``, or the amounts; those left out are 0.
    image_shape : tuple of int, (height, width, channels), or None
        Shape of the images to be augmented, if known.

    Returns
    -------
    dict or None
        None if the images are to stay as they are.

    Raises
    ------
    ValueError
        If an amount has an unknown name, is negative, or exceeds its limit in ``LIMITS``.
    TypeError
        If an amount is not a number.
    """
    amounts = AUGMENTATIONS[augmentation] if isinstance(augmentation, str) else augmentation
    if amounts is None:
        return None
    allowed = (
        f"augmentation takes the amounts {list(LIMITS)}, numbers from 0 up (rotation up to 180 "
        "degrees, shift up to 0.5 of the side, zoom below 1, the others up to 1)"
    )
    for name, amount in amounts.items():
        if name not in LIMITS:
            raise ValueError(f"{allowed}; got {shown(name)}. Check the spelling.")
        if not isinstance(amount, Real):
            raise TypeError(f"{allowed}; got {name}={shown(amount)}. Pass a number.")
        if not 0 <= amount <= LIMITS[name]:
            raise ValueError(f"{allowed}; got {name}={shown(amount)}. Pass a number in that range.")
    if image_shape is not None and min(image_shape[:2]) < SMALLEST_SIDE:
        return None
    return {name: float(amounts.get(name, 0.0)) for name in LIMITS}


def random_affine(
    images: tf.Tensor,
    seed: tf.Tensor,
    *,
    rotation: float = 0.0,
    zoom: float = 0.0,
    shear: float = 0.0,
    shift: float = 0.0,
) -> tf.Tensor:
    """Rotate, zoom, shear and shift every image by amounts of its own.

    The four amounts are drawn uniformly between minus and plus the number
    given; they make one affine map about the centre of the image, which is
    sampled bilinearly. Pixels from outside take the nearest value inside.

    Parameters
    ----------
    images : tensor of shape (n, height, width, channels), float32 or float64
        Any range of values.
    seed : tensor of shape (2,), int32
        The same seed gives the same changes.
    rotation : float, default=0.0
        Largest angle, in degrees.
    zoom : float in [0, 1), default=0.0
        Largest change of the size, as a share of it; height and width differ.
    shear : float, default=0.0
        Largest horizontal displacement for each pixel of height.
    shift : float, default=0.0
        Largest displacement, as a share of the height or width.

    Returns
    -------
    tensor of shape (n, height, width, channels), of the dtype of ``images``

    Notes
    -----
    Affine distortion for handwritten digits: P. Simard, D. Steinkraus, J. Platt,
    "Best practices for convolutional neural networks applied to visual document
    analysis", ICDAR 2003.
    """
    images = tf.convert_to_tensor(images)
    shape = tf.shape(images)
    n = shape[0]
    height, width = tf.cast(shape[1], tf.float32), tf.cast(shape[2], tf.float32)
    draws = tf.unstack(tf.random.stateless_uniform((6, n), seed, -1.0, 1.0))
    angle = draws[0] * (rotation * math.pi / 180.0)
    zoom_y, zoom_x = 1.0 + zoom * draws[1], 1.0 + zoom * draws[2]
    slant = shear * draws[3]
    shift_y, shift_x = shift * height * draws[4], shift * width * draws[5]

    # The kernel wants the map from output to input pixels:
    # x_in = a0 x + a1 y + a2,  y_in = b0 x + b1 y + b2, about the centre.
    cos, sin = tf.cos(angle), tf.sin(angle)
    a0, a1 = zoom_x * cos, zoom_x * (slant * cos - sin)
    b0, b1 = zoom_y * sin, zoom_y * (slant * sin + cos)
    centre_y, centre_x = (height - 1.0) / 2.0, (width - 1.0) / 2.0
    a2 = centre_x + shift_x - a0 * centre_x - a1 * centre_y
    b2 = centre_y + shift_y - b0 * centre_x - b1 * centre_y
    zeros = tf.zeros_like(angle)
    changed = tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.stack([a0, a1, a2, b0, b1, b2, zeros, zeros], axis=1),
        output_shape=shape[1:3],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST",
    )
    changed.set_shape(images.shape)  # the kernel forgets height and width
    return changed


def random_thickness(images: tf.Tensor, seed: tf.Tensor, thickness: float) -> tf.Tensor:
    """Make light strokes thicker or thinner, in each image by an amount of its own.

    The amount is drawn uniformly between minus and plus ``thickness``. It is the share of the
    way to an image whose pixels have the largest value of their 3×3 neighbourhoods, or the
    smallest one: a stroke gets up to a pixel more, or less, on each side.

    Parameters
    ----------
    images : tensor of shape (n, height, width, channels), float32 or float64
        Any range of values.
    seed : tensor of shape (2,), int32
        The same seed gives the same changes.
    thickness : float in [0, 1]
        Largest amount.

    Returns
    -------
    tensor of shape (n, height, width, channels), of the dtype of ``images``

    Notes
    -----
    Dilation and erosion of grey images: J. Serra, "Image analysis and mathematical morphology"
    (1982).
    """
    images = tf.convert_to_tensor(images)
    shape = (tf.shape(images)[0], 1, 1, 1)
    amount = tf.random.stateless_uniform(shape, seed, -thickness, thickness, dtype=images.dtype)
    turned = tf.sign(amount) * images  # erosion is the dilation of the negative
    return images + amount * (dilate(turned) - turned)


def dilate(images: tf.Tensor) -> tf.Tensor:
    """Give each pixel the largest value of its 3×3 neighbourhood.

    Parameters
    ----------
    images : tensor of shape (n, height, width, channels), float32 or float64
        Any range of values.

    Returns
    -------
    tensor of the same shape and dtype
    """
    return tf.nn.max_pool2d(images, 3, 1, "SAME")


def harder(
    images: tf.Tensor, gradient: tf.Tensor, right: tf.Tensor, seed: tf.Tensor, adversarial: float
) -> tf.Tensor:
    """Change images the way that raises their loss most, each by an amount of its own.

    The amount is drawn uniformly between 0 and ``adversarial``. It is the root mean square of
    the change, in standard deviations of the image's own values. Images that are misread are
    hard enough, and stay as they are.

    Parameters
    ----------
    images : tensor of shape (n, height, width, channels), float32 or float64
        Any range of values.
    gradient : tensor of the shape and dtype of ``images``
        That of the loss of each image. An image whose gradient is zero stays as it is.
    right : tensor of shape (n,), bool
        Which images are read right.
    seed : tensor of shape (2,), int32
        The same seed gives the same amounts.
    adversarial : float in [0, 1]
        Largest amount.

    Returns
    -------
    tensor of shape (n, height, width, channels), of the dtype of ``images``

    Notes
    -----
    One step up the gradient: I. Goodfellow, J. Shlens, C. Szegedy, "Explaining and harnessing
    adversarial examples" (2015); by its Euclidean length: T. Miyato, A. Dai, I. Goodfellow,
    "Adversarial training methods for semi-supervised text classification" (2017).
    """
    shape = (tf.shape(images)[0], 1, 1, 1)
    amount = tf.random.stateless_uniform(shape, seed, 0.0, adversarial, dtype=images.dtype)
    amount *= tf.reshape(tf.cast(right, images.dtype), shape)
    length = amount * tf.math.reduce_std(images, axis=(1, 2, 3), keepdims=True)
    mean_square = tf.reduce_mean(tf.square(gradient), axis=(1, 2, 3), keepdims=True)
    return images + length * gradient * tf.math.rsqrt(tf.maximum(mean_square, TINY))
