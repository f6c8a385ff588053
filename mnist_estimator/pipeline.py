"""The pipeline: the transformer, then the classifier."""

from typing import Any

from sklearn import get_config
from sklearn.pipeline import Pipeline

from .classifier import CNNClassifier
from .preprocessing import ImageScaler


def make_pipeline(*, memory: Any = None, verbose: bool = False, **cnn_params: Any) -> Pipeline:
    """Make a pipeline that scales images and classifies them with a CNN.

    Parameters
    ----------
    memory : str, joblib.Memory or None, default=None
        Where the pipeline caches the fitted transformer.
    verbose : bool, default=False
        Whether the pipeline prints the time of each step. (The progress of the
        training is shown with ``set_params(cnn__verbose=1)``.)
    **cnn_params
        Parameters of :class:`~mnist_estimator.CNNClassifier`, without the prefix
        ``cnn__``. ``image_shape`` goes to the transformer, too.

    Returns
    -------
    sklearn.pipeline.Pipeline
        Steps ``scale``, an :class:`~mnist_estimator.ImageScaler`, and ``cnn``.
        With scikit-learn's metadata routing enabled when the pipeline is made, ``X_val``
        given to ``fit`` is scaled as X is.

    Raises
    ------
    ValueError
        If a name is not that of a parameter of ``CNNClassifier``; the nearest one is
        suggested.

    Examples
    --------
    >>> from mnist_estimator import make_pipeline
    >>> pipe = make_pipeline(epochs=2, random_state=0)
    >>> list(pipe.named_steps)
    ['scale', 'cnn']
    """
    if "value_range" in cnn_params:
        raise ValueError(
            "value_range is a parameter of ImageScaler, and make_pipeline takes those of "
            "CNNClassifier. Set it with make_pipeline(...).set_params(scale__value_range=...)."
        )
    scaler = ImageScaler(image_shape=cnn_params.get("image_shape"))
    classifier = CNNClassifier().set_params(**cnn_params)
    return Pipeline(
        [("scale", scaler), ("cnn", classifier)],
        transform_input=["X_val"] if get_config()["enable_metadata_routing"] else None,
        memory=memory,
        verbose=verbose,
    )
