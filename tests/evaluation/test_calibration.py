"""Calibration and coverage: tables by counting, and what the Displays draw."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from mnist_estimator import CoverageAccuracyDisplay, RejectingClassifier, ReliabilityDisplay
from mnist_estimator.evaluation import calibration_table, coverage_table


@pytest.fixture(scope="module")
def model(all_digits):
    X, y = all_digits
    return LogisticRegression(tol=1e-2).fit(X[:600], y[:600])


def test_calibration_table_by_hand():
    table = calibration_table([1, 0, 1, 1], [0.5, 0.45, 0.9, 1.0], n_bins=2)
    assert table["low"].tolist() == [0, 0.5]
    assert table["high"].tolist() == [0.5, 1]
    assert table["count"].tolist() == [2, 2]
    assert table["confidence"].tolist() == pytest.approx([0.475, 0.95])
    assert table["accuracy"].tolist() == [0.5, 1]
    empty = calibration_table([1], [0.9], n_bins=2)
    assert np.isnan(empty.loc[0, "accuracy"])


def test_coverage_table_by_hand():
    table = coverage_table([1, 0, 1, 1], [0.9, 0.3, 0.6, 0.6])
    assert table["threshold"].tolist() == [0.9, 0.6, 0.3]
    assert table["coverage"].tolist() == [0.25, 0.75, 1]
    assert table["accuracy"].tolist() == [1, 1, 0.75]


def test_coverage_table_equals_counting():
    generator = np.random.default_rng(0)
    score = generator.integers(0, 50, 500) / 50
    correct = generator.random(500) < score
    table = coverage_table(correct, score)
    assert sorted(table["threshold"]) == sorted(set(score))
    for row in table.itertuples():
        accepted = score >= row.threshold
        assert row.coverage == accepted.mean()
        assert row.accuracy == pytest.approx(correct[accepted].mean())


def test_reliability_display_draws_the_filled_bins(all_digits, model):
    X, y = all_digits[0][600:], all_digits[1][600:]
    display = ReliabilityDisplay.from_estimator(model, X, y, n_bins=10)
    proba = model.predict_proba(X)
    table = calibration_table(model.predict(X) == y, proba.max(axis=1), n_bins=10)
    filled = table[table["count"] > 0]
    assert 5 < len(filled) < 10
    assert display.line_.get_xdata().tolist() == filled["confidence"].tolist()
    assert display.line_.get_ydata().tolist() == filled["accuracy"].tolist()
    assert [text.get_text() for text in display.counts_] == [f"{n:,}" for n in filled["count"]]
    assert display.ideal_.get_xydata().tolist() == [[0, 0], [1, 1]]
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("Confidence", "Accuracy")


def test_coverage_display_draws_the_table(all_digits, model):
    X, y = all_digits[0][600:], all_digits[1][600:]
    display = CoverageAccuracyDisplay.from_estimator(model, X, y)
    table = coverage_table(model.predict(X) == y, model.predict_proba(X).max(axis=1))
    assert display.line_.get_xdata().tolist() == table["coverage"].tolist()
    assert display.line_.get_ydata().tolist() == table["accuracy"].tolist()
    assert display.line_.get_ydata()[-1] == pytest.approx(model.score(X, y))
    assert display.chosen_ is None


def test_coverage_display_marks_the_threshold_in_use(all_digits, model):
    X, y = all_digits[0][600:], all_digits[1][600:]
    rejecting = RejectingClassifier(model, error_rate=0.05, cv="prefit").fit(X, y)
    display = CoverageAccuracyDisplay.from_estimator(rejecting, X, y)
    assert display.chosen_.get_xdata() == [pytest.approx(rejecting.coverage_)]
    assert display.chosen_.get_ydata() == [pytest.approx(1 - rejecting.error_rate_)]
    nothing = CoverageAccuracyDisplay.from_predictions([1], [1], [0.5], threshold=np.inf)
    assert nothing.chosen_ is None


@pytest.mark.parametrize("display", [ReliabilityDisplay, CoverageAccuracyDisplay])
def test_displays_draw_where_they_are_told(display):
    figure, ax = plt.subplots()
    drawn = display.from_predictions(["a", "b"], ["a", "a"], [0.9, 0.8], ax=ax)
    assert drawn.ax_ is ax
    assert drawn.figure_ is figure
    again = drawn.plot(line_kw={"color": "red"})
    assert again.line_.get_color() == "red"
    assert again.figure_ is not figure


@pytest.mark.parametrize("display", [ReliabilityDisplay, CoverageAccuracyDisplay])
def test_displays_of_bad_data(display, all_digits):
    X, y = all_digits
    with pytest.raises(ValueError, match=r"numbers such as 1; got strings"):
        display.from_predictions(["1"], [1], [0.5])
    with pytest.raises(ValueError, match="confidence must have one value for each of the 2"):
        display.from_predictions([1, 1], [1, 1], [0.5])
    with pytest.raises(TypeError, match="must have predict_proba; got LinearSVC"):
        display.from_estimator(LinearSVC(max_iter=50, tol=1).fit(X[:100], y[:100]), X, y)


def test_reliability_of_bad_values():
    with pytest.raises(ValueError, match=r"confidence must lie in \[0, 1\]"):
        ReliabilityDisplay.from_predictions([1], [1], [1.5])
    with pytest.raises(ValueError, match="n_bins must be a whole number from 1 up; got 0"):
        ReliabilityDisplay.from_predictions([1], [1], [0.5], n_bins=0)
