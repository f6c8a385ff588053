"""Public names in an environment that has only what predictions need."""

import sys
from collections.abc import Callable
from typing import Any

NOT_FOR_PREDICTIONS = (
    "jinja2", "keras", "matplotlib", "onnx", "pandas", "scikeras", "scipy", "sklearn", "skops",
    "tensorflow",
)  # fmt: skip
"""Required packages that ``load_predictor`` does without."""


def with_remedy(getattr_: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a module that says what a name needs that is not installed.

    Parameters
    ----------
    getattr_ : callable
        Its ``__getattr__``, which imports modules.

    Returns
    -------
    callable
        Raises an ``ImportError`` with the remedy where a package is missing.
    """

    def find(name: str) -> Any:
        try:
            return getattr_(name)
        except ModuleNotFoundError as error:
            missing = (error.name or "").partition(".")[0]
            if missing not in NOT_FOR_PREDICTIONS:
                raise
            version = ".".join(map(str, sys.version_info[:2]))
            raise ImportError(
                f"{name} needs the package {missing}, which is not installed here (Python "
                f"{version}). load_predictor predicts without it. For all else install "
                "mnist_estimator with its dependencies, on a Python that TensorFlow has: "
                "3.11 to 3.13."
            ) from error

    return find
