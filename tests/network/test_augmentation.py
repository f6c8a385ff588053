"""Augmentation of images in training."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose, assert_array_equal
from scipy.ndimage import grey_dilation, grey_erosion

from mnist_estimator import CNNClassifier
from mnist_estimator.network._augmentation import (
    adversarial_perturbation,
    dilate,
    random_affine,
    random_crop,
    random_erase,
    random_flip,
    random_thickness,
    resolve_augmentation,
)

SEED = tf.constant([1, 2])


def made(n, channels=2, dtype=np.float32):
    """Return random images with values on both sides of 0."""
    return np.random.default_rng(0).normal(size=(n, 5, 7, channels)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test__dilate__gives_what_scipy_gives(dtype):
    images = made(4, dtype=dtype)
    expected = grey_dilation(images, size=(1, 3, 3, 1), mode="nearest")
    assert_array_equal(dilate(tf.constant(images)), expected, strict=True)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test__thickness__goes_part_of_the_way_to_dilation_or_erosion(dtype):
    images = made(300, dtype=dtype)
    after = random_thickness(tf.constant(images), SEED, 0.6).numpy()
    assert (after.shape, after.dtype) == (images.shape, images.dtype)
    thickest = grey_dilation(images, size=(1, 3, 3, 1), mode="nearest")
    thinnest = grey_erosion(images, size=(1, 3, 3, 1), mode="nearest")
    change = after - images
    thicker = change.sum(axis=(1, 2, 3)) > 0
    whole = np.where(thicker[:, None, None, None], thickest - images, thinnest - images)
    amounts = change.sum(axis=(1, 2, 3)) / whole.sum(axis=(1, 2, 3))
    assert_allclose(change, amounts[:, None, None, None] * whole, atol=1e-5)
    # Uniform between minus and plus the amount given.
    signed = np.where(thicker, amounts, -amounts)
    assert -0.6 <= signed.min() < -0.55
    assert 0.55 < signed.max() <= 0.6
    assert abs(np.mean(signed)) < 0.08
    assert np.std(signed) == pytest.approx(0.6 / np.sqrt(3), rel=0.1)


def test__thickness__repeats_with_its_seed():
    images = tf.constant(made(3))
    once, again = (random_thickness(images, SEED, 1.0).numpy() for _ in range(2))
    other = random_thickness(images, tf.constant([1, 3]), 1.0).numpy()
    assert_array_equal(once, again)
    assert not np.allclose(once, other)


def test__thickness__of_nothing__changes_nothing():
    images = made(3)
    assert_array_equal(random_thickness(tf.constant(images), SEED, 0.0), images)


def test__fit__thickness__tells_thin_lines_by_place_after_thick_ones():
    """The images that a step sees are changed: nothing else shows it lines so thin."""
    generator = np.random.default_rng(0)

    def lines(n, width):
        X, y = np.zeros((n, 12, 12), np.float32), generator.integers(2, size=n)
        for image, label, start in zip(X, y, generator.integers(1, 8, size=n), strict=True):
            turned = image.T if label else image
            turned[start : start + width] = 1.0
        return X, y

    losses = {}
    for thickness in (0.0, 1.0):
        clf = CNNClassifier(
            filters=(4, 8), kernel_size=3, epochs=8, batch_size=32, early_stopping=False,
            augmentation={"thickness": thickness}, random_state=0,
        )  # fmt: skip
        X, y = lines(400, 3)
        X_thin, y_thin = lines(200, 1)
        proba = clf.fit(X, y).predict_proba(X_thin)
        losses[thickness] = -np.log(proba[np.arange(200), y_thin]).mean()
    assert losses[1.0] < losses[0.0]


def perturbed(images, gradient, correct, amount=1.0):
    tensors = map(tf.constant, (images, gradient, correct))
    return adversarial_perturbation(*tensors, SEED, amount).numpy()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test__adversarial_perturbation__goes_up_the_gradient_by_shares_of_the_contrast(dtype):
    images = 3.0 + 5.0 * made(300, dtype=dtype)
    gradient = 1e-6 * np.random.default_rng(1).normal(size=images.shape).astype(dtype)
    after = perturbed(images, gradient, np.ones(300, bool), 0.5)
    assert (after.shape, after.dtype) == (images.shape, images.dtype)
    change = after - images
    length = np.sqrt((change**2).mean(axis=(1, 2, 3)))
    unit = gradient / np.sqrt((gradient**2).mean(axis=(1, 2, 3), keepdims=True))
    assert_allclose(change, length[:, None, None, None] * unit, atol=1e-5)
    amounts = length / images.std(axis=(1, 2, 3))
    assert 0 <= amounts.min() < 0.02
    assert 0.48 < amounts.max() <= 0.5 + 1e-6
    assert np.mean(amounts) == pytest.approx(0.25, abs=0.03)


def test__adversarial_perturbation__leaves_images_without_gradient_or_contrast():
    images, zeros = made(3), np.zeros((3, 5, 7, 2), np.float32)
    correct = np.ones(3, bool)
    assert_array_equal(perturbed(images, zeros, correct), images)
    assert_array_equal(perturbed(zeros, images, correct), zeros)


def test__adversarial_perturbation__leaves_misclassified_images():
    images = made(4)
    after = perturbed(images, images - 0.5, np.array([True, False, True, False]))
    same = np.all(after == images, axis=(1, 2, 3))
    assert_array_equal(same, [False, True, False, True])


def test__fit__adversarial__withstands_what_is_made_to_mislead():
    generator = np.random.default_rng(0)
    y = generator.integers(2, size=600)
    X = generator.normal(scale=0.3, size=(600, 12, 12, 1)).astype(np.float32)
    X[y == 1, 3:9, 3:9] += 0.5

    losses = {}
    for adversarial in (0.0, 0.5):
        clf = CNNClassifier(
            filters=(4, 8), kernel_size=3, epochs=8, batch_size=32, early_stopping=False,
            augmentation={"adversarial": adversarial}, random_state=0,
        ).fit(X[:400], y[:400])  # fmt: skip
        images, labels = tf.constant(X[400:]), tf.constant(y[400:])
        with tf.GradientTape() as tape:
            tape.watch(images)
            loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, clf.model_(images))
        slope = tape.gradient(loss, images)
        misleading = perturbed(images, slope, np.ones(200, bool))
        proba = clf.predict_proba(misleading)
        losses[adversarial] = -np.log(proba[np.arange(200), y[400:]]).mean()
    assert losses[0.5] < 0.9 * losses[0.0]


def test_augmentation_of_nothing_changes_nothing():
    images = np.random.default_rng(0).uniform(size=(4, 9, 8, 2)).astype(np.float32)
    assert_allclose(random_affine(images, tf.constant([1, 2])), images, atol=1e-5)


def test_augmentation_repeats_with_its_seed():
    images = np.random.default_rng(0).uniform(size=(4, 9, 8, 2)).astype(np.float32)
    one, same, other = (
        random_affine(images, tf.constant(seed), rotation=20.0, shift=0.1).numpy()
        for seed in ([1, 2], [1, 2], [1, 3])
    )
    assert_array_equal(one, same)
    assert np.abs(one - other).max() > 0.1


def test_augmentation_shifts_by_the_share_given():
    """The centre of a dot moves by no more than the shift allows, and for some images nearly so."""
    images = np.zeros((500, 21, 21, 1), dtype=np.float32)
    images[:, 10, 10] = 1
    moved = random_affine(images, tf.constant([0, 0]), shift=0.1).numpy()[..., 0]
    mass = moved.sum(axis=(1, 2))
    rows = (moved.sum(axis=2) * np.arange(21)).sum(axis=1) / mass - 10
    assert np.abs(rows).max() <= 2.1 + 1e-3
    assert np.abs(rows).max() > 1.9
    assert abs(rows.mean()) < 0.2


def test_augmentation_rotates_about_the_centre():
    """A bar turned by up to 90° keeps its centre of mass."""
    images = np.zeros((200, 21, 21, 1), dtype=np.float32)
    images[:, 10, 6:15] = 1
    turned = random_affine(images, tf.constant([0, 0]), rotation=90.0).numpy()[..., 0]
    for axis in (1, 2):
        places = (turned.sum(axis=axis) * np.arange(21)).sum(axis=1) / turned.sum(axis=(1, 2))
        assert_allclose(places, 10, atol=0.1)


def test_the_old_name_of_corruption_works_and_warns():
    with pytest.warns(FutureWarning, match="'disturbed' is called 'corruption' since"):
        found = resolve_augmentation({"disturbed": 0.1})
    assert found == resolve_augmentation({"corruption": 0.1})
    with pytest.raises(ValueError, match="both 'corruption' and its old name"):
        resolve_augmentation({"corruption": 0.1, "disturbed": 0.1})


def test__flip__mirrors_a_share_of_the_images():
    images = made(400)
    after = random_flip(tf.constant(images), SEED, 0.3).numpy()
    mirrored = (after == images[:, :, ::-1]).all(axis=(1, 2, 3))
    assert_array_equal(after[~mirrored], images[~mirrored])
    assert 0.2 < mirrored.mean() < 0.4
    assert_array_equal(random_flip(tf.constant(images), SEED, 1.0), images[:, :, ::-1])
    assert_array_equal(random_flip(tf.constant(images), SEED, 0.0), images)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test__crop__shifts_by_whole_pixels(dtype):
    images = np.random.default_rng(0).random((100, 20, 30, 2)).astype(dtype)
    after = random_crop(tf.constant(images), SEED, 0.1).numpy()
    assert after.dtype == dtype
    padded, found = np.pad(images, ((0, 0), (2, 2), (3, 3), (0, 0)), mode="edge"), set()
    for image, shifted in zip(padded, after, strict=True):
        matches = [
            (y, x)
            for y in range(5)
            for x in range(7)
            if np.array_equal(image[y : y + 20, x : x + 30], shifted)
        ]
        assert len(matches) == 1
        found.update(matches)
    assert {y for y, _ in found} == set(range(5))
    assert {x for _, x in found} == set(range(7))
    assert_array_equal(random_crop(tf.constant(images), SEED, 0.1), after)
    assert_array_equal(random_crop(tf.constant(images), SEED, 0.01), images)


def test__objects__neither_turn_nor_stretch():
    amounts = resolve_augmentation("objects")
    assert {name for name, amount in amounts.items() if amount} == {"flip", "crop", "erase"}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test__erase__fills_a_square_with_the_mean(dtype):
    images = np.random.default_rng(0).random((200, 20, 30, 2)).astype(dtype)
    after = random_erase(tf.constant(images), SEED, 0.5).numpy()
    assert after.dtype == dtype
    for image, erased in zip(images, after, strict=True):
        changed = (image != erased).any(axis=2)
        rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
        if len(rows):
            block = np.ix_(rows, columns)
            assert changed[block].all()  # a rectangle
            assert np.ptp(rows) < 10  # at most half of the smaller side
            assert np.ptp(columns) < 10
            expected = np.broadcast_to(image.mean(axis=(0, 1)), erased[block].shape)
            assert_allclose(erased[block], expected, rtol=1e-5)
    assert 0.01 < (images != after).mean() < 0.2
    assert_array_equal(random_erase(tf.constant(images), SEED, 0.0), images)


def test__erase__repeats_with_its_seed():
    images = tf.constant(made(30))
    once, again = (random_erase(images, SEED, 1.0).numpy() for _ in range(2))
    assert_array_equal(once, again)
    assert not np.allclose(once, random_erase(images, tf.constant([1, 3]), 1.0))


@pytest.fixture(scope="module")
def few():
    """Return 60 images of 8×8 pixels of two classes."""
    X = np.random.default_rng(0).random((60, 8, 8, 1)).astype(np.float32)
    return X, np.arange(60) % 2


def weights(augmentation, few, **changed):
    options = {"filters": (4,), "epochs": 2, "random_state": 0, "early_stopping": False}
    clf = CNNClassifier(augmentation=augmentation, **options | changed).fit(*few)
    return np.concatenate([weight.ravel() for weight in clf.model_.get_weights()])


def brighter(images, seed):
    return images + tf.random.stateless_uniform((tf.shape(images)[0], 1, 1, 1), seed)


@pytest.mark.parametrize(
    "make",
    [
        lambda: brighter,
        lambda: keras.layers.RandomFlip("horizontal"),
        lambda: keras.Sequential([keras.layers.RandomFlip(), keras.layers.GaussianNoise(0.1)]),
        lambda: "objects",
    ],
    ids=["function", "layer", "layers", "name"],
)
def test__users_augmentation__changes_training_and_repeats_with_the_seed(make, few):
    augmentation = make()
    once, again = weights(augmentation, few), weights(make(), few)
    assert_array_equal(once, again)
    assert_array_equal(once, weights(augmentation, few))  # its own state has no part
    assert not np.array_equal(once, weights(None, few))
    assert not np.array_equal(once, weights(augmentation, few, random_state=1))


def test__users_augmentation__of_one_parameter_gets_images_only(few):
    assert_allclose(weights(lambda images: images, few), weights(None, few), atol=1e-6)


def test__users_augmentation__of_another_shape_is_refused(few):
    with pytest.raises(ValueError, match="must return images of the same shape"):
        weights(lambda images: images[:, :4], few)
