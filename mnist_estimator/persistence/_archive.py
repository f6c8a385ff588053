"""The archive that a pipeline's file is: its members, checksum and version; nothing is built here.

A ZIP archive with these members; its comment is the checksum of all bytes before it:

- ``manifest.json``: the name and version of the format, and the versions it was written with;
- ``schema.json``, compressed: the objects as nodes of named types, as skops writes them;
- ``0.npy``, ``1.npy`` …: the arrays, each once;
- ``info.json``: when it was saved, parameters, training data, scores, and the user's metadata;
- ``predictor.json`` and ``network.onnx``, for pipelines that can be used without TensorFlow:
  what :class:`~mnist_estimator.Predictor` needs.
"""

import copy
import hashlib
import io
import json
import re
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .._version import __version__
from ..utils._output_files import PIPELINE_FILE

FORMAT = "mnist_estimator pipeline"
FORMAT_VERSION = 2
"""Incremented when older versions cannot read the files; see CONTRIBUTING."""

LARGEST_FILE = 2**31
LARGEST_MANIFEST = 2**16
LARGEST_SCHEMA = 2**24
"""Maximum bytes of a file and of its JSON members."""

INFO = "info.json"
"""Member about the pipeline, which loading does not need; not in files of versions before 0.7."""

STATE, GRAPH = "predictor.json", "network.onnx"
"""Members of a pipeline that can be used without TensorFlow."""

_CHECKSUM = re.compile(rb"sha256:[0-9a-f]{64}")
_CHECKSUM_SIZE = 71


def seal(members: dict[str, bytes]) -> bytes:
    """Return an archive with its checksum."""
    unsealed = zip_members(members, comment=bytes(_CHECKSUM_SIZE))[:-_CHECKSUM_SIZE]
    return unsealed + checksum(unsealed)


def checksum(content: bytes | memoryview) -> bytes:
    """Return the checksum of bytes, as it stands at the end of a file."""
    return b"sha256:" + hashlib.sha256(content).hexdigest().encode()


def zip_members(members: dict[str, bytes], comment: bytes = b"") -> bytes:
    """Return an archive of these members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)  # without a date: equal pipelines give equal files
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            # Arrays of weights hardly shrink, and texts by nine tenths.
            packed = name == "schema.json" and comment
            archive.writestr(info, content, zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED)
        archive.comment = comment
    return buffer.getvalue()


def open_archive(data: bytes) -> dict[str, bytes]:
    """Return the members of a file whose checksum is right."""
    if not data.startswith(b"PK\x03\x04"):
        if data[:1] == b"\x80":
            raise ValueError("it is a pickle, as joblib's files are, which may run anything.")
        raise ValueError("it is not an archive written by save.")
    view = memoryview(data)
    if not _CHECKSUM.fullmatch(view[-_CHECKSUM_SIZE:]):
        raise ValueError("it does not end with a checksum: it is cut off, or of another kind.")
    if checksum(view[:-_CHECKSUM_SIZE]) != view[-_CHECKSUM_SIZE:]:
        raise ValueError("its checksum is wrong: it was changed since it was written.")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return dict(_members(archive, len(data)))
    except ValueError:
        raise
    except Exception as error:  # zipfile raises a dozen kinds
        raise ValueError(f"it is not a readable archive: {error}.") from error


def _members(archive: zipfile.ZipFile, size: int) -> Iterator[tuple[str, bytes]]:
    """Yield names and contents, reading no more of a member than its limit."""
    infos = archive.infolist()
    names = [info.filename for info in infos]
    if names[:1] != ["manifest.json"]:
        raise ValueError("its first member is not manifest.json: it is of another kind.")
    manifest = _content(archive, infos[0], LARGEST_MANIFEST)
    read_manifest(manifest)  # first: another version of the format may change the rest
    yield names[0], manifest
    if names[1:2] != ["schema.json"]:
        raise ValueError("its second member is not schema.json.")
    end = len(names) - 2 if names[-2:] == [STATE, GRAPH] else len(names)
    if names[end - 1] == INFO:
        end -= 1
    for number, name in enumerate(names[2:end]):
        if name != f"{number}.npy":
            raise ValueError(f"it has a member {name!r:.100} that does not belong there.")
    if sum(info.compress_size for info in infos) > size:
        raise ValueError("its members overlap.")
    for info in infos[1:]:
        limit = LARGEST_SCHEMA if info.filename.endswith(".json") else size
        yield info.filename, _content(archive, info, limit)


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int) -> bytes:
    """Return the content of a member."""
    allowed = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
    if info.filename != "schema.json":
        allowed = {zipfile.ZIP_STORED}
    kind = stat.S_IFMT(info.external_attr >> 16)
    if info.compress_type not in allowed or info.flag_bits & 1 or kind != stat.S_IFREG:
        raise ValueError(f"{info.filename} is compressed, encrypted or no plain file.")
    if info.file_size > limit:
        raise ValueError(f"{info.filename} is said to have {info.file_size} bytes; {limit} may be.")
    claim = copy.copy(info)  # zipfile reads as much as it says, and here that is the limit
    claim.file_size = limit + 1
    with archive.open(claim) as member:
        content = member.read(limit + 1)
    if len(content) != info.file_size:
        raise ValueError(f"{info.filename} has another size than it says.")
    return content


def read_manifest(text: bytes) -> dict[str, Any]:
    """Return the manifest of a file in a format that is known."""
    try:
        manifest = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"its manifest.json is not valid JSON: {error}.") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ValueError("its manifest.json does not say that it is a pipeline of this package.")
    number = manifest.get("format_version")
    if type(number) is not int or number < 1:
        raise ValueError(f"its format_version is {number!r:.100}, and no whole number from 1 up.")
    if number > FORMAT_VERSION:
        raise ValueError(
            f"it is of format {number}, written by version {manifest.get('written_by')!r:.100} of "
            f"mnist_estimator, and {__version__} reads formats up to {FORMAT_VERSION}. Upgrade "
            "mnist_estimator."
        )
    return manifest


def read_file(source: Path) -> bytes:
    """Return the content of a file, unless it is larger than ``save`` writes.

    Raises
    ------
    OSError, ValueError
        If it cannot be read, or is no regular file.
    """
    if source.is_dir():
        raise IsADirectoryError(
            f"path must name a file; got the folder {str(source)!r}, without a {PIPELINE_FILE} "
            "in it. Add the name of the file."
        )
    if not source.exists():
        raise FileNotFoundError(
            f"path must name a file that exists; got {str(source)!r}. Check its name."
        )
    # A pipe without a writer would keep ``open`` waiting.
    size = source.stat().st_size
    if not stat.S_ISREG(source.stat().st_mode) or size > LARGEST_FILE:
        raise ValueError(
            f"{source} cannot be loaded: it is not a regular file, or has {size} bytes, more than "
            f"the {LARGEST_FILE} allowed. Nothing in it was run. Name a file written by save."
        )
    with open(source, "rb") as file:
        return file.read(size)
