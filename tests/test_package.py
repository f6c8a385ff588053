"""The package as a whole: what importing it does, and what its documents say."""

import ast
import doctest
import importlib
import inspect
import pkgutil
import subprocess
import sys
from importlib.metadata import metadata, requires

import pytest

import mnist_estimator

MODULES = [
    module.name
    for module in pkgutil.walk_packages(mnist_estimator.__path__, "mnist_estimator.")
    if not module.name.endswith("__main__")
]
PACKAGES = {name.rpartition(".")[0] for name in MODULES}


def run_python(code):
    """Run code in a fresh interpreter, and return what it printed."""
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_import_loads_neither_tensorflow_nor_matplotlib():
    code = (
        "import sys, mnist_estimator; "
        "print([m for m in ('tensorflow', 'keras', 'matplotlib', 'sklearn') if m in sys.modules])"
    )
    assert run_python(code) == "[]"


def test_scaler_loads_no_tensorflow():
    code = "import sys; from mnist_estimator import ImageScaler; print('tensorflow' in sys.modules)"
    assert run_python(code) == "False"


def test_public_names_exist_and_are_listed():
    for name in mnist_estimator.__all__:
        assert getattr(mnist_estimator, name) is not None
    assert set(mnist_estimator.__all__) <= set(dir(mnist_estimator))


def test_unknown_name_raises_attribute_error():
    with pytest.raises(AttributeError, match="No mnist_estimator attribute Unknown"):
        mnist_estimator.Unknown  # noqa: B018


@pytest.mark.parametrize("name", [name for name in MODULES if name.count(".") == 1])
def test_public_names_of_sub_packages_exist(name):
    module = importlib.import_module(name)
    for public in getattr(module, "__all__", ()):
        assert getattr(module, public) is not None


def test_version_is_that_of_the_metadata():
    assert metadata("mnist_estimator")["Version"] == mnist_estimator.__version__


def test_prescribed_packages_are_required():
    required = {line.split(">")[0].strip().lower() for line in requires("mnist_estimator")}
    assert {"numpy", "pandas", "scikit-learn", "tensorflow", "matplotlib", "scikeras"} <= required


@pytest.mark.parametrize("name", [name for name in MODULES if name not in PACKAGES])
def test_doctests(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0


@pytest.mark.parametrize("name", mnist_estimator.__all__)
def test_doctests_of_public_names(name):
    """Also of classes that name another module than their own as theirs, for pickles."""
    runner, public = doctest.DocTestRunner(), getattr(mnist_estimator, name)
    if getattr(public, "__module__", None) in MODULES and public.__module__.count(".") > 1:
        pytest.skip("run with its module")
    for test in doctest.DocTestFinder(exclude_empty=True).find(public, name, module=False):
        runner.run(test)
    assert runner.failures == 0


@pytest.mark.parametrize("name", ["CNNClassifier", "DigitNormalizer", "ImageScaler"])
def test_documented_defaults_are_those_of_the_code(name):
    class_ = getattr(mnist_estimator, name)
    documented = _documented_defaults(inspect.getdoc(class_))
    for parameter in inspect.signature(class_).parameters.values():
        assert documented[parameter.name] == parameter.default, parameter.name


def _documented_defaults(docstring):
    """Return the default of each parameter, as its type line in the docstring has it."""
    section = docstring.split("Parameters\n----------\n")[1].split("\nAttributes\n")[0]
    defaults = {}
    for line in section.splitlines():
        if " : " not in line or line.startswith(" "):
            continue
        names, type_ = line.split(" : ", 1)
        names = names.split(", ")
        text = type_.split("default=")[1]
        texts = text.split(" and ") if len(names) > 1 else [text]
        for parameter, default in zip(names, texts, strict=True):
            defaults[parameter] = ast.literal_eval(default)
    return defaults
