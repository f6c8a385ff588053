"""What needs a package that is not installed says so."""

import subprocess

import pytest

SCRIPT = """
import importlib.abc, sys


class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "{missing}":
            raise ModuleNotFoundError("No module named '{missing}'", name=name)


sys.meta_path.insert(0, Missing())
import mnist_estimator
try:
    mnist_estimator.{name}
except ImportError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("name", "missing"),
    [("make_pipeline", "tensorflow"), ("CNNClassifier", "sklearn"), ("load", "skops")],
)
def test_the_remedy_is_named(strict_python, name, missing):
    done = subprocess.run(
        [*strict_python, "-c", SCRIPT.format(name=name, missing=missing)],
        capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert f"{name} needs the package {missing}, which is not installed here" in done.stdout
    assert "load_predictor predicts without it" in done.stdout


def test_names_that_do_not_exist_stay_attribute_errors():
    import mnist_estimator

    with pytest.raises(AttributeError):
        mnist_estimator.no_such_name  # noqa: B018
