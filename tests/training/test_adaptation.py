"""Going on with a fitted network: what it knows stays, and what is new is learned."""

import copy
import importlib.util
import math
import pickle
import signal
import sys
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning

from mnist_estimator import load, load_mnist, make_pipeline, save
from mnist_estimator.network._architecture import NetworkConfig
from mnist_estimator.network._build import batch_norms_of
from mnist_estimator.network._network import Network
from mnist_estimator.training._adaptation import is_adaptation, rate_share
from mnist_estimator.training._data import Images

BENCHMARKS = Path(__file__).parents[2] / "examples" / "benchmarks"


@pytest.fixture(scope="module")
def rest():
    """Return the digits that ``fitted`` has not learned."""
    X, y = load_digits(return_X_y=True)
    return X[600:], y[600:]


@pytest.mark.parametrize("n_classes", [2, 10])
@pytest.mark.parametrize(("n_images", "batch_size"), [(1, 8), (30, 8), (3000, 512)])
def test_the_rate_of_a_network_that_knows_nothing_depends_on_the_batch(
    n_classes, n_images, batch_size
):
    """With logits that are all 0 the loss is the logarithm of the number of classes."""
    network = Network.build(NetworkConfig((8, 8, 1), n_classes, filters=(4,), compact=True))
    model = network.model
    model.get_layer("logits").set_weights([np.zeros(w.shape) for w in model.layers[-1].weights])
    generator = np.random.default_rng(0)
    labels = generator.integers(0, n_classes, n_images)
    images = Images.from_arrays(
        generator.normal(size=(n_images, 8, 8, 1)), labels, np.ones(n_images)
    )
    found = rate_share(network, images, batch_size)
    n_a_step = n_images / -(-n_images // batch_size)
    assert_allclose(found, n_a_step / (n_a_step + 128), rtol=1e-6)


def test_the_rate_is_in_proportion_to_the_weighted_loss():
    network = Network.build(NetworkConfig((8, 8, 1), 2, filters=(4,), compact=True))
    model = network.model
    kernel = model.get_layer("logits").weights[0]
    model.get_layer("logits").set_weights([np.zeros(kernel.shape), np.array([0.0, 1.0])])
    images = Images.from_arrays(np.zeros((2, 8, 8, 1)), np.array([0, 1]), np.array([0.5, 1.5]))
    loss = (0.5 * (1 + math.log1p(math.exp(-1))) + 1.5 * math.log1p(math.exp(-1))) / 2
    found = rate_share(network, images, 8)
    assert_allclose(found, loss / math.log(2) * 2 / 130, rtol=1e-6)


def test_only_what_goes_on_with_few_images_is_an_adaptation():
    assert is_adaptation(1, 1000, whole_fit=True)
    assert not is_adaptation(500, 1000, whole_fit=True)
    assert is_adaptation(10_000, 1000, whole_fit=False)
    assert not is_adaptation(1, 0, whole_fit=False)
    assert not is_adaptation(1, 0, whole_fit=True)


@pytest.mark.parametrize("n_images", [1, 10, 100])
def test_images_like_those_learned_leave_the_accuracy(fitted, digits, rest, n_images):
    (X, y), generator = digits, np.random.default_rng(0)
    clf, as_before = copy.deepcopy(fitted), copy.deepcopy(fitted)
    as_before._n_learned = 0  # what was done before there was a rule
    for _ in range(10):
        rows = generator.permutation(600)[:n_images]
        clf.partial_fit(X[rows], y[rows])
        as_before.partial_fit(X[rows], y[rows])
    assert clf.score(*rest) > fitted.score(*rest) - 0.005
    assert clf.score(*rest) > as_before.score(*rest) + 0.02


@pytest.mark.parametrize("way", ["partial_fit", "fit"])
def test_images_of_another_kind_are_learned(fitted, rest, way):
    X, y = rest
    X, others, y, labels = 16 - X[:200], 16 - X[200:], y[:200], y[200:]
    clf = copy.deepcopy(fitted).set_params(warm_start=True, epochs=16)
    before = clf.score(others, labels)
    for _ in range(8 if way == "partial_fit" else 1):
        getattr(clf, way)(X, y)
    alone = copy.deepcopy(fitted).fit(X, y).score(others, labels)
    assert before < 0.5
    assert clf.score(others, labels) > before + (alone - before) / 2


@pytest.mark.parametrize("early_stopping", [True, False])
def test_a_warm_fit_takes_one_image(fitted, digits, early_stopping):
    X, y = digits
    clf = copy.deepcopy(fitted).set_params(warm_start=True, epochs=2, early_stopping=early_stopping)
    clf.fit(X[:1], y[:1])
    assert not np.array_equal(clf.model_.get_weights()[-1], fitted.model_.get_weights()[-1])
    assert clf.score(X, y) > fitted.score(X, y) - 0.02


def statistics(clf):
    layers = batch_norms_of(clf.model_)
    return [part.numpy() for layer in layers for part in (layer.moving_mean, layer.moving_variance)]


@pytest.mark.parametrize(
    ("way", "n_images", "stay"),
    [("partial_fit", 600, True), ("fit", 100, True), ("fit", 600, False)],
)
def test_statistics_of_batch_normalization_stay(fitted, digits, way, n_images, stay):
    X, y = digits
    clf = copy.deepcopy(fitted).set_params(warm_start=True, epochs=1)
    getattr(clf, way)(X[:n_images], y[:n_images])
    pairs = zip(statistics(fitted), statistics(clf), strict=True)
    assert all(np.array_equal(one, other) for one, other in pairs) == stay
    assert not np.array_equal(clf.model_.get_weights()[-1], fitted.model_.get_weights()[-1])


def test_the_rate_is_lower_after_a_fit_only(small, digits):
    X, y = digits
    clf = small(epochs=1, learning_rate=0.004)
    for _ in range(3):
        clf.partial_fit(X, y, classes=np.arange(10))
    assert clf.history_["learning_rate"] == [0.004] * 3
    clf.fit(X, y).partial_fit(X, y)
    assert 0 < clf.history_["learning_rate"][-1] < 0.002


def test_a_callback_has_the_last_word_on_the_rate(small, digits):
    class Set(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.model.optimizer.learning_rate = 0.0025

    clf = small(epochs=1).fit(*digits).set_params(callbacks=[Set]).partial_fit(*digits)
    assert clf.history_["learning_rate"][-1] == pytest.approx(0.0025)


def test_a_fit_that_was_interrupted_goes_on_as_it_began(small, digits):
    class Interrupt(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            signal.raise_signal(signal.SIGINT)

    clf = small(callbacks=[Interrupt], schedule="constant", warm_start=True)
    with pytest.warns(ConvergenceWarning, match="interrupted in epoch 1"):
        clf.fit(*digits)
    clf.set_params(callbacks=None, epochs=1).fit(*digits)
    assert clf.history_["learning_rate"] == [0.01, 0.01]
    clf.partial_fit(*digits)
    assert clf.history_["learning_rate"][-1] < 0.005


@pytest.mark.parametrize("form", ["pickle", "file"])
def test_copies_and_files_go_on_alike(small_pipeline, digits, form, tmp_path):
    X, y = digits
    pipe = small_pipeline(epochs=2).fit(X, y)
    if form == "pickle":
        again = pickle.loads(pickle.dumps(pipe))
    else:
        save(pipe, tmp_path / "model")
        again = load(tmp_path / "model")
    images = pipe[:-1].transform(X[:50])
    for model in (pipe, again):
        model[-1].partial_fit(images, y[:50])
    assert again[-1].history_["learning_rate"] == pipe[-1].history_["learning_rate"]
    assert_array_equal(again.predict_proba(X), pipe.predict_proba(X))


@pytest.mark.parametrize("version", ["0.3.0", "0.5.0", "0.6.0"])
def test_fitted_models_of_older_versions_keep_what_they_know(version):
    folder = Path(__file__).parents[1] / "data"
    pipe = load(folder / f"digits-{version}.pipeline")
    with np.load(folder / f"digits-{version}.npz") as archive:
        images, before = archive["images"], archive["labels"]
    for row in range(5):
        pipe[-1].partial_fit(pipe[:-1].transform(images[[row]]), before[[row]])
    assert (pipe.predict(images) == before).mean() > 0.9
    assert pipe[-1].history_["learning_rate"][-1] < pipe[-1].learning_rate / 10


def test_what_partial_fit_began_goes_on_as_it_was_in_older_states(small, digits):
    clf = small().partial_fit(*digits, classes=np.arange(10))
    state = clf.__getstate__()
    del state["_n_learned"]
    older = pickle.loads(pickle.dumps(clf))
    older.__setstate__(state)
    older.partial_fit(*digits)
    assert older.history_["learning_rate"] == [0.01, 0.01]


@pytest.mark.slow
def test_the_benchmark_measures_and_lays_out(tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(BENCHMARKS)
    spec = importlib.util.spec_from_file_location("adaptation", BENCHMARKS / "adaptation.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "adaptation", module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "SIZES", (10,))
    monkeypatch.setattr(module, "TIMES", (1, 2))
    monkeypatch.setattr(module, "CALLS", 1)
    sizes = ["--train-size", "1000", "--test-size", "200", "--models", str(tmp_path / "models")]
    output = tmp_path / "rows.csv"
    module.main(["--presets", "fast", "--held-out", "--output", str(output), *sizes])
    rows = pd.read_csv(output, comment="#")
    assert rows["what"].tolist() == [
        "partial_fit", "partial_fit", "partial_fit, hardest", "warm fit", "warm fit",
        "digits of 8×8 pixels", "MNIST inverted",
    ]  # fmt: skip
    assert (
        rows.filter(["before", "after"]).apply(lambda values: values.between(0, 1)).all(axis=None)
    )
    assert (tmp_path / "models" / "fast-1000.pipeline").exists()
    printed = capsys.readouterr().out
    rows[:-1].to_csv(output, index=False)
    monkeypatch.setattr(module, "with_known", lambda pipe, X, y, judged: iter(()))
    module.main(["--presets", "fast", "--held-out", "--output", str(output), "--resume", *sizes])
    pd.testing.assert_frame_equal(pd.read_csv(output, comment="#"), rows)
    assert capsys.readouterr().out == printed
    assert "| partial_fit 10 |" in printed
    assert "| fast: MNIST inverted |" in printed


@pytest.mark.slow
def test_a_good_model_stays_good_and_learns():
    """The preset "fast": ten calls with images that it knows, five with inverted ones."""
    X, y = load_mnist("train", return_X_y=True)
    X_test, y_test = load_mnist("test", return_X_y=True)
    pipe = make_pipeline("fast", random_state=0).fit(X, y)
    before, generator = pipe.score(X_test, y_test), np.random.default_rng(0)
    for n_images in (1, 100, 1000):
        model = copy.deepcopy(pipe)
        for _ in range(10):
            rows = generator.permutation(len(X))[:n_images]
            model[-1].partial_fit(model[:-1].transform(X[rows]), y[rows])
        assert model.score(X_test, y_test) >= before - 0.001
    rows = np.concatenate([np.flatnonzero(y == label)[:20] for label in range(10)])
    dark = 255 - X_test[:3000]
    start = pipe.score(dark, y_test[:3000])
    alone = make_pipeline("fast", random_state=0).fit(255 - X[rows], y[rows])
    for _ in range(5):
        pipe[-1].partial_fit(pipe[:-1].transform(255 - X[rows]), y[rows])
    target = start + (alone.score(dark, y_test[:3000]) - start) / 2
    assert pipe.score(dark, y_test[:3000]) >= target
