"""The terminal: what is printed, the progress bar, and Ctrl-C while TensorFlow is imported."""

import io
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ..utils._output_files import atomic_write
from ._exit_codes import ExitCode


class PlainConsole(Console):
    """A console that prints text as it is."""

    def __init__(self, **options: Any) -> None:
        super().__init__(highlight=False, markup=False, emoji=False, soft_wrap=True, **options)

    def on_broken_pipe(self) -> None:
        """Raise to the caller when the reader is gone; rich would exit with 1."""
        raise


def progress_bar(*, shown: bool) -> Progress:
    """Make a progress bar on stderr, for a ``with``.

    Parameters
    ----------
    shown : bool
        Whether to show it; only ever in a terminal.

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
    """Import TensorFlow with Ctrl-C deferred: the import would swallow it."""
    pressed: list[int] = []
    previous = signal.signal(signal.SIGINT, lambda number, frame: pressed.append(number))
    try:
        from ..utils import _quiet_tensorflow  # noqa: F401
    finally:
        signal.signal(signal.SIGINT, previous)
    if pressed:
        raise KeyboardInterrupt


def list_skipped(skipped: list[str] | None) -> ExitCode:
    """Print what was left out on stderr, and return the exit code.

    Parameters
    ----------
    skipped : list of str or None
        What to say of each file.
    """
    if not skipped:
        return ExitCode.DONE
    console = PlainConsole(stderr=True)
    console.print(f"mnist-estimator: bad files left out ({len(skipped)}):")
    for words in skipped:
        console.print(f"  {' '.join(words.split())}")
    return ExitCode.SKIPPED


@contextmanager
def open_output(path: Path | None) -> Iterator[TextIO]:
    """Open a file, written atomically, or stdout."""
    if path is None:
        if isinstance(sys.stdout, io.TextIOWrapper):
            # Names of files may be any bytes.
            sys.stdout.reconfigure(errors="surrogateescape")
        yield sys.stdout
        return
    with (
        atomic_write(path) as partial,
        partial.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file,
    ):
        yield file
