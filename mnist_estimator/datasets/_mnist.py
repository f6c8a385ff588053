"""Load MNIST, verified by checksums."""

import os
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np

from ..utils._wording import shown
from ._image_bunch import ImageBunch
from ._sources import SUBSETS, find_reader, listed, remedy

_DESCR = """\
MNIST: handwritten digits
-------------------------

60,000 images for training and 10,000 for testing, 28 x 28 pixels of one grey
channel, from 0 (background) to 255 (ink); 10 classes, the digits 0 to 9, not
quite balanced; nothing is missing.

The digits were written by employees of the US Census Bureau and by high
school students, collected by NIST (Special Databases 3 and 1). Nobody who
wrote for the training set wrote for the test set. Each digit was scaled into
20 x 20 pixels and placed with its centre of mass in the middle of the image.

Copyright Yann LeCun and Corinna Cortes; a derivative work from original NIST
datasets, under the Creative Commons Attribution-Share Alike 3.0 licence,
https://creativecommons.org/licenses/by-sa/3.0/

Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, "Gradient-based learning applied
to document recognition", Proceedings of the IEEE 86(11), 2278-2324, 1998.
"""

WRITERS = Path(__file__).parent / "data" / "writers.npz"
"""The writer's number of each training image, from QMNIST's labels."""

_Subset = Literal["train", "test", "all"]
_Source = str | os.PathLike[str]


@overload
def load_mnist(
    subset: _Subset = ...,
    *,
    source: _Source = ...,
    return_X_y: Literal[True],
    as_frame: bool = ...,
    return_groups: Literal[False] = ...,
) -> tuple[Any, Any]: ...


@overload
def load_mnist(
    subset: _Subset = ...,
    *,
    source: _Source = ...,
    return_X_y: Literal[True],
    as_frame: bool = ...,
    return_groups: Literal[True],
) -> tuple[Any, Any, Any]: ...


@overload
def load_mnist(
    subset: _Subset = ...,
    *,
    source: _Source = ...,
    return_X_y: Literal[False] = ...,
    as_frame: bool = ...,
    return_groups: bool = ...,
) -> ImageBunch: ...


@overload
def load_mnist(
    subset: _Subset = ...,
    *,
    source: _Source = ...,
    return_X_y: bool,
    as_frame: bool = ...,
    return_groups: bool = ...,
) -> ImageBunch | tuple[Any, Any] | tuple[Any, Any, Any]: ...


def load_mnist(
    subset: _Subset = "train",
    *,
    source: _Source = "bundled",
    return_X_y: bool = False,
    as_frame: bool = False,
    return_groups: bool = False,
) -> ImageBunch | tuple[Any, Any] | tuple[Any, Any, Any]:
    """Load the MNIST handwritten digits.

    Whatever the source, each array is compared with the SHA-256 of the
    original file, so the result is identical to MNIST, in the
    original order. The arrays belong to the caller, who may change them.

    Parameters
    ----------
    subset : {"train", "test", "all"}, default="train"
        The 60,000 images of the training set, the 10,000 of the test set, or
        both, the training set first.
    source : {"bundled", "keras", "openml"} or path-like, default="bundled"
        - "bundled": the copy that comes with this package; needs no network.
        - "keras": ``keras.datasets.mnist.load_data``, or its cached file. A
          cached file that isn't MNIST is removed and downloaded again.
        - "openml": ``sklearn.datasets.fetch_openml("mnist_784", version=1)``;
          from its cache if it is there; even then 5 s and 1.2 GB of memory.
        - the path of an ``mnist.npz`` as Keras has it, or of a folder with the
          IDX files (``train-images-idx3-ubyte`` and so on, also written
          ``train-images.idx3-ubyte``), gzipped or not. A path-like object is
          always taken as a path, also where a string would be one of the names.
    return_X_y : bool, default=False
        If True, return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        If True, ``data`` is a pandas DataFrame and ``target`` a Series.
    return_groups : bool, default=False
        If True, the numbers of the writers are returned, too, for ``GroupKFold`` and its like: in
        the Bunch as ``groups``, after ``target`` if ``return_X_y=True``. For the training set only.

    Returns
    -------
    mnist : :class:`~sklearn.utils.Bunch`
        Prints in a few lines. With n = 60000, 10000 or 70000 images:

        data : ndarray or DataFrame of shape (n, 784), uint8
            One image a row, C-contiguous, 0 (background) to 255 (ink).
        images : ndarray of shape (n, 28, 28), uint8
            The same pixels as images: a view of the same memory.
        target : ndarray or Series of shape (n,), int64
            The digits, 0 to 9.
        feature_names : list of str
            "pixel1" to "pixel784", the names that OpenML uses.
        target_names : ndarray of shape (10,), str
            "0" to "9".
        frame : DataFrame of shape (n, 785) or None
            ``data`` and ``target`` together, only if ``as_frame=True``.
        groups : ndarray or Series of shape (n,), int64
            The number of each image's writer, one of 539, only if ``return_groups=True``.
        DESCR : str
            Description of the data, with copyright, licence and reference.
        filename : str
            The file or folder that was read; for OpenML its cache.
        source : str
            The ``source`` asked for.
    (data, target) or (data, target, groups) : tuple
        If ``return_X_y=True``.

    Raises
    ------
    TypeError
        If a parameter is of the wrong type.
    ValueError
        If ``subset`` or ``source`` is not known, if the data are
        damaged or not MNIST, or if groups are asked for other images than those for training.
    FileNotFoundError
        If a file or folder is missing.
    ConnectionError
        If Keras or OpenML can't get the data; the cache is left without it.

    Notes
    -----
    The writers are those of QMNIST (C. Yadav and L. Bottou, "Cold case: the lost MNIST digits",
    NeurIPS 2019), which found for each image of MNIST the one of NIST's that it was made of.

    Examples
    --------
    >>> from mnist_estimator import load_mnist
    >>> mnist = load_mnist("test")
    >>> mnist.data.shape, mnist.data.dtype
    ((10000, 784), dtype('uint8'))
    >>> mnist.target[:5]
    array([7, 2, 1, 0, 4])
    >>> X, y = load_mnist("train", return_X_y=True)
    >>> X.shape
    (60000, 784)
    """
    _check_subset(subset)
    _check_flag("return_X_y", return_X_y)
    _check_flag("as_frame", as_frame)
    _check_flag("return_groups", return_groups)
    if return_groups and subset != "train":
        raise ValueError(
            f'return_groups=True needs subset="train"; got subset={subset!r}. The writers of the '
            "test images are not in this package: none of them wrote for the training set."
        )
    arrays, path = find_reader(source)(SUBSETS[subset])
    data = np.concatenate(arrays[::2]).reshape(-1, 784)
    target = np.concatenate(arrays[1::2]).astype(np.int64)
    bunch = ImageBunch(
        data=data,
        images=data.reshape(-1, 28, 28),
        target=target,
        feature_names=[f"pixel{i}" for i in range(1, 785)],
        target_names=np.array([str(digit) for digit in range(10)]),
        frame=None,
        DESCR=_DESCR,
        filename=os.fspath(path),
        source=os.fspath(source),
    )
    if return_groups:
        with np.load(WRITERS) as archive:
            bunch.groups = archive["writers"].astype(np.int64)
    if as_frame:
        import pandas as pd

        bunch.data = pd.DataFrame(data, columns=bunch.feature_names)
        bunch.target = pd.Series(target, name="target")
        bunch.frame = pd.concat([bunch.data, bunch.target], axis=1)
        if return_groups:
            bunch.groups = pd.Series(bunch.groups, name="writer")
    if not return_X_y:
        return bunch
    if return_groups:
        return bunch.data, bunch.target, bunch.groups
    return bunch.data, bunch.target


def _check_subset(subset: Any) -> None:
    allowed = f"subset must be one of {listed(SUBSETS)}; got {shown(subset)}"
    if not isinstance(subset, str):
        raise TypeError(f"{allowed}, of type {type(subset).__name__}. Pass one of these strings.")
    if subset not in SUBSETS:
        raise ValueError(f"{allowed}. {remedy(subset, SUBSETS)}")


def _check_flag(name: str, value: Any) -> None:
    if not isinstance(value, bool | np.bool_):
        raise TypeError(
            f"{name} must be True or False; got {shown(value)}, of type {type(value).__name__}. "
            "Pass a bool."
        )
