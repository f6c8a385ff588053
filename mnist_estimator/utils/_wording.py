"""Parts of error messages: values, counts with nouns, the nearest name."""

import difflib
import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast

LONGEST = 200
"""Maximum number of characters of a value in an error."""

_Init = TypeVar("_Init", bound=Callable[..., None])


def shown(value: Any) -> str:
    """Return the representation of a value on one line, truncated to `LONGEST` characters.

    Parameters
    ----------
    value : object
        NumPy's numbers, strings and booleans are shown as Python's, also inside
        containers; of long arrays only the ends are.

    Returns
    -------
    str

    Examples
    --------
    >>> import numpy as np
    >>> from mnist_estimator.utils._wording import shown
    >>> shown(np.float64("nan")), shown([np.int64(3), np.str_("a")])
    ('nan', "[3, 'a']")
    >>> shown(np.arange(1000))
    'array([ 0, 1, 2, ..., 997, 998, 999])'
    """
    import numpy as np  # here, as the command's start is to be quick

    # NumPy 2 names the type of each number unless it is to print as 1.25 did.
    typed = np.lib.NumpyVersion(np.__version__) >= "2.0.0"
    with np.printoptions(threshold=20, linewidth=10**6, legacy="1.25" if typed else False):
        text = " ".join(repr(value).split())
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural unless it is one.

    Examples
    --------
    >>> from mnist_estimator.utils._wording import counted
    >>> counted(1, "epoch"), counted(60_000, "image"), counted(0, "class")
    ('1 epoch', '60,000 images', '0 classes')
    """
    ending = "" if number == 1 else "es" if noun.endswith("s") else "s"
    return f"{number:,} {noun}{ending}"


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the one of some names that is most like another, if one is like it."""
    return next(iter(difflib.get_close_matches(name, list(names), n=1)), None)


def unknown_parameter(name: str, owner: str, names: Iterable[str]) -> str:
    """Return the error message for an unknown parameter, with the nearest name.

    Parameters
    ----------
    name : str
        The unknown name.
    owner : str
        The class whose parameters are meant.
    names : iterable of str
        The names of its parameters.

    Returns
    -------
    str
    """
    known = list(names)
    near = nearest(name, known)
    hint = "" if near is None else f" Did you mean {near!r}?"
    return (
        f"Invalid parameter {name!r} for estimator {owner}.{hint} Valid parameters are: {known!r}."
    )


def suggest_names(init: _Init) -> _Init:
    """Decorate the constructor of an estimator to suggest the nearest name for a misspelt one.

    Its signature, from which scikit-learn takes the names of the parameters, stays, but for
    ``**name_parameters``, which takes arguments with the prefix ``name__``.

    Parameters
    ----------
    init : callable
        ``__init__``.

    Returns
    -------
    callable
        Raises TypeError for an argument that has no parameter, as Python does.
    """
    signature = inspect.signature(init)
    kinds = {name: parameter.kind for name, parameter in list(signature.parameters.items())[1:]}
    names = [name for name, kind in kinds.items() if kind != inspect.Parameter.VAR_KEYWORD]
    prefixes = tuple(f"{name.partition('_')[0]}__" for name in kinds if name not in names)

    @functools.wraps(init)
    def checked(self: Any, *args: Any, **given: Any) -> None:
        for name in given:
            if name not in names and not name.startswith(prefixes):
                raise TypeError(unknown_parameter(name, type(self).__name__, names))
        init(self, *args, **given)

    shown_parameters = [p for p in signature.parameters.values() if p.name in {"self", *names}]
    checked.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=shown_parameters
    )
    return cast(_Init, checked)
