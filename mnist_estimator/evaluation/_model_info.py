"""``read_info``: what a file says of the model in it."""

import html
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from types import NoneType
from typing import Any

from ..persistence._archive import INFO, STATE, open_archive, read_file, read_manifest
from ..serving._backends import open_pipeline_graph
from ..serving._state import PredictorState
from ..utils._output_files import PIPELINE_FILE, as_path, pipeline_file
from ..utils._wording import counted

LONGEST_LIST = 20
"""Most classes that the text names."""


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class ModelInfo:
    """What a file says of the model in it, made by :func:`read_info`.

    `print(info)` shows it, notebooks show a table, and `info.to_dict()` has it as JSON values.
    What is not in the file is None: older versions, and ONNX files, hold less.

    Attributes
    ----------
    path : str
        The file.
    kind : {"pipeline", "onnx"}
        Which function wrote it: :func:`~mnist_estimator.save` or :func:`~mnist_estimator.to_onnx`.
    format_version : int or None
        Of the file's format; None for ONNX files.
    size : int
        Bytes of the file.
    members : dict of str to int
        Bytes of each member of the archive, uncompressed; empty for ONNX files.
    versions : dict of str to str
        Versions of this package, Python and the libraries that wrote it.
    saved_at : str or None
        When, in UTC, such as "2026-11-28T12:00:00Z".
    estimator : str or None
        Class name of what was saved.
    classes : list or None
        Class labels.
    image_shape : list of int, (height, width, channels), or None
        Shape of one image.
    value_range : list of float, (low, high), or None
        Range of the values that were seen in ``fit``.
    parameters : dict or None
        By their names in ``get_params``: JSON values; other values as text.
    training_data : dict or None
        ``X`` and ``y`` of the first training: ``shape``, ``dtype``, and ``sha256`` of the bytes,
        as ``hashlib.sha256(X.tobytes())`` gives; ``further_calls`` of ``fit`` or ``partial_fit``
        that trained on, with how many ``further_images``. X is what the
        :class:`~mnist_estimator.ImageScaler` was given, where one is right before the classifier.
    scores : dict or None
        ``epochs``, ``best_epoch``, and of that epoch ``loss`` and ``accuracy`` in training,
        ``val_loss`` and ``val_accuracy`` on validation data.
    metadata : dict
        The user's own, as given to :func:`~mnist_estimator.save`.
    """

    __module__ = "mnist_estimator.evaluation"  # pickles name it

    path: str
    kind: str
    size: int
    format_version: int | None = None
    members: dict[str, int] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    saved_at: str | None = None
    estimator: str | None = None
    classes: list[Any] | None = None
    image_shape: list[int] | None = None
    value_range: list[float] | None = None
    parameters: dict[str, Any] | None = None
    training_data: dict[str, Any] | None = None
    scores: dict[str, Any] | None = None
    metadata: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return asdict(self)

    def rows(self) -> list[tuple[str, str]]:
        """Return names and values as text, one line each."""
        unknown = "not in the file"
        form = "an ONNX file of to_onnx" if self.kind == "onnx" else "a file of save"
        number = "" if self.format_version is None else f", format {self.format_version}"
        written = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        lines: list[tuple[str, Any]] = [
            ("file", f"{self.path}: {form}{number}, {self.size:,} bytes"),
            ("saved", self.saved_at or unknown),
            ("written with", written or unknown),
            ("estimator", self.estimator or unknown),
            ("classes", unknown if self.classes is None else _listed(self.classes)),
            (
                "image shape",
                unknown if self.image_shape is None else "×".join(map(str, self.image_shape)),
            ),
            (
                "value range",
                unknown
                if self.value_range is None
                else " to ".join(f"{value:g}" for value in self.value_range),
            ),
            *self._training_rows(unknown),
            *self._score_rows(unknown),
            ("parameters", unknown if self.parameters is None else ""),
            *((f"  {name}", value) for name, value in (self.parameters or {}).items()),
            ("metadata", "" if self.metadata else "none"),
            *((f"  {name}", value) for name, value in self.metadata.items()),
        ]
        lines += self._member_rows()
        return [(printable(name), printable(value)) for name, value in lines]

    def _training_rows(self, unknown: str) -> list[tuple[str, str]]:
        data = self.training_data
        if data is None:
            return [("training data", unknown)]
        known = [("training data", "")]
        for name in ("X", "y"):
            part = data[name]
            known.append((f"  {name}", unknown if part is None else (
                f"{tuple(part['shape'])} of {part['dtype']}, SHA-256 {part['sha256']}"
            )))  # fmt: skip
        if data["further_calls"]:
            times = counted(data["further_calls"], "call")
            images = counted(data["further_images"], "image")
            known.append(("  then", f"{times} of fit or partial_fit with {images}"))
        return known

    def _score_rows(self, unknown: str) -> list[tuple[str, str]]:
        scores = self.scores
        if scores is None:
            return [("scores", unknown)]
        epoch = f"epoch {scores['best_epoch']} of {scores['epochs']}"
        names = ("loss", "accuracy", "val_loss", "val_accuracy")
        return [("scores", epoch)] + [
            (f"  {name}", f"{scores[name]:.6g}") for name in names if scores[name] is not None
        ]

    def _member_rows(self) -> list[tuple[str, str]]:
        if not self.members:
            return []
        arrays = [n for name, n in self.members.items() if name.endswith(".npy")]
        others = [
            (f"  {name}", counted(n, "byte"))
            for name, n in self.members.items()
            if not name.endswith(".npy")
        ]
        total = f"{counted(sum(arrays), 'byte')} in {counted(len(arrays), 'array')}"
        return [("members", ""), *others, ("  *.npy", total)]

    def __str__(self) -> str:
        rows = self.rows()
        width = max(len(name) for name, _ in rows)
        return "\n".join(f"{name:{width}}  {value}".rstrip() for name, value in rows)

    def __repr__(self) -> str:
        return f"ModelInfo(path={self.path!r}, kind={self.kind!r}, size={self.size})"

    def _repr_html_(self) -> str:
        """Return a table; what has many parts, such as parameters, is folded."""
        rows: list[tuple[str, str, list[tuple[str, str]]]] = []
        for name, value in self.rows():
            if name.startswith("  "):
                rows[-1][2].append((name.strip(), value))
            else:
                rows.append((name, value, []))
        return _table(
            (name, html.escape(value) + (_folded(parts) if len(parts) > 4 else _table(parts)))
            for name, value, parts in (
                (name, value, [(part, html.escape(text)) for part, text in parts])
                for name, value, parts in rows
            )
        )


def _table(rows: Iterable[tuple[str, str]]) -> str:
    """Return a table of names and of values that are HTML; nothing without rows."""
    lines = "".join(
        f'<tr><th style="text-align: left; vertical-align: top">{html.escape(name)}</th>'
        f'<td style="text-align: left; overflow-wrap: anywhere">{value}</td></tr>'
        for name, value in rows
    )
    return lines and f'<table style="margin: 0">{lines}</table>'


def _folded(rows: list[tuple[str, str]]) -> str:
    return f"<details><summary>{len(rows)} values</summary>{_table(rows)}</details>"


def read_info(path: str | os.PathLike[str]) -> ModelInfo:
    """Read what a file says of the model in it, without loading the model.

    Neither TensorFlow nor scikit-learn is imported, and no code that a file names is run. The
    checksum is verified, so the file is whole; what it says is its writer's word.

    Parameters
    ----------
    path : str or path-like
        A file written by :func:`~mnist_estimator.save`, the folder that ``mnist-estimator train``
        wrote to, or a file named ``.onnx`` written by :func:`~mnist_estimator.to_onnx`.

    Returns
    -------
    ModelInfo
        Versions, date, classes, parameters, training data, scores, metadata. Files of versions
        before 0.7 hold the versions only.

    Raises
    ------
    ValueError
        If the file is damaged, of a newer version, or of another kind.
    OSError
        If it cannot be read.

    See Also
    --------
    mnist_estimator.save : Its ``metadata`` are your own notes.
    mnist_estimator.model_card : The same, as a document.

    Examples
    --------
    >>> from mnist_estimator import read_info
    >>> read_info("digits.pipeline").training_data["X"]["sha256"]  # doctest: +SKIP
    """
    source = pipeline_file(as_path(path, example=PIPELINE_FILE))
    data = read_file(source)
    about: dict[str, Any] = {"path": str(source), "size": len(data)}
    try:
        if source.suffix.lower() == ".onnx":
            state, backend = open_pipeline_graph(data)
            about["versions"] = _named(backend.metadata)
            return ModelInfo(kind="onnx", **about, **_of_state(state))
        members = open_archive(data)
        about["members"] = {name: len(content) for name, content in members.items()}
        about |= _of_manifest(members["manifest.json"])
        if INFO in members:
            about |= _of_info(members[INFO])
        elif STATE in members:
            about |= _of_state(PredictorState.from_json(json.loads(members[STATE])))
        return ModelInfo(kind="pipeline", **about)
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{source} cannot be read: {error} Nothing in it was run. Take a copy that save has "
            "written."
        ) from error


def info_of(pipe: Any) -> ModelInfo:
    """Return what :func:`~mnist_estimator.save` would write of a fitted estimator."""
    from ..persistence._model_facts import model_facts
    from ..persistence._pipeline_file import written_with

    facts = model_facts(pipe)
    return ModelInfo(path="", kind="pipeline", size=0, versions=_named(written_with()), **facts)


def printable(value: Any) -> str:
    """Return a value as one line of text without control characters."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


def _listed(classes: list[Any]) -> str:
    shown = ", ".join(str(label) for label in classes[:LONGEST_LIST])
    more = len(classes) - LONGEST_LIST
    return f"{len(classes)}: {shown}" + (f" and {more} more" if more > 0 else "")


def _named(versions: dict[str, Any]) -> dict[str, str]:
    """Return versions under the names of the packages."""
    packages = ("python", "numpy", "scikit-learn", "tensorflow", "keras", "skops")
    known = {"mnist_estimator": versions.get("written_by")}
    known |= {name: versions.get(name) for name in packages}
    return {name: str(version)[:50] for name, version in known.items() if version is not None}


def _of_manifest(text: bytes) -> dict[str, Any]:
    manifest = read_manifest(text)
    return {"format_version": manifest["format_version"], "versions": _named(manifest)}


def _of_state(state: PredictorState) -> dict[str, Any]:
    learned = state.learned_range
    return {
        "classes": state.classes.tolist(),
        "image_shape": list(state.image_shape),
        "value_range": None if learned is None else [learned.low, learned.high],
    }


_KINDS: dict[str, Any] = {
    "saved_at": (str, NoneType), "estimator": (str, NoneType), "classes": (list, NoneType),
    "image_shape": (list, NoneType), "value_range": (list, NoneType),
    "parameters": (dict, NoneType), "training_data": (dict, NoneType),
    "scores": (dict, NoneType), "metadata": dict,
}  # fmt: skip
_NUMBERS = (int, float)


def _of_info(text: bytes) -> dict[str, Any]:
    """Return the content of info.json, checked."""
    try:
        values = json.loads(text, parse_constant=_refuse_constant)
        for name, kind in _KINDS.items():
            _check(isinstance(values[name], kind), name)
        _check(all(type(side) is int for side in values["image_shape"] or ()), "image_shape")
        _check(all(type(end) in _NUMBERS for end in values["value_range"] or ()), "value_range")
        if values["training_data"] is not None:
            _check_training_data(values["training_data"])
        if values["scores"] is not None:
            _check_scores(values["scores"])
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"its {INFO} is not valid: {error!s:.300}.") from error
    return {name: values[name] for name in _KINDS}


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON value")


def _check(is_valid: bool, name: str) -> None:
    if not is_valid:
        raise ValueError(f"{name} is of the wrong kind")


def _check_training_data(values: dict[str, Any]) -> None:
    for name in ("X", "y"):
        part = values[name]
        if part is not None:
            is_shape = all(type(side) is int for side in part["shape"])
            is_text = isinstance(part["dtype"], str) and isinstance(part["sha256"], str)
            _check(is_shape and is_text, f"training_data {name}")
    for name in ("further_calls", "further_images"):
        _check(type(values[name]) is int, name)


def _check_scores(values: dict[str, Any]) -> None:
    for name in ("epochs", "best_epoch"):
        _check(type(values[name]) is int, name)
    for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
        _check(values[name] is None or type(values[name]) in _NUMBERS, name)
