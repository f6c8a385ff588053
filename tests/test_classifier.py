"""The classifier on small problems: labels, forms, validation, seeds, state."""

import copy
import itertools
import pickle
import random
import signal
import threading
import warnings

import joblib
import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from keras.src.random.seed_generator import global_seed_generator
from numpy.testing import assert_allclose, assert_array_equal
from scikeras.wrappers import KerasClassifier
from scipy.special import log_softmax
from sklearn.base import clone, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_validate
from sklearn.utils import get_tags
from tensorflow.python.framework.config import is_op_determinism_enabled

from mnist_estimator import CNNClassifier, TrainingHistoryDisplay, ValueRangeWarning, evaluate
from mnist_estimator.training import _loop
from mnist_estimator.training._sampling import Sampler


def test_is_a_scikeras_classifier_with_right_tags():
    clf = CNNClassifier()
    assert isinstance(clf, KerasClassifier)
    assert is_classifier(clf)
    tags = get_tags(clf)
    assert tags.estimator_type == "classifier"
    assert tags.input_tags.two_d_array
    assert tags.input_tags.three_d_array


def test_learns(fitted, digits):
    X, y = digits
    assert fitted.score(X, y) > 0.9


def test_probabilities_sum_to_one_and_agree_with_labels(fitted, digits):
    X, _ = digits
    proba = fitted.predict_proba(X)
    assert proba.shape == (len(X), 10)
    assert_allclose(proba.sum(axis=1), 1, rtol=1e-12)
    assert proba.min() >= 0
    assert_array_equal(fitted.classes_[proba.argmax(axis=1)], fitted.predict(X))


def test_predictions_do_not_depend_on_the_batch(fitted, digits):
    X, _ = digits
    whole = fitted.predict_proba(np.tile(X, (3, 1)))
    assert len(whole) == 1800
    assert_allclose(whole[600:1200], fitted.predict_proba(X), atol=1e-6)
    one_by_one = np.vstack([fitted.predict_proba(row[None]) for row in X[:20]])
    assert_allclose(one_by_one, whole[:20], atol=1e-6)


@pytest.mark.parametrize(
    "labels",
    [
        ["below", "above"],
        [-7, 400],
        [False, True],
        np.array(["no", "yes"], dtype=object),
    ],
)
def test_labels_come_back_as_they_went_in(small, two_classes, labels):
    X, y = two_classes
    labels = np.asarray(labels)
    clf = small().fit(X, labels[y])
    assert_array_equal(clf.classes_, np.unique(labels))
    predicted = clf.predict(X)
    assert predicted.dtype.kind == labels.dtype.kind
    assert np.mean(predicted == labels[y]) > 0.95


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float16, np.float32, np.float64])
def test_fit_on_one_dtype_predict_on_another(small, digits, dtype):
    X, y = digits
    clf = small(epochs=1).fit(X.astype(dtype), y)
    assert_array_equal(
        clf.predict_proba(X.astype(np.uint8)), clf.predict_proba(X.astype(np.float64))
    )


def test_every_form_of_images_gives_the_same(fitted, digits):
    X, _ = digits
    expected = fitted.predict_proba(X[:50])
    for form in (X[:50].reshape(50, 8, 8), X[:50].reshape(50, 8, 8, 1), X[:50].tolist()):
        assert_array_equal(fitted.predict_proba(form), expected)
    assert fitted.image_shape_ == (8, 8, 1)
    assert fitted.n_features_in_ == 64


def test_colour_images_of_any_shape(small):
    generator = np.random.default_rng(0)
    y = generator.integers(0, 3, 150)
    X = generator.uniform(0, 0.4, (150, 9, 14, 3))
    X[np.arange(150), :, :, y] += 0.5
    clf = small().fit(X, y)
    assert clf.image_shape_ == (9, 14, 3)
    assert clf.score(X, y) > 0.95
    flat = small(image_shape=(9, 14, 3)).fit(X.reshape(150, -1), y)
    assert_array_equal(flat.predict_proba(X), clf.predict_proba(X))


def test_memory_mapped_images(small, digits, tmp_path):
    X, y = digits
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    clf = small(epochs=1).fit(mapped, y)
    assert_array_equal(clf.predict_proba(mapped), small(epochs=1).fit(X, y).predict_proba(X))


@pytest.mark.slow
def test_memory_mapped_images_are_never_copied_as_a_whole(small, traced_memory, tmp_path):
    generator = np.random.default_rng(0)
    X = generator.integers(0, 256, (12_000, 64, 64), dtype=np.uint8)
    np.save(tmp_path / "X.npy", X)
    y, size = generator.integers(0, 2, 12_000), X.nbytes
    del X
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    clf = small(filters=(4,), epochs=1, batch_size=64)
    clf.fit(mapped[:64], y[:64])  # what is traced stays, and is not the images
    clf.predict(mapped[:64])
    weights = generator.integers(0, 2, 12_000)
    with traced_memory() as peak:
        clf.fit(mapped, y, sample_weight=weights, X_val=mapped[:500], y_val=y[:500])
        clf.partial_fit(mapped, y)
        assert peak() < size / 3
    with traced_memory() as peak:
        clf.predict(mapped)
        assert peak() < size / 3


def test_feature_names(small, digits):
    X, y = digits
    frame = pd.DataFrame(X, columns=[f"pixel{i}" for i in range(64)])
    clf = small(epochs=1).fit(frame, y)
    assert_array_equal(clf.feature_names_in_, frame.columns)
    with pytest.raises(ValueError, match="feature names should match"):
        clf.predict(frame.iloc[:, ::-1])


def test_history_and_best_epoch(fitted):
    history = fitted.history_
    assert type(history) is dict
    assert set(history) == {"loss", "accuracy", "learning_rate", "val_loss", "val_accuracy"}
    assert {len(values) for values in history.values()} == {fitted.n_iter_} == {8}
    assert 1 <= fitted.best_epoch_ <= 8


def test_best_epoch_is_the_last_within_a_standard_error_of_the_lowest(small, digits):
    """By the rule that the docstring gives, from the network's own answers after each epoch."""
    X, y = digits
    answers = []

    class Record(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            images = tf.reshape(tf.constant(X[400:], tf.float32), (-1, 8, 8, 1))
            answers.append(self.model(images, training=False).numpy().astype(float))

    def losses_of(logits):
        """Return losses with overconfidence taken back by one factor, tried in small steps."""
        tried = np.linspace(0.01, 1.0, 496)[:, None, None] * logits
        losses = -log_softmax(tried, axis=2)[:, np.arange(200), y[400:]]
        return losses[losses.mean(axis=1).argmin()]

    for seed in range(20):
        answers.clear()
        clf = small(
            schedule="constant", learning_rate=0.03, patience=8, callbacks=[Record],
            random_state=seed,
        )  # fmt: skip
        clf.fit(X[:400], y[:400], X_val=X[400:], y_val=y[400:])
        losses = [losses_of(logits) for logits in answers]
        lowest = min(losses, key=np.mean)
        kept = [
            epoch
            for epoch, loss in enumerate(losses, start=1)
            if (loss - lowest).mean() <= (loss - lowest).std() / np.sqrt(200)
        ]
        assert clf.best_epoch_ == kept[-1]
        if clf.best_epoch_ != 1 + int(np.argmin(clf.history_["val_loss"])):
            break  # this fit distinguishes the rule from the lowest loss
    else:
        pytest.fail("In no fit does the rule differ from the lowest loss.")


def test_weights_are_those_of_the_best_epoch(small, digits):
    """An enormous constant rate makes the loss jump; what is kept is about the lowest."""
    X, y = digits
    X_val, y_val = X[400:], y[400:]
    clf = small(epochs=8, schedule="constant", learning_rate=0.05, patience=8)
    clf.fit(X[:400], y[:400], X_val=X_val, y_val=y_val)
    losses = clf.history_["val_loss"]
    proba = clf.predict_proba(X_val)
    kept = -np.log(proba[np.arange(len(y_val)), np.searchsorted(clf.classes_, y_val)])
    assert kept.mean() == pytest.approx(losses[clf.best_epoch_ - 1], rel=1e-5)
    assert kept.mean() <= min(losses) + 2 * kept.std() / np.sqrt(len(kept))
    assert max(losses) > min(losses) + 2 * kept.std() / np.sqrt(len(kept))


@pytest.mark.parametrize("patience", [1, 3])
def test_patience_ends_training(small, digits, patience):
    class Ruin(keras.callbacks.Callback):
        """From the third epoch on, have the network answer 0 to everything."""

        def on_epoch_begin(self, epoch, logs=None):
            if epoch >= 2:
                self.model.optimizer.learning_rate = 1e-9
                self.model.get_layer("logits").bias.assign([1e3] + 9 * [0.0])

    clf = small(epochs=40, schedule="constant", patience=patience, callbacks=[Ruin]).fit(*digits)
    assert clf.best_epoch_ in (1, 2)
    assert clf.n_iter_ == clf.best_epoch_ + patience


def test_without_early_stopping_all_rows_train_and_the_last_epoch_counts(
    small, digits, monkeypatch
):
    drawn, weights = [], []

    class Record(Sampler):
        def draw(self, size, rng):
            drawn.append(super().draw(size, rng))
            return drawn[-1]

    class Keep(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            weights.append(self.model.get_weights())

    monkeypatch.setattr(_loop, "Sampler", Record)
    clf = small(early_stopping=False, callbacks=[Keep]).fit(*digits)
    assert [sorted(rows) for rows in drawn] == 8 * [list(range(600))]
    assert set(clf.history_) == {"loss", "accuracy", "learning_rate"}
    assert clf.best_epoch_ == clf.n_iter_ == len(weights) == 8
    for last, kept in zip(weights[-1], clf.model_.get_weights(), strict=True):
        assert_array_equal(kept, last)


def test_sorted_data_lose_no_class(small, digits):
    X, y = digits
    order = np.argsort(y, kind="stable")
    assert small().fit(X[order], y[order]).score(X, y) > 0.9


def test_seeded_fits_repeat_to_the_bit_and_other_seeds_differ(small, fitted, digits):
    X, y = digits
    again = small().fit(X, y)
    for one, other in zip(fitted.model_.get_weights(), again.model_.get_weights(), strict=True):
        assert_array_equal(one, other)
    assert again.history_ == fitted.history_
    other = small(random_state=1).fit(X, y)
    assert not np.array_equal(other.predict_proba(X), fitted.predict_proba(X))


@pytest.mark.slow
def test_global_generators_are_left_alone(small, digits):
    X, y = digits
    before = global_seed_generator().state.numpy()  # made now, from Python's generator
    random.seed(7), np.random.seed(7), tf.random.set_seed(7)  # noqa: NPY002
    expected = _global_draws()
    random.seed(7), np.random.seed(7), tf.random.set_seed(7)  # noqa: NPY002
    small(dense_units=(5,)).fit(X, y).predict(X)  # an architecture that is not traced yet
    assert_array_equal(global_seed_generator().state.numpy(), before)
    assert _global_draws() == expected
    assert not is_op_determinism_enabled()


def _global_draws():
    return (
        random.random(),
        float(np.random.random()),  # noqa: NPY002  the global generator is meant
        float(tf.random.uniform(())),
    )


def test_partial_fit(small, digits):
    X, y = digits
    clf = small(learning_rate=0.003)
    for _ in range(8):
        for start in range(0, 600, 200):
            rows = slice(start, start + 200)
            clf.partial_fit(X[rows], y[rows], classes=np.arange(10))
    assert clf.n_iter_ == 24
    assert clf.score(X, y) > 0.9


def test_warm_start_goes_on_and_cold_start_begins_anew(small, digits):
    X, y = digits
    warm = small(warm_start=True, epochs=4).fit(X, y)
    first = warm.history_["loss"][0]
    warm.fit(X, y)
    assert warm.n_iter_ == 8
    assert warm.history_["loss"][4] < first / 2
    cold = small().fit(X, y).fit(X, y)
    assert cold.history_ == small().fit(X, y).history_


@pytest.mark.parametrize("make_copy", [copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))])
def test_copies_predict_alike_and_train_on(fitted, digits, make_copy):
    X, y = digits
    restored = make_copy(fitted)
    assert_array_equal(restored.predict_proba(X), fitted.predict_proba(X))
    assert restored.history_ == fitted.history_
    # The one that was copied is spent here, so it is fitted for the purpose.
    original = clone(fitted).set_params(epochs=1).fit(X, y)
    restored = make_copy(original)
    assert_array_equal(
        restored.partial_fit(X, y).predict_proba(X), original.partial_fit(X, y).predict_proba(X)
    )


@pytest.mark.parametrize("go_on", ["partial_fit", "fit"])
def test_a_training_that_fails_leaves_the_weights_it_found(small, digits, go_on):
    X, y = digits
    clf = small(epochs=1, warm_start=True).fit(X, y)
    before, history = clf.predict_proba(X), copy.deepcopy(clf.history_)

    class Fail(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 3:
                raise OSError("no space left")

    clf.set_params(callbacks=[Fail])
    with pytest.raises(OSError, match="no space left"):
        getattr(clf, go_on)(X, y)
    assert_array_equal(clf.predict_proba(X), before)
    assert (clf.n_iter_, clf.history_) == (1, history)


def test_history_has_one_value_an_epoch_whatever_was_called(small, digits, tmp_path):
    X, y = digits
    clf = small(epochs=2).fit(X, y).partial_fit(X, y)
    assert {len(values) for values in clf.history_.values()} == {3}
    assert np.isnan(clf.history_["val_loss"][2])
    assert TrainingHistoryDisplay.from_estimator(clf).axes_ is not None
    evaluate(clf, X, y).to_html(tmp_path / "report.html")
    assert "Learning curves" in (tmp_path / "report.html").read_text("utf-8")


def test_a_constant_channel_stays_without_effect(small, two_classes):
    X, y = two_classes
    constant = np.full_like(X, 0.1)
    clf = small(epochs=2).fit(np.stack([X, constant], axis=-1), y)
    other = np.stack([X, constant + 0.01], axis=-1)
    assert_allclose(
        clf.predict_proba(other), clf.predict_proba(np.stack([X, constant], axis=-1)), atol=0.05
    )


def test_partial_fit_takes_a_batch_of_one_class(small, digits):
    X, y = digits
    clf = small().partial_fit(X[y == 3], y[y == 3], classes=np.arange(10))
    assert clf.predict(X).shape == (600,)


def test_validation_data_of_another_scale_are_warned_of(small, digits):
    X, y = digits
    with pytest.warns(ValueRangeWarning, match="X_val has values from 0 to 16, but CNNClassifier"):
        small(epochs=1).fit(X / 256, y, X_val=X, y_val=y)


def test_joblib_and_unfitted_pickle(fitted, digits, tmp_path):
    joblib.dump(fitted, tmp_path / "clf.joblib")
    restored = joblib.load(tmp_path / "clf.joblib")
    assert_array_equal(restored.predict(digits[0]), fitted.predict(digits[0]))
    assert pickle.loads(pickle.dumps(CNNClassifier(epochs=9))).epochs == 9


def test_clone_keeps_every_parameter(fitted):
    changed = clone(fitted).set_params(epochs=11, filters=[4], augmentation={"shift": 0.1})
    assert clone(changed).get_params() == changed.get_params()
    assert not hasattr(clone(fitted), "model_")


def test_fit_leaves_parameters_alone(small, digits):
    X, y = digits
    clf = small(epochs=1)
    before = copy.deepcopy(clf.get_params())
    clf.fit(X, y)
    assert clf.get_params() == before


def test_threads_may_fit_and_predict_at_the_same_time(small, fitted, digits):
    X, y = digits
    expected = fitted.predict_proba(X)
    results = {}

    def work(i):
        results[i] = small().fit(X, y).predict_proba(X)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(3):
        assert_array_equal(results[i], expected)


def test_ctrl_c_leaves_a_fitted_classifier(small, digits):
    X, y = digits

    class Interrupt(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 5:
                signal.raise_signal(signal.SIGINT)

    clf = small(callbacks=[Interrupt], epochs=50)
    with pytest.warns(ConvergenceWarning, match="interrupted in epoch 1; the classifier is fitted"):
        clf.fit(X, y)
    assert clf.n_iter_ == 1
    assert clf.predict(X).shape == (600,)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_verbose_prints_a_line_an_epoch(small, digits, capsys):
    small(verbose=1, epochs=3).fit(*digits)
    lines = capsys.readouterr().out.strip().splitlines()
    assert [line.split("  ")[0] for line in lines] == ["Epoch 1/3", "Epoch 2/3", "Epoch 3/3"]
    assert all("val. accuracy" in line for line in lines)


def test_sizes_may_be_lists_and_numpy_numbers(small, two_classes):
    X, y = two_classes
    plain = small(epochs=1, filters=(4, (5, 6))).fit(X, y).predict_proba(X)
    odd = small(epochs=1, filters=[np.int64(4), np.array([5, 6])]).fit(X, y).predict_proba(X)
    assert_array_equal(plain, odd)


def test_cross_validation_is_stratified_and_scores_anything(small, digits):
    X, y = digits
    order = np.argsort(y, kind="stable")
    scores = cross_validate(
        small(), X[order], y[order], cv=3,
        scoring=["accuracy", "neg_log_loss", "roc_auc_ovr", "f1_macro"], error_score="raise",
    )  # fmt: skip
    assert scores["test_accuracy"].min() > 0.7
    assert scores["test_roc_auc_ovr"].min() > 0.95


def test_binary_scoring_calibration_and_voting(small, two_classes):
    X, y = two_classes
    flat = X.reshape(200, 64)
    scores = cross_validate(small(), flat, y, cv=3, scoring="roc_auc", error_score="raise")
    assert scores["test_score"].min() > 0.95
    calibrated = CalibratedClassifierCV(small(), cv=3).fit(flat, y)
    assert calibrated.score(flat, y) > 0.95
    voters = [("cnn", small()), ("lr", LogisticRegression())]
    assert VotingClassifier(voters, voting="soft").fit(flat, y).score(flat, y) > 0.95


def test_initialize_builds_without_training(small, digits):
    X, y = digits
    clf = small().initialize(X, y)
    assert clf.n_iter_ == 0
    assert clf.history_ == {}
    assert clf.predict_proba(X).shape == (600, 10)


def test_no_warnings_in_an_ordinary_fit(small, digits):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        small(epochs=1).fit(*digits).predict(digits[0])


def geometric_mean(probabilities):
    """Return the probabilities of the mean logits."""
    mean = np.exp(np.mean(np.log(probabilities), axis=0))
    return mean / mean.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("shift", [1, 2])
def test_doubtful_images_get_the_mean_over_nine_shifts(fitted, digits, shift):
    images = digits[0].reshape(-1, 8, 8)
    padded = np.pad(images, [(0, 0), (shift, shift), (shift, shift)], mode="symmetric")
    places = itertools.product((0, shift, 2 * shift), repeat=2)
    nine = [fitted.predict_proba(padded[:, y : y + 8, x : x + 8]) for y, x in places]
    once, mean = nine[4], geometric_mean(nine)
    share = np.interp(once.max(axis=1), [0.8, 0.9], [1.0, 0.0])[:, np.newaxis]
    assert {0.0, 1.0} < set(share.ravel())  # and some between
    averaging = copy.copy(fitted).set_params(test_time_shift=shift)
    expected = share * mean + (1 - share) * once
    assert_allclose(averaging.predict_proba(images), expected, atol=1e-6)
    assert_array_equal(averaging.predict(images), expected.argmax(axis=1))


def test_test_time_shift_is_one_pixel_of_larger_images_only(fitted, small, digits):
    """Images of 8 pixels a side are looked at once; those of 16 are shifted."""
    X, y = digits
    assert_array_equal(
        fitted.predict_proba(X), copy.copy(fitted).set_params(test_time_shift=0).predict_proba(X)
    )
    large = np.kron(X.reshape(-1, 8, 8), np.ones((2, 2)))
    clf = small(epochs=1).fit(large, y)
    auto = clf.predict_proba(large)
    assert_array_equal(clf.set_params(test_time_shift=1).predict_proba(large), auto)
    assert not np.array_equal(clf.set_params(test_time_shift=0).predict_proba(large), auto)


def test_test_time_shift_of_tiny_images_ends_at_their_sides(small):
    """A row of three pixels, mirrored: up and down it stays, left and right it turns around."""
    X, y = np.random.default_rng(0).uniform(size=(40, 3)), np.arange(40) % 2
    clf = (
        small(epochs=1, learning_rate=1e-4, batch_norm=False)
        .fit(X, y)
        .set_params(test_time_shift=0)
    )
    once, turned = clf.predict_proba(X), clf.predict_proba(X[:, ::-1])
    assert once.max() < 0.8
    clf.set_params(test_time_shift=5)
    assert_allclose(clf.predict_proba(X), geometric_mean([once, turned, turned]), atol=1e-6)


@pytest.mark.parametrize("shift", ["1", None, 1.5, -1])
def test_a_wrong_test_time_shift_set_after_fit_is_told(fitted, digits, shift):
    clf = copy.copy(fitted).set_params(test_time_shift=shift)
    with pytest.raises(ValueError, match=r"'test_time_shift' parameter of CNNClassifier must be"):
        clf.predict(digits[0])


def test_a_fit_that_draws_hard_images_repeats_and_ignores_weightless_ones(small):
    generator = np.random.default_rng(0)
    y = generator.integers(0, 2, 5000)
    X = (generator.normal(size=(5000, 4, 4)) + 0.7 * y[:, None, None]).astype(np.float32)
    clf = small(hard_fraction=0.01, epochs=4, early_stopping=False)
    weights = (np.arange(5000) >= 500).astype(float)
    once = clf.fit(X, y, sample_weight=weights).predict_proba(X)
    assert_array_equal(clf.fit(X, y, sample_weight=weights).predict_proba(X), once)
    assert_array_equal(clf.fit(X[500:], y[500:]).predict_proba(X), once)


def test_later_epochs_take_more_of_what_is_hard(small):
    """A tenth of the images is faint and comes more often, mislabelled ones do not."""
    generator = np.random.default_rng(0)
    y = generator.integers(0, 2, 20_000)
    faint, turned = generator.random((2, 20_000)) < [[0.1], [0.02]]
    X = np.where(y, 1.0, -1.0) * np.where(faint, 0.1, 1.0)
    X = X[:, None] + generator.normal(0, 0.1, (20_000, 4))
    taken = []

    class Record(Sampler):
        def draw(self, size, rng):
            taken.append(super().draw(size, rng))
            return taken[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_loop, "Sampler", Record)
        small(epochs=4, early_stopping=False).fit(X, np.where(turned, 1 - y, y))
    assert [len(rows) for rows in taken] == [20_000, 5000, 5000, 5000]
    for marked in (faint, turned):
        assert marked[taken[0]].mean() == marked.mean()
    spread = np.sqrt(faint.mean() / 5000)  # of the share of faint ones in 5,000 drawn evenly
    assert faint[taken[2]].mean() > faint.mean() + 5 * spread
    gains = [rows[taken[3]].mean() / rows.mean() for rows in (faint, turned & ~faint)]
    assert gains[0] > gains[1]


@pytest.mark.parametrize("start", ["initialize", "fit"])
def test_a_failed_warm_fit_leaves_weights_and_moments(small, digits, start):
    class Fail(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise OSError("disk full")

    X, y = digits
    clf = small(epochs=1, warm_start=True)
    getattr(clf, start)(X, y)
    before = clf.predict_proba(X)
    moments = [moment.numpy() for pair in clf._training_state.moments for moment in pair]
    with pytest.raises(OSError, match="disk full"):
        clf.set_params(callbacks=[Fail]).fit(X, y)
    assert_array_equal(clf.predict_proba(X), before)
    after = [moment.numpy() for pair in clf._training_state.moments for moment in pair]
    for one, other in zip(moments, after, strict=True):
        assert_array_equal(one, other)
