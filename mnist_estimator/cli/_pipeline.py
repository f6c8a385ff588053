"""The pipeline that a command trains, with the parameters that the user has set."""

import argparse
from typing import Any

from ..utils._wording import unknown_parameter
from ._training_data import TrainingData


def configured_pipeline(options: argparse.Namespace, data: TrainingData) -> Any:
    """Return the pipeline of a preset with the parameters that were set.

    Parameters
    ----------
    options : argparse.Namespace
        ``preset``, ``epochs``, ``seed`` and ``settings``, as the command line has them.
    data : TrainingData
        Gives the range of values.

    Returns
    -------
    sklearn.pipeline.Pipeline

    Raises
    ------
    ValueError
        If a name is not that of a parameter.
    """
    from ..pipeline import make_pipeline

    pipe = make_pipeline(options.preset, random_state=options.seed)
    if data.value_range is not None:
        pipe.set_params(scale__value_range=data.value_range)
    if options.epochs is not None:
        pipe.set_params(cnn__epochs=options.epochs)
    for name, value in options.settings:
        pipe.set_params(**{parameter_names(pipe, name, "--set"): value})
    return pipe


def parameter_names(pipe: Any, name: str, option: str) -> str:
    """Return the name of a pipeline's parameter, which may be given without ``cnn__``."""
    known = pipe.get_params()
    for full in (name, f"cnn__{name}"):
        if "__" in full and full in known:
            return full
    names = [other.removeprefix("cnn__") for other in known if other.startswith("cnn__")]
    raise ValueError(f"{option}: {unknown_parameter(name, 'CNNClassifier', names)}")
