"""Whether an image has the shape of a digit, of a letter or another sign, or of neither."""

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..serving import load_predictor
from ..serving._predictor import Predictor

MODEL = Path(__file__).parent / "data" / "digit_shape.pipeline"
"""Made by examples/letters/train.py."""
SUREST = 8.0
"""Maximum log-odds, either way: the network is no surer than that on hands it never saw."""
LEAST = 1e-6
"""Minimum probability of a shape."""


class Shapes(NamedTuple):
    """Log-probabilities of what images show."""

    digit: NDArray[np.float64]
    """Of shape (n,): a digit."""
    letter: NDArray[np.float64]
    """Of shape (n,): a letter or another sign."""

    @property
    def digit_odds(self) -> NDArray[np.float64]:
        """Log-odds of a digit against a letter, from -8 to 8."""
        return np.clip(self.digit - self.letter, -SUREST, SUREST)

    @property
    def sign_odds(self) -> NDArray[np.float64]:
        """Log-odds of one sign against a part of one, or several that touch, from -8 to 8."""
        sign = np.minimum(np.logaddexp(self.digit, self.letter), -LEAST)
        odds: NDArray[np.float64] = np.clip(sign - np.log(-np.expm1(sign)), -SUREST, SUREST)
        return odds


def shapes_of(images: NDArray[np.uint8]) -> Shapes:
    """Return what images show, by their shapes.

    Parameters
    ----------
    images : ndarray of shape (n, 28, 28), uint8
        In MNIST's format.

    Returns
    -------
    Shapes

    Notes
    -----
    A network of this package with the classes 0 to 9, letter, and part: of a sign, or several that
    touch. It was trained on MNIST's training images, on digits, letters and signs of fonts and
    single-stroke fonts, and on pieces of rows of signs that touch (outlier exposure: D. Hendrycks
    et al., "Deep anomaly detection with outlier exposure", 2019; pieces: Y. LeCun et al.,
    "Gradient-based learning applied to document recognition", 1998, section VI). It knows nothing
    of the classifier of the digits.
    """
    if not len(images):
        return Shapes(np.empty(0), np.empty(0))
    probabilities = network().predict_proba(images.reshape(len(images), -1)).astype(np.float64)
    digit, letter = probabilities[:, :10].sum(axis=1), probabilities[:, 10]
    return Shapes(np.log(np.maximum(digit, LEAST)), np.log(np.maximum(letter, LEAST)))


@cache
def network() -> Predictor:
    """Return the network that knows the shapes."""
    return load_predictor(MODEL)
