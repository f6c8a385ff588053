"""The base of classifiers that wrap another one."""

from typing import Any

from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin
from sklearn.utils import get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted


def estimator_has(name: str) -> Any:
    """Return a check for ``available_if``: whether the wrapped estimator has a method.

    Parameters
    ----------
    name : str
        Of the method.

    Returns
    -------
    callable
        Raises the AttributeError of the wrapped estimator if it has none.
    """

    def check(self: "DelegatingClassifier") -> bool:
        getattr(getattr(self, "estimator_", self.estimator), name)
        return True

    return check


class DelegatingClassifier(MetaEstimatorMixin, ClassifierMixin, BaseEstimator):
    """Classifier whose predictions are those of ``estimator_``, fitted from ``estimator``.

    Subclasses define ``fit``, which sets ``estimator_`` and calls ``_copy_fitted_attributes``.
    """

    _delegates_to: str | None = "estimator_"

    estimator: Any
    estimator_: Any
    classes_: NDArray[Any]

    def _copy_fitted_attributes(self) -> None:
        """Take over the classes and features of ``estimator_``, in place of an earlier fit's."""
        for name in ("classes_", "n_features_in_", "feature_names_in_"):
            if hasattr(self.estimator_, name):
                setattr(self, name, getattr(self.estimator_, name))
            elif hasattr(self, name):
                delattr(self, name)

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the labels that the fitted estimator predicts.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, ...)
            Samples in the form that ``estimator`` takes.

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        check_is_fitted(self)
        labels: NDArray[Any] = self.estimator_.predict(X)
        return labels

    @available_if(estimator_has("predict_proba"))
    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Return the fitted estimator's probabilities.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, ...)
            Samples in the form that ``estimator`` takes.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            In the order of ``classes_``.
        """
        check_is_fitted(self)
        probabilities: NDArray[Any] = self.estimator_.predict_proba(X)
        return probabilities

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        own = get_tags(self.estimator)
        tags.input_tags = own.input_tags
        tags.classifier_tags.multi_class = own.classifier_tags.multi_class
        return tags
