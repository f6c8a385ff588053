"""What users get wrong, and the words that they are told."""

import pickle
import re

import numpy as np
import pytest
import tensorflow as tf
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from mnist_estimator import (
    CachedClassifier,
    CNNClassifier,
    DigitNormalizer,
    ImageScaler,
    NoveltyDetector,
    RejectingClassifier,
    evaluate,
    find_label_errors,
    load_mnist,
    make_pipeline,
)
from mnist_estimator.network._architecture import NetworkConfig
from mnist_estimator.utils._wording import shown

X = np.random.default_rng(0).integers(0, 256, (40, 64), dtype=np.uint8)
Y = np.arange(40) % 4


BAD_PARAMETERS = [
    ({"epochs": 0}, "The 'epochs' parameter of CNNClassifier must be an int in the range [1, inf)"),
    ({"epochs": 2.5}, "The 'epochs' parameter of CNNClassifier must be an int"),
    ({"batch_size": -1}, "The 'batch_size' parameter of CNNClassifier must be an int in the range"),
    ({"batch_size": "big"}, "or a str among {'auto'}. Got 'big' instead."),
    ({"learning_rate": 0}, "must be a float in the range (0.0, inf). Got 0 instead."),
    ({"learning_rate": "fast"}, "The 'learning_rate' parameter of CNNClassifier must be a float"),
    ({"dropout": 1.0}, "must be a float in the range [0.0, 1.0). Got 1.0 instead."),
    ({"dropout": -0.1}, "The 'dropout' parameter of CNNClassifier must be a float in the range"),
    ({"schedule": "linear"}, "The 'schedule' parameter of CNNClassifier must be a str among"),
    ({"beta_1": 1}, "The 'beta_1' parameter of CNNClassifier must be a float in the range [0.0"),
    ({"hard_fraction": 0}, "The 'hard_fraction' parameter of CNNClassifier must be a float in the"),
    ({"test_time_shift": -1}, "The 'test_time_shift' parameter of CNNClassifier must be an int in"),
    ({"label_smoothing": 2}, "The 'label_smoothing' parameter of CNNClassifier must be a float"),
    ({"precision": "float16"}, "The 'precision' parameter of CNNClassifier must be a str among"),
    ({"validation_fraction": 0}, "in the range (0.0, 1.0). Got 0 instead."),
    ({"early_stopping": "yes"}, "The 'early_stopping' parameter of CNNClassifier must be an inst"),
    (
        {"ensemble_size": 0},
        "The 'ensemble_size' parameter of CNNClassifier must be an int",
    ),
    ({"patience": 0}, "The 'patience' parameter of CNNClassifier must be an int in the range [1"),
    ({"class_weight": "even"}, "The 'class_weight' parameter of CNNClassifier must be a str among"),
    ({"callbacks": "log"}, "The 'callbacks' parameter of CNNClassifier must be an instance of"),
    ({"callbacks": ["log"]}, "callbacks must hold instances or subclasses of keras.callbacks.C"),
    ({"class_weight": {"x": 1}}, "a dict of labels among the classes, [0, 1, 2, 3], and numbers"),
    ({"class_weight": {0: "a"}}, "from 0 up; got {0: 'a'}. Check the labels and their type."),
    ({"class_weight": {0: -3}}, "class_weight must hold finite numbers from 0 up; got {0: -3}."),
    ({"random_state": "seed"}, "The 'random_state' parameter of CNNClassifier must be an int in"),
    ({"augmentation": "flip"}, "The 'augmentation' parameter of CNNClassifier must be a str among"),
    ({"augmentation": {"rotate": 1}}, "the others up to 1); got 'rotate'. Check the"),
    ({"augmentation": {"zoom": 1}}, "got zoom=1. Pass a number in that range."),
    ({"augmentation": {"thickness": 2}}, "got thickness=2. Pass a number in that range."),
    ({"augmentation": {"adversarial": 1.5}}, "got adversarial=1.5. Pass a number in that range."),
    ({"augmentation": {"rotation": 720}}, "got rotation=720. Pass a number in that range."),
    ({"augmentation": {"shear": 3}}, "got shear=3. Pass a number in that range."),
    ({"augmentation": {"shift": 5}}, "got shift=5. Pass a number in that range."),
    ({"augmentation": {"shift": "far"}}, "got shift='far'. Pass a number."),
    (
        {"filters": 16},
        "filters must be a sequence of whole numbers or of sequences of them, from 1",
    ),
    ({"filters": (16, 0)}, "got (16, 0). For example, filters=(16, (32, 32))."),
    ({"filters": (1.5,)}, "from 1 up; got (1.5,)."),
    ({"filters": ()}, "filters must have at least one stage; got none. For example, (16, 32)."),
    ({"kernel_size": ()}, "kernel_size must have at least one number; got none. The usual side"),
    ({"kernel_size": 0}, "kernel_size must be from 1 up; got 0. The usual side"),
    ({"dense_units": 128}, "got 128. For example, dense_units=(128,)."),
    ({"kernel_size": 9}, "got 9 in stage 1, which gets 8×8 pixels of images of 8×8. What fits is"),
    (
        {"kernel_size": (8, 8)},
        "got 8 in stage 2, which gets 4×4 pixels of images of 8×8. What fits",
    ),
    ({"kernel_size": 10**9}, "What fits is kernel_size=(8, 7, 7)."),
    ({"dense_units": (10**7, 10**7)}, "at most 250,000,000 weights"),
    ({"filters": (10**6, 10**6)}, "filters=(1000000, 1000000), kernel_size=(5, 3)"),
    ({"ensemble_size": 10**9}, "ensemble_size=1000000000 give it 70,742,000,000,000, 282,968 GB"),
    ({"image_shape": 28}, "image_shape must be None, (height, width) or (height, width, channels)"),
    ({"image_shape": (-8, 8)}, "whole numbers from 1 up; got (-8, 8)."),
    ({"image_shape": (0, 8)}, "whole numbers from 1 up; got (0, 8)."),
    ({"image_shape": (8, 8, 3)}, "image_shape=(8, 8, 3) means 192 pixels a row, but X has 64."),
]


@pytest.mark.parametrize(("parameters", "words"), BAD_PARAMETERS)
def test_parameter_of_the_classifier(parameters, words):
    with pytest.raises((ValueError, TypeError), match=re.escape(words)):
        CNNClassifier(**parameters).fit(X, Y)


@pytest.mark.parametrize(
    ("parameters", "shape"),
    [
        ({"kernel_size": 8}, (8, 8)),  # in the only stage, the whole image
        ({"kernel_size": 7}, (1, 2)),
        ({"kernel_size": 50}, (1, 50)),
        ({"filters": (2,) * 9}, (8, 8)),
        ({"batch_size": 10**6}, (8, 8)),
        ({"patience": 10**6}, (8, 8)),
        ({"test_time_shift": 40}, (16, 16)),
        ({"augmentation": {"rotation": 180, "shear": 1, "shift": 0.5}}, (8, 8)),
    ],
)
@pytest.mark.slow
def test_unusual_sizes_that_fit_are_trained(parameters, shape):
    images = np.random.default_rng(0).random((40, *shape), dtype=np.float32)
    clf = CNNClassifier(**{"filters": (2,), "epochs": 1, "random_state": 0} | parameters)
    assert clf.fit(images, Y).predict(images).shape == (40,)


def test_a_kernel_that_fits_no_more_is_loaded_and_predicts(monkeypatch):
    """Versions up to 0.6 took kernels of any size."""
    monkeypatch.setattr(NetworkConfig, "check_fit", lambda config: None)
    old = CNNClassifier(filters=(2, 2), kernel_size=11, epochs=1, random_state=0).fit(X, Y)
    monkeypatch.undo()
    loaded = pickle.loads(pickle.dumps(old))
    assert_array_equal(loaded.predict_proba(X), old.predict_proba(X))
    assert loaded.set_params(warm_start=True).fit(X, Y).n_iter_ == 2
    with pytest.raises(ValueError, match="What fits is kernel_size"):
        loaded.set_params(warm_start=False).fit(X, Y)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"value_range": (1, 0)}, 'value_range must be "auto" or (low, high), two finite numbers'),
        ({"value_range": 255}, "with low < high; got 255. For bytes it is (0, 255)."),
        ({"value_range": (0, np.inf)}, "two finite numbers with low < high"),
        ({"value_range": (-1e308, 1e308)}, "two finite numbers with low < high"),
        ({"value_range": "bytes"}, "two finite numbers with low < high; got 'bytes'."),
        ({"image_shape": "28x28"}, "whole numbers from 1 up; got '28x28'."),
        ({"image_shape": (8,)}, "whole numbers from 1 up; got (8,)."),
    ],
)
def test_parameter_of_the_scaler(parameters, words):
    with pytest.raises((ValueError, TypeError), match=re.escape(words)):
        ImageScaler(**parameters).fit(X)


def replaced(value):
    changed = X.astype(float)
    changed[3, 5] = value
    return changed


BAD_DATA = [
    (np.zeros((40, 783)), Y, "X has 783 pixels a row, which form no square image (27×27 has 729, "),
    (replaced(np.nan), Y, "Input X contains NaN."),
    (replaced(np.inf), Y, "Input X contains infinity or a value too large for"),
    (np.full((40, 64), "ink"), Y, "dtype='numeric' is not compatible with arrays of bytes/strings"),
    (np.zeros((40, 0, 8)), Y, "X has images of shape (0, 8), which hold no pixel; "),
    (np.zeros((0, 64)), [], "Found array with 0 sample(s) (shape=(0, 64)) while a minimum of 1 is"),
    (X[0], Y, "Expected 2D array, got 1D array instead"),
    (np.zeros((40, 2, 2, 2, 2)), Y, "got 5 dimensions, shape (40, 2, 2, 2, 2)."),
    (X * 1e200, Y, "X must hold numbers from -1e+18 to 1e+18, as"),
    (X, Y[:39], "Found input variables with inconsistent numbers of samples: [40, 39]"),
    (X, np.zeros(40), "y holds one class, 0.0; CNNClassifier needs two classes or more. Check how"),
    (X, np.linspace(0, 1, 40), "Unknown label type: continuous."),
    (X, None, "requires y to be passed, but the target y is None"),
    (X, np.where(Y == 1, np.nan, Y), "Input y contains NaN."),
]


@pytest.mark.parametrize(("data", "labels", "words"), BAD_DATA)
def test_data_of_a_fit(data, labels, words):
    with pytest.raises((ValueError, TypeError), match=re.escape(words)):
        make_pipeline().fit(data, labels)


def test_square_is_asked_for_from_64_values_on():
    assert ImageScaler().fit(X[:, :63]).image_shape_ == (1, 63, 1)
    remedy = "Pass image_shape=(height, width) or (height, width, channels), or X in the shape"
    with pytest.raises(ValueError, match=re.escape(remedy)):
        ImageScaler().fit(np.zeros((2, 65)))


@pytest.fixture(scope="module")
def pipe():
    """A fitted pipeline that no wrong call may spoil."""
    return make_pipeline(filters=(4,), kernel_size=3, epochs=1, random_state=0).fit(X, Y)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (X[:, :49], "X has 49 features, but ImageScaler is expecting 64 features as input."),
        (np.zeros((2, 4, 16)), "X has images of shape (4, 16, 1), but ImageScaler was fitted on"),
        (np.zeros((2, 8, 8, 3)), "fitted on images of shape (8, 8, 1) (height, width, channels)."),
        (replaced(np.nan), "Input X contains NaN."),
        (np.zeros((0, 64)), "Found array with 0 sample(s)"),
        (np.full((1, 64), "ink"), "dtype='numeric' is not compatible with arrays of bytes/strings"),
    ],
)
def test_data_of_a_prediction(pipe, data, words):
    before = pipe.predict_proba(X)
    with pytest.raises(ValueError, match=re.escape(words)):
        pipe.predict(data)
    assert np.array_equal(pipe.predict_proba(X), before)


def test_classifier_names_both_shapes(pipe):
    words = "X has images of shape (4, 16, 1), but CNNClassifier was fitted on images of shape (8,"
    with pytest.raises(ValueError, match=re.escape(words)):
        pipe[-1].predict(np.zeros((2, 4, 16)))


@pytest.mark.parametrize("method", ["predict", "predict_proba"])
def test_prediction_before_fit(method):
    with pytest.raises(NotFittedError, match="This CNNClassifier instance is not fitted yet"):
        getattr(CNNClassifier(), method)(X)


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ({"sample_weight": -np.ones(40)}, "sample_weight must be 0 or more; got -1."),
        ({"sample_weight": np.ones(3)}, "sample_weight.shape == (3,), expected (40,)!"),
        ({"sample_weight": (Y == 1) * 1.0}, "fewer than two classes with a weight above 0"),
        ({"X_val": X}, "y_val is None; pass both X_val and y_val, or neither."),
        (
            {"X_val": X, "y_val": np.c_[Y, Y]},
            "y_val should be a 1d array, one label a row, got an array of shape (40, 2) instead.",
        ),
        ({"y_val": Y}, "X_val is None; pass both X_val and y_val, or neither."),
        (
            {"X_val": X, "y_val": Y + 1},
            "y_val holds labels that are not among the classes: array([",
        ),
        (
            {"X_val": X[:, :49], "y_val": Y},
            "X_val: X has 49 features, but CNNClassifier is expecting 64",
        ),
        ({"X_val": X, "y_val": Y[:3]}, "inconsistent numbers of samples: [40, 3]"),
    ],
)
def test_extras_of_fit(extra, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        CNNClassifier().fit(X, Y, **extra)


def test_sparse_images():
    scipy_sparse = pytest.importorskip("scipy.sparse")
    with pytest.raises(TypeError, match="Sparse data was passed"):
        CNNClassifier().fit(scipy_sparse.csr_array(X), Y)


def test_partial_fit_needs_the_classes_first_and_keeps_them(pipe):
    with pytest.raises(ValueError, match="classes must be passed on the first call to partial_fit"):
        CNNClassifier().partial_fit(X / 255, Y)
    with pytest.raises(ValueError, match="is not the same as on the first call to partial_fit"):
        pipe[-1].partial_fit(X / 255, Y, classes=[0, 1])
    with pytest.raises(ValueError, match="y holds labels that are not among the classes"):
        pipe[-1].partial_fit(X / 255, Y + 1)


def test_training_does_not_go_on_with_another_network(pipe):
    changed = pickle.loads(pickle.dumps(pipe[-1])).set_params(filters=(8, 8), dropout=0.5)
    with pytest.raises(ValueError, match="dropout, filters changed since the network was built"):
        changed.partial_fit(X / 255, Y)
    with pytest.raises(ValueError, match="Set them back, or fit with warm_start=False"):
        changed.set_params(warm_start=True).fit(X / 255, Y)


def test_misspelt_parameters_are_told_the_nearest():
    with pytest.raises(ValueError, match=r"'learning_rat' .* Did you mean 'learning_rate'\?"):
        make_pipeline(learning_rat=0.1)
    with pytest.raises(ValueError, match=r"Did you mean 'dropout'\?"):
        make_pipeline().set_params(cnn__drop_out=0.1)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (CNNClassifier, "Did you mean 'learning_rate'?"),
        (ImageScaler, "Valid parameters are: ['image_shape', 'value_range']."),
        (DigitNormalizer, "for estimator DigitNormalizer"),
        (RejectingClassifier, "for estimator RejectingClassifier"),
        (NoveltyDetector, "for estimator NoveltyDetector"),
        (CachedClassifier, "for estimator CachedClassifier"),
    ],
)
def test_misspelt_arguments_are_told_the_nearest(make, words):
    with pytest.raises(TypeError, match=re.escape(words)):
        make(learning_rates=1)


def test_verbose_of_a_pipeline_is_told_where_the_progress_is():
    with pytest.raises(
        TypeError, match=re.escape("got 1. To see the progress of the training, use")
    ):
        make_pipeline(verbose=1)


class Loader:
    """Give batches, as PyTorch's DataLoader does: it has a length, and no index."""

    def __len__(self):
        return 1

    def __iter__(self):
        yield X, Y


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: tf.data.Dataset.from_tensor_slices((X, Y)).batch(8), "gives its items one by one"),
        (Loader, "got an object of type test_errors.Loader, which gives its items one by one."),
        (lambda: (image for image in X), "Make an array first: np.stack(list("),
        (lambda: iter(X), "np.concatenate([np.asarray(part) for "),
        (lambda: {"images": X}, "got an object of type dict. Pass the array in it, such as"),
        (lambda: {1, 2}, "got an object of type set, which has no order. Pass a list."),
    ],
)
def test_what_is_no_array_is_told_how_to_become_one(pipe, make, words):
    for call in (
        lambda: make_pipeline().fit(make(), Y),
        lambda: make_pipeline().fit(X, make()),
        lambda: pipe.predict(make()),
        lambda: pipe.score(X, make()),
        lambda: evaluate(pipe, make(), Y),
        lambda: evaluate(pipe, X, make()),
        lambda: find_label_errors(pipe, make(), Y, cv="prefit"),
    ):
        with pytest.raises(TypeError, match=re.escape(words)):
            call()


@pytest.mark.parametrize("data", ["digits.png", None, 5])
def test_what_holds_no_images_is_named(pipe, data):
    words = f"X must be an array or a list of images; got an object of type {type(data).__name__}."
    with pytest.raises(TypeError, match=re.escape(words)):
        pipe.predict(data)


def test_labels_that_are_no_text(pipe):
    words = "got 'a\\udce9', which has half of a surrogate pair"
    for labels in (np.array(["a\udce9", "b"] * 20), np.array(["b", "a\udce9"] * 20, object)):
        for call in (make_pipeline().fit, lambda X, y: evaluate(pipe, X, y)):
            with pytest.raises(ValueError, match=re.escape(words)):
                call(X, labels)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.float32(0.5), "0.5"),
        (np.float64("nan"), "nan"),
        (np.str_("a"), "'a'"),
        (np.bool_(True), "True"),
        ({np.int64(1): [np.float64(2)]}, "{1: [2.0]}"),
        (np.arange(2), "array([0, 1])"),
        (np.arange(1000), "array([ 0, 1, 2, ..., 997, 998, 999])"),
        ("ab\n" * 1000, "'" + "ab\\n" * 49 + "ab…"),
        (np.zeros((2, 2)), "array([[0., 0.], [0., 0.]])"),
    ],
)
def test_values_are_shown_as_one_types_them(value, words):
    assert shown(value) == words


def test_a_missing_label_is_shown_as_one_types_it():
    labels = np.where(Y == 3, np.float64("nan"), Y).astype(object)
    labels[0] = "a"
    with pytest.raises(ValueError, match=re.escape("got 10 missing (nan), the first in row 3.")):
        CNNClassifier().fit(X, labels)


def test_divergence_is_told_with_its_remedy():
    clf = CNNClassifier(learning_rate=1e38, schedule="constant", batch_norm=False, epochs=20)
    with pytest.raises(FloatingPointError, match=r"learning_rate=1e\+38 is too high"):
        clf.fit(X, Y)


def test_failed_fit_leaves_what_was_fitted(pipe):
    before = pipe.predict_proba(X)
    for data, labels, error in (
        (X[:, :49], np.zeros(40), "one class"),
        (np.full((40, 50), np.nan), Y, "NaN"),
    ):
        for step in pipe[-1], pipe:
            with pytest.raises(ValueError, match=error):
                step.fit(data, labels)
    with pytest.raises(FloatingPointError):
        clone(pipe[-1]).set_params(learning_rate=1e30, batch_norm=False, epochs=20).fit(X, Y)
    assert np.array_equal(pipe[-1].predict_proba(X / np.float32(255)), before)


def test_unknown_source():
    with pytest.raises((ValueError, FileNotFoundError), match="bundled"):
        load_mnist(source="kears")


def test_a_parameter_of_the_scaler_is_told_its_place():
    with pytest.raises(ValueError, match=r"Set it with make_pipeline\(...\).set_params\(scale__"):
        make_pipeline(value_range=(0, 1))


@pytest.mark.parametrize("preset", ["quick", 10, None])
def test_a_preset_that_is_none(preset):
    words = f"preset must be one of 'fast', 'balanced', 'accurate'; got {preset!r}. Parameters of"
    with pytest.raises(ValueError, match=re.escape(words)):
        make_pipeline(preset)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sign", [1, -1])
def test_images_that_float32_cannot_compute_with(pipe, dtype, sign):
    # Some kernels turn what overflows into zeros, so nothing in the answer would tell.
    far = (X[:3] / 255 * sign * 1e38).astype(dtype)
    words = re.escape(
        "X must hold numbers from -1e+18 to 1e+18, as CNNClassifier computes in float32;"
    )
    for call in (pipe[-1].predict, lambda X: pipe[-1].fit(X, [0, 1, 1])):
        with pytest.raises(ValueError, match=words):
            call(far)
    with pytest.raises(ValueError, match="X_val: X must hold numbers from"):
        clone(pipe[-1]).fit(X / 255, Y, X_val=far, y_val=[0, 1, 2])


def test_answers_that_are_not_finite_are_told(pipe):
    broken = clone(pipe[-1]).fit(X / 255, Y)
    broken.model_.get_layer("logits").bias.assign([0.0, np.inf, 0.0, 0.0])
    with pytest.raises(FloatingPointError, match="The logits are not finite: these"):
        broken.predict(X / 255)
    remedy = "Scale them as X was, or fit with a lower learning_rate"
    with pytest.raises(FloatingPointError, match=remedy):
        evaluate(broken, X / 255, Y)
