"""DigitNormalizer: MNIST's format from any size, polarity and range."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from PIL import Image
from scipy import ndimage
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from mnist_estimator import DigitNormalizer, load_mnist

NOT_OURS = {
    "check_transformer_preserve_dtypes": "what comes out is uint8",
    "check_array_api_input": "in older versions, for estimators that compute on such arrays only",
    "check_array_api_mixed_inputs": "for estimators that compute on other arrays than NumPy's",
    "check_array_api_same_namespace": "for estimators that compute on other arrays than NumPy's",
}
"""Checks that PCA gets and ours does not."""


@pytest.fixture(scope="module")
def mnist():
    X, y = load_mnist("train", return_X_y=True)
    return X[:400], y[:400]


def enlarged(images, factor):
    """Return images as strokes of full ink, so many times as large."""
    large = [ndimage.zoom(x.reshape(28, 28) / 255.0, factor, order=3) > 0.5 for x in images]
    return np.array(large, dtype=float)


def mean_difference(images, others):
    return np.abs(images.reshape(-1, 784).astype(float) - others.reshape(-1, 784)).mean(axis=1)


@parametrize_with_checks([DigitNormalizer(), DigitNormalizer(dtype="float32", stroke_width=None)])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_no_tag_shrinks_the_checks():
    ours, others = (
        {check.func.__name__ for _, check in estimator_checks_generator(estimator)}
        for estimator in (DigitNormalizer(), PCA())
    )
    unfitted = {"check_transformers_unfitted", "check_estimators_unfitted"}
    assert others - ours <= set(NOT_OURS) | unfitted | {"check_fit2d_1sample"}
    assert "check_transformers_unfitted_stateless" in ours
    assert len(ours) >= 38


def test_images_of_mnist_stay_what_they_are(mnist):
    X, _ = mnist
    difference = mean_difference(DigitNormalizer().fit_transform(X), X)
    assert np.median(difference) < 0.5
    assert difference.mean() < 1.0  # of 255


def test_format_is_that_of_mnist(mnist):
    canvas = np.zeros((50, 120, 90))
    canvas[:, 10:94, 5:89] = enlarged(mnist[0][:50], 3)
    normalized = DigitNormalizer().fit_transform(canvas)
    assert normalized.dtype == np.uint8
    assert normalized.shape == (50, 784)
    images = normalized.reshape(-1, 28, 28).astype(float)
    rows, columns = np.mgrid[:28, :28]
    for image in images:
        sides = [int(image.any(axis=axis).sum()) for axis in (0, 1)]
        assert max(sides) == 20
        assert image.max() == 255
        for places in (rows, columns):
            assert abs(float((image * places).sum() / image.sum()) - 14) <= 0.51


@pytest.mark.parametrize(
    "change",
    [
        lambda X: 255 - X,
        lambda X: X.astype(np.float32) / 255,
        lambda X: X.astype(np.float64) * -3.0 + 1000.0,
        lambda X: X > 127,
        lambda X: np.pad(X, ((0, 0), (3, 40), (30, 2))),
        lambda X: np.repeat(np.repeat(X, 4, axis=1), 4, axis=2),
        lambda X: np.repeat(X[..., None], 3, axis=3),
        lambda X: np.clip(
            30 + 0.6 * X + np.random.default_rng(0).normal(0, 6, X.shape), 0, 255
        ).astype(np.uint8),
    ],
    ids=["inverted", "unit", "any range", "binary", "shifted", "larger", "colour", "noisy"],
)
def test_whatever_comes_normalized_like_the_original(mnist, change):
    X = mnist[0][:100].reshape(-1, 28, 28)
    difference = mean_difference(DigitNormalizer().fit_transform(change(X)), X)
    assert np.median(difference) < 12
    assert np.mean(difference) < 14  # another digit differs by 37


@pytest.mark.parametrize("factor", [0.6, 8.0])
def test_any_size_read_by_who_knows_mnist(mnist, factor):
    X, y = mnist
    images = X.reshape(-1, 28, 28) / 255.0
    sized = np.array([ndimage.zoom(image, factor, order=1) for image in images[:150]])
    pipe = Pipeline([("normalize", DigitNormalizer()), ("read", KNeighborsClassifier(1).fit(X, y))])
    assert pipe[:1].fit(sized).transform(sized).shape == (150, 784)
    assert np.mean(pipe[1].predict(pipe[0].transform(sized)) == y[:150]) >= 0.97


@pytest.mark.slow
def test_digits_of_scikit_learn_read_by_who_knows_mnist():
    X, y = load_mnist("train", return_X_y=True)
    digits, labels = load_digits(return_X_y=True)
    reader = SVC(C=10).fit(X[:6000] / 255.0, y[:6000])
    images = DigitNormalizer(dtype="float32").fit_transform(digits[:600])
    assert np.mean(reader.predict(images) == labels[:600]) >= 0.8


def test_stroke_width_brought_to_that_of_mnist():
    canvas = np.zeros((2, 200, 200))
    canvas[0, 20:180, 99:101] = 1.0
    canvas[0, 20:22, 60:140] = 1.0
    canvas[1, 20:180, 20:180] = 1.0
    canvas[1, 75:125, 75:125] = 0.0
    thin, thick = DigitNormalizer(stroke_width=None).fit_transform(canvas).astype(float)
    wider, narrower = DigitNormalizer().fit_transform(canvas).astype(float)
    assert wider.sum() > 3 * thin.sum()
    assert wider.max() == 255
    assert narrower.sum() < thick.sum()


def test_polarity_as_said_or_decided_by_the_border():
    page = np.full((1, 40, 40), 200, dtype=np.uint8)
    page[0, 10:30, 18:22] = 20
    bar = DigitNormalizer().fit_transform(page)
    assert_array_equal(DigitNormalizer(polarity="dark_on_light").fit_transform(page), bar)
    assert_array_equal(DigitNormalizer().fit_transform(255 - page), bar)
    other = DigitNormalizer(polarity="light_on_dark").fit_transform(page)
    assert other.sum() > 2 * bar.sum()


@pytest.mark.parametrize("value", [0, 255, 7.5, -1])
def test_image_of_one_value_all_zero(value):
    assert_array_equal(DigitNormalizer().fit_transform(np.full((2, 30, 20), value)), 0)


def test_one_image_gives_what_it_gives_among_many(mnist):
    X = mnist[0][:20]
    normalizer = DigitNormalizer().fit(X)
    assert_array_equal(normalizer.transform(X[3:4])[0], normalizer.transform(X)[3])


def test_specks_do_not_move_the_digit(mnist):
    X = np.pad(mnist[0][:20].reshape(-1, 28, 28), ((0, 0), (20, 20), (20, 20)))
    speckled = X.copy()
    speckled[:, 2, 3] = 255
    normalizer = DigitNormalizer().fit(X)
    difference = mean_difference(normalizer.transform(speckled), normalizer.transform(X))
    assert difference.max() < 1.0  # of 255


def test_dtype_float32_is_the_same_from_0_to_1(mnist):
    X = mnist[0][:20]
    floats = DigitNormalizer(dtype="float32").fit_transform(X)
    assert floats.dtype == np.float32
    assert_array_equal(np.rint(floats * 255), DigitNormalizer().fit_transform(X))


def test_in_the_pipeline_before_and_after_it_is_fitted(mnist, small_pipeline):
    X, y = mnist
    pipe = small_pipeline(epochs=2)
    whole = Pipeline([("normalize", DigitNormalizer()), *clone(pipe).steps]).fit(X, y)
    pipe.fit(DigitNormalizer().fit_transform(X), y)
    after = Pipeline([("normalize", DigitNormalizer().fit(X)), ("read", pipe)])
    assert_array_equal(whole.predict_proba(X[:50]), after.predict_proba(X[:50]))


def test_clone_pickle_names_and_frames(mnist):
    X = mnist[0][:5]
    normalizer = DigitNormalizer(polarity="light_on_dark").fit(X)
    assert clone(normalizer).get_params() == normalizer.get_params()
    restored = pickle.loads(pickle.dumps(normalizer))
    assert_array_equal(restored.transform(X), normalizer.transform(X))
    names = normalizer.get_feature_names_out()
    assert names[[0, -1]].tolist() == ["digitnormalizer0", "digitnormalizer783"]
    frame = normalizer.set_output(transform="pandas").transform(X)
    assert isinstance(frame, pd.DataFrame)
    assert_array_equal(frame.columns, names)


def test_skops_keeps_it(mnist):
    skops = pytest.importorskip("skops.io")
    X = mnist[0][:5]
    normalizer = DigitNormalizer().fit(X)
    kept = skops.dumps(normalizer)
    trusted = skops.get_untrusted_types(data=kept)
    assert trusted == ["mnist_estimator.preprocessing.DigitNormalizer"]
    restored = skops.loads(kept, trusted=trusted)
    assert_array_equal(restored.transform(X), normalizer.transform(X))


def test_nothing_needs_to_be_fitted(mnist):
    X, y = mnist
    images = X[:50].reshape(-1, 28, 28)
    large = np.repeat(np.repeat(images, 3, axis=1), 3, axis=2)
    expected = DigitNormalizer().fit(images).transform(images)
    assert_array_equal(DigitNormalizer().transform(images), expected)
    assert_array_equal(DigitNormalizer().transform(X[:50]), expected)
    classifier = KNeighborsClassifier(1).fit(X, y)
    pipe = Pipeline([("normalize", DigitNormalizer()), ("read", Pipeline([("knn", classifier)]))])
    assert_array_equal(pipe.predict(X[:50]), classifier.predict(expected))
    assert_array_equal(pipe.predict(large), pipe.fit(large, y[:50]).predict(large))


def test_sizes_differ_in_a_list_and_between_calls(mnist):
    images = list(mnist[0][:12].reshape(-1, 28, 28))
    sized = [np.kron(image, np.ones((i % 3 + 1,) * 2)) for i, image in enumerate(images)]
    each = [DigitNormalizer().transform(image[np.newaxis])[0] for image in sized]
    for normalizer in (DigitNormalizer(), DigitNormalizer().fit(sized)):
        assert_array_equal(normalizer.transform(sized), each)
        assert not hasattr(normalizer, "n_features_in_")
    fitted = DigitNormalizer().fit(images)
    assert fitted.image_shape_ == (28, 28, 1)
    column = np.empty(len(sized), dtype=object)
    column[:] = sized
    for form in (sized, tuple(sized), column, pd.Series(sized)):
        assert_array_equal(fitted.transform(form), each)
    assert_array_equal(fitted.transform(np.array(sized[1::3])), each[1::3])
    assert_array_equal(fitted.transform([image.tolist() for image in sized]), each)
    with pytest.raises(ValueError, match="X has 64 features, but DigitNormalizer is expecting 784"):
        fitted.transform(np.zeros((3, 64)))


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (np.full((5, 4), np.nan), r"X\[1\]: Input X contains NaN"),
        (np.zeros((5, 4, 7)), r"X\[1\]: X must hold images of one channel .* got 7 channels"),
        (np.zeros(5), "got the shape .5,. at position 1"),
        ([[1, 2], [3]], "got unequal rows at position 1"),
        (np.full((5, 4), "a"), r"X\[1\]: "),
        (np.zeros((0, 4)), r"X\[1\]: X has images of shape .*which hold no pixel"),
    ],
    ids=["NaN", "channels", "row", "ragged", "strings", "empty"],
)
def test_a_bad_image_in_a_list_is_named(bad, words):
    with pytest.raises(ValueError, match=words):
        DigitNormalizer().transform([np.eye(9), bad])


def test_one_image_without_the_axis_of_samples_is_refused(mnist):
    image = mnist[0][0].reshape(28, 28)
    with pytest.raises(ValueError, match=r"X has 28 values a row, .* X\[None\] if X is one image"):
        DigitNormalizer().transform(image)
    with pytest.raises(ValueError, match=r"X\[None\]"):
        DigitNormalizer().fit(image[np.newaxis]).transform(image)


def with_alpha(images, ink, form):
    """Return digits whose ink is in alpha, in a colour, as RGBA or as grey and alpha."""
    alpha = images.reshape(-1, 28, 28, 1)
    colours = np.broadcast_to(np.asarray(ink, dtype=np.uint8), (*alpha.shape[:3], len(ink)))
    rgba = np.concatenate([colours, alpha], axis=3)
    if form == "floats":
        return rgba / 255.0
    if form == "flat":
        return rgba.reshape(len(rgba), -1)
    if form in ("pictures", "palettes"):
        mode = {1: "LA", 3: "RGBA"}[len(ink)]
        pictures = [Image.fromarray(image[..., :], mode) for image in rgba]
        if form == "palettes":
            pictures = [as_palette(picture) for picture in pictures]
        return pictures
    return rgba


def as_palette(picture):
    """Return a picture with a palette, of which the first colour is transparent."""
    rgba = np.asarray(picture.convert("RGBA"))
    palette = Image.fromarray((rgba[..., 3] > 127).astype(np.uint8), "P")
    palette.putpalette([0, 0, 0, *rgba[0, 0, :3].tolist()])
    palette.info["transparency"] = 0
    return palette


@pytest.mark.filterwarnings("ignore:'mode' parameter is deprecated:DeprecationWarning")
@pytest.mark.parametrize("form", ["bytes", "floats", "flat", "pictures", "palettes"])
@pytest.mark.parametrize(
    "ink", [(0,), (255,), (0, 0, 0), (255, 255, 255), (30, 30, 160), (255, 230, 60)],
    ids=["black", "white", "black RGB", "white RGB", "blue", "yellow"],
)  # fmt: skip
def test_ink_in_alpha_is_laid_on_paper(mnist, ink, form):
    X = mnist[0][:30]
    shape = (28, 28, len(ink) + 1) if form == "flat" else None
    normalized = DigitNormalizer(image_shape=shape).transform(with_alpha(X, ink, form))
    binary = form == "palettes"
    expected = DigitNormalizer().transform((X > 127) if binary else X)
    assert mean_difference(normalized, expected).max() < 2.0  # another digit differs by 37


def test_transparent_corners_of_a_page_become_the_page(mnist):
    page = 255 - np.pad(mnist[0][:30].reshape(-1, 28, 28), ((0, 0), (6, 6), (6, 6)))
    rows, columns = np.mgrid[:40, :40]
    alpha = np.where(np.hypot(rows - 19.5, columns - 19.5) < 20, 255, 0)
    rgba = np.stack([page, page, page, np.broadcast_to(alpha, page.shape)], axis=3)
    for ink in (rgba, np.concatenate([255 - rgba[..., :3], rgba[..., 3:]], axis=3)):
        normalized = DigitNormalizer().transform(ink.astype(np.uint8))
        assert mean_difference(normalized, DigitNormalizer().transform(page)).max() < 2.0


def test_polarity_says_which_paper_and_clear_images_hold_nothing(mnist):
    grey = with_alpha(mnist[0][:5], (128,), "bytes")
    expected = DigitNormalizer().transform(mnist[0][:5])
    for polarity in ("dark_on_light", "light_on_dark"):
        normalized = DigitNormalizer(polarity=polarity).transform(grey)
        assert mean_difference(normalized, expected).max() < 2.0
    assert_array_equal(DigitNormalizer().transform(np.zeros((2, 9, 9, 4), dtype=np.uint8)), 0)
    clear = np.random.default_rng(0).integers(0, 256, (2, 9, 9, 4), dtype=np.uint8)
    clear[..., 3] = 0
    assert_array_equal(DigitNormalizer().transform(clear), 0)


def test_pictures_of_other_modes(mnist):
    image = Image.fromarray(mnist[0][0].reshape(28, 28))
    expected = DigitNormalizer().transform(mnist[0][:1])
    pictures = [image.convert(mode) for mode in ("L", "RGB", "CMYK", "YCbCr", "P", "I", "F")]
    found = DigitNormalizer().transform(pictures)
    assert mean_difference(found, np.repeat(expected, len(pictures), axis=0)).max() < 2.0


@pytest.mark.parametrize(
    ("parameters", "error", "words"),
    [
        (
            {"polarity": "dark"},
            ValueError,
            "polarity must be 'auto', 'light_on_dark' or 'dark_on_light'; got 'dark'.",
        ),
        ({"polarity": None}, ValueError, "got None. The default is 'auto'."),
        ({"stroke_width": 2}, TypeError, "stroke_width must be 'auto' or None; got 2."),
        ({"dtype": np.uint8}, TypeError, "dtype must be 'uint8' or 'float32'; got <class"),
        ({"image_shape": (28,)}, ValueError, "image_shape must be None, (height, width) or"),
    ],
)
def test_bad_parameter(mnist, parameters, error, words):
    with pytest.raises(error) as caught:
        DigitNormalizer(**parameters).fit(mnist[0])
    assert words in str(caught.value)


def test_five_channels_are_refused_and_a_fitted_one_is_left_as_it_was(mnist):
    normalizer = DigitNormalizer().fit(mnist[0])
    with pytest.raises(ValueError, match=r"two \(grey and alpha\), three .* got 5 channels"):
        normalizer.fit(np.zeros((2, 8, 8, 5)))
    assert normalizer.image_shape_ == (28, 28, 1)


# The polarity of many images


def bars(n):
    """Return images of a light bar on dark."""
    images = np.zeros((n, 12, 12), np.uint8)
    images[:, 2:-2, 5:7] = 255
    return images


@pytest.mark.parametrize("inverted", [False, True])
def test_polarity_of_nearly_all_images_is_learned(inverted):
    images = 255 - bars(20) if inverted else bars(20)
    images[0] = 255 - images[0]
    normalizer = DigitNormalizer().fit(images)
    assert normalizer.polarity_ == ("dark_on_light" if inverted else "light_on_dark")
    light = normalizer.transform(images).reshape(-1, 28, 28)
    assert_array_equal(light, np.broadcast_to(light[0], light.shape))  # the first one, too


@pytest.mark.parametrize(
    "images", [bars(9), np.concatenate([bars(10), 255 - bars(10)]), np.zeros((30, 12, 12))]
)
def test_polarity_of_few_or_mixed_or_blank_images_is_not_learned(images):
    assert DigitNormalizer().fit(images).polarity_ is None
    assert DigitNormalizer(polarity="light_on_dark").fit(images).polarity_ is None


def test_polarity_that_was_learned_decides_where_the_border_hardly_does():
    image = np.zeros((11, 11), np.uint8)
    image[:, :6] = 255  # over half of the border is ink
    alone = DigitNormalizer().transform(image[np.newaxis])
    learned = DigitNormalizer().fit(bars(20)).transform(image[np.newaxis])
    light = DigitNormalizer(polarity="light_on_dark").transform(image[np.newaxis])
    assert_array_equal(learned, light)
    assert not np.array_equal(alone, light)
