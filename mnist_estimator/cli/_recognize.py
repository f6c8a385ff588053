"""The command that finds and classifies the digits of photos, scans and documents."""

import argparse
import csv
import json
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from ..utils._input_checks import prefix_errors
from ..utils._output_files import atomic_write, check_writable
from ..utils._wording import counted
from ._commands import check_there
from ._model import find_model, load_model
from ._terminal import PlainConsole, list_skipped, open_output, progress_bar

if TYPE_CHECKING:
    from ..recognition._open_image import Page
    from ..recognition._recognition import Recognition
    from .inputs._bytes import Source

COLUMNS = (
    "source", "page", "line", "group", "label", "confidence", "rejected", "doubtful",
    "top", "left", "bottom", "right",
)  # fmt: skip
"""Of the CSV, which has a row for each digit."""

Write = Callable[[str, "Recognition"], None]
"""Takes the name of a source and what was recognized on a page of it."""


def run_recognize(options: argparse.Namespace) -> int:
    """Write the digits on pictures as text, CSV or JSON.

    Parameters
    ----------
    options : argparse.Namespace
        ``model``, ``pictures``, ``format``, ``output``, ``annotate``, ``min_confidence``,
        ``placeholder``, ``keep_letters``, ``rotation``, ``polarity``, ``region``, ``skip_bad`` and
        ``quiet``, as the command line has them.

    Returns
    -------
    int
        Exit code: 0, or 4 if bad files were left out.
    """
    model_path = find_model(options.model)
    inputs = [Path(name) for name in options.pictures if name != "-"]
    check_there(inputs)
    if options.output is not None:
        check_writable(
            options.output, name="--output", example="digits.txt", inputs=(model_path, *inputs)
        )
    if options.annotate is not None:
        _check_folder(options.annotate, inputs)
    skipped: list[str] | None = [] if options.skip_bad else None
    n_pages, taken = 0, set[str]()
    shown = not options.quiet and (options.output is not None or not sys.stdout.isatty())
    with progress_bar(shown=shown) as bar:
        task = bar.add_task("Loading the model", total=None)
        recognize = _recognizer(options, load_model(model_path).pipe)
        sources = _sources(options.pictures)
        bar.update(task, description="Pictures", total=len(sources))
        with open_output(options.output) as file, _writer(options.format, file) as write:
            is_one = len(sources) == 1
            for source in sources:
                for page in _pages(source, options.polarity, skipped):
                    with prefix_errors(str(source)):
                        found, notes = recognize(page)
                    name = _name(source, found, with_source=not is_one)
                    if options.format == "text":
                        write(name, found)
                    else:
                        write(source.name, found)
                    if options.annotate is not None:
                        _write_image(_image_path(options.annotate, source, found, taken), found)
                    if not options.quiet:
                        for note in notes:
                            said = f"{_name(source, found, with_source=True)}: {note}"
                            PlainConsole(stderr=True).print(f"Note: {said}")
                    n_pages += 1
                bar.advance(task)
            if skipped and not n_pages:
                raise ValueError(f"No file can be read. {skipped[0]}")
    if options.output is not None:
        PlainConsole(quiet=options.quiet).print(
            f"Written to {options.output}: {counted(n_pages, 'page')}."
        )
    return list_skipped(skipped)


def _recognizer(
    options: argparse.Namespace, pipe: Any
) -> Callable[["Page"], tuple["Recognition", list[str]]]:
    """Return what recognizes a page, and says what is doubtful about it."""
    from ..recognition._classification import check_classifier
    from ..recognition._recognize import (
        Options,
        check_options,
        recognize_page,
        rotation_warning,
    )

    check_classifier(pipe)
    checked = check_options(
        pipe,
        Options(
            options.region,
            options.rotation,
            options.polarity,
            options.min_confidence,
            options.placeholder,
            not options.keep_letters,
        ),
    )

    def recognize(page: "Page") -> tuple["Recognition", list[str]]:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = recognize_page(pipe, page, checked)
        notes = [str(warning.message) for warning in caught]
        if not found.rotation_is_sure:
            notes.append(rotation_warning(found).replace("Pass rotation:", "Pass --rotation:"))
        if not len(found) and not notes:
            notes.append("no digits found." + _letters_left_out(found))
        return found, list(dict.fromkeys(notes))

    return recognize


def _letters_left_out(found: "Recognition") -> str:
    if not found.n_letters:
        return ""
    signs = counted(found.n_letters, "sign")
    return f" {signs} left out as no digits by their shape; --keep-letters keeps them."


def _check_folder(folder: Path, inputs: list[Path]) -> None:
    """Make the folder of annotated pictures, in which no picture is replaced."""
    place = folder.resolve()
    for path in inputs:
        holder = path.resolve() if path.is_dir() else path.resolve().parent
        if place == holder or (path.is_dir() and holder in place.parents):
            raise ValueError(
                f"--annotate: the folder {folder} is that of the input {path}, whose pictures must "
                "stay as they are. Name another folder."
            )
    folder.mkdir(parents=True, exist_ok=True)
    check_writable(folder / "page.png", name="--annotate", example="annotated")


def _sources(names: list[str]) -> list["Source"]:
    """Return the files that were named, and those in folders."""
    from .inputs._bytes import Source
    from .inputs._pictures import pictures_in

    sources = []
    for name in names:
        if name != "-" and Path(name).is_dir():
            sources += [Source(path) for path in pictures_in(Path(name), with_documents=True)]
        else:
            sources.append(Source(name))
    return sources


def _pages(source: "Source", polarity: str, skipped: list[str] | None) -> Iterator["Page"]:
    """Yield the pages of a file; what is wrong with it goes to ``skipped``, if it is a list."""
    from ..recognition._open_image import open_pages

    try:
        with source.open() as file:
            yield from open_pages(file, str(source), polarity)
    except (OSError, EOFError, ValueError) as error:
        if skipped is None:
            if isinstance(error, EOFError):  # a gzip file that is cut short
                raise ValueError(f"{source} is damaged or cut short ({error}).") from error
            raise
        place = "" if str(source) in str(error) else f"{source}: "
        skipped.append(f"{place}{error}")


def _name(source: "Source", found: "Recognition", *, with_source: bool) -> str:
    """Return what names a page among others: "" if it is the only one."""
    if found.n_pages == 1:
        return str(source) if with_source else ""
    return f"{source}, page {found.page}"


@contextmanager
def _writer(kind: str, file: TextIO) -> Iterator[Write]:
    """Make a writer of pages: "text", "csv" or "json", whose list appears whole or not at all."""
    if kind == "csv":
        yield _csv_writer(file)
    elif kind == "text":
        yield lambda name, found: _write_text(file, name, found)
    else:
        pages: list[dict[str, Any]] = []
        yield lambda name, found: pages.append({"source": name, **found.to_dict()})
        json.dump(pages, file, indent=1, allow_nan=False)
        file.write("\n")


def _write_text(file: TextIO, name: str, found: "Recognition") -> None:
    if name:
        file.write(f"==> {name} <==\n")
    if found.text:
        file.write(f"{found.text}\n")
    file.flush()


def _csv_writer(file: TextIO) -> Write:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)

    def write(name: str, found: "Recognition") -> None:
        for digit in found:
            confidence = "" if digit.confidence is None else f"{digit.confidence:.6f}"
            writer.writerow(
                [name, found.page, digit.line, digit.group, digit.label, confidence,
                 int(digit.is_rejected), int(digit.is_doubtful), *digit.box]
            )  # fmt: skip

    return write


def _image_path(folder: Path, source: "Source", found: "Recognition", taken: set[str]) -> Path:
    """Return the PNG for an annotated page, which replaces none of this run."""
    stem = "stdin" if source.name == "-" else source.path.stem
    stem += f"-page-{found.page}" if found.n_pages > 1 else ""
    names = (f"{stem}{ending}" for ending in chain([""], map("-{}".format, count(2))))
    name = next(name for name in names if name.casefold() not in taken)
    taken.add(name.casefold())
    return folder / f"{name}.png"


def _write_image(path: Path, found: "Recognition") -> None:
    with atomic_write(path) as partial:
        found.to_image().save(partial, "PNG")
