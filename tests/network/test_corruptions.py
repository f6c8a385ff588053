"""Random corruption: which images are corrupted, and how."""

import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose, assert_array_equal

from mnist_estimator import CNNClassifier, load_mnist
from mnist_estimator.network import _corruptions
from mnist_estimator.network._augmentation import AUGMENTATIONS, resolve_augmentation
from mnist_estimator.network._corruptions import CORRUPTIONS, random_corruption

SEED = tf.constant([1, 2])
by_name = pytest.mark.parametrize("corrupt", CORRUPTIONS, ids=lambda one: one.__name__)


@pytest.fixture(scope="module")
def images():
    """Return 400 images of the training set, from 0 to 1."""
    X, _ = load_mnist("train", return_X_y=True)
    return X[:400].reshape(-1, 28, 28, 1).astype(np.float32) / 255


def changed(before, after):
    return np.abs(after - before).max(axis=(1, 2, 3)) > 1e-3


def test__corruption__share__is_that_of_the_images(images):
    corrupted = changed(images, random_corruption(images, SEED, 0.3).numpy())
    assert 0.22 < corrupted.mean() < 0.38
    assert corrupted[:200].any()
    assert corrupted[200:].any()
    assert changed(images, random_corruption(images, SEED, 1.0).numpy()).mean() > 0.98
    assert not changed(images, random_corruption(images, SEED, 0.0).numpy()).any()


def test__corruption__the_others__stay_in_their_places_to_the_bit(images):
    after = random_corruption(images, SEED, 0.5).numpy()
    same = ~changed(images, after)
    assert_array_equal(after[same], images[same])


def test__corruption__seed__decides(images):
    one, same, other, step = (
        random_corruption(images, tf.constant(seed), 0.5).numpy()
        for seed in ([1, 2], [1, 2], [2, 2], [1, -3])
    )
    assert_array_equal(one, same)
    assert np.abs(one - other).max() > 0.5
    assert np.abs(one - step).max() > 0.5


def test__corruption__any_range__is_kept(images):
    """Images on another scale are corrupted alike."""
    plain = random_corruption(images, SEED, 1.0).numpy()
    scaled = random_corruption(images * 30 - 10, SEED, 1.0).numpy()
    assert (scaled.min(), scaled.max()) == (-10, 20)
    assert_allclose((scaled + 10) / 30, plain, atol=1e-4)


@pytest.mark.parametrize("shape", [(1, 28, 28, 1), (7, 9, 8, 2), (5, 8, 33, 3)])
def test__corruption__any_shape_and_dtype__is_kept(shape):
    pixels = np.random.default_rng(0).uniform(size=shape)
    after = random_corruption(tf.constant(pixels), SEED, 1.0)
    assert (after.shape, after.dtype) == (shape, tf.float64)


def test__corruption__images_without_contrast__are_finite():
    after = random_corruption(tf.zeros((50, 12, 12, 1)), SEED, 1.0).numpy()
    assert_array_equal(after, 0)


@by_name
def test__each__changes_images_and_takes_none(images, corrupt):
    assert changed(images, np.clip(corrupt(tf.constant(images), SEED), 0, 1)).mean() > 0.95
    assert corrupt(tf.constant(images[:0]), SEED).shape == (0, 28, 28, 1)


@by_name
def test__each__leaves_digits_there(images, corrupt):
    """What was ink differs from what was not, in nearly every image."""
    after = np.clip(corrupt(tf.constant(images), SEED), 0, 1)[..., 0]
    ink = images[..., 0] > 0.5
    if corrupt is _corruptions.distortion:
        assert (after.max(axis=(1, 2)) > 0.5).mean() > 0.99
        return
    near = np.array(
        [np.abs(after[i][ink[i]].mean() - after[i][~ink[i]].mean()) for i in range(400)]
    )
    spread = after.std(axis=(1, 2))
    assert (spread > 0.05).all()
    assert (near > 0.02).mean() > 0.85


def test__light__is_a_map_of_grey_levels_and_clouds(images):
    after = np.clip(_corruptions.light(tf.constant(images), SEED), 0, 1)
    corners = after[:, 0, 0, 0]
    assert corners.min() < 0.1
    assert corners.max() > 0.9
    darker = [
        after[i][images[i] > 0.9].mean() < after[i][images[i] == 0].mean() for i in range(400)
    ]
    assert 0.18 < np.mean(darker) < 0.32  # negatives


def test__patches__invert_and_leave(images):
    after = _corruptions.patches(tf.constant(images), SEED).numpy()
    kept, inverted = np.isclose(after, images), np.isclose(after, 1 - images)
    assert (kept | inverted).all()
    assert 0.3 < inverted.mean() < 0.7


def test__lines__only_add_ink_and_little(images):
    added = _corruptions.lines(tf.constant(images), SEED).numpy() - images
    assert added.min() >= 0
    assert 0.01 < (added > 0.5).mean() < 0.15


def test__outline__of_a_block__is_its_edge():
    block = np.zeros((200, 12, 12, 1), np.float32)
    block[:, 3:9, 3:9] = 1
    after = _corruptions.outline(tf.constant(block), SEED).numpy()
    assert not after[:, 5:7, 5:7].any()
    assert not after[:, 0].any()
    outside, inside = after[:, 2, 5, 0] > 0, after[:, 3, 5, 0] > 0
    assert (outside | inside).all()
    assert 0.1 < (outside & inside).mean() < 0.5


def test__augmentation__robust__is_affine_and_corrupts():
    robust = resolve_augmentation("robust")
    assert 0 < robust.pop("corruption") < 1
    rest = dict.fromkeys(["thickness", "adversarial", "flip", "erase", "crop"], 0.0)
    assert robust == AUGMENTATIONS["affine"] | rest
    assert resolve_augmentation("affine")["corruption"] == 0
    assert resolve_augmentation("robust", (7, 28, 1)) is None
    with pytest.raises(ValueError, match=r"the others up to 1\); got corruption=1.5"):
        resolve_augmentation({"corruption": 1.5})


@pytest.mark.slow
def test__fit__corrupted__classifies_negatives_that_plain_training_does_not():
    """The images of a step are corrupted: no other augmentation inverts them."""
    X, y = load_mnist("train", return_X_y=True)
    X, y = X[:1500].astype(np.float32) / 255, y[:1500]
    scores = []
    for share in (0.0, 0.8):
        clf = CNNClassifier(
            filters=(8, 16), epochs=6, early_stopping=False, hard_fraction=1.0,
            augmentation={"corruption": share}, random_state=0,
        )  # fmt: skip
        scores.append(clf.fit(X, y).score(1 - X, y))
    assert scores[1] > scores[0] + 0.2
