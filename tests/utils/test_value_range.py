"""Images with values of another range than those of ``fit`` cause a warning, and no others do."""

import importlib.util
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.pipeline import Pipeline

from mnist_estimator import (
    DigitNormalizer,
    ImageScaler,
    ValueRangeWarning,
    evaluate,
    load,
    load_mnist,
    recognize,
    save,
)
from mnist_estimator.utils._value_range import ValueRange, learn_value_range, warn_of_value_range

ROOT = Path(__file__).parents[2]
FORMS = {
    "bytes": lambda X: X,
    "from 0 to 1": lambda X: X / 255,
    "from -1 to 1": lambda X: X / 127.5 - 1,
    "standardized": lambda X: (X / 255 - 0.1307) / 0.3081,
    "16-bit": lambda X: X * np.uint16(257),
}
"""Scales on which the images of MNIST are commonly passed around."""


def warns(images, learned):
    """Tell whether there is a warning of images."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ValueRangeWarning)
        return warn_of_value_range("CNNClassifier", images, learned)


@pytest.fixture(scope="module")
def mnist():
    """Return all images of MNIST."""
    return load_mnist("all").images


@pytest.fixture(scope="module")
def mnist_c():
    """Return the module that makes the corruptions of MNIST-C."""
    path = ROOT / "examples" / "benchmarks" / "mnist_c.py"
    spec = importlib.util.spec_from_file_location("mnist_c", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("came", FORMS)
@pytest.mark.parametrize("fitted", FORMS)
def test_each_common_scale_is_distinguished_from_the_others(mnist, fitted, came):
    learned = learn_value_range(FORMS[fitted](mnist[:1000]))
    images = FORMS[came](mnist[60000:61000])
    assert warns(images, learned) == (fitted != came)


@pytest.mark.parametrize("form", ["bytes", "from 0 to 1"])
def test_no_image_of_mnist_alone_causes_a_warning(mnist, form):
    learned = learn_value_range(FORMS[form](mnist[:60000]))
    assert not any(warns(FORMS[form](image[None]), learned) for image in mnist)


@pytest.mark.parametrize("form", ["bytes", "from 0 to 1"])
def test_no_corrupted_image_causes_a_warning(mnist, mnist_c, form):
    learned = learn_value_range(FORMS[form](mnist[:60000]))
    sample = mnist[60000::100]
    for name, corrupt in mnist_c.CORRUPTIONS.items():
        images = FORMS[form](corrupt(sample, np.random.default_rng(0)))
        assert not warns(images, learned), name
        assert not any(warns(image[None], learned) for image in images), name


@pytest.mark.parametrize("value", [0, 255])
def test_blank_images_cause_no_warning(mnist, value):
    learned = learn_value_range(mnist[:1000])
    blank = np.full_like(mnist[:5], value)
    assert not warns(blank, learned)
    assert not warns(blank[:1], learned)
    assert not warns(np.concatenate([blank, mnist[:1]]), learned)


def test_digits_of_other_sources_cause_no_warning(mnist):
    learned = learn_value_range(mnist[:1000])
    for image in mnist[:200]:  # of 16×16 pixels, as USPS has them, and enlarged again
        small = Image.fromarray(image).resize((16, 16), Image.Resampling.BICUBIC)
        assert not warns(np.asarray(small.resize((28, 28)))[None], learned)
    images = load_digits().images
    assert not any(warns(image[None], learn_value_range(images)) for image in images)


def test_noise_and_faint_images_cause_no_warning(mnist):
    images = mnist[:100] / 255
    learned = learn_value_range(images)
    noisy = images + np.random.default_rng(0).normal(0, 0.05, images.shape)
    assert not warns(noisy, learned)
    assert not warns(images * 0.2, learned)


def test_a_few_images_far_outside_cause_a_warning(mnist):
    images = mnist[:100] / 255
    learned = learn_value_range(images)
    images[7] *= 255
    assert warns(images, learned)


def test_an_outlier_among_the_training_images_hides_no_other_scale(mnist):
    images = mnist[:1000].astype(float)
    images[3] *= 1000
    assert warns(mnist[:10] / 255, learn_value_range(images))


def test_constant_training_images_teach_no_range():
    learned = learn_value_range(np.full((3, 2, 2, 1), 7))
    assert learned == ValueRange(7, 7, 0)
    assert not warns(np.arange(4).reshape(1, 2, 2, 1), learned)


def test_mapped_files_are_examined_too(mnist, tmp_path):
    path = tmp_path / "images.npy"
    np.save(path, mnist[:20000])
    mapped = np.load(path, mmap_mode="r")
    assert learn_value_range(mapped) == learn_value_range(mnist[:20000]) == ValueRange(0, 255, 255)
    scaler = ImageScaler().fit(mnist[:100] / 255)
    with pytest.warns(ValueRangeWarning, match="from 0 to 255, but ImageScaler"):
        scaler.transform(mapped)


@pytest.fixture(scope="module")
def images(digits):
    """Return the digits as bytes, and their labels."""
    X, y = digits
    return (X * 15.9375).astype(np.uint8), y


@pytest.fixture(scope="module")
def on_bytes(images, small_pipeline):
    """Return a pipeline that was fitted on bytes."""
    return small_pipeline().fit(*images)


@pytest.fixture(scope="module")
def on_units(images, small_pipeline):
    """Return a pipeline that was fitted on numbers from 0 to 1."""
    X, y = images
    return small_pipeline().fit(X / 255, y)


@pytest.mark.parametrize(
    "call",
    [
        lambda pipe, X, y: pipe.predict(X),
        lambda pipe, X, y: pipe.predict_proba(X),
        lambda pipe, X, y: pipe.score(X, y),
        lambda pipe, X, y: evaluate(pipe, X, y),
        lambda pipe, X, y: pipe["scale"].transform(X),
    ],
    ids=["predict", "predict_proba", "score", "evaluate", "transform"],
)
def test_pipelines_warn_once_for_each_prediction(on_bytes, on_units, images, call):
    X, y = images
    for pipe, other, remedy in [
        (on_bytes, X / 255, r"pass X \* 255\.0"),
        (on_bytes, X > 127, r"pass X \* 255\.0"),
        (on_units, X, r"pass X / 255\.0"),
    ]:
        with pytest.warns(ValueRangeWarning, match=remedy) as caught:
            call(pipe, other, y)
        assert len(caught) == 1
        assert caught[0].filename == __file__


def test_the_warning_names_both_ranges_and_the_estimator(on_bytes, images):
    words = (
        r"X has values from 0 to 1, but ImageScaler was fitted on values from 0 to 255; results "
        r"on another range of values are wrong\. If X was scaled to \[0, 1\], pass X \* 255\.0; "
        r"or fit on images like these\."
    )
    with pytest.warns(ValueRangeWarning, match=words):
        on_bytes.predict(images[0] / 255)
    with pytest.warns(ValueRangeWarning, match="but CNNClassifier was fitted on values from 0 to"):
        on_bytes["cnn"].predict(images[0])


def test_the_same_images_warn_again(on_bytes, images):
    X = images[0] / 255
    for _ in range(2):
        with pytest.warns(ValueRangeWarning):
            on_bytes.predict(X)


def test_continued_training_warns(on_bytes, images):
    X, y = images
    clf = pickle.loads(pickle.dumps(on_bytes["cnn"]))
    for _ in range(2):  # images of another scale do not become the usual ones
        with pytest.warns(ValueRangeWarning, match="CNNClassifier was fitted"):
            clf.partial_fit(X, y)
    clf.set_params(warm_start=True, epochs=1)
    with pytest.warns(ValueRangeWarning, match="CNNClassifier was fitted"):
        clf.fit(X, y)
    clf.set_params(warm_start=False).fit(X, y)  # a new fit learns the range anew
    clf.predict(X)


def test_small_first_batches_of_partial_fit_set_no_narrow_bounds(two_classes, small):
    X, y = two_classes
    clf = small()
    for start in range(0, len(X), 10):
        rows = slice(start, start + 10)
        clf.partial_fit(X[rows] * (1 + start / len(X)), y[rows], classes=[0, 1])
    clf.predict(1.5 * X)


def test_validation_images_that_are_not_scaled_cause_a_warning(images, small):
    X, y = images
    with pytest.warns(ValueRangeWarning, match="X_val has values from 0 to 255.*X_val seems not"):
        small(epochs=1).fit(X / 255, y, X_val=X, y_val=y)


def test_the_range_is_in_pickles_and_files(on_bytes, images, tmp_path):
    save(on_bytes, tmp_path / "digits.pipeline")
    for pipe in (pickle.loads(pickle.dumps(on_bytes)), load(tmp_path / "digits.pipeline")):
        with pytest.warns(ValueRangeWarning):
            pipe.predict(images[0] / 255)


@pytest.mark.parametrize("version", ["0.3.0", "0.5.0", "0.6.0"])
def test_files_of_versions_without_the_range_are_silent(version):
    pipe = load(ROOT / "tests" / "data" / f"digits-{version}.pipeline")
    n_pixels = pipe.n_features_in_
    pipe.predict(np.random.default_rng(0).uniform(0, 1e4, (3, n_pixels)))


def test_normalizers_take_any_range(images):
    X = images[0].reshape(-1, 8, 8)
    normalizer = DigitNormalizer().fit(X)
    assert np.array_equal(normalizer.transform(X / 255), normalizer.transform(X))


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-1, 1), (0, 255)])
def test_digits_in_pictures_are_brought_to_the_range_of_fit(low, high, small, mnist):
    X = (low + mnist[:500] / 255 * (high - low)).reshape(500, -1)
    y = load_mnist("train").target[:500]
    page = np.hstack([255 - image for image in mnist[:3]])
    for classifier in (small(epochs=1), Pipeline([("cnn", small(epochs=1))])):
        found = recognize(classifier.fit(X, y), page)
        expected = classifier.predict_proba(
            (low + found.images / 255 * (high - low)).reshape(3, -1)
        )
        np.testing.assert_allclose(found.probabilities, expected, atol=1e-5)
