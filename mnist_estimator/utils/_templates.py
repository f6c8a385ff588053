"""Jinja templates."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


def load_template(
    folder: Path, name: str, filters: Mapping[str, Callable[..., str]] | None = None
) -> Any:
    """Load a template that escapes what it shows, and fails where a value is missing.

    Parameters
    ----------
    folder : pathlib.Path
        Where it is.
    name : str
        Its file name.
    filters : mapping of str to callable, default=None
        Filters beside Jinja's own.

    Returns
    -------
    jinja2.Template
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters or {})
    return environment.get_template(name)
