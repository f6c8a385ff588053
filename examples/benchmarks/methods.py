"""The ways to classify MNIST that compare.py compares.

What each needs is imported when it is made: each runs without the others.
"""

import importlib.util
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mnist_estimator import __version__

KERAS = {"batch_size": 128, "validation_split": 0.1}
TORCH = {"batch_size": 64, "lr": 1.0, "gamma": 0.7}
MLP = {"hidden_layer_sizes": (256,), "early_stopping": True}
SUPPORT_VECTORS = {"C": 10.0, "gamma": "scale", "cache_size": 1000}  # MB
NEIGHBORS = {"n_neighbors": 3}


def scale(X: np.ndarray) -> np.ndarray:
    """Scale bytes to [0, 1]."""
    return X.astype(np.float32) / 255


def scale_images(X: np.ndarray) -> np.ndarray:
    """Scale flat rows of bytes, and bring them to the form that Keras takes."""
    return scale(X).reshape(-1, 28, 28, 1)


def make_ours(preset: str, seed: int, epochs: int | None) -> Any:
    """Make the pipeline of this package."""
    from mnist_estimator import make_pipeline

    changed: dict[str, Any] = {} if epochs is None else {"epochs": epochs}
    return make_pipeline(preset, random_state=seed, **changed)


def make_scaled(estimator: Any) -> Any:
    """Put the scaling of pixels before an estimator."""
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import FunctionTransformer

    return Pipeline([("scale", FunctionTransformer(scale)), ("estimator", estimator)])


def keras_network() -> Any:
    """Build the network of Keras's example."""
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )


class KerasExample:
    """Keras's example, https://keras.io/examples/vision/mnist_convnet, as a classifier."""

    def __init__(self, seed: int, epochs: int | None) -> None:
        self.seed = seed
        self.epochs = epochs

    def fit(self, X: np.ndarray, y: np.ndarray) -> "KerasExample":
        """Train as the example does."""
        import keras

        keras.utils.set_random_seed(self.seed)
        self.network_ = keras_network()
        self.network_.compile(
            loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"]
        )
        targets = keras.utils.to_categorical(y, 10)
        told = self.network_.fit(scale_images(X), targets, epochs=self.epochs, verbose=0, **KERAS)
        self.history_ = told.history
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Return the probability of each digit."""
        return self.network_.predict(scale_images(X), verbose=0)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return the most probable digit."""
        return self.predict_proba(X).argmax(axis=1)


class ScikerasExample:
    """The network of Keras's example in scikeras's wrapper.

    No `Pipeline` scales the pixels: with scikit-learn 1.6 it can't hold scikeras's wrapper.
    """

    def __init__(self, seed: int, epochs: int | None) -> None:
        self.seed = seed
        self.epochs = epochs

    def fit(self, X: np.ndarray, y: np.ndarray) -> "ScikerasExample":
        """Train the wrapper as Keras's example does."""
        from scikeras.wrappers import KerasClassifier

        self.wrapper_ = KerasClassifier(
            keras_network,
            loss="categorical_crossentropy",
            optimizer="adam",
            metrics=["accuracy"],
            epochs=self.epochs,
            verbose=0,
            random_state=self.seed,
            **KERAS,
        )
        self.wrapper_.fit(scale_images(X), y)
        self.history_ = self.wrapper_.history_
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Return the probability of each digit."""
        return self.wrapper_.predict_proba(scale_images(X))

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return the most probable digit."""
        return self.wrapper_.predict(scale_images(X))


def torch_network() -> Any:
    """Build the network of PyTorch's example; its softmax is in the loss."""
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(1, 32, 3),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout(0.25),
        nn.Flatten(),
        nn.Linear(9216, 128),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(128, 10),
    )


class TorchExample:
    """PyTorch's example, https://github.com/pytorch/examples/tree/main/mnist, as a classifier."""

    def __init__(self, seed: int, epochs: int | None) -> None:
        self.seed = seed
        self.epochs = epochs or 0

    def fit(self, X: np.ndarray, y: np.ndarray) -> "TorchExample":
        """Train as the example does, but on shuffled images that are in memory already."""
        import torch

        torch.manual_seed(self.seed)
        self.network_ = torch_network()
        images, labels = self._images(X), torch.from_numpy(y)
        optimizer = torch.optim.Adadelta(self.network_.parameters(), lr=TORCH["lr"])
        schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=TORCH["gamma"])
        for _ in range(self.epochs):
            self.network_.train()
            for rows in torch.randperm(len(images)).split(TORCH["batch_size"]):
                optimizer.zero_grad()
                loss = torch.nn.functional.cross_entropy(self.network_(images[rows]), labels[rows])
                loss.backward()
                optimizer.step()
            schedule.step()
        self.n_iter_ = self.epochs
        return self

    @staticmethod
    def _images(X: np.ndarray) -> Any:
        """Standardize the pixels with the numbers that stand in the example."""
        import torch

        return torch.from_numpy((scale(X) - 0.1307) / 0.3081).reshape(-1, 1, 28, 28)

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Return the probability of each digit."""
        import torch

        self.network_.eval()
        with torch.no_grad():
            parts = [self.network_(part).softmax(dim=1) for part in self._images(X).split(1000)]
        return torch.cat(parts).numpy()

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return the most probable digit."""
        return self.predict_proba(X).argmax(axis=1)


def make_mlp(seed: int, epochs: int | None) -> Any:
    """Make scikit-learn's own network."""
    from sklearn.neural_network import MLPClassifier

    return make_scaled(MLPClassifier(max_iter=epochs, random_state=seed, **MLP))


def make_svc(seed: int, epochs: int | None) -> Any:
    """Make a support vector machine."""
    from sklearn.svm import SVC

    return make_scaled(SVC(**SUPPORT_VECTORS))


def make_neighbors(seed: int, epochs: int | None) -> Any:
    """Make nearest neighbours."""
    from sklearn.neighbors import KNeighborsClassifier

    return make_scaled(KNeighborsClassifier(**NEIGHBORS))


def make_boosting(seed: int, epochs: int | None) -> Any:
    """Make gradient boosting of trees."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    return make_scaled(HistGradientBoostingClassifier(max_iter=epochs, random_state=seed))


@dataclass(frozen=True)
class Method:
    """A way to classify digits.

    Attributes
    ----------
    name : str
        What it is called on the command line and in the CSV file.
    title : str
        What it is called in the table.
    make : callable
        `make(seed, epochs)` returns an object with `fit`, `predict` and, if it gives
        probabilities, `predict_proba`. They take flat rows of bytes.
    needs : tuple of str
        Modules without which it is not installed; imported before the clock starts.
    note : str
        What to know of it.
    about : float
        Seconds of a run on two cores, until one has been measured.
    seeds : sequence of int
        The seeds of a whole run.
    settings : mapping
        Its parameters. What has other ones is run again.
    preset : str or None
        That of our pipeline, whose parameters belong to the settings.
    epochs : int or None
        Epochs, or at most so many, or trees; None for what has none or knows its own.
    published : int or None
        The epochs that it has where it comes from.
    in_epochs : bool
        Whether it learns in epochs at all.
    """

    name: str
    title: str
    make: Callable[[int, int | None], Any]
    needs: tuple[str, ...]
    note: str
    about: float
    seeds: Sequence[int] = (0,)
    settings: Mapping[str, Any] = field(default_factory=dict)
    preset: str | None = None
    epochs: int | None = None
    published: int | None = None
    in_epochs: bool = True

    @property
    def label(self) -> str:
        """The title, with the epochs where they are not those published."""
        if self.epochs == self.published:
            return self.title
        if self.published is None:
            return f"{self.title}, epochs={self.epochs}"
        return f"{self.title}, {self.epochs} of {self.published} epochs"

    @property
    def missing(self) -> list[str]:
        """Modules that are not installed; none is imported for it."""
        return [module for module in self.needs if importlib.util.find_spec(module) is None]


def ours(preset: str, seeds: Sequence[int], about: float, note: str) -> Method:
    """Return the method of a preset."""
    return Method(
        preset,
        f'make_pipeline("{preset}")',
        lambda seed, epochs: make_ours(preset, seed, epochs),
        ("tensorflow", "keras", "mnist_estimator.pipeline"),
        note,
        about,
        seeds,
        preset=preset,
    )


LIST = (
    ours("fast", range(10), 10, "this package."),
    ours("balanced", range(10), 60, "this package's default, `make_pipeline()`."),
    ours("accurate", range(3), 600, "this package: a broader network, 176 epochs."),
    Method(
        "keras",
        "Keras's example",
        KerasExample,
        ("tensorflow", "keras"),
        "the network and the training of keras.io/examples/vision/mnist_convnet.",
        210,
        range(3),
        KERAS,
        epochs=15,
        published=15,
    ),
    Method(
        "scikeras",
        "scikeras, the same network",
        ScikerasExample,
        ("tensorflow", "keras", "scikeras"),
        "`KerasClassifier` around Keras's example, with `random_state`.",
        220,
        settings=KERAS,
        epochs=15,
        published=15,
    ),
    Method(
        "torch",
        "PyTorch's example",
        TorchExample,
        ("torch",),
        "the network and the training of pytorch/examples/mnist, stopped after the epochs stated "
        "(`--epochs-torch`). Its images are decoded in advance, and shuffled, which the example "
        "does on a GPU only.",
        190,
        settings=TORCH,
        epochs=3,
        published=14,
    ),
    Method(
        "mlp",
        "MLPClassifier",
        make_mlp,
        ("sklearn.neural_network",),
        "scikit-learn's, with 256 hidden units and early stopping.",
        60,
        settings=MLP,
        epochs=200,
        published=200,
    ),
    Method(
        "svc",
        "SVC",
        make_svc,
        ("sklearn.svm",),
        "scikit-learn's, RBF kernel, C=10, a cache of 1,000 MB. It gives no probabilities.",
        400,
        settings=SUPPORT_VECTORS,
        in_epochs=False,
    ),
    Method(
        "boosting",
        "HistGradientBoostingClassifier",
        make_boosting,
        ("sklearn.ensemble",),
        "scikit-learn's, with its defaults; an epoch is a round of ten trees.",
        100,
        epochs=100,
        published=100,
    ),
    Method(
        "neighbors",
        "KNeighborsClassifier(3)",
        make_neighbors,
        ("sklearn.neighbors",),
        "scikit-learn's. Its fit only stores the images.",
        20,
        settings=NEIGHBORS,
        in_epochs=False,
    ),
)
METHODS = {method.name: method for method in LIST}


def settings_of(method: Method) -> str:
    """Return all parameters of a method; for ours, which imports TensorFlow, defaults too."""
    settings = dict(method.settings)
    if method.preset is not None:
        pipe = make_ours(method.preset, 0, method.epochs)
        settings |= pipe[-1].get_params() | {"random_state": None, "version": __version__}
    return json.dumps(settings, sort_keys=True, default=str)
