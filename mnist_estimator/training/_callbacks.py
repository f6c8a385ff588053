"""Callbacks of a fit: the user's Keras callbacks, scikit-learn's, and the progress bar."""

import copy
import time
import warnings
from collections.abc import Callable
from typing import Any

from rich.console import Console
from sklearn.base import clone

from ..utils._progress import progress_bar
from ..utils._quiet_tensorflow import keras
from ..utils._sklearn_compat import cloudpickle
from ..utils._wording import shown


def copy_callback(callback: Any) -> keras.callbacks.Callback:
    """Return a callback for one fit: an instance of the class, or a copy of the instance.

    Parameters
    ----------
    callback : keras.callbacks.Callback or subclass of it
        As given by the user.

    Returns
    -------
    keras.callbacks.Callback
        A copy shares with the original what cannot be copied, such as a stream or a lock.

    Raises
    ------
    TypeError
        If it is neither.
    """
    own = callback() if isinstance(callback, type) else _deep_copy(callback)[0]
    if not isinstance(own, keras.callbacks.Callback):
        raise TypeError(
            "callbacks must hold instances or subclasses of keras.callbacks.Callback; "
            f"got {shown(callback)}. Derive it from keras.callbacks.Callback; scikit-learn's own "
            "callbacks go to set_callbacks."
        )
    return own


def clone_callbacks(callbacks: Any) -> Any:
    """Clone callbacks for ``sklearn.base.clone``, also those that cannot be copied.

    Parameters
    ----------
    callbacks : sequence of keras.callbacks.Callback
        The parameter. Anything else is left to scikit-learn.

    Returns
    -------
    sequence of keras.callbacks.Callback
        Clones share with the originals what cannot be copied; a warning says so.
    """
    if not isinstance(callbacks, list | tuple):
        return clone(callbacks, safe=False)
    clones = []
    for place, callback in enumerate(callbacks):
        own, shared = (callback, {}) if isinstance(callback, type) else _deep_copy(callback)
        clones.append(own)
        for name, error in shared.items():
            kind = type(callback).__name__
            warnings.warn(
                f"callbacks[{place}], of {kind}, cannot be copied as a whole ({error}): all clones "
                f"share its {name!r}, and in a search all fits do. To give each fit one of its "
                f"own, pass a class in place of the instance, such as callbacks=[{kind}].",
                UserWarning,
                stacklevel=2,
            )
            break
    return type(callbacks)(clones)


def picklable_callbacks(callbacks: Any, *, is_fitted: bool) -> Any:
    """Return the callbacks to be pickled with a classifier.

    Parameters
    ----------
    callbacks : sequence of keras.callbacks.Callback or None
        The parameter.
    is_fitted : bool
        Whether the classifier is fitted: its callbacks are then no longer needed, and those that
        cannot be pickled are left out, with a warning.

    Returns
    -------
    sequence of keras.callbacks.Callback or None

    Raises
    ------
    TypeError
        If one cannot be pickled, and the classifier is not fitted.
    """
    if not isinstance(callbacks, list | tuple):
        return callbacks
    kept = []
    for place, callback in enumerate(callbacks):
        try:
            # Both ways, with cloudpickle, which joblib uses and which takes more than pickle does.
            cloudpickle.loads(cloudpickle.dumps(callback))
        except Exception as error:  # the callback's attributes may raise anything
            kind = type(callback).__name__
            words = (
                f"callbacks[{place}], of {kind}, cannot be pickled ({error}). Another process, "
                f"as with n_jobs=2, needs a class in place of the instance, such as "
                f"callbacks=[{kind}]."
            )
            if not is_fitted:
                raise TypeError(words) from error
            warnings.warn(f"{words} The copy is without it.", UserWarning, stacklevel=3)
        else:
            kept.append(callback)
    return type(callbacks)(kept)


def _deep_copy(callback: Any) -> tuple[Any, dict[str, Exception]]:
    """Return a copy of a callback, and the error of each attribute that it shares, by name.

    A copy always shares Optuna's objects: a copied trial would report to a copy of its study, and
    never be pruned.
    """
    parts = getattr(callback, "__dict__", {})
    memo = {id(part): part for part in parts.values() if _is_from_optuna(part)}
    try:
        return copy.deepcopy(callback, memo.copy()), {}
    except Exception as error:  # the callback's attributes may raise anything
        reason = error
    try:
        own = copy.copy(callback)
    except Exception:
        return callback, dict.fromkeys(parts, reason)
    shared = {}
    memo[id(callback)] = own
    for name, part in parts.items():
        try:
            setattr(own, name, copy.deepcopy(part, memo))
        except Exception as error:
            shared[name] = error
    return own, shared


def _is_from_optuna(part: Any) -> bool:
    return type(part).__module__.startswith("optuna.")


class Observer(keras.callbacks.Callback):
    """A callback that leaves the learning rate as it is, so that no step has to ask for it."""


class EpochTasks(Observer):
    """Makes each epoch a task for scikit-learn's callbacks.

    Parameters
    ----------
    context : sklearn.callback.CallbackContext
        The task of the whole fit.
    call : dict
        Arguments of the hooks: ``estimator``, ``X``, ``y``, ``metadata``.
    fitted_attributes : callable
        Takes the history so far; returns the attributes by which a copy of the estimator is
        fitted as of now.
    """

    def __init__(
        self,
        context: Any,
        call: dict[str, Any],
        fitted_attributes: Callable[[dict[str, list[float]]], dict[str, Any]],
    ) -> None:
        super().__init__()
        self.context, self.call, self.fitted_attributes = context, call, fitted_attributes

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Begin a task."""
        self.task = self.context.subcontext(task_name=f"epoch {epoch + 1}")
        self.task.call_on_fit_task_begin(**self.call)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """End the task; stop if a callback asks for it."""
        if self.task.call_on_fit_task_end(
            **self.call,
            reconstruction_attributes=lambda: self.fitted_attributes(self.params["history"]),
        ):
            self.model.stop_training = True


class ProgressReporter(Observer):
    """Prints a line per epoch and, in a terminal or notebook, shows a progress bar."""

    def __init__(self, console: Console | None = None) -> None:
        super().__init__()
        self.bar = progress_bar(console or Console())

    def on_train_begin(self, logs: Any = None) -> None:
        """Start the clock and the bar."""
        self.started = time.perf_counter()
        self.bar.start(self._label(1), self.params["total_steps"], self.params["steps_done"])

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Show the number of the epoch."""
        self.bar.describe(self._label(epoch + 1))

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Advance the bar by one step."""
        self.bar.advance()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Print loss and accuracy of the epoch."""
        logs = logs or {}
        names = {
            "loss": "loss", "accuracy": "accuracy",
            "val_loss": "val. loss", "val_accuracy": "val. accuracy",
        }  # fmt: skip
        figures = [f"{names[name]} {logs[name]:.4f}" for name in names if name in logs]
        seconds = time.perf_counter() - self.started
        self.bar.say(f"{self._label(epoch + 1)}  {'  '.join(figures)}  {seconds:.0f} s")

    def close(self) -> None:
        """Remove the bar, however training ended."""
        self.bar.close()

    def _label(self, epoch: int) -> str:
        total = self.params["epochs"]
        return f"Epoch {epoch:{len(str(total))}d}/{total}"
