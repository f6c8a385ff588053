"""The occlusion map: against covering pixel by pixel, and where a classifier truly looks."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from mnist_estimator import OcclusionDisplay
from mnist_estimator.evaluation import occlusion_map
from mnist_estimator.evaluation._plot._occlusion_display import overlay


class Looks(ClassifierMixin, BaseEstimator):
    """Says "yes" as surely as one pixel is bright, whatever the form of the images."""

    def __init__(self, at=(0, 0)):
        self.at = at

    def fit(self, X, y=None):
        self.classes_ = np.array(["no", "yes"])
        return self

    def predict_proba(self, X):
        bright = np.asarray(X).reshape(len(X), 6, 8, -1)[:, self.at[0], self.at[1]].mean(axis=-1)
        return np.column_stack([1 - bright, bright])

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


@pytest.fixture
def image():
    image = np.zeros((6, 8))
    image[2, 5] = 0.9
    return image


@pytest.fixture
def model():
    return Looks((2, 5)).fit(None)


def test_patch_of_one_pixel_the_pixel_looked_at(image, model):
    found = occlusion_map(model, image, patch_size=1)
    expected = np.zeros((6, 8))
    expected[2, 5] = 0.9
    assert np.allclose(found, expected)


@pytest.mark.parametrize("patch_size", [2, 3, 6])
def test_map_equals_covering_one_by_one(patch_size):
    generator = np.random.default_rng(0)
    X, y = generator.random((40, 48)), np.arange(40) % 3
    model = LogisticRegression().fit(X, y)
    image, label = X[0].reshape(6, 8), model.predict(X[:1])[0]
    total, times = np.zeros((6, 8)), np.zeros((6, 8))
    for top in range(1 - patch_size, 6):
        for left in range(1 - patch_size, 8):
            inside = np.zeros((6, 8), bool)
            inside[max(0, top) : top + patch_size, max(0, left) : left + patch_size] = True
            covered = np.where(inside, np.median(image), image).reshape(1, -1)
            fall = (model.predict_proba(X[:1]) - model.predict_proba(covered))[0, label]
            total[inside] += fall
            times[inside] += 1
    found = occlusion_map(model, X[0], patch_size=patch_size, image_shape=(6, 8))
    assert np.allclose(found, total / times)


def test_map_of_another_label_has_the_other_sign(image, model):
    yes, no = (occlusion_map(model, image, label=label) for label in ("yes", "no"))
    assert np.allclose(yes, -no)
    assert np.allclose(yes, occlusion_map(model, image))


@pytest.mark.parametrize("form", ["flat", "frame", "colour", "bytes"])
def test_images_in_every_form(image, model, form):
    expected = occlusion_map(model, image, patch_size=2)
    if form == "flat":
        found = occlusion_map(model, image.ravel(), patch_size=2, image_shape=(6, 8))
    elif form == "frame":
        frame = pd.DataFrame(image.reshape(1, -1)).add_prefix("p")
        found = occlusion_map(model, frame, patch_size=2, image_shape=(6, 8))
    elif form == "colour":
        found = occlusion_map(model, np.stack([image] * 3, axis=-1), patch_size=2)
    else:
        found = occlusion_map(model, (image > 0).astype(np.uint8), patch_size=2) * 0.9
    assert np.allclose(found, expected)


def test_shape_learned_by_the_estimator_is_used(image, model):
    model.image_shape_ = (6, 8, 1)
    assert occlusion_map(model, image.ravel()).shape == (6, 8)
    display = OcclusionDisplay.from_estimator(model, image.ravel())
    assert np.array_equal(display.image, image)


def test_network(fitted, digits):
    found = occlusion_map(fitted, digits[0][0])
    assert found.shape == (8, 8)
    assert -1 <= found.min() < found.max() <= 1


def test_display_draws_image_and_map(image, model):
    figure, ax = plt.subplots()
    display = OcclusionDisplay.from_estimator(model, image, patch_size=1, ax=ax)
    assert display.ax_ is ax
    assert display.figure_ is figure
    assert np.allclose(display.map_.get_array(), occlusion_map(model, image, patch_size=1))
    assert np.allclose(display.image_.get_array(), image / 0.9)
    assert ax.get_title() == "evidence for yes"
    assert OcclusionDisplay(image, image).plot().ax_.get_title() == ""


def test_overlay_is_red_for_and_blue_against():
    importance = np.array([[1.0, -1.0, 0.0]])
    red, blue, none = overlay(np.full((1, 3), 0.5), importance)[0]
    assert red[0] > red[2]
    assert blue[2] > blue[0]
    assert np.allclose(none, 0.5)
    assert np.allclose(overlay(np.full((1, 3), 0.5), np.zeros((1, 3))), 0.5)


def test_errors(image, model):
    with pytest.raises(ValueError, match=r"label must be one of \['no', 'yes'\]; got 'maybe'"):
        occlusion_map(model, image, label="maybe")
    with pytest.raises(ValueError, match="patch_size must be a whole number from 1 to 6; got 7"):
        occlusion_map(model, image, patch_size=7)
    with pytest.raises(ValueError, match="image must be one image; got 2"):
        occlusion_map(model, pd.DataFrame(np.zeros((2, 48))))
    X = np.random.default_rng(0).random((8, 4))
    without = LinearSVC().fit(X, [0, 1] * 4)
    with pytest.raises(TypeError, match="must have predict_proba; got LinearSVC"):
        occlusion_map(without, X[0])
    with pytest.raises(ValueError, match=r"one value for each of the \(6, 8\) pixels"):
        OcclusionDisplay(image, np.zeros((3, 3))).plot()
