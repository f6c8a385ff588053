"""Private names of scikit-learn, and what is bridged for older versions of it and of joblib.

Each has the condition for its removal. All other modules import these names from here.
"""

from collections.abc import Callable
from typing import Any

from sklearn import get_config

# scikit-learn's own estimators check parameters by these. Replace when they are public.
from sklearn.model_selection._search import BaseSearchCV
from sklearn.utils import _safe_indexing as safe_indexing
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    StrOptions,
    validate_parameter_constraints,
)
from sklearn.utils.validation import _get_feature_names as get_feature_names

try:
    import cloudpickle
except ImportError:
    # joblib before 1.6 brings it along, hidden. Remove when setup.cfg asks for joblib 1.6.
    from joblib.externals import cloudpickle

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:
    # scikit-learn before 1.9 has no callbacks of its own. Remove when setup.cfg asks for 1.9.
    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stand in for scikit-learn's mixin: no callbacks are called."""

        def _init_callback_context(self, **kwargs: Any) -> "_NoContext":
            return _NoContext()

    class _NoContext:
        """A task without callbacks."""

        def subcontext(self, **kwargs: Any) -> "_NoContext":
            return self

        def call_on_fit_task_begin(self, **kwargs: Any) -> "_NoContext":
            return self

        def call_on_fit_task_end(self, **kwargs: Any) -> bool:
            return False

    def with_callbacks(method: Callable[..., Any]) -> Callable[..., Any]:
        """Return the method unchanged."""
        return method


def output_container(transformer: Any) -> str:
    """Return the container that ``set_output``, or else the configuration, asks for.

    Parameters
    ----------
    transformer : estimator
        With ``set_output``.

    Returns
    -------
    str
        "default", "pandas" or "polars". Replace when scikit-learn has a public way to ask.
    """
    own = getattr(transformer, "_sklearn_output_config", {}).get("transform")
    return str(own or get_config()["transform_output"])


def forget_callbacks(estimator: Any) -> None:
    """Remove the callbacks of an estimator, which remember earlier fits.

    Replace when scikit-learn has a public way to remove them.
    """
    if hasattr(estimator, "_skl_callbacks"):
        del estimator._skl_callbacks


CALLBACK_STATE = ("_callback_fit_ctx", "_skl_callbacks_to_teardown")
"""Attributes by which scikit-learn tears callbacks down. Replace when there is a public way."""


__all__ = [
    "CALLBACK_STATE",
    "BaseSearchCV",
    "CallbackSupportMixin",
    "HasMethods",
    "Interval",
    "StrOptions",
    "cloudpickle",
    "forget_callbacks",
    "get_feature_names",
    "output_container",
    "safe_indexing",
    "validate_parameter_constraints",
    "with_callbacks",
]
