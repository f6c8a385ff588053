"""``save`` and ``load``: a fitted pipeline as one file that holds no code."""

import inspect
import json
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from ..export._predictor_parts import predictor_parts
from ..utils._output_files import (
    PIPELINE_FILE,
    as_path,
    atomic_write,
    file_path,
    pipeline_file,
)
from ._archive import GRAPH, INFO, LARGEST_FILE, STATE, read_file
from ._model_facts import model_facts
from ._pipeline_file import foreign_types, pack, unpack


def save(
    pipe: BaseEstimator,
    path: str | os.PathLike[str],
    *,
    metadata: dict[str, Any] | None = None,
) -> None:
    """Save a fitted pipeline to one file.

    The file holds arrays and the names of types, and no code; :func:`load` reads it, in
    this version and in later ones. It is written atomically: an existing
    file is replaced only when the new one is complete.

    The state of the optimizer is saved if training can continue: after ``partial_fit``,
    and after ``fit`` with ``warm_start=True``. Otherwise the file takes little more than twice
    the memory of the weights: it holds the network as an ONNX model, too, for
    :func:`load_predictor`, if the pipeline has no parts that need scikit-learn.

    It holds no names of folders: ``memory`` and ``checkpoint_dir`` come back as None, and a
    :class:`~mnist_estimator.CachedClassifier` as the estimator that it wraps.

    Parameters
    ----------
    pipe : estimator
        A fitted pipeline, another estimator of this package, or one of scikit-learn with
        one in it, such as a ``CalibratedClassifierCV`` or a ``VotingClassifier``. Other
        objects are saved if skops trusts their types: no trees, and of functions only
        ufuncs of NumPy and SciPy.
    path : str or path-like
        The file to write, such as "digits.pipeline". Its folder must exist.
    metadata : dict, default=None
        Your own notes: JSON values (dict, list, str, finite int and float, bool, None) under
        names, at most 1 MiB of JSON. :func:`~mnist_estimator.read_info` returns them, with the
        date, versions, parameters, training data and scores, which are always in the file.

    Raises
    ------
    TypeError
        If ``pipe`` is not an estimator, or holds an object of a type that is not saved, such as
        a callback, a function or a tree, or ``metadata`` holds no JSON value. Nothing is written.
    ValueError
        If ``metadata`` is too large or too deep, or holds NaN, infinity or text that UTF-8 cannot
        encode, or the environment variable SOURCE_DATE_EPOCH, which replaces the date, is not a
        number of seconds.
    NotFittedError
        If ``pipe`` is not fitted.
    OSError
        If the file cannot be written: ``FileNotFoundError`` without a folder,
        ``IsADirectoryError`` if ``path`` is one, ``PermissionError``, a full disk.

    See Also
    --------
    mnist_estimator.load : Read the file.
    mnist_estimator.read_info : What the file says of the pipeline.
    mnist_estimator.load_predictor : Predict with it, without TensorFlow.

    Notes
    -----
    skops writes the objects; ``docs/persistence.md`` says what is in the file.

    Examples
    --------
    >>> import os, tempfile
    >>> from sklearn.datasets import load_digits
    >>> from mnist_estimator import load, make_pipeline, save
    >>> X, y = load_digits(return_X_y=True)
    >>> pipe = make_pipeline(filters=(8,), epochs=1, random_state=0).fit(X[:300], y[:300])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(pipe, os.path.join(folder, "digits.pipeline"))
    ...     again = load(os.path.join(folder, "digits.pipeline"))
    >>> bool((again.predict_proba(X) == pipe.predict_proba(X)).all())
    True
    """
    target = _target(path)
    if hasattr(pipe, "__sklearn_is_fitted__") and not isinstance(pipe, BaseEstimator):
        raise TypeError(
            f"pipe is a {type(pipe).__name__}, which a saved pipeline was loaded as. Save the "
            "pipeline, load(path), or copy its file."
        )
    if not isinstance(pipe, BaseEstimator):
        raise TypeError(
            "pipe must be a fitted pipeline or another estimator of scikit-learn; got "
            f"{pipe!r:.200}. Save the pipeline, and other data apart."
        )
    check_is_fitted(pipe, msg="pipe is not fitted. Call fit before save.")
    facts = model_facts(pipe, metadata)
    _replace(target, _packed(pipe, facts))


def load(path: str | os.PathLike[str], *, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Load a pipeline written by :func:`save`.

    No code named in a file is run, whoever wrote it: size, checksum, members, kinds of
    objects, their types and the shapes of all arrays are checked before anything is
    built, and what is built is no larger than what the file holds.

    Parameters
    ----------
    path : str or path-like
        The file, or the folder that ``mnist-estimator train`` wrote to, with digits.pipeline in it.
    custom_objects : mapping of str to class or function, default=None
        What a network that ``model`` has built needs besides Keras's layers, by the names under
        which Keras knows them, as in ``keras.saving.load_model``. Objects registered with
        ``keras.saving.register_keras_serializable`` are known without.

    Returns
    -------
    estimator
        As saved: its predictions are bit-identical on the same versions and the same
        kind of processor.

    Raises
    ------
    ValueError
        If the file was not written by ``save``, is changed or truncated, is of a newer format, or
        holds what ``save`` would not write.
    OSError
        If it cannot be read: ``FileNotFoundError``, ``IsADirectoryError``,
        ``PermissionError``.

    See Also
    --------
    mnist_estimator.save : Write the file.

    Notes
    -----
    If another version of scikit-learn wrote the file, scikit-learn warns of it, as with pickles
    (``InconsistentVersionWarning``). Loading an untrusted file is safe, but its predictions
    are not to be trusted.
    """
    source = pipeline_file(as_path(path, example=PIPELINE_FILE))
    data = read_file(source)
    try:
        with _known_to_keras(custom_objects):
            pipe = unpack(data)
        if not isinstance(pipe, BaseEstimator):
            raise ValueError(f"it holds an object of type {_type_name(pipe)}, and no estimator.")
    except ValueError as error:
        raise ValueError(
            f"{source} cannot be loaded: {error} Nothing in it was run. Take a copy that save has "
            "written, or fit again."
        ) from error
    return pipe


def _known_to_keras(custom_objects: Mapping[str, Any] | None) -> AbstractContextManager[Any]:
    """Return a context in which Keras finds objects by their names."""
    if not custom_objects:
        return nullcontext()
    from ..utils._quiet_tensorflow import keras

    scope: AbstractContextManager[Any] = keras.saving.custom_object_scope(dict(custom_objects))
    return scope


def _packed(pipe: BaseEstimator, facts: dict[str, Any]) -> bytes:
    """Return the content of the file; refuse what :func:`load` would refuse."""
    try:
        data = pack(pipe, {INFO: json.dumps(facts).encode()} | _predictor(pipe))
        foreign = foreign_types(data)
    except Exception as error:
        reason = str(error)
        if isinstance(error, RecursionError):
            reason = "it holds objects that hold each other, as requests for metadata do."
        raise TypeError(
            f"pipe cannot be saved: {reason} Nothing was written. Leave that part out of the "
            "pipeline, or use joblib, whose files only those may load who trust their writer."
        ) from error
    if foreign:
        raise TypeError(
            f"pipe holds objects of types that are not saved: {', '.join(foreign)}"
            f"{_places(pipe, foreign)}. Nothing was written. Only arrays, plain values, estimators "
            "of scikit-learn and this package's are saved. Leave the others out"
            f"{_remedy(pipe, foreign)}."
        )
    return data


def _predictor(pipe: BaseEstimator) -> dict[str, bytes]:
    """Return the members of the file that :func:`load_predictor` reads, where there can be any."""
    parts = predictor_parts(pipe)
    if parts is None:
        return {}
    state, graph = parts
    return {STATE: json.dumps(state, separators=(",", ":")).encode(), GRAPH: graph}


def _places(pipe: BaseEstimator, names: list[str]) -> str:
    """Return the parameters that hold objects of these types, for the error."""
    found = _parameters_of(pipe, names)
    return f" (in {', '.join(found)})" if found else ""


def _parameters_of(pipe: BaseEstimator, names: list[str]) -> list[str]:
    """Return the names of the parameters that hold objects of these types."""
    return [
        parameter
        for parameter, value in pipe.get_params().items()
        if any(
            _type_name(item) in names or _function_name(item) in names
            for item in (value if isinstance(value, list | tuple) else [value])
        )
    ]


def _function_name(value: Any) -> str:
    """Return the name by which skops knows a function inside another, or a lambda."""
    return f"{value.__module__}.{value.__name__}" if hasattr(value, "__qualname__") else ""


def _remedy(pipe: BaseEstimator, names: list[str]) -> str:
    """Return how to set back parameters that a fitted pipeline no longer needs, for the error."""
    parameters, defaults = pipe.get_params(), []
    for name in _parameters_of(pipe, names):
        owner, _, last = name.rpartition("__")
        holder = parameters.get(owner) if owner else pipe
        given = inspect.signature(type(holder)).parameters.get(last)
        if type(holder).__name__ == "CNNClassifier" and given is not None:
            defaults.append(f"{name}={given.default!r}")
    if not defaults:
        return ""
    return (
        f"; predictions of a fitted pipeline do without: pipe.set_params({', '.join(defaults)}), "
        "which the loaded one is then fitted again with"
    )


def _type_name(value: Any) -> str:
    """Return the full name of a type or function, or of the type of another value."""
    named = value if hasattr(value, "__qualname__") else type(value)
    return f"{named.__module__}.{named.__qualname__}"


def _target(path: Any) -> Path:
    """Return the file to write, symbolic links resolved."""
    target = file_path(path, example=PIPELINE_FILE).resolve()
    if target.exists() and not target.is_file():
        raise OSError(f"path must name a file; got the device or pipe {str(target)!r}.")
    return target


def _replace(target: Path, data: bytes) -> None:
    """Write a file, or leave the existing one unchanged if that fails."""
    if len(data) > LARGEST_FILE:
        raise OSError(f"pipe takes {len(data)} bytes; a file may have at most {LARGEST_FILE}.")
    try:
        with atomic_write(target) as draft:
            draft.write_bytes(data)
    except OSError as error:
        raise OSError(
            error.errno,
            f"{error.strerror}. Nothing was written, and a file that was there is as before. "
            "Check the space on the disk and the rights of the folder",
            str(target),
        ) from error
