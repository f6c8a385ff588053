"""What a network answers: logits, and probabilities after a second look where in doubt."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..utils._quiet_tensorflow import keras
from ..utils._tensorflow_process import check_process, is_cut_off, n_threads
from ._functions import (
    Architecture,
    as_tensor,
    batches_of,
    forward_function,
    prediction_dtype,
)
from ._model_changes import ensure_intact
from ._numpy_network import NumpyNetwork

DOUBTFUL, CERTAIN = 0.8, 0.9
"""The second look counts fully below the one probability, and not at all above the other."""

AT_ONCE = 256
"""Images that go through the network at once: more no longer fit the processor's caches."""

AT_A_TIME = 2
"""Batches under way at a time: while TensorFlow's threads share one, some have no part to do."""

SMALLEST_SHIFTED = 16
"""Pixels a side below which "auto" does not shift images: a pixel is too much of them."""


def predict_logits(
    model: keras.Model | NumpyNetwork, architecture: Architecture, images: Any
) -> np.ndarray:
    """Run a network over images, a batch at a time.

    Where TensorFlow would hang, in a process that was forked from one in which it had run, NumPy
    computes the answers.

    Parameters
    ----------
    model : keras.Model or NumpyNetwork
        From ``build_cnn`` with the arguments in ``architecture``.
    architecture : tuple of pairs
        From :func:`freeze`.
    images : ndarray of shape (n, height, width, channels), or Images
        Of any numeric dtype; read batch by batch, so it may be memory-mapped.

    Returns
    -------
    ndarray of shape (n, n_classes), of the dtype of :func:`prediction_dtype`

    Raises
    ------
    FloatingPointError
        If a logit is not finite.
    TypeError, ValueError
        If the network has been changed, so that it is no longer of this architecture.
    """
    batches = batches_of(len(images), architecture, AT_ONCE)
    if is_cut_off():
        answer = model if isinstance(model, NumpyNetwork) else _in_numpy(model, architecture)
        logits = np.concatenate([answer(images[rows]) for rows in batches])
        return _finite(logits)
    check_process()
    ensure_intact(model, architecture)
    forward, dtype = forward_function(architecture), prediction_dtype(architecture)

    def logits_of(rows: slice) -> np.ndarray:
        return forward(model, as_tensor(images[rows], dtype)).numpy()

    if len(batches) == 1:
        logits = logits_of(batches[0])
    else:
        with ThreadPoolExecutor(min(AT_A_TIME, n_threads())) as threads:
            logits = np.concatenate(list(threads.map(logits_of, batches)))
    return _finite(logits)


def _in_numpy(model: keras.Model, architecture: Architecture) -> NumpyNetwork:
    """Return a network without TensorFlow: its weights can be read in a fork."""
    weights = (variable.numpy() for variable in model.variables)
    return NumpyNetwork(architecture, [weight for weight in weights if weight.dtype.kind == "f"])


def _finite(logits: np.ndarray) -> np.ndarray:
    """Return logits; refuse those that are not finite."""
    if not np.isfinite(logits).all():
        raise FloatingPointError(
            "The network's answers are not finite: these images are far larger than those it "
            "learned from, or training diverged. Scale them as X was, or fit with a lower "
            "learning_rate."
        )
    return logits


def predict_probabilities(
    model: keras.Model | NumpyNetwork,
    architecture: Architecture,
    images: NDArray[Any],
    shift: int = 0,
) -> NDArray[np.float64]:
    """Return probabilities; those of doubtful images from the mean logits over small shifts.

    An image whose largest probability is not near 1 is looked at again, shifted by
    some pixels to each of the eight sides. These are few images, so it costs little;
    for the others the mean would tell the same.

    Parameters
    ----------
    model : keras.Model or NumpyNetwork
        From ``build_cnn`` with the arguments in ``architecture``.
    architecture : tuple of pairs
        From :func:`~mnist_estimator.network._functions.freeze`.
    images : ndarray of shape (n, height, width, channels)
        Of any numeric dtype.
    shift : int, default=0
        Pixels; at most the side counts. 0: nothing is looked at again.

    Returns
    -------
    ndarray of shape (n, n_classes), float64
        Rows sum to 1.

    Raises
    ------
    FloatingPointError
        If an answer is not finite.

    Notes
    -----
    Averaging over shifted views: A. Krizhevsky, I. Sutskever, G. Hinton, "ImageNet
    classification with deep convolutional neural networks" (2012). On digits held back the mean
    of the logits, the geometric one of the probabilities, was right more often than the
    arithmetic one.
    """
    logits = predict_logits(model, architecture, images)
    probabilities = _softmax(logits)
    if shift == 0:
        return probabilities
    largest = probabilities.max(axis=1)
    doubtful = np.flatnonzero(largest < CERTAIN)
    # By blocks, as the shifted images are copies.
    for block in batches_of(len(doubtful), architecture, AT_A_TIME * AT_ONCE // 8):
        rows = doubtful[block]
        views = _shifts(images[rows], shift)
        shifted = predict_logits(model, architecture, views).reshape(8, len(rows), -1)
        mean = _softmax((shifted.sum(axis=0) + logits[rows]) / 9)
        # A soft threshold, so that nothing jumps where rounding decides.
        share = np.clip((CERTAIN - largest[rows]) / (CERTAIN - DOUBTFUL), 0.0, 1.0)[:, np.newaxis]
        probabilities[rows] = share * mean + (1.0 - share) * probabilities[rows]
    return probabilities


def resolve_shift(test_time_shift: int | str, image_shape: tuple[int, int, int]) -> int:
    """Return the pixels that the ``test_time_shift`` parameter means.

    "auto" is 1, or 0 for images under 16 pixels high or wide.

    Examples
    --------
    >>> from mnist_estimator.network._inference import resolve_shift
    >>> resolve_shift("auto", (28, 28, 1)), resolve_shift("auto", (8, 8, 1))
    (1, 0)
    """
    if test_time_shift == "auto":
        return int(min(image_shape[:2]) >= SMALLEST_SHIFTED)
    return int(test_time_shift)


def _softmax(logits: NDArray[Any]) -> NDArray[np.float64]:
    values = logits.astype(np.float64)
    # SciPy's softmax takes a fifth as long as all else does for one image. In place, as there
    # may be millions.
    values -= values.max(axis=1, keepdims=True)
    np.exp(values, out=values)
    values /= values.sum(axis=1, keepdims=True)
    return values


def _shifts(images: NDArray[Any], shift: int) -> NDArray[Any]:
    """Return images shifted to the eight sides, side after side; edges are mirrored."""
    height, width = images.shape[1:3]
    down, right = min(shift, height), min(shift, width)
    padded = np.pad(images, ((0, 0), (down, down), (right, right), (0, 0)), mode="symmetric")
    sides = [(y, x) for y in (0, down, 2 * down) for x in (0, right, 2 * right)]
    del sides[4]  # where they are
    return np.concatenate([padded[:, y : y + height, x : x + width] for y, x in sides])
