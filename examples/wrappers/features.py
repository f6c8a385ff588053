"""The features that are tried.

One function each. It takes a column and returns whether the feature is there; raising
means that it is not. The data are 300 images of 8×8 pixels.
"""

import importlib
import os
import pickle
import random
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from sklearn import config_context
from sklearn.base import clone, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer
from sklearn.model_selection import (
    GridSearchCV,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_validate,
)
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler

from .estimators import Column

HERE = __name__.partition(".")[0]
"""The package of the networks, which are no types of others."""


class NotTried(Exception):
    """What a feature is tried with is not installed."""


def optional(module: str) -> Any:
    """Import a module that a feature is tried with, and that need not be there."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise NotTried(f"{error.name} is not installed") from error


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Return 300 images as flat rows (300, 64) float32 in [0, 1], and labels 0 to 9, int64."""
    X, y = load_digits(return_X_y=True)
    return (X[:300] / 16).astype(np.float32), y[:300].astype(np.int64)


def two_classes() -> tuple[np.ndarray, np.ndarray]:
    """Return the images, labelled 0 up to the digit 4 and 1 from there."""
    X, y = digits()
    return X, (y > 4).astype(np.int64)


def sorted_digits() -> tuple[np.ndarray, np.ndarray]:
    """Return the images in the order of their labels."""
    X, y = digits()
    order = np.argsort(y, kind="stable")
    return X[order], y[order]


def balanced(estimator: Any) -> Any:
    """Turn class weights on where the estimator has them: they are combined with the others."""
    if "class_weight" in estimator.get_params():
        estimator.set_params(class_weight="balanced")
    return estimator


def is_a_classifier(column: Column) -> bool:
    """Ask scikit-learn."""
    return is_classifier(column.make())


def stratifies(column: Column) -> bool:
    """Look for every class in every fold of data that come sorted."""
    X, y = sorted_digits()
    result = cross_validate(
        column.make(), X, y, cv=3, error_score="raise", return_indices=True
    )["indices"]  # fmt: skip
    return all(len(np.unique(y[rows])) == 10 for rows in result["test"])


def returns_labels(column: Column) -> bool:
    """Fit on words, and look for words among the predictions."""
    X, y = digits()
    words = np.array([f"digit {label}" for label in y])
    return set(column.make().fit(X, words).predict(X)) <= set(words)


def gives_probabilities(column: Column) -> bool:
    """Sum the rows of `predict_proba`."""
    X, y = digits()
    probabilities = column.make().fit(X, y).predict_proba(X)
    return probabilities.shape == (300, 10) and np.allclose(probabilities.sum(axis=1), 1, atol=1e-5)


def scores_roc_auc(column: Column) -> bool:
    """Use a scorer that wants probabilities of two classes."""
    X, y = two_classes()
    return 0.5 < get_scorer("roc_auc")(column.make(2).fit(X, y), X, y) <= 1


def calibrates(column: Column) -> bool:
    """Calibrate the probabilities of ten classes and of two in cross-validation."""
    return all(
        CalibratedClassifierCV(column.make(n_classes), cv=3).fit(X, y).score(X, y) > 0.7
        for n_classes, (X, y) in ((10, digits()), (2, two_classes()))
    )


def votes(column: Column) -> bool:
    """Average the probabilities with those of another classifier."""
    X, y = digits()
    members = [("network", column.make()), ("linear", LogisticRegression(max_iter=1000))]
    fitted = VotingClassifier(members, voting="soft").fit(X, y)
    return fitted.predict_proba(X).shape == (300, 10)


def tunes_threshold(column: Column) -> bool:
    """Choose the threshold between two classes in cross-validation."""
    X, y = two_classes()
    return TunedThresholdClassifierCV(column.make(2), cv=3).fit(X, y).score(X, y) > 0.7


def searches(column: Column) -> bool:
    """Search over the epochs, then over something else; count as score how many were run."""
    X, y = digits()
    ((name, three),) = column.epochs(3).items()

    def epochs_run(grid: dict[str, list[Any]]) -> list[float]:
        search = GridSearchCV(
            column.make().set_params(**{name: three}),
            grid,
            scoring=lambda fitted, X, y: len(column.losses(fitted)),
            cv=2,
            error_score="raise",
        )
        return search.fit(X, y).cv_results_["mean_test_score"].tolist()

    one = column.epochs(1)[name]
    return epochs_run({name: [one, three]}) == [1, 3] and epochs_run({"warm_start": [False]}) == [3]


def keeps_parameters(column: Column) -> bool:
    """Compare the parameters of a clone."""
    plain = (bool, int, float, str, tuple, list, dict)

    def same(a: Any, b: Any) -> bool:
        return type(a) is type(b) and (a == b if isinstance(a, plain) else True)

    estimator = column.make()
    before, after = estimator.get_params(), clone(estimator).get_params()
    return before.keys() == after.keys() and all(same(before[key], after[key]) for key in before)


def suggests_spelling(column: Column) -> bool:
    """Leave out the last letter of a parameter; the error must name it more often than others."""
    estimator = column.make()
    (name,) = column.epochs(1)
    others = estimator.get_params().keys() - {name}
    try:
        estimator.set_params(**{name[:-1]: 1})
    except (TypeError, ValueError) as error:
        message = str(error)
        return message.count(f"'{name}'") > max(message.count(f"'{other}'") for other in others)
    return False


def takes_images(column: Column) -> bool:
    """Fit on images that are not flattened."""
    X, y = digits()
    shapes = (300, 8, 8), (300, 8, 8, 1)
    return all(
        column.make().fit(X.reshape(shape), y).predict(X.reshape(shape)).shape == (300,)
        for shape in shapes
    )


def predicts_float64(column: Column) -> bool:
    """Predict the same values in double precision."""
    X, y = digits()
    fitted = column.make().fit(X, y)
    return np.array_equal(fitted.predict(X.astype(np.float64)), fitted.predict(X))


def predicts_after_uint8(column: Column) -> bool:
    """Fit on bytes, as images are read, and predict floats, as a resized image has."""
    X, y = digits()
    X = (16 * X).astype(np.uint8)
    fitted = column.make().fit(X, y)
    return np.array_equal(fitted.predict(X.astype(np.float32)), fitted.predict(X))


def names_features(column: Column) -> bool:
    """Fit on a data frame."""
    X, y = digits()
    frame = pd.DataFrame(X, columns=[f"pixel{i}" for i in range(64)])
    return column.make().fit(frame, y).feature_names_in_.tolist() == list(frame.columns)


def takes_categories(column: Column) -> bool:
    """Fit on a data frame whose columns are categories, all of them numbers."""
    X, y = digits()
    frame = pd.DataFrame(16 * X, columns=[f"pixel{i}" for i in range(64)]).astype(int)
    categories = frame.astype("category")
    fitted = column.make().fit(categories, y)
    return np.array_equal(fitted.predict(categories), fitted.predict(frame))


def repeats(column: Column) -> bool:
    """Fit twice with one `random_state`."""
    X, y = digits()
    first, second = (
        column.make().set_params(random_state=1).fit(X, y).predict_proba(X) for _ in range(2)
    )
    return np.array_equal(first, second)


def leaves_generators(column: Column) -> bool:
    """Compare what the global generators draw with and without a seeded fit before."""
    X, y = digits()
    estimator = column.make().set_params(random_state=1)
    before = switches()
    estimator.fit(X, y)
    draw_unseeded()
    seed_all(2)
    expected = draws()
    seed_all(2)
    # Old versions of Keras have a generator that seeding does not set.
    seeded = [one == other for one, other in zip(expected, draws(), strict=True)]
    seed_all(2)
    estimator.fit(X, y)
    same = [one == other for one, other in zip(expected, draws(), strict=True)]
    return same == seeded and switches() == before


def obeys_weights(column: Column) -> bool:
    """Give a class no weight; it must not be predicted then."""
    X, y = digits()
    weights = (y != 9).astype(np.float64)
    return 9 not in column.make().fit(X, y, sample_weight=weights).predict(X)


def takes_whole_weights(column: Column) -> bool:
    """Give weights that are integers, as counts are."""
    X, y = digits()
    fitted = balanced(column.make()).fit(X, y, sample_weight=1 + np.arange(300) % 3)
    return fitted.predict(X).shape == (300,)


def leaves_weights(column: Column) -> bool:
    """Compare the array of weights before and after a fit."""
    X, y = digits()
    weights = np.linspace(1, 2, 300)
    before = weights.copy()
    balanced(column.make()).fit(X, y, sample_weight=weights)
    return np.array_equal(weights, before)


def routes_weights(column: Column) -> bool:
    """Send weights through cross-validation and a pipeline; a class with none never comes out."""
    X, y = digits()
    weights = (y != 9).astype(np.float64)
    with config_context(enable_metadata_routing=True):
        classifier = column.make().set_fit_request(sample_weight=True)
        pipe = Pipeline([("scale", MinMaxScaler()), ("network", classifier)])
        predicted = cross_val_predict(pipe, X, y, cv=3, params={"sample_weight": weights})
    return 9 not in predicted


def balances_classes(column: Column) -> bool:
    """Fit with weights of the classes that balance them."""
    X, y = two_classes()
    fitted = column.make(2).set_params(class_weight="balanced").fit(X, y)
    return fitted.predict(X).shape == (300,)


def fits_in_parts(column: Column) -> bool:
    """Fit on a batch that lacks a class, then on one that has it."""
    X, y = digits()
    estimator = column.make()
    estimator.partial_fit(X[y < 9], y[y < 9], classes=np.arange(10))
    return estimator.partial_fit(X, y).predict_proba(X).shape == (300, 10)


def starts_warm(column: Column) -> bool:
    """Fit one epoch more; its loss must be far below that of the very first epoch."""
    X, y = digits()
    estimator = column.make().set_params(warm_start=True).fit(X, y)
    first = column.losses(estimator)[0]
    estimator.set_params(**column.epochs(1)).fit(X, y)
    return column.losses(estimator)[-1] < first / 2


def holds_out_each_class(column: Column) -> bool:
    """Hold out a fifth of sorted data; the last classes must still be learned."""
    X, y = sorted_digits()
    fitted = column.make().set_params(**column.early_stopping()).fit(X, y)
    return np.mean(fitted.predict(X[y == 9]) == 9) > 0.5


def calls_back(column: Column) -> bool:
    """Count the scores that scikit-learn's monitor sees, one an epoch."""
    callback = optional("sklearn.callback")
    X, y = digits()
    monitor = callback.ScoringMonitor(scoring="accuracy")
    fitted = column.make().set_callbacks(callback.ProgressBar(), monitor).fit(X, y)
    scores = [row["accuracy"] for row in monitor.get_logs().data if "accuracy" in row]
    return len(scores) >= len(column.losses(fitted))


def pickles(column: Column) -> bool:
    """Predict after a round trip through a pickle."""
    X, y = digits()
    fitted = column.make().fit(X, y)
    return np.array_equal(pickle.loads(pickle.dumps(fitted)).predict(X), fitted.predict(X))


def persists_with_skops(column: Column) -> bool:
    """Predict after a round trip through skops, trusting types of the estimator's package only."""
    skops = optional("skops.io")
    X, y = digits()
    fitted = column.make().fit(X, y)
    data = skops.dumps(fitted)
    types = skops.get_untrusted_types(data=data)
    own = type(fitted).__module__.partition(".")[0]
    foreign = [name for name in types if name.partition(".")[0] not in (own, HERE)]
    if foreign:
        raise TypeError(f"types of others would have to be trusted: {', '.join(foreign)}")
    return np.array_equal(skops.loads(data, trusted=types).predict(X), fitted.predict(X))


def switches() -> dict[str, Any]:
    """Return settings of the process that a fit might change."""
    found: dict[str, Any] = {
        name: value for name, value in os.environ.items() if name.startswith(("TF_", "KERAS_"))
    }
    if keras := sys.modules.get("keras"):
        found["dtype policy"] = keras.config.dtype_policy().name
        found["floatx"] = keras.config.floatx()
    if torch := sys.modules.get("torch"):
        found["deterministic"] = torch.are_deterministic_algorithms_enabled()
    return found


def draw_unseeded() -> None:
    """Draw from TensorFlow without a seed, which it refuses where determinism is switched on.

    It looks at that switch once in a process: so this feature is tried before all others.
    """
    if tensorflow := sys.modules.get("tensorflow"):
        tensorflow.random.set_seed(None)
        tensorflow.random.uniform([1])


def seed_all(seed: int) -> None:
    """Seed the global generators of what is imported."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  the global one is meant
    if keras := sys.modules.get("keras"):
        keras.utils.set_random_seed(seed)  # TensorFlow's too
    if torch := sys.modules.get("torch"):
        torch.manual_seed(seed)


def draws() -> list[float]:
    """Draw a number from each global generator of what is imported."""
    numbers = [random.random(), float(np.random.rand())]  # noqa: NPY002  the global one is meant
    if keras := sys.modules.get("keras"):
        numbers.append(float(keras.random.uniform(())))
    if tensorflow := sys.modules.get("tensorflow"):
        numbers.append(float(tensorflow.random.uniform([])))
    if torch := sys.modules.get("torch"):
        numbers.append(float(torch.rand(())))
    return numbers


CLASSIFIER = "A classifier to scikit-learn (`is_classifier`)"
FIRST = "A seeded fit leaves the global generators alone"
FEATURES: dict[str, Callable[[Column], bool]] = {
    CLASSIFIER: is_a_classifier,
    "`cv=3` is stratified": stratifies,
    "Labels come back as they were, strings too": returns_labels,
    "`predict_proba`": gives_probabilities,
    "Scorer `roc_auc`": scores_roc_auc,
    "`CalibratedClassifierCV`": calibrates,
    "Soft `VotingClassifier`": votes,
    "`TunedThresholdClassifierCV`": tunes_threshold,
    "`GridSearchCV` trains with the epochs set or searched": searches,
    "`clone` keeps every parameter": keeps_parameters,
    "A misspelled parameter: the right one is suggested": suggests_spelling,
    "Images of three and four dimensions": takes_images,
    "Fitted on float32, predicts float64": predicts_float64,
    "Fitted on uint8, predicts floats": predicts_after_uint8,
    "Data frames: `feature_names_in_`": names_features,
    "Data frames: categorical columns of numbers": takes_categories,
    "Same `random_state`, same bits": repeats,
    FIRST: leaves_generators,
    "`sample_weight` takes effect": obeys_weights,
    "`sample_weight` of whole numbers": takes_whole_weights,
    "`sample_weight` is left unchanged": leaves_weights,
    "`sample_weight` routed through a pipeline": routes_weights,
    '`class_weight="balanced"`': balances_classes,
    "`partial_fit`, the first batch lacking a class": fits_in_parts,
    "`warm_start` goes on from the last fit": starts_warm,
    "Early stopping holds out some of each class": holds_out_each_class,
    "scikit-learn's callbacks, one call an epoch": calls_back,
    "pickle": pickles,
    "skops, with no type of others trusted": persists_with_skops,
}
