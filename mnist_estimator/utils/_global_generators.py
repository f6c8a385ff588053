"""Python's and NumPy's global generators, seeded for a block."""

import contextlib
import random
import threading
from collections.abc import Iterator

import numpy as np

_lock = threading.RLock()


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed Python's and NumPy's global generators for a block, and restore them after it.

    Keras draws the seeds of initializers and dropout layers from Python's. Threads take turns.

    Parameters
    ----------
    seed : int
        From 0 to 2³² - 1.
    """
    with _lock:  # or two threads would restore each other's states
        states = random.getstate(), np.random.get_state()  # noqa: NPY002
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])  # noqa: NPY002
