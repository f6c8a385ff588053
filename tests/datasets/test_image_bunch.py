"""What loaders return: how it prints, and how a notebook shows it."""

import copy
import pickle

import numpy as np
import pytest

from mnist_estimator.datasets import ImageBunch, load_mnist


@pytest.fixture(scope="module")
def mnist():
    return load_mnist("test")


def test_it_prints_in_ten_lines(mnist):
    lines = dict(line.split(maxsplit=1) for line in repr(mnist).splitlines())
    assert len(lines) <= 10
    assert list(lines) == list(mnist)
    assert lines["data"] == "uint8 (10000, 784)"
    assert lines["target"] == "int64 (10000,)"
    assert lines["feature_names"] == "784: pixel1, pixel2, …, pixel784"
    assert lines["target_names"] == "10: 0, 1, …, 9"
    assert lines["frame"] == "None"
    assert lines["DESCR"] == "MNIST: handwritten digits"
    assert max(map(len, repr(mnist).splitlines())) < 100
    assert str(mnist) == repr(mnist)


def test_frames_print_as_shapes():
    lines = repr(load_mnist("test", as_frame=True)).splitlines()
    assert lines[0].split(maxsplit=1) == ["data", "DataFrame of shape (10000, 784)"]
    assert lines[2].split(maxsplit=1) == ["target", "Series of int64 (10000,)"]


def test_a_notebook_shows_an_image_of_each_class(mnist):
    page = mnist._repr_html_()
    assert page.count("<img ") == 10
    first = int(np.flatnonzero(mnist.target == 0)[0])
    assert f'alt="row {first}"' in page
    assert "uint8 (10000, 784)" in page


@pytest.mark.parametrize(
    ("shape", "n_classes", "n_images"),
    [
        ((8, 8, 1), 2, 2),
        ((8, 8, 3), 2, 2),
        ((8, 8, 4), 2, 2),
        ((129, 8, 3), 2, 0),  # too large
        ((8, 8, 3), 21, 0),  # too many
    ],
)
def test_images_are_shown_where_they_are_few_and_small(shape, n_classes, n_images):
    images = np.zeros((n_classes, *shape), np.uint8)
    bunch = ImageBunch(images=images, target=np.arange(n_classes))
    assert bunch._repr_html_().count("<img ") == n_images


def test_text_is_escaped():
    evil = "</td><script>alert(1)</script>"
    bunch = ImageBunch(
        images=np.zeros((1, 4, 4), np.uint8), target=np.array([evil]), names=[evil], note=evil
    )
    assert "<script>" not in bunch._repr_html_()
    assert "&lt;script&gt;" in bunch._repr_html_()


def test_it_is_still_a_bunch(mnist):
    small = ImageBunch(images=mnist.images[:2], target=mnist.target[:2], filenames=[])
    for again in (pickle.loads(pickle.dumps(small)), copy.deepcopy(small)):
        assert type(again) is ImageBunch
        assert np.array_equal(again.images, small["images"])
    small.extra = 1
    assert small["extra"] == 1
    assert repr(ImageBunch()) == ""
    assert "filenames  none" in repr(small)
