"""Checkpoints: the state of a fit on disk after each epoch, so that it can be resumed."""

import contextlib
import hashlib
import io
import json
import math
import os
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from .._version import __version__
from ..network._architecture import plain
from ..network._functions import resolve_precision
from ..network._keras_config import KerasConfig
from ..network._network import Network
from ..utils._output_files import atomic_write
from ..utils._quiet_tensorflow import keras, tf
from ..utils._wording import counted
from ._data import Samples

try:
    import fcntl
except ImportError:  # Windows, which opens no folders: there is no lock there
    fcntl = None  # type: ignore[assignment]

NAME = "checkpoint.npz"
UNINVOLVED = {
    "checkpoint_dir", "random_state", "test_time_shift", "verbose", "warm_start",
}  # fmt: skip
"""Parameters that do not change the weights, or only by something else that is compared."""
SEED = "the seed drawn from random_state"
BLOCK = 2**24
"""Bytes hashed at once, about."""

Arrays = dict[str, NDArray[Any]]
Identity = dict[str, Any]


class Checkpoint:
    """The state of one fit, in a folder that is locked for other fits.

    The file is replaced, never changed: whenever the process dies, the old or the new file is
    complete.

    Parameters
    ----------
    folder : str or os.PathLike
        An existing folder.

    Attributes
    ----------
    path : pathlib.Path
        The file.
    n_epochs : int or None
        Finished epochs of the state in the file; None without a file.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        If there is no such folder.
    BlockingIOError
        If another fit uses the folder.
    ValueError
        If the file is damaged, or not a checkpoint.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.path = Path(folder) / NAME
        self.n_epochs: int | None = None
        self._beside = self.path.with_suffix(".new")
        self._identity: Identity = {}
        self._warned = False
        self._handle = _lock(Path(folder))
        try:
            self._found = self._read() if self.path.exists() else None
        except BaseException:
            self.close()
            raise

    @property
    def seed(self) -> int | None:
        """The seed of the unfinished fit in the file; None if there is none."""
        return None if self._found is None else self._identity["parameters"][SEED]

    def identify(self, identity: Identity) -> None:
        """Set the identity of this fit, and compare it with that of the file.

        Parameters
        ----------
        identity : dict
            From :func:`identity_of`.

        Raises
        ------
        ValueError
            If the file is that of another fit; the message names the differences.
        """
        if self._found is None:
            self._identity = identity
            return
        was, now = self._identity, identity
        names = [*now["parameters"], *(was["parameters"].keys() - now["parameters"].keys())]
        differences = [
            f"{name} was {was['parameters'].get(name)} and is {now['parameters'].get(name)} now"
            for name in names
            if was["parameters"].get(name) != now["parameters"].get(name)
        ]
        differences += [
            f"{name} holds other data"
            for name, value in now["data"].items()
            if was["data"].get(name) != value
        ]
        if not differences and was["start"] != now["start"]:
            differences.append("the network to start from has other weights")
        if differences:
            raise ValueError(
                f"checkpoint_dir={str(self.path.parent)!r} holds the checkpoint of another fit, "
                f"which was not finished ({counted(self.n_epochs or 0, 'epoch')} done): "
                f"{'; '.join(differences)}. "
                f"To go on with that fit, repeat it as it was. To begin this one, delete "
                f"{str(self.path)!r} or pass another folder."
            )

    def begin(self, state: Arrays) -> Arrays | None:
        """Write a first file, and a second one beside it, so that lack of space shows at once.

        Parameters
        ----------
        state : dict of arrays
            The state before the first epoch, as :meth:`save` takes it.

        Returns
        -------
        dict of arrays or None
            The state to resume from, if there was a file.

        Raises
        ------
        OSError
            If the folder cannot be written to, or is full.
        ValueError
            If the file holds other arrays.
        """
        found = self._found
        if found is not None and _shapes(found) != _shapes(state):
            raise self._unreadable("its arrays are not those of this network and these data")
        try:
            if found is None:
                self._write(state)
            self._write(state if found is None else found)
        except OSError as error:
            if found is None:
                self.path.unlink(missing_ok=True)
            raise OSError(
                error.errno,
                f"checkpoint_dir={str(self.path.parent)!r} cannot take a checkpoint: "
                f"{error.strerror}. It must be writable and have room for two files of "
                f"{_size(state)}. See to that, or pass another folder.",
            ) from error
        return found

    def save(self, state: Arrays) -> None:
        """Write the state after an epoch; if that fails, warn once and keep the last file.

        Parameters
        ----------
        state : dict of arrays
            Without objects; ``n_epochs`` is the number of finished epochs.
        """
        try:
            self._write(state)
        except OSError as error:
            if not self._warned:
                warnings.warn(
                    f"The checkpoint after epoch {state['n_epochs']} could not be written to "
                    f"{str(self.path.parent)!r}: {error.strerror}. Training goes on, and each "
                    f"epoch tries again; until then, {NAME!r} stays as of "
                    f"{counted(self.n_epochs or 0, 'epoch')}. "
                    "See to room and rights there.",
                    UserWarning,
                    stacklevel=2,
                )
            self._warned = True

    def resume_note(self) -> str:
        """Return how an interrupted fit is resumed, for a message."""
        return (
            f"{str(self.path)!r} stays as of {self.n_epochs} finished epochs; the same fit goes on "
            "from there."
        )

    def warn_of_callbacks(self, stacklevel: int) -> None:
        """Warn that callbacks of a resumed fit start anew."""
        if self.n_epochs:
            warnings.warn(
                f"The fit goes on from its checkpoint, but callbacks begin anew in epoch "
                f"{self.n_epochs + 1}: one that remembers earlier epochs may act otherwise. "
                f"To train from the start, delete {str(self.path)!r}.",
                UserWarning,
                stacklevel=stacklevel + 1,
            )

    def remove(self) -> None:
        """Delete the file at the end of the fit."""
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Unlock the folder."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _read(self) -> Arrays:
        """Return the state in the file."""
        content = io.BytesIO(self.path.read_bytes())
        try:
            with zipfile.ZipFile(content):
                content.seek(0)  # it is a zip file, not another kind that NumPy reads
            with np.load(content, allow_pickle=False) as archive:
                state = dict(archive)
            self._identity = json.loads(str(state.pop("identity")))
            self.n_epochs = int(state["n_epochs"])
        except Exception as error:  # NumPy and zipfile raise many kinds
            raise self._unreadable(str(error)) from error
        return state

    def _unreadable(self, reason: str) -> ValueError:
        return ValueError(
            f"checkpoint_dir={str(self.path.parent)!r} holds a file {NAME!r} that is damaged or no "
            f"checkpoint ({reason}). Delete it to begin anew, or pass another folder."
        )

    def _write(self, state: Arrays) -> None:
        """Replace the file atomically."""
        content = io.BytesIO()
        arrays: dict[str, Any] = {"identity": np.array(json.dumps(self._identity)), **state}
        np.savez(content, **arrays)
        with atomic_write(self.path, beside=self._beside) as file:
            file.write_bytes(content.getbuffer())
        self.n_epochs = int(state["n_epochs"])


@contextlib.contextmanager
def open_checkpoint(folder: str | os.PathLike[str] | None) -> Iterator[Checkpoint | None]:
    """Open the checkpoint of a fit while the block runs.

    Parameters
    ----------
    folder : str, os.PathLike or None
        The parameter ``checkpoint_dir``; None gives None.
    """
    if folder is None:
        yield None
        return
    checkpoint = Checkpoint(folder)
    try:
        yield checkpoint
    except FloatingPointError:
        checkpoint.remove()  # the same fit would diverge again
        raise
    finally:
        checkpoint.close()


def identity_of(
    estimator: BaseEstimator,
    seed: int,
    samples: Samples,
    validation: Samples | None,
    network: Network,
    start: Sequence[tf.Variable],
) -> Identity:
    """Return everything on which the weights after a fit depend.

    Parameters
    ----------
    estimator : CNNClassifier
        Its parameters, except ``UNINVOLVED``, its classes, and the images it was fitted on before.
    seed : int
        Drawn from ``random_state``.
    samples : Samples
        What was given to ``fit``.
    validation : Samples or None
        Validation data given to ``fit``.
    network : Network
        The network before the first step, for the names of frozen layers.
    start : sequence of tf.Variable
        All variables that training changes, before the first step.

    Returns
    -------
    dict
        ``parameters``, with seed and versions; ``data`` and ``start`` as hashes.
    """
    given = estimator.get_params(deep=False)
    kinds = [callback if isinstance(callback, type) else type(callback)
             for callback in given["callbacks"] or ()]  # fmt: skip
    dtype, bfloat16 = resolve_precision(given["precision"])
    resolved = {
        "callbacks": [kind.__name__ for kind in kinds],
        "precision": "bfloat16" if bfloat16 else dtype,
    }
    architecture = {}
    if isinstance(network.config, KerasConfig):  # not the function that built it, nor its arguments
        text = network.config.for_tracing().architecture
        architecture = {"the network that model built": hashlib.sha256(text.encode()).hexdigest()}
        given = {name: value for name, value in given.items() if not name.startswith("model")}
    involved = {name: value for name, value in given.items() if name not in UNINVOLVED} | resolved
    weight, classes = samples.sample_weight, np.array(repr(estimator.classes_.tolist()))
    data: dict[str, list[Any]] = {
        "X": [samples.images],
        "y": [samples.labels, classes],
        "sample_weight": [] if weight is None else [np.asarray(weight)],
        "X_val": [] if validation is None else [validation.images],
        "y_val": [] if validation is None else [validation.labels],
    }
    return {
        "parameters": {
            **{name: _text(value) for name, value in sorted(involved.items())},
            SEED: seed,
            **architecture,
            # Names of Keras's own are numbered anew by each call of a builder.
            "the frozen layers": repr(network.frozen() if architecture else network.frozen_names()),
            "the number of images learned before": repr(estimator._n_learned),
            "the version of mnist_estimator": __version__,
            "the version of TensorFlow": tf.__version__,
            "the version of Keras": keras.__version__,
            "the version of NumPy": np.__version__,
        },
        "data": {name: digest(*values) for name, values in data.items()},
        "start": digest(*(variable.numpy() for variable in start)),
    }


def _text(value: Any) -> str:
    """Return a parameter as text that does not depend on the types of its containers."""
    if isinstance(value, keras.Optimizer | keras.optimizers.schedules.LearningRateSchedule):
        return f"{type(value).__name__}({value.get_config()})"
    if callable(value):
        return f"{value.__module__}.{getattr(value, '__qualname__', type(value).__qualname__)}"
    return repr(dict(value) if isinstance(value, Mapping) else plain(value))


def digest(*arrays: NDArray[Any]) -> str:
    """Return a hash of the dtypes, shapes and values of arrays.

    Parameters
    ----------
    *arrays : ndarray
        Without objects. They are read in blocks, so they may be memory-mapped.

    Returns
    -------
    str
        SHA-256, hexadecimal.

    Examples
    --------
    >>> import numpy as np
    >>> from mnist_estimator.training._checkpoint import digest
    >>> digest(np.arange(6)) == digest(np.arange(12)[:6])
    True
    >>> digest(np.arange(6)) == digest(np.arange(6).reshape(2, 3))
    False
    """
    sink = hashlib.sha256()
    for array in arrays:
        sink.update(f"{array.dtype.str} {array.shape}".encode())
        rows = array if array.ndim else array[np.newaxis]
        size = max(1, BLOCK // max(1, rows.dtype.itemsize * math.prod(rows.shape[1:])))
        for start in range(0, len(rows), size):
            sink.update(rows[start : start + size].tobytes())
    return sink.hexdigest()


def _lock(folder: Path) -> int | None:
    """Lock a folder, as long as the returned handle is open; None where there are no locks."""
    if not folder.exists():
        raise FileNotFoundError(
            f"checkpoint_dir={str(folder)!r} does not exist. Create the folder first, or pass "
            "another one."
        )
    if not folder.is_dir():
        raise NotADirectoryError(
            f"checkpoint_dir={str(folder)!r} is no folder. Pass a folder; the file in it is "
            f"{NAME!r}."
        )
    if fcntl is None:
        return None
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise BlockingIOError(
            f"checkpoint_dir={str(folder)!r} is in use by another fit. Give each of the fits that "
            "run at the same time a folder of its own."
        ) from error
    except OSError:
        pass  # a file system without locks
    return handle


def _shapes(state: Arrays) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Return dtypes and shapes of all arrays but the history, which grows."""
    return {
        name: (array.dtype.str, array.shape)
        for name, array in state.items()
        if not name.startswith("history_")
    }


def _size(state: Arrays) -> str:
    return f"{sum(array.nbytes for array in state.values()) / 1024:,.0f} KiB"
