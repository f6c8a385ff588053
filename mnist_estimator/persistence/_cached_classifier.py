"""A disk cache of fits, with which an interrupted search can be resumed."""

import contextlib
import os
import threading
import warnings
from importlib.metadata import PackageNotFoundError, version
from numbers import Integral
from pickle import PicklingError
from typing import Any, Self

import joblib
from numpy.typing import ArrayLike, NDArray
from sklearn import get_config
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, check_memory

from ..utils._delegating import DelegatingClassifier, estimator_has
from ..utils._sklearn_compat import (
    HasMethods,
    forget_callbacks,
    validate_parameter_constraints,
)
from ..utils._wording import shown, suggest_names

PACKAGES = ("keras", "mnist_estimator", "numpy", "scikit-learn", "tensorflow")
"""Packages whose versions are part of the key of a fit."""
INTERRUPTED_MESSAGE = "Training was interrupted"
"""The start of the warning that ``CNNClassifier`` issues after Ctrl-C."""


class CachedClassifier(DelegatingClassifier):
    """Classifier whose fits are cached in a folder.

    An interrupted search or cross-validation over it can be repeated: finished fits are loaded,
    only the others are computed.

    The key of a fit: the estimator and its parameters, X, y, the other arguments
    of ``fit``, and the versions of this package, Keras, NumPy, scikit-learn and TensorFlow.

    Parameters
    ----------
    estimator : classifier
        The estimator to fit, such as a pipeline. Each ``random_state`` in it must be an int, as
        cached fits are not random.
    memory : str, os.PathLike, joblib.Memory or None
        The folder, created when needed. It can be deleted at any time; ``joblib.Memory`` has
        methods to limit its size. None caches nothing. The files are pickles, and loading a pickle
        can run code: use a folder that nobody else can write to.

    Attributes
    ----------
    estimator_ : classifier
        The fitted one.
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    n_features_in_ : int
        Number of features seen in ``fit``, if ``estimator`` tells.
    feature_names_in_ : ndarray of shape (n_features,)
        Column names, if ``estimator`` tells.

    See Also
    --------
    mnist_estimator.CNNClassifier : Its ``checkpoint_dir`` keeps a single fit, epoch by epoch.

    Notes
    -----
    The cache is a ``joblib.Memory``: files are written atomically, and processes may share the
    folder. Code is not part of the key: after a change of a transformer, callback or function
    of your own, delete the folder.

    :func:`~mnist_estimator.save` writes the wrapped estimator, without the folder: a file
    must not name a folder of pickles.

    Callbacks and ``verbose`` have no effect on a cached fit, and times in ``cv_results_`` are
    then those of loading. After Ctrl-C, which ends the training of a ``CNNClassifier`` early,
    ``KeyboardInterrupt`` is raised here, and that fit is not cached.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import GridSearchCV
    >>> from mnist_estimator import CachedClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> base = LogisticRegression(tol=0.1, random_state=0)
    >>> with TemporaryDirectory() as folder:
    ...     model = CachedClassifier(base, folder)
    ...     search = GridSearchCV(model, {"estimator__C": [0.01, 0.1]}).fit(X / 16, y)
    ...     again = GridSearchCV(model, {"estimator__C": [0.01, 0.1]}).fit(X / 16, y)
    >>> bool(search.best_score_ == again.best_score_)
    True
    """

    __module__ = "mnist_estimator.persistence"  # files and pickles name it

    _parameter_constraints: dict[str, list[Any]] = {  # noqa: RUF012  scikit-learn's own form
        "estimator": [HasMethods(["fit", "predict"])],
        "memory": [str, os.PathLike, HasMethods(["cache"]), None],
    }

    @suggest_names
    def __init__(self, estimator: Any, memory: Any) -> None:
        self.estimator = estimator
        self.memory = memory

    def fit(self, X: Any, y: ArrayLike, **params: Any) -> Self:
        """Fit a clone of the estimator, or load the cached fit.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, ...)
            Samples in the form that ``estimator`` takes.
        y : array-like of shape (n_samples,)
            Labels.
        **params
            Given to the ``fit`` of ``estimator``, such as ``sample_weight``.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a ``random_state`` is not an int, or ``estimator`` raises it.
        TypeError
            If ``estimator``, X, y or another argument cannot be pickled.
        KeyboardInterrupt
            After Ctrl-C, even if ``estimator`` would end its training early.
        """
        validate_parameter_constraints(
            self._parameter_constraints, self.get_params(deep=False), type(self).__name__
        )
        estimator = clone(self.estimator)
        _check_seeds(estimator)
        if get_config()["enable_metadata_routing"]:
            params = process_routing(self, "fit", **params).estimator.fit
        folder = os.fspath(self.memory) if isinstance(self.memory, os.PathLike) else self.memory
        fit = check_memory(folder).cache(_fit, ignore=["estimator", "X", "y", "params"])
        self.estimator_ = fit(_key(estimator, X, y, params), estimator, X, y, params)
        self._copy_fitted_attributes()
        return self

    @available_if(estimator_has("decision_function"))
    def decision_function(self, X: Any) -> NDArray[Any]:
        """Return the fitted estimator's decision function.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, ...)
            Samples in the form that ``estimator`` takes.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
        """
        check_is_fitted(self)
        scores: NDArray[Any] = self.estimator_.decision_function(X)
        return scores

    @available_if(estimator_has("score_samples"))
    def score_samples(self, X: Any) -> NDArray[Any]:
        """Return the fitted estimator's scores of samples, such as those of a reject option.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, ...)
            Samples in the form that ``estimator`` takes.

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        check_is_fitted(self)
        scores: NDArray[Any] = self.estimator_.score_samples(X)
        return scores

    def score(self, X: Any, y: ArrayLike, **params: Any) -> float:
        """Return the fitted estimator's score.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, ...)
            Samples in the form that ``estimator`` takes.
        y : array-like of shape (n_samples,)
            True labels.
        **params
            Given to the ``score`` of ``estimator``, such as ``sample_weight``.

        Returns
        -------
        float
        """
        check_is_fitted(self)
        if get_config()["enable_metadata_routing"]:
            params = process_routing(self, "score", **params).estimator.score
        score: float = self.estimator_.score(X, y, **params)
        return score

    def get_metadata_routing(self) -> MetadataRouter:
        """Return the metadata routing: ``fit`` and ``score`` to those of the estimator.

        Returns
        -------
        sklearn.utils.metadata_routing.MetadataRouter
        """
        mapping = MethodMapping().add(caller="fit", callee="fit")
        mapping = mapping.add(caller="score", callee="score")
        router = MetadataRouter(owner=type(self).__name__)
        return router.add(estimator=self.estimator, method_mapping=mapping)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags = get_tags(self.estimator).classifier_tags
        return tags


def _check_seeds(estimator: Any) -> None:
    """Refuse an estimator whose fits are not reproducible."""
    for name, value in estimator.get_params(deep=True).items():
        if name.rpartition("__")[2] == "random_state" and not isinstance(value, Integral):
            raise ValueError(
                f"estimator__{name} must be an int for fits to be kept, as a random fit is another "
                f"one each time; got {shown(value)}. Seed it, as with "
                f"set_params(estimator__{name}=0), or do without CachedClassifier."
            )


def _key(estimator: Any, X: Any, y: Any, params: dict[str, Any]) -> dict[str, Any]:
    """Return the key of a fit, which joblib hashes and writes as text."""
    bare = clone(estimator)
    for part in (bare, *bare.get_params(deep=True).values()):
        forget_callbacks(part)
    versions = {}
    for package in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            versions[package] = version(package)
    try:
        hashed = joblib.hash((bare, X, y, params), coerce_mmap=True)
    except (PicklingError, TypeError, ValueError) as error:
        raise TypeError(
            "estimator, X, y and what else fit is given must be such that pickle can write them, "
            f"for fits to be kept; got what it cannot: {error.args[0]}. Define functions and "
            "classes in a module, not inside functions or as lambdas."
        ) from error
    return {"estimator": bare, "hash": hashed, "versions": versions}


def _fit(key: dict[str, Any], estimator: Any, X: Any, y: Any, params: dict[str, Any]) -> Any:
    """Fit an estimator; raise KeyboardInterrupt after Ctrl-C, so that the fit is not cached."""
    if threading.current_thread() is not threading.main_thread():  # no signals
        return estimator.fit(X, y, **params)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", INTERRUPTED_MESSAGE, ConvergenceWarning)
            return estimator.fit(X, y, **params)
    except ConvergenceWarning as warning:
        if str(warning).startswith(INTERRUPTED_MESSAGE):
            raise KeyboardInterrupt from warning
        raise
