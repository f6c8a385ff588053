"""Old names of public objects that were renamed in version 0.7: they work, with a warning."""

import warnings
from collections.abc import Callable
from typing import Any

RENAMED = {"DigitReading": "DetectedDigits", "read_digits": "find_digits"}
"""Names of ``mnist_estimator`` and ``mnist_estimator.recognition``, to be removed in 0.9."""


def with_old_names(module: str, getattr_: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a module that also finds the objects by their old names.

    Parameters
    ----------
    module : str
        Name of the module.
    getattr_ : callable
        Its ``__getattr__``, which finds the objects by their new names.

    Returns
    -------
    callable
        Issues a ``FutureWarning`` for an old name.
    """

    def find(name: str) -> Any:
        if name in RENAMED:
            warnings.warn(
                f"{module}.{name} was renamed to {RENAMED[name]} in version 0.7; the old name "
                f"will be removed in version 0.9. Use {module}.{RENAMED[name]}.",
                FutureWarning,
                stacklevel=2,
            )
            name = RENAMED[name]
        return getattr_(name)

    return find
