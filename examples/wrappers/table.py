"""The table of what was found, on the terminal and in files."""

import json
import platform
import textwrap
from collections.abc import Callable, Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from .estimators import COLUMNS, UNITS
from .features import CLASSIFIER, FEATURES
from .running import Line

PACKAGES = {
    "TensorFlow": "tensorflow",
    "Keras": "keras",
    "scikit-learn": "scikit-learn",
    "scikeras": "scikeras",
    "skorch": "skorch",
    "PyTorch": "torch",
    "skops": "skops",
}
MARKS = {"yes": "✓", "no": "–", "not tried": "?"}
SHOWN = 8
"""Failed checks named below the table; the JSON file has them all, with the reasons."""
STATUSES = ("run", "passed", "failed", "skipped")
EQUIVALENCE = "check_sample_weight_equivalence_on_dense_data"
Results = dict[str, dict[str, Any]]


def versions() -> str:
    """Name the installed versions, on one line."""

    def installed(package: str) -> str:
        try:
            return version(package)
        except PackageNotFoundError:
            return "not installed"

    found = [f"{title} {installed(package)}" for title, package in PACKAGES.items()]
    return ", ".join([f"Python {platform.python_version()}", *found])


def count_checks(checks: Iterable[Line], status: str) -> int:
    """Count the checks of a status; "run" are all but those skipped."""
    of = [line["status"] for line in checks]
    return sum(s in ("passed", "failed") for s in of) if status == "run" else of.count(status)


def summary(result: dict[str, Any]) -> str:
    """Say in a line how an estimator did."""
    if not result["installed"]:
        return "not installed"
    answers = [line["answer"] for line in result["features"].values()]
    checks = result["checks"]
    parts = [f"{answers.count('yes')} of {len(answers)} features"]
    if checks:
        passed, run = count_checks(checks, "passed"), count_checks(checks, "run")
        parts.append(f"{passed} of {run} estimator checks")
    return ", ".join(parts)


def cells(results: Results) -> pd.DataFrame:
    """Lay the results out, a row for each number of checks and each feature.

    Returns
    -------
    DataFrame of str
        Columns are the titles of the estimators.
    """

    def column(result: dict[str, Any]) -> dict[str, str]:
        rows = {}
        if any(other["checks"] for other in results.values()):
            for status in STATUSES:
                number = count_checks(result["checks"], status)
                rows[f"Estimator checks {status}"] = str(number) if result["checks"] else ""
        for feature in FEATURES:
            if any(feature in other["features"] for other in results.values()):
                line = result["features"].get(feature)
                rows[feature] = MARKS[line["answer"]] if line else ""
        return rows if result["installed"] else dict.fromkeys(rows, "not installed")

    return pd.DataFrame({COLUMNS[name].title: column(result) for name, result in results.items()})


def notes(results: Results) -> list[str]:
    """Say what the numbers of checks do not."""
    lines, failures = [], set()
    for name, result in results.items():
        title, checks = COLUMNS[name].title, result["checks"]
        failed = [line["check"] for line in checks if line["status"] == "failed"]
        failures |= set(failed)
        if failed:
            names = [f"`{check}`" for check in dict.fromkeys(failed)]
            shown = ", ".join(names[:SHOWN]) + (" and others" if len(names) > SHOWN else "")
            lines.append(f"Failed by {title}: {shown}.")
        if checks and result["features"].get(CLASSIFIER, {}).get("answer") == "no":
            lines.append(
                f"{title} is not a classifier to scikit-learn, which runs fewer checks on it."
            )
        lines += [
            f"scikit-learn runs `{line['check']}` on `{line['instead']}` in place of the one given."
            for line in checks
            if "instead" in line
        ]
        ends = [line["reason"] for line in checks if line["status"] == "error"]
        ends += [result["stopped"]] if result["stopped"] else []
        lines += [f"The checks of {title} did not end: {end}." for end in ends]
    if EQUIVALENCE in failures:
        lines.append(
            f"`{EQUIVALENCE}` requires weights to equal repeated rows to seven digits, which is "
            "impossible where batches, dropout, augmentation or validation data are random."
        )
    return lines


def to_markdown(results: Results) -> str:
    """Write the results as a page of Markdown."""
    table = cells(results)
    packages, classes = zip(*(title.split() for title in table.columns), strict=True)
    rows = [
        ["", *packages],
        ["---", *[":---:"] * len(table.columns)],
        ["Class", *[f"`{class_}`" for class_ in classes]],
        *([label, *row] for label, row in zip(table.index, table.to_numpy(), strict=True)),
    ]
    before = [
        f"{versions()}.",
        "Written by `python examples/compare_wrappers.py --output docs/wrappers.md`. "
        "✓ yes, – no or an error, ? not tried. All estimators have a small network, the wrappers "
        f"the same one with {UNITS} hidden units; for the estimator checks, CNNClassifier and "
        "MLPClassifier have their defaults.",
    ]
    parts = [
        "# Compared with other wrappers of networks",
        *map(wrap, before),
        "\n".join(f"| {' | '.join(row)} |" for row in rows),
        *map(wrap, notes(results)),
    ]
    return "\n\n".join(parts) + "\n"


def wrap(paragraph: str) -> str:
    """Break a paragraph of the page into lines."""
    return textwrap.fill(paragraph, 120, break_long_words=False, break_on_hyphens=False)


def to_json(results: Results) -> str:
    """Write the results with the reason of every "no"."""
    content = {"versions": versions(), "columns": results}
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def read_earlier(path: Path) -> Results:
    """Read the columns of an earlier run.

    Raises
    ------
    ValueError
        If it was made with other versions than those installed now.
    """
    content = json.loads(path.read_text(encoding="utf-8"))
    if content["versions"] != versions():
        raise ValueError(
            f"{path} was made with {content['versions']}; installed are {versions()}. "
            "Run its columns again."
        )
    return content["columns"]


WRITERS: dict[str, Callable[[Results], str]] = {
    ".md": to_markdown,
    ".csv": lambda results: cells(results).to_csv(index_label="feature"),
    ".json": to_json,
}


def show(results: Results, console: Console) -> None:
    """Print the table."""
    table = cells(results)
    shown = Table(pad_edge=False)
    shown.add_column("")
    for title in table.columns:
        shown.add_column(title.replace(" ", "\n"), justify="center")
    for label, row in zip(table.index, table.to_numpy(), strict=True):
        shown.add_row(label.replace("`", ""), *row)
    console.print(shown)
    for line in notes(results):
        console.print(line.replace("`", ""), highlight=False)
