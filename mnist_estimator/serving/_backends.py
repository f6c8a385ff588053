"""What computes a predictor's probabilities: a network, or a whole pipeline, in ONNX Runtime."""

import hashlib
import json
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..network._inference import PREDICTION_BATCH, batches, finite, predict_probabilities
from ..utils._scaled_images import ScaledImages, scale
from ._session import Session
from ._state import PredictorState

BLOCK = 4096
"""Most images that are scaled at once."""


class Backend(Protocol):
    """Computes probabilities."""

    def probabilities(self, images: NDArray[Any] | ScaledImages) -> NDArray[np.floating]:
        """Return probabilities (n, n_classes) of checked images (n, height, width, channels)."""


class NetworkBackend:
    """A network from scaled images to logits; scaling and test-time augmentation are NumPy's.

    Parameters
    ----------
    state : PredictorState
    model : bytes
        The ONNX model.

    Raises
    ------
    ValueError
        If the model is not one of these images and classes.
    """

    def __init__(self, state: PredictorState, model: bytes) -> None:
        self._state = state
        self._session = Session(model)
        takes = [part.shape[1:] for part in self._session.inputs]
        gives = [part.shape[1:] for part in self._session.outputs]
        if takes != [list(state.image_shape)] or gives != [[len(state.classes)]]:
            raise ValueError(
                f"its network takes images of shape {takes[0]} and gives {gives[0]} logits, but "
                f"its state names images of shape {state.image_shape} and {len(state.classes)} "
                "classes."
            )

    def probabilities(self, images: NDArray[Any] | ScaledImages) -> NDArray[np.floating]:
        """Return probabilities of shape (n, n_classes), float64."""
        shift = self._state.test_time_shift
        parts = []
        for rows in batches(len(images), BLOCK, self._state.image_shape):
            part = images[rows]
            for value_range in self._state.scaled_ranges:
                part = scale(part, value_range)
            part = np.ascontiguousarray(part, dtype=np.float32)
            parts.append(predict_probabilities(self, part, shift))
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def logits(self, images: NDArray[Any]) -> NDArray[np.floating]:
        """Return the logits (n, n_classes) of scaled images."""
        parts = [
            self._session.run(images[rows])[0]
            for rows in batches(len(images), PREDICTION_BATCH, self._state.image_shape)
        ]
        return finite(parts[0] if len(parts) == 1 else np.concatenate(parts))


class PipelineBackend:
    """A whole pipeline, from pixels to probabilities, as ``to_onnx`` writes it.

    Parameters
    ----------
    session : Session
        With an input of pixels and an output ``probabilities``.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        (pixels,) = session.inputs
        self._shape = pixels.shape[1:]
        self._dtype = np.dtype(_DTYPES[pixels.type])
        self._output = [output.name for output in session.outputs].index("probabilities")

    @property
    def metadata(self) -> dict[str, Any]:
        """What the file says of the pipeline."""
        return {name: json.loads(text) for name, text in self._session.metadata.items()}

    def probabilities(self, images: NDArray[Any] | ScaledImages) -> NDArray[np.floating]:
        """Return probabilities of shape (n, n_classes), float32.

        Raises
        ------
        ValueError
            If the values of the images are not numbers of the file's dtype.
        """
        parts = []
        for rows in batches(len(images), BLOCK, images.shape[1:]):
            part = images[rows]
            given = part.astype(self._dtype).reshape(len(part), *self._shape)
            if self._dtype.kind in "iub" and not np.array_equal(given.ravel(), part.ravel()):
                raise ValueError(
                    f"X has values that are not of dtype {self._dtype}, which the ONNX file takes. "
                    "Pass such values, or export with an example: to_onnx(pipe, path, X[:1])."
                )
            parts.append(finite(self._session.run(given)[self._output]))
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


_DTYPES = {
    "tensor(bool)": "?", "tensor(uint8)": "u1", "tensor(int8)": "i1", "tensor(uint16)": "u2",
    "tensor(int16)": "i2", "tensor(uint32)": "u4", "tensor(int32)": "i4", "tensor(uint64)": "u8",
    "tensor(int64)": "i8", "tensor(float16)": "f2", "tensor(float)": "f4", "tensor(double)": "f8",
}  # fmt: skip

_IN_THE_GRAPH = {
    "feature_names": None, "learned_range": None, "scaled_ranges": (),
    "test_time_shift": 0, "rejections": (),
}  # fmt: skip
"""What a whole pipeline's graph does itself, or does not know."""


def open_network(values: Any, model: bytes) -> tuple[PredictorState, NetworkBackend]:
    """Return the state and backend of a pipeline's file.

    Parameters
    ----------
    values : dict
        The content of ``predictor.json``.
    model : bytes
        The content of ``network.onnx``.

    Raises
    ------
    ValueError
        If they are not valid, or not of one pipeline.
    """
    state = PredictorState.from_json(values)
    if values.get("network") != hashlib.sha256(model).hexdigest():
        raise ValueError("its network.onnx is not the one that its predictor.json names.")
    return state, NetworkBackend(state, model)


def open_pipeline_graph(model: bytes) -> tuple[PredictorState, PipelineBackend]:
    """Return the state and backend of a file that ``to_onnx`` wrote.

    Raises
    ------
    ValueError
        If it is none.
    """
    session = Session(model)
    try:
        backend = PipelineBackend(session)
        known = backend.metadata
        classes = {"dtype": np.array(known["classes"]).dtype, "values": known["classes"]}
        # Versions before 0.7 wrote classes and image_shape only.
        state = PredictorState.from_json(_IN_THE_GRAPH | known | {"classes": classes})
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"it is no ONNX file that to_onnx wrote: {error!r:.200}.") from error
    return state, backend
