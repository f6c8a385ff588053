"""Learning rate schedules."""

import math

SCHEDULES = ("one_cycle", "cosine", "constant")

WARM_UP = 0.25
"""Share of the training over which "one_cycle" raises the learning rate."""


def schedule_factor(schedule: str, progress: float) -> float:
    """Return the learning rate at a point of training, as a share of the largest one.

    Parameters
    ----------
    schedule : {"one_cycle", "cosine", "constant"}
        "one_cycle" rises linearly over the first quarter and falls to zero along half a cosine
        (L. Smith, N. Topin, "Super-convergence", 2018); "cosine" only falls (I. Loshchilov,
        F. Hutter, "SGDR", 2017); "constant" does neither.
    progress : float in [0, 1]
        Share of the steps done.

    Returns
    -------
    float in [0, 1]
    """
    if schedule == "constant":
        return 1.0
    rise = WARM_UP if schedule == "one_cycle" else 0.0
    if progress < rise:
        return progress / rise
    fall = (progress - rise) / (1.0 - rise)
    return 0.5 * (1.0 + math.cos(math.pi * fall))
