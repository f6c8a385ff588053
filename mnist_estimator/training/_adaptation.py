"""How a network that has been fitted goes on learning without losing what it knows."""

import math

import numpy as np

from ..network._functions import Architecture
from ..network._inference import predict_logits
from ..utils._quiet_tensorflow import keras
from ._data import Images
from ._early_stopping import cross_entropy

NOISE_SCALE = 128
"""Images of a step at which the rate is half of that of a step of very many."""

MOST_ROWS = 1000
"""Images whose loss is looked at, at the most."""

ENOUGH = 0.5
"""Share of the images learned before from which on a fit goes on as it began."""


def is_adaptation(n_images: int, n_learned: float, *, whole_fit: bool) -> bool:
    """Tell whether training goes on with a finished network, and not with most of its data.

    Parameters
    ----------
    n_images : int
        Images to go on with.
    n_learned : float
        Images of the largest fit that was finished; 0 if there was none.
    whole_fit : bool
        Whether a fit goes on, with a schedule of its own, or a single pass.

    Examples
    --------
    >>> from mnist_estimator.training._adaptation import is_adaptation
    >>> is_adaptation(100, 60_000, whole_fit=True), is_adaptation(50_000, 60_000, whole_fit=True)
    (True, False)
    >>> is_adaptation(50_000, 60_000, whole_fit=False), is_adaptation(100, 0, whole_fit=False)
    (True, False)
    """
    return n_learned > 0 and not (whole_fit and n_images >= ENOUGH * n_learned)


def rate_share(
    model: keras.Model, architecture: Architecture, images: Images, batch_size: int
) -> float:
    """Return the learning rate for going on with a fitted network, as a share of the usual one.

    Adam and Muon take steps of one length, however small the gradient is. Early in a fit that
    is what is wanted; of a network that knows the images, such steps spoil what it
    knows. So the rate is proportional to what is left to learn: the loss of these images as
    they are, divided by that of a network that knows nothing, the logarithm of the number of
    classes. And a step of few images has a gradient of which most is noise: there the rate is
    proportional to their number.

    Parameters
    ----------
    model : keras.Model
        Before the first step.
    architecture : tuple of pairs
        Its sizes.
    images : Images
        What it is to learn.
    batch_size : int
        Images a step, at most.

    Returns
    -------
    float in [0, 1)

    Notes
    -----
    A rate in proportion to the loss is Polyak's for SGD (N. Loizou and others, "Stochastic
    Polyak step-size for SGD", 2021), but for the gradient, which Adam and Muon divide by anyway.
    The share of a batch of B images, B / (B + noise scale), is that of S. McCandlish and
    others, "An empirical model of large-batch training" (2018).
    """
    rows = np.arange(len(images))[:: -(-len(images) // MOST_ROWS)]
    some = images.subset(rows)
    losses = cross_entropy(
        predict_logits(model, architecture, some).astype(np.float64), some.labels
    )
    ignorance = np.average(losses, weights=some.weights) / math.log(dict(architecture)["n_classes"])
    n_a_step = len(images) / math.ceil(len(images) / batch_size)
    return min(1.0, float(ignorance)) * n_a_step / (n_a_step + NOISE_SCALE)
