"""Suspected labels: planted errors are found, and the rule is that of the paper."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import ShuffleSplit
from sklearn.svm import LinearSVC

from mnist_estimator import find_label_errors
from mnist_estimator.evaluation._label_errors import suspect_labels


def plant(y, share, seed=0):
    """Replace a share of the labels by others, and tell which."""
    generator = np.random.default_rng(seed)
    rows = generator.choice(len(y), round(share * len(y)), replace=False)
    noisy = y.copy()
    noisy[rows] = (y[rows] + generator.integers(1, 10, len(rows))) % 10
    return noisy, rows


@pytest.fixture(scope="module")
def data():
    X, y = load_digits(return_X_y=True)
    return X[:900] / 16, y[:900]


@pytest.fixture(scope="module")
def base():
    return LogisticRegression(max_iter=300)


def test_planted_errors_are_found(data, base):
    X, y = data
    noisy, rows = plant(y, 0.05)
    found = find_label_errors(base, X, noisy, cv=3)
    hits = np.isin(found["row"], rows)
    assert hits.sum() >= 0.95 * len(rows)
    assert hits[: len(rows) // 2].mean() > 0.9
    assert hits[found["confident"]].mean() > 0.6
    assert hits[found["confident"]].sum() > len(rows) / 2
    assert (found["label"] == noisy[found["row"]]).all()
    assert (found["suggested"] == y[found["row"]])[hits].mean() > 0.8
    assert found["label_probability"].is_monotonic_increasing
    assert (found["suggested_probability"] > found["label_probability"]).all()


@pytest.mark.slow
def test_planted_errors_are_found_by_a_network(digits, quick):
    X, y = digits
    noisy, rows = plant(y, 0.04)
    found = find_label_errors(quick(epochs=8), X, noisy, cv=3)
    hits = np.isin(found["row"], rows)
    assert hits.sum() >= 0.9 * len(rows)
    assert hits[:12].mean() > 0.7


def rule_by_hand(y, proba):
    """Follow the words of the paper, sample by sample."""
    n_classes = proba.shape[1]
    thresholds = [
        np.mean([p[j] for p, label in zip(proba, y, strict=True) if label == j])
        for j in range(n_classes)
    ]
    found = []
    for row, (p, label) in enumerate(zip(proba, y, strict=True)):
        confident = [j for j in range(n_classes) if p[j] >= thresholds[j]]
        if confident and label not in (max(confident, key=lambda j, p=p: p[j]), p.argmax()):
            found.append(row)
    return sorted(found, key=lambda row: proba[row, y[row]])


def random_labels(seed, n=300, n_classes=4):
    generator = np.random.default_rng(seed)
    y = np.append(np.arange(n_classes), generator.integers(0, n_classes, n - n_classes))
    proba = generator.dirichlet(np.full(n_classes, 0.4), n)
    proba[np.arange(n), y] += generator.random(n)
    return y, proba / proba.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("seed", range(5))
def test_rule_is_that_of_the_paper(seed):
    y, proba = random_labels(seed)
    found = suspect_labels(y, proba, np.arange(4))
    assert 10 < found["confident"].sum() < len(found)
    assert found["row"][found["confident"]].tolist() == rule_by_hand(y, proba)
    assert sorted(found["row"]) == np.flatnonzero(proba.argmax(axis=1) != y).tolist()


@pytest.mark.parametrize("seed", range(3))
def test_rule_is_that_of_cleanlab(seed):
    cleanlab = pytest.importorskip("cleanlab.filter")
    y, proba = random_labels(seed)
    expected = cleanlab.find_label_issues(
        y,
        proba,
        filter_by="confident_learning",
        return_indices_ranked_by="self_confidence",
        min_examples_per_class=0,
        n_jobs=1,
    )
    found = suspect_labels(y, proba, np.arange(4))
    assert found["row"][found["confident"]].tolist() == expected.tolist()


def test_prefit_judges_samples_it_has_not_seen(data):
    X, y = data
    model = LogisticRegression(tol=1e-2).fit(X[:600], y[:600])
    noisy, rows = plant(y[600:], 0.05)
    found = find_label_errors(model, X[600:], noisy, cv="prefit")
    assert np.isin(rows, found["row"]).mean() > 0.8
    expected = suspect_labels(noisy, model.predict_proba(X[600:]), model.classes_)
    pd.testing.assert_frame_equal(found, expected)


def test_labels_of_other_kinds_and_data_frames(data):
    X, y = data
    noisy, _ = plant(y, 0.03)
    base = LogisticRegression(tol=1e-2)
    plain = find_label_errors(base, X, noisy, cv=2)
    named = find_label_errors(base, pd.DataFrame(X), pd.Series(noisy).map("n{}".format), cv=2)
    assert named["row"].tolist() == plain["row"].tolist()
    assert named["suggested"].tolist() == [f"n{label}" for label in plain["suggested"]]


def test_clean_and_easy_labels_nothing_suspected(two_classes):
    X, y = two_classes
    found = find_label_errors(LogisticRegression(), X.reshape(len(X), -1), y)
    assert len(found) == 0
    assert found.columns.tolist()[:3] == ["row", "label", "suggested"]


def test_errors(data):
    X, y = data
    base = LogisticRegression(tol=1e-2)
    with pytest.raises(ValueError, match=r"cv must be a number of folds.* got 'fitted'"):
        find_label_errors(base, X, y, cv="fitted")
    with pytest.raises(ValueError, match="cv must hold out each sample once"):
        find_label_errors(base, X, y, cv=ShuffleSplit(2, random_state=0))
    with pytest.raises(ValueError, match="y must have one value for each of the 900 samples"):
        find_label_errors(base, X, y[:-1])
    with pytest.raises(TypeError, match="must have predict_proba; got LinearSVC"):
        find_label_errors(LinearSVC(), X, y, cv=2)
