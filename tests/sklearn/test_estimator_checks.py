"""scikit-learn's own checks on the classifier and its pipelines, each of them."""

import numpy as np
import pytest
from own_networks import dense
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from mnist_estimator import CNNClassifier, ImageScaler, make_pipeline

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.DataConversionWarning")

RANDOM_TRAINING = {
    "check_sample_weight_equivalence_on_dense_data": (
        "repeated rows make other batches, other dropout and other augmentation than weights do; "
        "without these it passes, see DETERMINISTIC"
    ),
}
EPOCHS = 7
"""Fewer than usual, enough for the small problems of the checks."""
FEW_LAYERS = {"epochs": EPOCHS, "filters": (4,)}
"""For all but the first estimator, which has the network of the defaults."""
DETERMINISTIC = CNNClassifier(
    **FEW_LAYERS | {"filters": (16, 48)},  # so few steps want more of a network
    dropout=0.0,
    batch_norm=False,
    augmentation=None,
    early_stopping=False,  # which rows are held out depends on how many there are
    batch_size=1000,  # all rows of the checks, so that a step does not depend on their order
    precision="float64",  # the checks compare seven digits
)
PIPELINES_OWN = {
    "check_estimators_overwrite_params": "any Pipeline keeps its fitted steps in its parameter",
    "check_dont_overwrite_parameters": "any Pipeline keeps its fitted steps in its parameter",
}
NOT_OURS = {
    "check_sample_weight_equivalence_on_sparse_data": "images are dense; sparse ones are refused",
    "check_classifiers_multilabel_output_format_decision_function": "one label an image",
    "check_classifiers_multilabel_output_format_predict": "one label an image",
    "check_classifiers_multilabel_output_format_predict_proba": "one label an image",
    "check_classifiers_multilabel_representation_invariance": "one label an image",
}
"""Checks that MLPClassifier gets and ours does not."""


class Dense:
    """A function that builds a network, with a name that is the same in all test processes."""

    def __call__(self, meta):
        return dense(meta, dropout=0.0)

    def __repr__(self):
        return "dense"


def names(estimator):
    return {check.func.__name__ for _, check in estimator_checks_generator(estimator)}


@parametrize_with_checks(
    [CNNClassifier(epochs=EPOCHS)], expected_failed_checks=lambda estimator: RANDOM_TRAINING
)
def test_classifier(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks(
    [
        CNNClassifier(**FEW_LAYERS, early_stopping=False, class_weight="balanced"),
        CNNClassifier(epochs=EPOCHS, model=Dense()),
    ],
    expected_failed_checks=lambda estimator: RANDOM_TRAINING,
)
def test_classifier_with_other_parameters(estimator, check):
    check(estimator)


@parametrize_with_checks([DETERMINISTIC])
def test_classifier_without_randomness_in_training(estimator, check):
    check(estimator)


def test_no_tag_shrinks_the_checks():
    assert names(MLPClassifier()) - names(CNNClassifier()) <= set(NOT_OURS)
    assert len(list(estimator_checks_generator(CNNClassifier()))) >= 55
    assert isinstance(CNNClassifier(), ClassifierMixin)


class Colour(TransformerMixin, BaseEstimator):
    """Make three channels of one, each of another strength."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X * np.array([1.0, 0.5, -1.0], dtype=np.float32)

    def __sklearn_is_fitted__(self):
        return True


COLOUR = Pipeline(
    [
        ("scale", ImageScaler()),
        ("colour", Colour()),
        ("cnn", CNNClassifier(**FEW_LAYERS, random_state=0)),
    ]
)


@parametrize_with_checks(
    # The checks seed an estimator, but not the steps of one.
    [make_pipeline(**FEW_LAYERS, random_state=0)],
    expected_failed_checks=lambda estimator: PIPELINES_OWN,
)
def test_pipeline(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks([COLOUR], expected_failed_checks=lambda estimator: PIPELINES_OWN)
def test_pipeline_with_another_transformer(estimator, check):
    check(estimator)


def test_every_pipeline_fails_these_two():
    """The expected failures of ours are those of a pipeline without anything of ours."""
    plain = Pipeline([("scale", FunctionTransformer()), ("model", LogisticRegression())])
    checks = {check.func.__name__: check for _, check in estimator_checks_generator(plain)}
    for name in PIPELINES_OWN:
        with pytest.raises(AssertionError):
            checks[name](plain)
