"""TensorFlow in forked processes: an error in place of a hang."""

import os

_runs_here = _ran_before_the_fork = False


def _note_fork() -> None:
    global _ran_before_the_fork
    _ran_before_the_fork = _runs_here


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_note_fork)


def check_process() -> None:
    """Refuse to run TensorFlow where it would hang; else note that it runs here.

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
    _runs_here = True
