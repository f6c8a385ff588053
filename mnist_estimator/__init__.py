"""A convolutional network that is a scikit-learn classifier.

Importing the package does not import TensorFlow: each public name is loaded
from its module when it is first used (PEP 562).
"""

import importlib
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from .classifier import CNNClassifier as CNNClassifier
    from .datasets import load_mnist as load_mnist
    from .evaluation import EvaluationReport as EvaluationReport
    from .evaluation import evaluate as evaluate
    from .pipeline import make_pipeline as make_pipeline
    from .plotting import ImageGridDisplay as ImageGridDisplay
    from .plotting import TrainingHistoryDisplay as TrainingHistoryDisplay
    from .preprocessing import ImageScaler as ImageScaler

_MODULE_OF = {
    "CNNClassifier": "classifier",
    "EvaluationReport": "evaluation",
    "ImageGridDisplay": "plotting",
    "ImageScaler": "preprocessing",
    "TrainingHistoryDisplay": "plotting",
    "evaluate": "evaluation",
    "load_mnist": "datasets",
    "make_pipeline": "pipeline",
}

__all__ = [
    "CNNClassifier",
    "EvaluationReport",
    "ImageGridDisplay",
    "ImageScaler",
    "TrainingHistoryDisplay",
    "__version__",
    "evaluate",
    "load_mnist",
    "make_pipeline",
]


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF:
        value = getattr(importlib.import_module(f".{_MODULE_OF[name]}", __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
