"""Recalibrated ("precise") statistics of batch normalization."""

import numpy as np

from ..network._network import Network
from ._data import Images
from ._sampling import weighted_draw

SHARE = 8
MIN_IMAGES, MAX_IMAGES = 128, 512
"""Statistics are those of an eighth of the images, within these limits."""


def recalibrate_batch_norm(
    network: Network, images: Images, generator: np.random.Generator
) -> None:
    """Set the running statistics of a network to those of unaugmented training images.

    In training, they follow the last few batches: augmented images, and later many hard ones.
    Images to be predicted are neither, so statistics are computed from a sample drawn by the
    weights of the images. On MNIST this lowers the log loss by a tenth.

    Parameters
    ----------
    network : Network
    images : Images
        The training images.
    generator : numpy.random.Generator
        Draws the sample.

    Notes
    -----
    After Y. Wu and J. Johnson, "Rethinking 'batch' in BatchNorm" (2021).
    """
    if not network.has_statistics_to_learn():
        return
    n_images = len(images)
    size = min(n_images, max(MIN_IMAGES, min(MAX_IMAGES, n_images // SHARE)))
    rows = np.sort(weighted_draw(images.weights, size, generator))
    network.recalibrate_batch_norm(images[rows])
