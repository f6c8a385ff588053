"""A fitted classifier that predicts without TensorFlow and scikit-learn."""

from typing import Any, NoReturn, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..utils._reject_label import insert_reject_label
from ..utils._wording import shown
from ._backends import Backend
from ._check_images import check_images
from ._state import PredictorState


class Predictor:
    """A saved pipeline that predicts with ONNX Runtime; made by :func:`load_predictor`.

    It is a fitted classifier to scikit-learn, whose functions and meta-estimators take it where
    they take fitted ones: in a ``FrozenEstimator`` where they would fit it. Threads may share it;
    forked processes, copies and pickles each run their own session.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels of the classes.
    image_shape_ : tuple of int, (height, width, channels)
        Shape of one image.
    n_features_in_ : int
        Values a sample: height × width × channels.
    feature_names_in_ : ndarray of shape (n_features,)
        Column names, if the pipeline was fitted on a data frame.
    value_range_ : tuple of float, (low, high)
        The values that the pipeline scales to 0 and 1, if it scales.

    See Also
    --------
    mnist_estimator.load_predictor : Load it from a file.
    mnist_estimator.load : Load the pipeline, which can be trained further.

    Examples
    --------
    >>> from mnist_estimator import load_predictor
    >>> predictor = load_predictor("digits.pipeline")  # doctest: +SKIP
    >>> predictor.predict(X)  # doctest: +SKIP
    """

    __module__ = "mnist_estimator.serving"  # pickles name it

    _estimator_type = "classifier"

    def __init__(self, state: PredictorState, backend: Backend) -> None:
        self._state = state
        self._backend = backend
        self.classes_ = state.classes
        self.image_shape_ = state.image_shape
        self.n_features_in_ = state.n_features
        if state.feature_names is not None:
            self.feature_names_in_ = np.array(state.feature_names, dtype=object)
        if state.scaled_ranges:
            self.value_range_ = state.scaled_ranges[0]
        if state.learned_range is not None:
            self._value_range = tuple(state.learned_range)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the most probable labels.

        A ``ValueRangeWarning`` is issued if the values of X have another range than those of
        ``fit``.

        Parameters
        ----------
        X : array-like of shape (n, pixels), (n, height, width) or (n, height, width, channels)
            Images of the shape seen in ``fit``, of any numeric dtype.

        Returns
        -------
        ndarray of shape (n,)

        Raises
        ------
        ValueError
            If X is empty, holds NaN, infinity or strings, or has images of another shape.
        """
        labels: NDArray[Any] = self.classes_[self.predict_proba(X).argmax(axis=1)]
        return labels

    def predict_proba(self, X: ArrayLike) -> NDArray[np.floating]:
        """Return the probabilities of the classes.

        They are those of the saved pipeline to 1e-5.

        Parameters
        ----------
        X : array-like
            As for :meth:`predict`.

        Returns
        -------
        ndarray of shape (n, n_classes)
            Columns in the order of ``classes_``; rows sum to 1.
        """
        return self._backend.probabilities(check_images(X, self._state, type(self).__name__))

    def predict_log_proba(self, X: ArrayLike) -> NDArray[np.floating]:
        """Return the logarithms of :meth:`predict_proba`; minus infinity for 0."""
        with np.errstate(divide="ignore"):
            logarithms: NDArray[np.floating] = np.log(self.predict_proba(X))
            return logarithms

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Return the accuracy.

        Parameters
        ----------
        X : array-like
            As for :meth:`predict`.
        y : array-like of shape (n,)
            True labels.
        sample_weight : array-like of shape (n,), default=None
            Weights of the images. None: all 1.

        Returns
        -------
        float in [0, 1]
        """
        predicted = self.predict(X)
        true = np.asarray(y)
        true = true.ravel() if true.shape == (len(predicted), 1) else true
        if true.shape != predicted.shape:
            raise ValueError(
                f"y must have one label for each of the {len(predicted)} images; "
                f"got shape {true.shape}."
            )
        weights = None if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        return float(np.average(true == predicted, weights=weights))

    def fit(self, X: Any = None, y: Any = None) -> NoReturn:
        """Raise a ``TypeError``: this is a fitted classifier that cannot be trained."""
        raise TypeError(
            f"{type(self).__name__} predicts only: it is a fitted network without what trains it. "
            "Train the pipeline, load(path), and save it again; where a meta-estimator calls fit, "
            "pass FrozenEstimator(predictor) or use cv='prefit'."
        )

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters: there are none."""
        return {}

    def set_params(self, **params: Any) -> Self:
        """Set parameters, of which there are none."""
        if params:
            raise ValueError(
                f"{type(self).__name__} has no parameters; got {shown(sorted(params))}. Set those "
                "of the pipeline, load(path), and save it again."
            )
        return self

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__}: {len(self.classes_)} classes, images of shape "
            f"{self.image_shape_}>"
        )

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_clone__(self) -> Self:
        return self  # as a FrozenEstimator: what it has learned stays

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags

        return Tags(
            estimator_type="classifier",
            target_tags=TargetTags(required=True),
            classifier_tags=ClassifierTags(),
            input_tags=InputTags(three_d_array=True),
        )


class RejectingPredictor(Predictor):
    """A predictor of a pipeline with a reject option, a ``RejectingClassifier``.

    Attributes
    ----------
    reject_label_ : object
        Predicted where a sample is rejected.
    threshold_ : float
        Samples with a lower probability of the predicted label are rejected.
    """

    __module__ = "mnist_estimator.serving"

    def __init__(self, state: PredictorState, backend: Backend) -> None:
        super().__init__(state, backend)
        self.threshold_, self.reject_label_ = state.rejections[-1]

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the labels, or ``reject_label_`` where a sample is rejected."""
        return self._predict_with_rejections(X)[0]

    def accepts(self, X: ArrayLike) -> NDArray[np.bool_]:
        """Tell which samples are accepted."""
        return ~self._predict_with_rejections(X)[1]

    def score_samples(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the confidence that is compared with the threshold."""
        return self._predict_with_rejections(X)[3]

    def _predict_with_rejections(
        self, X: ArrayLike
    ) -> tuple[NDArray[Any], NDArray[np.bool_], NDArray[Any], NDArray[np.float64]]:
        """Return the predictions, which are rejected, the probabilities and the scores."""
        proba = self.predict_proba(X)
        columns = proba.argmax(axis=1)
        score = proba[np.arange(len(proba)), columns].astype(np.float64)
        *inner, last = self._state.rejections
        for option in inner:
            score[~(score >= option.threshold)] = -np.inf
        rejected = ~(score >= last.threshold)
        labels = insert_reject_label(self.classes_[columns], rejected, last.label)
        return labels, rejected, proba, score


def make_predictor(state: PredictorState, backend: Backend) -> Predictor:
    """Return a predictor, with a reject option if the state has one."""
    kind = RejectingPredictor if state.rejections else Predictor
    return kind(state, backend)
