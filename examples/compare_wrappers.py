# %% [markdown]
"""
Wrappers of networks, compared as scikit-learn classifiers
==========================================================

``CNNClassifier``, the wrappers of scikeras, Keras and skorch, and scikit-learn's own
``MLPClassifier`` are compared: by scikit-learn's estimator checks, and by features, each of which
is tried by running it with the installed versions.

Run time: about 10 minutes on 2 cores. ``--no-checks`` leaves out the estimator checks, and
``--only NAME`` all columns but one; a package that is not installed is reported as that.
Peers: ``pip install scikeras skorch torch skops``.

The folder ``wrappers`` has the ``estimators``, the ``features``, the code that runs both in
processes of their own (``running``), and the ``table``.
"""

# %%
import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress
from wrappers.estimators import COLUMNS
from wrappers.features import FEATURES
from wrappers.running import run_column, work
from wrappers.table import WRITERS, Results, read_earlier, show, summary, versions


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Compare wrappers of networks, by running them.")
    parser.add_argument(
        "--only", metavar="NAME", choices=list(COLUMNS), nargs="+", default=list(COLUMNS),
        help=f"columns to run: {', '.join(COLUMNS)}",
    )  # fmt: skip
    parser.add_argument(
        "--output", metavar="FILE", type=Path, nargs="+", default=[],
        help="where to write the table, as .md, .csv or .json (with the reasons)",
    )  # fmt: skip
    parser.add_argument(
        "--keep", metavar="FILE", type=Path,
        help="a .json of an earlier run; its columns are shown beside those run now",
    )  # fmt: skip
    parser.add_argument("--no-checks", action="store_true", help="features only")
    parser.add_argument(
        "--timeout", metavar="SECONDS", type=float, default=300.0,
        help="how long to wait for one feature or check (default: 300)",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    for path in options.output:
        if path.suffix not in WRITERS:
            parser.error(f"--output takes files ending in {', '.join(WRITERS)}; got {path}.")
    return options


def main(arguments: Sequence[str] | None = None) -> Results:
    """Run the comparison, print it and write it."""
    options = parse(arguments)
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(versions(), highlight=False, soft_wrap=True)
    kept = read_earlier(options.keep) if options.keep else {}
    results = {name: kept[name] for name in COLUMNS if name in kept}
    errors = Console(stderr=True)
    with Progress(console=errors, disable=not errors.is_terminal, transient=True) as bar:
        for name in options.only:
            title = COLUMNS[name].title
            task = bar.add_task(title, total=len(FEATURES) + 55 * (not options.no_checks))

            def advance(done: str, task: Any = task, title: str = title) -> None:
                bar.update(task, advance=1, description=f"{title}: {done.replace('`', '')}")

            results[name] = run_column(
                name, list(FEATURES), not options.no_checks, options.timeout, advance
            )
            results = {name: results[name] for name in COLUMNS if name in results}  # in order
            bar.remove_task(task)
            errors.print(f"{title}: {summary(results[name])}", highlight=False)
            for path in options.output:  # after each column: nothing is lost
                path.write_text(WRITERS[path.suffix](results), encoding="utf-8")
    show(results, console)
    return results


# %%
if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        work(sys.argv[2], sys.argv[3:])
    else:
        main()
