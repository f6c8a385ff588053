"""Importance sampling: after the first epoch, images are drawn in proportion to their loss."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

FULL_EPOCHS = 1
"""First epochs, which take every image."""

MIN_EPOCH_SIZE = 4096
"""Fewest images of an epoch, if there are as many."""

MIN_SAMPLING_WEIGHT = 0.002
"""Added to every loss, so that no image has a sampling probability of zero."""

MISLABELLED_LOSS, MISLABELLED_WEIGHT = 3.0, 0.02
"""Losses above the first are multiplied by the second before sampling."""


def epoch_sizes(n_images: int, epochs: int, hard_fraction: float) -> list[int]:
    """Return the number of images of each epoch.

    Parameters
    ----------
    n_images : int
        Images to train on.
    epochs : int
        Number of epochs.
    hard_fraction : float in (0, 1]
        Share of the images that an epoch after the first takes; at least 4,096, or all.

    Returns
    -------
    list of int

    Examples
    --------
    >>> from mnist_estimator.training._sampling import epoch_sizes
    >>> epoch_sizes(60_000, 4, 0.25), epoch_sizes(1000, 3, 0.25)
    ([60000, 15000, 15000, 15000], [1000, 1000, 1000])
    """
    later = max(math.ceil(hard_fraction * n_images), min(n_images, MIN_EPOCH_SIZE))
    return [n_images if epoch < FULL_EPOCHS else later for epoch in range(epochs)]


def weighted_draw(
    weights: NDArray[np.float64], size: int, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Draw indices without replacement, one after the other in proportion to weights.

    Parameters
    ----------
    weights : ndarray of shape (n,)
        Above 0; infinite ones are drawn first.
    size : int
        Number of draws, at most n.
    generator : numpy.random.Generator

    Returns
    -------
    ndarray of shape (size,), int
        In arbitrary order.

    Notes
    -----
    With exponential keys: P. S. Efraimidis and P. G. Spirakis, "Weighted random sampling
    with a reservoir" (2006).
    """
    with np.errstate(over="ignore"):  # infinite keys come last
        keys = generator.exponential(size=len(weights)) / weights
    if size == len(weights):
        return np.arange(size)
    return np.argpartition(keys, size)[:size]


class Sampler:
    """Draws the images of each epoch by their losses so far.

    On an easy data set, most images are learned after one epoch, and further steps on them change
    little. So later epochs draw images without replacement, with probabilities in proportion to
    the running mean of their losses; hard images are trained on several times as often. Images
    with persistently high loss are treated as mislabelled and drawn like easy ones.

    The draws are not corrected by importance weights, which would lose most of the gain. So where
    labels are uncertain, rare outcomes are learned as more probable than they are.

    Parameters
    ----------
    n_images : int
        Images to train on.

    Attributes
    ----------
    losses : ndarray of shape (n_images,)
        Loss of each image in its last step; NaN before.
    correct : ndarray of shape (n_images,), bool
        Whether it was classified correctly then.
    hardness : ndarray of shape (n_images,)
        Running mean of its losses, in which the last one counts half; NaN before.

    Notes
    -----
    After I. Loshchilov and F. Hutter, "Online batch selection for faster training of neural
    networks" (2015), and A. H. Jiang and others, "Accelerating deep learning by focusing on the
    biggest losers" (2019).
    """

    def __init__(self, n_images: int) -> None:
        self.losses = np.full(n_images, math.nan)
        self.correct = np.zeros(n_images, dtype=bool)
        self.hardness = np.full(n_images, math.nan)

    def draw(self, size: int, generator: np.random.Generator) -> NDArray[np.int64]:
        """Return indices of images, in random order.

        Parameters
        ----------
        size : int
            Number of images: all, or fewer.
        generator : numpy.random.Generator

        Returns
        -------
        ndarray of shape (size,), int
        """
        n_images = len(self.losses)
        if size == n_images:
            return generator.permutation(n_images)
        is_mislabelled = self.hardness > MISLABELLED_LOSS
        hardness = np.where(is_mislabelled, MISLABELLED_WEIGHT * self.hardness, self.hardness)
        # Images without a loss, left over where a callback has cut an epoch short, come first.
        hardness = np.nan_to_num(hardness, nan=np.inf)
        return generator.permutation(weighted_draw(hardness + MIN_SAMPLING_WEIGHT, size, generator))

    def update(
        self, rows: NDArray[np.int64], losses: NDArray[np.float64], correct: NDArray[np.bool_]
    ) -> None:
        """Update losses after a step.

        Parameters
        ----------
        rows : ndarray of shape (k,), int
            Indices of the images of the step.
        losses : ndarray of shape (k,)
            Their losses.
        correct : ndarray of shape (k,), bool
            Whether they were classified correctly.
        """
        before = self.hardness[rows]
        self.hardness[rows] = np.where(np.isnan(before), losses, (before + losses) / 2)
        self.losses[rows], self.correct[rows] = losses, correct

    def averages(self, weights: NDArray[np.float64]) -> dict[str, float]:
        """Return the weighted mean loss and accuracy, each image as of its last step.

        Parameters
        ----------
        weights : ndarray of shape (n_images,)
            Weights of the images.

        Returns
        -------
        dict
            ``loss`` and ``accuracy``, over the images trained on so far.
        """
        seen = ~np.isnan(self.losses)
        return {
            "loss": float(np.average(self.losses[seen], weights=weights[seen])),
            "accuracy": float(np.average(self.correct[seen], weights=weights[seen])),
        }

    def state(self) -> dict[str, NDArray[Any]]:
        """Return ``losses``, ``correct`` and ``hardness``, by their names in a checkpoint."""
        return {
            "sampler_losses": self.losses,
            "sampler_right": self.correct,
            "sampler_hardness": self.hardness,
        }

    def resume(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Restore what :meth:`state` returned."""
        self.losses, self.correct = state["sampler_losses"], state["sampler_right"]
        self.hardness = state["sampler_hardness"]
