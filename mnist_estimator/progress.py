"""What a fit shows while it runs."""

import time
from typing import Any

import keras
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn


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
        steps = self.params["epochs"] * self.params["steps"]
        self.started = time.perf_counter()
        self.task = self.bar.add_task(self._label(1), total=steps)
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
