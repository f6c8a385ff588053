"""Write the reference pages in ``mnist_estimator/utils/reference`` from the docstrings.

A page for each public name, and an index. scikit-learn's HTML representation of an
estimator links to its page, and each parameter in it to its place on the page. To be
run after a change of a public docstring or signature: ``python docs/build_reference.py``.
"""

import inspect
import re
from functools import cached_property
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.core import publish_parts
from docutils.parsers.rst import roles
from docutils.writers.html5_polyglot import Writer
from markupsafe import Markup
from numpydoc.docscrape import NumpyDocString

import mnist_estimator
from mnist_estimator.utils._templates import load_template

HERE = Path(__file__).parent
PAGES = HERE.parent / "mnist_estimator" / "utils" / "reference"
NAMES = sorted(name for name in mnist_estimator.__all__ if not name.startswith("__"))


def main() -> None:
    """Write all pages, in place of those that are there."""
    for role in ("attr", "class", "func", "meth"):
        roles.register_local_role(role, _cross_reference)
    template = load_template(HERE, "reference.html", {"markup": _markup, "type": _type})
    entries = [_entry(name, getattr(mnist_estimator, name)) for name in NAMES]
    PAGES.mkdir(exist_ok=True)
    for page in PAGES.glob("*.html"):
        page.unlink()
    for shown in (None, *entries):
        text = template.render(
            shown=shown, entries=entries, names=NAMES, version=mnist_estimator.__version__
        )
        name = "index" if shown is None else shown["name"]
        (PAGES / f"{name}.html").write_text(text + "\n", encoding="utf-8")


def _entry(name: str, object_: Any) -> dict[str, Any]:
    """Return what the template shows of a class, function, method or property."""
    is_class, is_property = inspect.isclass(object_), isinstance(object_, _PROPERTY)
    is_warning = is_class and issubclass(object_, Warning)
    return {
        "name": name,
        "kind": "class" if is_class else "property" if is_property else "",
        "signature": "" if is_property or is_warning else _signature(object_),
        "doc": NumpyDocString(inspect.getdoc(object_)),
        "members": [_entry(f"{name}.{key}", value) for key, value in _members(object_)],
        "inherited": [f"{name}.{key}" for key in _inherited(object_)],
    }


_PROPERTY = (property, cached_property)


def _signature(object_: Any) -> str:
    """Return the parameters and their defaults, without types."""
    signature = inspect.signature(object_)
    parameters = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in signature.parameters.values()
        if parameter.name != "self"
    ]
    return str(inspect.Signature(parameters))


def _members(object_: Any) -> list[tuple[str, Any]]:
    """Return the public methods and properties of a class that the package itself defines."""
    names = {  # in the order of the source, the bases' after the class's own
        name: None
        for class_ in (inspect.getmro(object_) if inspect.isclass(object_) else ())
        if class_.__module__.startswith("mnist_estimator")
        for name, value in vars(class_).items()
        if not name.startswith("_") and (isinstance(value, _PROPERTY) or inspect.isroutine(value))
    }
    members = [(name, getattr(object_, name)) for name in names]
    return [(name, member) for name, member in members if _module(member) == "mnist_estimator"]


def _inherited(object_: Any) -> list[str]:
    """Return the names of the public methods of a class that come from scikit-learn."""
    members = inspect.getmembers(object_, callable) if inspect.isclass(object_) else []
    return [name for name, member in members if name[0] != "_" and _module(member) == "sklearn"]


def _module(member: Any) -> str:
    """Return the package that a method or property is from."""
    function = getattr(member, "fget", None) or getattr(member, "func", None) or member
    return str(getattr(function, "__module__", None)).partition(".")[0]


def _markup(lines: list[str]) -> Markup:
    """Turn lines of reStructuredText into HTML; names in single quotes are code."""
    source = "\n".join([".. default-role:: literal", "", *lines])
    settings = {"syntax_highlight": "none", "report_level": 2, "halt_level": 2}
    return Markup(publish_parts(source, writer=Writer(), settings_overrides=settings)["body"])


def _type(text: str) -> str:
    """Return a type as it is read: without quotes around code, and cross-references as names."""
    return re.sub(r":\w+:`~?([\w.]+\.)?(\w+)`", r"\2", text).replace("`", "")


def _cross_reference(
    name: str, rawtext: str, text: str, *_: Any, **__: Any
) -> tuple[list[nodes.Node], list[nodes.Node]]:
    """Show ``:class:`~package.Name``` as a name, and link it if it has a page."""
    target = text.removeprefix("~")
    shown = target.rpartition(".")[2] if text.startswith("~") else target
    code = nodes.literal(rawtext, shown)
    if target.removeprefix("mnist_estimator.") not in NAMES:
        return [code], []
    reference = nodes.reference(rawtext, "", code, refuri=f"{shown}.html")
    return [reference], []


if __name__ == "__main__":
    main()
