"""Which images an epoch takes: all of them, later more of those that the network finds hard."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

FULL_EPOCHS = 1
"""Epochs that take every image, before those that choose."""
SMALLEST_EPOCH = 4096
"""Images that an epoch takes at the least, if there are as many."""
FLOOR = 0.002
"""Added to the loss of an image: so often, at the least, easy ones are drawn too."""
HOPELESS, HOPE = 3.0, 0.02
"""Above the first mean loss, an image is drawn as if its loss were the second share of it."""


def epoch_sizes(n_images: int, epochs: int, hard_fraction: float) -> list[int]:
    """Return how many images each epoch takes.

    Parameters
    ----------
    n_images : int
        Images to train on.
    epochs : int
        Number of epochs.
    hard_fraction : float in (0, 1]
        Share of the images that an epoch after the first takes, but 4,096 or
        all of them at the least.

    Returns
    -------
    list of int

    Examples
    --------
    >>> from mnist_estimator.training._sampling import epoch_sizes
    >>> epoch_sizes(60_000, 4, 0.25), epoch_sizes(1000, 3, 0.25)
    ([60000, 15000, 15000, 15000], [1000, 1000, 1000])
    """
    later = max(math.ceil(hard_fraction * n_images), min(n_images, SMALLEST_EPOCH))
    return [n_images if epoch < FULL_EPOCHS else later for epoch in range(epochs)]


def weighted_draw(
    weights: NDArray[np.float64], size: int, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Draw positions without replacement, one after the other in proportion to weights.

    Parameters
    ----------
    weights : ndarray of shape (n,)
        Above 0, or infinite for those that come first.
    size : int
        How many; at most n.
    generator : numpy.random.Generator
        Draws.

    Returns
    -------
    ndarray of shape (size,), int
        In no order to rely on.

    Notes
    -----
    By exponential keys: P. S. Efraimidis and P. G. Spirakis, "Weighted random sampling
    with a reservoir" (2006).
    """
    with np.errstate(over="ignore"):  # infinite: those come last
        waiting = generator.exponential(size=len(weights)) / weights
    if size == len(weights):
        return np.arange(size)
    return np.argpartition(waiting, size)[:size]


class Sampler:
    """The images of each epoch, drawn by what the network made of them before.

    Most images of an easy set are learned after an epoch, and a step on them
    changes little. So later epochs draw images without replacement, with chances in
    proportion to the loss when they were last seen (its running mean, to be
    precise), which gives hard ones several times as many steps a second. Images
    whose loss stays high are mislabelled or unreadable rather than hard, and are
    drawn like ordinary ones.

    The images drawn are not weighted back. So where outcomes are uncertain, rare
    ones are learned as more probable than they are. Weighing each image by the
    inverse of its chance would mend that, and lose most of what the choice gains
    on images that can be told for certain.

    Parameters
    ----------
    n_images : int
        Images to train on.

    Attributes
    ----------
    losses : ndarray of shape (n,)
        Loss of each image when last seen; NaN before.
    right : ndarray of shape (n,), bool
        Whether the answer was right then.
    hardness : ndarray of shape (n,)
        Running mean of the losses of each image, of which the last counts half.

    Notes
    -----
    After I. Loshchilov and F. Hutter, "Online batch selection for faster training of
    neural networks" (2015), and A. H. Jiang and others, "Accelerating deep learning by
    focusing on the biggest losers" (2019).
    """

    def __init__(self, n_images: int) -> None:
        self.losses = np.full(n_images, math.nan)
        self.right = np.zeros(n_images, dtype=bool)
        self.hardness = np.full(n_images, math.nan)

    def draw(self, size: int, generator: np.random.Generator) -> NDArray[np.int64]:
        """Return positions of images, in random order.

        Parameters
        ----------
        size : int
            How many; all of them, or fewer once each has been seen.
        generator : numpy.random.Generator
            Draws.

        Returns
        -------
        ndarray of shape (size,), int
        """
        n_images = len(self.losses)
        if size == n_images:
            return generator.permutation(n_images)
        # Those never seen, where a callback has cut epochs short, come first.
        hardness = np.where(self.hardness > HOPELESS, HOPE * self.hardness, self.hardness)
        hardness = np.nan_to_num(hardness, nan=np.inf)
        return generator.permutation(weighted_draw(hardness + FLOOR, size, generator))

    def note(
        self, rows: NDArray[np.int64], losses: NDArray[np.float64], right: NDArray[np.bool_]
    ) -> None:
        """Note what came of a step.

        Parameters
        ----------
        rows : ndarray of shape (k,), int
            Positions of its images.
        losses : ndarray of shape (k,)
            Their losses.
        right : ndarray of shape (k,), bool
            Whether their answers were right.
        """
        before = self.hardness[rows]
        self.hardness[rows] = np.where(np.isnan(before), losses, (before + losses) / 2)
        self.losses[rows], self.right[rows] = losses, right

    def averages(self, weights: NDArray[np.float64]) -> dict[str, float]:
        """Return the weighted mean loss and accuracy of the images when last seen.

        Parameters
        ----------
        weights : ndarray of shape (n,)
            Weights of the images.

        Returns
        -------
        dict
            ``loss`` and ``accuracy``, over the images seen so far.
        """
        seen = ~np.isnan(self.losses)
        return {
            "loss": float(np.average(self.losses[seen], weights=weights[seen])),
            "accuracy": float(np.average(self.right[seen], weights=weights[seen])),
        }

    def state(self) -> dict[str, NDArray[Any]]:
        """Return what :meth:`resume` needs, as arrays of the same shapes from the start."""
        return {
            "sampler_losses": self.losses,
            "sampler_right": self.right,
            "sampler_hardness": self.hardness,
        }

    def resume(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from where ``state`` was taken."""
        self.losses, self.right = state["sampler_losses"], state["sampler_right"]
        self.hardness = state["sampler_hardness"]
