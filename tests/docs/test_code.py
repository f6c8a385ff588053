"""The code on the pages: it is Python, imports public names, and some of it runs as it is."""

import ast
import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

import mnist_estimator

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def code_of(page):
    """Return the blocks of Python on a page."""
    return re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), flags=re.M | re.DOTALL)


@pytest.mark.parametrize("page", [page for page in PAGES if code_of(page)], ids=lambda p: p.name)
def test_code_is_python_and_imports_public_names(page):
    for code in code_of(page):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and node.module == "mnist_estimator":
                for alias in node.names:
                    assert alias.name in mnist_estimator.__all__


COMING_FROM = code_of(ROOT / "docs" / "coming_from.md")
PAIRS = {
    "scikeras": COMING_FROM[0:2],
    "skorch": COMING_FROM[2:4],
    "plain Keras": COMING_FROM[4:6],
}


@pytest.fixture(scope="module")
def digits():
    """Return images as the page has them: rows of 784 bytes, and labels."""
    X, y = load_digits(return_X_y=True)
    images = np.kron(X[:400].reshape(-1, 8, 8), np.ones((3, 3)))
    images = np.pad(images * 255 / 16, ((0, 0), (2, 2), (2, 2))).astype(np.uint8)
    return {"X": images.reshape(-1, 784), "y": y[:400]}


@pytest.mark.filterwarnings("ignore")  # of the other packages
@pytest.mark.parametrize(
    "side", [pytest.param(0, id="theirs", marks=pytest.mark.slow), pytest.param(1, id="ours")]
)
@pytest.mark.parametrize("peer", PAIRS)
def test_code_side_by_side_runs(peer, side, digits, tmp_path, monkeypatch):
    if (peer, side) == ("skorch", 0):
        pytest.importorskip("skorch", reason="needs skorch and torch, 200 MB and more")
    monkeypatch.chdir(tmp_path)
    code = PAIRS[peer][side]
    names = dict(digits)
    exec(compile(code, f"{peer} {side}", "exec"), names)
    if "search" in names:
        assert len(names["search"].cv_results_["params"]) == 2
    else:
        assert names["labels"].shape == (400,)
        assert len(list(tmp_path.iterdir())) == 1


def test_side_by_side_has_all_blocks():
    assert len(COMING_FROM) == 7
    assert "KerasClassifier(" in PAIRS["scikeras"][0]
    assert "NeuralNetClassifier(" in PAIRS["skorch"][0]
    assert "network.compile(" in PAIRS["plain Keras"][0]
    assert all("mnist_estimator" in ours for _, ours in PAIRS.values())
