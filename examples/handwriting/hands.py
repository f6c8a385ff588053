"""Two sources of digits for drawn pages: strokes of a pen, and MNIST's test images enlarged."""

import functools

import numpy as np
from PIL import Image
from scipy import ndimage

from .strokes import Writer

THIN = 1 / 16
"""Width of a thin pen, in heights of a digit."""


class MnistHand:
    """Writes with MNIST's test images, enlarged.

    Parameters
    ----------
    seed : int
        Draws the images.
    """

    def __init__(self, seed):
        self.generator = np.random.default_rng(seed)

    def write(self, digit, height, pen=None):
        """Write one digit, and return its ink from 0 to 1 as an array, cropped.

        `height` and the width of the `pen` are in pixels. A pen thinner than `THIN` follows the
        middle of the strokes; otherwise they are as wide as they are in MNIST.
        """
        images, labels = _test_images()
        image = images[self.generator.choice(np.flatnonzero(labels == digit))]
        image = image[np.ix_(image.any(axis=1), image.any(axis=0))]
        factor = height / image.shape[0]
        large = _enlarged(image, factor)
        return large if pen is None or pen > THIN * height else _with_pen(large, pen)


def hand(source, seed):
    """Return a hand that writes: of "strokes" or "mnist"."""
    return Writer(seed) if source == "strokes" else MnistHand(seed)


@functools.cache
def _test_images():
    from mnist_estimator import load_mnist

    images, labels = load_mnist("test", return_X_y=True)
    return images.reshape(-1, 28, 28), labels


def _enlarged(image, factor):
    """Return an image enlarged by a factor, with sharp edges, cropped."""
    padded = np.pad(image, 2)
    shape = [max(1, round(side * factor)) for side in padded.shape[::-1]]
    large = np.asarray(Image.fromarray(padded).resize(shape, Image.Resampling.BICUBIC)) / 255.0
    large = np.clip((large - 0.5) * max(1.0, factor / 1.5) + 0.5, 0.0, 1.0)
    return _cropped(large.astype(np.float32))


def _with_pen(ink, pen):
    """Return the strokes of an image redrawn along their middle with another width."""
    from skimage.morphology import skeletonize

    room = int(pen) + 2
    middle = skeletonize(np.pad(ink, room) > 0.5)
    away = ndimage.distance_transform_edt(~middle)
    return _cropped(np.clip(pen / 2 + 0.5 - away, 0.0, 1.0).astype(np.float32))


def _cropped(ink):
    found = ndimage.find_objects((ink > 0.02).astype(np.int8))
    return ink[found[0]]
