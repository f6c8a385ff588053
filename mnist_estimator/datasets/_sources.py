"""The sources of MNIST: four kinds, each verified by checksums."""

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
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..utils._idx import is_gzip, is_idx, read_idx_header
from ..utils._wording import shown


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
SUBSETS = {"train": _TRAIN, "test": _TEST, "all": _TRAIN + _TEST}

_BUNDLED = Path(__file__).with_name("data") / "mnist.npz"

_Bytes = npt.NDArray[np.uint8]
_Wanted = Sequence[_Array]
_Read = tuple[list[_Bytes], Path]  # the arrays in the order wanted; where they lie


def _bad(path: Path, what: str) -> ValueError:
    cure = (
        "Reinstall mnist_estimator"
        if path == _BUNDLED
        else "Replace it by a fresh copy, or use source='bundled'"
    )
    return ValueError(f"{path} {what}. {cure}.")


def _verified(found: Mapping[str, Any], wanted: _Wanted, path: Path) -> _Read:
    """Return the requested arrays after a check of their checksums."""
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
            for array in wanted:
                _refuse_bomb(archive, array)
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


def _refuse_bomb(archive: zipfile.ZipFile, array: _Array) -> None:
    """Refuse a member that would be unpacked to far more than the array has."""
    size, most = math.prod(array.shape), 2**16
    for info in archive.infolist():
        if info.filename == f"{array.key}.npy" and info.file_size > 8 * size + most:
            raise ValueError(f"{info.filename} has {info.file_size} bytes, and MNIST's {size}")


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
        magic = int.from_bytes(content[:4])
        if magic != array.header[0]:
            raise _bad(path, f"has the magic number {magic}, expected {array.header[0]}")
        _, shape = read_idx_header(io.BytesIO(content))
        if shape != array.shape:
            raise _bad(path, f"has the dimensions {shape}, expected {array.shape}")
    if len(content) < size:
        raise _bad(path, f"is truncated: it holds {len(content)} of {size} bytes")
    if len(content) > size:
        raise _bad(path, f"is longer than the {size} bytes that its header announces")
    return np.frombuffer(content, np.uint8, offset=start).reshape(array.shape)


def _read_start(path: Path, n_bytes: int) -> bytes:
    """Return the first ``n_bytes`` of a file, decompressed if it is a gzip file."""
    with path.open("rb") as raw:
        gzipped = is_gzip(raw)
        # By content before name: some browsers decompress and leave the name as it was.
        if not gzipped and (path.suffix != ".gz" or is_idx(raw.read(4))):
            raw.seek(0)
            return raw.read(n_bytes)
        raw.seek(0)
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
    from ..utils._quiet_tensorflow import keras

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
    from ..utils._keras_compat import keras_home

    home = keras_home()
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
    """Remove the files that a failed ``fetch_openml`` added to its cache.

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


_SOURCES: dict[str, Callable[[_Wanted], _Read]] = {
    "bundled": lambda wanted: _read_npz(_BUNDLED, wanted),
    "keras": _read_keras,
    "openml": _read_openml,
}


def find_reader(source: Any) -> Callable[[_Wanted], _Read]:
    """Return the reader for the ``source`` of ``load_mnist``.

    Parameters
    ----------
    source : "bundled", "keras", "openml" or path-like
        As ``load_mnist`` takes it.

    Returns
    -------
    callable
        Takes entries of ``SUBSETS``; returns their arrays, verified, and the
        path that they were read from.

    Raises
    ------
    TypeError, ValueError, FileNotFoundError
        If ``source`` is none of these.
    """
    allowed = (
        f"source must be one of {listed(_SOURCES)}, or the path of an mnist.npz or of a folder "
        f"with the IDX files of MNIST; got {shown(source)}"
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
        raise ValueError(f"{allowed}, which is none of them. {remedy(source, _SOURCES)}")
    raise FileNotFoundError(
        f"{allowed}, where there is no file or folder. Check the path, or use source='bundled'."
    )


def listed(names: Iterable[str]) -> str:
    """Return the names allowed, for an error."""
    return ", ".join(repr(name) for name in names)


def remedy(given: str, allowed: Iterable[str]) -> str:
    """Return the remedy for an error: the nearest name, if one is near."""
    close = difflib.get_close_matches(given.lower(), allowed, n=1)
    return f"Did you mean {close[0]!r}?" if close else "Pass one of these."
