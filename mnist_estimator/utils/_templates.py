"""The Jinja templates of the package."""

from collections.abc import Callable, Mapping
from typing import Any


def load_template(
    package: str, name: str, filters: Mapping[str, Callable[..., str]] | None = None
) -> Any:
    """Load a template that escapes what it shows, and fails where a value is missing.

    Parameters
    ----------
    package : str
        Name of the package whose folder ``templates`` holds it.
    name : str
        Its file name.
    filters : mapping of str to callable, default=None
        Filters beside Jinja's own.

    Returns
    -------
    jinja2.Template
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters or {})
    return environment.get_template(name)
