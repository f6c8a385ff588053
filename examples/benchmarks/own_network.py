"""What `CNNClassifier(model=...)` takes to train, beside `keras.Model.fit` of the same network.

Both train the same network for as many epochs, with the same batches, without augmentation or
hard-example sampling, on images that are scaled already; in turn, each after a first fit that
compiles.

    python examples/benchmarks/own_network.py
"""

import argparse
import os
import time
from collections.abc import Sequence
from datetime import date

import keras
import numpy as np
import pandas as pd
from reporting import describe, to_markdown
from rich.console import Console

from mnist_estimator import CNNClassifier, load_mnist

N_TRAIN = 20_000
EPOCHS, BATCH_SIZE = 2, 128


def dense(meta: dict) -> keras.Model:
    """Return a multilayer perceptron."""
    return keras.Sequential(
        [
            keras.Input(meta["image_shape_"]),
            keras.layers.Flatten(),
            keras.layers.Dense(512, activation="relu"),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(meta["n_classes_"]),
        ]
    )


def convolutional(meta: dict) -> keras.Model:
    """Return the network of Keras's example for MNIST."""
    return keras.Sequential(
        [
            keras.Input(meta["image_shape_"]),
            keras.layers.Conv2D(32, 3, activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Conv2D(64, 3, activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Flatten(),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(meta["n_classes_"]),
        ]
    )


def residual(meta: dict) -> keras.Model:
    """Return a network with skip connections and batch normalization."""
    images = keras.Input(meta["image_shape_"])
    maps = keras.layers.Conv2D(32, 5, strides=2, activation="relu")(images)
    for _ in range(2):
        block = keras.layers.Conv2D(32, 3, padding="same", use_bias=False)(maps)
        block = keras.layers.BatchNormalization()(block)
        maps = keras.layers.Add()([maps, keras.layers.ReLU()(block)])
    maps = keras.layers.GlobalAveragePooling2D()(maps)
    return keras.Model(images, keras.layers.Dense(meta["n_classes_"])(maps))


NETWORKS = {"dense": dense, "convolutional": convolutional, "residual": residual}


def compare(name: str, repeats: int, n_train: int) -> dict[str, str]:
    """Time both in turn; return a row of the table."""
    build = NETWORKS[name]
    X, y = (part[:n_train] for part in load_mnist("train", return_X_y=True))
    images = (X.reshape(-1, 28, 28, 1) / 255).astype(np.float32)
    clf = CNNClassifier(
        model=build, epochs=EPOCHS, batch_size=BATCH_SIZE, optimizer="adam", learning_rate=0.001,
        schedule="constant", hard_fraction=1.0, augmentation=None, early_stopping=False,
        random_state=0,
    )  # fmt: skip
    model = build({"image_shape_": (28, 28, 1), "n_classes_": 10})
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer="adam", loss=loss, metrics=["accuracy"])

    def by_keras() -> None:
        model.fit(images, y, epochs=EPOCHS, batch_size=BATCH_SIZE, verbose=0)

    contestants = {"keras.Model.fit": by_keras, "CNNClassifier.fit": lambda: clf.fit(images, y)}
    times: dict[str, list[float]] = {contestant: [] for contestant in contestants}
    for turn in range(repeats + 1):
        for contestant, run in contestants.items():
            started = time.perf_counter()
            run()
            if turn:  # the first one compiles
                times[contestant].append(time.perf_counter() - started)
    medians = {contestant: float(np.median(values)) for contestant, values in times.items()}
    ratio = medians["CNNClassifier.fit"] / medians["keras.Model.fit"]
    return {contestant: f"{value:.2f}" for contestant, value in medians.items()} | {
        "ratio": f"{ratio:.2f}"
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=5, help="default: %(default)s")
    options = parser.parse_args(arguments)
    n_train = int(os.environ.get("MNIST_EXAMPLE_SIZE", N_TRAIN))
    rows = {name: compare(name, options.repeats, n_train) for name in NETWORKS}
    table = pd.DataFrame(rows).T.rename_axis(f"{n_train:,} images, {EPOCHS} epochs, seconds")
    console = Console()
    console.print(f"{describe(str(date.today()))}.\n", highlight=False, soft_wrap=True)
    console.print(to_markdown(table), highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main()
