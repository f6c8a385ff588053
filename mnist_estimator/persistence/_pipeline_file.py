"""The pipeline in a file: written by skops, repacked, and validated before skops reads it."""

import io
import json
import math
import platform
import re
import zipfile
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any

import skops.io

from .._version import __version__
from ..utils._npy import read_npy_header
from ._archive import (
    FORMAT,
    FORMAT_VERSION,
    GRAPH,
    INFO,
    STATE,
    open_archive,
    read_manifest,
    seal,
    zip_members,
)

LARGEST_TREE = 2**20
"""Maximum number of nodes, with repetitions."""

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

DROPPED = ("checkpoint_dir", "memory", "model", "_custom_objects", "_custom_classes")
"""Attributes saved as None: folders, in which ``fit`` would read and write; the function that
builds a network, its custom layers, and the classes of custom optimizers, which are code."""

_NONE = {
    "__class__": "str", "__module__": "builtins", "__loader__": "JsonNode",
    "content": "null", "is_json": True,
}  # fmt: skip
_ARRAY_NAME = re.compile(r"(0|[1-9][0-9]{0,6})\.npy")
_SKOPS_PROTOCOL = 2


def pack(pipe: Any, beside: dict[str, bytes] | None = None) -> bytes:
    """Return the content of a pipeline's file, without the names of folders.

    Parameters
    ----------
    pipe : estimator
        Of types that skops writes.
    beside : dict of str to bytes, default=None
        Members beside those of the pipeline: ``info.json``, and those for predictions without
        TensorFlow, ``predictor.json`` and ``network.onnx``.

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
        schema = _rewritten(_rewritten(schema, _without_cache), _without_dropped) | stated
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
    manifest = {"format": FORMAT, "format_version": FORMAT_VERSION, **written_with()}
    members = {"manifest.json": json.dumps(manifest, indent=2).encode()} | members
    return seal(members | (beside or {}))


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
    members = open_archive(data)
    manifest = read_manifest(members.pop("manifest.json"))
    members = _of_pipeline(members)
    _check_members(members)
    schema = _rewritten(json.loads(members["schema.json"]), _without_dropped)
    schema = _rewritten(schema, _with_new_name)
    members["schema.json"] = json.dumps(schema).encode()
    foreign = foreign_types(members)
    if foreign:
        raise ValueError(f"it holds objects of foreign types, {', '.join(foreign)}.")
    try:
        return skops.io.loads(zip_members(members), trusted=TRUSTED)
    except Exception as error:
        raise ValueError(
            f"it cannot be rebuilt: {error} (Written with {_listed(manifest)}; "
            f"here are {_listed(written_with())}.)"
        ) from error


def _of_pipeline(members: dict[str, bytes]) -> dict[str, bytes]:
    """Return the members of the pipeline, without those beside it."""
    beside = (INFO, STATE, GRAPH)
    return {name: content for name, content in members.items() if name not in beside}


def foreign_types(members: dict[str, bytes] | bytes) -> list[str]:
    """Return the names of types in a file, or in its members, that are not trusted."""
    if isinstance(members, bytes):
        members = _of_pipeline(open_archive(members))
    try:
        found = skops.io.get_untrusted_types(data=zip_members(members))
    except Exception as error:
        raise ValueError(f"its schema is not readable: {error!r}.") from error
    return [name for name in found if name not in TRUSTED]


def written_with() -> dict[str, str]:
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
    names = ["written_by", *(name for name in written_with() if name != "written_by")]
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


def _without_dropped(value: dict[str, Any]) -> dict[str, Any]:
    """Return a node whose attributes in ``DROPPED`` are None, without arguments of ``model``."""
    content = value.get("content")
    if value.get("__loader__") == "ObjectNode" and isinstance(content, dict):
        attributes = content.get("content")
        if isinstance(attributes, dict):
            named = {name: _NONE for name in DROPPED if name in attributes}
            kept = {k: v for k, v in attributes.items() if not k.startswith("model__")}
            return value | {"content": content | {"content": kept | named}}
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
        shape, dtype = read_npy_header(file)
    except Exception as error:
        raise ValueError(f"{name} is not an array: {error!s:.300}.") from error
    size = math.prod(shape) * dtype.itemsize
    if dtype.kind not in "biufcSUmM" or dtype.itemsize == 0 or size != len(content) - file.tell():
        raise ValueError(
            f"{name} is said to be {shape} of {dtype}, which it is not, or may not be."
        )
