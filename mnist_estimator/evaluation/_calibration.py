"""Calibration of confidence, and accuracy by the share of samples that are answered."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray


def calibration_table(
    correct: ArrayLike, confidence: ArrayLike, *, n_bins: int = 15
) -> pd.DataFrame:
    """Compute confidence and accuracy by bin of confidence.

    Parameters
    ----------
    correct : array-like of bool of shape (n_samples,)
        Whether each prediction is correct.
    confidence : array-like of float of shape (n_samples,)
        Probability of each predicted label, in [0, 1].
    n_bins : int, default=15
        Number of bins of equal width; each holds its upper edge.

    Returns
    -------
    DataFrame
        A row for each bin. Columns: ``low`` and ``high``, its edges; ``count``, its samples;
        ``confidence`` and ``accuracy``, their means, NaN without samples.

    Raises
    ------
    ValueError
        If the lengths differ or are 0, a confidence lies outside [0, 1], or
        `n_bins` is below 1.
    """
    is_correct, checked = _check_pairs(correct, confidence)
    # Probabilities in float32 may exceed 1 by a rounding error.
    if not ((checked >= 0) & (checked <= 1 + 1e-6)).all():
        raise ValueError(
            f"confidence must lie in [0, 1]; got values from {checked.min()} to {checked.max()}. "
            "Pass probabilities, not scores."
        )
    if n_bins < 1:
        raise ValueError(f"n_bins must be at least 1; got {n_bins}. The default is 15.")
    edges = np.linspace(0, 1, n_bins + 1)
    bins = np.searchsorted(edges[1:-1], checked, side="left")
    counts = np.bincount(bins, minlength=n_bins)
    means = [
        np.divide(
            np.bincount(bins, weights=values, minlength=n_bins),
            counts,
            out=np.full(n_bins, np.nan),
            where=counts > 0,
        )
        for values in (checked, is_correct)
    ]
    return pd.DataFrame(
        {
            "low": edges[:-1],
            "high": edges[1:],
            "count": counts,
            "confidence": means[0],
            "accuracy": means[1],
        }
    )


def coverage_table(correct: ArrayLike, score: ArrayLike) -> pd.DataFrame:
    """Compute the accuracy among the samples that each threshold accepts.

    Parameters
    ----------
    correct : array-like of bool of shape (n_samples,)
        Whether each prediction is correct.
    score : array-like of float of shape (n_samples,)
        Confidence, such as the probability of the predicted label.

    Returns
    -------
    DataFrame
        A row for each score that occurs, highest first. Columns: ``threshold``, the score;
        ``coverage``, the share of samples with this score or a higher one; ``accuracy``, the
        share of correct predictions among those.

    Raises
    ------
    ValueError
        If the lengths differ or are 0.
    """
    is_correct, scores = _check_pairs(correct, score)
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    ends = np.flatnonzero(np.append(falling[1:] < falling[:-1], True))
    return pd.DataFrame(
        {
            "threshold": falling[ends],
            "coverage": (ends + 1) / len(falling),
            "accuracy": np.cumsum(is_correct[order])[ends] / (ends + 1),
        }
    )


def _check_pairs(
    correct: ArrayLike, confidence: ArrayLike
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    is_correct, values = np.asarray(correct, dtype=bool), np.asarray(confidence, dtype=float)
    if is_correct.shape != values.shape or is_correct.ndim != 1 or is_correct.size == 0:
        raise ValueError(
            "correct and confidence must be one-dimensional, of one length, at least 1; "
            f"got the shapes {is_correct.shape} and {values.shape}."
        )
    return is_correct, values


def expected_calibration_error(
    correct: ArrayLike, confidence: ArrayLike, *, n_bins: int = 15
) -> float:
    """Compute the expected calibration error: the mean gap between confidence and accuracy.

    The samples are put into bins of equal width by confidence. The result is the mean, over the
    samples, of abs(accuracy - mean confidence) of their bin.

    Parameters
    ----------
    correct : array-like of bool of shape (n_samples,)
        Whether each prediction is correct.
    confidence : array-like of float of shape (n_samples,)
        Probability of each predicted label, in [0, 1].
    n_bins : int, default=15
        Number of bins; each holds its upper edge.

    Returns
    -------
    float
        In [0, 1]; 0 for perfect calibration.

    Raises
    ------
    ValueError
        If the lengths differ or are 0, a confidence lies outside [0, 1], or
        `n_bins` is below 1.

    References
    ----------
    C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger: On Calibration of Modern
    Neural Networks. ICML 2017.

    Examples
    --------
    >>> round(expected_calibration_error([True, True, False, True], [0.9, 0.9, 0.9, 0.9]), 3)
    0.15
    """
    table = calibration_table(correct, confidence, n_bins=n_bins)
    filled = table[table["count"] > 0]
    gaps = (filled["accuracy"] - filled["confidence"]).abs()
    return float((gaps * filled["count"]).sum() / filled["count"].sum())
