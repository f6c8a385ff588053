"""The tests on the newest and on the oldest versions that the package allows, and the site.

Run ``nox`` for both, ``nox -s oldest -- tests/test_pipeline.py`` for a part of one, ``nox -s docs``
for the site.
"""

import configparser

import nox

nox.options.sessions = ["newest", "oldest"]


def lower_bounds() -> list[str]:
    """Return the requirements of setup.cfg, each pinned to its lower bound."""
    metadata = configparser.ConfigParser()
    metadata.read("setup.cfg", encoding="utf-8")
    lines = metadata["options"]["install_requires"].splitlines()
    required = [line for line in lines if line and not line.startswith("#")]
    return [requirement.replace(">=", "==") for requirement in required]


@nox.session
def newest(session: nox.Session) -> None:
    """Run the tests on the newest versions."""
    session.install("-e", ".[test]")
    session.run("pytest", *session.posargs)


@nox.session
def slow(session: nox.Session) -> None:
    """Run the tests that only a release needs, on the newest versions."""
    session.install("-e", ".[test]")
    session.run("pytest", "-m", "slow", *session.posargs)


@nox.session(python="3.11")  # the newest Python that all these versions have
def oldest(session: nox.Session) -> None:
    """Run the tests on the oldest versions; those warn of each other, so no warning fails."""
    session.install("-e", ".[test]", *lower_bounds())
    session.run("pytest", "-o", "filterwarnings=default", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the site into docs/_build/html, and run the examples on few images."""
    session.install("-e", ".[docs]")
    session.run("sphinx-build", "-W", "--keep-going", "docs", "docs/_build/html", *session.posargs)
