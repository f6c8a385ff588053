"""The terminal: what is printed, the progress bar, and a start of TensorFlow that is quiet."""

import os
import signal
import sys
import tempfile
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class PlainConsole(Console):
    """A console that prints text as it is."""

    def __init__(self, **options: Any) -> None:
        super().__init__(highlight=False, markup=False, emoji=False, soft_wrap=True, **options)

    def on_broken_pipe(self) -> None:
        """Leave it to the caller that nobody reads any more; rich would exit with 1."""
        raise


def progress_bar(*, shown: bool) -> Progress:
    """Make a progress bar on stderr, for a ``with``.

    Parameters
    ----------
    shown : bool
        Whether it is wanted. It is shown in a terminal only.

    Returns
    -------
    rich.progress.Progress
    """
    console = PlainConsole(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(compact=True),
        console=console,
        transient=True,
        disable=not (shown and console.is_terminal),
    )


def import_tensorflow() -> None:
    """Import TensorFlow, with its greeting muted and Ctrl-C put off.

    TensorFlow 2.21 tells at import, on the process's own stderr and whatever
    TF_CPP_MIN_LOG_LEVEL says, that there is oneDNN and no GPU. A Ctrl-C that comes
    meanwhile is lost somewhere in the import.
    """
    pressed: list[int] = []
    previous = signal.signal(signal.SIGINT, lambda number, frame: pressed.append(number))
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with tempfile.TemporaryFile() as sink:
            os.dup2(sink.fileno(), 2)
            import tensorflow  # noqa: F401
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        signal.signal(signal.SIGINT, previous)
    if pressed:
        raise KeyboardInterrupt
