"""Load MNIST from any of four kinds of source, and prove that it is MNIST."""

import difflib
import gzip
import hashlib
import io
import math
import os
import struct
import tempfile
import uuid
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple, overload

import numpy as np
import numpy.typing as npt
from sklearn.utils import Bunch


class _Array(NamedTuple):
    """One of the four arrays of MNIST, as the original IDX file has it."""

    key: str  # in mnist.npz
    stem: str  # of the IDX file's name
    shape: tuple[int, ...]
    sha256: str  # of the IDX file, uncompressed

    @property
    def header(self) -> list[int]:
        """The magic number (8: unsigned bytes; number of dimensions), then the shape."""
        return [0x0800 + len(self.shape), *self.shape]


_X_TRAIN_SHA256 = "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
_Y_TRAIN_SHA256 = "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"
_X_TEST_SHA256 = "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
_Y_TEST_SHA256 = "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"
_TRAIN = (
    _Array("x_train", "train-images", (60000, 28, 28), _X_TRAIN_SHA256),
    _Array("y_train", "train-labels", (60000,), _Y_TRAIN_SHA256),
)
_TEST = (
    _Array("x_test", "t10k-images", (10000, 28, 28), _X_TEST_SHA256),
    _Array("y_test", "t10k-labels", (10000,), _Y_TEST_SHA256),
)
_SUBSETS = {"train": _TRAIN, "test": _TEST, "all": _TRAIN + _TEST}

_BUNDLED = Path(__file__).with_name("data") / "mnist.npz"

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

_Subset = Literal["train", "test", "all"]
_Source = str | os.PathLike[str]
_Bytes = npt.NDArray[np.uint8]
_Wanted = Sequence[_Array]
_Read = tuple[list[_Bytes], Path]  # the arrays in the order wanted; where they lie


def _bad(path: Path, what: str) -> ValueError:
    remedy = (
        "Reinstall mnist_estimator"
        if path == _BUNDLED
        else "Replace it by a fresh copy, or use source='bundled'"
    )
    return ValueError(f"{path} {what}. {remedy}.")


def _verified(found: Mapping[str, Any], wanted: _Wanted, path: Path) -> _Read:
    """Return the arrays wanted if each is MNIST's to the last byte."""
    arrays = []
    for array in wanted:
        if array.key not in found:
            raise _bad(path, f"has no array {array.key!r}")
        values = np.ascontiguousarray(found[array.key])
        if values.shape != array.shape or values.dtype != np.uint8:
            raise _bad(
                path,
                f"holds {array.key} as {values.dtype} of shape {values.shape}, "
                f"but MNIST's is uint8 of shape {array.shape}",
            )
        digest = hashlib.sha256(struct.pack(f">{len(array.header)}I", *array.header))
        digest.update(values.data)
        if digest.hexdigest() != array.sha256:
            raise _bad(
                path,
                f"holds another {array.key} than MNIST's, damaged or of another data set: its "
                f"SHA-256 as IDX is {digest.hexdigest()}, expected {array.sha256}",
            )
        arrays.append(values)
    return arrays, path


def _read_npz(path: Path, wanted: _Wanted) -> _Read:
    try:
        content = path.read_bytes()  # first: what is raised below is the content's fault
    except FileNotFoundError:
        raise FileNotFoundError(str(_bad(path, "is missing"))) from None
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            found = {
                array.key: np.lib.format.read_array(
                    io.BytesIO(archive.read(f"{array.key}.npy")), allow_pickle=False
                )
                for array in wanted
                if f"{array.key}.npy" in archive.namelist()
            }
    except MemoryError:
        raise
    except Exception as error:  # from zipfile, zlib, bz2, lzma or NumPy
        raise _bad(
            path,
            f"can't be read as an .npz archive ({type(error).__name__}: {error}): it is damaged, "
            "cut short or no .npz at all (for IDX files pass their folder)",
        ) from error
    return _verified(found, wanted, path)


def _read_idx_folder(folder: Path, wanted: _Wanted) -> _Read:
    arrays = []
    for array in wanted:
        path = _find_idx(folder, array)
        verified, _ = _verified({array.key: _read_idx(path, array)}, [array], path)
        arrays += verified
    return arrays, folder


def _find_idx(folder: Path, array: _Array) -> Path:
    ending = f"idx{len(array.shape)}-ubyte"
    names = [f"{array.stem}{joint}{ending}{gz}" for gz in ("", ".gz") for joint in "-."]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(
        f"The folder {folder} has no {names[0]}, nor {', '.join(names[1:])}. "
        "Put the IDX files of MNIST there, pass the path of an mnist.npz, or use source='bundled'."
    )


def _read_idx(path: Path, array: _Array) -> _Bytes:
    start = 4 * len(array.header)
    size = start + math.prod(array.shape)
    content = _read_start(path, size + 1)
    if len(content) >= start:
        magic, *shape = struct.unpack(f">{len(array.header)}I", content[:start])
        if magic != array.header[0]:
            raise _bad(path, f"has the magic number {magic}, expected {array.header[0]}")
        if tuple(shape) != array.shape:
            raise _bad(path, f"has the dimensions {tuple(shape)}, expected {array.shape}")
    if len(content) < size:
        raise _bad(path, f"is truncated: it holds {len(content)} of {size} bytes")
    if len(content) > size:
        raise _bad(path, f"is longer than the {size} bytes that its header announces")
    return np.frombuffer(content, np.uint8, offset=start).reshape(array.shape)


def _read_start(path: Path, n_bytes: int) -> bytes:
    """Read up to ``n_bytes`` of a file, decompressed if it is gzipped."""
    with path.open("rb") as raw:
        start = raw.read(2)
        raw.seek(0)
        # By content before name: some browsers decompress and leave the name as it was.
        if start != b"\x1f\x8b" and (path.suffix != ".gz" or start == b"\0\0"):
            return raw.read(n_bytes)
        try:
            with gzip.open(raw) as unzipped:
                return unzipped.read(n_bytes)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise _bad(path, f"is a corrupt or truncated gzip file ({error})") from error


def _failed_download(source: str, call: str, error: Exception) -> ConnectionError:
    return ConnectionError(
        f"source={source!r}: {call} failed with {type(error).__name__}: {error}. The cache holds "
        "nothing of it. Check the connection and try again, or use source='bundled', which "
        "needs no network."
    )


def _read_keras(wanted: _Wanted) -> _Read:
    """Read Keras's cached file, or have Keras download it, under another name at first.

    Keras downloads straight to the final name, and leaves a file of the wrong
    hash there; it also deletes a good mnist.npz that was only packed otherwise.
    """
    import keras

    cached = _keras_cache() / "mnist.npz"
    if cached.is_file():
        try:
            return _read_npz(cached, wanted)
        except ValueError:
            cached.unlink()  # as Keras would, but only where the content is wrong
    part = cached.with_name(f"mnist-{uuid.uuid4().hex}.npz")
    try:
        try:
            (x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data(path=part.name)
        except Exception as error:  # Keras raises plain Exception
            raise _failed_download("keras", "keras.datasets.mnist.load_data", error) from error
        loaded = {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}
        verified = _verified(loaded, wanted, cached)
        if part.exists():
            part.replace(cached)
        return verified
    finally:
        part.unlink(missing_ok=True)


def _keras_cache() -> Path:
    """Return the folder where ``keras.utils.get_file`` puts data sets."""
    from keras.src.backend.config import keras_home  # Keras 3.15 has no public accessor

    home = Path(keras_home()).expanduser()
    if not os.access(home, os.W_OK):
        home = Path("/tmp" if os.path.isdir("/tmp") else tempfile.gettempdir(), ".keras")
    return home / "datasets"


def _read_openml(wanted: _Wanted) -> _Read:
    from sklearn.datasets import fetch_openml, get_data_home

    cache = Path(get_data_home()) / "openml"
    with _undone_on_failure(cache):
        try:
            fetched = fetch_openml(
                "mnist_784",
                version=1,
                as_frame=False,
                parser="auto",
                # Not "category" for the labels: scikit-learn 1.9.1 takes pandas 3.1's integer
                # categories for a corrupt file and deletes it (its issue 34892). To go with 1.9.
                read_csv_kwargs={"dtype": None},
            )
        except Exception as error:
            raise _failed_download(
                "openml", "fetch_openml('mnist_784', version=1)", error
            ) from error
        pixels, labels = np.asarray(fetched.data), np.asarray(fetched.target)
        if pixels.shape != (70000, 784) or labels.shape != (70000,):
            raise _bad(cache, f"holds mnist_784 in the shapes {pixels.shape} and {labels.shape}")
        # OpenML has the training set, then the test set, each in the original order.
        images = pixels.astype(np.uint8).reshape(-1, 28, 28)
        labels = labels.astype(np.uint8)
        loaded = {
            "x_train": images[:60000],
            "y_train": labels[:60000],
            "x_test": images[60000:],
            "y_test": labels[60000:],
        }
        return _verified(loaded, wanted, cache)


@contextmanager
def _undone_on_failure(cache: Path) -> Iterator[None]:
    """Remove what a failed ``fetch_openml`` has added to its cache.

    A reply cut short is cached like any other: the check comes after the rename.
    """
    before = _openml_files(cache)
    try:
        yield
    except BaseException:
        for path, stamp in _openml_files(cache).items():
            if before.get(path) != stamp:
                path.unlink(missing_ok=True)
        raise


def _openml_files(cache: Path) -> dict[Path, tuple[int, int]]:
    """Find the cached files of mnist_784: data set 554, in file 52667."""
    return {
        path: (path.stat().st_mtime_ns, path.stat().st_size)
        for path in cache.rglob("*.gz")
        if "mnist_784" in path.relative_to(cache).as_posix() or path.stem in ("554", "52667")
    }


@overload
def load_mnist(
    subset: _Subset = ...,
    *,
    source: _Source = ...,
    return_X_y: Literal[True],
    as_frame: bool = ...,
) -> tuple[Any, Any]: ...


@overload
def load_mnist(
    subset: _Subset = ..., *, source: _Source = ..., return_X_y: bool = ..., as_frame: bool = ...
) -> Bunch: ...


def load_mnist(
    subset: _Subset = "train",
    *,
    source: _Source = "bundled",
    return_X_y: bool = False,
    as_frame: bool = False,
) -> Bunch | tuple[Any, Any]:
    """Load the MNIST handwritten digits.

    Whatever the source, each array is compared with the SHA-256 of the
    original file, so what is returned is MNIST to the last byte, in the
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

    Returns
    -------
    mnist : :class:`~sklearn.utils.Bunch`
        With n = 60000, 10000 or 70000 images:

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
        DESCR : str
            What the data are, with copyright, licence and reference.
        filename : str
            The file or folder that was read; for OpenML its cache.
        source : str
            The ``source`` asked for.
    (data, target) : tuple
        If ``return_X_y=True``.

    Raises
    ------
    TypeError
        If a parameter is of the wrong type.
    ValueError
        If ``subset`` or ``source`` is not known, or if what was read is
        damaged or not MNIST.
    FileNotFoundError
        If a file or folder is missing.
    ConnectionError
        If Keras or OpenML can't get the data; the cache is left without it.

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
    arrays, path = _find_reader(source)(_SUBSETS[subset])
    data = np.concatenate(arrays[::2]).reshape(-1, 784)
    target = np.concatenate(arrays[1::2]).astype(np.int64)
    bunch = Bunch(
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
    if as_frame:
        import pandas as pd

        bunch.data = pd.DataFrame(data, columns=bunch.feature_names)
        bunch.target = pd.Series(target, name="target")
        bunch.frame = pd.concat([bunch.data, bunch.target], axis=1)
    return (bunch.data, bunch.target) if return_X_y else bunch


_SOURCES: dict[str, Callable[[_Wanted], _Read]] = {
    "bundled": lambda wanted: _read_npz(_BUNDLED, wanted),
    "keras": _read_keras,
    "openml": _read_openml,
}


def _find_reader(source: Any) -> Callable[[_Wanted], _Read]:
    allowed = (
        f"source must be one of {_listed(_SOURCES)}, or the path of an mnist.npz or of a folder "
        f"with the IDX files of MNIST; got {source!r}"
    )
    if not isinstance(source, str | os.PathLike):
        raise TypeError(f"{allowed}, of type {type(source).__name__}. Pass a string or a Path.")
    if isinstance(source, str) and source in _SOURCES:
        return _SOURCES[source]
    path = Path(source).expanduser()
    if source and path.is_dir():
        return lambda wanted: _read_idx_folder(path, wanted)
    if source and path.exists():
        return lambda wanted: _read_npz(path, wanted)
    if isinstance(source, str) and path.name == source and not path.suffix:
        raise ValueError(f"{allowed}, which is none of them. {_remedy(source, _SOURCES)}")
    raise FileNotFoundError(
        f"{allowed}, where there is no file or folder. Check the path, or use source='bundled'."
    )


def _check_subset(subset: Any) -> None:
    allowed = f"subset must be one of {_listed(_SUBSETS)}; got {subset!r}"
    if not isinstance(subset, str):
        raise TypeError(f"{allowed}, of type {type(subset).__name__}. Pass one of these strings.")
    if subset not in _SUBSETS:
        raise ValueError(f"{allowed}. {_remedy(subset, _SUBSETS)}")


def _check_flag(name: str, value: Any) -> None:
    if not isinstance(value, bool | np.bool_):
        raise TypeError(
            f"{name} must be True or False; got {value!r}, of type {type(value).__name__}. "
            "Pass a bool."
        )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names)


def _remedy(given: str, allowed: Iterable[str]) -> str:
    close = difflib.get_close_matches(given.lower(), allowed, n=1)
    return f"Did you mean {close[0]!r}?" if close else "Pass one of these."
