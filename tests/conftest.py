"""Small data, and a network small enough to be fitted in a second."""

import contextlib
import os
import signal
import sys
import tracemalloc
from pathlib import Path

# Before SciPy is imported: without it scikit-learn skips its check of array API input.
os.environ.setdefault("SCIPY_ARRAY_API", "1")
# Before TensorFlow is: its fast kernels, as the command has them, on every processor.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

# Likewise: where each core has a test process, more threads than one only wait for each other.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")

import numpy as np
import pytest
from common import SMALL
from sklearn.datasets import load_digits

from mnist_estimator import CNNClassifier, make_pipeline

# A shell that starts the tests in the background has them, and what they start, ignore Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


ACROSS = {"docs", "examples", "promise", "robustness", "sklearn"}
"""Folders of tests that cut across the package; the others have the names of its sub-packages."""


def pytest_collection_modifyitems(config, items):
    """Measure coverage by the tests of the modules alone: it takes half as long again."""
    if config.pluginmanager.hasplugin("pytest_cov"):
        for item in items:
            if ACROSS.intersection(item.path.relative_to(Path(__file__).parent).parts):
                item.add_marker("no_cover")


@pytest.fixture(autouse=True)
def close_figures():
    """Close what a test has drawn: figures of pyplot outlive it."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture(scope="session")
def traced_memory():
    """Return a context of a block that gives its peak of memory in bytes, when called."""

    @contextlib.contextmanager
    def trace():
        tracemalloc.start()
        try:
            yield lambda: tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    return trace


@pytest.fixture(scope="session")
def strict_python(pytestconfig):
    """Return how to start Python as these tests run: with warnings as errors or not."""
    strict = pytestconfig.getini("filterwarnings") == ["error"]
    return [sys.executable, *(["-W", "error"] if strict else [])]


@pytest.fixture(scope="session")
def small():
    """Make a classifier with a small network."""
    return lambda **changed: CNNClassifier(**SMALL | changed)


@pytest.fixture(scope="session")
def small_pipeline():
    """Make a pipeline with a small network."""
    return lambda **changed: make_pipeline(**SMALL | changed)


@pytest.fixture(scope="session")
def quick(small):
    """Make a classifier that learns easy images in a few dozen steps."""
    return lambda **changed: small(**{"epochs": 4, "batch_size": 16} | changed)


@pytest.fixture(scope="session")
def quick_pipeline(small_pipeline):
    """Make a pipeline that learns easy images in a few dozen steps."""
    return lambda **changed: small_pipeline(**{"epochs": 4, "batch_size": 16} | changed)


@pytest.fixture(scope="session")
def digits():
    """Return 600 images of 8×8 pixels as flat rows, and their labels."""
    X, y = load_digits(return_X_y=True)
    return X[:600], y[:600]


@pytest.fixture(scope="session")
def fitted(digits):
    """Return a classifier fitted on the digits; tests must not change it."""
    X, y = digits
    return CNNClassifier(**SMALL).fit(X, y)


@pytest.fixture(scope="session")
def two_classes():
    """Return images of two classes that a line tells apart: bright above or below."""
    generator = np.random.default_rng(0)
    y = generator.integers(0, 2, 200)
    X = generator.uniform(0, 0.3, (200, 8, 8)).astype(np.float32)
    X[y == 0, :4] += 0.5
    X[y == 1, 4:] += 0.5
    return X, y
