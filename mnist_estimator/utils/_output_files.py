"""Files that appear whole or not at all."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from ._wording import shown

PIPELINE_FILE = "digits.pipeline"
"""The fitted pipeline in the folder that a training on the command line wrote to."""


def pipeline_file(path: Path) -> Path:
    """Return the file of a pipeline that is named itself, or by the folder of a training."""
    inside = path / PIPELINE_FILE
    return inside if inside.is_file() else path


def file_path(path: str | os.PathLike[str], *, example: str) -> Path:
    """Return the parameter `path` of a function that writes a file, before any work is done.

    Parameters
    ----------
    path : path-like
        The file to write.
    example : str
        A usual name, for the error.

    Raises
    ------
    TypeError
        If `path` is no path.
    FileNotFoundError
        If the folder does not exist.
    IsADirectoryError
        If `path` is a folder.
    """
    if not isinstance(path, str | os.PathLike) or isinstance(os.fspath(path), bytes):
        raise TypeError(f'path must be a str or a path, such as "{example}"; got {shown(path)}.')
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"path must name a file in a folder that exists; got {str(path)!r}, and there is no "
            f"folder {str(path.parent)!r}. Create it first, e.g. with Path.mkdir(parents=True)."
        )
    if path.is_dir():
        raise IsADirectoryError(
            f"path must name a file; got the folder {str(path)!r}. Add a name, e.g. {example}."
        )
    return path


def check_writable(path: Path, *, inputs: tuple[Path, ...] = ()) -> None:
    """Refuse what cannot be written, before any work is done for it.

    Parameters
    ----------
    path : Path
        The file to write.
    inputs : tuple of Path, default=()
        Files that must not be overwritten.

    Raises
    ------
    OSError
        If the folder does not exist or takes no files, or `path` is a folder.
    ValueError
        If `path` is one of `inputs`.
    """
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder. Give the name of a file.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: there is no folder {path.parent}. Make it first.")
    if not os.access(path if _is_special(path) else path.parent, os.W_OK):
        raise PermissionError(f"{path} cannot be written to. Give another place.")
    for other in inputs:
        if path.exists() and other.exists() and path.samefile(other):
            raise ValueError(f"{path} is read from, too. Give another name for the output.")


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Give a name to write to, and make it `path` if the block succeeds.

    What was written is on the disk before it takes its place, and so outlives a power cut.

    Parameters
    ----------
    path : Path
        The file wanted; one that is there is replaced. Where a link leads to a file, that
        file is replaced. A device or a named pipe is written to straight away.

    Yields
    ------
    Path
        A name beside `path` that is not in use, gone after the block.
    """
    if _is_special(path):
        yield path
        return
    path = path.resolve()
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        yield partial
        _sync(partial)
        os.replace(partial, path)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # not every system lets folders be synced
        _sync(path.parent)


whole_file = atomic_write  # the name that export/_onnx.py uses


def _sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_special(path: Path) -> bool:
    """Tell whether there is something that must not be replaced, such as /dev/stdout."""
    return path.exists() and (not path.is_file() or path.parts[:2] == ("/", "dev"))
