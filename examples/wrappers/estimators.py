"""The estimators that are compared.

Each wrapper gets the same small network, as a user who knows the wrapper would write it:
it takes images of any shape and any number of classes, converts dtypes where the wrapper
leaves that to the network, shuffles, and has a seed where the wrapper knows one. What
fails then is the wrapper's.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

EPOCHS = 10
RATE = 0.01
BATCH = 32
UNITS = 64


def make_ours(n_classes: int = 10) -> Any:
    """Make a `CNNClassifier`, with a network that is traced in a second."""
    from mnist_estimator import CNNClassifier

    return CNNClassifier(
        filters=(8, 16),
        kernel_size=3,
        epochs=EPOCHS,
        learning_rate=RATE,
        batch_size=BATCH,
        augmentation=None,
        random_state=0,
    )


def make_ours_checked() -> Any:
    """Make the `CNNClassifier` for the estimator checks, with all defaults."""
    from mnist_estimator import CNNClassifier

    return CNNClassifier()


def keras_network(input_shape: tuple[int, ...], n_classes: int) -> Any:
    """Build the network of both wrappers of Keras."""
    import keras

    layers = [
        keras.Input(input_shape),
        keras.layers.Flatten(),
        keras.layers.Dense(UNITS, activation="relu"),
        keras.layers.Dense(n_classes, activation="softmax"),
    ]
    return keras.Sequential(layers)


def scikeras_network(meta: dict[str, Any]) -> Any:
    """Build the network from what scikeras knows of the data; scikeras compiles it."""
    return keras_network(meta["X_shape_"][1:], meta["n_classes_"])


def make_scikeras(n_classes: int = 10) -> Any:
    """Make scikeras's `KerasClassifier`."""
    from scikeras.wrappers import KerasClassifier

    return KerasClassifier(
        scikeras_network,
        loss="sparse_categorical_crossentropy",
        optimizer="adam",
        optimizer__learning_rate=RATE,
        epochs=EPOCHS,
        batch_size=BATCH,
        verbose=0,
        random_state=0,
    )


def compiled_network(X: Any, y: Any) -> Any:
    """Build and compile the network for data as Keras's wrapper prepares them."""
    import keras

    network = keras_network(X.shape[1:], y.shape[1])
    network.compile(optimizer=keras.optimizers.Adam(RATE), loss="categorical_crossentropy")
    return network


def keras_fit_kwargs(epochs: int = EPOCHS, **more: Any) -> dict[str, Any]:
    """Return the parameter of Keras's wrapper that says how to train."""
    return {"fit_kwargs": {"epochs": epochs, "batch_size": BATCH, "verbose": 0} | more}


def make_keras(n_classes: int = 10) -> Any:
    """Make Keras's own `SKLearnClassifier`."""
    from keras.wrappers import SKLearnClassifier

    return SKLearnClassifier(compiled_network, **keras_fit_kwargs())


def to_float32(module: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Convert what comes into a network of PyTorch, as the first line of a `forward` would."""
    return (inputs[0].float(), *inputs[1:])


def torch_network(n_features: int = 64, n_classes: int = 10) -> Any:
    """Build the network of skorch."""
    from torch import nn

    network = nn.Sequential(
        nn.Flatten(),
        nn.Linear(n_features, UNITS),
        nn.ReLU(),
        nn.Linear(UNITS, n_classes),
        nn.Softmax(dim=-1),
    )
    network.register_forward_pre_hook(to_float32)
    return network


def make_skorch(n_classes: int = 10, **more: Any) -> Any:
    """Make skorch's `NeuralNetClassifier`, whose network has to be told the classes."""
    import skorch
    import torch

    return skorch.NeuralNetClassifier(
        torch_network,
        module__n_classes=n_classes,
        max_epochs=EPOCHS,
        lr=RATE,
        optimizer=torch.optim.Adam,
        batch_size=BATCH,
        iterator_train__shuffle=True,
        verbose=0,
        **more,
    )


def make_skorch_checked() -> Any:
    """Make the `NeuralNetClassifier` for the estimator checks, whose data have many shapes."""
    from skorch.callbacks import Callback

    global ShapeSetter  # where pickle finds it

    class ShapeSetter(Callback):
        """Fit the network to the data, as skorch's documentation advises."""

        def on_train_begin(self, net: Any, X: Any = None, y: Any = None, **kwargs: Any) -> None:
            labels = np.asarray(y)
            whole = labels.dtype.kind in "iu"  # an output for each label from 0 up
            net.set_params(
                module__n_features=int(np.prod(np.shape(X)[1:])),
                module__n_classes=int(labels.max()) + 1 if whole else len(np.unique(labels)),
            )

    return make_skorch(callbacks=[ShapeSetter])


def make_mlp(n_classes: int = 10) -> Any:
    """Make scikit-learn's `MLPClassifier`."""
    from sklearn.neural_network import MLPClassifier

    return MLPClassifier(
        (UNITS,), max_iter=EPOCHS, batch_size=BATCH, learning_rate_init=RATE, random_state=0
    )


def make_mlp_checked() -> Any:
    """Make the `MLPClassifier` for the estimator checks, with all defaults."""
    from sklearn.neural_network import MLPClassifier

    return MLPClassifier()


def stop_keras_early() -> list[Any]:
    """Return callbacks of Keras that stop early."""
    import keras

    return [keras.callbacks.EarlyStopping(patience=5)]


def stop_skorch_early() -> list[Any]:
    """Return callbacks of skorch that stop early."""
    from skorch.callbacks import EarlyStopping

    return [EarlyStopping(patience=5)]


@dataclass(frozen=True)
class Column:
    """An estimator, and how it spells what all of them have.

    Attributes
    ----------
    title : str
        Heading of the column.
    requires : tuple of str
        Modules without which the column is "not installed".
    make : callable
        `make(n_classes)` returns a new estimator for images of 64 pixels.
    make_checked : callable
        Returns a new estimator for the estimator checks, whose data have any shape.
    epochs : callable
        `epochs(n)` returns the one parameter, and its value, that sets the epochs.
    losses : callable
        Takes a fitted estimator, returns its training losses, one an epoch.
    early_stopping : callable
        Returns the parameters that hold out a fifth of the data and stop early.
    """

    title: str
    requires: tuple[str, ...]
    make: Callable[..., Any]
    make_checked: Callable[[], Any]
    epochs: Callable[[int], dict[str, Any]]
    losses: Callable[[Any], Sequence[float]]
    early_stopping: Callable[[], dict[str, Any]]


COLUMNS = {
    "mnist_estimator": Column(
        "mnist_estimator CNNClassifier",
        ("mnist_estimator", "keras", "tensorflow"),
        make_ours,
        make_ours_checked,
        lambda n: {"epochs": n},
        lambda fitted: fitted.history_["loss"],
        lambda: {"early_stopping": True, "validation_fraction": 0.2},
    ),
    "scikeras": Column(
        "scikeras KerasClassifier",
        ("scikeras", "keras", "tensorflow"),
        make_scikeras,
        make_scikeras,
        lambda n: {"epochs": n},
        lambda fitted: fitted.history_["loss"],
        lambda: {"validation_split": 0.2, "callbacks": stop_keras_early()},
    ),
    "keras": Column(
        "Keras SKLearnClassifier",
        ("keras", "tensorflow"),
        make_keras,
        make_keras,
        keras_fit_kwargs,
        lambda fitted: fitted.history_.history["loss"],
        lambda: keras_fit_kwargs(validation_split=0.2, callbacks=stop_keras_early()),
    ),
    "skorch": Column(
        "skorch NeuralNetClassifier",
        ("skorch", "torch"),
        make_skorch,
        make_skorch_checked,
        lambda n: {"max_epochs": n},
        lambda fitted: fitted.history[:, "train_loss"],
        lambda: {"callbacks": stop_skorch_early()},  # a fifth is held out by default
    ),
    "sklearn": Column(
        "scikit-learn MLPClassifier",
        ("sklearn",),
        make_mlp,
        make_mlp_checked,
        lambda n: {"max_iter": n},
        lambda fitted: fitted.loss_curve_,
        lambda: {"early_stopping": True, "validation_fraction": 0.2},
    ),
}
