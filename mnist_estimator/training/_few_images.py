"""What "auto" means: how long to train and with what, by the number of images."""

import math
from typing import Any, NamedTuple

from ._data import resolve_batch_size


class Plan(NamedTuple):
    """A length of training by the number of images.

    Attributes
    ----------
    epochs : int
        Epochs of a large set.
    n_seen : int
        Fewest images to be seen in all epochs together.
    n_steps : int
        Most training steps for ``n_seen``.
    """

    epochs: int
    n_seen: int
    n_steps: int

    @property
    def enough(self) -> int:
        """Number of images from which on ``epochs`` epochs see ``n_seen`` images."""
        return math.ceil(self.n_seen / self.epochs)


PLANS = {"auto": Plan(22, 22 * 4096, 2000), "short": Plan(2, 2 * 10_000, 300)}
"""The meanings of the parameter ``epochs`` that are no numbers."""

PATIENCE = 10
"""Epochs without a better one among the 22 of a large set."""

FEW_AUGMENTATION, AUGMENTATION = "strong", "robust"
"""What ``augmentation="auto"`` means for few images, and else."""


FEW_BATCH, MIN_STEPS = 32, 4
"""Images of a step for few images, if an epoch then has so many steps: a step of 32 small images
takes hardly longer than one of 8."""


class Choices(NamedTuple):
    """What the parameters that may be "auto" mean in one fit; the names are theirs."""

    epochs: int
    batch_size: int
    augmentation: Any
    early_stopping: bool
    patience: int

    def of(self, estimator: Any) -> dict[str, Any]:
        """Return the choices that were not given as parameters of an estimator."""
        return {
            name: choice
            for name, choice in self._asdict().items()
            if getattr(estimator, name) in ("auto", *PLANS)
        }


def fewest_held_out_of(epochs: int | str, early_stopping: bool | str) -> int:
    """Return the number of images below which none are held out.

    Parameters
    ----------
    epochs : int, "auto" or "short"
    early_stopping : bool or "auto"

    Examples
    --------
    >>> from mnist_estimator.training._few_images import fewest_held_out_of
    >>> fewest_held_out_of("auto", "auto"), fewest_held_out_of("auto", True)
    (4096, 0)
    """
    is_auto = isinstance(epochs, str) and early_stopping == "auto"
    return PLANS[str(epochs)].enough if is_auto else 0


def choose(
    estimator: Any,
    n_images: int,
    n_training: int,
    *,
    has_validation: bool = False,
    adapts: bool = False,
) -> Choices:
    """Return what the parameters of a classifier mean for a number of images.

    A fit on few images takes more epochs than one on many: as many as see 90,112 images in all,
    as 22 epochs of 4,096 do, or take 2,000 steps. Their stronger augmentation keeps them from
    being learned by heart. Nothing is held out: an epoch that is chosen by three images is chosen
    by luck, and they are missing in training.

    Parameters
    ----------
    estimator : CNNClassifier
        With checked parameters.
    n_images : int
        Images given, before some are held out.
    n_training : int
        Images to train on.
    has_validation : bool, default=False
        Whether there are validation images.
    adapts : bool, default=False
        Whether a fitted network is adapted, which needs no more epochs than a large set.

    Returns
    -------
    Choices

    Notes
    -----
    The number of updates counts, not that of epochs: E. Hoffer, I. Hubara, D. Soudry, "Train
    longer, generalize better" (2017). A schedule by the size of the data, with thresholds, is the
    BiT-HyperRule of A. Kolesnikov and others, "Big Transfer (BiT)" (2020).

    Examples
    --------
    >>> from mnist_estimator import CNNClassifier
    >>> from mnist_estimator.training._few_images import choose
    >>> for n in (60_000, 1_000, 100):
    ...     print(*choose(CNNClassifier(), n, n))
    22 512 robust False 10
    63 32 strong False 29
    500 25 strong False 228
    """
    epochs, patience, augmentation = estimator.epochs, estimator.patience, estimator.augmentation
    batch_size = resolve_batch_size(estimator.batch_size, n_training)
    plan = PLANS[epochs] if isinstance(epochs, str) else None
    is_few = plan is not None and not adapts and n_images < plan.enough
    if is_few and estimator.batch_size == "auto":
        batch_size = max(batch_size, min(FEW_BATCH, math.ceil(n_training / MIN_STEPS)))
    if plan is not None:
        epochs = plan.epochs
        if is_few:
            steps_per_epoch = math.ceil(n_training / batch_size)
            wanted = min(plan.n_seen / n_training, plan.n_steps / steps_per_epoch)
            epochs = max(epochs, math.ceil(wanted))
    if patience == "auto":  # the same share of the epochs, if they are more
        share = epochs / PLANS["auto"].epochs if is_few else 1.0
        patience = math.ceil(PATIENCE * max(1.0, share))
    if isinstance(augmentation, str) and augmentation == "auto":
        augmentation = FEW_AUGMENTATION if is_few else AUGMENTATION
    stops = has_validation if estimator.early_stopping == "auto" else estimator.early_stopping
    return Choices(epochs, batch_size, augmentation, bool(stops), patience)
