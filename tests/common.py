"""What tests share with the processes that they start."""

import os
import runpy
import sys

SMALL = {
    "filters": (8, 16),
    "kernel_size": 3,
    "epochs": 8,
    "learning_rate": 0.01,
    "random_state": 0,
}
"""One architecture for all tests, so that it is traced once."""


def slow_but(fast, values):
    """Return parameters by their names for pytest, slow but for some.

    Parameters
    ----------
    fast : set of str
        Names of those that are not slow.
    values : dict
        By name.
    """
    import pytest

    assert fast < set(values), fast - set(values)
    return [
        pytest.param(value, id=name, marks=() if name in fast else pytest.mark.slow)
        for name, value in values.items()
    ]


THREAD_VARIABLES = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
"""What tells TensorFlow how many threads to have, here or by this package."""


def run_command(arguments, output, errors):
    """Run the command in this process as in one of its own, with files for stdout and stderr."""
    for descriptor, path in ((1, output), (2, errors)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), descriptor)
    # Those that are there remember what kind of file they had.
    sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", 1, closefd=False)
    sys.argv = ["mnist_estimator", *arguments]
    runpy.run_module("mnist_estimator", run_name="__main__", alter_sys=True)
