"""Keras's optimizers as the parameter ``optimizer``."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_allclose, assert_array_equal
from own_networks import dense, weights_of
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV

from mnist_estimator import CNNClassifier, load, make_pipeline, save

OPTIONS = {"filters": (4,), "kernel_size": 3, "epochs": 2, "batch_size": 32, "random_state": 0}
SCHEDULE = keras.optimizers.schedules.ExponentialDecay


class Signs(keras.optimizers.Optimizer):
    """An optimizer of a user's: steps of one size."""

    def __init__(self, learning_rate=0.001, **options):
        super().__init__(learning_rate=learning_rate, **options)

    def update_step(self, gradient, variable, learning_rate):
        """Take a step."""
        self.assign_sub(variable, learning_rate * tf.sign(gradient))


@pytest.fixture(scope="module")
def scaled():
    """Return 200 images of 8×8 pixels in [0, 1], and their labels."""
    X, y = load_digits(return_X_y=True)
    return X[:200] / 16, y[:200]


def make(optimizer, **changed):
    """Return a classifier of few epochs."""
    return CNNClassifier(**OPTIONS | {"optimizer": optimizer} | changed)


def same_bits(one, other):
    """Tell whether two classifiers have the same weights."""
    return np.array_equal(weights_of(one), weights_of(other))


@pytest.mark.parametrize(
    "optimizer",
    [
        keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
        keras.optimizers.AdamW(0.003, weight_decay=0.01, clipnorm=1.0),
        keras.optimizers.RMSprop,
        keras.optimizers.Adafactor,
        keras.optimizers.SGD(0.1, gradient_accumulation_steps=2),
    ],
    ids=lambda o: getattr(o, "name", None) or o.__name__,
)
def test_it_learns_and_the_users_optimizer_stays(optimizer, scaled):
    is_class = isinstance(optimizer, type)
    before = None if is_class else optimizer.get_config()
    clf = make(optimizer, epochs=12, augmentation=None).fit(*scaled)
    assert clf.history_["loss"][-1] < 0.8 * clf.history_["loss"][0]
    assert clf.optimizer is optimizer
    if not is_class:
        assert optimizer.get_config() == before
        assert not optimizer.built
        assert int(optimizer.iterations) == 0


def test_steps_are_those_of_keras(scaled):
    """Of ``keras.Model.fit`` of a network with the same weights: no schedule, one batch."""
    X, y = scaled
    images = X.reshape(-1, 8, 8, 1).astype("f")
    clf = CNNClassifier(
        optimizer=keras.optimizers.Nadam(0.01), model=dense, model__dropout=0.0, epochs=3,
        batch_size=len(y), precision="float32", schedule="constant", augmentation=None,
        early_stopping=False, random_state=0,
    )  # fmt: skip
    twin = keras.models.clone_model(clone(clf).initialize(images, y).model_)
    twin.set_weights(clone(clf).initialize(images, y).model_.get_weights())
    twin.compile(keras.optimizers.Nadam(0.01), "sparse_categorical_crossentropy")
    twin.fit(images, y, len(y), epochs=3, verbose=0, shuffle=False)
    for own, theirs in zip(
        clf.fit(images, y).model_.get_weights(), twin.get_weights(), strict=True
    ):
        assert_allclose(own, theirs, rtol=1e-3, atol=1e-5)


def test_an_instance_brings_its_rate_and_a_class_takes_the_parameter(scaled):
    by_instance = make(keras.optimizers.SGD(0.25)).fit(*scaled)
    by_class = make(keras.optimizers.SGD, learning_rate=0.25).fit(*scaled)
    assert same_bits(by_instance, by_class)
    assert not same_bits(by_instance, make(keras.optimizers.SGD(0.5)).fit(*scaled))


def test_its_schedule_counts(scaled):
    schedule = SCHEDULE(0.1, decay_steps=3, decay_rate=0.5)
    inside = make(keras.optimizers.SGD(schedule)).fit(*scaled)
    outside = make(keras.optimizers.SGD, learning_rate=1.0, schedule=schedule).fit(*scaled)
    assert same_bits(inside, outside)
    assert inside.history_["learning_rate"][-1] == pytest.approx(float(schedule(13)))


def test_copies_have_optimizers_of_their_own(scaled, tmp_path):
    original = make(keras.optimizers.SGD(0.1, momentum=0.9), warm_start=True).fit(*scaled)
    save(original, tmp_path / "sgd.pipeline")
    copies = [pickle.loads(pickle.dumps(original)), copy.deepcopy(original)]
    copies.append(load(tmp_path / "sgd.pipeline"))
    original.fit(*scaled)
    for twin in copies:
        assert twin.optimizer is not original.optimizer
        assert twin.optimizer.get_config() == original.optimizer.get_config()
        # Its momentum goes with it.
        assert same_bits(twin.fit(*scaled), original)
    assert clone(original).optimizer.get_config() == original.optimizer.get_config()
    assert clone(original).optimizer is not original.optimizer


def test_classes_and_schedules_are_saved(scaled, tmp_path):
    schedule = SCHEDULE(0.1, decay_steps=3, decay_rate=0.5)
    clf = make(keras.optimizers.Lion, schedule=schedule).fit(*scaled)
    save(clf, tmp_path / "lion.pipeline")
    again = load(tmp_path / "lion.pipeline")
    assert again.optimizer is keras.optimizers.Lion
    assert again.schedule.get_config() == schedule.get_config()
    assert same_bits(clone(again).fit(*scaled), clf)


def test_an_optimizer_of_the_users_is_saved_by_name(scaled, tmp_path):
    clf = make(Signs(0.01)).fit(*scaled)
    assert same_bits(pickle.loads(pickle.dumps(clf)), clf)
    save(clf, tmp_path / "signs.pipeline")
    with pytest.raises(ValueError, match=r"not Keras's: .*Signs.*custom_objects="):
        load(tmp_path / "signs.pipeline")
    again = load(tmp_path / "signs.pipeline", custom_objects={"Signs": Signs})
    assert isinstance(again.optimizer, Signs)
    assert same_bits(clone(again).fit(*scaled), clf)


def test_searches_presets_and_checkpoints_take_it(scaled, tmp_path):
    X, y = scaled
    optimizers = [keras.optimizers.Adam(0.01), keras.optimizers.SGD(1e-6)]
    search = GridSearchCV(make("muon"), {"optimizer": optimizers}, cv=2).fit(X, y)
    assert search.best_params_["optimizer"] is optimizers[0]
    pipe = make_pipeline("fast", epochs=1, optimizer=optimizers[0]).fit(X, y)
    assert pipe[-1].optimizer is optimizers[0]
    whole = make(optimizers[0]).fit(X, y)
    kept = make(optimizers[0], checkpoint_dir=tmp_path).fit(X, y)
    assert same_bits(kept, whole)


@pytest.mark.slow
def test_frozen_layers_stay(scaled):
    clf = make(keras.optimizers.AdamW(0.01, weight_decay=0.1), warm_start=True).fit(*scaled)
    first = next(layer for layer in clf.model_.layers if layer.name.startswith("conv"))
    first.trainable = False
    before = first.get_weights()
    clf.fit(*scaled)
    for one, other in zip(before, first.get_weights(), strict=True):
        assert_array_equal(one, other)


def test_threads_do_not_mix(scaled):
    expected = [make(keras.optimizers.Adam(0.01), random_state=i).fit(*scaled) for i in range(4)]
    with ThreadPoolExecutor(4) as threads:
        found = list(
            threads.map(
                lambda i: make(keras.optimizers.Adam(0.01), random_state=i).fit(*scaled), range(4)
            )
        )
    assert all(map(same_bits, found, expected))


def test_another_optimizer_starts_with_moments_of_its_own(scaled):
    clf = make(keras.optimizers.Adam(0.01), warm_start=True).fit(*scaled)
    for optimizer in (keras.optimizers.SGD(0.01, momentum=0.9), "muon", keras.optimizers.Adam):
        clf.set_params(optimizer=optimizer).fit(*scaled)
    assert clf.n_iter_ == 8


@pytest.mark.parametrize(
    ("parameters", "error", "words"),
    [
        ({"optimizer": "sgd"}, ValueError, "The 'optimizer' parameter of CNNClassifier must be"),
        ({"optimizer": dict}, TypeError, "optimizer must be 'muon', 'adam', or a keras.optim"),
        (
            {"optimizer": keras.optimizers.SGD(0.1), "learning_rate": 0.1},
            ValueError,
            r"learning_rate have no effect .* optimizer=keras.optimizers.SGD, which takes",
        ),
        (
            {"optimizer": keras.optimizers.Adam, "beta_1": 0.8},
            ValueError,
            "beta_1 have no effect",
        ),
        (
            {"optimizer": keras.optimizers.SGD(SCHEDULE(0.1, 3, 0.5)), "schedule": "cosine"},
            ValueError,
            "schedule have no effect",
        ),
        ({"optimizer": keras.optimizers.SGD(0.1, use_ema=True)}, ValueError, "no use_ema"),
        ({"optimizer": keras.optimizers.SGD(lambda: 0.1)}, ValueError, "the parameter schedule"),
        (
            {"optimizer": keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1))},
            ValueError,
            "optimizer must have a learning rate",
        ),
    ],
    ids=lambda value: None,
)
def test_what_has_no_effect_is_refused(parameters, error, words, scaled):
    with pytest.raises(error, match=words):
        CNNClassifier(**OPTIONS | parameters).fit(*scaled)


def test_a_function_as_schedule_is_refused_by_save_with_the_remedy(scaled, tmp_path):
    pipe = make_pipeline(**OPTIONS, schedule=lambda progress: 1 - progress).fit(*scaled)
    with pytest.raises(TypeError, match=r"pipe\.set_params\(cnn__schedule='one_cycle'\)"):
        save(pipe, tmp_path / "a.pipeline")
    pipe.set_params(cnn__schedule="one_cycle")
    save(pipe, tmp_path / "a.pipeline")
