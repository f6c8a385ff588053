"""What users do to ``model_``: frozen layers stay, all that is no longer the network is refused."""

import copy
import pickle

import keras
import numpy as np
import pytest
import tensorflow as tf
from common import slow_but
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import softmax

from mnist_estimator import load, save, to_onnx
from mnist_estimator.network._architecture import NetworkConfig
from mnist_estimator.network._build import build
from mnist_estimator.network._functions import StepInputs, StepOptions, step_function, variables_of
from mnist_estimator.network._model_changes import frozen_names, frozen_parts
from mnist_estimator.network._optimizers import Optimizer, zero_moments
from mnist_estimator.training._checkpoint import Checkpoint


def values(clf):
    """Return what the weights and statistics hold, by name; without the dropout's seeds."""
    return {
        variable.path.split("/", 1)[1]: variable.numpy()
        for variable in clf.model_.variables
        if "seed" not in variable.path
    }


def changed(before, clf):
    return {name for name, value in values(clf).items() if not np.array_equal(before[name], value)}


def freeze_layers(clf, *names):
    for name in names:
        clf.model_.get_layer(name).trainable = False


FROZEN = [("norm1_1",), ("conv1_1",), ("conv1_1", "norm1_1", "conv2_1", "norm2_1"), ("logits",)]


@pytest.mark.parametrize("way", ["fit", "partial_fit", "partial_fit from nothing"])
@pytest.mark.parametrize(
    "names", slow_but({"norm1_1", "logits"}, {"-".join(names): names for names in FROZEN})
)
def test_frozen_layers_stay_to_the_bit_and_the_others_learn(small, digits, names, way):
    clf = small(epochs=1, warm_start=True)
    if way == "partial_fit from nothing":
        clf.initialize(*digits)
    else:
        clf.fit(*digits)
    freeze_layers(clf, *names)
    before = values(clf)
    getattr(clf, way.split()[0])(*digits)
    weights = {name for name in before if not name.startswith("standardize")}
    if way == "partial_fit":  # after a fit, statistics stay
        weights -= {name for name in weights if "moving" in name}
    learn = {name for name in weights if name.split("/")[0] not in names}
    assert changed(before, clf) == learn
    assert np.isfinite(clf.predict_proba(digits[0])).all()


def test_a_frozen_weight_of_a_layer_stays(small, digits):
    clf = small(epochs=1).fit(*digits)
    clf.model_.get_layer("norm1_1").gamma.trainable = False
    before = values(clf)
    clf.partial_fit(*digits)
    assert "norm1_1/gamma" not in changed(before, clf)
    assert "norm1_1/beta" in changed(before, clf)


@pytest.mark.slow
def test_a_frozen_member_of_an_ensemble_stays(quick, digits):
    clf = quick(ensemble_size=2, epochs=1, warm_start=True).fit(*digits)
    freeze_layers(clf, "member1")
    before = [variable.numpy() for variable in clf.model_.variables]
    clf.fit(*digits)
    for variable, value in zip(clf.model_.variables, before, strict=True):
        if variable.name in ("kernel", "gamma", "moving_mean"):
            is_same = np.array_equal(value, variable.numpy())
            assert is_same == (not variable.path.startswith("member2"))


def test_a_network_frozen_and_freed_learns_and_standardizes_as_before(small, digits):
    clf = small(epochs=1, warm_start=True).fit(*digits)
    other = copy.deepcopy(clf)
    clf.model_.trainable = False
    clf.model_.trainable = True
    assert_array_equal(clf.fit(*digits).predict_proba(digits[0]),
                       other.fit(*digits).predict_proba(digits[0]))  # fmt: skip


@pytest.mark.parametrize("way", ["fit", "partial_fit"])
def test_a_network_that_is_frozen_as_a_whole_is_refused(small, digits, way):
    clf = small(epochs=1, warm_start=True).fit(*digits)
    clf.model_.trainable = False
    before, n_epochs = clf.predict_proba(digits[0]), clf.n_iter_
    with pytest.raises(ValueError, match=r"All layers of model_ are frozen.*trainable = True"):
        getattr(clf, way)(*digits)
    assert_array_equal(clf.predict_proba(digits[0]), before)
    assert clf.n_iter_ == n_epochs
    clf.set_params(warm_start=False).fit(*digits)  # which builds a new one
    assert frozen_names(clf.model_) == []


@pytest.mark.parametrize("form", ["pickle", "deepcopy", "file"])
def test_copies_and_files_keep_layers_frozen(small_pipeline, digits, form, tmp_path):
    X, y = digits
    pipe = small_pipeline(epochs=1).fit(X, y)
    freeze_layers(pipe[-1], "norm1_1", "conv2_1")
    pipe[-1].model_.get_layer("logits").bias.trainable = False
    if form == "pickle":
        again = pickle.loads(pickle.dumps(pipe))
    elif form == "deepcopy":
        again = copy.deepcopy(pipe)
    else:
        save(pipe, tmp_path / "model")
        again = load(tmp_path / "model")
    assert frozen_names(again[-1].model_) == frozen_names(pipe[-1].model_)
    before = values(again[-1])
    again[-1].partial_fit(pipe[:-1].transform(X), y)
    assert changed(before, again[-1]) == {
        "conv1_1/kernel", "norm2_1/gamma", "norm2_1/beta", "logits/kernel",
    }  # fmt: skip


def test_members_keep_what_is_frozen_in_them(quick, digits):
    clf = quick(ensemble_size=2, epochs=1).fit(*digits)
    freeze_layers(clf, "member1")
    clf.model_.get_layer("member2").get_layer("norm1_1").trainable = False
    again = pickle.loads(pickle.dumps(clf))
    assert frozen_parts(again.model_) == frozen_parts(clf.model_)


@pytest.mark.parametrize("names", ["norm1_1", ["norm9_9"], [1], 3])
def test_names_of_frozen_layers_that_are_none_are_refused(fitted, names):
    state = fitted.__getstate__() | {"_frozen": names}
    with pytest.raises(ValueError, match="The frozen layers must be names of the network's layers"):
        copy.copy(fitted).__setstate__(state)


@pytest.mark.slow
def test_a_fit_cut_off_goes_on_with_its_layers_frozen(quick, digits, tmp_path, monkeypatch):
    first = quick(epochs=1, warm_start=True).fit(*digits)
    freeze_layers(first, "conv1_1", "norm1_1")
    first.set_params(epochs=3)
    whole = copy.deepcopy(first).fit(*digits)
    keep = Checkpoint.save

    def crash(self, state):
        keep(self, state)
        raise KeyboardInterrupt

    monkeypatch.setattr(Checkpoint, "save", crash)
    with pytest.raises(KeyboardInterrupt):
        copy.deepcopy(first).set_params(checkpoint_dir=tmp_path).fit(*digits)
    monkeypatch.undo()
    other = copy.deepcopy(first).set_params(checkpoint_dir=tmp_path)
    for name in ("conv1_1", "norm1_1"):
        other.model_.get_layer(name).trainable = True
    with pytest.raises(ValueError, match=r"the frozen layers was \['conv1_1'.* and is \[\] now"):
        other.fit(*digits)
    again = copy.deepcopy(first).set_params(checkpoint_dir=tmp_path).fit(*digits)
    assert changed(values(whole), again) == set()


def test_a_step_with_frozen_layers_is_that_of_keras():
    """With the same layers frozen; Keras's batch normalization then infers, too."""
    config = NetworkConfig((8, 8, 1), 3, filters=(4, 6), dropout=0.0, compact=True)
    generator = np.random.default_rng(0)
    images = generator.normal(size=(16, 8, 8, 1)).astype(np.float32)
    targets = np.eye(3, dtype=np.float32)[generator.integers(0, 3, 16)]
    ours, theirs = build(config), build(config)
    for model in (ours, theirs):
        for name in ("norm1_1", "norm2_1", "conv2_1"):
            model.get_layer(name).trainable = False
    frozen = frozen_parts(ours)
    adam = Optimizer("adam", 0.9, 0.99, rescale=False)
    options = StepOptions(False, adam, None, frozen.weights, frozen.statistics)
    step, moments = step_function(config, options), zero_moments(variables_of(ours).trained)
    optimizer = keras.optimizers.Adam(0.01, beta_1=0.9, beta_2=0.99)
    for number in (1, 2, 3):
        inputs = StepInputs(
            tf.constant(images), tf.constant(targets), tf.ones(16), tf.constant(number),
            tf.constant(0), tf.constant(0.01), *tf.zeros(2),
        )  # fmt: skip
        step(variables_of(ours), moments, inputs)
        with tf.GradientTape() as tape:
            logits = theirs(images, training=True)
            losses = keras.losses.categorical_crossentropy(targets, logits, from_logits=True)
            loss = tf.reduce_mean(losses)
        optimizer.apply(tape.gradient(loss, theirs.trainable_variables), theirs.trainable_variables)
    for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def add_layer(clf):
    clf.model_.add(keras.layers.Dense(10, name="more"))


def drop_layer(clf):
    clf.model_.pop()


def other_model(clf):
    clf.model_ = keras.Sequential(
        [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10)]
    )


def no_model(clf):
    clf.model_ = None


def set_policy(clf):
    clf.model_.get_layer("conv1_1").dtype_policy = "mixed_bfloat16"


def set_activation(clf):
    clf.model_.get_layer("relu1_1").activation = keras.activations.gelu


def set_rate(clf):
    clf.model_.get_layer("dropout").rate = 0.9


def add_lora(clf):
    clf.model_.get_layer("logits").enable_lora(2)


REFUSED = {
    add_layer: r"other layers than when it was built \(added: \['more'\], missing: none\)",
    drop_layer: r"other layers than when it was built \(added: none, missing: \['logits'\]\)",
    other_model: r"other layers than when it was built \(added: .*, missing: \['standardize'",
    no_model: r"model_ must be a keras\.Model; got None",
    set_policy: r"dtype of the layer 'conv1_1' was .*float32.* and is .*bfloat16",
    set_activation: "activation of the layer 'relu1_1' was 'relu' and is 'gelu'",
    set_rate: r"rate of the layer 'dropout' was 0\.3 and is 0\.9",
    add_lora: "of the layer 'logits' was ",
}
USES = {
    "predict": lambda pipe, X, y: pipe.predict(X),
    "partial_fit": lambda pipe, X, y: pipe[-1].partial_fit(pipe[:-1].transform(X), y),
    "fit": lambda pipe, X, y: pipe.fit(X, y),
    "pickle": lambda pipe, X, y: pickle.dumps(pipe),
    "to_onnx": lambda pipe, X, y: to_onnx(pipe, "/dev/null"),
}


@pytest.fixture(scope="module")
def learned(small_pipeline, digits):
    """Return a pipeline that goes on in ``fit``; tests must not change it."""
    return small_pipeline(epochs=1, warm_start=True).fit(*digits)


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("change", REFUSED, ids=lambda change: change.__name__)
def test_a_network_that_was_changed_is_refused_with_a_remedy(learned, digits, change, use):
    pipe = copy.deepcopy(learned)
    pipe.predict(digits[0][:3])  # what is kept of a network to predict with does not hide it
    change(pipe[-1])
    with pytest.raises((TypeError, ValueError), match=REFUSED[change]) as caught:
        USES[use](pipe, *digits)
    assert "Undo the change, or fit a new classifier" in str(caught.value)


def test_a_classifier_whose_network_was_changed_can_be_fitted_anew(small, digits):
    for change in (add_layer, no_model):
        clf = small(epochs=1).fit(*digits)
        change(clf)
        assert clf.fit(*digits).predict(digits[0]).shape == (600,)


def set_weights(clf):
    clf.model_.set_weights([1.01 * weights for weights in clf.model_.get_weights()])


def clone_model(clf):
    clone = keras.models.clone_model(clf.model_)
    clone.set_weights(clf.model_.get_weights())
    clf.model_ = clone


def compile_model(clf):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    clf.model_.compile("adam", loss)
    clf.model_.fit(np.ones((4, 8, 8, 1)), np.arange(4), verbose=0)


@pytest.mark.parametrize("change", [set_weights, clone_model, compile_model])
def test_other_weights_and_a_compiled_network_are_taken_as_they_are(small, digits, change):
    X, y = digits
    clf = small(epochs=1, warm_start=True).fit(X, y)
    clf.predict(X[:3])
    change(clf)
    images = X.reshape(-1, 8, 8, 1).astype(np.float32)
    expected = softmax(clf.model_(images, training=False).numpy(), axis=1)
    assert_allclose(clf.predict_proba(X), expected, atol=1e-5)
    again = pickle.loads(pickle.dumps(clf))
    assert_array_equal(again.predict_proba(X), clf.predict_proba(X))
    before = values(clf)
    clf.partial_fit(X, y).fit(X, y)
    assert "logits/kernel" in changed(before, clf)
