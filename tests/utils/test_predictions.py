"""Labels and probabilities of any classifier, with as few calls of it as its kind allows."""

from collections import Counter

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from mnist_estimator import (
    CachedClassifier,
    CNNClassifier,
    CoverageAccuracyDisplay,
    ImageGridDisplay,
    ImageScaler,
    OcclusionDisplay,
    RejectingClassifier,
    ReliabilityDisplay,
    evaluate,
    find_label_errors,
    recognize,
)
from mnist_estimator.evaluation import occlusion_map
from mnist_estimator.utils._predictions import predict

N_SAMPLES = 60


@pytest.fixture(scope="module")
def images():
    generator = np.random.default_rng(0)
    X = generator.integers(0, 256, (N_SAMPLES, 784)).astype(np.uint8)
    y = np.arange(N_SAMPLES) % 2
    X[y == 1, :392] //= 4
    return X, y


@pytest.fixture(scope="module")
def pipe(images):
    network = CNNClassifier(filters=(4,), epochs=1, random_state=0)
    return Pipeline([("scale", ImageScaler()), ("cnn", network)]).fit(*images)


@pytest.fixture
def calls(monkeypatch):
    """Count the images that the network is given, by the number in a call."""
    counts = Counter()
    network_proba = CNNClassifier.predict_proba

    def predict_proba(self, X):
        counts[len(X)] += 1
        return network_proba(self, X)

    monkeypatch.setattr(CNNClassifier, "predict_proba", predict_proba)
    return counts


def rejecting(pipe, images):
    return RejectingClassifier(FrozenEstimator(pipe), cv="prefit", error_rate=0.4).fit(*images)


WRAPPED = {
    "pipeline": lambda pipe, images: pipe,
    "frozen": lambda pipe, images: FrozenEstimator(pipe),
    "search": lambda pipe, images: GridSearchCV(
        pipe, {"cnn__dropout": [0.1]}, cv=2, error_score="raise"
    ).fit(*images),
    "cached": lambda pipe, images: CachedClassifier(pipe, None).fit(*images),
    "calibrated": lambda pipe, images: CalibratedClassifierCV(FrozenEstimator(pipe), cv=2).fit(
        *images
    ),
    "rejecting": rejecting,
    "rejecting in a pipeline": lambda pipe, images: Pipeline(
        [("same", "passthrough"), ("rejecting", rejecting(pipe, images))]
    ),
    "cached rejecting": lambda pipe, images: CachedClassifier(
        RejectingClassifier(FrozenEstimator(pipe), cv="prefit", error_rate=0.4, random_state=0),
        None,
    ).fit(*images),
}


@pytest.fixture(params=WRAPPED)
def model(request, pipe, images):
    return WRAPPED[request.param](pipe, images)


def test_evaluate_runs_the_network_once(model, images, calls):
    calls.clear()
    report = evaluate(model, *images)
    assert calls == {N_SAMPLES: 1}
    assert_array_equal(report.y_pred, model.predict(images[0]))
    assert_array_equal(report.proba, model.predict_proba(images[0]))


@pytest.mark.parametrize("display", [ReliabilityDisplay, CoverageAccuracyDisplay, ImageGridDisplay])
def test_displays_run_the_network_once(display, model, images, calls):
    calls.clear()
    display.from_estimator(model, *images)
    assert calls == {N_SAMPLES: 1}


def test_an_occlusion_map_runs_the_network_once_on_the_uncovered_image(pipe, images, calls):
    OcclusionDisplay.from_estimator(pipe, images[0][0])
    assert calls[1] == 1
    calls.clear()
    occlusion_map(pipe, images[0][0], label=1)
    assert calls[1] == 1


def test_occlusion_maps_of_a_report_use_its_probabilities(pipe, images, calls):
    X, y = images
    report = evaluate(pipe, X, 1 - y, n_occlusion_maps=2)
    assert len(report.occlusion_maps) == 2
    assert calls[N_SAMPLES] == 1
    assert calls[1] == 0
    for row, found in report.occlusion_maps.items():
        expected = occlusion_map(pipe, X[row], label=report.y_pred[row])
        assert_allclose(found, expected, atol=1e-6)  # batches differ by rounding errors


def test_label_errors_run_the_network_once(pipe, images, calls):
    find_label_errors(pipe, *images, cv="prefit")
    assert calls == {N_SAMPLES: 1}


def test_recognition_runs_the_network_once_where_no_digits_touch(pipe, calls):
    page = np.full((100, 200), 255, dtype=np.uint8)
    page[30:70, 50:55] = page[30:70, 120:125] = 0
    assert len(recognize(pipe, page)) == 2
    assert calls == {2: 1}


def test_the_score_is_that_of_the_reject_option(pipe, images):
    model = rejecting(pipe, images)
    assert_array_equal(predict(model, images[0]).score, model.score_samples(images[0]))


@pytest.mark.parametrize("method", ["predict", "predict_proba"])
def test_a_method_of_a_subclass_is_called(method, images):
    X, y = images

    class Inverted(RejectingClassifier):
        pass

    def changed(self, X):
        found = getattr(RejectingClassifier, method)(self, X)
        return 1 - found if method == "predict_proba" else np.where(found == 0, 1, found)

    setattr(Inverted, method, changed)
    model = Inverted(LogisticRegression(max_iter=10_000), cv=2, error_rate=0.9).fit(X / 255, y)
    predictions = predict(model, X / 255)
    assert_array_equal(predictions.y_pred, model.predict(X / 255))
    assert_array_equal(predictions.proba, model.predict_proba(X / 255))


def test_the_steps_of_a_pipeline_around_a_reject_option_transform(images):
    X, y = images
    model = Pipeline(
        [
            ("scale", StandardScaler()),
            ("rejecting", RejectingClassifier(LogisticRegression(), cv=2, error_rate=0.9)),
        ]
    ).fit(X.astype(float), y)
    predictions = predict(model, X.astype(float))
    assert_array_equal(predictions.y_pred, model.predict(X.astype(float)))
    assert_array_equal(predictions.proba, model.predict_proba(X.astype(float)))
