"""What identifies the training data: shape, dtype and SHA-256 of arrays."""

import hashlib
import math
import weakref
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK = 2**24
"""Bytes hashed at once, as arrays may be memory-mapped or scaled when they are read."""

SAMPLE = 500
"""Most rows of scaled images by which later changes to them are found."""


def fingerprint(array: Any, shape: tuple[int, ...] | None = None) -> dict[str, Any]:
    """Return shape, dtype and hash of an array.

    Parameters
    ----------
    array : ndarray or ScaledImages
        Memory-mapped or not. Objects are hashed as strings of NumPy.
    shape : tuple of int, default=None
        The shape to name; None: that of the array.

    Returns
    -------
    dict
        JSON values: ``shape``, a list; ``dtype``, such as ``"uint8"``; ``sha256``, hexadecimal,
        of the bytes in C order: ``hashlib.sha256(array.tobytes())``.

    Examples
    --------
    >>> import hashlib
    >>> import numpy as np
    >>> from mnist_estimator.utils._fingerprint import fingerprint
    >>> X = np.arange(6, dtype=np.uint8).reshape(2, 3)
    >>> fingerprint(X)["sha256"] == hashlib.sha256(X.tobytes()).hexdigest()
    True
    """
    if array.dtype.hasobject:
        array = array.astype(str)
    return {
        "shape": [int(side) for side in (array.shape if shape is None else shape)],
        "dtype": str(array.dtype),
        "sha256": _sha256(array),
    }


def remember_source(scaled: Any, source: NDArray[Any], shape: tuple[int, ...]) -> None:
    """Keep the fingerprint of the images that others were scaled from, while these live.

    Scaled images take four times the bytes, and users know the others.

    Parameters
    ----------
    scaled : ndarray or ScaledImages
        The scaled images.
    source : ndarray
        The images before scaling.
    shape : tuple of int
        Their shape as the user gave them.
    """
    known = _Source(scaled, fingerprint(source, shape))
    _sources[id(scaled)] = known
    weakref.finalize(scaled, _sources.pop, id(scaled), None).atexit = False


def source_fingerprint(X: Any, images: Any) -> dict[str, Any]:
    """Return the fingerprint of the images that X was scaled from, or of X.

    Parameters
    ----------
    X : array-like
        What was given to ``fit``. If it was changed in place since it was scaled, its own
        fingerprint is returned; changes of a few images among thousands are not noticed.
    images : ndarray or ScaledImages of shape (n, height, width, channels)
        The same, checked.

    Returns
    -------
    dict
        As :func:`fingerprint`.
    """
    known = _sources.get(id(X))
    if known is not None and known.is_unchanged(X):
        return dict(known.fingerprint)
    return fingerprint(images)


class _Source:
    """The fingerprint of the images that scaled ones were made from."""

    def __init__(self, scaled: Any, known: dict[str, Any]) -> None:
        self.fingerprint = known
        self._scaled = weakref.ref(scaled)
        self._sample = _sample(scaled)

    def is_unchanged(self, images: Any) -> bool:
        """Tell whether these are the scaled images, as they were."""
        return self._scaled() is images and _sample(images) == self._sample


_sources: dict[int, _Source] = {}


def _sample(images: Any) -> str:
    """Return the hash of some images, spread evenly."""
    return _sha256(np.asarray(images[:: max(1, math.ceil(len(images) / SAMPLE))]))


def _sha256(array: Any) -> str:
    sink = hashlib.sha256()
    if array.ndim == 0:
        array = array[np.newaxis]
    size = max(1, BLOCK // max(1, array.dtype.itemsize * math.prod(array.shape[1:])))
    for start in range(0, len(array), size):
        block = np.ascontiguousarray(array[start : start + size])
        sink.update(block.data if block.dtype.kind in "biuf" else block.tobytes())
    return sink.hexdigest()
