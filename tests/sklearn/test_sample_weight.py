"""What sample and class weights mean."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mnist_estimator import CNNClassifier

EXACT = {
    "filters": (4, 8),
    "kernel_size": 3,
    "dropout": 0.0,
    "batch_norm": False,
    "augmentation": None,
    "early_stopping": False,
    "batch_size": 10_000,
    "precision": "float64",
    "epochs": 10,
    "random_state": 0,
}
"""Full batches and no dropout, batch norm or augmentation: nothing depends on the order of rows."""


@pytest.fixture(scope="module")
def weighted(digits):
    """Return 200 digits with whole weights from 0 to 3, zeros among them."""
    X, y = digits
    weights = np.random.default_rng(0).integers(0, 4, 200)
    assert (weights == 0).any()
    return X[:200], y[:200], weights


@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 3.0, 7: 0.5}])
def test_whole_weights_are_repeated_rows(weighted, class_weight):
    X, y, weights = weighted
    clf = CNNClassifier(**EXACT, class_weight=class_weight)
    by_weight = clf.fit(X, y, sample_weight=weights).predict_proba(X)
    repeated = clf.fit(np.repeat(X, weights, axis=0), np.repeat(y, weights)).predict_proba(X)
    assert_allclose(by_weight, repeated, rtol=1e-7)
    assert not np.allclose(by_weight, clf.fit(X, y).predict_proba(X), rtol=0.01)


@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_weight_zero_is_absence_to_the_bit(small, weighted, class_weight):
    """In ordinary training too, with its hold-out, its batches, dropout and augmentation."""
    X, y, weights = weighted
    weights, kept = np.minimum(weights, 1), weights > 0
    clf = small(class_weight=class_weight)
    zeros = clf.fit(X, y, sample_weight=weights).predict_proba(X)
    assert_array_equal(zeros, clf.fit(X[kept], y[kept]).predict_proba(X))


def test_a_common_factor_changes_nothing(small, weighted):
    X, y, _ = weighted
    plain = small().fit(X, y).predict_proba(X)
    assert_array_equal(small().fit(X, y, sample_weight=np.full(200, 3.0)).predict_proba(X), plain)
    assert_array_equal(small().fit(X, y, sample_weight=7).predict_proba(X), plain)


def test_class_weight_is_a_sample_weight(weighted):
    X, y, weights = weighted
    of_class = {label: 1.0 + label for label in range(10)}
    clf = CNNClassifier(**EXACT, class_weight=of_class).fit(X, y, sample_weight=weights)
    by_row = weights * (1.0 + y)
    other = CNNClassifier(**EXACT).fit(X, y, sample_weight=by_row)
    assert_allclose(clf.predict_proba(X), other.predict_proba(X), rtol=1e-9)


def test_balanced_weighs_classes_alike(weighted):
    """Against scikit-learn's formula, with counts in which the weights count."""
    X, y, weights = weighted
    mass = np.bincount(y, weights)
    by_row = weights * (mass.sum() / (10 * mass))[y]
    balanced = CNNClassifier(**EXACT, class_weight="balanced").fit(X, y, sample_weight=weights)
    other = CNNClassifier(**EXACT).fit(X, y, sample_weight=by_row)
    assert_allclose(balanced.predict_proba(X), other.predict_proba(X), rtol=1e-9)


def test_history_is_weighted(weighted):
    """The loss of the first epoch is the weighted mean over the untrained network's."""
    X, y, weights = weighted
    clf = CNNClassifier(**EXACT)
    history = clf.set_params(epochs=1).fit(X, y, sample_weight=weights).history_
    kept = weights > 0  # the first layer takes mean and variance from the rows that count
    start = CNNClassifier(**EXACT).fit(X, y, sample_weight=weights, X_val=X[kept], y_val=y[kept])
    untrained = CNNClassifier(**EXACT).set_params(learning_rate=1e-300, epochs=1)
    before = untrained.fit(X, y, sample_weight=weights).predict_proba(X)
    losses = -np.log(before[np.arange(200), y])
    assert history["loss"][0] == pytest.approx(np.average(losses, weights=weights), rel=1e-6)
    hits = before.argmax(axis=1) == y
    assert history["accuracy"][0] == pytest.approx(np.average(hits, weights=weights))
    assert len(start.history_["val_loss"]) == 10


def test_arrays_of_the_caller_are_left_alone(small, weighted):
    X, y, weights = weighted
    before = X.copy(), y.copy(), weights.copy()
    small(epochs=1, class_weight={0: 5.0}).fit(X, y, sample_weight=weights)
    small(epochs=1).partial_fit(X, y, np.arange(10), sample_weight=weights)
    for array, copy in zip((X, y, weights), before, strict=True):
        assert_array_equal(array, copy)
        assert array.dtype == copy.dtype


def test_a_class_of_weight_zero_is_known_but_never_answered(small, digits):
    X, y = digits
    clf = small().fit(X, y, sample_weight=(y != 3).astype(float))
    assert 3 in clf.classes_
    assert 3 not in clf.predict(X)


def test_validation_data_of_weightless_classes_are_refused(small, digits):
    X, y = digits
    clf = small(epochs=1, class_weight={3: 0.0})
    with pytest.raises(ValueError, match="class_weight leaves no row of y_val with a weight above"):
        clf.fit(X, y, X_val=X[y == 3], y_val=y[y == 3])
