"""Occlusion maps: how a probability changes when a part of the image is covered."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..utils._displayed_images import as_images
from ..utils._fitted import find_image_shape
from ..utils._input_checks import check_count
from ..utils._predictions import predict, predict_proba
from ..utils._protocols import ProbabilisticClassifier
from ..utils._wording import shown

_BATCH_SIZE = 1024  # images


def occlusion_map(
    estimator: ProbabilisticClassifier,
    image: Any,
    *,
    label: Any = None,
    patch_size: int | None = None,
    image_shape: Any = None,
) -> NDArray[np.float64]:
    """Compute how much each pixel contributes to the probability of a label, by occlusion.

    A square filled with the image's median, for a digit the background, slides over the
    image. A pixel's value is the mean decrease of the label's probability over all squares
    that cover it.

    Parameters
    ----------
    estimator : fitted classifier
        With ``predict_proba``.
    image : array-like or DataFrame of one row
        One sample in the form that ``estimator`` takes, without the axis of samples: of shape
        (n_pixels,), (height, width) or (height, width, channels). Or a DataFrame of one row.
    label : object, default=None
        One of the estimator's ``classes_``. None: the predicted one, or the most probable one
        of a sample that is rejected.
    patch_size : int, default=None
        Side of the square in pixels. None: a sixth of the image's shorter side, at least 1.
    image_shape : sequence of int, default=None
        (height, width) or (height, width, channels) of a flat row. None takes the estimator's
        ``image_shape_`` if it has one, else a square.

    Returns
    -------
    ndarray of float of shape (height, width)
        In [-1, 1]. Positive where covering the pixel makes the label less probable
        (evidence for it), negative where it makes it more probable.

    Raises
    ------
    NotFittedError
        If ``estimator`` is not fitted.
    TypeError
        If ``estimator`` has no ``predict_proba``, or the pixels are not numbers.
    ValueError
        If ``image`` is not one image, ``label`` is not one of the classes, or ``patch_size``
        is out of range.

    References
    ----------
    M. Zeiler, R. Fergus: Visualizing and Understanding Convolutional Networks. ECCV 2014.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from mnist_estimator.evaluation import occlusion_map
    >>> X, y = load_digits(return_X_y=True)
    >>> model = LogisticRegression(max_iter=1000).fit(X / 16, y)
    >>> occlusion_map(model, X[0] / 16).shape
    (8, 8)
    """
    row = one_row(image)
    column, probability = label_probability(estimator, row, label)
    return map_label(estimator, row, column, probability, patch_size, image_shape)


def one_row(image: Any) -> Any:
    """Return a sample as X of one row."""
    row: Any = image if hasattr(image, "iloc") else np.asarray(image)[np.newaxis]
    if len(row) != 1:
        raise ValueError(f"image must be one image; got {len(row)}. Pass X.iloc[[i]].")
    return row


def map_label(
    estimator: ProbabilisticClassifier,
    row: Any,
    column: int,
    probability: float,
    patch_size: int | None = None,
    image_shape: Any = None,
) -> NDArray[np.float64]:
    """Compute an occlusion map of a label whose probability is known.

    Parameters
    ----------
    estimator, patch_size, image_shape
        See :func:`occlusion_map`.
    row : ndarray of shape (1, ...) or DataFrame of one row
        The sample.
    column : int
        Of the label in what ``predict_proba`` returns.
    probability : float
        Of the label for the sample, uncovered.

    Returns
    -------
    ndarray of float of shape (height, width)
    """
    values = np.asarray(row)
    if image_shape is None and values.ndim == 2:
        image_shape = find_image_shape(estimator, values.shape[1])
    picture = as_images(values, image_shape)[0]
    height, width = picture.shape[:2]
    if patch_size is None:
        patch_size = max(1, round(min(height, width) / 6))
    check_count(patch_size, "patch_size", 1, min(height, width))

    corners = [
        (top, left)
        for top in range(1 - patch_size, height)
        for left in range(1 - patch_size, width)
    ]
    pixels = picture.reshape(height * width, -1)
    if picture.dtype.kind in "iu" and picture.dtype.itemsize == 8:  # not all of them are floats
        fill = np.sort(pixels, axis=0)[(height * width - 1) // 2]
    else:
        fill = np.median(pixels, axis=0).astype(picture.dtype)
    fill = fill[0] if picture.ndim == 2 else fill
    drops = []
    for start in range(0, len(corners), _BATCH_SIZE):
        block = corners[start : start + _BATCH_SIZE]
        covered = np.repeat(picture[np.newaxis], len(block), axis=0)
        for view, (top, left) in zip(covered, block, strict=True):
            view[max(0, top) : top + patch_size, max(0, left) : left + patch_size] = fill
        flat: Any = covered.reshape(len(block), *values.shape[1:])
        if hasattr(row, "iloc"):
            flat = pd.DataFrame(flat, columns=row.columns)
        drops.append(probability - np.asarray(estimator.predict_proba(flat))[:, column])
    drop = np.concatenate(drops).reshape(height + patch_size - 1, width + patch_size - 1)
    # A pixel is covered by patch_size² squares: the mean over a window of their corners.
    windows = np.lib.stride_tricks.sliding_window_view(drop, (patch_size, patch_size))
    means: NDArray[np.float64] = windows.mean(axis=(2, 3), dtype=np.float64)
    return means


def label_probability(
    estimator: ProbabilisticClassifier, row: Any, label: Any
) -> tuple[int, float]:
    """Return the column and the probability of a label; None is the predicted one."""
    labels, proba, classes = None, None, None
    if label is None:
        _, labels, proba, classes, *_ = predict(estimator, row)
    if labels is None or proba is None or classes is None:
        proba, classes = predict_proba(estimator, row)
    label = labels[0] if label is None and labels is not None else label
    found = np.flatnonzero(classes == label)
    if len(found) == 0:
        raise ValueError(
            f"label must be one of {classes.tolist()[:20]}; got {shown(label)}. "
            "None takes the predicted one."
        )
    return int(found[0]), float(proba[0, found[0]])
