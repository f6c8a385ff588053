#!/usr/bin/env -S uv run
# /// script
# dependencies = ["nox>=2024.3.2"]
# ///
"""What CI runs, each in an environment of its own.

``nox`` runs the tests on the newest and on the oldest versions that the package allows,
``nox -l`` lists the others, and ``nox -s oldest -- tests/test_pipeline.py`` runs a part of one.
"""

import configparser
from pathlib import Path

import nox

nox.needs_version = ">=2024.3.2"
nox.options.default_venv_backend = "uv|virtualenv"


def requirements() -> list[str]:
    """Return the requirements of setup.cfg."""
    metadata = configparser.ConfigParser()
    metadata.read("setup.cfg", encoding="utf-8")
    lines = metadata["options"]["install_requires"].splitlines()
    return [line for line in lines if line and not line.startswith("#")]


@nox.session
def newest(session: nox.Session) -> None:
    """Run the tests on the newest versions."""
    session.install("-e", ".[test]")
    session.run("pytest", *session.posargs)


@nox.session(python="3.11")  # the newest Python that all these versions have
def oldest(session: nox.Session) -> None:
    """Run the tests on the oldest versions; those warn of each other, so no warning fails."""
    lower_bounds = [line.replace(">=", "==") for line in requirements()]
    session.install("-e", ".[test]", *lower_bounds)
    session.run("pytest", "-o", "filterwarnings=default", *session.posargs)


@nox.session(default=False)
def slow(session: nox.Session) -> None:
    """Run the tests that only a release needs, on the newest versions."""
    session.install("-e", ".[test]")
    session.run("pytest", "-m", "slow", *session.posargs)


@nox.session(default=False)
def prereleases(session: nox.Session) -> None:
    """Run the tests on pre-releases of what the package needs."""
    session.install("-e", ".[test]")
    session.install("--pre", "--upgrade", *requirements())
    session.run("pytest", *session.posargs)


@nox.session(default=False)
def lint(session: nox.Session) -> None:
    """Check style, types, and which sub-package imports which."""
    session.install("-e", ".[dev]")
    session.run("pre-commit", "run", "--all-files", "--show-diff-on-failure")
    session.run("mypy")
    session.run("lint-imports")


@nox.session(default=False)
def package(session: nox.Session) -> None:
    """Build the wheel and the source archive, and check what an index would show of them."""
    session.install("build", "twine")
    folder = session.create_tmp()
    session.run("python", "-m", "build", "--outdir", folder, ".")
    session.run("twine", "check", "--strict", *map(str, Path(folder).iterdir()))


@nox.session(default=False)
def docs(session: nox.Session) -> None:
    """Build the site into docs/_build/html, and run the examples on few images."""
    session.install("-e", ".[docs]")
    session.run("sphinx-build", "-W", "--keep-going", "docs", "docs/_build/html", *session.posargs)


if __name__ == "__main__":
    nox.main()
