"""The novelty detector: its distances by hand, and what it takes for none of its kind."""

import math

import keras
import numpy as np
import pytest
import scipy.special
from sklearn.base import clone, is_outlier_detector
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression

from mnist_estimator import NoveltyDetector, RejectingClassifier
from mnist_estimator.uncertainty._novelty import network_features


@pytest.fixture(scope="module")
def detector(fitted, digits):
    return NoveltyDetector(fitted, random_state=0).fit(digits[0][:400])


def logits_of(clf, X, features, first):
    """Go on from features by the layers from the given one to the last."""
    layers = clf.model_.layers
    shape = layers[first].input.shape[1:]
    outputs = features.reshape(-1, *shape)
    for layer in layers[first:]:
        outputs = layer(outputs)
    return np.asarray(outputs)


@pytest.mark.parametrize(("filters", "first"), [((8, 16), "conv2_1"), ((8,), "logits")])
def test_features_are_what_the_last_convolution_takes(small, digits, filters, first):
    """The output of the only one, if there are not two; the rest of the network goes on from it."""
    X, y = digits
    clf = small(filters=filters, epochs=1).fit(X, y)
    features = network_features(clf, X[:50])
    names = [layer.name for layer in clf.model_.layers]
    logits = logits_of(clf, X, features, names.index(first))
    expected = scipy.special.softmax(logits, axis=1)
    assert np.allclose(clf.predict_proba(X[:50]), expected, atol=1e-5)
    assert features.min() >= 0


def test_features_of_an_ensemble_are_those_of_its_first_member(small, digits):
    X, y = digits
    clf = small(epochs=1, ensemble_size=2).fit(X, y)
    member = clf.model_.get_layer("member1")
    standardized = clf.model_.get_layer("standardize")(X[:50].reshape(-1, 8, 8, 1))
    inner = keras.Model(member.inputs, member.get_layer("conv2_1").input)
    features = np.asarray(inner(standardized)).reshape(50, -1)
    assert np.allclose(network_features(clf, X[:50]), features, atol=1e-5)


def test_features_of_large_images_are_averaged(small):
    X = np.random.default_rng(0).normal(size=(40, 44, 40))
    clf = small(epochs=1).fit(X, np.arange(40) % 2)
    features = network_features(clf, X)
    maps = clf.model_.get_layer("conv2_1").input.shape[1:]
    assert min(maps[:2]) > 8
    sides = [math.ceil(side / math.ceil(side / 8)) for side in maps[:2]]
    assert features.shape == (40, math.prod(sides) * maps[2])


def test_score_is_the_distance_to_the_fifth_neighbour(fitted, digits, detector):
    X = digits[0]

    def directions(X):
        features = network_features(fitted, X)
        return features / np.linalg.norm(features, axis=1, keepdims=True)

    similar = np.sort(directions(X[400:]) @ directions(X[:400]).T, axis=1)[:, -5]
    assert np.allclose(detector.score_samples(X[400:]), similar - 1, atol=1e-5)
    decision = detector.decision_function(X[400:])
    assert np.allclose(decision, detector.score_samples(X[400:]) - detector.offset_)
    assert np.array_equal(detector.predict(X[400:]), np.where(decision < 0, -1, 1))


def test_contamination_is_the_share_of_outliers_among_those_known(fitted, digits):
    X = digits[0]
    detector = NoveltyDetector(fitted, contamination=0.1, n_neighbors=1).fit(X)
    features = network_features(fitted, X)
    directions = features / np.linalg.norm(features, axis=1, keepdims=True)
    similar = directions @ directions.T
    np.fill_diagonal(similar, -1)
    assert (similar.max(axis=1) - 1 < detector.offset_).mean() == pytest.approx(0.1, abs=0.005)


@pytest.mark.slow
def test_noise_and_inverted_digits_are_outliers(small, digits, detector):
    X = digits[0]
    noise = np.random.default_rng(0).integers(0, 17, (200, 64)).astype(float)
    shares = [  # of other writers, and 400 are few: networks differ
        (NoveltyDetector(network, random_state=0).fit(X[:400]).predict(X[400:]) == -1).mean()
        for network in (small(epochs=24, random_state=seed).fit(*digits) for seed in range(3))
    ]
    assert np.mean(shares) < 0.2
    assert (detector.predict(noise) == -1).mean() > 0.9
    assert (detector.predict(16 - X) == -1).mean() > 0.9
    assert is_outlier_detector(detector)


def test_pipeline_and_search_are_taken_apart(quick_pipeline, digits):
    X, y = digits
    pipe = quick_pipeline().fit(X, y)
    features = network_features(pipe, X[:20])
    expected = network_features(pipe[-1], pipe[0].transform(X[:20]))
    assert np.array_equal(features, expected)
    detector = NoveltyDetector(pipe).fit(X)
    assert detector.n_features_in_ == 64
    assert detector.score_samples(X[:3].reshape(3, 8, 8)).shape == (3,)


def test_rejecting_classifier_passes_its_own_network(quick, digits):
    X, y = digits
    model = RejectingClassifier(
        quick(), error_rate=0.2, outlier_detector=NoveltyDetector(), cv=0.4, random_state=0
    ).fit(X, y)
    assert model.outlier_detector_.classifier is model.estimator_
    assert model.outlier_detector.classifier is None
    noise = np.random.default_rng(0).integers(0, 17, (200, 64)).astype(float)
    outliers = model.outlier_detector_.predict(noise) == -1
    assert outliers.mean() > 0.5
    assert not model.accepts(noise)[outliers].any()
    assert model.accepts(X).mean() > 0.2


def test_remembers_as_many_as_it_may_and_repeats(fitted, digits):
    X = digits[0]
    detectors = [NoveltyDetector(fitted, max_samples=100, random_state=3).fit(X) for _ in "ab"]
    assert detectors[0].offset_ == detectors[1].offset_
    assert detectors[0]._neighbors.n_samples_fit_ == 100


def test_errors(fitted, digits, small):
    X, y = digits
    with pytest.raises(TypeError, match=r"must be a fitted CNNClassifier, .* got NoneType"):
        NoveltyDetector().fit(X)
    with pytest.raises(TypeError, match="got LogisticRegression"):
        NoveltyDetector(LogisticRegression(tol=1e-1).fit(X[:50], y[:50])).fit(X)
    with pytest.raises(NotFittedError):
        NoveltyDetector(small()).fit(X)
    with pytest.raises(NotFittedError):
        NoveltyDetector(fitted).predict(X)
    with pytest.raises(ValueError, match="more images than n_neighbors=5; got 5"):
        NoveltyDetector(fitted).fit(X[:5])
    with pytest.raises(ValueError, match="'contamination' parameter"):
        NoveltyDetector(fitted, contamination=0.7).fit(X)
    assert clone(NoveltyDetector(n_neighbors=2)).n_neighbors == 2
