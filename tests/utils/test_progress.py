"""Progress bars in a terminal, a notebook and a log."""

import io
import sys
import types

import pytest
from rich.console import Console

from mnist_estimator.utils import _progress
from mnist_estimator.utils._progress import NotebookBar, TerminalBar, in_notebook, progress_bar


@pytest.fixture
def shown(monkeypatch):
    """Stand in for a notebook; return what each place of a cell's output has shown."""
    places = []

    class Handle:
        def __init__(self, data):
            self.history = [data]

        def update(self, data, *, raw):
            assert raw
            self.history.append(data)

    def display(data, *, raw, display_id):
        assert raw
        assert display_id
        places.append(Handle(data))
        return places[-1]

    module = types.ModuleType("IPython.display")
    module.display = display
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    return places


def test_a_notebook_shows_the_bar_in_one_place(shown, monkeypatch, capsys):
    monkeypatch.setattr(_progress, "_INTERVAL", 0)
    bar = progress_bar(Console(force_jupyter=True))
    assert isinstance(bar, NotebookBar)
    bar.start("Epoch <1>", total=4, done=1)
    bar.advance()
    bar.describe("Epoch 2")
    bar.say("loss 0.5")
    bar.close()
    (place,) = shown
    pages = [data["text/html"] for data in place.history]
    assert 'value="1"' in pages[0]
    assert "Epoch &lt;1&gt;, 25 %</div>" in pages[0]
    assert 'value="2"' in pages[1]
    assert pages[1].endswith("s left</div>")
    assert "Epoch 2, 50 %" in pages[2]
    assert pages[-1].endswith("Epoch 2, 0 s</div>")
    assert place.history[0]["text/plain"] == "Epoch <1>, 25 %"
    assert capsys.readouterr().out == "loss 0.5\n"


def test_a_notebook_is_not_flooded(shown, monkeypatch):
    monkeypatch.setattr(_progress, "_INTERVAL", 1000)
    bar = NotebookBar()
    bar.start("Epoch 1", total=500, done=0)
    for _ in range(500):
        bar.advance()
    bar.close()
    assert len(shown[0].history) == 2
    assert 'value="500"' in shown[0].history[-1]["text/html"]


def test_a_bar_that_was_not_started_shows_nothing(shown, capsys):
    for bar in (NotebookBar(), TerminalBar(Console(file=io.StringIO(), force_terminal=True))):
        bar.advance()
        bar.describe("Epoch 2")
        bar.close()
    assert shown == []
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_log_has_lines_only_and_a_terminal_a_bar_too(is_terminal):
    file = io.StringIO()
    bar = progress_bar(Console(file=file, force_terminal=is_terminal, width=80))
    bar.start("Epoch 1", total=4, done=0)
    bar.advance()
    bar.say("loss 0.5")
    bar.close()
    assert "loss 0.5\n" in file.getvalue()
    if is_terminal:
        assert "25 %" in file.getvalue()
    else:
        assert file.getvalue() == "loss 0.5\n"


def test_this_process_is_no_notebook():
    assert not in_notebook()
