"""The configuration of Sphinx: ``nox -s docs`` builds the site in ``docs/_build/html``."""

import shutil
import sys
from pathlib import Path
from typing import Any

from numpydoc.xref import DEFAULT_LINKS

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_extensions"))

import run_examples  # noqa: E402

import mnist_estimator  # noqa: E402

project = "mnist_estimator"
author = "The mnist_estimator developers"
project_copyright = author
version = release = mnist_estimator.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "numpydoc",
    "myst_parser",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
    "repository_links",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "README.md"]  # user_guide.md includes that one
nitpicky = True
nitpick_ignore_regex = [
    # Private classes in annotations and docstrings have no page; nor has what Python itself has.
    (r"py:.*", r"(mnist_estimator\.)?\w*\.?_.*"),
]

# Markdown
myst_heading_anchors = 3

# The reference
add_module_names = False
toc_object_entries_show_parents = "hide"
autodoc_typehints = "none"  # the docstrings say more
autosummary_generate = True
numpydoc_class_members_toctree = False
numpydoc_show_class_members = False  # the template lists them
numpydoc_xref_param_type = True
numpydoc_xref_ignore = "all"  # but these:
numpydoc_xref_aliases = {name: name for name in DEFAULT_LINKS} | {
    "Axes": ":class:`Axes <matplotlib.axes.Axes>`",
    "DataFrame": ":class:`DataFrame <pandas.DataFrame>`",
    "Figure": ":class:`Figure <matplotlib.figure.Figure>`",
    "Pipeline": ":class:`Pipeline <sklearn.pipeline.Pipeline>`",
    "RandomState": ":class:`RandomState <numpy.random.RandomState>`",
    "keras.Model": ":class:`keras.Model`",
    "keras.callbacks.Callback": ":class:`keras.callbacks.Callback`",
    "keras.optimizers.schedules.LearningRateSchedule": (
        ":class:`keras.optimizers.schedules.LearningRateSchedule`"
    ),
    "ndarray": ":class:`ndarray <numpy.ndarray>`",
    "numpy.random.Generator": ":class:`numpy.random.Generator`",
    "sklearn.pipeline.Pipeline": ":class:`sklearn.pipeline.Pipeline`",
    "sklearn.utils.Bunch": ":class:`sklearn.utils.Bunch`",
}
intersphinx_mapping = {  # the inventories are written by _inventories/write.py
    "numpy": ("https://numpy.org/doc/stable/", "_inventories/numpy.inv"),
    "sklearn": ("https://scikit-learn.org/stable/", "_inventories/sklearn.inv"),
    "pandas": ("https://pandas.pydata.org/docs/", "_inventories/pandas.inv"),
    "keras": ("https://keras.io/api/", "_inventories/keras.inv"),
    "matplotlib": ("https://matplotlib.org/stable/", "_inventories/matplotlib.inv"),
}

# The examples are copied, as they write files beside themselves.
shutil.copytree(
    HERE.parent / "examples",
    HERE / "_build" / "examples",
    ignore=shutil.ignore_patterns("__pycache__", "benchmarks"),
    dirs_exist_ok=True,
)
sphinx_gallery_conf = {
    "examples_dirs": "_build/examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": run_examples.PATTERN,
    "ignore_pattern": r"__init__\.py",
    "reset_modules": ("matplotlib", "run_examples.prepare"),
    "within_subsection_order": "run_examples.Order",
    "capture_repr": ("_repr_html_",),
    "abort_on_example_error": True,
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("mnist_estimator",),
    "reference_url": {"mnist_estimator": None},
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "remove_config_comments": True,
}

# The site
BROAD = ["coming_from", *(f"auto_examples/{name}" for name in run_examples.ORDER)]
"""Pages whose code needs the width of the contents."""
html_theme = "pydata_sphinx_theme"
html_title = f"mnist_estimator {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_sidebars = {name: [] for name in ("index", "experiments", "changelog")}
html_copy_source = False
html_theme_options = {
    "logo": {"text": "mnist_estimator"},
    "navbar_align": "left",
    "header_links_before_dropdown": 7,
    "show_prev_next": True,
    "secondary_sidebar_items": {"**": ["page-toc"]} | {page: [] for page in BROAD},
    "footer_start": ["copyright"],
    "footer_end": [],
}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True


def setup(app: Any) -> None:
    """Leave out what scikit-learn adds to each class for metadata routing."""
    app.connect("autodoc-skip-member", _skip)


def _skip(app: Any, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """Return True for a member to leave out, None to let others decide."""
    return True if name.endswith("_request") else None
