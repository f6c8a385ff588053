"""Notebooks that are run: what they show, and that nothing of it is on stderr."""

import html.parser
import re

import nbformat
import pytest
from nbclient import NotebookClient

DATA = ["import mnist_estimator",
    "from mnist_estimator import evaluate, load_mnist, make_pipeline, read_info, recognize, save",
    "mnist = load_mnist('test')\nmnist",
    "from sklearn.neighbors import KNeighborsClassifier\n"
    "X, y = mnist.data, mnist.target\n"
    "model = KNeighborsClassifier(3).fit(X[:1000], y[:1000])\n"
    "report = evaluate(model, X[1000:1500], y[1000:1500])\n"
    "report",
    "%matplotlib inline\nreport.plot();",
    "print(report)",
]  # fmt: skip

TRAINING = [
    "from mnist_estimator import evaluate, load_mnist, make_pipeline",
    "X, y = load_mnist('train', return_X_y=True)\n"
    "pipe = make_pipeline('fast', epochs=2, random_state=0).set_params(cnn__verbose=1)\n"
    "pipe.fit(X[:2000], y[:2000])",
    "report = evaluate(pipe, X[-1000:], y[-1000:])\nreport",
    "from IPython.display import HTML\nHTML(report.to_html())",
]

FILES = [
    "from mnist_estimator import load_mnist, make_pipeline, read_info, recognize, save\n"
    "import numpy as np",
    "X, y = load_mnist('train', return_X_y=True)\n"
    "pipe = make_pipeline('fast', epochs=1, random_state=0).fit(X[:2000], y[:2000])",
    "save(pipe, 'digits.pipeline', metadata={'note': '<b>bold</b>'})\nread_info('digits.pipeline')",
    "page = 255 - np.hstack(X[:5].reshape(-1, 28, 28))\nrecognize(pipe, page, verbose=True)",
]


class Checker(html.parser.HTMLParser):
    """Checks that a fragment closes what it opens, and asks the network for nothing."""

    EMPTY = frozenset({"br", "img", "meta", "path", "use", "rect", "image"})

    def __init__(self, text):
        super().__init__()
        self.open, self.tags = [], set()
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        if tag not in self.EMPTY:
            self.open.append(tag)
        for name, value in attributes:
            if name in ("src", "href", "xlink:href"):
                assert value.startswith(("data:image/", "#"))

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in self.EMPTY:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in self.EMPTY:
            assert self.open.pop() == tag


def run(sources, folder):
    """Run cells in a kernel; return the outputs of each, none of them on stderr."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(s) for s in sources])
    NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    ).execute()
    outputs = [cell.outputs for cell in notebook.cells]
    errors = [o.text for cell in outputs for o in cell if o.get("name") == "stderr"]
    assert errors == []
    return outputs


def kinds(outputs):
    """Return the types of the outputs of a cell."""
    return [output.output_type for output in outputs]


def page_of(output):
    """Return the HTML of an output, checked."""
    Checker(output.data["text/html"])
    return output.data["text/html"]


def test_data_and_a_report_show_themselves(tmp_path):
    imports, names, data, report, plot, text = run(DATA, tmp_path)
    assert imports == names == []

    assert kinds(data) == ["execute_result"]
    assert len(data[0].data["text/plain"].splitlines()) <= 10
    assert "(10000, 784)" in data[0].data["text/plain"]
    assert page_of(data[0]).count("<img ") == 10

    assert kinds(report) == ["execute_result"]
    assert report[0].data["text/plain"].startswith("EvaluationReport(accuracy=0.")
    page = page_of(report[0])
    assert page.count("<svg ") == 2  # calibration and coverage; no history
    assert "Most confident mistakes" in page
    assert "<script" not in page
    assert len(page) < 300_000

    assert kinds(plot) == ["display_data"]
    assert "image/png" in plot[0].data

    assert kinds(text) == ["stream"]
    assert "precision" in text[0].text


@pytest.mark.slow
def test_training_shows_a_bar_and_lines(tmp_path):
    imports, fit, report, page = run(TRAINING, tmp_path)
    assert imports == []

    # The bar is shown anew in its place; the lines are printed as in a log.
    first, *lines, last = fit
    assert (first.output_type, last.output_type) == ("display_data", "execute_result")
    assert set(kinds(lines)) == {"stream"}
    done, total = re.search(r'max="(\d+)" value="(\d+)"', page_of(first)).groups()
    assert done == total
    assert first.data["text/plain"].startswith("Epoch 2/2, ")
    text = "".join(line.text for line in lines)
    assert [line[:9] for line in text.splitlines()] == ["Epoch 1/2", "Epoch 2/2"]
    assert "\x1b" not in text

    assert page_of(report[0]).count("<svg ") == 4
    assert page[0].data["text/html"].startswith("<!doctype html>")


@pytest.mark.slow
def test_a_file_and_a_picture_show_themselves(tmp_path):
    _, fit, info, found = run(FILES, tmp_path)
    assert fit == []

    page = page_of(info[-1])
    assert "&lt;b&gt;bold&lt;/b&gt;" in page
    assert "<b>bold" not in page

    # Progress is erased before the result is shown.
    assert kinds(found) == ["display_data", "execute_result"]
    assert found[0].data["text/html"] == ""
    assert page_of(found[1]).count("<rect ") == 5
