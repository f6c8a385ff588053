"""Write the inventories by which the site links to other projects, without network.

Each lists the names that docstrings and examples use, as version 1 of Sphinx's format, which is
plain text; the pages are where the project's documentation has them. To be run after a change of
``NAMES``: ``python docs/_inventories/write.py``. Names are looked up in the installed packages.
"""

import importlib
import inspect
from pathlib import Path
from typing import Any

PAGES = {
    "numpy": "reference/generated/{name}.html",
    "sklearn": "modules/generated/{name}.html",
    "pandas": "reference/api/{name}.html",
    "matplotlib": "api/_as_gen/{name}.html",
    "keras": "",
}
"""Project: where its documentation has the page of a name."""
NAMES = {
    "numpy": [
        "numpy.load",
        "numpy.memmap",
        "numpy.ndarray",
        "numpy.random.Generator",
        "numpy.random.RandomState",
        "numpy.random.default_rng",
    ],
    "sklearn": [
        "sklearn.calibration.CalibratedClassifierCV",
        "sklearn.calibration.CalibrationDisplay",
        "sklearn.datasets.load_digits",
        "sklearn.ensemble.VotingClassifier",
        "sklearn.metrics.ConfusionMatrixDisplay",
        "sklearn.metrics.accuracy_score",
        "sklearn.metrics.classification_report",
        "sklearn.metrics.f1_score",
        "sklearn.metrics.log_loss",
        "sklearn.model_selection.GridSearchCV",
        "sklearn.model_selection.HalvingGridSearchCV",
        "sklearn.model_selection.LearningCurveDisplay",
        "sklearn.model_selection.StratifiedKFold",
        "sklearn.model_selection.TunedThresholdClassifierCV",
        "sklearn.model_selection.cross_validate",
        "sklearn.model_selection.train_test_split",
        "sklearn.neighbors.LocalOutlierFactor",
        "sklearn.neural_network.MLPClassifier",
        "sklearn.pipeline.Pipeline",
        "sklearn.pipeline.make_pipeline",
        "sklearn.preprocessing.FunctionTransformer",
        "sklearn.preprocessing.MinMaxScaler",
        "sklearn.svm.SVC",
        "sklearn.utils.Bunch",
    ],
    "pandas": ["pandas.DataFrame", "pandas.Series"],
    "matplotlib": [
        "matplotlib.axes.Axes",
        "matplotlib.figure.Figure",
        "matplotlib.pyplot.subplots",
    ],
    "keras": [
        "keras.Input",
        "keras.Model",
        "keras.Sequential",
        "keras.callbacks.Callback",
        "keras.layers.Layer",
        "keras.optimizers.schedules.LearningRateSchedule",
    ],
}
OTHER_PAGES = {
    "numpy.random.Generator": "reference/random/generator.html",
    "numpy.random.RandomState": "reference/random/legacy.html",
    "numpy.random.default_rng": "reference/random/generator.html",
    "keras.Input": "layers/core_layers/input/",
    "keras.Model": "models/model/",
    "keras.Sequential": "models/sequential/",
    "keras.callbacks.Callback": "callbacks/base_callback/",
    "keras.layers.Layer": "layers/base_layer/",
    "keras.optimizers.schedules.LearningRateSchedule": (
        "optimizers/learning_rate_schedules/learning_rate_schedule/"
    ),
}
"""Pages of names that the rule of their project does not give."""


def main() -> None:
    """Write an inventory for each project."""
    for project in NAMES:
        path = Path(__file__).with_name(f"{project}.inv")
        path.write_text(inventory(project), encoding="utf-8")


def inventory(project: str) -> str:
    """Return the inventory of a project as text."""
    lines = ["# Sphinx inventory version 1", f"# Project: {project}", "# Version: stable"]
    for name in NAMES[project]:
        kind = "class" if inspect.isclass(_look_up(name)) else "function"
        page = OTHER_PAGES.get(name) or PAGES[project].format(name=name)
        lines.append(f"{name} {kind} {page}")
    return "\n".join(lines) + "\n"


def _look_up(name: str) -> Any:
    """Return what a name stands for in the installed package."""
    module, _, attribute = name.rpartition(".")
    if module == "sklearn.model_selection":  # where halving has to be switched on
        importlib.import_module("sklearn.experimental.enable_halving_search_cv")
    return getattr(importlib.import_module(module), attribute)


if __name__ == "__main__":
    main()
