"""What scikit-learn offers around a classifier, each held against a computation of its own."""

import warnings

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import sklearn
from joblib import parallel_config
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import randint
from sklearn import metrics
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV, CalibrationDisplay
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.exceptions import FitFailedWarning, UnsetMetadataPassedError
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.feature_selection import (
    RFE,
    RFECV,
    SelectFromModel,
    SelectKBest,
    SequentialFeatureSelector,
)
from sklearn.frozen import FrozenEstimator
from sklearn.inspection import (
    DecisionBoundaryDisplay,
    PartialDependenceDisplay,
    permutation_importance,
)
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    HalvingRandomSearchCV,
    LearningCurveDisplay,
    RandomizedSearchCV,
    StratifiedKFold,
    TunedThresholdClassifierCV,
    ValidationCurveDisplay,
    cross_val_predict,
    cross_validate,
    learning_curve,
    permutation_test_score,
    validation_curve,
)
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.utils import estimator_html_repr
from sklearn.utils.fixes import parse_version

from mnist_estimator import CNNClassifier, ImageScaler
from mnist_estimator.utils._tensorflow_process import n_threads

mpl.use("agg")

PIXELS = [f"pixel{i}" for i in range(64)]


@pytest.fixture(scope="module")
def thirds():
    """Return flat images bright at the top, the middle or the bottom; one name in ten is wrong."""
    generator = np.random.default_rng(1)
    place = generator.integers(0, 3, 240)
    X = generator.uniform(0, 0.4, (240, 8, 8)).astype(np.float32)
    for label, rows in enumerate((slice(0, 3), slice(3, 5), slice(5, 8))):
        X[place == label, rows] += 0.5
    told = np.where(generator.uniform(size=240) < 0.1, generator.integers(0, 3, 240), place)
    return X.reshape(240, 64), np.array(["bottom", "middle", "top"])[2 - told]


@pytest.fixture(scope="module")
def halves(two_classes):
    """Return flat images of two classes, nothing wrong about them."""
    X, y = two_classes
    return X.reshape(200, 64), y


@pytest.fixture(scope="module")
def noisy(halves):
    """Return the halves with one label in five flipped: no classifier can be surer than 0.8."""
    X, y = halves
    flipped = np.random.default_rng(2).permutation(200) < 40
    return X, np.where(flipped, 1 - y, y)


@pytest.fixture(scope="module")
def sure(quick, halves):
    """Return a classifier fitted on the clean halves; tests must not change it."""
    return quick().fit(*halves)


@pytest.fixture(scope="module")
def on_thirds(quick, thirds):
    """Return a classifier fitted on two thirds of the thirds; tests must not change it."""
    X, y = thirds
    return quick().fit(X[:160], y[:160])


def log_loss_of(classes, proba, y):
    """Compute the mean cross-entropy without scikit-learn."""
    return -np.log(proba[np.arange(len(y)), np.searchsorted(classes, y)]).mean()


# Scores


def test_every_scorer_gives_the_metric_of_each_stratified_fold(quick, thirds):
    X, y = thirds
    order = np.argsort(y, kind="stable")  # unstratified folds of sorted labels would lose a class
    X, y = X[order], y[order]
    scoring = [
        "accuracy", "balanced_accuracy", "f1_macro", "matthews_corrcoef", "neg_log_loss",
        "roc_auc_ovr", "roc_auc_ovo_weighted", "top_k_accuracy",
    ]  # fmt: skip
    found = cross_validate(
        quick(), X, y, cv=3, scoring=scoring, return_indices=True, error_score="raise"
    )
    for i, (train, test) in enumerate(StratifiedKFold(3).split(X, y)):
        assert_array_equal(found["indices"]["train"][i], train)
        assert_array_equal(found["indices"]["test"][i], test)
        clf = quick().fit(X[train], y[train])
        proba = clf.predict_proba(X[test])
        predicted, truth = clf.classes_[proba.argmax(axis=1)], y[test]
        recalls = [np.mean(predicted[truth == label] == label) for label in clf.classes_]
        ranks = (proba > proba[np.arange(80), np.searchsorted(clf.classes_, truth)][:, None]).sum(1)
        by_hand = {
            "accuracy": np.mean(predicted == truth),
            "balanced_accuracy": np.mean(recalls),
            "f1_macro": metrics.f1_score(truth, predicted, average="macro"),
            "matthews_corrcoef": metrics.matthews_corrcoef(truth, predicted),
            "neg_log_loss": -log_loss_of(clf.classes_, proba, truth),
            "roc_auc_ovr": metrics.roc_auc_score(truth, proba, multi_class="ovr"),
            "roc_auc_ovo_weighted": metrics.roc_auc_score(
                truth, proba, multi_class="ovo", average="weighted"
            ),
            "top_k_accuracy": np.mean(ranks < 2),
        }
        for name, value in by_hand.items():
            assert found[f"test_{name}"][i] == pytest.approx(value, rel=1e-6), name
    # Better than guessing among three; how much better is chance on 160 images.
    assert found["test_accuracy"].min() > 0.5
    assert found["test_roc_auc_ovr"].min() > 0.7
    assert found["test_neg_log_loss"].min() > -np.log(3)


def test_binary_scorers_take_the_second_name_for_the_positive_one(quick, noisy):
    X, y = noisy
    names = np.array(["ham", "spam"])[y]
    f1 = metrics.make_scorer(metrics.f1_score, pos_label="spam")
    precision = metrics.make_scorer(
        metrics.average_precision_score, response_method="predict_proba", pos_label="spam"
    )
    found = cross_validate(
        quick(), X, names, cv=3, return_estimator=True, return_indices=True, error_score="raise",
        scoring={"roc": "roc_auc", "ap": precision, "f1": f1},
    )  # fmt: skip
    for i, clf in enumerate(found["estimator"]):
        test = found["indices"]["test"][i]
        positive = clf.predict_proba(X[test])[:, 1]
        assert found["test_roc"][i] == pytest.approx(metrics.roc_auc_score(y[test], positive))
        assert found["test_ap"][i] == pytest.approx(
            metrics.average_precision_score(y[test], positive)
        )
        assert found["test_f1"][i] == pytest.approx(metrics.f1_score(y[test], positive > 0.5))
    assert found["test_roc"].min() > 0.65


def test_out_of_fold_probabilities(quick, thirds):
    X, y = thirds
    proba = cross_val_predict(quick(), X, y, cv=3, method="predict_proba")
    assert_allclose(proba.sum(axis=1), 1)
    train, test = list(StratifiedKFold(3).split(X, y))[1]
    assert_array_equal(proba[test], quick().fit(X[train], y[train]).predict_proba(X[test]))
    assert np.mean(np.unique(y)[proba.argmax(axis=1)] == y) > 0.8


def test_images_that_are_not_flat_go_through_cross_validation(quick, thirds):
    X, y = thirds
    scores = [
        cross_validate(quick(epochs=2), form, y, cv=2, error_score="raise")["test_score"]
        for form in (X, X.reshape(-1, 8, 8), X.reshape(-1, 8, 8, 1))
    ]
    assert_array_equal(scores[0], scores[1])
    assert_array_equal(scores[0], scores[2])


# Calibration and thresholds


@pytest.mark.parametrize("method", ["sigmoid", "isotonic", "temperature"])
def test_calibration_of_a_frozen_classifier_brings_it_to_the_true_rate(sure, noisy, method):
    if method == "temperature" and parse_version(sklearn.__version__) < parse_version("1.8"):
        pytest.skip("scikit-learn scales by temperature from 1.8 on")
    X, y = noisy
    weights = sure.model_.get_weights()
    assert sure.predict_proba(X).max(axis=1).mean() > 0.95
    calibrated = CalibratedClassifierCV(FrozenEstimator(sure), method=method).fit(X, y)
    proba = calibrated.predict_proba(X)
    assert proba.max(axis=1).mean() == pytest.approx(0.8, abs=0.05)
    assert log_loss_of(sure.classes_, proba, y) < 0.55  # that of a coin is 0.69, the best is 0.50
    for before, after in zip(weights, sure.model_.get_weights(), strict=True):
        assert_array_equal(before, after)


@pytest.mark.parametrize("ensemble", [True, False])
def test_calibration_with_folds(quick, noisy, halves, ensemble):
    calibrated = CalibratedClassifierCV(quick(), cv=3, ensemble=ensemble).fit(*noisy)
    assert len(calibrated.calibrated_classifiers_) == (3 if ensemble else 1)
    X, clean = halves
    assert calibrated.score(X, clean) > 0.9
    assert log_loss_of(calibrated.classes_, calibrated.predict_proba(X), noisy[1]) < 0.62


def test_calibration_curve_of_an_overconfident_classifier(sure, noisy):
    X, y = noisy
    display = CalibrationDisplay.from_estimator(sure, X, y, n_bins=5)
    outer = sure.predict_proba(X)[:, 1] > 0.8
    assert display.prob_true[-1] == pytest.approx(y[outer].mean())
    assert display.prob_true[-1] == pytest.approx(0.8, abs=0.08)
    assert display.prob_pred[-1] > 0.95


def test_tuned_and_fixed_thresholds_move_the_border(quick, noisy):
    X, y = noisy
    names = np.array(["no", "yes"])[y]
    recall = metrics.make_scorer(metrics.fbeta_score, beta=3, pos_label="yes")
    tuned = TunedThresholdClassifierCV(quick(), scoring=recall, cv=3, thresholds=20).fit(X, names)
    assert 0 < tuned.best_threshold_ < 0.5
    positive = tuned.estimator_.predict_proba(X)[:, 1]
    assert_array_equal(tuned.predict(X) == "yes", positive >= tuned.best_threshold_)
    strict = FixedThresholdClassifier(
        FrozenEstimator(tuned.estimator_), threshold=0.9, pos_label="no"
    ).fit(X, names)
    assert_array_equal(strict.predict(X) == "no", 1 - positive >= 0.9)


# Ensembles


def test_soft_voting_is_the_mean_and_hard_voting_the_majority(quick, thirds):
    X, y = thirds
    voters = [("cnn", quick()), ("line", LogisticRegression(C=0.01)), ("bayes", GaussianNB())]
    soft = VotingClassifier(voters, voting="soft", weights=[2, 1, 1]).fit(X[:160], y[:160])
    each = np.array([member.predict_proba(X[160:]) for member in soft.estimators_])
    assert_array_equal(each[0], quick().fit(X[:160], y[:160]).predict_proba(X[160:]))
    assert_allclose(soft.predict_proba(X[160:]), np.average(each, axis=0, weights=[2, 1, 1]))
    assert soft.score(X[160:], y[160:]) > 0.8

    hard = VotingClassifier(voters, voting="hard").fit(X[:160], y[:160])
    votes = each.argmax(axis=2)
    counts = np.array([(votes == i).sum(axis=0) for i in range(3)])
    assert_array_equal(hard.predict(X[160:]), hard.classes_[counts.argmax(axis=0)])


def test_stacking_hands_on_probabilities(quick, thirds):
    X, y = thirds
    stack = StackingClassifier(
        [("cnn", quick()), ("bayes", GaussianNB())], LogisticRegression(), cv=3
    ).fit(X[:160], y[:160])
    handed = stack.transform(X[160:])
    assert_array_equal(handed[:, :3], stack.named_estimators_["cnn"].predict_proba(X[160:]))
    final = stack.final_estimator_.predict_proba(handed).argmax(axis=1)
    assert_array_equal(stack.predict(X[160:]), stack.classes_[final])
    assert stack.score(X[160:], y[160:]) > 0.8


def test_stacking_on_a_fitted_classifier(on_thirds, thirds):
    X, y = thirds
    stack = StackingClassifier([("cnn", on_thirds)], LogisticRegression(), cv="prefit").fit(X, y)
    assert stack.estimators_[0] is on_thirds
    assert stack.score(X, y) > 0.85


def test_bagging_averages_members_fitted_on_their_own_samples(quick, noisy):
    X, y = noisy
    bag = BaggingClassifier(quick(), n_estimators=4, oob_score=False, random_state=0).fit(X, y)
    each = [member.predict_proba(X) for member in bag.estimators_]
    assert_allclose(bag.predict_proba(X), np.mean(each, axis=0))
    assert not np.array_equal(each[0], each[1])
    member, rows = bag.estimators_[2], bag.estimators_samples_[2]
    # Repeated rows before scikit-learn 1.8 came as weights.
    by_rows = clone(member).fit(X[rows], y[rows])
    by_weights = clone(member).fit(X, y, sample_weight=np.bincount(rows, minlength=200))
    assert any(np.array_equal(again.predict_proba(X), each[2]) for again in (by_rows, by_weights))


@pytest.mark.slow
def test_bagging_in_two_processes_is_bagging_in_one(quick, noisy):
    X, y = noisy
    with parallel_config("loky", inner_max_num_threads=n_threads()):  # as many as here
        one, two = (
            BaggingClassifier(quick(), n_estimators=2, n_jobs=n_jobs, random_state=0).fit(X, y)
            for n_jobs in (1, 2)
        )
    assert_array_equal(one.predict_proba(X), two.predict_proba(X))


def test_boosting_weighs_what_was_wrong(quick, thirds):
    X, y = thirds
    boost = AdaBoostClassifier(quick(), n_estimators=3, random_state=0).fit(X, y)
    assert len(boost.estimators_) == 3
    wrong = boost.estimators_[0].predict(X) != y
    assert boost.estimator_errors_[0] == pytest.approx(wrong.mean())
    # SAMME: the second training sees the wrong rows at half of all weight or more, and its errors
    # count with these weights.
    boosted = np.exp(boost.estimator_weights_[0] * wrong)
    still_wrong = boost.estimators_[1].predict(X) != y
    assert boost.estimator_errors_[1] == pytest.approx(np.average(still_wrong, weights=boosted))
    assert (wrong & ~still_wrong).any()
    assert boost.score(X, y) > 0.75


# Reductions of one problem to others


def test_one_against_the_rest(quick, thirds):
    X, y = thirds
    rest = OneVsRestClassifier(quick()).fit(X[:160], y[:160])
    each = np.column_stack([member.predict_proba(X[160:])[:, 1] for member in rest.estimators_])
    assert_allclose(rest.predict_proba(X[160:]), each / each.sum(axis=1, keepdims=True))
    assert_array_equal(rest.predict(X[160:]), rest.classes_[each.argmax(axis=1)])
    top = quick().fit(X[:160], (y[:160] == "top").astype(int))
    assert_array_equal(each[:, 2], top.predict_proba(X[160:])[:, 1])
    assert rest.score(X[160:], y[160:]) > 0.8


def test_one_against_the_rest_batch_by_batch(quick, thirds):
    X, y = thirds
    rest = OneVsRestClassifier(quick(learning_rate=0.003))
    for _ in range(4):
        for start in (0, 80):
            rows = slice(start, start + 80)
            rest.partial_fit(X[rows], y[rows], classes=np.unique(y))
    assert {member.n_iter_ for member in rest.estimators_} == {8}
    assert rest.score(X[160:], y[160:]) > 0.8


def test_one_against_one(quick, thirds):
    X, y = thirds
    pairs = OneVsOneClassifier(quick()).fit(X[:160], y[:160])
    assert len(pairs.estimators_) == 3
    assert_array_equal(pairs.classes_, ["bottom", "middle", "top"])
    rows = np.isin(y[:160], ["bottom", "middle"])
    pair = quick().fit(X[:160][rows], (y[:160][rows] == "middle").astype(int))
    assert_array_equal(pairs.estimators_[0].predict_proba(X), pair.predict_proba(X))
    assert pairs.score(X[160:], y[160:]) > 0.8


def test_output_codes(quick, thirds):
    X, y = thirds
    codes = OutputCodeClassifier(quick(), code_size=2, random_state=3).fit(X[:160], y[:160])
    assert len(codes.estimators_) == 6
    assert codes.score(X[160:], y[160:]) > 0.75


def test_several_outputs(quick, thirds):
    X, y = thirds
    both = np.column_stack([y == "top", y == "bottom"])
    many = MultiOutputClassifier(quick()).fit(X, both)
    single = quick().fit(X, both[:, 1])
    assert_array_equal(many.predict_proba(X)[1], single.predict_proba(X))
    predicted = many.predict(X)
    assert predicted.shape == (240, 2)
    assert np.mean(predicted == both, axis=0).min() > 0.85


def test_several_outputs_batch_by_batch(quick, halves):
    X, y = halves
    many = MultiOutputClassifier(quick(learning_rate=0.003))
    for _ in range(4):
        many.partial_fit(X, np.column_stack([y, 1 - y]), classes=[[0, 1], [0, 1]])
    assert_array_equal(many.predict(X), np.column_stack([y, 1 - y]))


def test_a_chain_adds_a_column_and_is_told_that_rows_form_no_image(quick, thirds):
    """A chain hands the answer for one output to the next as a further pixel."""
    X, y = thirds
    chain = ClassifierChain(quick(epochs=1))
    with pytest.raises(ValueError, match="X has 65 pixels a row, which form no square image"):
        chain.fit(X, np.column_stack([y == "top", y == "bottom"]).astype(int))


def test_self_training_labels_the_rest(quick, halves):
    X, y = halves
    known = np.arange(200) % 10 == 0
    teacher = SelfTrainingClassifier(quick(), threshold=0.9).fit(X, np.where(known, y, -1))
    taught = (teacher.labeled_iter_ > 0) & ~known
    assert taught.sum() > 150
    assert_array_equal(teacher.transduction_[taught], y[taught])
    assert teacher.score(X, y) > 0.98


# Selection and extraction of features: pixels make an image only together


@pytest.mark.parametrize("selector", [RFE, RFECV])
def test_elimination_needs_importances_that_a_network_has_not(quick, halves, selector):
    X, y = halves
    with pytest.raises(ValueError, match=r"CNNClassifier should have `coef_` or `feature_import"):
        selector(quick(epochs=1)).fit(X, y)


def test_selection_by_a_model_needs_importances_too(quick, halves):
    X, y = halves
    selection = SelectFromModel(quick(epochs=1)).fit(X, y)
    with pytest.raises(ValueError, match=r"CNNClassifier should have `coef_` or `feature_import"):
        selection.transform(X)


def test_selection_by_a_function_of_ones_own_leaves_no_image(quick):
    """With importances given, the next fit gets fewer pixels, and says what it misses."""
    X, y = np.random.default_rng(0).uniform(size=(40, 100)), np.arange(40) % 2
    elimination = RFE(
        quick(epochs=1), step=1, importance_getter=lambda clf: np.arange(clf.n_features_in_)
    )
    with pytest.raises(ValueError, match=r"X has 99 pixels a row, which form no square image"):
        elimination.fit(X, y)
    with pytest.raises(ValueError, match=r"X has 90 pixels a row.*\n?.*Pass image_shape="):
        make_pipeline(SelectKBest(k=90), quick(epochs=1)).fit(X, y)


def test_selection_step_by_step_is_told_the_same(quick):
    X, y = np.random.default_rng(0).uniform(size=(40, 16)), np.arange(40) % 2
    forward = SequentialFeatureSelector(
        quick(epochs=1, image_shape=(4, 4)), n_features_to_select=2, cv=2
    )
    with pytest.raises(ValueError, match=r"means 16 pixels a row, but X has 1\."):
        forward.fit(X, y)


def test_components_are_taken_for_the_pixels_that_they_are_not(quick, thirds):
    """Sixteen components form a 4×4 image: no picture, but what was asked for."""
    X, y = thirds
    pipe = make_pipeline(PCA(16, random_state=0), quick()).fit(X[:160], y[:160])
    assert pipe[-1].image_shape_ == (4, 4, 1)
    assert pipe.score(X[160:], y[160:]) > 0.7


# What stands before it


def test_a_function_before_it(quick, thirds):
    X, y = thirds
    pipe = make_pipeline(FunctionTransformer(np.sqrt), quick()).fit(X, y)
    assert_array_equal(pipe.predict_proba(X), quick().fit(np.sqrt(X), y).predict_proba(np.sqrt(X)))


def edges(X):
    """Return differences of neighbours, as flat images."""
    images = X.reshape(-1, 8, 8)
    return np.diff(images, axis=1, prepend=images[:, :1]).reshape(len(X), 64)


def test_a_union_puts_two_pictures_of_a_thing_under_one_another(quick, thirds):
    X, y = thirds
    union = FeatureUnion([("raw", FunctionTransformer()), ("edges", FunctionTransformer(edges))])
    pipe = make_pipeline(union, quick(image_shape=(16, 8))).fit(X[:160], y[:160])
    stacked = np.concatenate([X.reshape(-1, 8, 8), edges(X).reshape(-1, 8, 8)], axis=1)
    by_hand = quick().fit(stacked[:160], y[:160])
    assert_array_equal(pipe.predict_proba(X), by_hand.predict_proba(stacked))
    assert pipe.score(X[160:], y[160:]) > 0.8


@pytest.fixture(scope="module")
def table(thirds):
    """Return the thirds as a frame whose pixels stand between other columns."""
    X, y = thirds
    frame = pd.DataFrame(X, columns=PIXELS)
    frame.insert(0, "scanner", "A")
    frame["note"] = 7
    return frame, y


def test_columns_are_picked_before_the_pipeline(quick_pipeline, thirds, table):
    X, y = thirds
    frame, _ = table
    pick = ColumnTransformer([("pixels", "passthrough", PIXELS)])
    pipe = make_pipeline(pick, quick_pipeline()).fit(frame, y)
    assert_array_equal(pipe.predict_proba(frame), quick_pipeline().fit(X, y).predict_proba(X))
    reordered = frame[frame.columns[::-1]]
    assert_array_equal(pipe.predict_proba(reordered), pipe.predict_proba(frame))


def test_the_scaler_among_other_columns_gives_frames(quick, thirds, table):
    X, y = thirds
    frame, _ = table
    scale = ColumnTransformer([("pixels", ImageScaler(), PIXELS)], verbose_feature_names_out=False)
    pipe = make_pipeline(scale, quick()).set_output(transform="pandas").fit(frame, y)
    scaled = ImageScaler().fit_transform(X)
    assert_array_equal(pipe[-1].feature_names_in_, PIXELS)
    assert_array_equal(pipe.predict_proba(frame), quick().fit(scaled, y).predict_proba(scaled))


@pytest.mark.parametrize("container", ["default", "pandas", "polars"])
def test_output_containers(quick_pipeline, thirds, container):
    if container == "polars":
        pytest.importorskip("polars")
    X, y = thirds
    frame = pd.DataFrame(X, columns=PIXELS)
    expected = quick_pipeline().fit(X, y).predict_proba(X)
    pipe = quick_pipeline().set_output(transform=container).fit(frame, y)
    assert_array_equal(pipe.predict_proba(frame), expected)
    scaled = pipe[:-1].transform(frame)
    if container == "default":
        assert type(scaled) is np.ndarray
        assert scaled.shape == (240, 8, 8, 1)
        assert not hasattr(pipe[-1], "feature_names_in_")
    else:
        assert type(scaled).__module__.split(".")[0] == container
        assert list(scaled.columns) == PIXELS
        assert scaled.shape == (240, 64)
        assert_array_equal(pipe[:-1].get_feature_names_out(), PIXELS)
        # Older versions of scikit-learn see no names in newer versions of polars.
        if container == "pandas" or hasattr(StandardScaler().fit(scaled), "feature_names_in_"):
            assert_array_equal(pipe[-1].feature_names_in_, PIXELS)


def test_output_container_of_the_configuration(quick_pipeline, thirds):
    X, y = thirds
    with sklearn.config_context(transform_output="pandas"):
        pipe = quick_pipeline(epochs=1).fit(X, y)
        assert isinstance(pipe[:-1].transform(X), pd.DataFrame)
        inside = pipe.predict_proba(X)
    assert_array_equal(inside, quick_pipeline(epochs=1).fit(X, y).predict_proba(X))


def test_the_scaler_among_other_columns_is_asked_for_rows(quick, table):
    frame, y = table
    pipe = make_pipeline(ColumnTransformer([("pixels", ImageScaler(), PIXELS)]), quick())
    with pytest.raises(ValueError, match="The output of the 'pixels' transformer should be 2D"):
        pipe.fit(frame, y)


class CountingScaler(ImageScaler):
    """An ImageScaler that counts how often it is fitted."""

    fits = 0

    def fit(self, X, y=None):
        CountingScaler.fits += 1
        return super().fit(X, y)


def test_memory_fits_the_transformer_once_for_all_candidates(quick, thirds, tmp_path):
    X, y = thirds
    search = GridSearchCV(
        Pipeline([("scale", CountingScaler()), ("cnn", quick())], memory=str(tmp_path)),
        {"cnn__epochs": [1, 2, 4]}, cv=2, refit=False, error_score="raise",
    )  # fmt: skip
    CountingScaler.fits = 0
    search.fit(X, y)
    assert CountingScaler.fits == 2  # once a fold
    plain = clone(search).set_params(estimator__memory=None).fit(X, y)
    assert CountingScaler.fits == 2 + 6
    assert_array_equal(search.cv_results_["mean_test_score"], plain.cv_results_["mean_test_score"])


def test_oversampling_with_imbalanced_learn(quick, halves):
    over_sampling = pytest.importorskip("imblearn.over_sampling")
    pipeline = pytest.importorskip("imblearn.pipeline")
    X, y = halves
    rows = np.r_[np.flatnonzero(y == 0), np.flatnonzero(y == 1)[:12]]
    sampler = over_sampling.RandomOverSampler(random_state=0)
    pipe = pipeline.Pipeline([("over", sampler), ("scale", ImageScaler()), ("cnn", quick())])
    pipe.fit(X[rows], y[rows])
    X_more, y_more = sampler.fit_resample(X[rows], y[rows])
    assert len(y_more) == 2 * np.sum(y == 0)
    scaler = ImageScaler().fit(X_more)
    by_hand = quick().fit(scaler.transform(X_more), y_more)
    assert_array_equal(pipe.predict_proba(X), by_hand.predict_proba(scaler.transform(X)))
    assert metrics.balanced_accuracy_score(y, pipe.predict(X)) > 0.95


# Searches and curves


@pytest.mark.slow
def test_grid_search_in_two_processes_with_several_scores(quick_pipeline, thirds):
    X, y = thirds
    search = GridSearchCV(
        quick_pipeline(), {"cnn__learning_rate": [1e-6, 0.01], "scale__value_range": [(0, 1)]},
        cv=3, n_jobs=2, scoring=["accuracy", "neg_log_loss"], refit="neg_log_loss",
        error_score="raise",
    ).fit(X, y)  # fmt: skip
    assert search.best_params_["cnn__learning_rate"] == 0.01
    assert search.best_estimator_["scale"].value_range_ == (0, 1)
    assert_array_equal(search.classes_, np.unique(y))
    low, high = search.cv_results_["mean_test_accuracy"]
    assert low < 0.6
    assert high > 0.8
    train, test = next(StratifiedKFold(3).split(X, y))
    by_hand = clone(search.best_estimator_).fit(X[train], y[train]).score(X[test], y[test])
    assert search.cv_results_["split0_test_accuracy"][1] == by_hand


def test_randomized_search_draws_what_it_tries(quick_pipeline, halves):
    X, y = halves
    search = RandomizedSearchCV(
        quick_pipeline(), {"cnn__epochs": randint(1, 4), "cnn__dropout": [0.0, 0.3]},
        n_iter=3, cv=2, random_state=0, error_score="raise",
    ).fit(X, y)  # fmt: skip
    assert len(search.cv_results_["params"]) == 3
    assert search.best_estimator_[-1].n_iter_ == search.best_params_["cnn__epochs"]
    assert search.best_score_ > 0.95


def test_halving_spends_epochs_on_the_better_half(small_pipeline, noisy):
    X, y = noisy
    rates = {"cnn__learning_rate": [1e-7, 1e-6, 0.004, 0.01]}
    search = HalvingRandomSearchCV(
        small_pipeline(batch_size=16, patience=8), rates,
        resource="cnn__epochs", min_resources=2, max_resources=8, factor=2, n_candidates=4,
        cv=2, random_state=0, error_score="raise",
    ).fit(X, y)  # fmt: skip
    assert search.n_resources_ == [2, 4, 8]
    assert search.n_candidates_ == [4, 2, 1]
    assert search.best_params_["cnn__learning_rate"] > 1e-3
    assert search.best_params_["cnn__epochs"] == 8
    assert search.best_estimator_[-1].n_iter_ == 8


def test_a_candidate_that_fails_is_nan_and_the_others_go_on(quick_pipeline, halves):
    X, y = halves
    grid = {"cnn__filters": [(8, 16), ()]}
    with (
        pytest.warns(FitFailedWarning, match=r"filters must have at least one stage; got none"),
        pytest.warns(UserWarning, match="One or more of the test scores are non-finite"),
    ):
        search = GridSearchCV(quick_pipeline(), grid, cv=2).fit(X, y)
    good, bad = search.cv_results_["mean_test_score"]
    assert good > 0.95
    assert np.isnan(bad)
    assert search.best_params_ == {"cnn__filters": (8, 16)}


def test_a_candidate_that_fails_raises_where_that_was_asked_for(quick_pipeline, halves):
    X, y = halves
    search = GridSearchCV(quick_pipeline(), {"cnn__epochs": [0]}, cv=2, error_score="raise")
    with pytest.raises(ValueError, match="The 'epochs' parameter of CNNClassifier must be an int"):
        search.fit(X, y)


def test_a_split_without_a_class_fails_with_its_words(quick, halves):
    X, y = halves
    rows = np.argsort(y, kind="stable")
    first = np.flatnonzero(y[rows] == 0)
    split = [(first, np.arange(200))]
    with pytest.raises(ValueError, match=r"y holds one class, 0; .* whether a split has left"):
        cross_validate(quick(), X[rows], y[rows], cv=split, error_score="raise")


def test_learning_curve_rises_with_the_data(quick, halves):
    X, y = halves
    display = LearningCurveDisplay.from_estimator(
        quick(), X, y, cv=3, train_sizes=[10, 133], shuffle=True, random_state=0,
        scoring="neg_log_loss", error_score="raise",
    )  # fmt: skip
    few, many = display.test_scores.mean(axis=1)
    assert_array_equal(display.train_sizes, [10, 133])
    assert many > few
    sizes, _, scores = learning_curve(
        quick(), X, y, cv=3, train_sizes=[133], shuffle=True, random_state=0,
        scoring="neg_log_loss", error_score="raise",
    )  # fmt: skip
    assert_array_equal(sizes, [133])
    assert_array_equal(scores[0], display.test_scores[1])


def test_learning_curve_that_goes_on_from_size_to_size(quick, halves):
    X, y = halves
    _, _, scores, times, _ = learning_curve(
        quick(), X, y, cv=3, train_sizes=[40, 133], exploit_incremental_learning=True,
        shuffle=True, random_state=0, return_times=True, error_score="raise",
    )  # fmt: skip
    assert scores[1].mean() > 0.9
    assert times.shape == (2, 3)


def test_validation_curve_over_a_parameter(quick_pipeline, thirds):
    X, y = thirds
    call = {"param_name": "cnn__learning_rate", "param_range": [1e-6, 0.01], "cv": 3}
    display = ValidationCurveDisplay.from_estimator(quick_pipeline(), X, y, **call)
    _, scores = validation_curve(quick_pipeline(), X, y, **call)
    assert_array_equal(display.test_scores, scores)
    low, high = scores.mean(axis=1)
    assert low < 0.6
    assert high > 0.8


def test_shuffled_labels_score_as_chance_does(quick, halves):
    score, by_chance, p_value = permutation_test_score(
        quick(epochs=2), *halves, cv=2, n_permutations=4, random_state=0
    )
    assert score > 0.95
    assert by_chance.max() < 0.7
    assert p_value == pytest.approx(1 / 5)


# Pictures and inspection


def test_curves_of_a_binary_classifier(quick, noisy):
    X, y = noisy
    names = np.array(["ham", "spam"])[y]
    clf = quick().fit(X[:120], names[:120])
    X, y, names = X[120:], y[120:], names[120:]
    positive = clf.predict_proba(X)[:, 1]

    roc = metrics.RocCurveDisplay.from_estimator(clf, X, names)
    area = np.mean(positive[y == 1][:, None] > positive[y == 0]) + 0.5 * np.mean(
        positive[y == 1][:, None] == positive[y == 0]
    )
    assert roc.roc_auc == pytest.approx(area)
    assert area > 0.65

    precision = metrics.PrecisionRecallDisplay.from_estimator(clf, X, names)
    assert precision.average_precision == pytest.approx(
        metrics.average_precision_score(y, positive)
    )
    errors = metrics.DetCurveDisplay.from_estimator(clf, X, names)
    assert len(errors.fpr) == len(errors.fnr)
    confusion = metrics.ConfusionMatrixDisplay.from_estimator(clf, X, names)
    by_hand = [[np.sum((y == i) & ((positive > 0.5) == j)) for j in (0, 1)] for i in (0, 1)]
    assert_array_equal(confusion.confusion_matrix, by_hand)
    assert_array_equal(confusion.display_labels, ["ham", "spam"])


def test_roc_curves_of_the_folds(quick, noisy):
    if not hasattr(metrics.RocCurveDisplay, "from_cv_results"):
        pytest.skip("scikit-learn draws the folds from 1.7 on")
    X, y = noisy
    found = cross_validate(
        quick(), X, y, cv=3, scoring="roc_auc", return_estimator=True, return_indices=True
    )
    display = metrics.RocCurveDisplay.from_cv_results(found, X, y)
    assert_allclose(display.roc_auc, found["test_score"])


def test_decision_boundary_of_two_values(quick):
    """Two features are an image one pixel high and two wide."""
    X = np.random.default_rng(0).uniform(size=(300, 2))
    y = np.where(X[:, 0] > X[:, 1], "left", "right")
    clf = quick(epochs=10).fit(X, y)
    assert clf.image_shape_ == (1, 2, 1)
    assert clf.score(X, y) > 0.9
    display = DecisionBoundaryDisplay.from_estimator(
        clf, X, response_method="predict_proba", grid_resolution=20, eps=0, class_of_interest="left"
    )
    grid = np.column_stack([display.xx0.ravel(), display.xx1.ravel()])
    assert_allclose(display.response.ravel(), clf.predict_proba(grid)[:, 0])
    assert display.response[0, -1] > 0.9  # bright on the left
    assert display.response[-1, 0] < 0.1
    labels = DecisionBoundaryDisplay.from_estimator(
        clf, X, response_method="predict", grid_resolution=20, eps=0
    )
    assert_array_equal(labels.response.ravel(), (clf.predict(grid) == "right").astype(int))


def test_pixels_that_never_change_have_no_importance(fitted, digits):
    X, y = digits
    found = permutation_importance(fitted, X, y, n_repeats=2, random_state=0)
    constant = X.min(axis=0) == X.max(axis=0)
    assert constant.any()
    assert_array_equal(found.importances_mean[constant], 0)
    middle = np.arange(64).reshape(8, 8)[:, 2:6].ravel()
    assert found.importances_mean[middle].sum() > 0.05
    assert found.importances_mean[middle].sum() > found.importances_mean.sum() / 2


def test_partial_dependence_on_one_pixel(on_thirds, thirds):
    X, _ = thirds
    display = PartialDependenceDisplay.from_estimator(
        on_thirds, X, [(3,), (3, 60)], target="top", grid_resolution=5, kind="average"
    )
    values = display.pd_results[0]["grid_values"][0]
    by_hand = []
    for value in values:
        changed = X.copy()
        changed[:, 3] = value
        by_hand.append(on_thirds.predict_proba(changed)[:, 2].mean())
    assert_allclose(display.pd_results[0]["average"][2], by_hand, rtol=1e-5)
    assert by_hand[-1] > by_hand[0]  # a brighter pixel at the top speaks for the top


# Parameters, copies of the unfitted, representations


def around(clf, pipe):
    """Return meta-estimators with the classifier or the pipeline inside."""
    return [
        BaggingClassifier(clf, n_estimators=2),
        AdaBoostClassifier(clf),
        CalibratedClassifierCV(pipe, cv=3),
        VotingClassifier([("one", pipe), ("two", clf)], voting="soft"),
        StackingClassifier([("cnn", clf)], final_estimator=LogisticRegression()),
        OneVsRestClassifier(pipe),
        OneVsOneClassifier(pipe),
        OutputCodeClassifier(clf),
        MultiOutputClassifier(pipe),
        ClassifierChain(clf),
        SelfTrainingClassifier(clf),
        TunedThresholdClassifierCV(pipe),
        FixedThresholdClassifier(clf),
        GridSearchCV(pipe, {"cnn__epochs": [1]}),
        HalvingRandomSearchCV(pipe, {"cnn__epochs": [1]}),
        Pipeline([("outer", FunctionTransformer()), ("inner", pipe)]),
    ]


@pytest.mark.parametrize("position", range(16))
def test_parameters_reach_through_every_wrapper(quick, quick_pipeline, position):
    wrapper = around(quick(dropout=0.35), quick_pipeline(dropout=0.35))[position]
    names = [name for name in wrapper.get_params(deep=True) if name.endswith("__dropout")]
    assert names
    assert all(wrapper.get_params()[name] == 0.35 for name in names)
    copied = clone(wrapper).set_params(**dict.fromkeys(names, 0.05))
    assert all(copied.get_params()[name] == 0.05 for name in names)
    assert all(wrapper.get_params()[name] == 0.35 for name in names)
    assert clone(copied).get_params()[names[0]] == 0.05
    assert "dropout=0.35" in repr(wrapper).replace("\n", "").replace(" ", "")
    with pytest.raises(ValueError, match=r"Did you mean 'dropout'\?"):
        wrapper.set_params(**{names[0].replace("dropout", "dropuot"): 0.1})


def test_shallow_parameters_of_a_pipeline(quick_pipeline):
    pipe = quick_pipeline()
    assert set(pipe.get_params(deep=False)) >= {"steps", "memory", "verbose"}
    assert not any("__" in name for name in pipe.get_params(deep=False))
    replaced = clone(pipe).set_params(cnn=CNNClassifier(epochs=1), cnn__epochs=3)
    assert replaced[-1].epochs == 3
    assert replaced[-1].filters == CNNClassifier().filters


def test_html_shows_both_steps_their_parameters_and_whether_they_are_fitted(quick_pipeline, halves):
    pipe = quick_pipeline(dropout=0.35)
    unfitted = estimator_html_repr(pipe)
    fitted = estimator_html_repr(clone(pipe).fit(*halves))
    for page in (unfitted, fitted):
        assert "ImageScaler" in page
        assert "CNNClassifier" in page
        assert "0.35" in page
        assert "generated/mnist_estimator" not in page  # scikit-learn documents its own only
    assert "<span>Not fitted</span>" in unfitted
    assert "<span>Fitted</span>" in fitted
    assert "<span>Not fitted</span>" not in fitted
    assert pipe._repr_html_() is not None


def test_text_says_all_parameters_where_that_is_asked_for():
    with sklearn.config_context(print_changed_only=False):
        text = repr(CNNClassifier(epochs=3)).replace("\n", "").replace(" ", "")
    assert "epochs=3" in text
    assert "label_smoothing=0.0" in text
    assert repr(CNNClassifier(epochs=3)) == "CNNClassifier(epochs=3)"


# What goes along with the data


@pytest.fixture(scope="module")
def against(halves):
    """Return weights that count only rows whose label a wrong teacher has turned round.

    Half of the rows have the other label; those with the right one weigh nothing.
    """
    X, y = halves
    turned = np.arange(200) % 2 == 0
    return X, np.where(turned, 1 - y, y), turned.astype(float)


def test_weights_by_the_name_of_the_step(quick_pipeline, against, halves):
    X, y, weights = against
    _, right = halves
    pipe = quick_pipeline().fit(X, y, cnn__sample_weight=weights)
    assert pipe.score(X, right) < 0.05
    search = GridSearchCV(quick_pipeline(), {"cnn__dropout": [0.1]}, cv=2, error_score="raise")
    search.fit(X, y, cnn__sample_weight=weights)
    assert search.score(X, right) < 0.05
    found = cross_validate(
        quick_pipeline(), X, y, cv=2, params={"cnn__sample_weight": weights},
        return_estimator=True, error_score="raise",
    )  # fmt: skip
    for estimator in found["estimator"]:
        assert estimator.score(X, right) < 0.05


def test_validation_data_by_the_name_of_the_step(quick_pipeline, quick, halves):
    X, y = halves
    extra = {"cnn__X_val": X[160:], "cnn__y_val": y[160:]}
    pipe = quick_pipeline(image_shape=(8, 8)).set_params(scale__value_range=(0, 1))
    pipe.fit(X[:160], y[:160], **extra)
    by_hand = quick().fit(X[:160], y[:160], X_val=X[160:], y_val=y[160:])
    assert pipe[-1].history_ == by_hand.history_


def test_weights_of_the_score(on_thirds, thirds):
    X, y = thirds
    weights = np.linspace(0, 1, 240)
    right = on_thirds.predict(X) == y
    assert on_thirds.score(X, y, sample_weight=weights) == pytest.approx(
        np.average(right, weights=weights)
    )


@pytest.fixture
def routing():
    """Switch metadata routing on."""
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.mark.usefixtures("routing")
def test_requests_are_those_of_the_methods():
    clf = CNNClassifier()
    requests = clf.get_metadata_routing()
    assert requests.fit.requests == {"sample_weight": None, "X_val": None, "y_val": None}
    assert requests.partial_fit.requests == {"classes": None, "sample_weight": None}
    assert requests.score.requests == {"sample_weight": None}
    assert requests.predict.requests == requests.predict_proba.requests == {}
    clf.set_fit_request(sample_weight=True, X_val=True, y_val=False)
    clf.set_partial_fit_request(classes=True, sample_weight="weight")
    kept = clone(clf).get_metadata_routing()
    assert kept.fit.requests == {"sample_weight": True, "X_val": True, "y_val": False}
    assert kept.partial_fit.requests == {"classes": True, "sample_weight": "weight"}
    with pytest.raises(TypeError, match="Unexpected args"):
        clf.set_fit_request(weights=True)


@pytest.mark.usefixtures("routing")
def test_what_nobody_asked_for_is_refused(quick_pipeline, against):
    X, y, weights = against
    with pytest.raises(UnsetMetadataPassedError, match=r"\[sample_weight\] are passed but are not"):
        quick_pipeline().fit(X, y, sample_weight=weights)
    with pytest.raises(UnsetMetadataPassedError, match=r"CNNClassifier.set_fit_request"):
        quick_pipeline().fit(X, y, X_val=X, y_val=y)


@pytest.mark.usefixtures("routing")
def test_weights_are_routed(quick, quick_pipeline, against, halves):
    X, y, weights = against
    _, right = halves
    pipe = quick_pipeline()
    clf = pipe[-1].set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
    assert clone(pipe).fit(X, y, sample_weight=weights).score(X, right) < 0.05
    # A scorer of its own: before scikit-learn 1.7 a pipeline's score cannot ask for weights.
    scorer = metrics.make_scorer(metrics.accuracy_score).set_score_request(sample_weight=True)
    search = GridSearchCV(
        pipe, {"cnn__dropout": [0.1]}, cv=2, scoring=scorer, error_score="raise"
    ).fit(X, y, sample_weight=weights)
    assert search.best_score_ > 0.95  # weighted, on turned labels only
    assert search.best_estimator_.score(X, right) < 0.05
    for estimator, scoring in ((pipe, scorer), (clf, None)):
        found = cross_validate(
            estimator, X, y, cv=2, scoring=scoring, params={"sample_weight": weights},
            error_score="raise",
        )  # fmt: skip
        assert found["test_score"].min() > 0.95
    for wrapper in (
        BaggingClassifier(clf, n_estimators=2, random_state=0),
        CalibratedClassifierCV(clf, cv=2),
        VotingClassifier([("cnn", clf)], voting="soft"),
    ):
        wrapper.fit(X, y, sample_weight=weights)
        assert wrapper.score(X, right) < 0.05


@pytest.mark.usefixtures("routing")
def test_validation_data_are_routed_and_scaled(quick_pipeline, halves):
    X, y = halves
    bytes_ = (X * 255).astype(np.uint8)
    pipe = quick_pipeline()
    pipe[-1].set_fit_request(X_val=True, y_val=True)
    extra = {"X_val": bytes_[160:], "y_val": y[160:]}
    scaled = bytes_.astype(np.float32) / np.float32(255)
    by_hand = clone(pipe[-1]).fit(scaled[:160], y[:160], X_val=scaled[160:], y_val=y[160:])
    assert clone(pipe).fit(bytes_[:160], y[:160], **extra)[-1].history_ == by_hand.history_
    search = GridSearchCV(pipe, {"cnn__epochs": [4]}, cv=2, error_score="raise")
    search.fit(bytes_[:160], y[:160], **extra)
    assert search.best_estimator_[-1].history_ == by_hand.history_
    found = cross_validate(
        pipe, bytes_[:160], y[:160], cv=2, params=extra, return_estimator=True, error_score="raise"
    )
    for estimator in found["estimator"]:
        last = estimator[-1].history_["val_loss"]
        proba = estimator[-1].predict_proba(scaled[160:])
        assert min(last) == pytest.approx(log_loss_of([0, 1], proba, y[160:]), rel=1e-4)


@pytest.mark.usefixtures("routing")
def test_classes_are_routed_to_partial_fit(quick, thirds):
    X, y = thirds
    clf = quick(learning_rate=0.003).set_partial_fit_request(classes=True)
    rest = OneVsRestClassifier(clf)
    for _ in range(6):
        rest.partial_fit(X, y, classes=np.unique(y))
    assert rest.score(X, y) > 0.8


def test_without_routing_a_plain_weight_has_no_way_through_a_pipeline(quick_pipeline, against):
    X, y, weights = against
    with pytest.raises(ValueError, match="stepname__parameter format"):
        quick_pipeline().fit(X, y, sample_weight=weights)


def test_no_warning_in_an_ordinary_search(quick_pipeline, halves):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        GridSearchCV(quick_pipeline(epochs=1), {"cnn__dropout": [0.1]}, cv=2).fit(*halves)
