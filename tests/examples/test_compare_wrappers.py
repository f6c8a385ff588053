"""The comparison of wrappers: our column is all yes, and no peer can spoil a run."""

import csv
import dataclasses
import itertools
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.dummy import DummyClassifier

FOLDER = Path(__file__).parents[2] / "examples"
SCRIPT = FOLDER / "compare_wrappers.py"
OURS = "mnist_estimator"

sys.path.insert(0, str(FOLDER))
import compare_wrappers as script  # noqa: E402
from wrappers import estimators, features, running, table  # noqa: E402

sys.path.pop(0)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ours(strict_python, tmp_path_factory):
    """Run the features on our classifier; return the output and the folder of the files."""
    folder = tmp_path_factory.mktemp("compared")
    files = [f"{OURS}.json", f"{OURS}.md", f"{OURS}.csv"]
    command = [*strict_python, str(SCRIPT), "--no-checks", "--only", OURS]
    done = subprocess.run(
        [*command, "--output", *files], cwd=folder, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    return done, folder


def test__our_column__every_feature__is_there(ours):
    _, folder = ours
    column = json.loads((folder / f"{OURS}.json").read_text("utf-8"))["columns"][OURS]
    assert column["installed"]
    assert list(column["features"]) == [features.FIRST] + [
        feature for feature in features.FEATURES if feature != features.FIRST
    ]
    missing = {
        feature: line["reason"]
        for feature, line in column["features"].items()
        if line["answer"] != "yes"
        and not (line["answer"] == "not tried" and "is not installed" in line["reason"])
    }
    assert missing == {}


def test__our_column__all_outputs__hold_the_same_cells(ours):
    done, folder = ours
    page = (folder / f"{OURS}.md").read_text("utf-8")
    first = " ".join(page.split("\n\n")[1].split())
    assert first.startswith("Python 3.")
    assert "scikit-learn 1." in first
    assert done.stdout.startswith(first.removesuffix("."))
    rows = list(csv.reader((folder / f"{OURS}.csv").read_text("utf-8").splitlines()))
    assert rows[0] == ["feature", "mnist_estimator CNNClassifier"]
    assert [label for label, _ in rows[1:]] == list(features.FEATURES)
    for label, mark in rows[1:]:
        assert f"| {label} | {mark} |" in page
    assert "29 of 29 features" in done.stderr or "?" in page


def test__peers__not_installed__are_reported_as_that(monkeypatch, tmp_path, capsys):
    for name in ("scikeras", "skorch"):
        absent = dataclasses.replace(estimators.COLUMNS[name], requires=("no_such_module",))
        monkeypatch.setitem(estimators.COLUMNS, name, absent)
    path = tmp_path / "table.json"
    results = script.main(["--only", "scikeras", "skorch", "--output", str(path)])
    assert [result["installed"] for result in results.values()] == [False, False]
    assert json.loads(path.read_text("utf-8"))["columns"] == results
    assert "skorch NeuralNetClassifier: not installed" in capsys.readouterr().err


def test__earlier_run__kept__stands_beside_the_new_columns(monkeypatch, tmp_path):
    for name in ("scikeras", "skorch"):
        absent = dataclasses.replace(estimators.COLUMNS[name], requires=("no_such_module",))
        monkeypatch.setitem(estimators.COLUMNS, name, absent)
    path = tmp_path / "earlier.json"
    script.main(["--only", "skorch", "--output", str(path)])
    both = script.main(["--only", "scikeras", "--keep", str(path)])
    assert list(both) == ["scikeras", "skorch"]  # in the order of COLUMNS
    monkeypatch.setattr(table, "versions", lambda: "Python 2.7")
    with pytest.raises(ValueError, match=r"installed are Python 2.7. Run its columns again."):
        script.main(["--only", "scikeras", "--keep", str(path)])


def test__cells__one_peer_not_installed__are_filled_all_the_same():
    feature = next(iter(features.FEATURES))
    present = {
        "installed": True, "stopped": "",
        "features": {feature: {"answer": "yes", "reason": ""}},
        "checks": [
            {"check": "a", "status": "passed", "reason": ""},
            {"check": "b", "status": "failed", "reason": "ValueError: no"},
            {"check": "c", "status": "skipped", "reason": ""},
        ],
    }  # fmt: skip
    absent = {"installed": False, "stopped": "", "features": {}, "checks": []}
    results = {"sklearn": present, "skorch": absent}
    found = table.cells(results)
    assert found.iloc[:, 0].tolist() == ["2", "1", "1", "1", "✓"]
    assert set(found.iloc[:, 1]) == {"not installed"}
    assert table.notes(results) == ["Failed by scikit-learn MLPClassifier: `b`."]


class Hollow(BaseEstimator):
    """An estimator that has none of the features."""

    numbers = itertools.count()

    def __init__(self, epochs=1, random_state=None):
        self.epochs = epochs
        self.random_state = random_state

    def fit(self, X, y):
        np.random.rand()  # noqa: NPY002  that is what it does wrong
        self.history_ = {"loss": [1.0]}
        return self

    def predict(self, X):
        return np.array([next(self.numbers)])

    def __sklearn_clone__(self):
        return Hollow()


@pytest.fixture
def own_generators(monkeypatch):
    """Leave the global generators as they are: the script seeds those of what is imported."""
    for name in ("keras", "tensorflow", "torch"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    states = random.getstate(), np.random.get_state()  # noqa: NPY002
    yield
    random.setstate(states[0])
    np.random.set_state(states[1])  # noqa: NPY002


def test__features__estimator_without_any__are_all_missed(own_generators):
    column = dataclasses.replace(
        estimators.COLUMNS[OURS], make=lambda n_classes=10: Hollow(epochs=2), requires=()
    )
    answers = {feature: running.try_feature(feature, column) for feature in features.FEATURES}
    assert [feature for feature, line in answers.items() if line["answer"] == "yes"] == []
    assert all(line["reason"] for line in answers.values())


@pytest.mark.filterwarnings("ignore")
def test__checks__are_reported_one_by_one(own_generators):
    lines = []
    column = dataclasses.replace(estimators.COLUMNS["sklearn"], make_checked=DummyClassifier)
    running.run_checks(column, lines.append)
    assert len(lines) > 40
    counts = {status: table.count_checks(lines, status) for status in table.STATUSES}
    assert counts["run"] == counts["passed"] + counts["failed"]
    assert counts["run"] + counts["skipped"] == len(lines)
    assert counts["passed"] > 40
    assert all(bool(line["reason"]) == (line["status"] != "passed") for line in lines)


def test__notes__what_the_numbers_hide__is_said():
    checks = [
        {"check": table.EQUIVALENCE, "status": "failed", "reason": "AssertionError"},
        {"check": "b", "status": "passed", "reason": "", "instead": "Other(a=1)"},
    ]
    answers = {features.CLASSIFIER: {"answer": "no", "reason": "another result"}}
    column = {"installed": True, "features": answers, "checks": checks, "stopped": "it hung"}
    notes = table.notes({"scikeras": column})
    assert notes[:2] == [
        f"Failed by scikeras KerasClassifier: `{table.EQUIVALENCE}`.",
        "scikeras KerasClassifier is not a classifier to scikit-learn, which runs fewer checks on "
        "it.",
    ]
    assert notes[2] == "scikit-learn runs `b` on `Other(a=1)` in place of the one given."
    assert notes[3] == "The checks of scikeras KerasClassifier did not end: it hung."
    assert "seven digits" in notes[4]


def test__checks__that_cannot_start__say_why(own_generators):
    def broken():
        raise RuntimeError("no network\nin the second line")

    lines = []
    running.run_checks(
        dataclasses.replace(estimators.COLUMNS["sklearn"], make_checked=broken), lines.append
    )
    assert [line["status"] for line in lines] == ["error"]
    column = {"installed": True, "features": {}, "checks": lines, "stopped": ""}
    assert table.notes({"sklearn": column}) == [
        "The checks of scikit-learn MLPClassifier did not end: RuntimeError: no network."
    ]


def worker(tmp_path, code):
    """Write a script to take the place of the worker; it gets the features as arguments."""
    path = tmp_path / "worker.py"
    path.write_text(
        "import json, os, sys, time\n"
        "def answer(feature, answer):\n"
        "    line = {'feature': feature, 'answer': answer, 'reason': ''}\n"
        "    print(json.dumps(line), flush=True)\n"
        f"features = sys.argv[3:]\n{code}\n",
        encoding="utf-8",
    )
    return os.fspath(path)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("os._exit(1)", "the process ended early"),
        ("time.sleep(600)", "no answer in 2 s"),
    ],
)
def test__worker__ends_or_hangs__keeps_what_came_before(monkeypatch, tmp_path, code, reason):
    path = worker(tmp_path, f"answer(features[0], 'yes')\n{code}")
    monkeypatch.setattr(running, "WORKER", path)
    first, second = list(running.run_worker("sklearn", ["a", "b"], timeout=2))
    assert first == {"feature": "a", "answer": "yes", "reason": ""}
    assert second == {"feature": "b", "answer": "no", "reason": reason}


def test__column__feature_missed_after_others__is_tried_alone(monkeypatch, tmp_path):
    code = "for f in features:\n    answer(f, 'yes' if f == 'a' or len(features) == 1 else 'no')"
    monkeypatch.setattr(running, "WORKER", worker(tmp_path, code))
    done = []
    column = running.run_column(
        "sklearn", ["a", "b"], checks=False, timeout=60, progress=done.append
    )
    assert {name: line["answer"] for name, line in column["features"].items()} == {
        "a": "yes",
        "b": "yes",
    }
    assert done == ["a", "b"]


def test__output__unknown_suffix__is_refused(capsys):
    with pytest.raises(SystemExit):
        script.main(["--output", "table.txt"])
    assert "--output takes files ending in .md, .csv, .json; got table.txt." in (
        capsys.readouterr().err
    )
