"""The report against scikit-learn's metrics, published numbers and counting by hand."""

import json
import math
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn import metrics
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV, TunedThresholdClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.svm import LinearSVC
from stand_ins import Fixed, fixed

from mnist_estimator.evaluation import (
    EvaluationReport,
    evaluate,
    expected_calibration_error,
    occlusion_map,
)

# --- The numbers ----------------------------------------------------------------------


def test_metrics_equal_those_of_scikit_learn(all_digits, model, report):
    X, y = all_digits[0][300:], all_digits[1][300:]
    y_pred, proba = model.predict(X), model.predict_proba(X)
    assert report.n_samples == len(y)
    assert report.accuracy == metrics.accuracy_score(y, y_pred)
    for kind in ("weighted", "macro"):
        for name in ("precision", "recall", "f1"):
            expected = getattr(metrics, f"{name}_score")(y, y_pred, average=kind)
            assert getattr(getattr(report, name), kind) == pytest.approx(expected)
    assert report.log_loss == pytest.approx(metrics.log_loss(y, proba))
    assert np.array_equal(report.confusion, metrics.confusion_matrix(y, y_pred))
    assert np.array_equal(report.proba, proba)
    by_class = metrics.classification_report(y, y_pred, output_dict=True)
    for label, row in report.per_class.iterrows():
        expected = by_class[str(label)]
        assert row["f1"] == pytest.approx(expected["f1-score"])
        assert row["precision"] == pytest.approx(expected["precision"])
        assert row["recall"] == pytest.approx(expected["recall"])
        assert row["support"] == expected["support"]


@pytest.mark.parametrize(
    ("n_correct", "n_samples", "low", "high"),
    # Wilson's score interval, as in Newcombe, Statistics in Medicine 17, 1998, table I.
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_interval_equals_published_numbers(n_correct, n_samples, low, high):
    y_pred = np.arange(n_samples) >= n_correct
    report = EvaluationReport(
        y_true=np.zeros(n_samples, bool), y_pred=y_pred, classes=np.array([False, True])
    )
    assert report.accuracy_interval == pytest.approx((low, high), abs=5e-5)


def count_calibration_error(correct, confidence, n_bins):
    """Follow the words of Guo et al., bin by bin: ((m - 1) / M, m / M]."""
    total = 0.0
    for m in range(1, n_bins + 1):
        low, high = (m - 1) / n_bins, m / n_bins
        members = [i for i, c in enumerate(confidence) if low < c <= high or (m == 1 and c == 0)]
        if members:
            accuracy = sum(bool(correct[i]) for i in members) / len(members)
            confidence_in_bin = sum(float(confidence[i]) for i in members) / len(members)
            total += len(members) / len(confidence) * abs(accuracy - confidence_in_bin)
    return total


@pytest.mark.parametrize("n_bins", [1, 2, 10, 15])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_calibration_error_equals_counting(n_bins, dtype):
    rng = np.random.default_rng(0)
    confidence = rng.beta(3, 1, 500).astype(dtype)
    confidence[:5] = [0, 1, 0.5, 1 / 3, 0.2]
    correct = rng.random(500) < confidence**2
    expected = count_calibration_error(correct, confidence.astype(float), n_bins)
    result = expected_calibration_error(correct, confidence, n_bins=n_bins)
    assert result == pytest.approx(expected, abs=1e-9)


def test_report_has_calibration_error_over_15_bins(report):
    correct = report.y_true == report.y_pred
    expected = count_calibration_error(correct, report.proba.max(axis=1), 15)
    assert report.ece == pytest.approx(expected)


def test_calibration_error_bad_input():
    with pytest.raises(ValueError, match="at least 1; got the shapes"):
        expected_calibration_error([], [])
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\]; got values from 0.5 to 3.0"):
        expected_calibration_error([1, 1], [0.5, 3.0])
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\]"):
        expected_calibration_error([1], [np.nan])
    with pytest.raises(ValueError, match="n_bins must be at least 1; got 0"):
        expected_calibration_error([1], [0.5], n_bins=0)


def test_top_confusions_and_mistakes_by_hand():
    proba = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.6, 0.4], [0.05, 0.95]])
    report = evaluate(fixed(proba, [3, 8]), proba, [3, 3, 3, 8, 3])
    assert report.mistakes.tolist() == [4, 1, 2, 3]
    expected = pd.DataFrame(
        {"true": [3, 8], "predicted": [8, 3], "count": [3, 1], "share": [0.75, 1.0]}
    )
    pd.testing.assert_frame_equal(report.top_confusions, expected)
    assert report.confusion.loc[3, 8] == 3
    assert report.confusion.index.name == "true"
    assert report.confusion.columns.name == "predicted"
    assert report.confidence.tolist() == [0.9, 0.8, 0.7, 0.6, 0.95]
    assert repr(report) == "EvaluationReport(accuracy=0.2000, n_samples=5)"


def test_tuned_threshold_labels_come_from_predict(all_digits):
    X, y = all_digits[0][:300], all_digits[1][:300] == 8
    base = LogisticRegression(tol=1e-2)
    model = TunedThresholdClassifierCV(base, scoring="recall", thresholds=20, cv=2).fit(X, y)
    report = evaluate(model, X, y)
    y_pred = model.predict(X)
    assert (y_pred != model.predict_proba(X)[:, 1].round().astype(bool)).any()
    assert np.array_equal(report.y_pred, y_pred)
    expected = np.where(y_pred, report.proba[:, 1], report.proba[:, 0])
    assert np.array_equal(report.confidence, expected)


# --- Labels and samples of every kind -------------------------------------------------


@pytest.mark.parametrize(
    "labels",
    [
        lambda y: np.char.add("digit ", y.astype(str)),
        lambda y: y * 10 - 3,
        lambda y: y.astype(float),
        lambda y: pd.Series(y).map("n{}".format),
        lambda y: pd.Series(y).astype("category"),
        lambda y: pd.Series(y, dtype="Int64"),
        lambda y: y.tolist(),
        lambda y: y[:, None],
    ],
    ids=["str", "gaps", "float", "series", "category", "Int64", "list", "column"],
)
def test_labels_of_every_kind_give_the_same_numbers(all_digits, report, labels):
    X, y = all_digits
    ys = labels(y)
    model = LogisticRegression(tol=1e-2).fit(X[:300], np.ravel(np.array(ys))[:300])
    other = evaluate(model, X[300:], ys[300:])
    assert other.accuracy == report.accuracy
    assert other.ece == pytest.approx(report.ece)
    assert np.array_equal(other.confusion, report.confusion)
    json.dumps(other.to_dict(), allow_nan=False)
    str(other)


@pytest.mark.parametrize(
    "form",
    [pd.DataFrame, csr_matrix, np.ndarray.tolist],
    ids=["frame", "sparse", "list"],
)
def test_samples_of_every_form_give_the_same_report(all_digits, model, report, form):
    X, y = all_digits
    if form is pd.DataFrame:
        model = LogisticRegression(tol=1e-2).fit(form(X[:300]), y[:300])
    other = evaluate(model, form(X[300:]), y[300:])
    assert np.array_equal(other.y_pred, report.y_pred)
    assert other.log_loss == pytest.approx(report.log_loss)
    assert np.array_equal(other.images, report.images)


def test_images_of_mistakes(all_digits, report):
    X = all_digits[0][300:]
    assert len(report.images) == min(100, len(report.mistakes))
    assert np.array_equal(report.images, X[report.mistakes[:100]].reshape(-1, 8, 8))


def test_images_from_four_dimensions():
    X = np.random.default_rng(0).random((6, 5, 4, 3))

    class OnImages(Fixed):
        def predict_proba(self, X):
            return np.tile([0.4, 0.6], (len(X), 1))

    report = evaluate(OnImages().fit(X, None), X, [0, 1, 0, 1, 0, 1])
    assert np.array_equal(report.images, X[[0, 2, 4]])


@pytest.mark.parametrize("n_pixels", [4, 49, 65])
def test_rows_that_are_no_images_report_without_images(tmp_path, n_pixels):
    X = np.random.default_rng(0).random((20, n_pixels))
    model = fixed(X, [0, 1])
    report = evaluate(model, X, np.zeros(20, int))
    assert report.images is None
    assert "<img" not in report.to_html(tmp_path / "page.html").read_text("utf-8")


def test_image_shape_given_or_learned():
    X = np.random.default_rng(0).random((20, 66))
    model = fixed(X, [0, 1])
    y = 1 - model.predict(X)
    assert evaluate(model, X, y, image_shape=(6, 11)).images.shape == (20, 6, 11)
    model.image_shape_ = (11, 6, 1)
    assert evaluate(model, X, y).images.shape == (20, 11, 6)
    with pytest.raises(ValueError, match="image_shape"):
        evaluate(model, X, y, image_shape=(6, 6))


def test_label_unseen_in_training_counts_as_mistake():
    proba = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]])
    report = evaluate(fixed(proba, ["a", "c"]), proba, ["a", "c", "b"])
    assert report.classes.tolist() == ["a", "b", "c"]
    assert report.accuracy == pytest.approx(2 / 3)
    assert report.mistakes.tolist() == [2]
    assert report.confusion.loc["b", "c"] == 1
    assert report.per_class.loc["b"].tolist() == [0, 0, 0, 1]
    assert report.proba[:, 1].tolist() == [0, 0, 0]
    expected = -(math.log(0.9) + math.log(0.8) + math.log(np.finfo(float).eps)) / 3
    assert report.log_loss == pytest.approx(expected)


def test_class_that_does_not_occur_nan_and_left_out_of_means():
    proba = np.array([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0]])
    report = evaluate(fixed(proba, [0, 1, 2]), proba, [0, 1])
    assert report.per_class.loc[2, ["precision", "recall", "f1"]].isna().all()
    assert report.per_class.loc[2, "support"] == 0
    assert report.f1 == (1.0, 1.0)
    assert report.to_dict()["per_class"]["2"] == {
        "precision": None,
        "recall": None,
        "f1": None,
        "support": 0,
    }


def test_without_probabilities_numbers_are_none_and_mistakes_in_order(all_digits, tmp_path):
    X, y = all_digits
    model = LinearSVC(max_iter=50, tol=1).fit(X[:100], y[:100])
    report = evaluate(model, X, y)
    assert (report.proba, report.confidence, report.log_loss, report.ece) == (None,) * 4
    assert report.mistakes.tolist() == np.flatnonzero(model.predict(X) != y).tolist()
    assert "Log loss" not in str(report)
    page = report.to_html(tmp_path / "page.html").read_text("utf-8")
    assert "Log loss" not in page
    assert " sure" not in page


def test_one_sample_of_one_class():
    report = evaluate(fixed([[1.0]], [5]), [[1.0]], [5])
    assert (report.accuracy, report.log_loss, report.ece) == (1, 0, 0)
    assert report.confusion.to_numpy().tolist() == [[1]]
    assert report.top_confusions.empty
    str(report)


def test_pipeline_and_search_are_named_by_their_classifier(all_digits):
    X, y = all_digits[0][:200], all_digits[1][:200]
    pipe = make_pipeline(MinMaxScaler(), LogisticRegression(tol=1e-2))
    search = GridSearchCV(pipe, {"logisticregression__C": [1]}, cv=2).fit(X, y)
    report = evaluate(search, X, y)
    assert report.model_name == "LogisticRegression"
    assert "GridSearchCV" in report.model_description


def test_estimator_that_is_none_of_scikit_learn():
    class Duck:
        def predict(self, X):
            return np.ones(len(X), int)

    assert evaluate(Duck(), np.zeros((4, 3)), [1, 1, 0, 1]).accuracy == 0.75


# --- Errors ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("X", "y", "words"),
    [
        (np.zeros((0, 2)), [], "X must hold at least one sample; got 0"),
        (np.zeros((3, 2)), [0, 1], "y must have one value for each of the 3 samples .* got 2"),
        (
            np.zeros((2, 2)),
            ["0", "1"],
            r"numbers such as 0; got strings .*y.astype\('int64'\)",
        ),
        (np.zeros((2, 2)), [0, np.nan], "y must hold one label for each sample; got missing"),
        (np.zeros((2, 2)), pd.array([0, pd.NA], dtype="Int64"), "got missing values"),
        (np.zeros((2, 2)), np.eye(2), r"y must be one-dimensional, .* got the shape \(2, 2\)"),
    ],
)
def test_bad_data_value_error_says_what_is_allowed(X, y, words):
    with pytest.raises(ValueError, match=words):
        evaluate(fixed(X, [0, 1]), X, y)


def test_bad_estimator():
    X, y = np.zeros((2, 1)), [0, 1]
    with pytest.raises(NotFittedError):
        evaluate(LogisticRegression(), X, y)
    with pytest.raises(TypeError, match="must be a classifier; got the regressor LinearRegression"):
        evaluate(LinearRegression().fit(X, y), X, y)
    with pytest.raises(TypeError, match="an object with predict; got 'model'"):
        evaluate("model", X, y)
    with pytest.raises(TypeError, match="Pass an instance"):
        evaluate(LogisticRegression, X, y)


def test_estimator_that_contradicts_itself_value_error():
    class Wrong(Fixed):
        def predict(self, X):
            return np.full(len(X), 7)

    X = np.full((2, 2), 0.5)
    with pytest.raises(ValueError, match=r"labels from estimator.classes_; got \[7\]"):
        evaluate(Wrong().fit(X, None), X, [0, 1])
    with pytest.raises(ValueError, match=r"here the shape \(2, 3\); got \(2, 2\)"):
        evaluate(fixed(X, [0, 1, 2]), X, [0, 1])


def test_import_loads_neither_matplotlib_nor_tensorflow():
    code = (
        "import sys\nfrom mnist_estimator.evaluation import *\n"
        "print({'matplotlib', 'jinja2', 'keras', 'tensorflow'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


# --- Text and dict --------------------------------------------------------------------


def test_text_reads_like_classification_report(report):
    headline, _, *rest = str(report).split("\n")
    low, high = report.accuracy_interval
    assert headline == (
        f"Accuracy {report.accuracy * 100:.2f} % (95 % interval {low * 100:.2f} to "
        f"{high * 100:.2f} %), {len(report.mistakes):,} mistakes in 1,497 samples"
    )
    table = metrics.classification_report(report.y_true, report.y_pred, digits=4)
    assert "\n".join(rest).startswith(table.rstrip())
    assert rest[-1].startswith(f"Log loss {report.log_loss:.4f}, calibration error ")


def test_dict_survives_json(report):
    values = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert values == report.to_dict()
    assert values["f1_macro"] == report.f1.macro
    assert values["precision_weighted"] == report.precision.weighted
    assert values["n_mistakes"] == len(report.mistakes)
    assert values["accuracy_interval"] == list(report.accuracy_interval)
    assert values["confusion"]["counts"] == report.confusion.to_numpy().tolist()
    assert values["top_confusions"][0]["count"] == report.top_confusions.loc[0, "count"]


@pytest.mark.parametrize("form", [pd.DataFrame, csr_matrix], ids=["frame", "sparse"])
def test_maps_of_samples_of_every_form(all_digits, model, form):
    X, y = all_digits
    if form is pd.DataFrame:
        model = LogisticRegression(tol=1e-2).fit(form(X[:300]), y[:300])
    report = evaluate(model, form(X[300:]), y[300:], n_occlusion_maps=1)
    ((row, found),) = report.occlusion_maps.items()
    plain = LogisticRegression(tol=1e-2).fit(X[:300], y[:300])
    assert np.allclose(found, occlusion_map(plain, X[300 + row]))


def test_halves_as_labels_give_the_tables_of_other_floats():
    X, y = np.eye(6), np.array([0, 1, 2, 0, 1, 2])
    reports = []
    for dtype in (np.float16, np.float64):
        model = LogisticRegression().fit(X, y.astype(dtype))
        reports.append(evaluate(model, X, y.astype(dtype)))
    assert str(reports[0]) == str(reports[1])
    assert reports[0].to_dict() == reports[1].to_dict()
