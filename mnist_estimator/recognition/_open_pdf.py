"""Pages of PDF files, rendered as pictures by PDFium, which is an optional package."""

import os
import threading
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

DOTS_PER_INCH = 200
"""Resolution of the rendered pages: a line of handwriting on a sheet has 50 pixels or more."""
HEAD = 1024
"""The first bytes of a file, among which its mark must be."""

_lock = threading.RLock()  # PDFium is not safe for threads


def is_pdf(file: Any) -> bool:
    """Tell whether a path leads to a PDF, or whether a file object that can be searched is one."""
    if isinstance(file, str | os.PathLike):
        with open(file, "rb") as opened:
            return b"%PDF-" in opened.read(HEAD)
    if not (hasattr(file, "seek") and hasattr(file, "tell")):
        return False
    place = file.tell()
    head = file.read(HEAD)
    file.seek(place)
    return isinstance(head, bytes) and b"%PDF-" in head


class PdfPages:
    """The pages of a PDF, to be used in a ``with``.

    Parameters
    ----------
    file : path or file object
    name : str
        Stands for it in errors.
    most_pixels : int
        Larger pages are rendered in a lower resolution.

    Raises
    ------
    ImportError
        If pypdfium2 is not installed.
    ValueError
        If the file is damaged, has a password, or no page.
    """

    def __init__(self, file: Any, name: str, most_pixels: int) -> None:
        try:
            import pypdfium2
        except ImportError as error:
            raise ImportError(
                f"{name} is a PDF, which needs the package pypdfium2: pip install "
                '"mnist_estimator[pdf]". Or save its pages as PNG.'
            ) from error
        self._name, self._most_pixels = name, most_pixels
        self._error = pypdfium2.PdfiumError
        content = file.read() if hasattr(file, "read") else file
        with _lock:
            try:
                self._document = pypdfium2.PdfDocument(content)
                self.n_pages = len(self._document)
            except self._error as error:
                raise self._damaged(error) from error
        if self.n_pages == 0:
            raise self._damaged("no pages")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with _lock:
            self._document.close()

    def pixels(self, number: int) -> NDArray[np.uint8]:
        """Return a page as an array of shape (height, width, 3): red, green and blue."""
        with _lock:
            try:
                page = self._document[number]
                width, height = page.get_size()  # in points of 1/72 inch
                scale = DOTS_PER_INCH / 72
                scale = min(scale, (0.99 * self._most_pixels / max(width * height, 1.0)) ** 0.5)
                bitmap = page.render(scale=scale, rev_byteorder=True)
                pixels = np.array(bitmap.to_numpy()[..., :3])
                bitmap.close()
                page.close()
            except self._error as error:
                raise self._damaged(error) from error
        return pixels

    def _damaged(self, problem: object) -> ValueError:
        return ValueError(
            f"{self._name} must be a whole PDF without a password; got one that cannot be opened "
            f"({problem}). Save it again, or save its pages as PNG."
        )
