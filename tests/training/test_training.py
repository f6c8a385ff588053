"""Pieces of the training against what can be worked out by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import softmax
from sklearn.metrics import log_loss

from mnist_estimator.network._architecture import AdjustableDropout, build_cnn, members_of
from mnist_estimator.network._augmentation import random_affine
from mnist_estimator.network._functions import (
    StepOptions,
    freeze,
    resolve_precision,
    step_function,
    variables_of,
    weights_of,
    zero_moments,
)
from mnist_estimator.network._inference import predict_logits
from mnist_estimator.network._optimizers import Optimizer
from mnist_estimator.training._batch_norm import settle_normalizations
from mnist_estimator.training._data import Images, split_validation
from mnist_estimator.training._early_stopping import BestEpoch, cross_entropy, is_above, softened
from mnist_estimator.training._loop import rate_share
from mnist_estimator.training._sampling import FLOOR, HOPE, HOPELESS, Sampler, epoch_sizes

SIZES = {"image_shape": (8, 8, 1), "n_classes": 3, "filters": (4, 6), "kernel_size": 3}


def test_split_validation_takes_a_share_of_each_class():
    labels = np.repeat([0, 1, 2, 3], [100, 50, 4, 1])
    train, validation = split_validation(labels, 0.1, seed=0)
    assert_array_equal(np.sort(np.r_[train, validation]), np.arange(155))
    assert_array_equal(np.bincount(labels[validation], minlength=4), [10, 5, 1, 0])
    again = split_validation(labels, 0.1, seed=0)[1]
    assert_array_equal(validation, again)
    assert not np.array_equal(validation, split_validation(labels, 0.1, seed=1)[1])


def test_every_class_keeps_a_row_for_training():
    labels = np.repeat([0, 1], [10, 1])
    train, _ = split_validation(labels, 0.99, seed=0)
    assert_array_equal(np.unique(labels[train]), [0, 1])


def test_hard_images_are_drawn_in_proportion_to_their_loss():
    """Against Yates and Grundy: the first of a sample without replacement has p = w / sum(w)."""
    sampler = Sampler(4)
    losses = np.array([0.1, 0.2, 0.3, 0.4])
    sampler.note(np.arange(4), losses, losses < 0.25)
    generator = np.random.default_rng(0)
    drawn = np.bincount([sampler.draw(1, generator)[0] for _ in range(20_000)], minlength=4)
    assert_allclose(drawn / 20_000, (losses + FLOOR) / (losses + FLOOR).sum(), atol=0.01)
    assert sampler.averages(np.array([1, 1, 0, 2.0])) == {
        "loss": pytest.approx(0.275),
        "accuracy": 0.5,
    }
    sampler.note(np.array([3]), np.array([0.0]), np.array([True]))
    assert_allclose(sampler.hardness, [0.1, 0.2, 0.3, 0.2])  # the mean of old and new
    assert_allclose(sampler.losses, [0.1, 0.2, 0.3, 0.0])
    rows = sampler.draw(3, generator)
    assert len(set(rows)) == 3
    assert_array_equal(np.sort(sampler.draw(4, generator)), np.arange(4))


def test_images_whose_loss_stays_high_are_drawn_like_easy_ones():
    sampler = Sampler(3)
    losses = np.array([0.05, 0.95 * HOPELESS, 2 * HOPELESS])
    sampler.note(np.arange(3), losses, np.zeros(3, dtype=bool))
    generator = np.random.default_rng(0)
    drawn = np.bincount([sampler.draw(1, generator)[0] for _ in range(20_000)], minlength=3)
    chances = np.array([0.05, 0.95 * HOPELESS, 2 * HOPE * HOPELESS]) + FLOOR
    assert_allclose(drawn / 20_000, chances / chances.sum(), atol=0.005)


def test_later_epochs_take_the_share_asked_for():
    assert epoch_sizes(60_000, 4, 0.25) == [60_000, 15_000, 15_000, 15_000]
    assert epoch_sizes(10_000, 3, 0.1) == [10_000, 4096, 4096]
    assert epoch_sizes(100, 3, 0.1) == [100, 100, 100]
    assert epoch_sizes(60_000, 3, 1.0) == [60_000] * 3


def test_a_loss_is_above_another_by_a_standard_error():
    """Weights are repeated rows, but for the factor n / (n - 1) that the error leaves out."""
    generator = np.random.default_rng(0)
    for mean in (0.0, 0.02, 0.05, 0.2):
        losses = generator.normal(mean, 1, 400)
        error = losses.std() / 20
        assert is_above(losses, np.zeros(400), np.ones(400)) == (losses.mean() > error)
        shifted = losses - losses.mean()
        assert is_above(shifted + 1.01 * error, np.zeros(400), np.full(400, 3.0))
        assert not is_above(shifted + 0.99 * error, np.zeros(400), np.full(400, 3.0))


def test_schedules():
    one_cycle = [rate_share("one_cycle", t) for t in (0, 0.125, 0.25, 0.625, 1)]
    assert_allclose(one_cycle, [0, 0.5, 1, 0.5, 0], atol=1e-12)
    assert_allclose([rate_share("cosine", t) for t in (0, 0.5, 1)], [1, 0.5, 0], atol=1e-12)
    assert {rate_share("constant", t) for t in (0, 0.3, 1)} == {1.0}


def test_step_is_the_step_of_keras():
    """Weights and statistics after three steps: ours beside Keras's layers and optimizer."""
    sizes = SIZES | {"dropout": 0.0}
    generator = np.random.default_rng(0)
    images = generator.normal(size=(16, 8, 8, 1)).astype(np.float32)
    targets = np.eye(3, dtype=np.float32)[generator.integers(0, 3, 16)]
    weights = generator.uniform(0.5, 1.5, 16).astype(np.float32)

    ours, theirs = build_cnn(**sizes), build_cnn(**sizes)
    adam = Optimizer("adam", 0.9, 0.99, rescale=False)
    step = step_function(freeze(sizes), StepOptions(False, adam, None))
    moments = zero_moments(ours)
    optimizer = keras.optimizers.Adam(0.01, beta_1=0.9, beta_2=0.99)
    for number in (1, 2, 3):
        ours_losses, _ = step(
            variables_of(ours.trainable_variables), variables_of(ours.non_trainable_variables),
            moments, tf.constant(images), tf.constant(targets), tf.constant(weights),
            tf.constant(number), tf.constant(0), tf.constant(0.01), *tf.zeros(2),
        )  # fmt: skip
        with tf.GradientTape() as tape:
            logits = theirs(images, training=True)
            losses = keras.losses.categorical_crossentropy(targets, logits, from_logits=True)
            loss = tf.reduce_mean(weights * losses)
        optimizer.apply(tape.gradient(loss, theirs.trainable_variables), theirs.trainable_variables)
        assert_allclose(ours_losses, losses, rtol=1e-3, atol=1e-5)
    for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        if other.ndim == 1:  # Keras's layer takes the biased variance, the fused one 16/15 of it
            assert_allclose(one, other, rtol=0.02, atol=2e-3)
        else:
            assert_allclose(one, other, rtol=1e-2, atol=2e-3)


def test_forward_is_the_network_itself():
    model = build_cnn(**SIZES, seed=3)
    images = np.random.default_rng(0).normal(size=(5, 8, 8, 1)).astype(np.float32)
    ours = predict_logits(model, freeze(SIZES), images)
    assert_allclose(ours, model(images, training=False), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("n_images", [3, 600, 2000, 9000])
def test_normalizations_settle_at_the_statistics_of_the_images(n_images):
    """Against Keras's own layers, each normalizing by what it sees of the whole batch."""
    architecture = freeze(SIZES)
    model = build_cnn(**SIZES, seed=3)
    generator = np.random.default_rng(0)
    X = generator.normal(1.0, 2.0, size=(n_images, 8, 8, 1)).astype(np.float32)
    weights = np.where(np.arange(n_images) % 2, 1.0, 1e-9)  # so good as only the odd ones
    images = Images.all(X, np.zeros(n_images, dtype=np.int64), weights)
    settle_normalizations(model, architecture, images, generator)

    seen = X[1::2] if n_images > 3 else X  # three are all looked at
    tolerance = 0.0005 if n_images == 3 else 0.3
    for layer in model.layers:
        if layer.name.startswith("norm"):
            mean, variance = seen.mean(axis=(0, 1, 2)), seen.var(axis=(0, 1, 2))
            assert_allclose(layer.moving_mean, mean, atol=tolerance * variance.max() ** 0.5)
            assert_allclose(layer.moving_variance, variance, rtol=tolerance)
        seen = layer(seen, training=False).numpy()


def test_settling_leaves_a_network_without_normalization_as_it_is():
    sizes = SIZES | {"batch_norm": False}
    model = build_cnn(**sizes)
    before = model.get_weights()
    images = Images.all(np.ones((4, 8, 8, 1)), np.zeros(4, dtype=np.int64), np.ones(4))
    settle_normalizations(model, freeze(sizes), images, np.random.default_rng(0))
    for one, other in zip(before, model.get_weights(), strict=True):
        assert_array_equal(one, other)


def test_best_epoch_is_the_last_not_clearly_above_the_lowest():
    model = build_cnn(**SIZES)
    best, kept = BestEpoch(model, patience=2, n_images=100), []
    ones, noise = np.ones(100), np.tile([1.0, -1.0], 50)
    stops = []
    for epoch, loss in enumerate([3.0, 1.0, 1.05, 2.0, 2.0], start=1):
        for variable in variables_of(model.trainable_variables):
            variable.assign(tf.fill(variable.shape, float(epoch)))
        stops.append(best.judge(epoch, loss + (noise if epoch == 3 else 0 * noise), ones))
        kept.append(best.number)
    assert kept == [1, 2, 3, 3, 3]
    assert stops == [False, False, False, False, True]
    best.restore()
    assert {float(np.mean(v)) for v in variables_of(model.trainable_variables)} == {3.0}


def noisy_answers(n=600, share_wrong=0.3):
    """Return logits that are sure of the true class, and labels of which some are wrong."""
    generator = np.random.default_rng(0)
    true = generator.integers(0, 5, n)
    labels = np.where(generator.random(n) < share_wrong, (true + 1) % 5, true)
    return 8.0 * np.eye(5)[true] + generator.normal(0, 0.5, (n, 5)), labels


def test_cross_entropy_is_that_of_scikit_learn():
    logits, labels = noisy_answers()
    losses = cross_entropy(logits, labels)
    assert losses.shape == (600,)
    assert_allclose(losses.mean(), log_loss(labels, softmax(logits, axis=1)), rtol=1e-6)


def test_overconfidence_is_taken_back_by_one_factor():
    """Against the derivative: where the mean loss is lowest, the gradient is zero."""
    logits, labels = noisy_answers()
    weights = np.random.default_rng(1).random(600)
    soft = softened(logits, labels, weights)
    share = soft[0, 0] / logits[0, 0]
    assert 0 < share < 0.6
    assert_allclose(soft, share * logits)
    expected = (softmax(soft, axis=1) * logits).sum(axis=1)
    slope = expected - logits[np.arange(600), labels]
    assert abs(np.average(slope, weights=weights)) < 1e-3
    assert_allclose(softened(3 * logits, labels, weights), soft, rtol=1e-3)


def test_answers_that_are_not_overconfident_are_judged_as_they_are():
    logits, labels = noisy_answers(share_wrong=0.0)
    assert_array_equal(softened(logits, labels, np.ones(600)), logits)


def test_an_epoch_that_reads_more_is_better_however_sure_it_is():
    """With many wrong labels the plain loss rises while the network learns."""
    logits, labels = noisy_answers()
    sure, unsure, ones = 2.0 * logits, 0.1 * logits, np.ones(600)
    unsure[:100] = np.roll(unsure[:100], 2, axis=1)  # misread, too
    assert is_above(cross_entropy(sure, labels), cross_entropy(unsure, labels), ones)
    losses = [cross_entropy(softened(given, labels, ones), labels) for given in (unsure, sure)]
    assert is_above(losses[0], losses[1], ones)


@pytest.mark.parametrize("shape", [(28, 28, 1), (8, 8, 3), (1, 5, 1)])
def test_logits_do_not_depend_on_the_batch(shape):
    sizes = SIZES | {"image_shape": shape, "filters": (16, (32, 32))}
    model = build_cnn(**sizes, seed=3)
    images = np.random.default_rng(0).normal(size=(12, *shape)).astype(np.float32)
    whole = predict_logits(model, freeze(sizes), images)
    for n in (1, 2, 5):
        parts = [predict_logits(model, freeze(sizes), images[i : i + n]) for i in range(0, 12, n)]
        assert_allclose(np.concatenate(parts), whole, rtol=1e-5, atol=1e-6)


def test_functions_are_traced_once_for_all_networks_and_batch_sizes(monkeypatch):
    architecture = freeze(SIZES | {"filters": (3, 5)})
    models = [build_cnn(**dict(architecture), seed=seed) for seed in range(3)]
    traced, call = [], keras.Sequential.stateless_call
    monkeypatch.setattr(
        keras.Sequential, "stateless_call", lambda *a, **k: traced.append(1) or call(*a, **k)
    )
    for n in range(1, 51):
        images = np.ones((n, 8, 8, 1), dtype=np.float32)
        logits = predict_logits(models[n % 3], architecture, images)
        assert_allclose(logits, models[n % 3](images, training=False), rtol=1e-5, atol=1e-6)
    assert len(traced) == 1


@pytest.mark.parametrize("shape", [(28, 28, 1), (9, 17, 2), (5, 5, 4), (2, 3, 1)])
@pytest.mark.parametrize("kernel_size", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("batch_norm", [True, False])
def test_predictions_are_those_of_the_keras_model(shape, kernel_size, batch_norm):
    """Whatever weights it has, negative scales included, and when they have changed."""
    sizes = {"image_shape": shape, "n_classes": 3, "filters": (6, (4, 5)), "dtype": "float64"}
    sizes |= {"kernel_size": kernel_size, "batch_norm": batch_norm}
    model, generator = build_cnn(**sizes), np.random.default_rng(0)
    images = generator.normal(size=(7, *shape))
    for _ in range(2):
        for variable in model.variables:
            if variable.dtype == "float64":
                low = 0.5 if "variance" in variable.name else -1.0
                variable.assign(generator.uniform(low, 1.5, variable.shape))
        expected = model(images, training=False)
        assert_allclose(predict_logits(model, freeze(sizes), images), expected, rtol=1e-9)


def test_a_fit_traces_its_step_once(small, digits):
    X, y = digits
    small().fit(X[:100], y[:100])
    traced = step_function.cache_info().misses
    small(learning_rate=0.02, dropout=0.1, random_state=5).fit(X, y).predict(X[:7])
    assert step_function.cache_info().misses == traced


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "mixed_bfloat16"])
@pytest.mark.parametrize("rate", [0.1, 0.6, 0.99])
def test_adjustable_dropout_drops_that_share_and_keeps_the_mean(rate, dtype):
    layer = AdjustableDropout(0.5, seed=3, dtype=dtype)
    layer.given_rate = tf.constant(rate)
    x = tf.ones((501, 401), layer.compute_dtype)
    first, second = (tf.cast(layer(x, training=True), "float64").numpy() for _ in range(2))
    for values in (first, second):
        error = 4 * np.sqrt(rate * (1 - rate) / values.size)
        assert np.mean(values == 0) == pytest.approx(rate, abs=error)
        # Of a hundredth kept, 2⁻¹⁶ is so much; bfloat16 has three digits.
        assert_allclose(
            values[values != 0], 1 / (1 - rate), rtol=1e-3 if dtype[:5] == "float" else 4e-3
        )
    # No draw tells of another one: neither of the next call, nor of the neighbour.
    pairs = [(first, second), (first[:, 1:], first[:, :-1]), (first[1:], first[:-1])]
    for one, other in pairs:
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 4 / np.sqrt(one.size)
    assert_array_equal(layer(x, training=False), x)


def test_the_next_to_highest_rate_of_dropout_keeps_something():
    layer = AdjustableDropout(0.5, seed=3)
    layer.given_rate = tf.constant(1 - 2**-20)
    values = layer(tf.ones((1000, 1000)), training=True)
    assert 0 < np.count_nonzero(values) < 60
    assert np.isfinite(values).all()


def test_each_fit_drops_its_own_share(small, digits):
    """Though what one rate has traced serves for another."""
    few, many, again, none = [
        small(epochs=1, dropout=rate).fit(*digits).model_.get_weights()[-1]
        for rate in (0.1, 0.6, 0.1, 0.0)
    ]
    assert_array_equal(few, again)
    assert not np.allclose(few, many)
    assert not np.allclose(few, none)


def test_many_architectures_bring_no_warning_of_retracing(small, digits, caplog):
    X, y = digits
    for width in range(2, 9):
        small(filters=(width,), epochs=1).fit(X[:50], y[:50]).predict(X[:9])
    assert "retracing" not in caplog.text


def test_kernel_sizes_of_any_depth():
    model = build_cnn((28, 28, 1), 10, filters=(2, 3, 4), kernel_size=(5, 3))
    kernels = [model.get_layer(f"conv{i}_1").kernel_size[0] for i in (1, 2, 3)]
    assert kernels == [5, 3, 3]
    assert build_cnn((28, 28, 1), 10, filters=(2,)).get_layer("conv1_1").kernel_size == (5, 5)


def test_network_has_the_layers_asked_for():
    model = build_cnn((28, 28, 1), 10, filters=(4, (6, 8)), kernel_size=(5, 3), dense_units=(12,))
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds.count("Conv2D") == 3
    assert kinds.count("MaxPooling2D") == 2
    assert kinds.count("Dropout") == 2
    assert kinds.count("Dense") == 2
    assert model.get_layer("conv1_1").kernel_size == (5, 5)
    assert model.get_layer("flatten").output.shape[-1] == 6 * 6 * 8  # (28 - 4) / 2 / 2
    unpadded, padded = (build_cnn((side, side, 1), 2, filters=(4,)) for side in (16, 15))
    assert unpadded.get_layer("conv1_1").padding == "valid"
    assert padded.get_layer("conv1_1").padding == "same"


@pytest.mark.parametrize(
    ("shape", "sides"),
    [
        ((28, 28, 1), [24, 12, 10, 8, 4, 4]),
        ((20, 20, 1), [16, 8, 6, 4, 4]),  # 4 is under six, and 4 - 3 + 1 under three
        ((64, 64, 3), [60, 30, 28, 26, 13, 11, 5]),
        ((15, 15, 1), [15, 7, 7, 7, 3, 3, 1]),  # as without compact
    ],
)
def test_compact_networks_pad_and_pool_only_while_enough_is_left(shape, sides):
    model = build_cnn(shape, 2, filters=(4, (6, 6), 8), kernel_size=(5, 3), compact=True)
    kinds = keras.layers.Conv2D | keras.layers.MaxPooling2D
    found = [layer.output.shape[1] for layer in model.layers if isinstance(layer, kinds)]
    assert found == sides


@pytest.mark.parametrize("compact", [True, False])
@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (1, 20, 1), (3, 1, 2), (2, 2, 4), (33, 17, 3), (16, 90, 1)]
)
def test_any_image_shape(shape, compact):
    model = build_cnn(shape, 2, compact=compact)
    assert model(np.zeros((3, *shape), dtype=np.float32)).shape == (3, 2)


def test_an_ensemble_answers_with_the_mean_of_its_members_logits():
    model = build_cnn((28, 28, 1), 10, filters=(4, (6, 8)), ensemble_size=3, seed=1)
    images = np.random.default_rng(0).normal(size=(5, 28, 28, 1)).astype(np.float32)
    model.get_layer("standardize").set_weights([np.ones(1), 4 * np.ones(1)])
    members = members_of(model)
    assert len(members) == 3
    answers = [np.asarray(member((images - 1) / 2)) for member in members]
    assert not np.allclose(answers[0], answers[1], atol=0.1)
    assert_allclose(model(images), np.mean(answers, axis=0), atol=1e-5)
    assert members_of(members[0]) == [members[0]]


@pytest.mark.parametrize("optimizer", ["muon", "adam"])
@pytest.mark.parametrize("batch_norm", [True, False])
def test_members_of_an_ensemble_learn_as_if_alone(optimizer, batch_norm):
    """Three steps of training bring each to the weights that it comes to by itself."""
    sizes = SIZES | {"batch_norm": batch_norm, "dropout": 0.0, "dtype": "float64"}
    together = build_cnn(**sizes, ensemble_size=2)
    alone = [build_cnn(**sizes) for _ in range(2)]
    for network, member in zip(alone, members_of(together), strict=True):
        network.set_weights([np.zeros(1), np.ones(1), *member.get_weights()])
    options = StepOptions(False, Optimizer(optimizer, 0.9, 0.99, rescale=batch_norm), None)
    generator = np.random.default_rng(0)
    images, labels = generator.normal(size=(20, 8, 8, 1)), generator.integers(3, size=20)
    weights, targets = generator.uniform(size=20), np.eye(3)[labels]

    def losses_of(network, size):
        step = step_function(freeze(sizes | {"ensemble_size": size}), options)
        moments, seen = zero_moments(network), []
        for number in (1, 2, 3):
            losses, _ = step(
                *weights_of(network), moments, tf.constant(images), tf.constant(targets),
                tf.constant(weights), tf.constant(number), tf.constant(0),
                tf.constant(0.01, tf.float64), tf.constant(0.0), tf.constant(0.0),
            )  # fmt: skip
            seen.append(losses.numpy())
        return np.array(seen)

    mean = np.mean([losses_of(network, 1) for network in alone], axis=0)
    assert_allclose(losses_of(together, 2), mean, rtol=1e-6)
    for network, member in zip(alone, members_of(together), strict=True):
        for found, expected in zip(member.get_weights(), network.get_weights()[2:], strict=True):
            assert_allclose(found, expected, rtol=1e-6, atol=1e-9)


def test_seed_decides_the_weights():
    one, same, other = (build_cnn(**SIZES, seed=seed) for seed in (1, 1, 2))
    assert_array_equal(one.get_weights()[3], same.get_weights()[3])
    kernels = [model.get_layer("conv1_1").kernel.numpy() for model in (one, other)]
    assert not np.array_equal(*kernels)


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


def test_precision():
    assert resolve_precision("float32") == ("float32", False)
    assert resolve_precision("bfloat16") == ("float32", True)
    assert resolve_precision("float64") == ("float64", False)
    assert resolve_precision("auto") in (("float32", False), ("float32", True))
