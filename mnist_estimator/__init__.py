"""A convolutional network that is a scikit-learn classifier.

Importing the package does not import TensorFlow: each public name is loaded
from its module when it is first used (PEP 562).
"""

import importlib
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from .caching import CachedClassifier as CachedClassifier
    from .classifier import CNNClassifier as CNNClassifier
    from .datasets import load_mnist as load_mnist
    from .digit_normalization import DigitNormalizer as DigitNormalizer
    from .evaluation import EvaluationReport as EvaluationReport
    from .evaluation import evaluate as evaluate
    from .exceptions import ValueRangeWarning as ValueRangeWarning
    from .images import DigitReading as DigitReading
    from .images import read_digits as read_digits
    from .label_errors import find_label_errors as find_label_errors
    from .novelty import NoveltyDetector as NoveltyDetector
    from .occlusion import OcclusionDisplay as OcclusionDisplay
    from .onnx_export import to_onnx as to_onnx
    from .persistence import load as load
    from .persistence import save as save
    from .pipeline import make_pipeline as make_pipeline
    from .plotting import ImageGridDisplay as ImageGridDisplay
    from .plotting import TrainingHistoryDisplay as TrainingHistoryDisplay
    from .preprocessing import ImageScaler as ImageScaler
    from .recognition import Recognition as Recognition
    from .recognition import recognize as recognize
    from .rejection import RejectingClassifier as RejectingClassifier
    from .reliability import CoverageAccuracyDisplay as CoverageAccuracyDisplay
    from .reliability import ReliabilityDisplay as ReliabilityDisplay

_MODULE_OF = {
    "CNNClassifier": "classifier",
    "CachedClassifier": "caching",
    "CoverageAccuracyDisplay": "reliability",
    "DigitNormalizer": "digit_normalization",
    "DigitReading": "images",
    "EvaluationReport": "evaluation",
    "ImageGridDisplay": "plotting",
    "ImageScaler": "preprocessing",
    "NoveltyDetector": "novelty",
    "OcclusionDisplay": "occlusion",
    "Recognition": "recognition",
    "RejectingClassifier": "rejection",
    "ReliabilityDisplay": "reliability",
    "TrainingHistoryDisplay": "plotting",
    "ValueRangeWarning": "exceptions",
    "evaluate": "evaluation",
    "find_label_errors": "label_errors",
    "load": "persistence",
    "load_mnist": "datasets",
    "make_pipeline": "pipeline",
    "read_digits": "images",
    "recognize": "recognition",
    "save": "persistence",
    "to_onnx": "onnx_export",
}

__all__ = [
    "CNNClassifier",
    "CachedClassifier",
    "CoverageAccuracyDisplay",
    "DigitNormalizer",
    "DigitReading",
    "EvaluationReport",
    "ImageGridDisplay",
    "ImageScaler",
    "NoveltyDetector",
    "OcclusionDisplay",
    "Recognition",
    "RejectingClassifier",
    "ReliabilityDisplay",
    "TrainingHistoryDisplay",
    "ValueRangeWarning",
    "__version__",
    "evaluate",
    "find_label_errors",
    "load",
    "load_mnist",
    "make_pipeline",
    "read_digits",
    "recognize",
    "save",
    "to_onnx",
]


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF:
        value = getattr(importlib.import_module(f".{_MODULE_OF[name]}", __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
