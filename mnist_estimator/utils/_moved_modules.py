"""Old names of modules that were moved in version 0.7: pickles and imports that name them work."""

import importlib
import sys
import warnings
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

MOVED = {
    "mnist_estimator.caching": "mnist_estimator.persistence",
    "mnist_estimator.digit_normalization": "mnist_estimator.preprocessing",
    "mnist_estimator.images": "mnist_estimator.recognition",
    "mnist_estimator.label_errors": "mnist_estimator.evaluation",
    "mnist_estimator.novelty": "mnist_estimator.uncertainty",
    "mnist_estimator.occlusion": "mnist_estimator.evaluation",
    "mnist_estimator.onnx_export": "mnist_estimator.export",
    "mnist_estimator.plotting": "mnist_estimator.evaluation",
    "mnist_estimator.rejection": "mnist_estimator.uncertainty",
    "mnist_estimator.reliability": "mnist_estimator.evaluation",
}


class MovedModules(MetaPathFinder, Loader):
    """Import a module of ``MOVED`` as the one that replaces it, with a ``FutureWarning``."""

    def find_spec(self, fullname: str, *_: Any) -> ModuleSpec | None:
        """Return a spec for old names only."""
        return ModuleSpec(fullname, self) if fullname in MOVED else None

    def exec_module(self, module: ModuleType) -> None:
        """Replace the empty module by the present one."""
        old, new = module.__name__, MOVED[module.__name__]
        warnings.warn(
            f"{old} has been {new} since version 0.7; the old name will be removed in version "
            f"0.9. Import from {new}, and write pickles that name {old} again.",
            FutureWarning,
            stacklevel=2,
        )
        sys.modules[old] = importlib.import_module(new)


def install() -> None:
    """Make the old names importable, after all other ways to find a module."""
    sys.meta_path.append(MovedModules())
