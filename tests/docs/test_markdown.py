"""The pages of Markdown: links, on a Git host and on the site; pymarkdown checks their style."""

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
sys.path.insert(0, str(DOCS / "_extensions"))
import repository_links as links  # noqa: E402

sys.path.pop(0)

PAGES = [
    *ROOT.glob("*.md"),
    *DOCS.glob("*.md"),
    *(ROOT / "examples").rglob("*.md"),
    *(ROOT / "tests").rglob("*.md"),
]
LISTS = ["README.md", "benchmarks.md", "development.md"]
"""Pages whose list items are the navigation of the site."""
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]


def text_of(page):
    """Return the text of a page without its fenced code."""
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.M)


def anchors_of(page):
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text_of(page), flags=re.M)
    return {
        re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings
    }


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_relative_links_lead_to_files_and_headings(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", text_of(page)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        assert path.exists(), f"{page.name} links to {target}"
        if anchor:
            assert anchor in anchors_of(path), f"{page.name} links to {target}"


def test_every_page_is_in_the_navigation_once():
    lists = [(DOCS / name).read_text("utf-8") for name in LISTS]
    navigation = [links.navigation(links.site_links(text, DOCS, DOCS)) for text in lists]
    texts = [*navigation, (DOCS / "index.md").read_text("utf-8")]
    entries = [line for text in texts for line in text.splitlines() if re.fullmatch(r"\w+", line)]
    pages = {page.stem for page in DOCS.glob("*.md")} - {"README", "index"}
    assert sorted(entries) == sorted(pages | {"api"})


def test_navigation_is_that_of_list_items_by_heading():
    text = "# A\n\n- [One](one.md): first.\n\n## B\n\n- See [two](two.md).\n- [Three](three.md)\n"
    assert links.navigation(text) == (
        "\n```{toctree}\n:hidden:\n\none\n```\n"
        "\n```{toctree}\n:hidden:\n:caption: B\n\nthree\n```\n"
    )


@pytest.mark.parametrize(
    ("folder", "target", "on_the_site"),
    [
        (DOCS, "training.md#presets", "training.md#presets"),
        (DOCS, "../examples/photo.py", "auto_examples/photo.rst"),
        (DOCS, "../examples/benchmarks/compare.py", "../examples/benchmarks/compare.py"),
        (DOCS, "../tests/cli/a.md", "path:../tests/cli/a.md"),
        (DOCS, "../README.md#ten-lines", "index.md#ten-lines"),
        (DOCS, "../CHANGELOG.md", "changelog.md"),
        (DOCS, "#here", "#here"),
        (DOCS, "https://keras.io/a.md", "https://keras.io/a.md"),
        (ROOT, "docs/training.md#presets", "training.md#presets"),
        (ROOT, "docs/README.md#examples", "user_guide.md#examples"),
        (ROOT, "CONTRIBUTING.md", "contributing.md"),
        (ROOT, "docs/images/benchmark.png", "images/benchmark.png"),
        (ROOT, "LICENSE", "../LICENSE"),
    ],
)
def test_links_of_the_site(folder, target, on_the_site):
    adapted = links.site_links(f"See [this]({target}).", folder, DOCS)
    assert adapted == f"See [this]({on_the_site})."


def test_names_of_files_become_titles_on_the_site():
    text = "[docs/a.md](docs/a.md), [b.md](docs/b.md#c) and [CONTRIBUTING.md](CONTRIBUTING.md)"
    expected = "[](a.md), [b.md](b.md#c) and [](contributing.md)"
    assert links.site_links(text, ROOT, DOCS) == expected
