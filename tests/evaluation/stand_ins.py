"""Classifiers whose answers and histories are set by the test."""

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

HISTORY = {
    "loss": [0.9, 0.5, 0.3, 0.2],
    "accuracy": [0.70, 0.85, 0.91, 0.94],
    "val_loss": [0.8, 0.5, 0.4, 0.45],
    "val_accuracy": [0.72, 0.86, 0.90, 0.89],
}


class Network(ClassifierMixin, BaseEstimator):
    """Stands for an estimator that is trained in epochs."""

    def __init__(self, history=None, best_epoch=None):
        self.history = history
        self.best_epoch = best_epoch

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.history_ = self.history or HISTORY
        if self.best_epoch is not None:
            self.best_epoch_ = self.best_epoch
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


class Fixed(ClassifierMixin, BaseEstimator):
    """Says what it is told: the last columns of X are its probabilities."""

    def __init__(self, classes=(0, 1), history=None):
        self.classes = classes
        self.history = history

    def fit(self, X, y):
        self.classes_ = np.array(self.classes)
        if self.history:
            self.history_, self.best_epoch_ = self.history, 2
        return self

    def predict_proba(self, X):
        return np.asarray(X)[:, -len(self.classes_) :]

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


def fixed(proba, classes, **parameters):
    """Return a ``Fixed`` that is fitted."""
    return Fixed(classes, **parameters).fit(proba, None)
