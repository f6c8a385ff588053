"""Novelty detection by distances between the features of a network."""

import math
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import Pipeline
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from ..utils._fitted import final_estimator, passes_on_to, take_rows
from ..utils._input_checks import count_rows
from ..utils._sklearn_compat import Interval, validate_parameter_constraints
from ..utils._wording import suggest_names

_BATCH_SIZE = 1024
NOT_FITTED = (
    "classifier is a %(name)s that is not fitted. Fit it first. Where copies are fitted, as in "
    "searches, pass FrozenEstimator(classifier): a copy of anything else is not fitted."
)
LARGEST_MAP = 8
"""Maximum side of the feature maps, in pixels, as they are stored for each image."""


class NoveltyDetector(OutlierMixin, BaseEstimator):
    """Novelty detector among the features of a fitted CNN.

    An image is an outlier if its features, the input of the network's last convolution, are
    far from those of the images of ``fit``: if the cosine distance to the k-th nearest of
    them is larger than for almost all of these themselves. A network may give
    letters, clothes or noise a high probability for some digit.

    Parameters
    ----------
    classifier : CNNClassifier, or pipeline or search around one, or None, default=None
        A fitted one. None only in a :class:`~mnist_estimator.RejectingClassifier`, which
        passes its own.
    n_neighbors : int, default=5
        Number k of the neighbour whose distance is used.
    contamination : float in (0, 0.5], default=0.01
        Share of the images of ``fit`` that are outliers.
    max_samples : int, default=10000
        Maximum number of images stored, drawn at random. Prediction time grows with it.
    random_state : int, RandomState instance or None, default=None
        Seed of that draw.

    Attributes
    ----------
    offset_ : float
        Threshold: outliers have lower scores.
    n_features_in_ : int
        Values a sample.

    See Also
    --------
    sklearn.neighbors.LocalOutlierFactor : Novelty detection for any kind of features.

    Notes
    -----
    The last convolution discards information that does not separate the classes, so its input
    is the better feature for detecting novel images.

    References
    ----------
    Y. Sun, Y. Ming, X. Zhu, Y. Li: Out-of-Distribution Detection with Deep Nearest
    Neighbors. ICML 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from mnist_estimator import CNNClassifier, NoveltyDetector
    >>> X, y = load_digits(return_X_y=True)
    >>> network = CNNClassifier(epochs=3, random_state=0).fit(X[:1000], y[:1000])
    >>> detector = NoveltyDetector(network).fit(X[:1000])
    >>> bool((detector.predict(X[1000:]) == 1).mean() > 0.9)
    True
    """

    __module__ = "mnist_estimator.uncertainty"  # files and pickles name it

    _parameter_constraints: dict[str, list[Any] | str] = {  # noqa: RUF012  scikit-learn's own form
        "classifier": "no_validation",
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "contamination": [Interval(Real, 0, 0.5, closed="right")],
        "max_samples": [Interval(Integral, 2, None, closed="left")],
        "random_state": ["random_state"],
    }

    @suggest_names
    def __init__(
        self,
        classifier: Any = None,
        *,
        n_neighbors: int = 5,
        contamination: float = 0.01,
        max_samples: int = 10_000,
        random_state: Any = None,
    ) -> None:
        self.classifier = classifier
        self.n_neighbors = n_neighbors
        self.contamination = contamination
        self.max_samples = max_samples
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Store the features of images.

        Parameters
        ----------
        X : array-like of shape (n, pixels), (n, height, width) or (n, height, width, channels)
            Images without outliers, in the form that ``classifier`` takes; best those that it
            was fitted on.
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        TypeError
            If ``classifier`` is no ``CNNClassifier``, and has none at its end.
        NotFittedError
            If ``classifier`` is not fitted.
        ValueError
            If a parameter is out of range, or X has not more images than ``n_neighbors``.
        """
        validate_parameter_constraints(
            self._parameter_constraints, self.get_params(deep=False), type(self).__name__
        )
        _check_network(self.classifier)
        n_samples = count_rows(X)
        if n_samples <= self.n_neighbors:
            raise ValueError(
                f"X must hold more images than n_neighbors={self.n_neighbors}; got {n_samples}. "
                "Pass more images or a smaller n_neighbors."
            )
        if n_samples > self.max_samples:
            generator = check_random_state(self.random_state)
            X = take_rows(X, generator.choice(n_samples, self.max_samples, replace=False))
        features = network_features(self.classifier, X)
        self._neighbors = _neighbors_among(features, self.n_neighbors)
        distances = self._neighbors.kneighbors()[0][:, -1]  # of each to the others, not to itself
        self.offset_ = float(np.quantile(-distances, self.contamination))
        self.n_features_in_ = int(final_estimator(self.classifier).n_features_in_)
        return self

    def score_samples(self, X: Any) -> NDArray[np.float64]:
        """Return the negative distance to the stored images; low for outliers.

        Parameters
        ----------
        X : array-like of shape (n, pixels), (n, height, width) or (n, height, width, channels)
            Images in the form that ``classifier`` takes.

        Returns
        -------
        ndarray of float of shape (n,)
            Minus the cosine distance to the k-th nearest neighbour, in [-2, 0].
        """
        check_is_fitted(self)
        distances = self._neighbors.kneighbors(network_features(self.classifier, X))[0]
        scores: NDArray[np.float64] = -distances[:, -1].astype(np.float64)
        return scores

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Return the scores minus ``offset_``: below 0 for outliers.

        Parameters
        ----------
        X : array-like of shape (n, pixels), (n, height, width) or (n, height, width, channels)
            Images in the form that ``classifier`` takes.

        Returns
        -------
        ndarray of float of shape (n,)
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> NDArray[np.int64]:
        """Return -1 for outliers and 1 for the others.

        Parameters
        ----------
        X : array-like of shape (n, pixels), (n, height, width) or (n, height, width, channels)
            Images in the form that ``classifier`` takes.

        Returns
        -------
        ndarray of int of shape (n,)
        """
        return np.where(self.decision_function(X) < 0, -1, 1)

    def __getstate__(self) -> dict[str, Any]:
        """Return a state with the stored features as an array, in place of ``NearestNeighbors``."""
        state: dict[str, Any] = super().__getstate__().copy()
        neighbors = state.pop("_neighbors", None)
        if neighbors is not None:
            state["_known"] = (neighbors._fit_X, neighbors.n_neighbors)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Set a state of this version or an earlier one; refuse one that no ``fit`` produces.

        Raises
        ------
        ValueError
            If the stored features are not a float32 array of more rows than neighbours.
        """
        state = dict(state)
        known = state.pop("_known", None)
        earlier = state.pop("_neighbors", None)
        if earlier is not None:
            known = getattr(earlier, "_fit_X", None), getattr(earlier, "n_neighbors", None)
        if known is not None:
            features, n_neighbors = _check_known(known)
            state["_neighbors"] = _neighbors_among(features, n_neighbors)
        super().__setstate__(state)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_neighbors")


def _neighbors_among(features: NDArray[np.float32], n_neighbors: int) -> NearestNeighbors:
    search = NearestNeighbors(n_neighbors=n_neighbors, metric="cosine", algorithm="brute")
    return search.fit(features)


def _check_known(known: Any) -> tuple[NDArray[np.float32], int]:
    try:
        features, n_neighbors = known
    except (TypeError, ValueError):
        features, n_neighbors = None, 0
    if (
        not isinstance(features, np.ndarray)
        or features.dtype != np.float32
        or features.ndim != 2
        or not np.isfinite(features).all()
        or type(n_neighbors) is not int
        or not 1 <= n_neighbors < len(features)
    ):
        raise ValueError(
            "The stored features must be a float32 array with more rows than n_neighbors."
        )
    return features, n_neighbors


def network_features(classifier: Any, X: Any) -> NDArray[np.float32]:
    """Return the input of the last convolution of a fitted CNN, or the output of the only one.

    Maps of more than 8×8 pixels are reduced to about that size by average pooling.

    Parameters
    ----------
    classifier : CNNClassifier, or pipeline or search around one
        A fitted one.
    X : array-like
        Images in the form that it takes.

    Returns
    -------
    ndarray of float32 of shape (n, n_features)
        0 or above, as they come from a ReLU.

    Raises
    ------
    TypeError
        If there is no ``CNNClassifier`` at its end.
    """
    _check_network(classifier)
    if isinstance(classifier, Pipeline) and len(classifier.steps) > 1:
        X = classifier[:-1].transform(X)
    inner = passes_on_to(classifier)
    if inner is not None:
        return network_features(inner, X)
    from ..network._build import members_of
    from ..utils._quiet_tensorflow import keras
    from ..utils._tensorflow_process import check_process
    from ..utils._validation import check_images

    check_process()
    images = check_images(classifier, X, reset=False)
    model = members_of(classifier.model_)[0]  # the first of an ensemble
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    outputs = convolutions[-1].input if len(convolutions) > 1 else model.layers[-1].input
    if len(outputs.shape) == 4:
        pool = [math.ceil(side / LARGEST_MAP) for side in outputs.shape[1:3]]
        outputs = keras.layers.AveragePooling2D(pool, padding="same")(outputs)
    inner = keras.Model(model.inputs[0], outputs)
    if model is not classifier.model_:
        inner = keras.Sequential([classifier.model_.get_layer("standardize"), inner])
    parts = []
    for start in range(0, len(images), _BATCH_SIZE):
        batch = np.asarray(images[start : start + _BATCH_SIZE], dtype=np.float32)
        parts.append(np.asarray(inner(batch, training=False)))
    return np.concatenate(parts).reshape(len(images), -1)


def _check_network(classifier: Any) -> None:
    from ..classifier import CNNClassifier

    final = final_estimator(classifier)
    if not isinstance(final, CNNClassifier):
        raise TypeError(
            "classifier must be a fitted CNNClassifier, or a pipeline or search around one; "
            f"got {type(classifier).__name__}. For other classifiers there is "
            "sklearn.neighbors.LocalOutlierFactor(novelty=True)."
        )
    check_is_fitted(final, msg=NOT_FITTED)
