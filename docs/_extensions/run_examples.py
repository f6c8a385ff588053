"""Which examples run for the gallery, on how many images, and the order of all."""

import os
from pathlib import Path
from typing import Any

# sphinx-gallery looks up the names of examples that it does not run.
from sklearn.experimental import enable_halving_search_cv  # noqa: F401

ORDER = [
    "mnist_workflow",
    "other_pipelines",
    "photo",
    "grid_search",
    "optuna_search",
    "own_network",
    "frozen_base",
    "picture_folder",
    "out_of_core",
    "resume_training",
    "resume_search",
    "serve_onnx",
    "distributed_dask",
    "distributed_ray",
    "predict_dask",
    "predict_ray",
    "compare_wrappers",
]
SIZES = {
    "mnist_workflow": 2500,
    "other_pipelines": 500,
    "photo": 10_000,
    "grid_search": 500,
    "optuna_search": 500,
    "out_of_core": 4000,
}
"""Training images of examples with figures: so few that all run within three minutes."""
PATTERN = rf"/({'|'.join(SIZES)})\.py$"


class Order:
    """The key by which sphinx-gallery sorts the examples of a folder."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __call__(self, name: str) -> int:
        """Return the place of a file."""
        return ORDER.index(Path(name).stem)


def prepare(gallery_conf: dict[str, Any], path: str) -> None:
    """Set the number of images for an example that is about to run."""
    os.environ["MNIST_EXAMPLE_SIZE"] = str(SIZES[Path(path).stem])
