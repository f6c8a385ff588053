"""What the page of a report shows."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False, kw_only=True)
class PageData:
    """What the page shows: the attributes of the report of the same names, and five more."""

    n_samples: int
    n_answered: int
    n_rejected: int
    model_name: str
    model_description: str
    classes: NDArray[Any]
    y_true: NDArray[Any]
    labels: NDArray[Any]
    """Predicted labels, of shape (n_samples,); for rejected samples the most probable label."""
    confidence: NDArray[Any] | None
    rejected: NDArray[np.bool_] | None
    rejections: NDArray[np.intp]
    mistakes: NDArray[np.intp]
    accuracy: float
    accuracy_interval: tuple[float, float]
    precision: Any
    recall: Any
    f1: Any
    log_loss: float | None
    ece: float | None
    per_class: pd.DataFrame
    top_confusions: pd.DataFrame
    calibration: pd.DataFrame | None
    coverage: pd.DataFrame | None
    label_errors: pd.DataFrame | None
    counts: NDArray[np.intp]
    """Answered samples by true and predicted label, of shape (n_classes, n_classes)."""
    rejected_by_class: NDArray[np.intp]
    """Rejected samples by true label, of shape (n_classes,)."""
    pairs: list[tuple[Any, Any, list[int]]]
    """The most confused labels: true, predicted, and rows of examples."""
    suspects: pd.DataFrame
    """The rows of `label_errors` to be shown."""
    history: dict[str, list[float]] | None
    best_epoch: int | None
    images: NDArray[Any] | None
    examples: dict[int, NDArray[Any]]
    occlusion_maps: dict[int, NDArray[Any]]
