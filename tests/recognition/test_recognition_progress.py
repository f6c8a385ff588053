"""What is shown on the terminal while a page is searched."""

import io
import sys

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from mnist_estimator import find_digits, recognize


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def page(mnist):
    return np.hstack([255 - image.reshape(28, 28) for image in mnist[0][:3]])


def test_verbose_shows_the_steps_in_a_terminal(mnist, page, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("TERM", "xterm")
    assert len(recognize(KNeighborsClassifier(1).fit(*mnist), page, verbose=True)) == 3
    assert "Classifying 3 digits" in sys.stderr.getvalue()
    assert sys.stderr.getvalue().endswith("\x1b[2K")  # the line is erased


@pytest.mark.parametrize(("verbose", "stream"), [(False, Terminal), (True, io.StringIO)])
def test_nothing_is_shown_otherwise(verbose, stream, page, monkeypatch):
    monkeypatch.setattr(sys, "stderr", stream())
    assert len(find_digits(page, verbose=verbose)) == 3
    assert sys.stderr.getvalue() == ""
