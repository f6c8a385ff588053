"""The pipeline in other people's hands."""

import pickle

import numpy as np
import pytest
import sklearn
from joblib import parallel_config
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.metrics import classification_report
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import Pipeline
from sklearn.utils import estimator_html_repr

from mnist_estimator import CNNClassifier, ImageScaler, make_pipeline
from mnist_estimator.pipeline import PRESETS
from mnist_estimator.utils._tensorflow_process import n_threads

GRID = {"cnn__learning_rate": [1e-5, 0.01], "cnn__dropout": [0.2]}


def test_is_a_plain_pipeline():
    pipe = make_pipeline(epochs=2, image_shape=(4, 4), verbose=True)
    assert type(pipe) is Pipeline
    assert [type(step) for _, step in pipe.steps] == [ImageScaler, CNNClassifier]
    assert list(pipe.named_steps) == ["scale", "cnn"]
    assert pipe.get_params()["cnn__epochs"] == 2
    assert pipe.get_params()["scale__image_shape"] == (4, 4)
    assert pipe.get_params()["cnn__image_shape"] == (4, 4)
    assert pipe.verbose is True


def test_workflow(small_pipeline, digits):
    X, y = digits
    X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
    pipe = small_pipeline().fit(X_train, y_train)
    report = classification_report(y_test, pipe.predict(X_test), output_dict=True)
    assert report["accuracy"] > 0.75
    assert_array_equal(pipe.classes_, np.arange(10))
    restored = pickle.loads(pickle.dumps(pipe))
    assert_array_equal(restored.predict_proba(X_test), pipe.predict_proba(X_test))
    assert not hasattr(clone(pipe)[-1], "model_")
    assert "CNNClassifier" in estimator_html_repr(pipe)


def test_grid_search_finds_the_same_with_one_and_two_processes(small_pipeline, digits):
    X, y = digits
    pipe = small_pipeline(epochs=4)
    with parallel_config("loky", inner_max_num_threads=n_threads()):  # as many as here
        searches = [
            GridSearchCV(pipe, GRID, cv=3, n_jobs=n_jobs, error_score="raise").fit(X, y)
            for n_jobs in (1, 2)
        ]
    assert searches[0].best_params_ == searches[1].best_params_
    assert searches[0].best_params_["cnn__learning_rate"] == 0.01
    assert_array_equal(
        searches[0].cv_results_["mean_test_score"], searches[1].cv_results_["mean_test_score"]
    )
    assert searches[0].best_score_ > 0.5


def test_fits_with_joblib_memory(small_pipeline, digits, tmp_path):
    X, y = digits
    pipe = small_pipeline(epochs=1, memory=str(tmp_path))
    assert_array_equal(pipe.fit(X, y).predict(X), pipe.fit(X, y).predict(X))
    assert any(tmp_path.iterdir())


def test_validation_data_are_scaled_under_metadata_routing(digits):
    X, y = digits
    X = (X * 15).astype(np.uint8)
    with sklearn.config_context(enable_metadata_routing=True):
        pipe = make_pipeline(filters=(8, 16), kernel_size=3, epochs=2, random_state=0)
        pipe[-1].set_fit_request(X_val=True, y_val=True)
        pipe.fit(X[:400], y[:400], X_val=X[400:], y_val=y[400:])
    by_hand = clone(pipe[-1])
    scaled = ImageScaler().fit(X[:400]).transform(X)
    by_hand.fit(scaled[:400], y[:400], X_val=scaled[400:], y_val=y[400:])
    assert pipe[-1].history_ == by_hand.history_


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_set_output(small_pipeline, digits):
    X, y = digits
    pipe = small_pipeline(epochs=1).set_output(transform="pandas").fit(X, y)
    assert_array_equal(pipe.predict(X), small_pipeline(epochs=1).fit(X, y).predict(X))


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_frames_in_between_keep_the_image_shape(small_pipeline, digits):
    X, y = digits
    pipe = small_pipeline(epochs=1, image_shape=(4, 16)).set_output(transform="pandas").fit(X, y)
    assert pipe[-1].image_shape_ == pipe[0].image_shape_ == (4, 16, 1)


@pytest.mark.parametrize("preset", ["fast", "balanced", "accurate"])
def test_presets_are_ordinary_parameters(preset):
    params = make_pipeline(preset, random_state=1)[-1].get_params()
    defaults = CNNClassifier(random_state=1).get_params()
    assert {name for name in params if params[name] != defaults[name]} == set(PRESETS[preset])
    assert make_pipeline(preset, epochs=1)[-1].epochs == 1


def test_presets_stay_as_they_are_when_parameters_are_changed():
    augmentation = make_pipeline("accurate")[-1].augmentation
    augmentation["rotation"] = 90.0
    assert make_pipeline("accurate")[-1].augmentation["rotation"] == 20.0


def test_balanced_is_the_default():
    assert repr(make_pipeline()) == repr(make_pipeline("balanced"))
    assert make_pipeline()[-1].get_params() == CNNClassifier().get_params()
