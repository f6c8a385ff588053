"""Pages of Markdown are read on a Git host, too: what the site makes of their links.

A link to an example leads to its page in the gallery, one to the README, the change log and the
guide for contributors to the page that includes it. Other files become downloads. Where the text
of a link is the name of a file, it becomes the title of the page. In some pages, list items that
start with a link are the navigation.
"""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "docs/README.md": "user_guide.md",
}
"""Files of the repository, and the page of the site that includes each."""
NAVIGATION = {"user_guide", "benchmarks", "development"}
"""Pages whose list items are the navigation, by heading."""


def setup(app: "Sphinx") -> dict[str, bool]:
    """Register the extension."""
    app.connect("source-read", _adapt)
    return {"parallel_read_safe": True}


def _adapt(app: "Sphinx", docname: str, source: list[str]) -> None:
    """Insert the files that a page includes, and adapt the links of a page."""
    if Path(app.env.doc2path(docname)).suffix != ".md":
        return
    docs = Path(app.srcdir)

    def included(match: re.Match[str]) -> str:
        path = (docs / match[1]).resolve()
        app.env.note_dependency(str(path))
        return site_links(path.read_text(encoding="utf-8"), path.parent, docs)

    text = site_links(source[0], docs, docs)
    text = re.sub(r"^```\{include\} (\S+)\n```$", included, text, flags=re.MULTILINE)
    source[0] = text + navigation(text) if docname in NAVIGATION else text


def navigation(text: str) -> str:
    """Return a hidden table of contents of the pages that list items start with, by heading."""
    first, *rest = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    lines = []
    for heading, part in [("", first), *zip(rest[::2], rest[1::2], strict=True)]:
        if pages := re.findall(r"^- \[[^\]]+\]\((\w+)\.md\)", part, flags=re.MULTILINE):
            lines += ["", "```{toctree}", ":hidden:"]
            lines += [f":caption: {heading}"] if heading else []
            lines += ["", *pages, "```"]
    return "\n".join([*lines, ""])


def site_links(text: str, folder: Path, docs: Path) -> str:
    """Adapt the relative links of a text in a folder to a page of the site."""
    root = docs.parent.resolve()

    def adapted(match: re.Match[str]) -> str:
        label, target = match.groups()
        name, mark, anchor = target.partition("#")
        if not name or re.match(r"[a-z]+:", name):
            return match[0]
        path = (folder / name).resolve()
        file = path.relative_to(root).as_posix()
        if example := re.fullmatch(r"examples/(\w+)\.py", file):
            return f"[{label}](auto_examples/{example[1]}.rst)"
        page = PAGES.get(file) or Path(os.path.relpath(path, docs.resolve())).as_posix()
        if page.startswith("../") and page.endswith(".md"):
            return f"[{label}](path:{page})"  # no page of the site
        return f"[{'' if label == name else label}]({page}{mark}{anchor})"

    return re.sub(r"\[([^\]]*)\]\(([^)\s]+)\)", adapted, text)
