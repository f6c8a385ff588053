"""Progress on the terminal, or in a notebook, while a page is searched for digits."""

import contextlib
import html
import sys
from collections.abc import Callable, Iterator

from ..utils._progress import NotebookOutput, in_notebook

Say = Callable[[str], None]
"""Shows what is being done."""


def say_nothing(text: str) -> None:
    """Show nothing."""


@contextlib.contextmanager
def progress(verbose: bool) -> Iterator[Say]:
    """Show what is being done: on stderr, if that is a terminal, or in a notebook.

    Parameters
    ----------
    verbose : bool
        Whether to show it.

    Yields
    ------
    callable
        Takes a short text, which replaces the one before. The last one is erased at the end.
    """
    if verbose and in_notebook():
        output = NotebookOutput()
        try:
            yield lambda text: output.show(f"<em>{html.escape(text)} …</em>", text)
        finally:
            output.show("", "", force=True)
        return
    if not (verbose and sys.stderr.isatty()):
        yield say_nothing
        return
    from rich.console import Console

    with Console(stderr=True).status("Opening the picture") as status:
        yield lambda text: status.update(text)
