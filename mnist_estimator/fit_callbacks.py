"""Who is told of a fit while it runs: Keras's callbacks, scikit-learn's, and the terminal."""

import copy
import time
from collections.abc import Callable
from typing import Any

import keras
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from .wording import shown


def own_callback(callback: Any) -> keras.callbacks.Callback:
    """Return a callback that a fit may use up: an instance of the class, or a copy.

    A copy shares what is Optuna's: a copied trial would report to a copy of its study, and
    never hear that it is to be pruned.

    Parameters
    ----------
    callback : keras.callbacks.Callback or subclass of it
        What the user gave.

    Returns
    -------
    keras.callbacks.Callback

    Raises
    ------
    TypeError
        If it is neither.
    """
    parts = getattr(callback, "__dict__", {}).values()
    shared = {id(part): part for part in parts if type(part).__module__.startswith("optuna.")}
    own = callback() if isinstance(callback, type) else copy.deepcopy(callback, shared)
    if not isinstance(own, keras.callbacks.Callback):
        raise TypeError(
            "callbacks must hold instances or subclasses of keras.callbacks.Callback; "
            f"got {shown(callback)}. Derive it from keras.callbacks.Callback; callbacks of "
            "scikit-learn's go to set_callbacks."
        )
    return own


class EpochTasks(keras.callbacks.Callback):
    """Make each epoch a task that scikit-learn's callbacks follow.

    Parameters
    ----------
    context : sklearn.callback.CallbackContext
        The task of the whole fit.
    call : dict
        What the hooks are called with: ``estimator``, ``X``, ``y``, ``metadata``.
    learned : callable
        Takes the history so far; returns the attributes that a copy of the
        estimator needs for it to be fitted as of now.
    """

    def __init__(
        self,
        context: Any,
        call: dict[str, Any],
        learned: Callable[[dict[str, list[float]]], dict[str, Any]],
    ) -> None:
        super().__init__()
        self.context, self.call, self.learned = context, call, learned

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Begin a task."""
        self.task = self.context.subcontext(task_name=f"epoch {epoch + 1}")
        self.task.call_on_fit_task_begin(**self.call)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """End the task; stop if a callback asks for it."""
        if self.task.call_on_fit_task_end(
            **self.call, reconstruction_attributes=lambda: self.learned(self.params["history"])
        ):
            self.model.stop_training = True


class ProgressReporter(keras.callbacks.Callback):
    """Print a line for each epoch and, in a terminal, a bar that moves with the steps."""

    def __init__(self, console: Console | None = None) -> None:
        super().__init__()
        self.console = console or Console()
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:3.0f} %"),
            TimeRemainingColumn(compact=True),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self.task: TaskID | None = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Start the clock and the bar."""
        total, done = self.params["total_steps"], self.params["steps_done"]
        self.started = time.perf_counter()
        self.task = self.bar.add_task(self._label(1), total=total, completed=done)
        self.bar.start()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Name the epoch under way."""
        if self.task is not None:
            self.bar.update(self.task, description=self._label(epoch + 1))

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Move the bar on by a step."""
        if self.task is not None:
            self.bar.advance(self.task)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Print the figures of the epoch."""
        logs = logs or {}
        names = {
            "loss": "loss", "accuracy": "accuracy",
            "val_loss": "val. loss", "val_accuracy": "val. accuracy",
        }  # fmt: skip
        figures = [f"{names[name]} {logs[name]:.4f}" for name in names if name in logs]
        seconds = time.perf_counter() - self.started
        line = f"{self._label(epoch + 1)}  {'  '.join(figures)}  {seconds:.0f} s"
        self.console.print(line, highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Take the bar away, however the training ended."""
        self.bar.stop()

    def _label(self, epoch: int) -> str:
        total = self.params["epochs"]
        return f"Epoch {epoch:{len(str(total))}d}/{total}"
