"""The bytes of an input: files, gzipped or not, pipes and the standard input."""

import gzip
import io
import os
import stat
import sys
from pathlib import Path
from typing import BinaryIO, cast

from ...utils._idx import is_gzip


class Source:
    """A file, or a stream that can be read once, which can be opened several times.

    The content of what is not a regular file (a pipe, such as ``<(command)`` or /dev/stdin, or
    "-", the standard input) is kept in memory when it is first opened.

    Parameters
    ----------
    name : path-like or str
        A path, or "-".
    content : bytes, default=None
        The content, if it is in memory, such as a picture in a table.
    """

    def __init__(self, name: str | os.PathLike[str], content: bytes | None = None) -> None:
        self.name = os.fspath(name)
        self._content = content

    def __str__(self) -> str:
        return "standard input" if self.name == "-" else self.name

    @property
    def path(self) -> Path:
        """The name as a path."""
        return Path(self.name)

    def open(self) -> BinaryIO:
        """Open it at its start, decompressed if its first bytes, not its name, say gzip.

        Raises
        ------
        OSError
            If it cannot be opened.
        """
        raw = self._open_raw()
        if not is_gzip(raw):
            return raw
        if isinstance(raw, io.BytesIO):
            return cast(BinaryIO, gzip.GzipFile(fileobj=raw))
        raw.close()
        return cast(BinaryIO, gzip.open(self.path))

    def file_to_map(self) -> Path | None:
        """Return the path if it leads to a regular file that is not gzipped, else None."""
        if not self._is_regular():
            return None
        with self.path.open("rb") as raw:
            return None if is_gzip(raw) else self.path

    def _is_regular(self) -> bool:
        if self._content is not None or self.name == "-":
            return False
        return stat.S_ISREG(self.path.stat().st_mode)

    def _open_raw(self) -> BinaryIO:
        if self._is_regular():
            return self.path.open("rb")
        if self._content is None:
            if self.name == "-":
                self._content = sys.stdin.buffer.read()
            else:
                self._content = self.path.read_bytes()
        return io.BytesIO(self._content)
