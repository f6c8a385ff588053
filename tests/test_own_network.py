"""``CNNClassifier(model=...)``: networks that users build."""

import pickle
import random
import warnings
from functools import partial

import keras
import numpy as np
import pytest
from common import slow_but
from numpy.testing import assert_allclose, assert_array_equal
from own_networks import NETWORKS, dense, residual, separable, weights_of
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from mnist_estimator import CNNClassifier, load, make_pipeline, save
from mnist_estimator.network import _functions
from mnist_estimator.network._keras_config import KerasConfig
from mnist_estimator.pipeline import PRESETS


@pytest.fixture(scope="module")
def scaled():
    """Return 400 images of 8×8 pixels in [0, 1], and their labels."""
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    return X[:400] / 16, y[:400]


@pytest.fixture(scope="module", params=slow_but({"dense", "separable"}, NETWORKS))
def model(request):
    """Go through the networks."""
    return request.param


def make(model, **changed):
    """Return a classifier of few epochs."""
    options = {"epochs": 3, "batch_size": 32, "random_state": 0}
    return CNNClassifier(model=model, **options | changed)


@pytest.fixture(scope="module")
def fitted(model, scaled):
    """Return a fitted classifier of each network; tests must not change it."""
    return make(model, epochs=12, augmentation=None).fit(*scaled)


def test_it_learns(fitted, scaled):
    assert fitted.score(*scaled) > 0.85
    assert len(fitted.history_["val_loss"]) == 12


def test_probabilities_are_those_of_the_keras_model(fitted, scaled):
    outputs = keras.ops.convert_to_numpy(fitted.model_(scaled[0].reshape(-1, 8, 8, 1)))
    if fitted.model is not dense:
        outputs = keras.ops.convert_to_numpy(keras.ops.softmax(outputs))
    assert_allclose(fitted.predict_proba(scaled[0]), outputs, atol=1e-5)


def test_seeds_count_to_the_bit_and_global_generators_stay(model, scaled):
    states = random.getstate(), np.random.get_state()  # noqa: NPY002
    one, same, other = (
        weights_of(make(model, random_state=seed).fit(*scaled)) for seed in (0, 0, 1)
    )
    assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    assert random.getstate() == states[0]
    assert_array_equal(np.random.get_state()[1], states[1][1])  # noqa: NPY002


def test_a_second_fit_traces_nothing(model, scaled):
    make(model).fit(*scaled)
    before = _functions.step_function.cache_info().misses
    make(model, random_state=3).fit(*scaled)
    assert _functions.step_function.cache_info().misses == before


def test_options_of_training_reach_it(model, scaled):
    X, y = scaled
    clf = make(
        model, epochs=2, class_weight="balanced", hard_fraction=0.1, label_smoothing=0.1,
        augmentation={"rotation": 10, "adversarial": 0.05, "corruption": 0.1},
    )  # fmt: skip
    clf.fit(X, y, sample_weight=np.linspace(0.5, 1, len(y)))
    assert np.isfinite(clf.history_["loss"]).all()


def test_partial_fit_and_warm_start_go_on(model, scaled):
    X, y = scaled
    clf = make(model, augmentation=None).partial_fit(X, y, classes=np.arange(10))
    first = clf.history_["loss"][0]
    for _ in range(8):
        clf.partial_fit(X, y)
    assert clf.history_["loss"][-1] < first
    warm = make(model, warm_start=True, early_stopping=False).fit(X, y)
    assert len(warm.fit(X, y).history_["loss"]) == 6


def test_copies_predict_the_same_and_go_on_the_same(fitted, scaled):
    X, y = scaled
    twin = pickle.loads(pickle.dumps(fitted))
    assert_array_equal(twin.predict_proba(X), fitted.predict_proba(X))
    again = pickle.loads(pickle.dumps(fitted))
    assert_array_equal(
        weights_of(twin.partial_fit(X[:50], y[:50])), weights_of(again.partial_fit(X[:50], y[:50]))
    )


def test_saved_files_hold_the_network(fitted, scaled, tmp_path):
    X, y = scaled
    save(fitted, tmp_path / "own.pipeline")
    if fitted.model is separable:
        with pytest.raises(ValueError, match=r"ScaledDense.*custom_objects="):
            load(tmp_path / "own.pipeline")
        custom_objects = {"ScaledDense": type(fitted.model_.layers[-1])}
        again = load(tmp_path / "own.pipeline", custom_objects=custom_objects)
    else:
        again = load(tmp_path / "own.pipeline")
    assert_array_equal(again.predict_proba(X), fitted.predict_proba(X))
    refitted = clone(again).set_params(epochs=1).fit(X, y)
    assert [w.shape for w in refitted.model_.weights] == [w.shape for w in fitted.model_.weights]


def test_frozen_layers_stay_to_the_bit(scaled):
    clf = make(NETWORKS["frozen base"]).fit(*scaled)
    base = clf.model_.get_layer("base")
    before = [weight.copy() for weight in base.get_weights()]
    head = clf.model_.get_layer("head").get_weights()[0].copy()
    clf.partial_fit(*scaled)
    for weight, expected in zip(base.get_weights(), before, strict=True):
        assert_array_equal(weight, expected)
    assert not np.array_equal(clf.model_.get_layer("head").get_weights()[0], head)
    base.trainable = True  # fine-tuning
    clf.partial_fit(*scaled)
    assert not np.array_equal(base.get_weights()[0], before[0])


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # of Keras
def test_a_pretrained_base_keeps_its_weights(scaled, tmp_path):
    meta = {"image_shape_": (8, 8, 1), "n_classes_": 10}
    keras.utils.set_random_seed(1)
    whole = NETWORKS["frozen base"](meta)
    base = whole.get_layer("base")
    base.save(tmp_path / "base.keras")
    clf = make(NETWORKS["frozen base"], model__base=str(tmp_path / "base.keras")).fit(*scaled)
    found = clf.model_.get_layer("base").get_weights()
    for weight, expected in zip(found, base.get_weights(), strict=True):
        assert_array_equal(weight, expected)


@pytest.mark.slow
def test_arguments_of_the_builder_are_parameters(scaled):
    clf = make(dense, model__units=5)
    assert clf.get_params()["model__units"] == 5
    assert clone(clf).set_params(model__units=7).fit(*scaled).model_.layers[1].units == 7
    search = GridSearchCV(
        make_pipeline(model=dense, epochs=1, random_state=0),
        {"cnn__model__units": [4, 8], "cnn__model__dropout": [0.0, 0.5]},
        cv=2,
        n_jobs=2,
    )
    search.fit(scaled[0], scaled[1])
    assert set(search.best_params_) == {"cnn__model__units", "cnn__model__dropout"}
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_a_subclass_may_build_it(scaled):
    class Wide(CNNClassifier):
        def _keras_build_fn(self, meta, filters):
            return residual(meta, filters=filters[0])

    clf = Wide(filters=(4,), epochs=1, random_state=0).fit(*scaled)
    assert clf.model_.layers[1].filters == 4


def test_a_subclassed_keras_model(scaled):
    clf = make(subclassed, epochs=2).fit(*scaled)
    twin = pickle.loads(pickle.dumps(clf))
    assert_array_equal(twin.predict_proba(scaled[0]), clf.predict_proba(scaled[0]))


class Subclassed(keras.Model):
    """A network without a graph of layers."""

    def __init__(self, units=10, **options):
        super().__init__(**options)
        self.units = units
        self.flatten = keras.layers.Flatten()
        self.hidden = keras.layers.Dense(16, activation="relu")
        self.drop = keras.layers.Dropout(0.1)
        self.out = keras.layers.Dense(units)

    def call(self, images, training=False):
        values = self.drop(self.hidden(self.flatten(images)), training=training)
        return self.out(values)

    def get_config(self):
        return super().get_config() | {"units": self.units}


def subclassed(meta):
    return Subclassed(meta["n_classes_"])


@pytest.mark.parametrize("precision", ["bfloat16", "float64"])
@pytest.mark.slow
def test_other_precisions(model, scaled, precision):
    clf = make(model, epochs=1, precision=precision)
    if model is separable and precision == "float64":
        with pytest.raises(ValueError, match="must pass its dtype on to the layers inside"):
            clf.fit(*scaled)
        return
    clf.fit(*scaled)
    expected = "float64" if precision == "float64" else "float32"
    assert {w.dtype for w in clf.model_.trainable_variables} == {expected}
    assert np.isfinite(clf.predict_proba(scaled[0])).all()


def test_checkpoints_resume(model, scaled, tmp_path):
    epochs = []

    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            epochs.append(epoch)
            if len(epochs) == 2:
                raise InterruptedError

    whole = make(model).fit(*scaled)
    clf = make(model, checkpoint_dir=tmp_path, callbacks=[Stop])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of callbacks with a checkpoint
        with pytest.raises(InterruptedError):
            clf.fit(*scaled)
        clf.fit(*scaled)
    assert epochs == [0, 1, 1, 2]  # the one that was interrupted is repeated
    assert_array_equal(weights_of(clf), weights_of(whole))


@pytest.mark.parametrize(
    ("builder", "error", "words"),
    [
        (lambda meta: None, TypeError, "must return a keras.Model; got None"),
        (lambda meta: dense(meta | {"n_classes_": 7}), ValueError, "shape .None, 10.*got an out"),
        (lambda meta: dense(meta | {"n_classes_": 1}), ValueError, "also for two classes"),
        (lambda meta: dense(meta | {"image_shape_": (9, 9, 1)}), ValueError, "does not take imag"),
        (lambda meta, other: dense(meta), TypeError, "needs other"),
        (lambda meta: keras.Sequential(
            [keras.Input(meta["image_shape_"]), keras.layers.Flatten(),
             keras.layers.Lambda(lambda x: x[:, :10]), keras.layers.Dense(10)]
        ), ValueError, "Lambda layers"),
    ],
)  # fmt: skip
def test_builders_that_build_nothing_useful(scaled, builder, error, words):
    with pytest.raises(error, match=words):
        make(builder).fit(*scaled)


def test_no_weights(scaled):
    def pooled(meta):
        images = keras.Input(meta["image_shape_"])
        return keras.Model(images, keras.layers.Flatten()(images)[:, :10])

    with pytest.raises(ValueError, match="no weights to train"):
        make(pooled).fit(*scaled)


def test_a_layer_whose_config_lies(scaled):
    class Forgetful(keras.layers.Layer):
        def __init__(self, factor=1.0, **options):
            super().__init__(**options)
            self.factor = factor

        def call(self, inputs):
            return inputs * self.factor

        def get_config(self):
            return {"name": self.name}

    def build(meta):
        images = keras.Input(meta["image_shape_"])
        values = Forgetful(3.0)(keras.layers.Flatten()(images))
        return keras.Model(images, keras.layers.Dense(meta["n_classes_"])(values))

    with pytest.raises(ValueError, match=r"get_config of its custom layers.*Forgetful"):
        make(build).fit(*scaled)


def test_parameters_without_effect_are_refused(scaled):
    with pytest.raises(ValueError, match="filters have no effect"):
        make(dense, filters=(3,)).fit(*scaled)
    with pytest.raises(ValueError, match="model__units is an argument of model, which is None"):
        CNNClassifier(model__units=3).fit(*scaled)
    with pytest.raises(TypeError, match=r"model__unitz.*Did you mean model__units\?"):
        make(dense, model__unitz=3).fit(*scaled)


def test_a_compiled_model_is_told_that_this_has_no_effect(scaled):
    def build(meta):
        network = dense(meta)
        network.compile(loss="mse", optimizer="sgd")
        return network

    with pytest.warns(UserWarning, match="compiled, which has no effect"):
        make(build, epochs=1).fit(*scaled)


def test_changes_of_the_model_are_refused(scaled):
    clf = make(residual).fit(*scaled)
    clf.model_.layers[1].strides = (2, 2)
    with pytest.raises(ValueError, match=r"model_ has been changed.*strides"):
        clf.partial_fit(*scaled)


def test_changed_arguments_are_refused_when_training_goes_on(scaled):
    clf = make(dense, warm_start=True).fit(*scaled)
    with pytest.raises(ValueError, match="arguments of model were"):
        clf.set_params(model__units=3).fit(*scaled)


def test_a_partial_is_a_builder(scaled):
    clf = make(partial(dense, units=6), epochs=1).fit(*scaled)
    assert clf.model_.layers[1].units == 6


@pytest.mark.parametrize("preset", ["fast", "accurate"])
def test_presets_leave_out_what_describes_the_other_network(preset, scaled):
    pipe = make_pipeline(preset, model=dense, epochs=1, random_state=0).fit(*scaled)
    assert pipe[-1].filters == CNNClassifier().filters
    assert pipe[-1].augmentation == PRESETS[preset]["augmentation"]
    pipe = make_pipeline(preset, model=dense, dropout=0.1)
    with pytest.raises(ValueError, match="dropout have no effect"):
        pipe.fit(*scaled)


def test_loading_builds_the_network_once(scaled, tmp_path, monkeypatch):
    save(make(dense, epochs=1).fit(*scaled), tmp_path / "own.pipeline")
    built, build = [], KerasConfig.build
    monkeypatch.setattr(
        KerasConfig, "build", lambda *a, **options: built.append(1) or build(*a, **options)
    )
    load(tmp_path / "own.pipeline")
    assert len(built) == 1
