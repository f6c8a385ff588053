"""Output files: their paths, and atomic writes."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ._wording import shown

PIPELINE_FILE = "digits.pipeline"
"""File name of the fitted pipeline in the folder that the command ``train`` writes."""


def pipeline_file(path: Path) -> Path:
    """Return the file of a pipeline, given its path or that of the folder of a training."""
    inside = path / PIPELINE_FILE
    return inside if inside.is_file() else path


def as_path(path: Any, *, example: str, name: str = "path") -> Path:
    """Return a parameter that names a file as a ``Path``.

    Parameters
    ----------
    path : str or path-like
        The parameter.
    example : str
        A usual file name, for the error.
    name : str, default="path"
        Name of the parameter, for the error.

    Raises
    ------
    TypeError
        If it is something else.
    """
    if not isinstance(path, str | os.PathLike) or isinstance(os.fspath(path), bytes):
        raise TypeError(f'{name} must be a str or a path, such as "{example}"; got {shown(path)}.')
    return Path(path)


def file_path(path: Any, *, example: str, name: str = "path") -> Path:
    """Return the parameter `path` of a function that writes a file, checked before any work.

    Parameters
    ----------
    path : str or path-like
        The file to write.
    example, name : str
        See :func:`as_path`.

    Raises
    ------
    TypeError
        If `path` is not a path.
    FileNotFoundError
        If its folder does not exist.
    IsADirectoryError
        If `path` is a folder.
    """
    file = as_path(path, example=example, name=name)
    if not file.parent.is_dir():
        raise FileNotFoundError(
            f"{name} must name a file in a folder that exists; got {str(file)!r}, and there is no "
            f"folder {str(file.parent)!r}. Create it first, e.g. with Path.mkdir(parents=True)."
        )
    if file.is_dir():
        raise IsADirectoryError(
            f"{name} must name a file; got the folder {str(file)!r}. Add a name, e.g. {example}."
        )
    return file


def check_writable(path: Path, *, name: str, example: str, inputs: tuple[Path, ...] = ()) -> None:
    """Check that a file can be written, before the work for it is done.

    Parameters
    ----------
    path : Path
        The file to write.
    name, example : str
        See :func:`as_path`.
    inputs : tuple of Path, default=()
        Files that must not be overwritten.

    Raises
    ------
    OSError
        If the folder does not exist or is read-only, or `path` is a folder.
    ValueError
        If `path` is one of `inputs`.
    """
    file_path(path, example=example, name=name)
    if not os.access(path if _is_special(path) else path.parent, os.W_OK):
        raise PermissionError(f"{name}: {path} cannot be written to. Name another file.")
    for other in inputs:
        if path.exists() and other.exists() and path.samefile(other):
            raise ValueError(f"{name}: {path} is also an input. Name another file.")


@contextlib.contextmanager
def atomic_write(path: Path, *, beside: Path | None = None) -> Iterator[Path]:
    """Write a file atomically: yield a temporary name, renamed to `path` if the block succeeds.

    The content is synced to disk before the file is renamed, so it survives a power failure.

    Parameters
    ----------
    path : Path
        The file; an existing one is replaced. Symbolic links are followed. Devices and named
        pipes are written to directly.
    beside : Path, default=None
        The temporary name, on the same file system, so that processes that are killed leave at
        most this one. None: an unused name in the folder of `path`.

    Yields
    ------
    Path
        The temporary name, removed after the block.
    """
    if _is_special(path):
        yield path
        return
    path = path.resolve()
    partial = beside or path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        yield partial
        _sync(partial)
        os.replace(partial, path)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # not every system lets folders be synced
        _sync(path.parent)


def _sync(path: Path) -> None:
    """Sync a file, or the entries of a folder, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_special(path: Path) -> bool:
    """Tell whether `path` is a device or pipe, such as /dev/stdout, that must not be replaced."""
    return path.exists() and (not path.is_file() or path.parts[:2] == ("/", "dev"))
