"""Shared fixtures: images of MNIST, and a classifier that knows them."""

import pytest
from sklearn.neighbors import KNeighborsClassifier

from mnist_estimator import load_mnist


@pytest.fixture(scope="session")
def mnist():
    """The first thousand training images, and their labels."""
    X, y = load_mnist("train", return_X_y=True)
    return X[:1000], y[:1000]


@pytest.fixture(scope="session")
def reader(mnist):
    """A classifier that knows the images that the pages of the tests are made of."""
    return KNeighborsClassifier(1).fit(*mnist)
