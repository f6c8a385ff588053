"""Adaptation: at which learning rate a fitted network goes on without forgetting."""

import math

import numpy as np

from ..network._network import Network
from ._data import Images
from ._early_stopping import cross_entropy

NOISE_SCALE = 128
"""Images per step at which the rate is half of that of a very large step."""

MAX_IMAGES = 1000
"""Most images whose loss is computed."""

WHOLE_FIT_SHARE = 0.5
"""Share of the images of the largest fit from which on another fit is not an adaptation."""


def is_adaptation(n_images: int, n_learned: float, *, whole_fit: bool) -> bool:
    """Tell whether training adapts a fitted network, rather than fitting it to most of its data.

    Parameters
    ----------
    n_images : int
        Images to train on now.
    n_learned : float
        Images of the largest finished fit; 0 if there was none.
    whole_fit : bool
        Whether this is a fit, with its own schedule, or a single pass of ``partial_fit``.

    Examples
    --------
    >>> from mnist_estimator.training._adaptation import is_adaptation
    >>> is_adaptation(100, 60_000, whole_fit=True), is_adaptation(50_000, 60_000, whole_fit=True)
    (True, False)
    >>> is_adaptation(50_000, 60_000, whole_fit=False), is_adaptation(100, 0, whole_fit=False)
    (True, False)
    """
    return n_learned > 0 and not (whole_fit and n_images >= WHOLE_FIT_SHARE * n_learned)


def rate_share(network: Network, images: Images, batch_size: int) -> float:
    """Return the learning rate for adapting a fitted network, as a share of the usual one.

    Adam and Muon take steps of the same length, however small the gradient. Early in a fit that
    is useful; on a network that already classifies the images, such steps undo what it has
    learned. So the rate is proportional to the mean loss of the images, divided by that of
    uniform probabilities, the logarithm of the number of classes. The gradient of a small batch
    is mostly noise; there the rate is proportional to the batch size.

    Parameters
    ----------
    network : Network
        Before the first step.
    images : Images
        The images to train on.
    batch_size : int
        Most images per step.

    Returns
    -------
    float in [0, 1)

    Notes
    -----
    A rate in proportion to the loss is Polyak's for SGD (N. Loizou and others, "Stochastic
    Polyak step-size for SGD", 2021), without the gradient, by which Adam and Muon divide anyway.
    The share of a batch of B images, B / (B + noise scale), is that of S. McCandlish and
    others, "An empirical model of large-batch training" (2018).
    """
    rows = np.arange(len(images))[:: -(-len(images) // MAX_IMAGES)]
    some = images.subset(rows)
    losses = cross_entropy(network.logits(some).astype(np.float64), some.labels)
    relative_loss = np.average(losses, weights=some.weights) / math.log(network.config.n_classes)
    step_size = len(images) / math.ceil(len(images) / batch_size)
    return min(1.0, float(relative_loss)) * step_size / (step_size + NOISE_SCALE)
