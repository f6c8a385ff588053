"""What a file says of the pipeline in it, as JSON values; and the check of the user's metadata."""

import json
import math
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from ..utils._fitted import find_history, fitted_parts
from ..utils._wording import shown
from ._cached_classifier import CachedClassifier

LARGEST_METADATA = 2**20
"""Most bytes of the user's metadata as JSON."""

DEEPEST = 20
"""Most levels of lists and dicts in it."""

LARGEST_PARAMETER = 1000
"""Most characters of a parameter's value as JSON; longer ones are shown shortened."""

SCORES = ("loss", "accuracy", "val_loss", "val_accuracy")
FOLDERS = ("checkpoint_dir", "memory")
"""Parameters saved as None, as files name no folders."""


def model_facts(pipe: BaseEstimator, metadata: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return what a file says of a pipeline.

    Parameters
    ----------
    pipe : fitted estimator
    metadata : dict, default=None
        The user's.

    Returns
    -------
    dict
        JSON values: ``saved_at``, ``estimator``, ``classes``, ``image_shape``, ``value_range``,
        ``parameters``, ``training_data``, ``scores`` and ``metadata``. What is unknown is None.

    Raises
    ------
    ValueError, TypeError
        If ``metadata`` or the environment variable SOURCE_DATE_EPOCH is not valid.
    """
    while isinstance(pipe, CachedClassifier):  # it is saved as what it wraps
        pipe = pipe.estimator_
    classes = getattr(pipe, "classes_", None)
    value_range = _found(pipe, "_value_range")
    return {
        "saved_at": _now(),
        "estimator": type(pipe).__name__,
        "classes": None if classes is None else _as_json(np.asarray(classes).tolist()),
        "image_shape": _as_json(_found(pipe, "image_shape_")),
        "value_range": None if value_range is None else _as_json(value_range[:2]),
        "parameters": _parameters(pipe),
        "training_data": _found(pipe, "_training_data", with_members=False),
        "scores": _scores(pipe),
        "metadata": check_metadata({} if metadata is None else metadata),
    }


def check_metadata(metadata: Any) -> dict[str, Any]:
    """Return the user's metadata, if a file can hold it as it is.

    Parameters
    ----------
    metadata : dict
        JSON values under names.

    Raises
    ------
    TypeError
        If something in it is no JSON value.
    ValueError
        If a number is not finite, a text has lone surrogates, or it is too large.
    """
    if not isinstance(metadata, dict):
        raise TypeError(
            'metadata must be a dict of JSON values, such as {"author": "A. Smith"}; got '
            f"{shown(metadata)}."
        )
    _check_value(metadata, "metadata", DEEPEST)
    size = len(json.dumps(metadata))
    if size > LARGEST_METADATA:
        raise ValueError(
            f"metadata must take at most {LARGEST_METADATA:,} bytes as JSON; got {size:,}. Keep "
            "large data in a file of its own, and name that here."
        )
    return metadata


def _check_value(value: Any, place: str, levels: int) -> None:
    if isinstance(value, dict | list):
        if levels == 0:
            raise ValueError(
                f"metadata must have at most {DEEPEST} levels of lists and dicts; it has more, or "
                "holds itself. Flatten it."
            )
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            if isinstance(value, dict):
                if not isinstance(key, str):
                    raise TypeError(
                        f"{place} must have strings as keys, as JSON has; got {shown(key)}. "
                        "Use str(key)."
                    )
                _check_text(key, f"a key of {place}")
            _check_value(item, f"{place}[{shown(key)}]", levels - 1)
    elif isinstance(value, str):
        _check_text(value, place)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(
                f"{place} must be a finite number, as JSON has no others; got {value}. Use None."
            )
    elif isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise ValueError(
                f"{place} must be an integer of 64 bits; got one of {value.bit_length()} bits. "
                "Use str(number)."
            )
    elif value is not None:
        raise TypeError(
            f"{place} must be a JSON value: a dict, list, str, int, float, bool or None; got "
            f"{shown(value)} of type {type(value).__name__}. Convert it, as .tolist() does for "
            "arrays and NumPy's numbers, list() for tuples, and str() for dates and paths."
        )


def _check_text(text: str, place: str) -> None:
    if text.encode("utf-8", "replace") != text.encode("utf-8", "surrogatepass"):
        raise ValueError(
            f"{place} must be text that UTF-8 can encode; got {shown(text)}, which has lone "
            "surrogates, as names of files may. Use text.encode(errors='replace').decode()."
        )


def _now() -> str:
    """Return the date in UTC, or the one that SOURCE_DATE_EPOCH gives for reproducible files."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given is None:
        now = datetime.now(UTC)
    else:
        try:
            now = datetime.fromtimestamp(int(given), UTC)
        except (ValueError, OverflowError, OSError) as error:
            raise ValueError(
                "The environment variable SOURCE_DATE_EPOCH must be a number of seconds since "
                f"1970; got {shown(given)}. Unset it, or set it to a date: date +%s."
            ) from error
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")


def _found(pipe: Any, name: str, *, with_members: bool = True) -> Any:
    """Return an attribute of the first part that has it, or None."""
    for part in fitted_parts(pipe, with_members=with_members):
        if hasattr(part, name):
            return getattr(part, name)
    return None


def _parameters(pipe: BaseEstimator) -> dict[str, Any]:
    """Return the parameters of all parts; of estimators in them, the class name."""
    found = {}
    for name, value in pipe.get_params(deep=True).items():
        if not _holds_estimators(value):
            value = None if name.split("__")[-1] in FOLDERS else value
            found[_text(name)] = type(value).__name__ if hasattr(value, "fit") else _as_json(value)
    return found


def _holds_estimators(value: Any) -> bool:
    """Tell whether a value is a list of estimators with names, as the steps of a pipeline."""
    return isinstance(value, list | tuple) and any(
        hasattr(part, "fit") for item in value if isinstance(item, tuple) for part in item
    )


def _scores(pipe: Any) -> dict[str, Any] | None:
    """Return the scores of the epoch whose weights are kept."""
    known = find_history(pipe)
    if known is None or not known[0]["loss"]:
        return None
    history, best_epoch = known
    n_epochs = len(history["loss"])
    epoch = best_epoch or n_epochs
    return {"epochs": n_epochs, "best_epoch": epoch} | {
        name: _as_json(history[name][epoch - 1]) if name in history else None for name in SCORES
    }


def _as_json(value: Any) -> Any:
    """Return a value as JSON has it: what it lacks as text, what is not finite as None."""
    converted = _converted(value, DEEPEST)
    text = json.dumps(converted)
    return converted if len(text) <= LARGEST_PARAMETER else _text(shown(value))


def _converted(value: Any, levels: int) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if levels and isinstance(value, dict):
        return {_text(str(key)): _converted(item, levels - 1) for key, item in value.items()}
    if levels and isinstance(value, list | tuple):
        return [_converted(item, levels - 1) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return shown(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    return _text(value if isinstance(value, str) else shown(value))


def _text(text: str) -> str:
    """Return a text that UTF-8 can encode."""
    return text.encode("utf-8", "backslashreplace").decode()
