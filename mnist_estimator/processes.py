"""TensorFlow in processes that others start: no hang in forks, no more cores than are its share."""

import contextlib
import os

import tensorflow as tf

_runs_here = _ran_before_the_fork = False


def _note_fork() -> None:
    global _ran_before_the_fork
    _ran_before_the_fork = _runs_here


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_note_fork)


def check_process() -> None:
    """Refuse to run TensorFlow where it would hang; else note that it runs here.

    The first time, if TensorFlow does not run yet and nobody has set its number of threads, it
    is given as many as ``OMP_NUM_THREADS`` says. By this variable joblib, Dask, Ray and batch
    systems tell a process its share of the cores; TensorFlow does not look at it, and would use
    all cores in every process.

    Raises
    ------
    RuntimeError
        If this process was forked from one in which this package had run
        TensorFlow: the fork has none of the threads that TensorFlow waits for. (What
        others have run there is not known here.)
    """
    global _runs_here
    if _ran_before_the_fork:
        raise RuntimeError(
            "This process was forked from one in which TensorFlow had run, and TensorFlow hangs in "
            'such a process. Start it with multiprocessing.get_context("spawn"), or let joblib do '
            'so: its default backend, "loky", does not fork.'
        )
    if not _runs_here:
        _limit_threads()
    _runs_here = True


def n_threads() -> int:
    """Return how many threads TensorFlow uses for an operation in this process."""
    return _threads_told() or os.cpu_count() or 1


def _limit_threads() -> None:
    """Give TensorFlow its share of the cores, unless it was told otherwise or runs already."""
    share, threading = _number("OMP_NUM_THREADS"), tf.config.threading
    if share is None or _threads_told():
        return
    with contextlib.suppress(RuntimeError):  # if it runs already
        threading.set_intra_op_parallelism_threads(share)
        threading.set_inter_op_parallelism_threads(share)


def _threads_told() -> int | None:
    """Return how many threads TensorFlow was told to use for an operation, if it was."""
    told = tf.config.threading.get_intra_op_parallelism_threads()
    return told or _number("TF_NUM_INTRAOP_THREADS")


def _number(variable: str) -> int | None:
    """Return the number above 0 that an environment variable has, or None."""
    value = os.environ.get(variable, "").split(",")[0].strip()  # OpenMP: a number for each level
    return int(value) if value.isascii() and value.isdigit() and int(value) > 0 else None
