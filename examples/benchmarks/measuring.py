"""Measurements in processes of their own, kept in a CSV file row by row, and a page made of them.

For scripts that consist of parts: functions that take settings and return a row.
"""

import argparse
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
from reporting import describe, is_comparable, read_description, wrap
from rich.console import Console
from rich.progress import track
from workers import RunError, ask_worker, tell

from mnist_estimator import __version__

Row = dict[str, Any]
Job = tuple[str, dict[str, Any]]
Parts = Mapping[str, Callable[..., Row]]


def key_of(job: Job) -> tuple[str, str]:
    """Return the two cells by which a job is known in the CSV file."""
    part, settings = job
    return part, json.dumps(settings | {"version": __version__}, sort_keys=True)


def read_rows(path: Path, fields: Sequence[str]) -> pd.DataFrame:
    """Return the rows of the CSV file, with their keys as index."""
    empty = pd.DataFrame(columns=["part", "settings", *fields])
    rows = pd.read_csv(path, skiprows=1) if path.exists() else empty
    return rows.set_index(["part", "settings"])


def rows_of(rows: pd.DataFrame, part: str) -> pd.DataFrame:
    """Return the rows of a part, with their settings as columns."""
    rows = rows[rows["part"] == part].reset_index(drop=True)
    return rows.join(pd.DataFrame([json.loads(text) for text in rows["settings"]]))


def run(
    script: Path, parts: Parts, fields: Sequence[str], jobs_of: Callable[..., Sequence[Job]],
    page: Callable[[pd.DataFrame, str], str], options: argparse.Namespace,
) -> int:  # fmt: skip
    """Measure one part, if this is its process; else all that is missing, and write the page."""
    if options.part:
        part, settings = json.loads(options.part)
        print(json.dumps(parts[part](**settings)))
        return 0
    console, jobs, path = Console(), jobs_of(options), options.csv
    now = describe(date.today().isoformat())
    if path.exists() and not is_comparable(read_description(path), now):
        raise SystemExit(f"{path} has rows of another machine or other versions. Remove it.")
    done, failures = set(read_rows(path, fields).index), 0
    missing = [job for job in jobs if key_of(job) not in done]
    for job in track(missing, "Measuring", console=console, transient=True):
        tell(console, " ".join(key_of(job)))
        try:
            cells = dict(zip(("part", "settings"), key_of(job), strict=True))
            line = pd.DataFrame([cells | ask_worker(script, "--part", json.dumps(job))])
        except RunError as error:
            tell(console, f"Failed: {error}")
            failures += 1
            continue
        line = line.reindex(columns=["part", "settings", *fields]).round(4)
        if not path.exists():
            path.write_text(f"# {now}\n" + line.head(0).to_csv(index=False), "utf-8")
        line.to_csv(path, mode="a", index=False, header=False, lineterminator="\n")
    rows = read_rows(path, fields)
    of_all = argparse.Namespace(**vars(options) | {"only": list(parts)})  # also of earlier runs
    known = [key_of(job) for job in jobs_of(of_all) if key_of(job) in rows.index]
    rows = rows.loc[known].reset_index()
    if len(rows):
        text = wrap(page(rows, read_description(path)))
        options.page.write_text(text, encoding="utf-8")
        tell(console, text)
    return int(failures > 0)


def parser_of(script: Path, page: str, text: str, parts: Iterable[str]) -> argparse.ArgumentParser:
    """Return a parser of the options that these scripts share."""
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=text, formatter_class=formatter)
    parser.add_argument("--only", nargs="+", choices=list(parts), default=list(parts),
                        metavar="PART", help=", ".join(parts))  # fmt: skip
    parser.add_argument("--csv", type=Path, default=script.with_suffix(".csv"))
    parser.add_argument("--page", type=Path, default=script.parents[2] / "docs" / page)
    parser.add_argument("--part", help=argparse.SUPPRESS)
    return parser


def said(value: float, pattern: str = "{:,.0f}") -> str:
    """Write a number, or a dash where none was measured."""
    return "–" if pd.isna(value) else pattern.format(value)


def reset_peak() -> None:
    """Let the highest memory begin at that of now, where the system can."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
