"""Fits that are kept in a folder, so that a search that was cut off repeats none of them.

Any scikit-learn classifier will do.
"""

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
"""Those whose versions a fit depends on."""
INTERRUPTED_MESSAGE = "Training was interrupted"
"""How the warning begins with which ``CNNClassifier`` answers Ctrl-C."""


class CachedClassifier(DelegatingClassifier):
    """Classifier whose fits are kept in a folder, and read there when they are asked for again.

    A search or cross-validation over it that was killed can be started again, as it was: finished
    fits are read, the others made.

    A fit is the same if all of these are: the estimator and its parameters, X, y, what else was
    given to ``fit``, and the versions of this package, Keras, NumPy, scikit-learn and TensorFlow.

    Parameters
    ----------
    estimator : classifier
        What is fitted; a pipeline will do. Each ``random_state`` in it must be an int: a fit that
        is read again is not random.
    memory : str, os.PathLike, joblib.Memory or None
        The folder, made when it is needed. It can be deleted at any time; ``joblib.Memory`` has
        ways to keep it small. None keeps nothing. Files there are pickles: reading one runs what
        is in it, so take a folder that nobody else can write to.

    Attributes
    ----------
    estimator_ : classifier
        The fitted one.
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    n_features_in_ : int
        Number of features seen in ``fit``, if ``estimator`` tells.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names, if ``estimator`` tells.

    See Also
    --------
    mnist_estimator.CNNClassifier : Its ``checkpoint_dir`` keeps a single fit, epoch by epoch.

    Notes
    -----
    ``joblib.Memory`` does the keeping: files appear whole or not at all, and processes may share
    the folder. Code is not compared: after a change of a transformer, callback or function of
    your own, delete the folder.

    :func:`~mnist_estimator.save` writes the fitted estimator inside, without the folder: a file
    must not name a folder of pickles to whoever loads it.

    Callbacks and ``verbose`` are silent where a fit is read, and times in ``cv_results_`` are
    then those of reading. Ctrl-C, after which a ``CNNClassifier`` alone is fitted with what it
    has learned so far, is a ``KeyboardInterrupt`` here, and nothing is kept of that fit.

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

    _parameter_constraints: dict[str, list] = {  # noqa: RUF012  scikit-learn's own form
        "estimator": [HasMethods(["fit", "predict"])],
        "memory": [str, os.PathLike, HasMethods(["cache"]), None],
    }

    @suggest_names
    def __init__(self, estimator: Any, memory: Any) -> None:
        self.estimator = estimator
        self.memory = memory

    def fit(self, X: Any, y: ArrayLike, **params: Any) -> Self:
        """Fit a copy of the estimator, or read the same fit where it is kept.

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
            If ``estimator``, X, y or what else was given cannot be pickled.
        KeyboardInterrupt
            After Ctrl-C, even where ``estimator`` would make do with what it has learned.
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
        return self.estimator_.decision_function(X)

    @available_if(estimator_has("score_samples"))
    def score_samples(self, X: Any) -> NDArray[Any]:
        """Return what the fitted estimator scores samples with, such as by a reject option.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, ...)
            Samples in the form that ``estimator`` takes.

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        check_is_fitted(self)
        return self.estimator_.score_samples(X)

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
        return self.estimator_.score(X, y, **params)

    def get_metadata_routing(self) -> MetadataRouter:
        """Return where metadata go: from ``fit`` and ``score`` to those of the estimator.

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
    """Refuse an estimator whose fits are not to be the same twice."""
    for name, value in estimator.get_params(deep=True).items():
        if name.rpartition("__")[2] == "random_state" and not isinstance(value, Integral):
            raise ValueError(
                f"estimator__{name} must be an int for fits to be kept, as a random fit is another "
                f"one each time; got {shown(value)}. Seed it, as with "
                f"set_params(estimator__{name}=0), or do without CachedClassifier."
            )


def _key(estimator: Any, X: Any, y: Any, params: dict[str, Any]) -> dict[str, Any]:
    """Return what a fit depends on; joblib makes a name of it, and notes it as text."""
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
    """Fit an estimator; raise what it makes of Ctrl-C, for half a fit is not to be kept."""
    if threading.current_thread() is not threading.main_thread():  # no signal comes here
        return estimator.fit(X, y, **params)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", INTERRUPTED_MESSAGE, ConvergenceWarning)
            return estimator.fit(X, y, **params)
    except ConvergenceWarning as warning:
        if str(warning).startswith(INTERRUPTED_MESSAGE):
            raise KeyboardInterrupt from warning
        raise
