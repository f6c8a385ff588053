"""What is bridged for older versions of other packages, each with the condition for its removal."""

from collections.abc import Callable
from typing import Any

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
        """Stand in for scikit-learn's mixin: there is nobody to call back."""

        def _init_callback_context(self, **kwargs: Any) -> "_NoContext":
            return _NoContext()

    class _NoContext:
        """A task that nobody follows."""

        def subcontext(self, **kwargs: Any) -> "_NoContext":
            return self

        def call_on_fit_task_begin(self, **kwargs: Any) -> "_NoContext":
            return self

        def call_on_fit_task_end(self, **kwargs: Any) -> bool:
            return False

    def with_callbacks(method: Callable) -> Callable:
        """Return the method as it is."""
        return method


__all__ = ["CallbackSupportMixin", "cloudpickle", "with_callbacks"]
