"""TensorFlow in worker processes: no deadlock after a fork, no oversubscription of cores."""

import contextlib
import os

from ._quiet_tensorflow import tf, without_greetings
from ._thread_variables import number_of

_runs_here = _ran_before_the_fork = False


def _note_fork() -> None:
    global _ran_before_the_fork
    _ran_before_the_fork = _runs_here or _was_started_by_others()


def _was_started_by_others() -> bool:
    """Tell whether TensorFlow is initialized in this process.

    Public functions initialize it. Remove when there is one that does not; if TensorFlow
    renames these private attributes, the answer is False.
    """
    from tensorflow.python.eager import context

    running = getattr(context, "_context", None)
    return bool(getattr(running, "_initialized", False))


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_note_fork)


def is_cut_off() -> bool:
    """Tell whether TensorFlow would deadlock in this process.

    It does in a process that was forked from one in which it had run: a fork has none of the
    threads that TensorFlow waits for.
    """
    return _ran_before_the_fork


def check_process(purpose: str = "TensorFlow") -> None:
    """Raise an error if TensorFlow would deadlock in this process; else initialize it.

    The first time it is started, and what it then says of missing GPUs is left out. If nobody
    has set its number of threads, it is given as many as ``OMP_NUM_THREADS`` says. By this
    variable joblib, Dask, Ray and batch systems tell a process its share of the cores; TensorFlow
    does not look at it, and would use all cores in every process.

    Parameters
    ----------
    purpose : str, default="TensorFlow"
        What is to be done, for the error.

    Raises
    ------
    RuntimeError
        If :func:`is_cut_off`.
    """
    global _runs_here
    if _ran_before_the_fork:
        raise RuntimeError(
            f"{purpose} cannot run in this process: it was forked from one in which TensorFlow had "
            "run, and TensorFlow hangs in such a process. (Predictions work here, training does "
            'not.) Start it with multiprocessing.get_context("spawn"), or let joblib do so: its '
            'default backend, "loky", does not fork.'
        )
    if not _runs_here:
        with without_greetings():
            _limit_threads()
            tf.config.list_physical_devices()
    _runs_here = True


def n_threads() -> int:
    """Return how many threads TensorFlow uses for an operation in this process."""
    return _threads_told() or os.cpu_count() or 1


def _limit_threads() -> None:
    """Limit TensorFlow's threads, unless they are set already or it is initialized."""
    share, threading = number_of("OMP_NUM_THREADS"), tf.config.threading
    if share is None or _threads_told():
        return
    with contextlib.suppress(RuntimeError):  # if it runs already
        threading.set_intra_op_parallelism_threads(share)
        threading.set_inter_op_parallelism_threads(share)


def _threads_told() -> int | None:
    """Return the configured number of intra-op threads, or None."""
    told = tf.config.threading.get_intra_op_parallelism_threads()
    return told or number_of("TF_NUM_INTRAOP_THREADS")
