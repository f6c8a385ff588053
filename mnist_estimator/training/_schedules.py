"""Learning rate schedules."""

import math
from collections.abc import Callable
from typing import Any, TypeAlias

from ..utils._quiet_tensorflow import keras

SCHEDULES = ("one_cycle", "cosine", "constant")

WARM_UP = 0.25
"""Share of the training over which "one_cycle" raises the learning rate."""


Schedule: TypeAlias = (
    str | Callable[[float], float] | keras.optimizers.schedules.LearningRateSchedule
)


def learning_rate_at(
    schedule: Schedule, largest: float, progress: float, step: int, usual: float
) -> float:
    """Return the learning rate of a training step.

    Parameters
    ----------
    schedule : str, callable or keras.optimizers.schedules.LearningRateSchedule
        See :func:`schedule_factor`; a schedule of Keras gives the rate by the number of the step.
    largest : float
        Largest learning rate, which a callback may have changed.
    progress : float in [0, 1]
        Share of the steps done.
    step : int
        Steps done.
    usual : float
        Largest learning rate without a callback: its change scales a schedule of Keras, too.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If a schedule of the user returns no finite number from 0 up.
    """
    if isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule):
        return _checked(schedule, schedule(step)) * largest / usual
    return largest * schedule_factor(schedule, progress)


def _checked(schedule: Any, rate: Any) -> float:
    """Return what a user's schedule returned, if it is a learning rate or a share of one."""
    try:
        number = float(rate)
    except (TypeError, ValueError):
        number = math.nan
    if not (math.isfinite(number) and number >= 0.0):
        raise ValueError(
            f"schedule must return a finite number from 0 up; {schedule!r:.100} returned "
            f"{number!r}."
        )
    return number


def schedule_factor(schedule: str | Callable[[float], float], progress: float) -> float:
    """Return the learning rate at a point of training, as a share of the largest one.

    Parameters
    ----------
    schedule : {"one_cycle", "cosine", "constant"} or callable
        A callable returns the share itself. "one_cycle" rises linearly over the first quarter and
        falls to zero along half a cosine (L. Smith, N. Topin, "Super-convergence", 2018);
        "cosine" only falls (I. Loshchilov, F. Hutter, "SGDR", 2017); "constant" does neither.
    progress : float in [0, 1]
        Share of the steps done.

    Returns
    -------
    float
        From 0 to 1, but for callables.
    """
    if callable(schedule):
        return _checked(schedule, schedule(progress))
    if schedule == "constant":
        return 1.0
    rise = WARM_UP if schedule == "one_cycle" else 0.0
    if progress < rise:
        return progress / rise
    fall = (progress - rise) / (1.0 - rise)
    return 0.5 * (1.0 + math.cos(math.pi * fall))
