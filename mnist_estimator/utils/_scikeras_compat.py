"""scikeras's classifier with the defects mended that reach every estimator built on it."""

from typing import Any, Self

from scikeras.wrappers import BaseWrapper, KerasClassifier
from sklearn.base import BaseEstimator, ClassifierMixin

from ._wording import unknown_parameter

if "__sklearn_tags__" not in vars(BaseWrapper):
    # Its ``_more_tags`` is dead since scikit-learn 1.6, and ``check_estimator`` refuses
    # every class that has it alone. This only hands on: nothing changes for others.
    # Remove when scikeras defines the method.
    def _sklearn_tags(self: BaseWrapper) -> Any:
        return super(BaseWrapper, self).__sklearn_tags__()

    BaseWrapper.__sklearn_tags__ = _sklearn_tags


class _MixinFirst(type(KerasClassifier)):  # type: ignore[misc]
    """Put ``ClassifierMixin`` before ``BaseEstimator``, where scikit-learn wants it.

    scikeras 0.13 has it behind, so since scikit-learn 1.6 its tags say "no
    classifier", and stratification, calibration, voting and scorers fail.
    Remove when scikeras has ``class KerasClassifier(ClassifierMixin, BaseWrapper)``.
    """

    def mro(cls) -> list[type]:
        order = super().mro()
        order.remove(ClassifierMixin)
        order.insert(order.index(KerasClassifier), ClassifierMixin)
        return order


class MendedKerasClassifier(KerasClassifier, metaclass=_MixinFirst):
    """Base of a classifier with an explicit constructor.

    scikeras takes any ``prefix__name`` for a parameter and keeps what stands in
    ``__dict__``. Here parameters are those of the constructor, and names,
    representation and setting are scikit-learn's.
    """

    _get_param_names: Any = classmethod(BaseEstimator._get_param_names.__func__)
    __repr__ = BaseEstimator.__repr__

    def __init__(self) -> None:
        """Set nothing: every attribute of the parent's would count as a parameter."""

    def set_params(self, **params: Any) -> Self:
        """Set parameters of this estimator.

        Parameters
        ----------
        **params : dict
            Names and values.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a name is not that of a parameter; the nearest one is suggested.
        """
        names = self._get_param_names()
        for name in params:
            if name not in names:
                raise ValueError(unknown_parameter(name, type(self).__name__, names))
        BaseEstimator.set_params(self, **params)
        return self
