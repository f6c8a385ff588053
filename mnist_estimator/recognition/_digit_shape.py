"""Whether an image has the shape of a digit, or that of a letter or another sign."""

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

WEIGHTS = Path(__file__).parent / "data" / "digit_shape.npz"
"""Made by examples/letters/train.py."""
N_ORIENTATIONS = 8
CELL = 4
"""Pixels between the middles of the cells that gradients are pooled in."""
BATCH = 1024
"""Images whose features are computed at a time."""
SUREST = 8.0
"""Maximum log-odds, either way: the network is no surer than that on hands it never saw."""


def digit_log_odds(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the log-odds that images show a digit and not something else.

    Parameters
    ----------
    images : ndarray of shape (n, 28, 28), uint8
        In MNIST's format.

    Returns
    -------
    ndarray of shape (n,), float64
        From -8 to 8.

    Notes
    -----
    A perceptron of one hidden layer on :func:`shape_features`, with a class for each digit and one
    for everything else. It was trained on digits, letters and signs of fonts, single-stroke fonts
    and MNIST's training images (outlier exposure: D. Hendrycks et al., "Deep anomaly detection
    with outlier exposure", 2019), and knows nothing of the classifier of the digits.
    """
    odds = [_log_odds(images[i : i + BATCH]) for i in range(0, len(images), BATCH)]
    return np.concatenate(odds) if odds else np.empty(0)


def _log_odds(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    first, first_bias, last, last_bias = _weights()
    hidden = np.maximum(shape_features(images) @ first + first_bias, 0.0)
    logits = (hidden @ last + last_bias).astype(np.float64)
    other = logits[:, -1]
    top = logits[:, :-1].max(axis=1)
    digit = top + np.log(np.exp(logits[:, :-1] - top[:, None]).sum(axis=1))
    return np.clip(digit - other, -SUREST, SUREST)


def shape_features(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return histograms of oriented gradients, and the pixels at half the resolution.

    Parameters
    ----------
    images : ndarray of shape (n, 28, 28), uint8

    Returns
    -------
    ndarray of shape (n, 588), float32

    Notes
    -----
    N. Dalal and B. Triggs, "Histograms of oriented gradients for human detection" (2005), with
    signed gradients, cells that overlap by half, and one norm for the whole image.
    """
    values = images.astype(np.float32) / 255.0
    down, across = np.gradient(values, axis=(1, 2))
    strength = np.hypot(down, across) + 1e-6
    pool = _pooling()
    channels = []
    for angle in np.arange(N_ORIENTATIONS) * (2 * np.pi / N_ORIENTATIONS):
        along = np.maximum(np.float32(np.cos(angle)) * across + np.float32(np.sin(angle)) * down, 0)
        channels.append(pool @ (along * along / strength) @ pool.T)
    cells = np.stack(channels, axis=1).reshape(len(images), -1)
    cells = np.sqrt(cells / (cells.mean(axis=1, keepdims=True) + 1e-6))
    half = values.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4)).reshape(len(images), -1)
    return np.concatenate([cells, half], axis=1)


@cache
def _pooling() -> NDArray[np.float32]:
    """Return the weights of 28 pixels in 7 cells: triangles."""
    middles = np.arange(28 // CELL) * CELL + (CELL - 1) / 2
    away = np.abs(np.arange(28) - middles[:, None])
    return np.clip(1.0 - away / CELL, 0.0, None).astype(np.float32)


@cache
def _weights() -> list[NDArray[np.float32]]:
    with np.load(WEIGHTS, allow_pickle=False) as file:
        return [file[f"arr_{i}"].astype(np.float32) for i in range(4)]
