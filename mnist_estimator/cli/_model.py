"""The saved model of a command: found, loaded, and called with images from files."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..utils._output_files import PIPELINE_FILE, pipeline_file
from ._terminal import PlainConsole, import_tensorflow

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .inputs._base import ImageSpec


class LoadedModel(NamedTuple):
    """A fitted pipeline, and the images that it takes."""

    pipe: Any
    image_spec: "ImageSpec"

    @property
    def classes(self) -> list[Any]:
        """The labels that it knows."""
        labels: list[Any] = self.pipe.classes_.tolist()
        return labels

    @property
    def classifies_digits(self) -> bool:
        """Whether it has the classes and the image shape of a model fitted on MNIST."""
        return self.classes == list(range(10)) and self.image_spec.image_shape == (28, 28, 1)

    def classify(
        self, images: "NDArray[Any]", *, invert: bool
    ) -> tuple["NDArray[Any]", "NDArray[Any]"]:
        """Return labels, and probabilities in the order of the classes."""
        proba = self.pipe.predict_proba(self._as_fitted(images, invert))
        return self.pipe.classes_[proba.argmax(axis=1)], proba

    def evaluate(self, X: "NDArray[Any]", y: "NDArray[Any]", *, invert: bool) -> Any:
        """Return the report on images and their labels."""
        from ..evaluation._evaluate import evaluate
        from .inputs._label_columns import KnownLabels

        return evaluate(
            self.pipe, self._as_fitted(X, invert), KnownLabels(self.classes).convert(y),
            image_shape=self.image_spec.image_shape,
        )  # fmt: skip

    def _as_fitted(self, images: "NDArray[Any]", invert: bool) -> Any:
        """Return images inverted if need be, and as a frame if the pipeline knows columns."""
        if invert:
            if self.image_spec.value_range is None:
                raise ValueError("--invert needs a model with an ImageScaler. Invert the images.")
            low, high = self.image_spec.value_range
            images = (low + high - images).astype(images.dtype)
        if self.image_spec.feature_names is None:
            return images
        import pandas as pd

        return pd.DataFrame(images.reshape(len(images), -1), columns=self.image_spec.feature_names)


def find_model(path: Path) -> Path:
    """Return the file of a model, whether the file or the folder of a training is named.

    Raises
    ------
    FileNotFoundError
        If it is not there.
    """
    file = pipeline_file(path)
    if file.is_dir() or not file.exists():
        place = file / PIPELINE_FILE if file.is_dir() else file
        raise FileNotFoundError(
            f"{place}: there is no such model. Train one (mnist-estimator train) or check the path."
        )
    return file


def load_model(path: Path) -> LoadedModel:
    """Load a model, and find out which images it takes.

    TensorFlow and scikit-learn are imported only for files that need them.

    Raises
    ------
    OSError, ValueError
        If the file cannot be read, or holds no classifier of images.
    """
    from ..serving._load_predictor import find_predictor, predictor_of
    from .inputs._base import ImageSpec

    pipe: Any
    pipe, is_older = find_predictor(path)
    parts = [pipe]
    if pipe is None:
        from ..utils._fitted import fitted_parts

        pipe = load_pipeline(path)
        parts = list(fitted_parts(pipe))
    if is_older:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            pipe = predictor_of(pipe, path) or pipe
        for warning in caught:
            PlainConsole(stderr=True).print(f"Note: {warning.message}")
    learned: dict[str, Any] = {}
    for part in parts:
        for name in ("image_shape_", "value_range_", "feature_names_in_"):
            if name not in learned and hasattr(part, name):
                learned[name] = getattr(part, name)
    if "image_shape_" not in learned or not hasattr(pipe, "predict_proba"):
        raise ValueError(f"{path} holds no classifier of images, but {type(pipe).__name__}.")
    names = learned.get("feature_names_in_")
    value_range = learned.get("value_range_")
    image_spec = ImageSpec(
        tuple(learned["image_shape_"]),
        None if value_range is None else tuple(value_range),
        None if names is None else list(names),
        pipe.classes_.tolist(),
    )
    return LoadedModel(pipe, image_spec)


def load_pipeline(path: Path) -> Any:
    """Load a pipeline with all its parts, with TensorFlow.

    Raises
    ------
    OSError, ValueError
        As :func:`~mnist_estimator.load`.
    """
    import_tensorflow()
    from ..persistence._save_load import load

    return load(path)
