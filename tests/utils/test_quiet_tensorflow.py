"""What TensorFlow says on stderr when this package imports and starts it."""

import os
import subprocess
import sys

import pytest

FIT = """
import numpy as np
from mnist_estimator import make_pipeline

X = np.random.default_rng(0).integers(0, 256, (40, 64), dtype=np.uint8)
pipe = make_pipeline(filters=(2,), epochs=1, random_state=0).fit(X, np.arange(40) % 2)
pipe.predict(X)
"""

SETTINGS = """
import os
before = dict(os.environ)
from mnist_estimator.utils._quiet_tensorflow import without_greetings
assert dict(os.environ) == before
"""

PASSED_ON = """
import os, subprocess, sys
from mnist_estimator.utils._quiet_tensorflow import without_greetings

try:
    with without_greetings():
        os.write(2, b"W0000 00:00:00.1  7 some.cc:1] a warning of TensorFlow\\n")
        print("from Python", file=sys.stderr)
        subprocess.run([sys.executable, "-c", "import sys; print('from a child', file=sys.stderr)"])
        os.write(2, b"E0000 00:00:00.1  7 some.cc:1] an error of TensorFlow\\n")
        raise KeyError("raised")
except KeyError as error:
    print(error, file=sys.stderr)
"""

NO_STDERR = """
import os
os.close(2)
import mnist_estimator.utils._quiet_tensorflow
"""


def stderr_of(code, level=None):
    """Return what a new process writes to stderr."""
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    if level is not None:
        environment["TF_CPP_MIN_LOG_LEVEL"] = level
    command = [sys.executable, "-c", code]
    process = subprocess.run(command, env=environment, capture_output=True, timeout=600)
    assert process.returncode == 0, process.stderr
    return process.stderr.decode()


@pytest.mark.slow
def test_a_first_fit_says_nothing():
    assert stderr_of(FIT) == ""


@pytest.mark.slow
def test_who_asks_for_warnings_gets_no_information():
    assert all(line.startswith(("W", "E")) for line in stderr_of(FIT, "1").splitlines())


@pytest.mark.slow
def test_who_asks_for_all_messages_gets_them():
    """On every machine there is one: of its GPUs, or that there is none."""
    assert stderr_of(FIT, "0") != ""


@pytest.mark.slow
def test_the_environment_stays_as_it_was():
    assert stderr_of(SETTINGS) == ""


@pytest.mark.slow
def test_what_is_no_greeting_is_passed_on():
    assert stderr_of(PASSED_ON).splitlines() == [
        "from Python",
        "from a child",
        "E0000 00:00:00.1  7 some.cc:1] an error of TensorFlow",
        "'raised'",
    ]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="the file descriptors are POSIX's")
def test_a_process_without_stderr_imports_all_the_same():
    stderr_of(NO_STDERR)
