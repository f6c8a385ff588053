"""ONNX Runtime: a session that survives forks, copies and pickles."""

import os
import weakref
from typing import Any

from numpy.typing import NDArray

from ..utils._thread_variables import number_of


class Session:
    """An ONNX model that runs in whatever process it is called.

    ONNX Runtime's threads do not survive a fork, so a forked process makes a session of its own;
    a copy or pickle has the model only. Both make their session in the first call.

    Parameters
    ----------
    model : bytes
        An ONNX model.

    Raises
    ------
    ValueError
        If it is none.
    """

    def __init__(self, model: bytes) -> None:
        self.model = model
        self._session: Any = None
        self._here()

    def run(self, images: NDArray[Any]) -> list[NDArray[Any]]:
        """Return all outputs for the one input."""
        session = self._here()
        outputs: list[NDArray[Any]] = session.run(None, {self.input_name: images})
        return outputs

    def _here(self) -> Any:
        """Return the session of this process."""
        session = self._session
        if session is None:
            session = _start(self.model)
            (first, *others) = session.get_inputs()
            if others:
                raise ValueError(f"its network has {1 + len(others)} inputs, and one is expected.")
            self.input_name = first.name
            self._session = session
            _STARTED.add(self)
        return session

    @property
    def inputs(self) -> list[Any]:
        """Descriptions of the inputs: name, shape, type."""
        inputs: list[Any] = self._here().get_inputs()
        return inputs

    @property
    def outputs(self) -> list[Any]:
        """Descriptions of the outputs: name, shape, type."""
        outputs: list[Any] = self._here().get_outputs()
        return outputs

    @property
    def metadata(self) -> dict[str, str]:
        """The model's own metadata."""
        return dict(self._here().get_modelmeta().custom_metadata_map)

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_session": None}


_STARTED: "weakref.WeakSet[Session]" = weakref.WeakSet()
"""What has a session of ONNX Runtime in this process."""


def _forget_sessions() -> None:
    """Let a forked process start sessions of its own, and leave those that it inherits alone."""
    import ctypes

    for started in list(_STARTED):
        # One reference that is never given back: to delete an inherited session, now or when the
        # process exits, would wait for ever for its threads, which were not forked.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(started._session))
        started._session = None
    _STARTED.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_sessions)


def _start(model: bytes) -> Any:
    """Return an ONNX Runtime session, with the process's share of the cores."""
    # Its telemetry sends events to Microsoft unless this is set before the import, and makes
    # forked processes hang when they exit (seen with 1.32).
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnxruntime
    except ImportError as error:
        raise ImportError(
            "Predictions without TensorFlow need the package onnxruntime, which is not installed "
            "or not complete. Install it with: pip install onnxruntime"
        ) from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only
    options.intra_op_num_threads = number_of("OMP_NUM_THREADS") or 0  # 0: one a core
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises many kinds, without a common base
        raise ValueError(f"ONNX Runtime cannot run its network: {error!s:.300}") from error
