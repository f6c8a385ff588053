"""Public functions and methods with arguments of every kind: an answer, or an error in words.

In CI a few thousand calls, the same each time. ``FUZZ_PROFILE=long`` makes thirty times as many,
others each time.
"""

import itertools
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from arguments import SIDE, N, images, labels, weights
from contract import attempt, check_finite, check_probabilities
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

import mnist_estimator as me

LONG = os.environ.get("FUZZ_PROFILE") == "long"


def calls(number):
    """Return the settings of a test: so many calls in CI."""
    return settings(
        max_examples=30 * number if LONG else number, derandomize=not LONG, database=None,
        deadline=None, suppress_health_check=list(HealthCheck), print_blob=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def data():
    """Return images and labels of two classes."""
    generator = np.random.default_rng(0)
    return generator.integers(0, 256, (N, SIDE * SIDE), dtype=np.uint8), np.arange(N) % 2


@pytest.fixture(scope="module")
def pipe(data):
    """Return a pipeline with as small a network as there is; tests must not change it."""
    return me.make_pipeline(filters=(2,), kernel_size=1, epochs=1, random_state=0).fit(*data)


@pytest.fixture(scope="module")
def reader():
    """Return a classifier of 28×28 pixels that needs no network."""
    X = np.random.default_rng(0).integers(0, 256, (20, 784))
    return LogisticRegression(max_iter=10, tol=1.0).fit(X, np.arange(20) % 2)


@calls(250)
@given(X=images())
def test_predictions(pipe, X):
    for fitted in (pipe, pipe[-1]):
        labels = attempt(lambda fitted=fitted: fitted.predict(X))
        assert labels is None or set(labels.tolist()) <= {0, 1}
        check_probabilities(attempt(lambda fitted=fitted: fitted.predict_proba(X)))


@calls(250)
@given(X=images(), other=images())
def test_scaling(pipe, X, other):
    check_finite(attempt(lambda: pipe[0].transform(X)))
    check_finite(attempt(lambda: pipe[0].inverse_transform(X)))
    scaler = attempt(lambda: me.ImageScaler().fit(X))
    if scaler is not None:
        scaled = attempt(lambda: scaler.transform(X))
        check_finite(scaled)
        assert scaled.min() >= 0
        assert scaled.max() <= 1
        check_finite(attempt(lambda: scaler.transform(other)))
        check_finite(attempt(lambda: scaler.inverse_transform(scaled)))
        check_finite(attempt(lambda: scaler.inverse_transform(other)))


@calls(100)
@given(X=images(), other=images())
def test_digits_brought_to_the_format_of_mnist(X, other):
    normalizer = attempt(lambda: me.DigitNormalizer(dtype="float32").fit(X))
    if normalizer is not None:
        for given_images in (X, other):
            rows = attempt(lambda given_images=given_images: normalizer.transform(given_images))
            check_finite(rows)
            assert rows is None or (rows.min() >= 0 and rows.max() <= 1)


@calls(60)
@given(X=images(), y=labels(), sample_weight=weights())
def test_fits(pipe, data, X, y, sample_weight):
    for arguments in ((X, data[1], None), (data[0], y, None), (data[0], data[1], sample_weight)):
        fresh = clone(pipe)
        fitted = attempt(
            lambda fresh=fresh, arguments=arguments: fresh.fit(
                *arguments[:2], cnn__sample_weight=arguments[2]
            )
        )
        if fitted is not None:
            check_finite(fitted[-1].history_["loss"])
            given_images = arguments[0]
            check_probabilities(
                attempt(lambda fitted=fitted, X=given_images: fitted.predict_proba(X))
            )


@calls(40)
@given(X=images(), y=labels(), sample_weight=weights())
def test_partial_fits(pipe, data, X, y, sample_weight):
    scaled = pipe[0].transform(data[0])
    for arguments in ((X, data[1], None), (scaled, y, None), (scaled, data[1], sample_weight)):
        fresh = clone(pipe[-1])
        fitted = attempt(
            lambda fresh=fresh, arguments=arguments: fresh.partial_fit(
                *arguments[:2], classes=[0, 1], sample_weight=arguments[2]
            )
        )
        if fitted is not None:
            check_probabilities(attempt(lambda f=fitted: f.predict_proba(scaled)))
    attempt(lambda: clone(pipe[-1]).partial_fit(scaled, data[1], classes=y))


@calls(120)
@given(X=images(), y=labels(), sample_weight=weights())
def test_what_judges_predictions(pipe, data, X, y, sample_weight):
    for arguments in ((X, data[1]), (data[0], y)):
        report = attempt(lambda arguments=arguments: me.evaluate(pipe, *arguments))
        if report is not None:
            assert str(report)
            check_finite([report.accuracy, report.log_loss, report.ece])
            assert report.to_dict()
        attempt(lambda arguments=arguments: me.find_label_errors(pipe, *arguments, cv="prefit"))
        check_finite(attempt(lambda arguments=arguments: pipe.score(*arguments)))
    check_finite(attempt(lambda: pipe.score(*data, sample_weight=sample_weight)))


@calls(25)
@given(X=images(), y=labels())
def test_displays(pipe, data, X, y):
    displays = (me.ReliabilityDisplay, me.CoverageAccuracyDisplay, me.ImageGridDisplay)
    try:
        for display, arguments in itertools.product(displays, ((X, data[1]), (data[0], y))):
            attempt(lambda d=display, arguments=arguments: d.from_estimator(pipe, *arguments))
        attempt(lambda: me.OcclusionDisplay.from_estimator(pipe, X, patch_size=4))
    finally:
        plt.close("all")


@calls(25)
@given(X=images(), y=labels())
def test_other_estimators(pipe, data, X, y, tmp_path_factory):
    if getattr(X, "nbytes", 0) > 10**9:  # joblib makes a copy for its hash
        X = data[0]
    for arguments in ((X, data[1]), (data[0], y)):
        for estimator in (
            me.RejectingClassifier(pipe, cv="prefit"),
            me.CachedClassifier(clone(pipe), None),
        ):
            fitted = attempt(lambda e=estimator, arguments=arguments: e.fit(*arguments))
            if fitted is not None:
                attempt(lambda fitted=fitted: fitted.predict(X))
    detector = attempt(lambda: me.NoveltyDetector(pipe, n_neighbors=2, random_state=0).fit(X))
    if detector is not None:
        check_finite(attempt(lambda: detector.score_samples(X)))


@calls(60)
@given(
    image=images(st.sampled_from([(40, 30), (40, 30, 3), (40, 30, 4), (28, 28), (1, 1), (0, 3)]))
)
def test_pictures(reader, image):
    found = attempt(lambda: me.find_digits(image))
    assert found is None or found.images.shape[1:] == (28, 28)
    attempt(lambda: me.recognize(reader, image))


@calls(25)
@given(X=images(), y=labels())
def test_export(pipe, data, X, y, tmp_path_factory):
    pytest.importorskip("onnx")
    path = tmp_path_factory.mktemp("export") / "digits.onnx"
    attempt(lambda: me.to_onnx(pipe, path, X))
    fitted = attempt(lambda: clone(pipe).fit(data[0], y))
    if fitted is not None:
        written = attempt(lambda: me.to_onnx(fitted, path))
        assert written is None or Path(written).stat().st_size > 0
        saved = path.with_suffix(".pipeline")
        attempt(lambda: me.save(fitted, saved))
        if saved.exists():
            again = me.load(saved)
            np.testing.assert_array_equal(again.predict(data[0]), fitted.predict(data[0]))


ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.binary(),
    st.sampled_from(["/", ".", "\0", "a" * 5000, "/dev/null", ["x"], {}, np.array(3), Path("no")]),
)  # fmt: skip


@calls(60)
@given(value=ODD)
def test_paths_and_names(pipe, value, tmp_path_factory, data):
    place = tmp_path_factory.mktemp("names")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        attempt(lambda: me.load(value))
        attempt(lambda: me.save(pipe, value))
        attempt(lambda: me.save(value, place / "x.pipeline"))
        attempt(lambda: me.to_onnx(pipe, value))
        attempt(lambda: me.find_digits(value))
        attempt(lambda: me.load_mnist("test", source=value))
        attempt(lambda: me.load_mnist(value))
        attempt(lambda: me.make_pipeline(value))
        attempt(lambda: me.evaluate(value, *data))
