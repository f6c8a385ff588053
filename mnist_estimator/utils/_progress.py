"""Progress bars: in a terminal by rich, in a notebook by the browser, and none in a log."""

import html
import sys
import time
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID

_INTERVAL = 0.1  # seconds between what a notebook is sent


class ProgressBar(Protocol):
    """Shows how much of some work is done."""

    def start(self, label: str, total: int, done: int) -> None:
        """Show the bar."""

    def advance(self) -> None:
        """Count one step more."""

    def describe(self, label: str) -> None:
        """Replace the words beside the bar."""

    def say(self, line: str) -> None:
        """Print a line that stays."""

    def close(self) -> None:
        """Count no more."""


def progress_bar(console: "Console") -> ProgressBar:
    """Make the bar that suits where this process writes to.

    Parameters
    ----------
    console : rich.console.Console
        Where lines are printed. A bar is shown only where it is a terminal or a notebook.

    Returns
    -------
    ProgressBar
    """
    return NotebookBar() if console.is_jupyter else TerminalBar(console)


class TerminalBar:
    """A progress bar in a terminal, removed at the end; elsewhere only lines are printed.

    Parameters
    ----------
    console : rich.console.Console
        Where it is.
    """

    def __init__(self, console: "Console") -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self.console = console
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:3.0f} %"),
            TimeRemainingColumn(compact=True),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self.task: TaskID | None = None

    def start(self, label: str, total: int, done: int) -> None:
        """Show the bar."""
        self.task = self.bar.add_task(label, total=total, completed=done)
        self.bar.start()

    def advance(self) -> None:
        """Count one step more."""
        if self.task is not None:
            self.bar.advance(self.task)

    def describe(self, label: str) -> None:
        """Replace the words beside the bar."""
        if self.task is not None:
            self.bar.update(self.task, description=label)

    def say(self, line: str) -> None:
        """Print a line over the bar."""
        self.console.print(line, highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Remove the bar."""
        self.bar.stop()


class NotebookBar:
    """A progress bar in a notebook, without widgets: it stays in the saved file as it was last."""

    def __init__(self) -> None:
        self.output: NotebookOutput | None = None

    def start(self, label: str, total: int, done: int) -> None:
        """Show the bar."""
        self.label, self.total, self.done, self.first = label, total, done, done
        self.started = time.perf_counter()
        self.output = NotebookOutput()
        self._show(force=True)

    def advance(self) -> None:
        """Count one step more."""
        if self.output is not None:
            self.done += 1
            self._show()

    def describe(self, label: str) -> None:
        """Replace the words beside the bar."""
        if self.output is not None:
            self.label = label
            self._show()

    def say(self, line: str) -> None:
        """Print a line under the bar."""
        print(line)

    def close(self) -> None:
        """Show how long it took."""
        if self.output is not None:
            seconds = time.perf_counter() - self.started
            self._show(f"{self.label}, {seconds:.0f} s", force=True)
            self.output = None

    def _show(self, text: str | None = None, *, force: bool = False) -> None:
        if text is None:
            text = f"{self.label}, {100 * self.done / max(1, self.total):.0f} %{self._left()}"
        bar = (
            f'<progress max="{self.total}" value="{self.done}" '
            'style="width: 18em; max-width: 50%; vertical-align: middle"></progress>'
        )
        if self.output is not None:
            self.output.show(f"<div>{bar} {html.escape(text)}</div>", text, force=force)

    def _left(self) -> str:
        steps = self.done - self.first
        if steps == 0:
            return ""
        seconds = (time.perf_counter() - self.started) * (self.total - self.done) / steps
        return f", {seconds:.0f} s left"


class NotebookOutput:
    """A place in the output of a cell that can be shown anew."""

    def __init__(self) -> None:
        self.handle: Any = None
        self.shown_at = 0.0

    def show(self, page: str, text: str, *, force: bool = False) -> None:
        """Show something in place of what was there.

        Parameters
        ----------
        page : str
            As HTML.
        text : str
            The same as text.
        force : bool, default=False
            Whether to show it even right after something else.
        """
        from IPython.display import display

        show_data: Any = display
        now = time.perf_counter()
        if not force and now - self.shown_at < _INTERVAL:
            return
        self.shown_at = now
        data = {"text/html": page, "text/plain": text}
        if self.handle is None:
            self.handle = show_data(data, raw=True, display_id=True)
        else:
            self.handle.update(data, raw=True)


def in_notebook() -> bool:
    """Tell whether this process answers to a notebook."""
    if "IPython" not in sys.modules:
        return False
    from rich.console import Console

    return Console().is_jupyter
