"""One process for each estimator.

scikeras changes settings of the whole process, and what crashes or hangs must not take
the rest with it. A "no" is tried again in a process of its own, so that it is not blamed
for what another feature has left behind.
"""

import importlib
import importlib.util
import json
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from sklearn.utils.estimator_checks import check_estimator

from .estimators import COLUMNS, Column
from .features import FEATURES, FIRST, NotTried, seed_all

WORKER = Path(__file__).parents[1] / "compare_wrappers.py"
"""The script that calls :func:`work` when it is started with ``--worker``."""
CHECKS = "checks"
"""The task of running scikit-learn's estimator checks."""

Line = dict[str, Any]


def first_line(error: BaseException) -> str:
    """Return kind and first line of an error."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__


def try_feature(name: str, column: Column) -> Line:
    """Return whether an estimator has a feature, and if not, why."""
    seed_all(0)  # not all have a `random_state`, and the answers are to repeat
    try:
        answer, reason = ("yes", "") if FEATURES[name](column) else ("no", "another result")
    except NotTried as error:
        answer, reason = "not tried", str(error)
    except Exception as error:
        answer, reason = "no", first_line(error)
    return {"feature": name, "answer": answer, "reason": reason}


def run_checks(column: Column, report: Callable[[Line], None]) -> None:
    """Run scikit-learn's estimator checks, and report each as it comes."""

    def on_check(check_name: str, status: str, exception: Any, estimator: Any, **_: Any) -> None:
        reason = "" if exception is None else first_line(exception)
        line = {"check": check_name, "status": status, "reason": reason}
        # scikit-learn gives some checks on its own estimators others than it was given.
        report(line if estimator is given else line | {"instead": repr(estimator)})

    try:
        given = column.make_checked()
        seed_all(0)
        check_estimator(given, on_fail=None, on_skip=None, callback=on_check)
    except Exception as error:
        report({"check": "the checks themselves", "status": "error", "reason": first_line(error)})


def work(name: str, tasks: Sequence[str]) -> None:
    """Try features in this process and print an answer a line, as JSON."""
    channel = os.fdopen(os.dup(1), "w", buffering=1)
    with open(os.devnull, "w") as nothing:  # what libraries print
        os.dup2(nothing.fileno(), 1)
        os.dup2(nothing.fileno(), 2)
    warnings.simplefilter("ignore")

    def report(line: Line) -> None:
        channel.write(json.dumps(line) + "\n")

    for module in COLUMNS[name].requires:  # what is not imported is not seeded
        importlib.import_module(module)
    for task in sorted(tasks, key=lambda task: task != FIRST):
        if task == CHECKS:
            run_checks(COLUMNS[name], report)
            report({"feature": CHECKS, "answer": "yes", "reason": ""})
        else:
            report(try_feature(task, COLUMNS[name]))


def run_worker(name: str, tasks: Sequence[str], timeout: float) -> Iterator[Line]:
    """Try features in another process; yield its answers.

    Parameters
    ----------
    name : str
        Key of the column.
    tasks : sequence of str
        Keys of `FEATURES`, or `CHECKS`.
    timeout : float
        Seconds without an answer after which the process is ended.

    Yields
    ------
    dict
        As :func:`try_feature` and :func:`run_checks` make them. A task that the process did
        not come to the end of is answered "no".
    """
    process = subprocess.Popen(
        [sys.executable, str(WORKER), "--worker", name, *tasks],
        stdout=subprocess.PIPE,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "SCIPY_ARRAY_API": "1"},  # one check's
        text=True,
    )
    left, silent = list(tasks), threading.Event()

    def give_up() -> None:
        silent.set()
        process.kill()

    timer = threading.Timer(timeout, give_up)
    timer.start()
    try:
        for text in process.stdout or ():
            timer.cancel()
            timer = threading.Timer(timeout, give_up)
            timer.start()
            line = json.loads(text)
            if line.get("feature") in left:
                left.remove(line["feature"])
            yield line
    finally:
        timer.cancel()
        process.kill()
        process.communicate()
    end = f"no answer in {timeout:g} s" if silent.is_set() else "the process ended early"
    for task in left:
        yield {"feature": task, "answer": "no", "reason": end}


def run_column(
    name: str,
    features: Sequence[str],
    checks: bool,
    timeout: float,
    progress: Callable[[str], None] = lambda done: None,
) -> dict[str, Any]:
    """Try everything on one estimator.

    Parameters
    ----------
    name : str
        Key of the column.
    features : sequence of str
        Keys of `FEATURES`.
    checks : bool
        Whether to run the estimator checks.
    timeout : float
        Seconds without an answer after which a process is ended.
    progress : callable
        Called with the name of each feature and check that is done.

    Returns
    -------
    dict
        `installed`, a bool; `features`, for each the `answer` and the `reason`; `checks`, a
        list with `check`, `status` and `reason` of each; `stopped`, why they ended early, or "".
    """
    column: dict[str, Any] = {
        "installed": is_installed(name), "features": {}, "checks": [], "stopped": "",
    }  # fmt: skip
    if not column["installed"]:
        return column
    answers = column["features"]
    for line in run_worker(name, features, timeout):
        progress(line["feature"])
        answers[line.pop("feature")] = line
    for feature in [feature for feature, line in answers.items() if line["answer"] == "no"]:
        (line,) = run_worker(name, [feature], timeout)
        answers[line.pop("feature")] = line
    for line in run_worker(name, [CHECKS], timeout) if checks else ():
        if "check" in line:
            progress(line["check"])
            column["checks"].append(line)
        else:
            column["stopped"] = line["reason"]
    return column


def is_installed(name: str) -> bool:
    """Look for the modules of a column without importing them."""
    return all(importlib.util.find_spec(module) is not None for module in COLUMNS[name].requires)
