"""The pipeline of the transformer and the classifier."""

from copy import deepcopy
from typing import Any

import numpy as np
from sklearn import get_config
from sklearn.pipeline import Pipeline

from .classifier import CNNClassifier
from .network._user_model import ARCHITECTURE
from .preprocessing._image_scaler import ImageScaler
from .utils._wording import shown

PRESETS: dict[str, dict[str, Any]] = {
    "fast": {
        "filters": (16, 32, 64),
        "dropout": 0.2,
        "epochs": "short",
        "batch_size": 256,
        "learning_rate": 0.012,
        "augmentation": "affine",
        "early_stopping": False,
    },
    "balanced": {},
    "accurate": {
        "filters": (32, (64, 64), 128),
        "epochs": 176,
        "augmentation": {
            "rotation": 20.0,
            "zoom": 0.2,
            "shear": 0.2,
            "shift": 0.08,
            "thickness": 0.8,
            "adversarial": 0.06,
        },
        "early_stopping": False,
    },
}
"""Parameters of ``CNNClassifier`` in each preset; the others have their defaults."""


def make_pipeline(
    preset: str = "balanced", *, memory: Any = None, verbose: bool = False, **cnn_params: Any
) -> Pipeline:
    """Make a pipeline that scales images and classifies them with a CNN.

    Parameters
    ----------
    preset : {"fast", "balanced", "accurate"}, default="balanced"
        Parameters to start from. "balanced" has those of ``CNNClassifier()``. "fast" is
        a narrower network trained for two epochs, "accurate" a wider one trained for eight
        times as many, with adversarial perturbations; both use no validation data and no
        corruptions. "fast" and "balanced" train for more epochs on few images. With ``model``,
        parameters of the preset that describe this package's network are left out.
        ``mnist_estimator.pipeline.PRESETS`` has them as dicts.
    memory : str, joblib.Memory or None, default=None
        Where the pipeline caches the fitted transformer.
    verbose : bool, default=False
        Whether the pipeline prints the time of each step. (The progress of the
        training is shown with ``set_params(cnn__verbose=1)``.)
    **cnn_params
        Parameters of :class:`~mnist_estimator.CNNClassifier`, without the prefix
        ``cnn__``; they override the preset. ``image_shape`` goes to the
        transformer, too.

    Returns
    -------
    sklearn.pipeline.Pipeline
        Steps ``scale``, an :class:`~mnist_estimator.ImageScaler`, and ``cnn``.
        With scikit-learn's metadata routing enabled when the pipeline is made, ``X_val``
        given to ``fit`` is scaled as X is.

    Raises
    ------
    ValueError
        If there is no such preset, or a name is not that of a parameter of
        ``CNNClassifier``; the nearest one is suggested.
    TypeError
        If ``verbose`` is neither True nor False.

    Examples
    --------
    >>> from mnist_estimator import make_pipeline
    >>> pipe = make_pipeline(epochs=2, random_state=0)
    >>> list(pipe.named_steps)
    ['scale', 'cnn']
    """
    if not isinstance(preset, str) or preset not in PRESETS:
        raise ValueError(
            f"preset must be one of {', '.join(map(repr, PRESETS))}; got {shown(preset)}. "
            "Parameters of the network go by keyword, as in make_pipeline(epochs=10)."
        )
    if not isinstance(verbose, bool | np.bool_):
        raise TypeError(
            "verbose must be True or False, whether the pipeline prints the time of each step; "
            f"got {shown(verbose)}. To see the progress of the training, use "
            "make_pipeline(...).set_params(cnn__verbose=1)."
        )
    if "value_range" in cnn_params:
        raise ValueError(
            "value_range is a parameter of ImageScaler, and make_pipeline takes those of "
            "CNNClassifier. Set it with make_pipeline(...).set_params(scale__value_range=...)."
        )
    parameters = deepcopy(PRESETS[preset])
    if cnn_params.get("model") is not None:
        parameters = {name: parameters[name] for name in parameters if name not in ARCHITECTURE}
    if not isinstance(cnn_params.get("optimizer"), str | type | None):  # it has its own rate
        parameters.pop("learning_rate", None)
    scaler = ImageScaler(image_shape=cnn_params.get("image_shape"))
    classifier = CNNClassifier().set_params(**parameters | cnn_params)
    return Pipeline(
        [("scale", scaler), ("cnn", classifier)],
        transform_input=["X_val"] if get_config()["enable_metadata_routing"] else None,
        memory=memory,
        verbose=verbose,
    )
