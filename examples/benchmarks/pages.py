"""Measure the recognition of pictures by kind: form cells, thin pens, colours, slanted lines ...

    python examples/benchmarks/pages.py                      # all kinds: a quarter of an hour
    python examples/benchmarks/pages.py --kinds plain comb   # those whose names begin so
    python examples/benchmarks/pages.py --model digits.pipeline --pictures 20
    python examples/benchmarks/pages.py --folder PICTURES    # your own, see below

Pictures are drawn by examples/handwriting/kinds.py, half of them with strokes of a pen and half
with MNIST's test images enlarged. A picture is right if all its lines are, digit by digit; of the
kind "separators and gaps" every space and separator, too. With all kinds, the table goes to
examples/benchmarks/pages.csv and docs/pictures.md. Without --model, the default pipeline learns
the 60,000 training images first.

A folder has a file TRUTH.tsv, separated by tabs, with the columns "file", "kind" and "truth": the
lines of digits, with "/" between them.

With --save DIR, pictures that are not right are written there, with what was answered.
"""

import argparse
import csv
import sys
import time
import warnings
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from reporting import describe, replace_between, to_markdown
from rich.console import Console
from rich.progress import track

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("strokes", "mnist")
WITH_SEPARATORS = ("separators and gaps",)
TURNED = ("turned pages",)
START, END = "<!-- table of pages.py -->", "<!-- end of the table -->"
COLUMNS = [
    "kind", "pictures", "right", "digits found", "digit errors", "letters taken", "seconds",
]  # fmt: skip


def drawn(kinds: list[str], n_pictures: int, first: int) -> Iterator[tuple[str, str, Any, str]]:
    """Yield kind, name, picture and truth of drawn pictures, half of each source."""
    from handwriting.kinds import draw

    for kind in kinds:
        for number in range(n_pictures):
            source, seed = SOURCES[number % 2], first + number // 2
            picture, lines = draw(kind, source, seed)
            yield kind, f"{kind}, {source}, {seed}", picture, "\n".join(lines)


def of_folder(folder: Path) -> Iterator[tuple[str, str, Any, str]]:
    """Yield kind, name, path and truth of the pictures of a folder."""
    with open(folder / "TRUTH.tsv", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            yield row["kind"], row["file"], folder / row["file"], row["truth"].replace("/", "\n")


def plain_digits(text: str) -> str:
    """Return a text without spaces and separators, and without lines that held nothing else."""
    lines = ("".join(c for c in line if c.isdigit() or c == "?") for line in text.splitlines())
    return "\n".join(line for line in lines if line)


def edit_distance(text: str, truth: str) -> int:
    """Return Levenshtein's distance."""
    before = list(range(len(truth) + 1))
    for i, character in enumerate(text, start=1):
        now = [i]
        for j, wanted in enumerate(truth, start=1):
            now.append(min(before[j] + 1, now[-1] + 1, before[j - 1] + (character != wanted)))
        before = now
    return before[-1]


def common_length(text: str, truth: str) -> int:
    """Return how many digits of two texts are the same, in order and line by line."""
    total = 0
    for line, wanted in zip(text.split("\n"), truth.split("\n"), strict=False):
        before = [0] * (len(wanted) + 1)
        for character in line:
            now = [0]
            for j, other in enumerate(wanted, start=1):
                now.append(max(now[-1], before[j], before[j - 1] + (character == other)))
            before = now
        total += before[-1]
    return total


def measure(
    model: Any, pictures: Iterable[tuple[str, str, Any, str]], keep: bool
) -> Iterator[dict[str, Any]]:
    """Yield what was answered for each picture, and how right it is; `keep` the wrong ones."""
    from mnist_estimator import RotationWarning, recognize

    for kind, name, picture, truth in pictures:
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RotationWarning)  # the answer is judged as it is
            found = recognize(model, picture, rotation="auto" if kind in TURNED else 0)
        seconds = time.perf_counter() - start
        text = getattr(found, "text", str(found))
        whole = text == truth if kind in WITH_SEPARATORS else None
        text_digits, truth_digits = plain_digits(text), plain_digits(truth)
        right = text_digits == truth_digits if whole is None else whole
        yield {
            "kind": kind,
            "name": name,
            "picture": found.picture if keep and not right else None,
            "truth": truth,
            "text": text,
            "right": right,
            "found": [*map(len, text_digits.split("\n"))] == [*map(len, truth_digits.split("\n"))],
            "errors": edit_distance(text_digits, truth_digits),
            "digits": len(truth_digits.replace("\n", "")),
            "kept": common_length(text_digits, truth_digits),
            "answers": len(text_digits.replace("\n", "")),
            "letters": sum(c.isalpha() for c in truth),
            "seconds": seconds,
        }


def by_kind(answers: pd.DataFrame) -> pd.DataFrame:
    """Return the table: a row a kind."""
    rows = []
    for kind, group in answers.groupby("kind", sort=False):
        digits, letters = int(group["digits"].sum()), int(group["letters"].sum())
        taken = int((group["answers"] - group["kept"]).sum())
        rows.append(
            {
                "kind": kind,
                "pictures": len(group),
                "right": f"{group['right'].mean():.1%}",
                "digits found": f"{group['found'].mean():.1%}",
                "digit errors": f"{group['errors'].sum() / digits:.2%}" if digits else "",
                "letters taken": f"{taken / letters:.1%}" if letters else "",
                "seconds": f"{group['seconds'].mean():.2f}",
            }
        )
    return pd.DataFrame(rows, columns=COLUMNS)


def save_wrong(answers: pd.DataFrame, folder: Path) -> None:
    """Write the pictures that are not right, with truth and answer in their names."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    for row in answers[~answers["right"]].itertuples():
        name = f"{row.name}, {row.truth} {row.text}".replace("\n", "|").replace("/", "÷")
        pixels = row.picture if row.picture.dtype == np.uint8 else np.rint(row.picture * 255)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{name[:150]}.png")


def model_of(path: Path | None) -> Any:
    """Return a saved model, or the default one fitted on MNIST's training images."""
    from mnist_estimator import load_mnist, load_predictor, make_pipeline

    if path is not None:
        return load_predictor(path)
    return make_pipeline(random_state=0).fit(*load_mnist("train", return_X_y=True))


def parser_of(description: str | None, n_pictures: int) -> argparse.ArgumentParser:
    """Return a parser of the options that say which pictures are recognized, and by which model."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--kinds", nargs="+", default=[], help="beginnings of names of kinds")
    parser.add_argument(
        "--pictures", type=int, default=n_pictures, help="of each kind; default: %(default)s"
    )
    parser.add_argument(
        "--seed", type=int, default=1000, help="of the first picture; default: 1000"
    )
    parser.add_argument("--model", type=Path, help="a saved pipeline")
    parser.add_argument("--folder", type=Path, help="with pictures and a TRUTH.tsv")
    return parser


def all_kinds() -> list[str]:
    """Return the names of the kinds that can be drawn."""
    sys.path.insert(0, str(ROOT / "examples"))
    from handwriting.kinds import KINDS

    return list(KINDS)


def pictures_of(
    options: argparse.Namespace,
) -> tuple[Iterable[tuple[str, str, Any, str]], int | None]:
    """Return the pictures that the options ask for, and how many they are if that is known."""
    if options.folder is not None:
        return of_folder(options.folder), None
    chosen = [k for k in all_kinds() if not options.kinds or k.startswith(tuple(options.kinds))]
    return drawn(chosen, options.pictures, options.seed), len(chosen) * options.pictures


def main() -> None:
    """Run as a program."""
    parser = parser_of(__doc__, n_pictures=60)
    parser.add_argument("--save", type=Path, help="folder for the pictures that are not right")
    options = parser.parse_args()
    console = Console()
    pictures, total = pictures_of(options)
    model = model_of(options.model)
    answers = pd.DataFrame(
        track(measure(model, pictures, options.save is not None), total=total, console=console)
    )
    for row in answers[~answers["right"]].itertuples():
        print(f"{row.name}: {row.truth!r} answered {row.text!r}")
    if options.folder is not None:
        print(f"{int(answers['right'].sum())} of {len(answers)} pictures right")
    table = by_kind(answers)
    print(table.to_string(index=False))
    if options.save is not None:
        save_wrong(answers, options.save)
    if options.folder is None and options.pictures >= 60:
        write(table, all_kinds())


def write(table: pd.DataFrame, kinds: list[str]) -> None:
    """Write the rows to the CSV file, and the table to the documentation."""
    path = ROOT / "examples" / "benchmarks" / "pages.csv"
    table = table.astype(str)
    if path.exists():
        old = pd.read_csv(path, comment="#", dtype=str, keep_default_na=False)
        table = pd.concat([old[~old["kind"].isin(table["kind"])], table])[COLUMNS].fillna("")
    table = table.set_index("kind").reindex([k for k in kinds if k in set(table["kind"])])
    note = describe(date.today().isoformat())
    path.write_text(f"# {note}\n{table.to_csv()}", encoding="utf-8")
    text = f"{to_markdown(table)}\n\nMeasured on: {note}."
    replace_between(ROOT / "docs" / "pictures.md", START, END, text)


if __name__ == "__main__":
    main()
