"""ONNX Runtime: a session that survives forks, copies and pickles."""

import os
from typing import Any

from numpy.typing import NDArray

from ..utils._thread_variables import number_of


class Session:
    """An ONNX model that runs in whatever process it is called.

    ONNX Runtime's threads do not survive a fork, so a forked process makes a session of its own;
    a copy or pickle has the model only, and makes its session in the first call.

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
        self._process = 0
        self._here()

    def run(self, images: NDArray[Any]) -> list[NDArray[Any]]:
        """Return all outputs for the one input."""
        session = self._here()
        outputs: list[NDArray[Any]] = session.run(None, {self.input_name: images})
        return outputs

    def _here(self) -> Any:
        """Return the session of this process."""
        if self._process != os.getpid():
            self._session = _start(self.model)
            (first, *others) = self._session.get_inputs()
            if others:
                raise ValueError(f"its network has {1 + len(others)} inputs, and one is expected.")
            self.input_name = first.name
            self._process = os.getpid()
        return self._session

    @property
    def inputs(self) -> list[Any]:
        """Descriptions of the inputs: name, shape, type."""
        return self._here().get_inputs()

    @property
    def outputs(self) -> list[Any]:
        """Descriptions of the outputs: name, shape, type."""
        return self._here().get_outputs()

    @property
    def metadata(self) -> dict[str, str]:
        """The model's own metadata."""
        return dict(self._here().get_modelmeta().custom_metadata_map)

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_session": None, "_process": 0}


def _start(model: bytes) -> Any:
    """Return an ONNX Runtime session, with the process's share of the cores."""
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
