"""The threshold of a reject option with a bounded error rate."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import beta

from ..utils._wording import shown


class OperatingPoint(NamedTuple):
    """The operating point of a classifier with a reject option."""

    threshold: float
    """Smallest score that is accepted; infinite if none is."""
    coverage: float
    """Share of the samples accepted, in [0, 1]."""
    error_rate: float
    """Share of mistakes among the accepted samples; NaN if there are none."""
    error_bound: float
    """Upper bound of the true error rate at the confidence level; NaN without samples."""


def choose_threshold(
    correct: ArrayLike,
    score: ArrayLike,
    *,
    error_rate: float = 0.005,
    confidence_level: float = 0.95,
) -> OperatingPoint:
    """Choose the lowest threshold whose error rate is bounded: selection with guaranteed risk.

    Parameters
    ----------
    correct : array-like of bool of shape (n_samples,)
        Whether each prediction is correct, on samples held out from training.
    score : array-like of float of shape (n_samples,)
        Confidence in each prediction, such as the largest probability. Samples with a
        score of minus infinity are never accepted.
    error_rate : float in (0, 1], default=0.005
        Allowed share of mistakes among accepted samples.
    confidence_level : float in (0, 1), default=0.95
        Probability, over the draw of the samples, that the bound holds.

    Returns
    -------
    OperatingPoint
        (threshold, coverage, error_rate, error_bound), the last three on these samples.
        The threshold is infinite if no bound is low enough.

    Raises
    ------
    ValueError
        If the lengths differ or are 0, a score is NaN, or a number is out of range.

    Notes
    -----
    Of the k samples with the highest scores, let e be mistaken. The bound is Clopper and
    Pearson's upper limit for the share e / k at the level 1 - δ / m, where δ is 1 -
    ``confidence_level``. The binary search over k examines m = ceil(log2(n)) thresholds; dividing
    δ by m corrects for the choice among them (union bound).

    References
    ----------
    Y. Geifman, R. El-Yaniv: Selective Classification for Deep Neural Networks. NeurIPS 2017,
    algorithm 2.

    Examples
    --------
    >>> import numpy as np
    >>> from mnist_estimator.uncertainty import choose_threshold
    >>> score = np.linspace(0, 1, 2001)
    >>> chosen = choose_threshold(score > 0.2, score, error_rate=0.01)
    >>> round(chosen.threshold, 3), chosen.error_bound < 0.01
    (0.198, True)
    """
    is_correct, scores = np.asarray(correct, dtype=bool), np.asarray(score, dtype=float)
    if is_correct.shape != scores.shape or is_correct.ndim != 1 or is_correct.size == 0:
        raise ValueError(
            "correct and score must be one-dimensional, of one length, at least 1; "
            f"got the shapes {is_correct.shape} and {scores.shape}."
        )
    if np.isnan(scores).any():
        raise ValueError("score must hold numbers; got NaN. Leave those samples out.")
    for name, value, allowed in (
        ("error_rate", error_rate, 0 < error_rate <= 1),
        ("confidence_level", confidence_level, 0 < confidence_level < 1),
    ):
        if not allowed:
            raise ValueError(f"{name} must be a share above 0 and at most 1; got {shown(value)}.")
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    n_wrong = np.cumsum(~is_correct[order])
    # A threshold accepts all samples of equal score, so only the last of them can be the end.
    ends = np.flatnonzero(np.append(falling[1:] < falling[:-1], True) & (falling > -np.inf))
    found = OperatingPoint(np.inf, 0.0, np.nan, np.nan)
    if error_rate == 1:  # nothing is asked, so nothing needs proof
        return OperatingPoint(-np.inf, 1.0, float(n_wrong[-1] / len(scores)), 1.0)
    n_tries = max(1, int(np.ceil(np.log2(len(ends) + 1))))
    level = 1 - (1 - confidence_level) / n_tries
    low, high = 0, len(ends) - 1
    while low <= high:
        middle = (low + high) // 2
        end = ends[middle]
        bound = _upper_limit(int(n_wrong[end]), int(end) + 1, level)
        if bound <= error_rate:
            kept = end + 1
            found = OperatingPoint(
                float(falling[end]), float(kept / len(scores)), float(n_wrong[end] / kept), bound
            )
            low = middle + 1
        else:
            high = middle - 1
    return found


def _upper_limit(n_wrong: int, n_samples: int, level: float) -> float:
    """Return Clopper and Pearson's one-sided upper limit of a share."""
    if n_wrong == n_samples:
        return 1.0
    return float(beta.ppf(level, n_wrong + 1, n_samples - n_wrong))
