"""Augmentation of a batch of images, inside the TensorFlow graph."""

import math
import warnings
from collections.abc import Mapping
from numbers import Real

from ..utils._quiet_tensorflow import tf
from ..utils._wording import shown

AFFINE = {"rotation": 15.0, "zoom": 0.15, "shear": 0.15, "shift": 0.08}

AUGMENTATIONS: dict[str, dict[str, float]] = {
    "affine": AFFINE,
    "robust": AFFINE | {"corruption": 0.06},
    "strong": {"rotation": 20.0, "zoom": 0.25, "shear": 0.35, "shift": 0.1, "thickness": 0.8},
    "objects": {"flip": 0.5, "crop": 0.1, "erase": 0.4},
}
"""Named sets of the ``augmentation`` parameter: amounts for the functions ``random_…`` and, as
"corruption", the share of images for ``random_corruption``."""

LIMITS = {
    "rotation": 180.0,
    "zoom": math.nextafter(1.0, 0.0),
    "shear": 1.0,
    "shift": 0.5,
    "thickness": 1.0,
    "adversarial": 1.0,
    "corruption": 1.0,
    "flip": 1.0,
    "crop": 0.5,
    "erase": 1.0,
}
"""The names of all amounts, with the largest value of each."""

RENAMED = {"disturbed": "corruption"}
"""Old names of amounts, until version 0.9."""

TINY = 1e-30
"""Mean square of a gradient below which it counts as zero."""

MIN_SIDE_AUGMENTED = 8
"""Image side, in pixels, below which images are not augmented; 8×8 digits still gain by it."""


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
        None if images are not augmented.

    Raises
    ------
    ValueError
        If an amount has an unknown name, is negative, or exceeds its limit in ``LIMITS``, or is
        given under its old name, too.
    TypeError
        If an amount is not a number.

    Warns
    -----
    FutureWarning
        If an amount has a name of ``RENAMED``.
    """
    amounts = AUGMENTATIONS[augmentation] if isinstance(augmentation, str) else augmentation
    if amounts is None:
        return None
    allowed = (
        f"augmentation takes the amounts {list(LIMITS)}, numbers from 0 up (rotation up to 180 "
        "degrees, shift and crop up to 0.5 of the side, zoom below 1, the others up to 1)"
    )
    amounts = _with_new_names(amounts)
    for name, amount in amounts.items():
        if name not in LIMITS:
            raise ValueError(f"{allowed}; got {shown(name)}. Check the spelling.")
        if not isinstance(amount, Real):
            raise TypeError(f"{allowed}; got {name}={shown(amount)}. Pass a number.")
        if not 0 <= amount <= LIMITS[name]:
            raise ValueError(f"{allowed}; got {name}={shown(amount)}. Pass a number in that range.")
    if image_shape is not None and min(image_shape[:2]) < MIN_SIDE_AUGMENTED:
        return None
    return {name: float(amounts.get(name, 0.0)) for name in LIMITS}


def _with_new_names(amounts: Mapping[str, float]) -> dict[str, float]:
    """Return amounts under the names that they have now."""
    renamed = dict(amounts)
    for old, new in RENAMED.items():
        if old not in renamed:
            continue
        if new in renamed:
            raise ValueError(
                f"augmentation has both {new!r} and its old name {old!r}. Drop {old!r}."
            )
        warnings.warn(
            f"The augmentation {old!r} is called {new!r} since version 0.7; the old name will be "
            f"removed in version 0.9. Pass {new!r}.",
            FutureWarning,
            stacklevel=3,
        )
        renamed[new] = renamed.pop(old)
    return renamed


def random_affine(
    images: tf.Tensor,
    seed: tf.Tensor,
    *,
    rotation: float = 0.0,
    zoom: float = 0.0,
    shear: float = 0.0,
    shift: float = 0.0,
) -> tf.Tensor:
    """Rotate, zoom, shear and shift every image at random.

    Each amount is drawn per image, uniformly between minus and plus the number given; together
    they make one affine map about the centre of the image, sampled bilinearly. Pixels from
    outside the image take the nearest value inside.

    Parameters
    ----------
    images : tensor of shape (n, height, width, channels), float32 or float64
        Any range of values.
    seed : tensor of shape (2,), int32
        The same seed gives the same changes.
    rotation : float, default=0.0
        Largest angle, in degrees.
    zoom : float in [0, 1), default=0.0
        Largest relative change of the size; height and width are drawn separately.
    shear : float, default=0.0
        Largest horizontal displacement per pixel of height.
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
    """Make bright strokes thicker or thinner at random.

    The amount is drawn per image, uniformly between minus and plus ``thickness``; it interpolates
    between the image and its 3×3 dilation or, if negative, erosion. A stroke gains or loses up to
    one pixel on each side.

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


def random_flip(images: tf.Tensor, seed: tf.Tensor, share: float) -> tf.Tensor:
    """Mirror images from left to right at random.

    Parameters
    ----------
    images : tensor of shape (n, height, width, channels), float32 or float64
        Any range of values.
    seed : tensor of shape (2,), int32
        The same seed mirrors the same images.
    share : float in [0, 1]
        Probability of each image.

    Returns
    -------
    tensor of the same shape and dtype
    """
    images = tf.convert_to_tensor(images)
    drawn = tf.random.stateless_uniform((tf.shape(images)[0], 1, 1, 1), seed)
    return tf.where(drawn < share, tf.reverse(images, [2]), images)


def random_crop(images: tf.Tensor, seed: tf.Tensor, amount: float) -> tf.Tensor:
    """Shift every image by whole pixels at random, as if it were padded and cropped.

    Unlike the shifts of :func:`random_affine`, which interpolate, these do not blur. Pixels from
    outside the image take the nearest value inside.

    Parameters
    ----------
    images : tensor of shape (n, height, width, channels), float32 or float64
        Any range of values.
    seed : tensor of shape (2,), int32
        The same seed gives the same shifts.
    amount : float in [0, 0.5]
        Largest shift, as a share of the height or width, rounded to whole pixels.

    Returns
    -------
    tensor of the same shape and dtype

    Notes
    -----
    Random crops of padded images: K. He and others, "Deep residual learning for image
    recognition" (2016), after C.-Y. Lee and others, "Deeply-supervised nets" (2015).
    """
    images = tf.convert_to_tensor(images)
    n = tf.shape(images)[0]
    shifts = []
    for i, side in enumerate(images.shape[1:3]):
        largest = round(amount * side)
        own = tf.random.experimental.stateless_fold_in(seed, i)
        drawn = tf.random.stateless_uniform((n,), own, -largest, largest + 1, tf.int32)
        shifts.append(tf.cast(drawn, tf.float32))
    zeros, ones = tf.zeros((n,)), tf.ones((n,))
    changed = tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.stack([ones, zeros, shifts[1], zeros, ones, shifts[0], zeros, zeros], axis=1),
        output_shape=tf.shape(images)[1:3],
        fill_value=0.0,
        interpolation="NEAREST",
        fill_mode="NEAREST",
    )
    changed.set_shape(images.shape)
    return changed


def random_erase(images: tf.Tensor, seed: tf.Tensor, amount: float) -> tf.Tensor:
    """Fill a random square of every image with its mean colour (cutout).

    The side of the square is drawn per image, uniformly between 0 and ``amount`` times the
    smaller side of the image, and its centre uniformly among the pixels, so that part of it may be
    outside.

    Parameters
    ----------
    images : tensor of shape (n, height, width, channels), float32 or float64
        Any range of values.
    seed : tensor of shape (2,), int32
        The same seed fills the same squares.
    amount : float in [0, 1]
        Largest side, as a share of the smaller side of the image.

    Returns
    -------
    tensor of the same shape and dtype

    Notes
    -----
    T. DeVries, G. Taylor, "Improved regularization of convolutional neural networks with cutout"
    (2017).
    """
    images = tf.convert_to_tensor(images)
    shape = tf.shape(images)
    height, width = tf.cast(shape[1], tf.float32), tf.cast(shape[2], tf.float32)
    draws = tf.unstack(tf.random.stateless_uniform((3, shape[0], 1, 1, 1), seed))
    half = 0.5 * amount * tf.minimum(height, width) * draws[0]
    rows = tf.reshape(tf.range(height) + 0.5, (1, -1, 1, 1))
    columns = tf.reshape(tf.range(width) + 0.5, (1, 1, -1, 1))
    is_inside = (tf.abs(rows - draws[1] * height) < half) & (
        tf.abs(columns - draws[2] * width) < half
    )
    return tf.where(is_inside, tf.reduce_mean(images, axis=(1, 2), keepdims=True), images)


def dilate(images: tf.Tensor) -> tf.Tensor:
    """Set each pixel to the largest value in its 3×3 neighbourhood.

    Parameters
    ----------
    images : tensor of shape (n, height, width, channels), float32 or float64
        Any range of values.

    Returns
    -------
    tensor of the same shape and dtype
    """
    return tf.nn.max_pool2d(images, 3, 1, "SAME")


def adversarial_perturbation(
    images: tf.Tensor, gradient: tf.Tensor, correct: tf.Tensor, seed: tf.Tensor, amount: float
) -> tf.Tensor:
    """Perturb images along the gradient of their loss (fast gradient method).

    The root mean square of the perturbation, in standard deviations of the image's own pixels, is
    drawn per image, uniformly between 0 and ``amount``. Misclassified images are not perturbed.

    Parameters
    ----------
    images : tensor of shape (n, height, width, channels), float32 or float64
        Any range of values.
    gradient : tensor of the shape and dtype of ``images``
        Gradient of the loss of each image. An image whose gradient is zero stays unchanged.
    correct : tensor of shape (n,), bool
        Which images are classified correctly.
    seed : tensor of shape (2,), int32
        The same seed gives the same amounts.
    amount : float in [0, 1]
        Largest amount.

    Returns
    -------
    tensor of shape (n, height, width, channels), of the dtype of ``images``

    Notes
    -----
    One step along the gradient: I. Goodfellow, J. Shlens, C. Szegedy, "Explaining and harnessing
    adversarial examples" (2015); normalized by its Euclidean norm: T. Miyato, A. Dai,
    I. Goodfellow, "Adversarial training methods for semi-supervised text classification" (2017).
    """
    shape = (tf.shape(images)[0], 1, 1, 1)
    drawn = tf.random.stateless_uniform(shape, seed, 0.0, amount, dtype=images.dtype)
    drawn *= tf.reshape(tf.cast(correct, images.dtype), shape)
    length = drawn * tf.math.reduce_std(images, axis=(1, 2, 3), keepdims=True)
    mean_square = tf.reduce_mean(tf.square(gradient), axis=(1, 2, 3), keepdims=True)
    return images + length * gradient * tf.math.rsqrt(tf.maximum(mean_square, TINY))
