"""TensorFlow and Keras, imported without their startup messages on stderr."""

import contextlib
import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator

LEVEL = "TF_CPP_MIN_LOG_LEVEL"
"""The environment variable that says what TensorFlow logs: "0" all, "1" no information, "2" errors
only, "3" nothing."""

GREETING = re.compile(
    rb"WARNING: All log messages before absl::InitializeLog\(\)"
    rb"|[IW]\d{4} "  # information and warnings; since absl's logging
    rb"|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: [IW] "  # and before it
    rb"|To enable the following instructions:"
    rb"|.*failed call to cuInit"  # no GPU
    rb"|.*Unable to register cu(FFT|DNN|BLAS) factory"  # two parts of TensorFlow bring it along
)
"""Start of lines that report no fault."""

_one_at_a_time = threading.RLock()


@contextlib.contextmanager
def without_greetings() -> Iterator[None]:
    """Suppress TensorFlow's messages on stderr at its import and first use.

    Its C++ parts write to the process's own stderr (file descriptor 2), some of it whatever
    ``TF_CPP_MIN_LOG_LEVEL`` says. All other lines that come meanwhile, by whoever, appear at the
    end of the block. With ``TF_CPP_MIN_LOG_LEVEL=0`` nothing is held back.
    """
    if os.environ.get(LEVEL) == "0":
        yield
        return
    with _one_at_a_time, tempfile.TemporaryFile() as held_back:
        with contextlib.suppress(OSError, ValueError, AttributeError):
            sys.stderr.flush()
        try:
            stderr = os.dup(2)
        except OSError:  # closed, as in a service
            yield
            return
        try:
            os.dup2(held_back.fileno(), 2)
            yield
        finally:
            with contextlib.suppress(OSError, ValueError, AttributeError):
                sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
            held_back.seek(0)
            for line in held_back:
                if not GREETING.match(line):
                    os.write(2, line)


@contextlib.contextmanager
def _errors_only() -> Iterator[None]:
    """Set TensorFlow's log level to errors, unless the user has; it is read once, at import."""
    if LEVEL in os.environ:
        yield
        return
    os.environ[LEVEL] = "2"
    try:
        yield
    finally:
        os.environ.pop(LEVEL, None)


with without_greetings(), _errors_only():
    import keras
    import tensorflow as tf

__all__ = ["keras", "tf", "without_greetings"]
