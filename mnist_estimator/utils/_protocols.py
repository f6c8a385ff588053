"""What is passed around, by what is asked of it; scikit-learn's own classes have no types."""

from typing import Any, Protocol, Self


class Estimator(Protocol):
    """An estimator of scikit-learn, or one like it."""

    def get_params(self, deep: bool = ...) -> dict[str, Any]:
        """Return the parameters by name."""

    def set_params(self, **params: Any) -> Self:
        """Set parameters."""


class Classifier(Protocol):
    """A fitted classifier, or what delegates to one: a pipeline or a search."""

    def predict(self, X: Any, /) -> Any:
        """Return a label for each sample."""
