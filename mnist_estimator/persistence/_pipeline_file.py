"""The file format of a pipeline: written by skops, repacked, and validated before skops reads it.

A ZIP archive with these members; its comment is the checksum of all bytes before it:

- ``manifest.json``: the name and version of the format, and the versions it was written with;
- ``schema.json``, compressed: the objects as nodes of named types, as skops writes them;
- ``0.npy``, ``1.npy`` …: the arrays, each once.
"""

import copy
import hashlib
import io
import json
import math
import platform
import re
import stat
import zipfile
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any

import numpy as np
import skops.io

from .._version import __version__

FORMAT = "mnist_estimator pipeline"
FORMAT_VERSION = 1
"""Incremented when older versions cannot read the files; see CONTRIBUTING."""

LARGEST_FILE = 2**31
LARGEST_MANIFEST = 2**16
LARGEST_SCHEMA = 2**24
LARGEST_TREE = 2**20
"""Maximum bytes of a file and its JSON members, and maximum number of nodes with repetitions."""

NODES = {
    "DictNode", "DTypeNode", "FunctionNode", "JsonNode", "ListNode", "MaskedArrayNode",
    "NdArrayNode", "ObjectNode", "RandomGeneratorNode", "RandomStateNode", "SetNode", "SliceNode",
    "TupleNode", "TypeNode",
}  # fmt: skip
"""Kinds of nodes that are read. They call only types in ``TRUSTED`` and skops's own list, and as
functions only NumPy's and SciPy's ufuncs."""

REFERENCE = "CachedNode"
"""The kind of node that stands for one defined before."""

NAMELESS = {"JsonNode", "TypeNode", "FunctionNode"}
"""Kinds of nodes that are not referred to, so that equal nodes need not be identical."""

TRUSTED = [
    "mnist_estimator.classifier.CNNClassifier",
    "mnist_estimator.preprocessing.DigitNormalizer",
    "mnist_estimator.uncertainty.NoveltyDetector",
    "mnist_estimator.preprocessing.ImageScaler",
    "mnist_estimator.uncertainty.RejectingClassifier",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.calibration._TemperatureScaling",
    "sklearn.model_selection._split.KFold",
    "sklearn.model_selection._split.ShuffleSplit",
    "sklearn.model_selection._split.StratifiedKFold",
    "sklearn.model_selection._split.StratifiedShuffleSplit",
    "sklearn.utils._bunch.Bunch",
]
"""Types in a file beside those that skops trusts: estimators of scikit-learn and plain data."""

RENAMED = {
    "mnist_estimator.digit_normalization": "mnist_estimator.preprocessing",
    "mnist_estimator.novelty": "mnist_estimator.uncertainty",
    "mnist_estimator.rejection": "mnist_estimator.uncertainty",
}
"""Modules in files of versions before 0.7, and the present modules of their classes."""

CACHED = ("mnist_estimator.persistence", "CachedClassifier")
"""The class that is saved as its estimator: it only adds a folder of pickles."""

FOLDERS = ("checkpoint_dir", "memory")
"""Parameters saved as None: ``fit`` would read and write in the folders that they name."""

_CHECKSUM = re.compile(rb"sha256:[0-9a-f]{64}")
_CHECKSUM_SIZE = 71
_NONE = {
    "__class__": "str", "__module__": "builtins", "__loader__": "JsonNode",
    "content": "null", "is_json": True,
}  # fmt: skip
_ARRAY_NAME = re.compile(r"(0|[1-9][0-9]{0,6})\.npy")
_SKOPS_PROTOCOL = 2


def pack(pipe: Any) -> bytes:
    """Return the content of a pipeline's file, without the names of folders.

    Parameters
    ----------
    pipe : estimator
        Of types that skops writes.

    Returns
    -------
    bytes

    Raises
    ------
    ValueError
        If it holds what :func:`unpack` would refuse, types aside; see
        :func:`foreign_types`.
    """
    with zipfile.ZipFile(io.BytesIO(skops.io.dumps(pipe))) as written:
        schema = json.loads(written.read("schema.json"))
        stated = {name: schema[name] for name in ("protocol", "_skops_version")}
        schema = _rewritten(_rewritten(schema, _without_cache), _without_folders) | stated
        named = set(_files(schema))
        arrays: dict[bytes, str] = {}
        names = {
            name: arrays.setdefault(written.read(name), f"{len(arrays)}.npy")
            for name in written.namelist()
            if name in named
        }
    compact = _compact(schema, names, {})
    text = json.dumps(compact, separators=(",", ":")).encode()
    members = {"schema.json": text} | {name: content for content, name in arrays.items()}
    _check_members(members)
    manifest = {"format": FORMAT, "format_version": FORMAT_VERSION, **_versions()}
    return _seal({"manifest.json": json.dumps(manifest, indent=2).encode()} | members)


def unpack(data: bytes) -> Any:
    """Return the pipeline that a file holds.

    The file is unpacked and validated, and its validated members are repacked for skops, so
    that skops never parses the original archive.

    Parameters
    ----------
    data : bytes
        The file.

    Returns
    -------
    estimator

    Raises
    ------
    ValueError
        If it is not a file written by :func:`pack`, or skops cannot rebuild it.
    """
    members = _open(data)
    manifest = _manifest(members.pop("manifest.json"))
    _check_members(members)
    schema = _rewritten(json.loads(members["schema.json"]), _without_folders)
    schema = _rewritten(schema, _with_new_name)
    members["schema.json"] = json.dumps(schema).encode()
    foreign = foreign_types(members)
    if foreign:
        raise ValueError(f"it holds objects of foreign types, {', '.join(foreign)}.")
    try:
        return skops.io.loads(_zip(members), trusted=TRUSTED)
    except Exception as error:
        raise ValueError(
            f"it cannot be rebuilt: {error} (Written with {_listed(manifest)}; "
            f"here are {_listed(_versions())}.)"
        ) from error


def foreign_types(members: dict[str, bytes] | bytes) -> list[str]:
    """Return the names of types in a file, or in its members, that are not trusted."""
    if isinstance(members, bytes):
        members = _open(members)
    try:
        found = skops.io.get_untrusted_types(data=_zip(members))
    except Exception as error:
        raise ValueError(f"its schema is not readable: {error!r}.") from error
    return [name for name in found if name not in TRUSTED]


def _versions() -> dict[str, str]:
    """Return the versions that a file depends on."""
    packages = ("numpy", "scikit-learn", "tensorflow", "keras", "skops")
    return {
        "written_by": __version__,
        "python": platform.python_version(),
        **{name: _version_of(name) for name in packages},
    }


def _version_of(package: str) -> str:
    if package == "tensorflow":  # has other distribution names, such as tensorflow-cpu
        import tensorflow as tf

        return str(tf.__version__)
    return version(package)


def _listed(versions: dict[str, Any]) -> str:
    names = ["written_by", *(name for name in _versions() if name != "written_by")]
    listed = ", ".join(f"{name} {versions.get(name)!s:.50}" for name in names)
    return listed.replace("written_by", "mnist_estimator")


def _rewritten(value: Any, rewrite: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    """Return a schema with the result of a function in place of each dict, outer ones first."""
    if isinstance(value, list):
        return [_rewritten(item, rewrite) for item in value]
    if not isinstance(value, dict):
        return value
    return {name: _rewritten(item, rewrite) for name, item in rewrite(value).items()}


def _without_cache(value: dict[str, Any]) -> dict[str, Any]:
    """Return the estimator inside in place of a ``CachedClassifier``."""
    while (value.get("__module__"), value.get("__class__")) == CACHED:
        attributes = value["content"]["content"]
        value = attributes.get("estimator_", attributes["estimator"])
    return value


def _without_folders(value: dict[str, Any]) -> dict[str, Any]:
    """Return a node whose parameters that name a folder are None."""
    content = value.get("content")
    if value.get("__loader__") == "ObjectNode" and isinstance(content, dict):
        attributes = content.get("content")
        if isinstance(attributes, dict):
            named = {name: _NONE for name in FOLDERS if name in attributes}
            return value | {"content": content | {"content": attributes | named}}
    return value


def _with_new_name(value: dict[str, Any]) -> dict[str, Any]:
    """Return a node with the present name of its module, if that is in ``RENAMED``."""
    module = value.get("__module__")
    if isinstance(module, str) and module in RENAMED:
        return value | {"__module__": RENAMED[module]}
    return value


def _files(value: Any) -> Iterator[str]:
    """Yield the names of the arrays in a schema."""
    if isinstance(value, dict):
        if "__loader__" in value and "file" in value:
            yield value["file"]
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _files(item)


def _compact(value: Any, names: dict[str, str], ids: dict[int, int]) -> Any:
    """Return a schema without repetitions: each object and each array is defined once."""
    if isinstance(value, list):
        return [_compact(item, names, ids) for item in value]
    if not isinstance(value, dict):
        return value
    node = dict(value)
    if "__loader__" in node:
        identity = node.pop("__id__", None)
        if node["__loader__"] not in NAMELESS and identity is not None:
            if identity in ids:
                return {"__id__": ids[identity], "__loader__": REFERENCE}
            node["__id__"] = ids[identity] = len(ids) + 1
        if "file" in node:
            node["file"] = names[node["file"]]
        if "key_types" in node:  # skops reads them first, so definitions in them must come first
            node = {"key_types": node.pop("key_types")} | node
    return {name: _compact(item, names, ids) for name, item in node.items()}


def _seal(members: dict[str, bytes]) -> bytes:
    """Return an archive with its checksum."""
    unsealed = _zip(members, comment=bytes(_CHECKSUM_SIZE))[:-_CHECKSUM_SIZE]
    return unsealed + _checksum(unsealed)


def _checksum(content: bytes | memoryview) -> bytes:
    return b"sha256:" + hashlib.sha256(content).hexdigest().encode()


def _zip(members: dict[str, bytes], comment: bytes = b"") -> bytes:
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


def _open(data: bytes) -> dict[str, bytes]:
    """Return the members of a file whose checksum is right."""
    if not data.startswith(b"PK\x03\x04"):
        if data[:1] == b"\x80":
            raise ValueError("it is a pickle, as joblib's files are, which may run anything.")
        raise ValueError("it is not an archive written by save.")
    view = memoryview(data)
    if not _CHECKSUM.fullmatch(view[-_CHECKSUM_SIZE:]):
        raise ValueError("it does not end with a checksum: it is cut off, or of another kind.")
    if _checksum(view[:-_CHECKSUM_SIZE]) != view[-_CHECKSUM_SIZE:]:
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
    _manifest(manifest)  # first: another version of the format may change the rest
    yield names[0], manifest
    if names[1:2] != ["schema.json"]:
        raise ValueError("its second member is not schema.json.")
    for number, name in enumerate(names[2:]):
        if name != f"{number}.npy":
            raise ValueError(f"it has a member {name!r:.100} that does not belong there.")
    if sum(info.compress_size for info in infos) > size:
        raise ValueError("its members overlap.")
    for info in infos[1:]:
        is_schema = info.filename == "schema.json"
        yield info.filename, _content(archive, info, LARGEST_SCHEMA if is_schema else size)


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


def _manifest(text: bytes) -> dict[str, Any]:
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


def _check_members(members: dict[str, bytes]) -> None:
    """Check the objects and arrays of a file, before any is created."""
    try:
        schema = json.loads(members["schema.json"])
        protocol = schema["protocol"]
        tree = _Tree()
        tree.add(schema)
    except (KeyError, TypeError, RecursionError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"its schema is not readable: {error!r}.") from error
    if type(protocol) is not int or protocol < _SKOPS_PROTOCOL:
        raise ValueError(f"it is of protocol {protocol!r:.100} of skops, and 2 is the first.")
    if schema["__loader__"] != "ObjectNode":
        raise ValueError("it holds no estimator.")
    if tree.files != set(members) - {"schema.json"}:
        raise ValueError("its arrays are not those that its schema names.")
    for name in tree.files:
        _check_array(name, members[name])


class _Tree:
    """The nodes of a schema visited so far."""

    def __init__(self) -> None:
        self.files: set[str] = set()
        self.sizes: dict[int, int] = {}

    def add(self, value: Any) -> int:
        """Check a part of the schema, and return how many nodes it stands for.

        An object that others refer to counts each time, as skops walks it each time.
        """
        if isinstance(value, list):
            return self._sum(value)
        if not isinstance(value, dict):
            return 0
        if "__loader__" not in value and "__id__" not in value:
            return self._sum(value.values())
        kind, identity = value["__loader__"], value.get("__id__")
        if kind == REFERENCE:
            if type(identity) is not int or identity not in self.sizes:
                raise ValueError("it refers to an object before that is defined.")
            return self.sizes[identity]
        if kind not in NODES or (kind == "NdArrayNode" and value["__class__"] == "void"):
            name = f"{value.get('__module__')}.{value.get('__class__')}"
            raise ValueError(f"it holds {name:.200} as a {kind!r:.100}, which is not allowed.")
        if "file" in value:
            self.files.add(value["file"])
        size = 1 + self._sum(value.values())
        if identity is not None:
            if type(identity) is not int or identity in self.sizes:
                raise ValueError("it defines an object twice.")
            self.sizes[identity] = size
        return size

    def _sum(self, values: Any) -> int:
        size = sum(map(self.add, values))
        if size > LARGEST_TREE:
            raise ValueError(f"it holds more than {LARGEST_TREE} objects.")
        return size


def _check_array(name: str, content: bytes) -> None:
    """Check that an array holds numbers or text, and has the size in its header."""
    file = io.BytesIO(content)
    try:
        major, _ = np.lib.format.read_magic(file)
        read = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}
        shape, _, dtype = read[major](file)
    except Exception as error:
        raise ValueError(f"{name} is not an array: {error!s:.300}.") from error
    size = math.prod(shape) * dtype.itemsize
    if dtype.kind not in "biufcSUmM" or dtype.itemsize == 0 or size != len(content) - file.tell():
        raise ValueError(
            f"{name} is said to be {shape} of {dtype}, which it is not, or may not be."
        )
