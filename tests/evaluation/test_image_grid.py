"""The image grid: what is drawn equals the data, whatever the form it came in."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC
from stand_ins import Network

from mnist_estimator.evaluation import ImageGridDisplay


def test_mistakes_are_drawn_most_confident_first(all_digits, model):
    X, y = all_digits
    display = ImageGridDisplay.from_estimator(model, X, y, n_images=6)
    proba = model.predict_proba(X)
    wrong = np.flatnonzero(model.predict(X) != y)
    expected = sorted(wrong, key=lambda i: -proba[i].max())[:6]
    assert display.indices.tolist() == expected
    for image, axes, i in zip(display.images_, display.axes_, expected, strict=True):
        assert np.array_equal(image.get_array(), X[i].reshape(8, 8))
        predicted, sure = model.predict(X[[i]])[0], proba[i].max()
        assert axes.get_title() == f"true: {y[i]}\npredicted: {predicted} ({100 * sure:.1f} %)"


def test_correct_are_drawn_least_confident_first_and_all_in_order():
    X = np.arange(5 * 4).reshape(5, 2, 2)
    true, predicted, sure = [0, 1, 2, 3, 4], [0, 1, 2, 0, 0], [0.9, 0.5, 0.7, 0.6, 0.8]
    correct = ImageGridDisplay.from_predictions(
        X, true, predicted, confidence=sure, which="correct"
    )
    assert correct.indices.tolist() == [1, 2, 0]
    everything = ImageGridDisplay.from_predictions(X, true, predicted, confidence=sure, which="all")
    assert everything.indices.tolist() == [0, 1, 2, 3, 4]
    colors = [axes.title.get_color() for axes in everything.axes_]
    assert len(set(colors[:3])) == 1
    assert colors[3] == colors[4] != colors[0]


def test_without_confidence_order_of_X_and_no_number_in_the_title(all_digits):
    X, y = all_digits
    model = LinearSVC(max_iter=50, tol=1).fit(X[:100], y[:100])
    display = ImageGridDisplay.from_estimator(model, X, y, n_images=3)
    assert display.indices.tolist() == np.flatnonzero(model.predict(X) != y)[:3].tolist()
    assert display.axes_[0].get_title().count("%") == 0


def test_confidence_is_that_of_the_predicted_label_not_of_the_largest():
    class Contrary(Network):
        def predict_proba(self, X):
            return np.tile([0.2, 0.8], (len(X), 1))

    X = np.zeros((2, 4, 4))
    display = ImageGridDisplay.from_estimator(Contrary().fit(X, [7, 9]), X, [7, 9])
    assert display.axes_[0].get_title() == "true: 9\npredicted: 7 (20.0 %)"


@pytest.mark.parametrize(
    "form",
    [
        lambda X: X,
        lambda X: X.reshape(-1, 8, 8),
        lambda X: X.reshape(-1, 8, 8, 1),
        lambda X: pd.DataFrame(X),
        lambda X: pd.DataFrame(X, dtype=object),
        lambda X: X.tolist(),
    ],
    ids=["flat", "3-d", "4-d", "frame", "object frame", "list"],
)
def test_every_form_of_X_gives_the_same_images(all_digits, form):
    X, y = all_digits[0][:20], all_digits[1][:20]
    display = ImageGridDisplay.from_predictions(form(X), y, (y + 1) % 10, n_images=4)
    drawn = [image.get_array() for image in display.images_]
    assert np.array_equal(drawn, X[:4].reshape(-1, 8, 8))


def test_image_shape_is_used_and_taken_from_the_estimator():
    X = np.arange(24.0).reshape(2, 12)
    given = ImageGridDisplay.from_predictions(X, [0, 1], [1, 0], image_shape=(3, 4))
    assert np.array_equal(given.images_[1].get_array(), X[1].reshape(3, 4))
    network = Network().fit(X, [0, 1])
    network.image_shape_ = (4, 3, 1)
    found = ImageGridDisplay.from_estimator(network, X, [1, 1])
    assert found.images_[0].get_array().shape == (4, 3)


def test_colour_images_are_scaled_to_what_matplotlib_shows():
    X = np.random.default_rng(0).integers(0, 256, (2, 5, 4, 3), dtype=np.uint8)
    display = ImageGridDisplay(X).plot()
    assert np.allclose(display.images_[1].get_array(), X[1] / 255)
    floats = ImageGridDisplay(X * 10.0 - 500).plot()
    assert floats.images_[0].get_array().min() >= 0
    assert floats.images_[0].get_array().max() <= 1


def test_grey_range_bytes_fixed_and_others_shared_by_all_images():
    assert ImageGridDisplay(np.full((1, 4, 4), 7, np.uint8)).plot().images_[0].get_clim() == (
        0,
        255,
    )
    X = np.stack([np.zeros((4, 4)), np.full((4, 4), 3.0)])
    assert {image.get_clim() for image in ImageGridDisplay(X).plot().images_} == {(0, 3)}
    X[0, 0, 0] = np.nan
    assert ImageGridDisplay(X).plot().images_[0].get_clim() == (0, 3)


def test_no_mistakes_a_friendly_empty_figure():
    display = ImageGridDisplay.from_predictions(np.zeros((1500, 16)), *[np.ones(1500)] * 2)
    assert display.images_ == []
    assert display.text_.get_text() == "No mistakes among 1,500 samples."
    assert display.figure_ is display.axes_[0].figure


def test_grid_is_about_square_and_columns_can_be_set():
    X = np.zeros((10, 4, 4))
    assert len(ImageGridDisplay(X).plot().figure_.axes) == 4 * 3
    display = ImageGridDisplay(X).plot(n_columns=5)
    assert len(display.figure_.axes) == 10
    assert display.axes_.shape == (10,)


def test_grid_in_given_axes():
    X = np.zeros((3, 4, 4))
    figure, ax = plt.subplots()
    divided = ImageGridDisplay(X, titles=["a", "b", "c"]).plot(ax)
    assert divided.figure_ is figure
    assert all(axes in ax.child_axes for axes in divided.axes_)
    figure, axes = plt.subplots(2, 2)
    several = ImageGridDisplay(X).plot(axes)
    assert several.axes_.tolist() == axes.ravel()[:3].tolist()
    assert not axes[1, 1].axison
    figure, ax = plt.subplots()
    assert ImageGridDisplay(X[:1]).plot(ax).axes_.tolist() == [ax]
    assert ImageGridDisplay(X[:0]).plot(ax).text_.axes is ax


def test_titles_are_no_mathematics():
    display = ImageGridDisplay(np.zeros((1, 4, 4)), titles=[r"$\notacommand{$"]).plot()
    display.figure_.canvas.draw()
    assert display.axes_[0].get_title() == r"$\notacommand{$"


def test_keywords_reach_matplotlib():
    display = ImageGridDisplay(np.zeros((1, 4, 4)), titles=["a"]).plot(
        cmap="gray_r", im_kw={"vmax": 9}, text_kw={"fontsize": 20}
    )
    assert display.images_[0].get_cmap().name == "gray_r"
    assert display.images_[0].get_clim()[1] == 9
    assert display.axes_[0].title.get_fontsize() == 20


X4 = np.zeros((4, 4, 4))


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: (X4, [0] * 3, [0] * 4), ValueError, "y_true must have one value .* 4 .* got 3"),
        (lambda: (X4, [0] * 4, [0] * 5), ValueError, "y_pred must have one value .* got 5"),
        (lambda: (X4[:0], [], []), ValueError, "X must hold at least one sample; got 0"),
        (
            lambda: (X4, ["0"] * 4, [1] * 4),
            ValueError,
            "such as 1; got strings such as '0'",
        ),
        (lambda: (X4, [1, None, 2, 3], [1] * 4), ValueError, "y_true .* got missing values"),
        (lambda: (np.zeros((1, 99)), [0], [1]), ValueError, "99 pixels .* Pass image_shape"),
        (lambda: (np.full((1, 4), "a"), [0], [1]), TypeError, "X must hold numbers"),
        (lambda: (np.zeros((1, 4, 4, 2)), [0], [1]), ValueError, "channels last"),
    ],
)
def test_bad_input_error_says_what_is_allowed(call, kind, words):
    with pytest.raises(kind, match=words):
        ImageGridDisplay.from_predictions(*call())


@pytest.mark.parametrize(
    ("keywords", "kind", "words"),
    [
        ({"which": "wrong"}, ValueError, "'mistakes', 'correct', 'rejected' or 'all'; got 'wrong'"),
        ({"n_images": 0}, ValueError, "n_images must be a whole number from 1 up; got 0"),
        ({"n_images": 2.5}, TypeError, "n_images must be a whole number from 1 up; got 2.5"),
        ({"n_columns": 0}, ValueError, "n_columns must be a whole number from 1 up; got 0"),
        ({"confidence": [1.0]}, ValueError, "confidence must have one value .* got 1"),
        ({"image_shape": (3, 3)}, ValueError, "image_shape"),
    ],
)
def test_bad_keyword_error_says_what_is_allowed(keywords, kind, words):
    with pytest.raises(kind, match=words):
        ImageGridDisplay.from_predictions(X4, [0] * 4, [1] * 4, **keywords)


def test_too_few_axes_or_titles_value_error():
    with pytest.raises(ValueError, match="each of the 4 images; got 2"):
        ImageGridDisplay(X4).plot(plt.subplots(1, 2)[1])
    with pytest.raises(ValueError, match="one title for each of the 4 images; got 1"):
        ImageGridDisplay(X4, titles=["a"]).plot()


def test_unfitted_estimator_not_fitted_error():
    with pytest.raises(NotFittedError):
        ImageGridDisplay.from_estimator(LogisticRegression(), X4.reshape(4, -1), [0, 1, 0, 1])
