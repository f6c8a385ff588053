"""What the site is built from, without building it: names, examples, links to other projects."""

import importlib
import inspect
import re
import runpy
import sys
from pathlib import Path

import pytest
from sklearn.utils import estimator_html_repr

import mnist_estimator
from mnist_estimator import CNNClassifier, ImageScaler, make_pipeline

DOCS = Path(__file__).parents[2] / "docs"
API = (DOCS / "api.rst").read_text("utf-8")
LISTED = re.findall(r"^   (?!:)(\S+)$", API, flags=re.MULTILINE)
PACKAGES = [path.parent.name for path in Path(mnist_estimator.__file__).parent.glob("*/*.pyi")]


def load_extension(name):
    """Import a module of the folder of extensions, which is no package."""
    sys.path.insert(0, str(DOCS / "_extensions"))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.pop(0)


def public_objects():
    """Return all public names of the package and of its sub-packages, by the object."""
    names = {name: getattr(mnist_estimator, name) for name in mnist_estimator.__all__}
    shown = {id(value) for value in names.values()}
    for package in PACKAGES:
        module = importlib.import_module(f"mnist_estimator.{package}")
        for name in module.__all__:
            if id(getattr(module, name)) not in shown:
                names[f"{package}.{name}"] = getattr(module, name)
    del names["__version__"]
    return names


def test_every_public_name_has_a_page():
    assert len(PACKAGES) > 8
    assert sorted(LISTED) == sorted(public_objects())


def test_every_page_has_something_to_say():
    for name, value in public_objects().items():
        assert (inspect.getdoc(value) or "").strip(), name


def test_every_example_has_its_place_in_the_gallery():
    run_examples = load_extension("run_examples")
    names = [path.stem for path in (DOCS.parent / "examples").glob("*.py")]
    assert sorted(run_examples.ORDER) == sorted(names)
    assert set(run_examples.SIZES) <= set(names)
    ran = [name for name in names if re.search(run_examples.PATTERN, f"/examples/{name}.py")]
    assert sorted(ran) == sorted(run_examples.SIZES)


@pytest.mark.parametrize("name", [path.name for path in sorted(DOCS.glob("../examples/*.py"))])
def test_text_of_examples_is_restructured_text(name):
    """Text is reStructuredText and Markdown at once: no hash signs, no single backticks."""
    path = DOCS.parent / "examples" / name
    cells = re.findall(r"^# %% \[markdown\]\n((?:.+\n|\n(?!# %%))*)", path.read_text("utf-8"), re.M)
    assert re.match(r'"""\n(.+)\n(=+)\n', cells[0])
    for cell in cells:
        prose = re.sub(r"``[^`]+``", "", "\n".join(re.findall(r"^#.*$", cell, re.M)) or cell)
        assert "`" not in prose
        assert not re.search(r"^# #", prose, re.M)


def test_inventories_have_the_names_that_they_should():
    written = runpy.run_path(str(DOCS / "_inventories" / "write.py"))
    for project in written["NAMES"]:
        path = DOCS / "_inventories" / f"{project}.inv"
        assert path.read_text("utf-8") == written["inventory"](project)


@pytest.mark.parametrize(
    "estimator", [CNNClassifier(), ImageScaler(), make_pipeline()], ids=lambda e: type(e).__name__
)
def test_html_representation_has_no_link_to_a_file(estimator):
    assert "file:" not in estimator_html_repr(estimator)
