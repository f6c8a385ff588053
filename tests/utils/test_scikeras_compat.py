"""What the classifier inherits from scikeras."""

import numpy as np
import pytest
from sklearn.base import clone, is_classifier

from mnist_estimator import CNNClassifier
from mnist_estimator.utils._scikeras_compat import HIDDEN


@pytest.fixture(scope="module")
def fitted():
    generator = np.random.default_rng(0)
    X = generator.integers(0, 256, (40, 8, 8)).astype(np.uint8)
    return CNNClassifier(filters=(4,), epochs=1, random_state=0).fit(X, np.arange(40) % 2)


@pytest.mark.parametrize("name", HIDDEN)
def test_members_of_scikeras_without_a_meaning_are_hidden(name, fitted):
    for owner in (CNNClassifier, CNNClassifier(), fitted, clone(fitted)):
        assert name not in dir(owner)
        assert not hasattr(owner, name)
    with pytest.raises(AttributeError, match=f"'CNNClassifier' object has no attribute '{name}'"):
        getattr(fitted, name)


def test_other_members_are_found(fitted):
    assert {"fit", "predict_proba", "history_", "classes_"} <= set(dir(fitted))
    assert is_classifier(fitted)
