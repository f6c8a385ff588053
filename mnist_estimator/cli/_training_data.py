"""The images that a command trains on: MNIST, or those of the user."""

import argparse
from typing import TYPE_CHECKING, Any, NamedTuple

from ..utils._wording import counted
from ._terminal import PlainConsole

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .inputs._training import LabelledImages

TEST_SHARE = 1 / 6
"""Share of the images held out for the report where there is no test set."""


class TrainingData(NamedTuple):
    """Images and labels for training, validation and test."""

    name: str
    """Of the data, for reports."""
    X: "NDArray[Any]"
    y: "NDArray[Any]"
    X_val: "NDArray[Any] | None"
    y_val: "NDArray[Any] | None"
    X_test: "NDArray[Any]"
    y_test: "NDArray[Any]"
    value_range: tuple[float, float] | None
    """Values of black and white, where they are known."""
    skipped: list[str]
    """Files that were left out."""


def load_training_data(options: argparse.Namespace, console: PlainConsole) -> TrainingData:
    """Load MNIST or the images that a command is given, and print how many there are.

    Parameters
    ----------
    options : argparse.Namespace
        ``data``, ``source``, ``drawn``, ``validation``, ``test``, ``train_size``, ``seed`` and
        those that say what is in ``data``, as the command line has them.
    console : PlainConsole
        Where to print.

    Raises
    ------
    ValueError, OSError
        If the data cannot be read, or hold too little.
    """
    if options.data is None:
        data = _mnist(options)
        console.print(
            f"MNIST ({options.source or 'bundled'}): {len(data.X):,} training and "
            f"{len(data.X_test):,} test images."
        )
    else:
        data = _users(options)
        height, width, channels = data.X.shape[1:]
        pixels = f"{height}×{width}" + (f"×{channels}" if channels > 1 else "")
        console.print(
            f"{data.name}: {len(data.X):,} training and {len(data.X_test):,} test images of "
            f"{pixels} pixels, {len(set(data.y.tolist()))} classes."
        )
    if options.train_size is not None:
        data = _subset(data, options.train_size, options.seed)
    if options.drawn is not None:
        data = _with_drawn_digits(data, options.drawn, options.seed)
        console.print(f"Added to the training images: {counted(options.drawn, 'drawn digit')}.")
    return data


def _subset(data: TrainingData, n_images: int, seed: int) -> TrainingData:
    """Choose so many training images, with the classes in proportion."""
    if n_images == len(data.X):
        return data
    if n_images > len(data.X):
        raise ValueError(
            f"--train-size must be at most the number of training images, {len(data.X):,}; got "
            f"{n_images:,}."
        )
    from sklearn.model_selection import train_test_split

    X, _, y, _ = train_test_split(
        data.X, data.y, train_size=n_images, stratify=data.y, random_state=seed
    )
    return data._replace(X=X, y=y)


def _mnist(options: argparse.Namespace) -> TrainingData:
    from ..datasets._mnist import load_mnist

    source = options.source or "bundled"
    X, y = load_mnist("train", source=source, return_X_y=True)
    X_test, y_test = load_mnist("test", source=source, return_X_y=True)
    X_val = y_val = None
    if options.validation is not None:
        given = _read(options.validation, (28, 28, 1), options, None)
        X_val, y_val = given.images.reshape(-1, 784), given.labels
    return TrainingData("MNIST", X, y, X_val, y_val, X_test, y_test, None, [])


def _with_drawn_digits(data: TrainingData, n_drawn: int, seed: int) -> TrainingData:
    """Add drawn digits to the training images."""
    import numpy as np

    from ..datasets._make_digits import make_digits

    X, y = make_digits(n_drawn, random_state=seed)
    return data._replace(X=np.concatenate([data.X, X]), y=np.concatenate([data.y, y]))


def _users(options: argparse.Namespace) -> TrainingData:
    from .inputs._base import InputSpec
    from .inputs._training import read_parts

    skipped: list[str] | None = [] if options.skip_bad else None
    spec = InputSpec(options.key, True, options.labels, options.label_column, skipped=skipped)
    parts = read_parts(options.data, options.image_shape, spec)
    train = _chosen(parts.train, options.classes)
    shape = train.images.shape[1:]
    validation, test = parts.validation, parts.test
    if options.validation is not None:
        validation = _read(options.validation, shape, options, skipped)
    if options.test is not None:
        test = _read(options.test, shape, options, skipped)
    X, y = train.images, train.labels
    if test is None:
        from sklearn.model_selection import train_test_split

        try:
            X, X_test, y, y_test = train_test_split(
                X, y, test_size=TEST_SHARE, stratify=y, random_state=options.seed
            )
        except ValueError as error:
            raise ValueError(
                f"{options.data} has too few images of a class to hold some out for a test "
                f"({error}). Give a test set with --test."
            ) from error
    else:
        test = _chosen(test, options.classes)
        X_test, y_test = test.images, test.labels
    validation = None if validation is None else _chosen(validation, options.classes)
    is_plain = train.are_pictures or X.dtype == "uint8"
    return TrainingData(
        str(options.data), X, y,
        None if validation is None else validation.images,
        None if validation is None else validation.labels,
        X_test, y_test, (0, 255) if is_plain else None, skipped or [],
    )  # fmt: skip


def _read(
    path: str, shape: tuple[int, ...], options: argparse.Namespace, skipped: list[str] | None
) -> "LabelledImages":
    """Read a further file of images in the shape of the training images."""
    from .inputs._base import InputSpec
    from .inputs._training import read_labelled

    spec = InputSpec(None, True, None, options.label_column, skipped=skipped)
    return read_labelled(path, shape, spec)


def _chosen(images: "LabelledImages", classes: list[str] | None) -> "LabelledImages":
    """Return the images of some classes."""
    if classes is None:
        return images
    import numpy as np

    names = images.labels.astype(str)
    missing = sorted(set(classes) - set(names))
    if missing:
        raise ValueError(
            f"--classes must be labels of the data; there is no {', '.join(missing)}. There are "
            f"{', '.join(sorted(set(names))[:20])}."
        )
    rows = np.isin(names, classes)
    return images._replace(images=images.images[rows], labels=images.labels[rows])
