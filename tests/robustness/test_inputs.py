"""Images and labels in every form that people keep them in, and what is told of the rest."""

import re
from collections import deque

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import sklearn
import tensorflow as tf
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from sklearn.exceptions import DataConversionWarning
from sklearn.preprocessing import StandardScaler
from sklearn.utils.fixes import parse_version

from mnist_estimator import CNNClassifier, ImageScaler

PIXELS = [f"pixel{i}" for i in range(64)]
WORDS = np.array(["above", "below"])


@pytest.fixture(scope="module")
def images(two_classes):
    """Return images of whole numbers from 0 to 79, which every dtype holds, as flat rows."""
    X, y = two_classes
    return np.ascontiguousarray((X.reshape(200, 64) * 100).astype(np.int64)), y


@pytest.fixture(scope="module")
def reference(quick, images):
    """Return the classifier fitted on plain integers; tests must not change it."""
    return quick(epochs=1).fit(*images)


def scaled_by_hand(X):
    """Return what a scaler for values from 0 to 80 gives."""
    return (np.asarray(X).reshape(-1, 8, 8, 1) / 80).astype(np.float32)


# Images

ARRAYS = {
    **{
        np.dtype(dtype).name: lambda X, dtype=dtype: X.astype(dtype)
        for dtype in (
            "i1",
            "u1",
            "i2",
            "u2",
            "i4",
            "u4",
            "i8",
            "u8",
            "f2",
            "f4",
            "f8",
            "longdouble",
        )
    },
    "big-endian integers": lambda X: X.astype(">i4"),
    "big-endian floats": lambda X: X.astype(">f4"),
    "big-endian doubles": lambda X: X.astype(">f8"),
    "objects": lambda X: X.astype(object),
    "(n, h, w)": lambda X: X.reshape(-1, 8, 8),
    "(n, h, w, 1)": lambda X: X.reshape(-1, 8, 8, 1),
    "(n, h, w) of bytes": lambda X: X.reshape(-1, 8, 8).astype(np.uint8),
    "(n, h, w) of objects": lambda X: X.reshape(-1, 8, 8).astype(object),
    "(n, h, w, 1) of halves": lambda X: X.reshape(-1, 8, 8, 1).astype(np.float16),
    "Fortran order": np.asfortranarray,
    "Fortran order, (n, h, w)": lambda X: np.asfortranarray(X.reshape(-1, 8, 8)),
    "every second column": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
    "every second row": lambda X: np.repeat(X, 2, axis=0)[::2],
    "rows backwards": lambda X: np.ascontiguousarray(X[::-1])[::-1],
    "columns backwards": lambda X: np.ascontiguousarray(X[:, ::-1])[:, ::-1],
    "all backwards, (n, h, w)": lambda X: np.ascontiguousarray(
        X.reshape(-1, 8, 8)[::-1, ::-1, ::-1]
    )[::-1, ::-1, ::-1],
    "axes moved": lambda X: np.moveaxis(
        np.ascontiguousarray(np.moveaxis(X.reshape(-1, 8, 8), 0, 2)), 2, 0
    ),
    "unaligned": lambda X: (
        np.frombuffer(b"\0" + X.tobytes(), dtype=np.uint8)[1:].view(np.int64).reshape(X.shape)
    ),
    "masked, nothing hidden": np.ma.masked_array,
    "record array": lambda X: X.view(np.recarray),
}
"""Arrays of the same numbers, from flat rows of int64."""

OTHERS = {
    "list of rows": lambda X: X.tolist(),
    "list of arrays": list,
    "tuple of tuples": lambda X: tuple(map(tuple, X)),
    "deque of rows": lambda X: deque(X.tolist()),
    "list of images": lambda X: list(X.reshape(-1, 8, 8)),
    "nested lists": lambda X: X.reshape(-1, 8, 8).tolist(),
    "nested lists with channels": lambda X: X.reshape(-1, 8, 8, 1).tolist(),
    "list of images of lists": lambda X: [image.tolist() for image in X.reshape(-1, 8, 8)],
    "tensor": tf.constant,
    "tensor of images": lambda X: tf.constant(X.reshape(-1, 8, 8)),
    "frame without names": pd.DataFrame,
}
"""Other containers, without names."""


def frame(X):
    return pd.DataFrame(X, columns=PIXELS)


def polars(X):
    return pytest.importorskip("polars").DataFrame(X, schema=PIXELS)


def of_arrow(X):
    pytest.importorskip("pyarrow", exc_type=ImportError)
    return frame(X).astype("int32[pyarrow]")


FRAMES = {
    "frame": frame,
    "frame of bytes": lambda X: frame(X.astype(np.uint8)),
    "frame of several dtypes": lambda X: frame(X).astype(
        {name: (np.uint8, np.float32, np.int64)[i % 3] for i, name in enumerate(PIXELS)}
    ),
    "frame of objects": lambda X: frame(X).astype(object),
    "frame of categories": lambda X: frame(X).astype("category"),
    "frame with one categorical column": lambda X: frame(X).astype({"pixel9": "category"}),
    "frame of Int64": lambda X: frame(X).astype("Int64"),
    "frame of UInt8": lambda X: frame(X).astype("UInt8"),
    "frame of Float64": lambda X: frame(X).astype("Float64"),
    "frame of Float32 and int": lambda X: frame(X).astype({"pixel0": "Float32"}),
    "frame on Arrow": of_arrow,
    "frame with another index": lambda X: frame(X).set_axis(np.arange(200)[::-1], axis=0),
    "polars": polars,
    "polars of bytes": lambda X: polars(X.astype(np.uint8)),
    "polars of floats": lambda X: polars(X.astype(np.float32)),
}
"""Frames with column names."""


@pytest.mark.parametrize("form", [*ARRAYS, *OTHERS, *FRAMES])
def test_every_form_of_the_same_numbers_is_the_same_to_the_bit(quick, reference, images, form):
    X, y = images
    came = (ARRAYS | OTHERS | FRAMES)[form](X)
    before = came.copy() if isinstance(came, np.ndarray) else None
    clf = quick(epochs=1).fit(came, y)
    assert_array_equal(clf.predict_proba(came), reference.predict_proba(X))
    assert clf.history_ == reference.history_
    assert clf.image_shape_ == (8, 8, 1)
    assert clf.n_features_in_ == 64
    # Older versions of scikit-learn see no names in newer versions of polars.
    named = form in FRAMES and hasattr(StandardScaler().fit(came), "feature_names_in_")
    assert named == (form in FRAMES) or form.startswith("polars")
    assert hasattr(clf, "feature_names_in_") == named
    if named:
        assert_array_equal(clf.feature_names_in_, PIXELS)
    if before is not None:
        assert_array_equal(came, before)


@pytest.mark.parametrize("form", [*ARRAYS, *OTHERS, *FRAMES])
def test_every_form_is_scaled_alike(images, form):
    X, _ = images
    came = (ARRAYS | OTHERS | FRAMES)[form](X)
    scaler = ImageScaler(value_range=(0, 80)).fit(came)
    scaled = scaler.transform(came)
    assert type(scaled) is np.ndarray
    assert scaled.dtype == np.float32
    assert_allclose(scaled, scaled_by_hand(X), rtol=1e-6)
    if (
        "frame of bytes" not in form
        and "bytes" not in form
        and form not in ("uint8", "frame of UInt8")
    ):
        learned = ImageScaler().fit(came).value_range_
        assert learned == (X.min(), X.max())


@pytest.mark.parametrize("form", [*ARRAYS, *OTHERS])
def test_predictions_do_not_depend_on_the_form(reference, images, form):
    X, _ = images
    came = (ARRAYS | OTHERS)[form](X)
    assert_array_equal(reference.predict_proba(came), reference.predict_proba(X))


def test_a_memoryview_is_an_array(reference, images):
    X, _ = images
    assert_array_equal(reference.predict_proba(memoryview(X)), reference.predict_proba(X))


@pytest.mark.parametrize("form", ["int64", "float64", "big-endian floats", "nested lists"])
def test_a_pipeline_fitted_on_bytes_takes_the_same_numbers_from_anywhere(
    quick_pipeline, images, form
):
    X, y = images
    pipe = quick_pipeline(epochs=1).fit(X.astype(np.uint8), y)
    assert pipe[0].value_range_ == (0, 255)
    came = (ARRAYS | OTHERS)[form](X)
    assert_array_equal(pipe.predict_proba(came), pipe.predict_proba(X.astype(np.uint8)))


def test_bool_images_are_zeros_and_ones(quick, images):
    X, y = images
    bits = X > 40
    clf = quick(epochs=1).fit(bits, y)
    assert_array_equal(
        clf.predict_proba(bits),
        quick(epochs=1).fit(bits.astype(np.uint8), y).predict_proba(bits.astype(float)),
    )
    assert clf.score(bits, y) > 0.95
    scaler = ImageScaler().fit(bits)
    assert scaler.value_range_ == (0, 1)
    assert_array_equal(scaler.transform(bits).ravel(), bits.ravel())
    restored = scaler.inverse_transform(scaler.transform(bits))
    assert restored.dtype == bool
    assert_array_equal(restored, bits)


def test_read_only_arrays(quick, reference, images):
    X, y = images
    X, y, weights = X.copy(), y.copy(), np.ones(200)
    for array in (X, y, weights):
        array.flags.writeable = False
    clf = quick(epochs=1).fit(X, y, sample_weight=weights)
    assert_array_equal(clf.predict_proba(X), reference.predict_proba(X))
    ImageScaler().fit(X).transform(X)


@pytest.mark.parametrize("shape", [(200, 64), (200, 8, 8), (200, 8, 8, 1)])
@pytest.mark.parametrize("mode", ["r", "c", "r+"])
def test_mapped_files_are_read_and_left_alone(quick, reference, images, tmp_path, shape, mode):
    X, y = images
    path = tmp_path / "images.npy"
    np.save(path, X.reshape(shape).astype(np.uint8))
    before = path.read_bytes()
    mapped = np.load(path, mmap_mode=mode)
    clf = quick(epochs=1).fit(mapped, y)
    assert_array_equal(clf.predict_proba(mapped), reference.predict_proba(X))
    assert_allclose(
        ImageScaler(value_range=(0, 80)).fit_transform(mapped), scaled_by_hand(X), rtol=1e-6
    )
    assert path.read_bytes() == before


def test_a_raw_mapped_file_bigger_than_what_is_used(quick, reference, images, tmp_path):
    X, y = images
    raw = np.memmap(tmp_path / "raw", dtype=np.uint8, mode="w+", shape=(300, 8, 8))
    raw[50:250] = X.reshape(-1, 8, 8)
    clf = quick(epochs=1).fit(raw[50:250], y)
    assert_array_equal(clf.predict_proba(raw[50:250]), reference.predict_proba(X))


def test_column_names_are_remembered_and_compared(quick, images):
    X, y = images
    clf = quick(epochs=1).fit(frame(X), y)
    with pytest.raises(ValueError, match="feature names should match those that were passed"):
        clf.predict(frame(X)[PIXELS[::-1]])
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        clf.predict(X)
    without = quick(epochs=1).fit(X, y)
    with pytest.warns(UserWarning, match="X has feature names, but CNNClassifier was fitted"):
        assert_array_equal(without.predict_proba(frame(X)), clf.predict_proba(frame(X)))


COLUMNS = {
    "counted from another number": (
        lambda X: X.set_axis([f"pixel{i}" for i in range(64)], axis=1),
        "The data count pixels from 0 (pixel0 to pixel63), the model from 1 (pixel1 to pixel64). "
        "If their order is the same, rename them: X.columns = model.feature_names_in_.",
    ),
    "another order": (
        lambda X: X[X.columns[::-1]],
        "in another order. Pass X[list(model.feature_names_in_)].",
    ),
    "a label too": (
        lambda X: X.assign(label=1),
        "the data have label, which the model does not know. "
        "Pass X[list(model.feature_names_in_)].",
    ),
    "one missing": (
        lambda X: X.drop(columns="pixel5").assign(other=1),
        "the data lack pixel5. Give X the columns that the model was fitted on.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow"])
@pytest.mark.parametrize("case", COLUMNS)
def test_columns_of_other_names_are_refused_with_the_remedy(case, kind):
    change, words = COLUMNS[case]
    X = pd.DataFrame(np.zeros((2, 64)), columns=[f"pixel{i}" for i in range(1, 65)])
    came = change(X)
    if kind == "polars":
        polars = pytest.importorskip("polars")
        came, X = (polars.DataFrame(data.to_dict("list")) for data in (came, X))
    if kind == "pyarrow":
        pyarrow = pytest.importorskip("pyarrow")
        came, X = (pyarrow.Table.from_pandas(data, preserve_index=False) for data in (came, X))
    scaler = ImageScaler().fit(X)
    with pytest.raises(ValueError, match=r"^The feature names should match those that") as raised:
        scaler.transform(came)
    assert words in str(raised.value)


def test_names_of_numbers_are_no_names_and_mixed_ones_refused(quick, images):
    X, y = images
    assert not hasattr(quick(epochs=1).fit(pd.DataFrame(X), y), "feature_names_in_")
    with pytest.raises(TypeError, match="Feature names are only supported if all input features"):
        quick(epochs=1).fit(pd.DataFrame(X).rename(columns={0: "first"}), y)


@pytest.mark.parametrize("container", ["array", "matrix"])
@pytest.mark.parametrize("kind", ["csr", "csc", "coo", "bsr", "dia", "dok", "lil"])
def test_sparse_images_are_refused_with_the_remedy(reference, images, kind, container):
    X, y = images
    X = np.eye(64) if kind == "dia" else X  # SciPy warns of many diagonals
    sparse = getattr(scipy.sparse, f"{kind}_{container}")(X)
    remedy = re.escape("Sparse data was passed for X, but dense data is required. Use '.toarray()'")
    with pytest.raises(TypeError, match=remedy):
        CNNClassifier().fit(sparse, y[: len(X)])
    with pytest.raises(TypeError, match=remedy):
        reference.predict(sparse)
    with pytest.raises(TypeError, match=remedy):
        ImageScaler().fit(sparse)


def test_frames_of_sparse_columns_are_refused(images):
    X, y = images
    with pytest.raises(TypeError, match="Sparse data was passed for X, but dense data is required"):
        CNNClassifier().fit(frame(X).astype(pd.SparseDtype("int64", 0)), y)


@pytest.mark.parametrize("shape", [(200, 64), (200, 8, 8)])
def test_images_that_hide_values_are_to_be_filled_first(reference, images, shape):
    """A mask is nothing that a network could follow, and what is hidden is mostly wrong."""
    X, y = images
    masked = np.ma.masked_array(X, mask=X > 70).reshape(shape)
    words = re.escape(
        f"X is an array with {(X > 70).sum():,} masked values, which cannot be left out one"
    )
    for estimator in (CNNClassifier(epochs=1), ImageScaler()):
        with pytest.raises(ValueError, match=words):
            estimator.fit(masked, y)
    with pytest.raises(ValueError, match=re.escape("Pass X.filled(value), or leave out the rows")):
        reference.predict(masked)


def test_labels_and_weights_that_hide_values_are_refused(images):
    X, y = images
    hidden = np.arange(200) < 10
    with pytest.raises(ValueError, match="y is an array with 10 masked values"):
        CNNClassifier(epochs=1).fit(X, np.ma.masked_array(y, mask=hidden))
    weights = np.ma.masked_array(np.ones(200), mask=hidden)
    with pytest.raises(ValueError, match="sample_weight is an array with 10 masked values"):
        CNNClassifier(epochs=1).fit(X, y, sample_weight=weights)


def test_a_frame_with_a_column_of_images_is_those_images(reference, images):
    X, _ = images
    frame = pd.DataFrame({"image": list(X.reshape(-1, 8, 8))})
    assert_array_equal(reference.predict_proba(frame), reference.predict_proba(X))


def test_a_list_of_masked_images_is_refused(images):
    X, y = images
    masked = [np.ma.masked_array(image, mask=image > 5) for image in X.reshape(-1, 8, 8)]
    with pytest.raises(ValueError, match=r"masked values, which cannot be left out one by one"):
        CNNClassifier(epochs=1).fit(masked, y)


def pictures(X):
    return [Image.fromarray(image.astype(np.uint8)) for image in X.reshape(-1, 8, 8)]


def object_array(X):
    array = np.empty(len(X), dtype=object)
    array[:] = list(X.reshape(-1, 8, 8))
    return array


@pytest.mark.parametrize(
    "form",
    [
        pytest.param(pictures, id="PIL"),
        pytest.param(lambda X: [tf.constant(i) for i in X.reshape(-1, 8, 8)], id="tensors"),
        pytest.param(lambda X: [pd.DataFrame(i) for i in X.reshape(-1, 8, 8)], id="frames"),
    ],
)
def test_a_list_of_what_becomes_an_array_is_a_list_of_images(quick, reference, images, form):
    X, y = images
    clf = quick(epochs=1).fit(form(X), y)
    assert_array_equal(clf.predict_proba(form(X)), reference.predict_proba(X))


@pytest.mark.parametrize(
    "form",
    [
        pytest.param(object_array, id="array of arrays"),
        pytest.param(lambda X: pd.Series(list(X.reshape(-1, 8, 8))), id="Series of arrays"),
        pytest.param(lambda X: pd.Series(X.reshape(-1, 8, 8).tolist()), id="Series of lists"),
        pytest.param(lambda X: pd.Series(pictures(X)), id="Series of pictures"),
        pytest.param(lambda X: pd.Series(list(X)), id="Series of rows"),
    ],
)
def test_a_column_of_images_is_a_list_of_images(quick, reference, images, form):
    X, y = images
    clf = quick(epochs=1).fit(form(X), y)
    assert_array_equal(clf.predict_proba(form(X)), reference.predict_proba(X))
    scaled = ImageScaler(value_range=(0, 80)).fit(form(X)).transform(form(X))
    assert_allclose(scaled, scaled_by_hand(X), rtol=1e-6)


UNEQUAL = {
    "arrays of other widths": (
        [np.zeros((8, 8)), np.zeros((8, 9))],
        "X must hold images of one size; got shapes (8, 8) and (8, 9). Resize or pad them",
    ),
    "arrays of other heights": (
        [np.zeros((8, 8)), np.zeros((9, 8))],
        "X must hold images of one size; got shapes (8, 8) and (9, 8). Resize or pad them",
    ),
    "arrays of other channels": (
        [np.zeros((8, 8, 3)), np.zeros((8, 8, 1))],
        "X must hold images of one size; got shapes (8, 8, 1) and (8, 8, 3). Resize or pad them",
    ),
    "grey and colour": (
        [np.zeros((8, 8, 3)), np.zeros((8, 8))],
        "X must hold images of one size; got shapes (8, 8) and (8, 8, 3). Resize or pad them",
    ),
    "nested lists": (
        [np.zeros((8, 8)).tolist(), np.zeros((8, 9)).tolist()],
        "X must hold images of one size; got shapes (8, 8) and (8, 9). Resize or pad them",
    ),
    "rows as lists": (
        [[1.0, 2, 3, 4], [1.0, 2, 3]],
        "X must hold images of one size; got shapes (3,) and (4,). Resize or pad them",
    ),
    "rows as arrays": (
        [np.zeros(4), np.zeros(3)],
        "X must hold images of one size; got shapes (3,) and (4,). Resize or pad them",
    ),
    "an image with a short row": (
        [[[1, 2], [1]], [[1, 2], [1, 2]]],
        "X must hold images of one size; got unequal rows in one. Resize or pad them",
    ),
}


@pytest.mark.parametrize("case", UNEQUAL)
def test_images_of_unequal_size_are_told_both_sizes(reference, case):
    X, words = UNEQUAL[case]
    for estimator in (CNNClassifier(), ImageScaler()):
        with pytest.raises(ValueError, match=re.escape(words)):
            estimator.fit(X * 10, [0, 1] * 10)
    with pytest.raises(ValueError, match=re.escape(words)):
        reference.predict(X)


def test_one_image_in_every_form(reference, images):
    X, _ = images
    expected = reference.predict_proba(X)[:1]
    for one in (X[:1], X[:1].reshape(1, 8, 8), X[:1].reshape(1, 8, 8, 1), X[:1].tolist()):
        proba = reference.predict_proba(one)
        assert proba.shape == (1, 2)
        assert_allclose(proba, expected, atol=1e-6)
        assert reference.predict(one).shape == (1,)
    assert ImageScaler().fit(X).transform(X[:1]).shape == (1, 8, 8, 1)


def test_one_flat_image_without_its_axis_is_told_to_reshape(reference, images):
    X, _ = images
    with pytest.raises(ValueError, match=r"array\.reshape\(1, -1\) if it contains a single sample"):
        reference.predict(X[0])


def test_one_image_without_its_axis_is_told_to_add_it(reference, quick):
    words = re.escape("X has shape (8, 8), that of a single image. Pass X[None] to have one image.")
    with pytest.raises(ValueError, match=words):
        reference.predict(np.zeros((8, 8)))
    with pytest.raises(ValueError, match=words):
        ImageScaler().fit(np.zeros((2, 8, 8))).transform(np.zeros((8, 8)))
    generator = np.random.default_rng(0)
    colour = quick(epochs=1).fit(generator.uniform(size=(20, 9, 14, 3)), [0, 1] * 10)
    with pytest.raises(
        ValueError, match=re.escape("X has shape (9, 14, 3), that of a single image.")
    ):
        colour.predict(np.zeros((9, 14, 3)))


def test_what_may_be_a_single_image_or_several_is_several(quick):
    """One row of seven pixels is an image one pixel high, and its shape that of one image."""
    X, y = np.random.default_rng(0).uniform(size=(20, 1, 7)), np.arange(20) % 2
    clf = quick(epochs=1).fit(X, y)
    assert clf.image_shape_ == (1, 7, 1)
    assert clf.predict(X[:1].reshape(1, 7)).shape == (1,)
    assert clf.predict(X[:7]).shape == (7,)
    square = np.random.default_rng(0).uniform(size=(20, 4, 4))
    assert quick(epochs=1).fit(square, y).predict(square[:4]).shape == (4,)


def test_two_images_are_enough(quick, images):
    X, y = images
    rows = [np.flatnonzero(y == 0)[0], np.flatnonzero(y == 1)[0]]
    clf = quick(epochs=8, augmentation=None).fit(X[rows], y[rows])
    assert clf.predict_proba(X[rows]).shape == (2, 2)
    assert_array_equal(clf.classes_, [0, 1])
    assert set(clf.history_) == {"loss", "accuracy", "learning_rate"}


SHAPES = [
    # Fitted on, given to predict, and whether that is the same image.
    ((8, 8), (64,), True),
    ((8, 8), (8, 8, 1), True),
    ((8, 8), (4, 16), False),
    ((8, 8), (4, 4, 4), False),
    ((8, 8), (16, 4, 1), False),
    ((64,), (8, 8), True),
    ((64,), (8, 8, 1), True),
    ((64,), (64, 1), False),
    ((4, 16), (64,), True),
    ((4, 16), (16, 4), False),
    ((4, 16), (8, 8), False),
    ((4, 4, 4), (64,), True),
    ((4, 4, 4), (8, 8), False),
    ((4, 4, 4), (4, 16), False),
]


@pytest.mark.parametrize(("fitted_on", "given", "same"), SHAPES)
@pytest.mark.parametrize("estimator", ["classifier", "scaler"])
def test_the_shape_is_remembered_and_compared(quick, images, fitted_on, given, same, estimator):
    X, y = images
    shape = (8, 8, 1) if fitted_on == (64,) else (*fitted_on, 1)[:3]
    if estimator == "classifier":
        fitted = quick(epochs=1).fit(X[:20].reshape(20, *fitted_on), y[:20])
        call = fitted.predict_proba
    else:
        fitted = ImageScaler().fit(X.reshape(200, *fitted_on))
        call = fitted.transform
    assert fitted.image_shape_ == shape
    if same:
        assert_array_equal(call(X[:5].reshape(5, *given)), call(X[:5].reshape(5, *fitted_on)))
    else:
        came = (*given, 1)[:3]
        words = f"X has images of shape {came}, but {type(fitted).__name__} was fitted on images "
        with pytest.raises(ValueError, match=re.escape(f"{words}of shape {shape}")):
            call(X[:5].reshape(5, *given))


def test_a_single_feature_is_an_image_of_one_pixel(quick):
    X = np.repeat([[0.0], [1.0]], 40, axis=0)
    y = np.repeat([0, 1], 40)
    clf = quick(epochs=10).fit(X, y)
    assert clf.image_shape_ == (1, 1, 1)
    assert clf.score(X, y) == 1


NO_IMAGES = {
    "complex": (lambda X: X.astype(complex), "Complex data not supported"),
    "text": (lambda X: X.astype(str), "dtype='numeric' is not compatible with arrays of bytes/str"),
    "frame of text": (lambda X: frame(X).astype({"pixel3": str}).assign(pixel3="ink"), "ink"),
    "pd.NA": (lambda X: frame(X).astype("Int64").mask(X > 70), "Input X contains NaN."),
    "pd.NA of floats": (
        lambda X: frame(X).astype("Float64").mask(X > 70), "Input X contains NaN."
    ),
    "None among objects": (lambda X: np.where(X > 70, None, X), "Input X contains NaN."),
    "polars null": (
        lambda X: polars(X).with_columns(pixel0=pytest.importorskip("polars").lit(None)),
        "Input X contains NaN.",
    ),
    "a flat list": (lambda X: X[:, 0].tolist(), "Expected 2D array, got 1D array instead"),
    "None": (lambda X: None, "X must be an array or a list of images; got an object of type None"),
    "a generator": (iter, "X must be an array or a list of images; got"),
}  # fmt: skip


@pytest.mark.parametrize("case", NO_IMAGES)
def test_what_are_no_images(images, case):
    X, y = images
    make, words = NO_IMAGES[case]
    for estimator in (CNNClassifier(epochs=1), ImageScaler()):
        with pytest.raises((ValueError, TypeError), match=re.escape(words)):
            estimator.fit(make(X), y)


@pytest.mark.parametrize("dtype", ["M8[s]", "m8[s]"])
def test_moments_and_spans_are_no_images(images, dtype):
    X, y = images
    for estimator in (CNNClassifier(epochs=1), ImageScaler()):
        with pytest.raises(ValueError, match=r"X must hold numbers, one a pixel; \w+ got dtype"):
            estimator.fit(X.astype(dtype), y)


def test_no_image_at_all_is_told_so(reference):
    for X in (np.zeros((0, 64)), np.zeros((0, 8, 8)), frame(np.zeros((0, 64)))):
        with pytest.raises(ValueError, match=r"Found array with 0 sample\(s\)"):
            CNNClassifier().fit(X, [])
    with pytest.raises(ValueError, match=r"Found array with 0 sample\(s\)"):
        reference.predict(np.zeros((0, 8, 8)))


# Labels


def arrow_series(values):
    pytest.importorskip("pyarrow", exc_type=ImportError)
    return pd.Series(pd.array(values, dtype="int64[pyarrow]"))


def arrow_strings(values):
    pytest.importorskip("pyarrow", exc_type=ImportError)
    return pd.Series(pd.array(values, dtype="string[pyarrow]"))


def polars_series(values, categorical=False):
    module = pytest.importorskip("polars")
    return module.Series("label", values, dtype=module.Categorical if categorical else None)


LABELS = {
    # How they come, what the classes are, and the kind of their dtype.
    "int": (lambda y: y, [0, 1], "i"),
    "list of int": (lambda y: y.tolist(), [0, 1], "i"),
    "tuple of int": (lambda y: tuple(y.tolist()), [0, 1], "i"),
    "int8": (lambda y: y.astype(np.int8), [0, 1], "i"),
    "uint8": (lambda y: y.astype(np.uint8), [0, 1], "u"),
    "big-endian": (lambda y: y.astype(">i4"), [0, 1], "i"),
    "gapped": (lambda y: y * 1000 + 7, [7, 1007], "i"),
    "negative": (lambda y: -y * 3, [-3, 0], "i"),
    "largest int64": (lambda y: 2**63 - 2 + y, [2**63 - 2, 2**63 - 1], "i"),
    "whole floats": (lambda y: y.astype(float) - 0.0, [0.0, 1.0], "f"),
    "bool": (lambda y: y == 1, [False, True], "b"),
    "list of several kinds of int": (lambda y: [int(v) if v else v for v in y], [0, 1], "i"),
    "tensor": (tf.constant, [0, 1], "i"),
    "list of bool": (lambda y: (y == 1).tolist(), [False, True], "b"),
    "text": (lambda y: WORDS[y], WORDS, "U"),
    "list of text": (lambda y: WORDS[y].tolist(), WORDS, "U"),
    "text of digits": (lambda y: np.array(["10", "9"])[y], ["10", "9"], "U"),
    "text beyond ASCII": (lambda y: np.array(["тыква", "çay"])[y], ["çay", "тыква"], "U"),
    "text of unequal length": (lambda y: np.array(["a", "a" * 50])[y], ["a", "a" * 50], "U"),
    "objects of text": (lambda y: WORDS[y].astype(object), WORDS, "O"),
    "objects of int": (lambda y: y.astype(object), [0, 1], "i"),
    "objects of bool": (lambda y: (y == 1).astype(object), [False, True], "b"),
    "Series": (pd.Series, [0, 1], "i"),
    "Series with another index": (lambda y: pd.Series(y, index=range(200, 0, -1)), [0, 1], "i"),
    "Index": (pd.Index, [0, 1], "i"),
    "Series of bool": (lambda y: pd.Series(y == 1), [False, True], "b"),
    "Series of text": (lambda y: pd.Series(WORDS[y]), WORDS, "O"),
    "Series of objects": (lambda y: pd.Series(WORDS[y], dtype=object), WORDS, "O"),
    "categories": (lambda y: pd.Series(WORDS[y], dtype="category"), WORDS, "O"),
    "Categorical": (lambda y: pd.Categorical(WORDS[y]), WORDS, "O"),
    "categories in an order of their own": (
        lambda y: pd.Series(pd.Categorical(WORDS[y], categories=WORDS[::-1], ordered=True)),
        WORDS, "O",
    ),
    "categories of int": (lambda y: pd.Series(y, dtype="category"), [0, 1], "i"),
    "categories with one unused": (
        lambda y: pd.Series(pd.Categorical(WORDS[y], categories=[*WORDS, "beside"])), WORDS, "O"
    ),
    "Int64": (lambda y: pd.Series(y, dtype="Int64"), [0, 1], "i"),
    "Int8": (lambda y: pd.Series(y, dtype="Int8"), [0, 1], "i"),
    "UInt8": (lambda y: pd.Series(y, dtype="UInt8"), [0, 1], "iu"),
    "array of Int64": (lambda y: pd.array(y, dtype="Int64"), [0, 1], "i"),
    "largest Int64": (
        lambda y: pd.Series(2**63 - 2 + y, dtype="Int64"), [2**63 - 2, 2**63 - 1], "i"
    ),
    "Float64": (lambda y: pd.Series(y, dtype="Float64"), [0.0, 1.0], "f"),
    "boolean": (lambda y: pd.Series(y == 1, dtype="boolean"), [False, True], "b"),
    "string": (lambda y: pd.Series(WORDS[y], dtype="string"), WORDS, "OU"),
    "array of string": (lambda y: pd.array(WORDS[y], dtype="string"), WORDS, "OU"),
    "Int64 on Arrow": (arrow_series, [0, 1], "i"),
    "string on Arrow": (lambda y: arrow_strings(WORDS[y]), WORDS, "OU"),
    "polars": (polars_series, [0, 1], "i"),
    "polars of bool": (lambda y: polars_series(y == 1), [False, True], "b"),
    "polars of text": (lambda y: polars_series(WORDS[y]), WORDS, "OU"),
    "polars of categories": (lambda y: polars_series(WORDS[y], True), WORDS, "OU"),
    "days": (lambda y: np.array(["2020-02-29", "2021-01-01"], dtype="M8[D]")[y],
             np.array(["2020-02-29", "2021-01-01"], dtype="M8[D]"), "M"),
}  # fmt: skip


@pytest.mark.parametrize("case", LABELS)
def test_labels_come_back_in_value_and_type(quick, reference, images, case):
    X, y = images
    make, classes, kinds = LABELS[case]
    labels = make(y)
    clf = quick(epochs=1).fit(X, labels)
    assert type(clf.classes_) is np.ndarray
    assert_array_equal(clf.classes_, np.asarray(classes))
    assert clf.classes_.dtype.kind in kinds
    predicted = clf.predict(X)
    assert predicted.dtype == clf.classes_.dtype
    assert_array_equal(predicted, predicted_by_hand(clf, X))
    assert share_right(clf, X, labels) > 0.95
    # The same images under other names are the same training, but for the order of the names.
    if str(plain(labels)[y == 0][0]) == str(clf.classes_[0]):
        assert_array_equal(clf.predict_proba(X), reference.predict_proba(X))


@pytest.mark.parametrize("case", LABELS)
def test_what_was_fitted_on_can_be_scored_on(quick, images, case):
    X, y = images
    labels = LABELS[case][0](y)
    clf = quick(epochs=1).fit(X, labels)
    assert clf.score(X, labels) == share_right(clf, X, labels)


def plain(labels):
    """Return labels as an array of Python's own objects."""
    array = np.empty(200, dtype=object)
    array[:] = np.asarray(labels).tolist() if tf.is_tensor(labels) else list(labels)
    return array


def share_right(clf, X, labels):
    """Compare predictions with labels as they are written."""
    pairs = zip(clf.predict(X), plain(labels), strict=True)
    return np.mean([str(predicted) == str(label) for predicted, label in pairs])


def predicted_by_hand(clf, X):
    """Return the labels from the probabilities."""
    return np.asarray([clf.classes_[row.argmax()] for row in clf.predict_proba(X)])


@pytest.mark.parametrize("case", ["Int64", "boolean", "string", "categories", "polars of text"])
def test_labels_of_any_type_in_partial_fit(quick, images, case):
    X, y = images
    make, classes, kinds = LABELS[case]
    labels = make(y)
    clf = quick(learning_rate=0.003)
    for _ in range(4):
        clf.partial_fit(X, labels, classes=make(np.array([0, 1])))
    assert_array_equal(clf.classes_, np.asarray(classes))
    assert clf.classes_.dtype.kind in kinds
    assert clf.score(X, labels) > 0.95


@pytest.mark.parametrize(
    "given", [[0, 1], (1, 0), [1, 0, 0], np.array([1, 0]), pd.Series([1, 0]), range(2)]
)
def test_classes_in_any_order_and_container(quick, images, given):
    X, y = images
    clf = quick().partial_fit(X, y, classes=given)
    assert_array_equal(clf.classes_, [0, 1])
    assert_array_equal(
        clf.predict_proba(X), quick().partial_fit(X, y, classes=[0, 1]).predict_proba(X)
    )


def test_twenty_classes_of_gapped_labels(quick, images):
    X, _ = images
    y = np.arange(200) % 20 * 5 - 30
    clf = quick(epochs=1).fit(X, y)
    assert_array_equal(clf.classes_, np.arange(-30, 70, 5))
    assert clf.predict_proba(X).shape == (200, 20)


@pytest.mark.parametrize(
    "column",
    [
        lambda y: y[:, None],
        lambda y: y[:, None].tolist(),
        lambda y: pd.DataFrame({"label": y}),
        lambda y: pytest.importorskip("polars").DataFrame({"label": y}),
    ],
)
def test_a_column_of_labels_is_warned_of(quick, reference, images, column):
    X, y = images
    with pytest.warns(DataConversionWarning, match="A column-vector y was passed when a 1d array"):
        clf = quick(epochs=1).fit(X, column(y))
    assert clf.predict(X).shape == (200,)
    assert_array_equal(clf.predict_proba(X), reference.predict_proba(X))


ODD = np.arange(200) % 2 == 1
MISSING = {
    "None among int": (lambda y: np.where(ODD, None, y), "None"),
    "None among text": (lambda y: np.where(ODD, None, WORDS[y]), "None"),
    "list with None": (lambda y: np.where(ODD, None, WORDS[y]).tolist(), "None"),
    "list with pd.NA": (lambda y: [pd.NA if odd else "a" for odd in ODD], "<NA>"),
    "list with NaN": (lambda y: np.where(ODD, np.nan, y).tolist(), "NaN"),
    "NaN": (lambda y: np.where(ODD, np.nan, y), "NaN"),
    "infinity": (lambda y: np.where(ODD, np.inf, y), "infinity"),
    "NaN among objects": (lambda y: np.where(ODD, np.nan, WORDS[y].astype(object)), "nan"),
    "NaT": (lambda y: np.where(ODD, np.datetime64("NaT"), np.datetime64("2020-01-01")), "NaT"),
    "Int64": (lambda y: pd.Series(y, dtype="Int64").mask(ODD), ""),
    "Float64": (lambda y: pd.Series(y, dtype="Float64").mask(ODD), ""),
    "boolean": (lambda y: pd.Series(y == 1, dtype="boolean").mask(ODD), "<NA>"),
    "string": (lambda y: pd.Series(WORDS[y], dtype="string").mask(ODD), "<NA>"),
    "text of pandas": (lambda y: pd.Series(WORDS[y]).mask(ODD), "nan"),
    "categories": (lambda y: pd.Series(WORDS[y], dtype="category").mask(ODD), "nan"),
    "polars": (lambda y: polars_series([None if odd else 1 for odd in ODD]), ""),
    "polars of text": (lambda y: polars_series([None if odd else "a" for odd in ODD]), "None"),
}


@pytest.mark.parametrize("case", MISSING)
def test_missing_labels_are_told_of(quick, images, case):
    X, y = images
    make, what = MISSING[case]
    with pytest.raises(ValueError, match=r"\by\b") as error:
        quick().fit(X, make(y))
    assert what in str(error.value) or "NaN" in str(error.value)
    with pytest.raises(ValueError, match=r"\by_val\b"):
        quick().fit(X, WORDS[y] if "a" in str(make(y)[:2]) else y, X_val=X, y_val=make(y))


BAD_LABELS = {
    "None": (lambda y: None, "requires y to be passed, but the target y is None"),
    "too short": (lambda y: y[:-1], "Found input variables with inconsistent numbers of samples"),
    "a number": (lambda y: 3, "y should be a 1d array, got an array of shape ()"),
    "a word": (lambda y: "below", "y should be a 1d array, got an array of shape ()"),
    "continuous": (lambda y: y + 0.5 * ODD, "Unknown label type: continuous"),
    "one class": (lambda y: y * 0 + 7, "y holds one class, 7; CNNClassifier needs two classes"),
    "one word": (lambda y: WORDS[y * 0], "y holds one class, 'above'; CNNClassifier needs two"),
    "bytes": (lambda y: WORDS[y].astype("S"), "Support for labels represented as bytes is not su"),
    "complex": (lambda y: y.astype(complex), "Complex data not supported"),
    "two columns": (lambda y: np.c_[y, y], "label a row, got an array of shape (200, 2) instead."),
    "one-hot": (lambda y: np.eye(2, dtype=int)[y], "one-hot rows into labels with y.argmax(axis=1"),
    "probabilities": (lambda y: np.eye(2)[y], "Turn one-hot rows into labels with y.argmax(axis=1"),
    "one-hot frame": (pd.get_dummies, "Turn one-hot rows into labels with y.argmax(axis=1"),
    "text and numbers": (
        lambda y: np.array([1 if odd else "one" for odd in ODD], dtype=object),
        "y mixes labels of different types, such as 'one' and 1; they must be all numbers or all",
    ),
    "list of text and numbers": (
        lambda y: [1 if odd else "one" for odd in ODD],
        "y mixes labels of different types, such as 'one' and 1; they must be all numbers or all",
    ),
}


@pytest.mark.parametrize("case", BAD_LABELS)
def test_what_are_no_labels(images, case):
    if case == "bytes" and parse_version(sklearn.__version__) < parse_version("1.7"):
        pytest.skip("scikit-learn refuses bytes from 1.7 on, and warned of them before")
    X, y = images
    make, words = BAD_LABELS[case]
    with pytest.raises((ValueError, TypeError), match=re.escape(words)):
        CNNClassifier(epochs=1).fit(X, make(y))


@pytest.mark.parametrize(
    "given",
    [
        pytest.param([], id="none"),
        pytest.param([1], id="one"),
        pytest.param(1, id="a number"),
        pytest.param({0, 1}, id="a set"),
        pytest.param([None, 1], id="None"),
        pytest.param([np.nan, 0, 1], id="NaN"),
    ],
)
def test_wrong_classes_are_called_classes(images, given):
    X, y = images
    with pytest.raises((ValueError, TypeError), match=r"^classes\b"):
        CNNClassifier().partial_fit(X, y, classes=given)


# What comes along with images and labels


@pytest.mark.parametrize(
    "form",
    [
        lambda X: X.tolist(),
        lambda X: X.reshape(-1, 8, 8),
        lambda X: list(X.reshape(-1, 8, 8)),
        lambda X: X.astype(np.float16),
        pd.DataFrame,
    ],
)
def test_validation_images_in_any_form(quick, images, form):
    X, y = images
    expected = quick(epochs=1).fit(X[40:], y[40:], X_val=X[:40], y_val=y[:40])
    clf = quick(epochs=1).fit(X[40:], y[40:], X_val=form(X[:40]), y_val=y[:40])
    assert clf.history_ == expected.history_


@pytest.mark.parametrize(
    ("labels", "labels_val"),
    [
        ("int", "Int64"),
        ("Int64", "list of int"),
        ("int", "whole floats"),
        ("text", "string"),
        ("string", "categories"),
        ("categories", "list of text"),
        ("polars of text", "Series of text"),
        ("bool", "boolean"),
        ("int", "polars"),
    ],
)
def test_validation_labels_in_any_form(quick, images, labels, labels_val):
    X, y = images
    labels, labels_val = LABELS[labels][0], LABELS[labels_val][0]
    expected = quick(epochs=1).fit(X, y, X_val=X[:40], y_val=y[:40])
    clf = quick(epochs=1).fit(X, labels(y), X_val=X[:40], y_val=labels_val(y[:40]))
    assert clf.history_ == expected.history_


@pytest.mark.parametrize(
    ("X_val", "y_val", "words"),
    [
        (np.full((40, 64), np.nan), None, "X_val: Input X contains NaN."),
        (np.zeros((40, 4, 16)), None, "X_val: X has images of shape (4, 16, 1)"),
        (scipy.sparse.csr_array(np.eye(40, 64)), None, "X_val: Sparse data was passed for X"),
        (
            None,
            np.eye(2)[np.zeros(40, dtype=int)],
            "y_val should be a 1d array, one label a row, got",
        ),
    ],
    ids=["NaN", "shape", "sparse", "one-hot"],
)
def test_errors_call_validation_data_by_their_name(images, X_val, y_val, words):
    X, y = images
    X_val, y_val = (X[:40] if X_val is None else X_val), (y[:40] if y_val is None else y_val)
    with pytest.raises((ValueError, TypeError), match=re.escape(words)):
        CNNClassifier(epochs=1).fit(X, y, X_val=X_val, y_val=y_val)


@pytest.mark.parametrize(
    "form",
    [
        lambda w: w.tolist(),
        pd.Series,
        lambda w: pd.Series(w, index=range(200, 0, -1)),
        lambda w: pd.Series(w, dtype="Int64"),
        lambda w: pd.Series(w, dtype="Float64"),
        lambda w: w.astype(np.float16),
        lambda w: w.astype(">f8"),
        lambda w: w.astype(object),
        lambda w: np.repeat(w, 2)[::2],
        polars_series,
    ],
)
def test_weights_in_any_form(quick, images, form):
    X, y = images
    weights = np.arange(200) % 4
    expected = quick(epochs=1).fit(X, y, sample_weight=weights)
    clf = quick(epochs=1).fit(X, y, sample_weight=form(weights))
    assert clf.history_ == expected.history_
    assert clf.history_ != quick(epochs=1).fit(X, y).history_


def test_weights_of_one_number_and_of_bools(quick, reference, images):
    X, y = images
    assert quick(epochs=1).fit(X, y, sample_weight=2).history_ == reference.history_
    by_bools = quick(epochs=1).fit(X, y, sample_weight=ODD)
    assert by_bools.history_ == quick(epochs=1).fit(X[ODD], y[ODD]).history_
