"""The files around the package agree with it."""

import configparser
import re
from pathlib import Path

import pytest
import yaml

import mnist_estimator

ROOT = Path(__file__).parents[1]


def versions_of_changelog():
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    return re.findall(r"^## \[([\d.]+)\] - (\d{4}-\d\d-\d\d)$", text, flags=re.MULTILINE)


def test_changelog_has_each_version_once_newest_first():
    numbers = [tuple(map(int, version.split("."))) for version, _ in versions_of_changelog()]
    dates = [date for _, date in versions_of_changelog()]
    assert numbers == sorted(set(numbers), reverse=True)
    assert dates == sorted(dates, reverse=True)
    assert mnist_estimator.__version__ == versions_of_changelog()[0][0]


def test_changelog_has_the_versions_that_files_of_tests_name():
    named = {
        re.search(r"\d+\.\d+\.\d+", path.name)[0]
        for path in (ROOT / "tests" / "data").glob("*.pipeline")
    }
    assert named
    assert named <= {version for version, _ in versions_of_changelog()}


def test_citation_has_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["version"] == mnist_estimator.__version__
    assert citation["date-released"] == versions_of_changelog()[0][1]
    metadata = configparser.ConfigParser()
    metadata.read(ROOT / "setup.cfg", encoding="utf-8")
    assert " AND ".join(citation["license"]) == metadata["metadata"]["license"]


def workflow(name):
    return yaml.safe_load((ROOT / ".github" / "workflows" / name).read_text("utf-8"))


def test_workflows_run_sessions_of_nox():
    source = (ROOT / "noxfile.py").read_text("utf-8")
    sessions = set(re.findall(r"^def (\w+)\(session", source, flags=re.MULTILINE))
    steps = [
        step.get("run", "")
        for name in ("tests.yml", "weekly.yml")
        for job in workflow(name)["jobs"].values()
        for step in job["steps"]
    ]
    called = {name for step in steps if "nox -s" in step for name in step.split()[2:]}
    assert called | {"docs"} == sessions | {"docs"}


@pytest.mark.parametrize("system", ["ubuntu", "macos", "windows"])
def test_ci_has_each_system_with_the_pythons_of_the_metadata(system):
    matrix = workflow("tests.yml")["jobs"]["newest"]["strategy"]["matrix"]
    assert f"{system}-latest" in matrix["system"]
    metadata = (ROOT / "setup.cfg").read_text("utf-8")
    assert matrix["python"] == re.findall(r"Programming Language :: Python :: (3\.\d+)", metadata)
