"""A classifier of digits that makes some mistakes, and its report."""

import matplotlib

matplotlib.use("agg")

import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from mnist_estimator import evaluate


@pytest.fixture(scope="session")
def all_digits():
    """Return all digits of 8×8 pixels as flat rows from 0 to 1, and their labels."""
    X, y = load_digits(return_X_y=True)
    return X / 16, y


@pytest.fixture(scope="session")
def model(all_digits):
    """Return a classifier fitted on 300 digits; tests must not change it."""
    X, y = all_digits
    return LogisticRegression(tol=1e-2).fit(X[:300], y[:300])


@pytest.fixture(scope="session")
def report(all_digits, model):
    """Return the report on the other digits."""
    X, y = all_digits
    return evaluate(model, X[300:], y[300:])
