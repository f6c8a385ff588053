"""The learning curves: what is drawn equals the history."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from stand_ins import HISTORY, Network

from mnist_estimator.evaluation import TrainingHistoryDisplay


def test_history_lines_equal_the_data():
    display = TrainingHistoryDisplay(HISTORY, best_epoch=3).plot()
    assert set(display.lines_) == set(HISTORY)
    for key, line in display.lines_.items():
        assert line.get_xdata().tolist() == [1, 2, 3, 4]
        assert line.get_ydata().tolist() == HISTORY[key]
    loss, accuracy = display.axes_
    assert display.lines_["val_loss"].axes is loss
    assert display.lines_["val_accuracy"].axes is accuracy
    assert (loss.get_ylabel(), accuracy.get_ylabel()) == ("Loss", "Accuracy")
    assert loss.get_xlabel() == "Epoch"


def test_best_epoch_is_marked_in_both_axes():
    display = TrainingHistoryDisplay(HISTORY, best_epoch=3).plot()
    assert [line.get_xdata() for line in display.best_epoch_lines_] == [[3, 3], [3, 3]]
    labels = [text.get_text() for text in display.axes_[0].get_legend().get_texts()]
    assert labels == ["training", "validation", "best epoch (3)"]


def test_history_without_validation_and_best_epoch():
    history = {key: HISTORY[key] for key in ("loss", "accuracy")}
    display = TrainingHistoryDisplay(history).plot()
    assert set(display.lines_) == {"loss", "accuracy"}
    assert display.best_epoch_lines_ == []


def test_one_epoch_is_seen_as_markers_on_a_whole_tick():
    display = TrainingHistoryDisplay({"loss": [0.3], "accuracy": [0.9]}, best_epoch=1).plot()
    line = display.lines_["loss"]
    assert line.get_marker() == "o"
    assert line.get_markersize() > 0
    axes = display.axes_[0]
    low, high = axes.get_xlim()
    assert [tick for tick in axes.get_xticks() if low <= tick <= high] == [1]


@pytest.mark.parametrize("n_epochs", [2, 3, 7, 60])
def test_ticks_are_whole_epochs(n_epochs):
    curve = np.linspace(1, 0, n_epochs)
    display = TrainingHistoryDisplay({"loss": curve, "accuracy": 1 - curve}).plot()
    ticks = display.axes_[0].get_xticks()
    assert np.array_equal(ticks, np.round(ticks))


def test_history_takes_two_axes_of_different_figures():
    axes = [plt.subplots()[1], plt.subplots()[1]]
    display = TrainingHistoryDisplay(HISTORY).plot(axes)
    assert list(display.axes_) == axes
    assert display.figure_ is axes[0].figure
    assert len(plt.get_fignums()) == 2


def test_history_divides_a_single_axes():
    _, ax = plt.subplots()
    display = TrainingHistoryDisplay(HISTORY).plot(ax)
    assert list(display.axes_) == ax.child_axes
    assert display.figure_ is ax.figure
    assert len(plt.get_fignums()) == 1


def test_line_kw_override_the_defaults():
    display = TrainingHistoryDisplay(HISTORY).plot(line_kw={"linewidth": 5, "color": "black"})
    assert {line.get_linewidth() for line in display.lines_.values()} == {5}
    assert {line.get_color() for line in display.lines_.values()} == {"black"}


def test_history_found_in_pipeline_and_search():
    X, y = np.arange(12.0).reshape(-1, 1), np.array([0, 1] * 6)
    pipe = Pipeline([("same", FunctionTransformer()), ("net", Network(best_epoch=np.int64(2)))])
    search = GridSearchCV(pipe, {"net__best_epoch": [3]}, cv=2)
    cases = [(pipe.fit(X, y), 2), (search.fit(X, y), 3), (Network().fit(X, y), None)]
    for estimator, best in cases:
        display = TrainingHistoryDisplay.from_estimator(estimator)
        assert display.history == HISTORY
        assert display.best_epoch == best


def test_from_estimator_does_not_touch_the_estimator():
    network = Network(best_epoch=1).fit([[0], [1]], [0, 1])
    TrainingHistoryDisplay.from_estimator(network).history["loss"].append(0)
    assert len(network.history_["loss"]) == 4


def test_history_errors(model):
    with pytest.raises(NotFittedError):
        TrainingHistoryDisplay.from_estimator(Network())
    with pytest.raises(TypeError, match=r"must have history_ .* got LogisticRegression\. Fit"):
        TrainingHistoryDisplay.from_estimator(model)


@pytest.mark.parametrize(
    ("history", "best_epoch", "words"),
    [
        ({"loss": [1.0]}, None, r"keys 'loss' and 'accuracy'; got \['loss'\]"),
        ({"loss": [], "accuracy": []}, None, "at least one, under each key"),
        ({"loss": [1.0, 2.0], "accuracy": [1.0]}, None, "'loss': 2, 'accuracy': 1"),
        (HISTORY, 5, "between 1 and the number of epochs, 4; got 5"),
        (HISTORY, 0, "between 1 and the number of epochs, 4; got 0"),
    ],
)
def test_bad_history_value_error_says_what_is_allowed(history, best_epoch, words):
    with pytest.raises(ValueError, match=words):
        TrainingHistoryDisplay(history, best_epoch=best_epoch).plot()


def test_three_axes_for_history_value_error():
    with pytest.raises(ValueError, match="one Axes or two, for loss and accuracy; got 3"):
        TrainingHistoryDisplay(HISTORY).plot(plt.subplots(1, 3)[1])
