"""What is passed around, by what is asked of it; scikit-learn's own classes have no types."""

from typing import Any, Protocol


class Classifier(Protocol):
    """A fitted classifier, or what delegates to one: a pipeline or a search."""

    def predict(self, X: Any, /) -> Any:
        """Return a label for each sample."""


class FittedClassifier(Classifier, Protocol):
    """A classifier that tells its labels."""

    classes_: Any
    """Of shape (n_classes,)."""


class ProbabilisticClassifier(Classifier, Protocol):
    """A classifier with probabilities."""

    def predict_proba(self, X: Any, /) -> Any:
        """Return the probability of each class for each sample."""
