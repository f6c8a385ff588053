"""The images that ``train`` learns."""

import argparse

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from mnist_estimator import load_mnist, make_digits
from mnist_estimator.cli._parser import main
from mnist_estimator.cli._terminal import PlainConsole
from mnist_estimator.cli._training_data import load_training_data


def options_of(**changed):
    """Return the options of ``train`` for MNIST."""
    names = ("data", "source", "drawn", "validation", "test", "train_size")
    return argparse.Namespace(**dict.fromkeys(names) | {"seed": 3} | changed)


def test_drawn_digits_are_added_to_those_chosen_of_mnist(capsys):
    data = load_training_data(options_of(drawn=30, train_size=1000), PlainConsole())
    X, y = make_digits(30, random_state=3)
    assert data.X.shape == (1030, 784)
    assert_array_equal(data.X[1000:], X)
    assert_array_equal(data.y[1000:], y)
    assert np.bincount(data.y[:1000]).min() > 80
    assert "Added to the training images: 30 drawn digits." in capsys.readouterr().out


def test_the_test_images_are_those_of_mnist():
    data = load_training_data(options_of(drawn=10), PlainConsole(quiet=True))
    X, y = load_mnist("test", return_X_y=True)
    assert_array_equal(data.X_test, X)
    assert_array_equal(data.y_test, y)


def test_too_large_a_train_size_is_refused():
    with pytest.raises(ValueError, match=r"--train-size must be at most .* 60,000; got 60,001"):
        load_training_data(options_of(train_size=60_001), PlainConsole(quiet=True))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["images.npz", "--drawn", "10"], "--drawn adds drawn digits to MNIST; give it or DATA"),
        (["--drawn", "0"], "argument --drawn"),
        (["--drawn", "many"], "argument --drawn"),
    ],
)
def test_wrong_options_are_named(arguments, message, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["train", *arguments])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err
