"""scikit-learn's own checks on the classifier."""

import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from mnist_estimator import CNNClassifier, make_pipeline

N_CHECKS = 55
"""Checks that a classifier gets at the least; a wrong tag would take most of them away."""

INHERENT = {
    "check_sample_weight_equivalence_on_dense_data": (
        "repeated rows make other batches, other dropout and other augmentation than weights do"
    ),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.DataConversionWarning")
@parametrize_with_checks(
    [CNNClassifier(), CNNClassifier(early_stopping=False, class_weight="balanced")],
    expected_failed_checks=lambda estimator: INHERENT,
    xfail_strict=True,
)
def test_classifier(estimator, check):
    check(estimator)


def test_no_tag_shrinks_the_checks():
    assert len(list(estimator_checks_generator(CNNClassifier()))) >= N_CHECKS


PIPELINES_OWN = {
    "check_estimators_overwrite_params": "any Pipeline keeps its fitted steps in its parameter",
    "check_dont_overwrite_parameters": "any Pipeline keeps its fitted steps in its parameter",
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.DataConversionWarning")
@parametrize_with_checks(
    [make_pipeline(random_state=0)],  # the checks seed an estimator, but not the steps of one
    expected_failed_checks=lambda estimator: PIPELINES_OWN,
    xfail_strict=True,
)
def test_pipeline(estimator, check):
    check(estimator)
