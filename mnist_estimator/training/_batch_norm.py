"""What batch normalization subtracts and divides by when the network predicts."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..network._functions import (
    Architecture,
    as_tensor,
    batches_of,
    dtype_of,
    normalizations,
    statistics_function,
    weights_of,
)
from ..network._model_changes import frozen_parts
from ..utils._quiet_tensorflow import keras
from ._data import Images
from ._sampling import weighted_draw

SHARE = 8
FEWEST_ROWS, MOST_ROWS = 128, 512
"""Statistics are those of an eighth of the images, between these two numbers of them."""


def settle_normalizations(
    model: keras.Model, architecture: Architecture, images: Images, generator: np.random.Generator
) -> None:
    """Set the running statistics of a network to those of images as they are.

    In training they follow the last few batches: augmented images, and later more
    of the hard ones. What comes for prediction is neither, so they are taken anew
    from some images drawn by their weights. (On MNIST this lowers the log loss by
    a tenth.)

    Parameters
    ----------
    model : keras.Model
        From ``build_cnn`` with the arguments in ``architecture``.
    architecture : tuple of pairs
        From :func:`~mnist_estimator.network._functions.freeze`.
    images : Images
        Those of the training.
    generator : numpy.random.Generator
        Draws.

    Notes
    -----
    After Y. Wu and J. Johnson, "Rethinking 'batch' in BatchNorm" (2021).
    """
    places = normalizations(model)
    if not places:
        return
    pixels = images[_drawn(images, generator)]
    fixed = frozen_parts(model).statistics
    statistics, dtype = statistics_function(architecture, fixed), dtype_of(architecture)
    weights = weights_of(model)
    parts = batches_of(len(pixels), architecture)
    seen: list[list[NDArray[Any]]] = [
        [value.numpy().astype(np.float64) for value in statistics(*weights, as_tensor(part, dtype))]
        for part in np.array_split(pixels, len(parts))
    ]
    _, variables = weights
    for i, (mean_at, variance_at) in enumerate(places):
        means = np.array([values[2 * i] for values in seen])
        variances = np.array([values[2 * i + 1] for values in seen])
        variables[mean_at].assign(means.mean(axis=0))
        variables[variance_at].assign(variances.mean(axis=0) + means.var(axis=0))


def _drawn(images: Images, generator: np.random.Generator) -> NDArray[np.int64]:
    """Draw images without replacement, with chances in proportion to their weights."""
    n_images = len(images)
    n_rows = min(n_images, max(FEWEST_ROWS, min(MOST_ROWS, n_images // SHARE)))
    return np.sort(weighted_draw(images.weights, n_rows, generator))
