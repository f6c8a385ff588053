"""scikeras's classifier, with corrections of its defects that every subclass inherits."""

from typing import Any, Self

from scikeras.wrappers import BaseWrapper, KerasClassifier
from sklearn.base import BaseEstimator, ClassifierMixin

from ._wording import unknown_parameter

if "__sklearn_tags__" not in vars(BaseWrapper):
    # Its ``_more_tags`` is dead since scikit-learn 1.6, and ``check_estimator`` refuses
    # classes that have nothing else. This only calls the next class: nothing changes for others.
    # Remove when scikeras defines the method.
    def _sklearn_tags(self: BaseWrapper) -> Any:
        return super(BaseWrapper, self).__sklearn_tags__()

    BaseWrapper.__sklearn_tags__ = _sklearn_tags


HIDDEN = ("current_epoch", "feature_encoder", "initialized_", "scorer", "target_encoder")
"""Members of scikeras's classifier that need what it sets in its own ``fit``. Here they would
raise errors or tell nothing; ``history_``, ``n_iter_`` and ``score`` serve instead. ``hasattr``
and ``dir`` do not find them. Remove with scikeras as the base."""


ROUTED = "model__"
"""Prefix of parameters that go to the function which builds the network."""


class _Hidden:
    """An attribute of a base class that is not there."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type) -> Any:
        raise AttributeError(f"{owner.__name__!r} object has no attribute {self.name!r}")

    def __set__(self, instance: Any, value: Any) -> None:
        raise AttributeError(f"{type(instance).__name__!r} object has no attribute {self.name!r}")


class _MixinFirst(type(KerasClassifier)):  # type: ignore[misc]
    """Put ``ClassifierMixin`` before ``BaseEstimator``, where scikit-learn wants it.

    scikeras 0.13 has it behind, so since scikit-learn 1.6 its tags say "no
    classifier", and stratification, calibration, voting and scorers fail.
    Remove when scikeras has ``class KerasClassifier(ClassifierMixin, BaseWrapper)``.
    """

    def mro(cls) -> list[type]:
        order: list[type] = super().mro()
        order.remove(ClassifierMixin)
        order.insert(order.index(KerasClassifier), ClassifierMixin)
        return order

    def __dir__(cls) -> list[str]:
        return [name for name in super().__dir__() if name not in HIDDEN]


class MendedKerasClassifier(KerasClassifier, metaclass=_MixinFirst):
    """Base of a classifier with an explicit constructor.

    scikeras accepts any ``prefix__name`` as a parameter, and takes ``__dict__`` for the
    parameters. Here the parameters are those of the constructor, and ``get_params``,
    ``set_params`` and the representation are scikit-learn's.
    """

    current_epoch = _Hidden()
    feature_encoder = _Hidden()
    initialized_ = _Hidden()
    scorer = _Hidden()
    target_encoder = _Hidden()
    _get_param_names: Any = classmethod(BaseEstimator._get_param_names.__func__)
    __repr__ = BaseEstimator.__repr__

    def __init__(self) -> None:
        """Set nothing: every attribute of the parent's would count as a parameter."""

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if name not in HIDDEN]

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters of this estimator.

        Parameters
        ----------
        deep : bool, default=True
            Also return parameters of estimators among them; this one has none.

        Returns
        -------
        dict
            Values by name, with the arguments of ``model``.
        """
        routed = {name: value for name, value in vars(self).items() if name.startswith(ROUTED)}
        return {**BaseEstimator.get_params(self, deep=deep), **routed}

    def set_params(self, **params: Any) -> Self:
        """Set parameters of this estimator.

        Parameters
        ----------
        **params : dict
            Names and values; also arguments of ``model``, with the prefix ``model__``.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a name is not that of a parameter; the nearest one is suggested.
        """
        names = self._get_param_names()
        routed = {name: value for name, value in params.items() if name.startswith(ROUTED)}
        for name in params:
            if name not in names and name not in routed:
                raise ValueError(unknown_parameter(name, type(self).__name__, names))
        own = {name: value for name, value in params.items() if name not in routed}
        BaseEstimator.set_params(self, **own)
        self.__dict__.update(routed)
        return self
