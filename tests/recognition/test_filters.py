"""The filters of the recognition give what scikit-image's give."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from mnist_estimator.recognition._filters import hysteresis_threshold, local_median

filters = pytest.importorskip("skimage.filters")

SHAPES = [(1, 1), (1, 9), (7, 7), (40, 23), (64, 150)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("window", [1, 5, 51])
def test_the_local_median_is_that_of_scikit_image(shape, window):
    levels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    levels[:, : shape[1] // 2] //= 64  # few values: ties, and whole bins without one
    expected = filters.rank.median(levels, np.ones((window, window), dtype=np.uint8))
    assert_array_equal(local_median(levels, window), expected)


def test_the_local_median_counts_the_pixels_of_the_largest_window():
    levels = np.full((181, 400), 7, dtype=np.uint8)
    levels[:, ::5] = 255
    assert (local_median(levels, 181) == 7).all()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("low", "high"), [(0.3, 0.8), (0.5, 0.5), (0.1, 2.0), (-1.0, -0.5)])
def test_the_hysteresis_threshold_is_that_of_scikit_image(shape, low, high):
    image = np.random.default_rng(0).random(shape).astype(np.float32)
    image[0, 0] = np.float32(low)  # above its float64 value, or below, by a rounding error
    expected = filters.apply_hysteresis_threshold(image, low, high)
    assert_array_equal(hysteresis_threshold(image, low, high), expected)
