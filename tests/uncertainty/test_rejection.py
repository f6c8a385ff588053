"""The reject option: rejections, labels of every kind, searches, reports and checks."""

import json

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone, is_classifier
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix, precision_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from mnist_estimator import RejectingClassifier, evaluate
from mnist_estimator.uncertainty import choose_threshold

BASE = LogisticRegression(tol=1e-2)


@pytest.fixture(scope="module")
def data():
    X, y = load_digits(return_X_y=True)
    return X / 16, y


@pytest.fixture(scope="module")
def model(data):
    X, y = data
    return RejectingClassifier(BASE, error_rate=0.02, cv=3).fit(X[:1200], y[:1200])


# --- The estimator --------------------------------------------------------------------


def test_accepted_predictions_keep_the_error_rate(data, model):
    X, y = data[0][1200:], data[1][1200:]
    predicted, accepted = model.predict(X), model.accepts(X)
    assert np.array_equal(accepted, predicted != -1)
    assert np.array_equal(predicted[accepted], model.estimator_.predict(X)[accepted])
    assert (predicted != y)[accepted].mean() < 0.03 < (model.estimator_.predict(X) != y).mean()
    assert np.array_equal(accepted, model.predict_proba(X).max(axis=1) >= model.threshold_)
    assert 0.3 < accepted.mean() < 1
    assert model.error_rate_ <= model.error_bound_ <= 0.02
    assert is_classifier(model)
    assert model.classes_.tolist() == list(range(10))


def test_prefit_judges_by_all_samples_given(data):
    X, y = data
    base = clone(BASE).fit(X[:600], y[:600])
    model = RejectingClassifier(base, error_rate=0.05, cv="prefit").fit(X[600:], y[600:])
    assert model.estimator_ is base
    correct = base.predict(X[600:]) == y[600:]
    score = base.predict_proba(X[600:]).max(axis=1)
    expected = choose_threshold(correct, score, error_rate=0.05)
    assert (model.threshold_, model.coverage_) == expected[:2]
    frozen = RejectingClassifier(FrozenEstimator(base), error_rate=0.05, cv=3)
    assert frozen.fit(X[600:], y[600:]).threshold_ == model.threshold_


def test_share_held_out_fitted_once_on_the_rest(data):
    X, y = data
    fits = []

    class Counting(LogisticRegression):
        def fit(self, X, y):
            fits.append(len(X))
            return super().fit(X, y)

    make = lambda: RejectingClassifier(  # noqa: E731
        Counting(tol=1e-2), error_rate=0.1, cv=0.3, random_state=0
    )
    model = make().fit(X[:1000], y[:1000])
    assert fits == [700]
    assert make().fit(X[:1000], y[:1000]).threshold_ == model.threshold_


def test_cross_validation_fitted_on_all_at_the_end(data):
    X, y = data
    splitter = StratifiedKFold(3)
    model = RejectingClassifier(BASE, error_rate=0.05, cv=splitter).fit(X, y)
    correct, score = np.zeros(len(y), bool), np.zeros(len(y))
    for kept, held_out in splitter.split(X, y):
        base = clone(BASE).fit(X[kept], y[kept])
        correct[held_out] = base.predict(X[held_out]) == y[held_out]
        score[held_out] = base.predict_proba(X[held_out]).max(axis=1)
    assert model.coverage_ == choose_threshold(correct, score, error_rate=0.05).coverage
    assert np.array_equal(model.estimator_.coef_, clone(BASE).fit(X, y).coef_)


@pytest.mark.parametrize(
    ("labels", "mark", "dtype"),
    [
        (lambda y: y, -1, "int64"),
        (lambda y: y.astype(np.uint8), -1, "int16"),
        (lambda y: y * 2.0, -1, "float64"),
        (lambda y: np.char.add("n", y.astype(str)), "?", "<U22"),
        (lambda y: y == 8, None, "object"),
        (lambda y: pd.Series(y).map("n{}".format), "?", "<U2"),
    ],
    ids=["int", "uint8", "float", "str", "bool", "series"],
)
def test_reject_label_for_labels_of_every_kind(data, labels, mark, dtype):
    X, y = data[0], labels(data[1])
    rate = 0.03 if mark is None else 0.05
    model = RejectingClassifier(BASE, error_rate=rate, cv=0.5, random_state=0).fit(X, y)
    predicted, accepted = model.predict(X), model.accepts(X)
    assert 0 < accepted.sum() < len(X)
    assert predicted.dtype == dtype
    assert set(predicted[~accepted].tolist()) == {mark}
    assert (predicted == np.asarray(y))[accepted].mean() > 0.9


def test_own_reject_label(data):
    X, y = data
    model = RejectingClassifier(BASE, error_rate=0.05, cv=0.5, random_state=0, reject_label="ask")
    predicted = model.fit(X, y).predict(X)
    assert set(map(str, predicted.tolist())) == {*map(str, range(10)), "ask"}
    with pytest.raises(ValueError, match="reject_label must be none of the labels in y; got 3"):
        model.set_params(reject_label=3).fit(X, y)
    below_zero = model.set_params(reject_label="auto").fit(X, y - 5)
    assert below_zero.reject_label_ == -6


def test_outlier_detector_rejects_what_is_none_of_the_kind(data):
    X, y = data
    detector = make_pipeline(PCA(20), LocalOutlierFactor(novelty=True, contamination=0.02))
    noise = np.random.default_rng(0).random((300, 64))
    plain = RejectingClassifier(BASE, error_rate=0.1, cv=0.3, random_state=0).fit(X, y)
    model = clone(plain).set_params(outlier_detector=detector).fit(X, y)
    assert plain.accepts(noise).mean() > 0.05
    assert model.accepts(noise).mean() < 0.02
    assert np.isneginf(model.score_samples(noise)).mean() > 0.9
    assert plain.coverage_ - 0.1 < model.coverage_ < 1
    assert np.array_equal(model.predict_proba(noise), model.estimator_.predict_proba(noise))


def test_bound_that_cannot_be_kept_warning_and_all_rejected(data):
    X, y = data[0][:300], data[1][:300]
    model = RejectingClassifier(BASE, error_rate=1e-4, cv=2)
    with pytest.warns(UserWarning, match=r"No threshold keeps .* below 0.0001 .* Fit on more"):
        model.fit(X, y)
    assert model.threshold_ == np.inf
    assert not model.accepts(X).any()
    assert set(model.predict(X)) == {-1}


def test_search_over_the_estimator_inside(data):
    X, y = data[0][:600], data[1][:600]
    model = RejectingClassifier(BASE, error_rate=0.2, cv=2)
    search = GridSearchCV(model, {"estimator__C": [1e-4, 1.0]}, cv=2).fit(X, y)
    assert search.best_params_ == {"estimator__C": 1.0}


def test_data_frames_keep_their_names(data):
    X = pd.DataFrame(data[0][:500], columns=[f"p{i}" for i in range(64)])
    model = RejectingClassifier(BASE, error_rate=0.2, cv=2).fit(X, data[1][:500])
    assert model.feature_names_in_.tolist() == X.columns.tolist()
    assert model.n_features_in_ == 64


def test_network(digits, quick):
    X, y = digits
    model = RejectingClassifier(quick(), error_rate=0.1, cv=0.4, random_state=0).fit(X, y)
    predicted = model.predict(X)
    assert 0 < (predicted == -1).sum() < len(X)
    assert (predicted == y)[predicted != -1].mean() > 0.9


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"error_rate": 0}, "'error_rate' parameter"),
        ({"confidence_level": 1.0}, "'confidence_level' parameter"),
        ({"cv": 1}, "'cv' parameter"),
        ({"cv": 1.5}, "'cv' parameter"),
        ({"cv": "split"}, "'cv' parameter"),
        ({"outlier_detector": "lof"}, "'outlier_detector' parameter"),
        ({"estimator": LinearSVC()}, "'estimator' parameter"),
    ],
)
def test_bad_parameters(data, parameters, words):
    with pytest.raises(ValueError, match=words):
        RejectingClassifier(BASE).set_params(**parameters).fit(*data)


def test_not_fitted(data):
    X, y = data
    with pytest.raises(NotFittedError):
        RejectingClassifier(BASE).predict(X)
    with pytest.raises(NotFittedError):
        RejectingClassifier(BASE, cv="prefit").fit(X, y)
    detector = LocalOutlierFactor(novelty=True)
    base = clone(BASE).fit(X, y)
    with pytest.raises(NotFittedError):
        RejectingClassifier(base, outlier_detector=detector, cv="prefit").fit(X, y)


@parametrize_with_checks([RejectingClassifier(LogisticRegression(), error_rate=1.0, cv=2)])
def test_estimator_checks(estimator, check):
    check(estimator)


# --- In the report --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "mark"),
    [
        (lambda y: y, "auto"),
        (lambda y: y, np.nan),
        (lambda y: y, "ask"),
        (lambda y: y, None),
        (lambda y: y * 2.0, "auto"),
        (lambda y: np.char.add("digit ", y.astype(str)), "auto"),
        (lambda y: np.char.add("digit ", y.astype(str)), None),
        (lambda y: y == 8, "auto"),
    ],
    ids=["int", "NaN", "word", "None", "float", "str", "str and None", "bool"],
)
def test_report_counts_rejected_samples_whatever_their_label(data, labels, mark, tmp_path):
    X, y = data[0], labels(data[1])
    rate = 0.03 if y.dtype == bool else 0.05
    model = RejectingClassifier(BASE, error_rate=rate, cv=0.5, random_state=0, reject_label=mark)
    model.fit(X[:1200], y[:1200])
    X, y = X[1200:], y[1200:]
    inner, accepted = model.estimator_.predict(X), model.accepts(X)
    assert 0 < accepted.sum() < len(X)
    for estimator in (model, GridSearchCV(model, {}, cv=2, refit=True)):
        if estimator is not model:
            estimator.best_estimator_ = model  # as after a fit
        report = evaluate(estimator, X, y)
        assert_array_equal(report.rejected, ~accepted)
        assert report.accuracy == (inner == y)[accepted].mean()
        assert sorted(report.rejections) == np.flatnonzero(~accepted).tolist()
        assert report.confidence[report.rejections[0]] == report.confidence[~accepted].min()
        confusion = report.confusion
        assert confusion.columns[-1] == "rejected"
        assert confusion["rejected"].sum() == (~accepted).sum()
        expected = confusion_matrix(y[accepted], inner[accepted], labels=report.classes)
        assert_array_equal(confusion.iloc[:, :-1], expected)
        assert (report.per_class["support"] + report.per_class["rejected"]).sum() == len(y)
        expected = precision_score(y[accepted], inner[accepted], average="macro", zero_division=0)
        assert report.precision.macro == pytest.approx(expected)
        all_samples = evaluate(model.estimator_, X, y)
        for name in ("log_loss", "ece"):
            assert getattr(report, name) == getattr(all_samples, name)
        json.dumps(report.to_dict(), allow_nan=False)
        assert "rejected" in report.to_html(tmp_path / "page.html").read_text(encoding="utf-8")


def test_report_of_nothing_answered(data, tmp_path):
    X, y = data[0][:300], data[1][:300]
    with pytest.warns(UserWarning, match="No threshold keeps"):
        model = RejectingClassifier(BASE, error_rate=1e-4, cv=2).fit(X, y)
    report = evaluate(model, X, y)
    assert str(report).startswith("All 300 samples rejected: accuracy undefined\n\nLog loss")
    assert np.isnan(report.accuracy)
    assert report.accuracy_interval == (0.0, 1.0)
    assert (report.n_answered, len(report.mistakes), len(report.top_confusions)) == (0, 0, 0)
    assert report.to_dict()["accuracy"] is None
    json.dumps(report.to_dict(), allow_nan=False)
    assert report.per_class["rejected"].sum() == 300
    report.to_html(tmp_path / "page.html")


def test_report_of_labels_that_are_the_reject_label(data):
    """Samples of another kind are marked so in the true labels: rejected, they are not mistakes."""
    X, y = data[0][1200:], data[1][1200:].copy()
    model = RejectingClassifier(BASE, error_rate=0.05, cv=3).fit(data[0][:1200], data[1][:1200])
    rejected = ~model.accepts(X)
    y[rejected] = -1
    report = evaluate(model, X, y)
    assert report.confusion.loc[-1].tolist() == [0] * 11 + [rejected.sum()]
    assert report.accuracy == (model.predict(X) == y)[~rejected].mean()


def test_reject_option_within_another(data):
    X, y = data
    inner = RejectingClassifier(BASE, error_rate=0.05, cv=0.5, random_state=0)
    outer = RejectingClassifier(inner, error_rate=0.1, cv=0.5, random_state=0).fit(X, y)
    assert not outer.accepts(X)[~outer.estimator_.accepts(X)].any()


@pytest.mark.parametrize("label", [(1, 2), [1], {"a": 1}])
def test_reject_label_is_a_single_value(data, label):
    with pytest.raises(ValueError, match="reject_label must be a number, a string, a boolean or"):
        RejectingClassifier(BASE, reject_label=label).fit(*data)
