"""The reference: linked from the HTML representation, and in step with the docstrings."""

import html
import inspect
import re
from functools import cached_property
from pathlib import Path

import pytest
from sklearn.utils import estimator_html_repr

import mnist_estimator
from mnist_estimator import CNNClassifier, ImageScaler, make_pipeline

PAGES = Path(mnist_estimator.__file__).parent / "utils" / "reference"
NAMES = [name for name in mnist_estimator.__all__ if not name.startswith("__")]
REMEDY = "The docstring has changed since; run docs/build_reference.py"


def read_page(name):
    """Return the text of a page as a browser shows it."""
    page = (PAGES / f"{name}.html").read_text(encoding="utf-8")
    return html.unescape(re.sub(r"<style>.*?</style>|<[^>]+>", "", page, flags=re.DOTALL))


def letters(text):
    """Reduce a text to what markup leaves as it is."""
    text = re.sub(r":\w+:`(?:~[\w.]*\.)?([\w.]+)`", r"\1", text).replace("mnist_estimator.", "")
    return re.sub(r"[\W_]+", "", text)


def documented(name):
    """Yield the anchor and the object of a public name, and of what a class defines itself."""
    object_ = getattr(mnist_estimator, name)
    yield name, object_
    for key, member in vars(object_).items() if inspect.isclass(object_) else ():
        if key.startswith("_") or key.endswith("_request"):  # those are scikit-learn's
            continue
        if inspect.isroutine(member) or isinstance(member, property | cached_property):
            yield f"{name}.{key}", member


@pytest.mark.parametrize(
    "estimator", [CNNClassifier(), ImageScaler(), make_pipeline()], ids=lambda e: type(e).__name__
)
def test_html_representation_links_to_the_page(estimator):
    shown = estimator_html_repr(estimator)
    for step in getattr(estimator, "named_steps", {"": estimator}).values():
        name = type(step).__name__
        page = PAGES / f"{name}.html"
        assert f'href="{page.as_uri()}"' in shown
        assert f'id="{name}"' in page.read_text(encoding="utf-8")


def test_a_class_of_the_users_has_no_page_and_no_link():
    class Own(ImageScaler):
        pass

    assert "file:" not in estimator_html_repr(Own())


@pytest.mark.parametrize("name", NAMES)
def test_page_says_what_the_docstrings_say(name):
    page = (PAGES / f"{name}.html").read_text(encoding="utf-8")
    text = letters(read_page(name))
    for anchor, object_ in documented(name):
        assert f'id="{anchor}"' in page, REMEDY
        assert letters(inspect.getdoc(object_)) in text, f"{anchor}: {REMEDY}"


@pytest.mark.parametrize("name", [name for name in NAMES if not name.endswith("Warning")])
def test_page_has_each_parameter_with_its_default(name):
    text = read_page(name)
    for parameter in inspect.signature(getattr(mnist_estimator, name)).parameters.values():
        bare = parameter.replace(annotation=inspect.Parameter.empty)
        assert re.search(rf"[(\s]{re.escape(str(bare))}[,)]", text), f"{parameter}: {REMEDY}"


@pytest.mark.parametrize("name", ["CNNClassifier", "ImageScaler"])
def test_type_follows_its_parameter(name):
    """The text that scikit-learn's link to a parameter names: without it, it leads to the top."""
    text = " ".join(read_page(name).split())
    docstring = getattr(mnist_estimator, name).__doc__
    entries = re.findall(r"^    (\w+) : (.+)$", docstring, re.MULTILINE)
    assert len(entries) > 3
    for parameter, type_ in entries:
        assert f"{parameter} {type_}" in text, f"{parameter}: {REMEDY}"


def test_index_has_every_public_name():
    text = read_page("index").split()
    assert set(mnist_estimator.__all__) <= set(text)
    assert f"{mnist_estimator.__version__}." in text


def test_pages_are_small_and_need_nothing_beside_them():
    pages = sorted(PAGES.glob("*"))
    assert [page.name for page in pages] == sorted([f"{name}.html" for name in (*NAMES, "index")])
    assert sum(page.stat().st_size for page in pages) < 350_000
    for page in pages:
        links = re.findall(r'(?:href|src)="([^"]+)"', page.read_text(encoding="utf-8"))
        assert set(links) <= {other.name for other in pages}
