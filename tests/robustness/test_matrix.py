"""Every estimator with every function: the right answer, or an error that is listed here."""

import copy
import pickle
from pathlib import Path

import joblib
import matplotlib

matplotlib.use("agg")

import numpy as np
import pandas as pd
import pytest
import skops.io
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, StratifiedKFold, TunedThresholdClassifierCV
from sklearn.pipeline import Pipeline

import mnist_estimator
from mnist_estimator import (
    CachedClassifier,
    CNNClassifier,
    CoverageAccuracyDisplay,
    DigitNormalizer,
    ImageGridDisplay,
    NoveltyDetector,
    OcclusionDisplay,
    RejectingClassifier,
    ReliabilityDisplay,
    TrainingHistoryDisplay,
    evaluate,
    find_label_errors,
    load,
    load_mnist,
    load_predictor,
    make_pipeline,
    model_card,
    read_info,
    recognize,
    save,
    to_onnx,
)
from mnist_estimator.evaluation import occlusion_map
from mnist_estimator.evaluation._label_errors import suspect_labels

pytestmark = [
    # In folds of eighty samples nothing may be provable.
    pytest.mark.filterwarnings("ignore:No threshold keeps the error rate:UserWarning"),
    # joblib says so where half a second passes, as on a busy machine.
    pytest.mark.filterwarnings("ignore:Persisting input arguments took:UserWarning"),
]

NETWORK = {
    "filters": (8,), "kernel_size": 3, "epochs": 6, "learning_rate": 0.01, "batch_size": 16,
    "random_state": 0,
}  # fmt: skip

ESTIMATORS = {
    "ImageScaler": lambda pipe, folder: pipe[0],
    "DigitNormalizer": lambda pipe, folder: DigitNormalizer(),
    "CNNClassifier": lambda pipe, folder: CNNClassifier(**NETWORK),
    "make_pipeline": lambda pipe, folder: pipe,
    "CachedClassifier": lambda pipe, folder: CachedClassifier(FrozenEstimator(pipe), folder),
    "RejectingClassifier": lambda pipe, folder: rejecting(pipe),
    "NoveltyDetector": lambda pipe, folder: novelty(pipe),
    "rejects novelties": lambda pipe, folder: rejecting(
        pipe, outlier_detector=novelty(pipe), error_rate=0.2, cv=0.5, random_state=0
    ),
    "normalizes": lambda pipe, folder: Pipeline(
        [("normalize", DigitNormalizer()), ("read", clone(pipe))]
    ),
    "normalizes and rejects": lambda pipe, folder: Pipeline(
        [("normalize", DigitNormalizer()), ("read", rejecting(pipe))]
    ),
    "frozen": lambda pipe, folder: FrozenEstimator(pipe),
    "calibrated": lambda pipe, folder: CalibratedClassifierCV(
        FrozenEstimator(pipe), cv=StratifiedKFold(2)
    ),
    "voting": lambda pipe, folder: VotingClassifier(
        [
            ("one", FrozenEstimator(pipe)),
            ("other", CachedClassifier(FrozenEstimator(pipe), folder)),
        ],
        voting="soft",
    ),
    "search": lambda pipe, folder: GridSearchCV(
        rejecting(pipe), {"error_rate": [0.1, 0.12]}, cv=2
    ),
    "cached rejecting": lambda pipe, folder: CachedClassifier(
        rejecting(pipe, random_state=0), folder
    ),
    "calibrated and rejects": lambda pipe, folder: RejectingClassifier(
        CalibratedClassifierCV(FrozenEstimator(pipe), method="isotonic", cv=2),
        error_rate=0.1,
        cv=2,
    ),
    "Predictor": lambda pipe, folder: predictor(pipe, Path(folder)),
}  # fmt: skip
"""Given a fitted pipeline and a folder: estimators that are quick to fit around it."""

FITTED = ("make_pipeline", "ImageScaler", "DigitNormalizer", "frozen", "Predictor")
"""Those that need no fit of their own around the fitted pipeline."""
TRANSFORMERS = ("ImageScaler", "DigitNormalizer")
CLASSIFIERS = tuple(name for name in ESTIMATORS if name not in (*TRANSFORMERS, "NoveltyDetector"))
REJECTING = (
    "RejectingClassifier", "rejects novelties", "normalizes and rejects", "search",
    "cached rejecting", "calibrated and rejects",
)  # fmt: skip
PROBABILITIES = ("ReliabilityDisplay", "CoverageAccuracyDisplay", "occlusion_map")
PREDICTIONS = ("evaluate", "recognize", "find_label_errors", "ImageGridDisplay")

NOT_A_PIPELINE = r"pipe must be a CNNClassifier, or a Pipeline of an ImageScaler and a CNNClass"
EXPECTED_ERRORS = [
    # (estimators, functions, error, its words, reason)
    (
        TRANSFORMERS,
        (*PREDICTIONS, *PROBABILITIES),
        TypeError,
        "estimator must be a fitted classifier, an object with predict",
        "a transformer predicts nothing",
    ),
    (
        ("NoveltyDetector",),
        (*PREDICTIONS, *PROBABILITIES),
        TypeError,
        r"must be a classifier; got the outlier detector NoveltyDetector\. .*RejectingClassifier\(",
        "an outlier detector knows no digits",
    ),
    (
        (*TRANSFORMERS, "NoveltyDetector", "calibrated", "voting", "calibrated and rejects",
         "Predictor"),
        ("TrainingHistoryDisplay",),
        TypeError,
        "estimator must have history_ with 'loss' and 'accuracy'",
        "not trained in epochs, or several networks, each with a history",
    ),
    (
        (*TRANSFORMERS, "NoveltyDetector"),
        ("GridSearchCV",),
        TypeError,
        "the estimator passed should have a 'score' method",
        "scikit-learn's own rule: without labels a search needs scoring=",
    ),
    (
        ("search",),
        ("save",),
        TypeError,
        "pipe holds objects of types that are not saved: .*scor",
        "a search holds a scorer, which is a function; its best_estimator_ is saved",
    ),
    (
        ("ImageScaler", "DigitNormalizer", "NoveltyDetector", "calibrated", "voting", "Predictor"),
        ("to_onnx",),
        TypeError,
        NOT_A_PIPELINE,
        "the ONNX graph has the scaling and the network, and nothing else",
    ),
    (
        ("ImageScaler", "DigitNormalizer", "NoveltyDetector", "calibrated", "voting", "normalizes",
         "normalizes and rejects", "rejects novelties", "calibrated and rejects"),
        ("load_predictor",),
        ValueError,
        r"parts that need scikit-learn.* Use load",
        "a predictor has scaling, the network and thresholds, and nothing else",
    ),
    (
        ("search",),
        ("load_predictor",),
        TypeError,
        "pipe holds objects of types that are not saved: .*scor",
        "a search is not saved; its best_estimator_ is",
    ),
    (
        ("Predictor",),
        ("save", "load_predictor"),
        TypeError,
        r"pipe is a Predictor, .*load\(path\)",
        "a predictor is what a saved pipeline is loaded as",
    ),
    (
        ("Predictor",),
        ("clone",),
        TypeError,
        r"Predictor predicts only.*FrozenEstimator\(predictor\)",
        "its clone is itself, and is not trained",
    ),
    (
        ("Predictor",),
        ("GridSearchCV",),
        ValueError,
        r"(?s)All the 2 fits failed.*Predictor predicts only.*FrozenEstimator\(predictor\)",
        "a predictor is not trained",
    ),
    (
        ("normalizes",),
        ("to_onnx",),
        TypeError,
        rf"{NOT_A_PIPELINE}.* its step 'normalize' is of type DigitNormalizer\. .*pipe\[-1\]",
        "the normalization is no part of the ONNX graph",
    ),
    (
        REJECTING,
        ("to_onnx",),
        TypeError,
        rf"{NOT_A_PIPELINE}.*(reject in serving .* threshold_|DigitNormalizer)",
        "a graph gives labels and probabilities, and has no reject option",
    ),
    (
        ("CNNClassifier", "CachedClassifier", "RejectingClassifier", "NoveltyDetector",
         "rejects novelties", "calibrated", "search", "cached rejecting",
         "calibrated and rejects", "Predictor"),
        ("set_output",),
        AttributeError,
        "no attribute 'set_output'|set_output.* is not available",
        "scikit-learn's own rule: only transformers, and what holds them, have set_output",
    ),
    (
        ("normalizes and rejects",),
        ("set_output",),
        UserWarning,
        "X has feature names, but .* was fitted without feature names",
        "scikit-learn's own rule: what is frozen was fitted on arrays, and warns of frames",
    ),
    (
        ("frozen",),
        ("GridSearchCV",),
        AttributeError,
        "'NoneType' object has no attribute '__sklearn_tags__'",
        "scikit-learn's own fault: FrozenEstimator.set_params returns None up to 1.9",
    ),
]  # fmt: skip


def predictor(estimator, folder):
    save(estimator, folder / "model.pipeline")
    return load_predictor(folder / "model.pipeline")


def rejecting(pipe, **changed):
    parameters = {"error_rate": 0.1, "cv": 2} | changed
    return RejectingClassifier(FrozenEstimator(pipe), **parameters)


def novelty(pipe):
    return NoveltyDetector(
        FrozenEstimator(pipe), max_samples=60, contamination=0.05, random_state=0
    )


@pytest.fixture(scope="module")
def data():
    """Return images to learn from with their labels, and others."""
    X, y = load_mnist("train", return_X_y=True)
    return X[:160], y[:160], X[500:560], y[500:560]


@pytest.fixture(scope="module")
def estimators(data, tmp_path_factory):
    """Return the estimators by their names, fitted; tests must not change them."""
    X, y, *_ = data
    folder = str(tmp_path_factory.mktemp("fits"))
    pipe = make_pipeline(**NETWORK).fit(X, y)
    made = {name: make(pipe, folder) for name, make in ESTIMATORS.items()}
    return {
        name: estimator if name in FITTED else estimator.fit(X, y)
        for name, estimator in made.items()
    }


@pytest.fixture(scope="module")
def page(data):
    """Return a page with a line of six digits, dark on light.

    They are narrow: a classifier that has learned little may prefer to cut wide ones in two.
    """
    images = [x.reshape(28, 28) for x in data[2]]
    narrow = [x for x in images if np.ptp(np.nonzero(x)[1]) < 0.7 * np.ptp(np.nonzero(x)[0])]
    return np.hstack([np.pad(255 - x, 6, constant_values=255) for x in narrow[:6]])


def answers(estimator, X):
    """Return all that an estimator says of images."""
    if is_classifier(estimator):
        return [estimator.predict(X), estimator.predict_proba(X)]
    if hasattr(estimator, "transform"):
        return [np.asarray(estimator.transform(X))]
    return [estimator.predict(X), estimator.score_samples(X)]


def check_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype
        assert_array_equal(one, other)


def rejected_by(estimator, X):
    """Return which samples are rejected: none has that label, nor its probability."""
    return ~np.isin(estimator.predict(X), np.arange(10))


# What is done with each estimator


def check_copy(make):
    def check(estimator, data, tmp_path, page):
        check_same(answers(make(estimator, tmp_path), data[2]), answers(estimator, data[2]))

    return check


def by_file(estimator, folder):
    save(estimator, folder / "digits.pipeline")
    return load(folder / "digits.pipeline")


def by_joblib(estimator, folder):
    joblib.dump(estimator, folder / "digits.joblib")
    return joblib.load(folder / "digits.joblib")


def by_skops(estimator, folder):
    dumped = skops.io.dumps(estimator)
    return skops.io.loads(dumped, trusted=skops.io.get_untrusted_types(data=dumped))


def check_clone(estimator, data, tmp_path, page):
    X, y, others, _ = data
    cloned = clone(estimator)
    assert repr(cloned.get_params()) == repr(estimator.get_params())
    check_same(answers(cloned.fit(X, y), others), answers(estimator, others))


def check_set_output(estimator, data, tmp_path, page):
    X, y, others, _ = data
    framed = copy.deepcopy(estimator).set_output(transform="pandas").fit(X, y)
    if not is_classifier(estimator):
        frame = framed.transform(others)
        assert isinstance(frame, pd.DataFrame)
        assert frame.columns.tolist() == framed.get_feature_names_out().tolist()
        assert_array_equal(frame, estimator.transform(others).reshape(len(others), -1))
    else:
        check_same(answers(framed, others), answers(estimator, others))


def check_onnx(estimator, data, tmp_path, page):
    onnxruntime = pytest.importorskip("onnxruntime")
    path = to_onnx(estimator, tmp_path / "digits.onnx", data[2][:1])
    session = onnxruntime.InferenceSession(path)
    labels, proba = session.run(None, {"X": data[2]})
    assert_array_equal(labels, estimator.predict(data[2]))
    assert_allclose(proba, estimator.predict_proba(data[2]), atol=1e-5)


def check_predictor(estimator, data, tmp_path, page):
    X = data[2]
    found = predictor(estimator, tmp_path)
    assert_allclose(found.predict_proba(X), estimator.predict_proba(X), rtol=0, atol=1e-5)
    # The threshold may be the confidence of an image; rounding decides on that one.
    assert np.count_nonzero(found.predict(X) != estimator.predict(X)) <= 1


def check_evaluate(estimator, data, tmp_path, page):
    *_, X, y = data
    report = evaluate(estimator, X, y)
    predicted, proba, rejected = *answers(estimator, X), rejected_by(estimator, X)
    right, answered = predicted == y, ~rejected
    assert_array_equal(report.y_pred, predicted)
    assert report.accuracy == right[answered].mean()
    assert (report.n_rejected, report.n_answered) == (rejected.sum(), answered.sum())
    assert sorted(report.mistakes) == np.flatnonzero(answered & ~right).tolist()
    assert_array_equal(report.confidence, proba.max(axis=1))
    assert report.per_class["support"].sum() == answered.sum()
    assert report.confusion.to_numpy().sum() == len(y)
    assert np.trace(report.confusion.to_numpy()) == right.sum()
    assert f"Accuracy {100 * right[answered].mean():.2f} %" in str(report)
    page = report.to_html(tmp_path / "report.html", n_images=1).read_text(encoding="utf-8")
    if report.rejected is not None:
        share = f"{100 * rejected.mean():.2f}"
        assert f"Rejected {rejected.sum()} of {len(y)} samples ({share} %)" in str(report)
        assert f"<dt>Rejected</dt><dd>{share}" in page
        assert report.per_class["rejected"].sum() == rejected.sum()
        assert_array_equal(report.confusion["rejected"], np.bincount(y[rejected], minlength=10))
        assert report.to_dict()["n_rejected"] == rejected.sum()
    assert ('id="rejected"' in page) == rejected.any()


def check_recognize(estimator, data, tmp_path, page):
    found = recognize(estimator, page)
    rows = found.images.reshape(len(found), -1)
    labels = estimator.predict(rows)
    rejected = rejected_by(estimator, rows)
    assert len(found) == 6
    assert_array_equal(found.labels, labels)
    assert_allclose(found.probabilities, estimator.predict_proba(rows), atol=2e-6)
    text = ["?" if out else str(label) for label, out in zip(labels, rejected, strict=True)]
    assert found.texts == ["".join(text)]
    found.plot()
    drawn = [label.get_text() for label in found.labels_]
    assert [words.split()[0] for words in drawn] == text
    assert [box.get_linestyle() == ":" for box in found.boxes_] == rejected.tolist()


def check_label_errors(estimator, data, tmp_path, page):
    *_, X, y = data
    found = find_label_errors(estimator, X, y, cv="prefit")
    expected = suspect_labels(y, estimator.predict_proba(X), np.arange(10))
    pd.testing.assert_frame_equal(found, expected)


def check_grid(estimator, data, tmp_path, page):
    *_, X, y = data
    shown = {
        which: ImageGridDisplay.from_estimator(estimator, X, y, which=which, n_images=3)
        for which in ("mistakes", "correct", "rejected")
    }
    predicted, rejected = estimator.predict(X), rejected_by(estimator, X)
    wanted = {
        "mistakes": ~rejected & (predicted != y), "correct": predicted == y, "rejected": rejected,
    }  # fmt: skip
    for which, display in shown.items():
        assert len(display.indices) == min(3, wanted[which].sum())
        assert wanted[which][display.indices].all()
        titles = [axes.get_title() for axes in display.axes_ if axes.get_title()]
        assert all(("rejected" in title) == (which == "rejected") for title in titles)


def check_history(estimator, data, tmp_path, page):
    display = TrainingHistoryDisplay.from_estimator(estimator)
    assert len(display.lines_["loss"].get_xdata()) == NETWORK["epochs"]


def check_reliability(estimator, data, tmp_path, page):
    *_, X, y = data
    display = ReliabilityDisplay.from_estimator(estimator, X, y)
    proba = estimator.predict_proba(X)
    expected = ReliabilityDisplay.from_predictions(y, proba.argmax(axis=1), proba.max(axis=1))
    pd.testing.assert_frame_equal(display.table, expected.table)


def check_coverage(estimator, data, tmp_path, page):
    *_, X, y = data
    display = CoverageAccuracyDisplay.from_estimator(estimator, X, y)
    rejected, right = rejected_by(estimator, X), estimator.predict(X) == y
    assert display.table["coverage"].iloc[-1] == 1
    if hasattr(estimator, "score_samples"):
        (coverage,), (accuracy,) = display.chosen_.get_xdata(), display.chosen_.get_ydata()
        assert coverage == pytest.approx(1 - rejected.mean())
        assert accuracy == pytest.approx(right[~rejected].mean())
    else:
        assert display.chosen_ is None


def check_occlusion(estimator, data, tmp_path, page):
    X = data[2]
    display = OcclusionDisplay.from_estimator(estimator, X[0])
    rejected, label = rejected_by(estimator, X), int(estimator.predict_proba(X[:1]).argmax())
    assert_array_equal(display.importance, occlusion_map(estimator, X[0], label=label))
    assert ("(rejected)" in display.ax_.get_title()) == rejected[0]
    if rejected.any():
        row = int(rejected.argmax())
        label = int(estimator.predict_proba(X[row : row + 1]).argmax())
        title = OcclusionDisplay.from_estimator(estimator, X[row]).ax_.get_title()
        assert title == f"evidence for {label} (rejected)"


def check_card(estimator, data, tmp_path, page):
    """The card of what save takes is that of its file; the other estimators have one, too."""
    card = model_card(estimator)
    assert "### Hyperparameters" in card
    try:
        save(estimator, tmp_path / "digits.pipeline")
    except TypeError:
        return
    lines = [line for line in card.splitlines() if not line.startswith("| saved |")]
    loaded = load(tmp_path / "digits.pipeline")  # of a CachedClassifier what it wraps
    assert read_info(tmp_path / "digits.pipeline").estimator == type(loaded).__name__
    assert set(lines) <= set(model_card(tmp_path / "digits.pipeline").splitlines())


def check_search(estimator, data, tmp_path, page):
    X, y, others, labels = data
    search = GridSearchCV(estimator, {}, cv=StratifiedKFold(2)).fit(X, y)
    assert search.score(others, labels) == (search.predict(others) == labels).mean()
    check_same(answers(search, others), answers(estimator, others))


FUNCTIONS = {
    "save": check_copy(by_file),
    "pickle": check_copy(lambda estimator, folder: pickle.loads(pickle.dumps(estimator))),
    "joblib": check_copy(by_joblib),
    "skops": check_copy(by_skops),
    "deepcopy": check_copy(lambda estimator, folder: copy.deepcopy(estimator)),
    "clone": check_clone,
    "set_output": check_set_output,
    "to_onnx": check_onnx,
    "load_predictor": check_predictor,
    "model_card": check_card,
    "evaluate": check_evaluate,
    "recognize": check_recognize,
    "find_label_errors": check_label_errors,
    "ImageGridDisplay": check_grid,
    "TrainingHistoryDisplay": check_history,
    "ReliabilityDisplay": check_reliability,
    "CoverageAccuracyDisplay": check_coverage,
    "occlusion_map": check_occlusion,
    "GridSearchCV": check_search,
}


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("name", ESTIMATORS)
def test_each_estimator_with_each_function(estimators, data, page, tmp_path, name, function):
    check = FUNCTIONS[function]
    expected = [row for row in EXPECTED_ERRORS if name in row[0] and function in row[1]]
    assert len(expected) <= 1
    if not expected:
        check(estimators[name], data, tmp_path, page)
        return
    _, _, error, words, _ = expected[0]
    with pytest.raises(error, match=words):
        check(estimators[name], data, tmp_path, page)


def test_all_public_estimators_and_functions_are_in_the_matrix():
    public = {name for name in mnist_estimator.__all__ if not name.startswith("__")}
    # What functions return, and what they warn with.
    values = {
        "DetectedDigits", "EvaluationReport", "ModelInfo", "Recognition", "RotationWarning",
        "ValueRangeWarning",
    }  # fmt: skip
    # They take no estimator.
    sources = {"load_image_folder", "load_mnist", "make_digits", "find_digits"}
    tested = {*ESTIMATORS, *FUNCTIONS, "load", "read_info", "OcclusionDisplay"}
    assert public - values - sources <= tested
    assert all(set(row[0]) <= set(ESTIMATORS) for row in EXPECTED_ERRORS)
    assert all(set(row[1]) <= set(FUNCTIONS) for row in EXPECTED_ERRORS)


def test_the_matrix_has_samples_that_are_rejected_and_others(estimators, data):
    for name in REJECTING[:-1]:  # the last one may answer all
        assert 0 < rejected_by(estimators[name], data[2]).mean() < 0.8, name


def test_a_network_is_asked_once_where_its_labels_are_the_most_probable(
    estimators, data, monkeypatch
):
    asked = []
    original = CNNClassifier.predict_proba
    monkeypatch.setattr(
        CNNClassifier, "predict_proba", lambda self, X: asked.append(len(X)) or original(self, X)
    )
    *_, X, y = data
    for name in ("make_pipeline", "normalizes", "frozen", "CachedClassifier", "calibrated"):
        asked.clear()
        evaluate(estimators[name], X, y)
        assert asked == [len(X)], name
    asked.clear()
    find_label_errors(estimators["RejectingClassifier"], X, y, cv="prefit")
    assert asked == [len(X)]


def test_labels_of_a_tuned_threshold_come_from_predict(estimators, data):
    X, y, others, labels = data
    frozen = FrozenEstimator(CNNClassifier(**NETWORK | {"epochs": 1}).fit(X, y == 3))
    tuned = TunedThresholdClassifierCV(frozen, scoring="recall", thresholds=20, cv=2)
    tuned.fit(X, y == 3)
    report = evaluate(tuned, others, labels == 3)
    assert_array_equal(report.y_pred, tuned.predict(others))
    assert (report.y_pred != (report.proba[:, 1] > 0.5)).any()
