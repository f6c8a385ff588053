"""Images from files: which columns of a table are what, pipes, transparent pictures, bad ones."""

import gzip
import io
import os
import struct
import threading

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from PIL import Image
from sklearn.datasets import load_digits

from mnist_estimator.cli.inputs._base import ImageSpec, InputError, InputSpec
from mnist_estimator.cli.inputs._open import open_images

N = 40
SIGHT = {"image_shape": (8, 8, 1), "value_range": (0, 16), "classes": list(range(10))}
FORM = ImageSpec(**SIGHT)
NAMED = ImageSpec(**SIGHT, feature_names=[f"pixel{i}" for i in range(1, 65)])
LABELLED = InputSpec(labelled=True)


@pytest.fixture(scope="module")
def table():
    """Return 40 of scikit-learn's digits, (40, 64) int, and their labels."""
    X, y = load_digits(return_X_y=True)
    return X[100 : 100 + N].astype(int), y[100 : 100 + N]


def read(path, form=FORM, wanted=InputSpec()):  # noqa: B008
    """Return all images of a file as rows, and their labels."""
    batches = list(open_images(str(path), form, wanted).batches)
    images = np.concatenate([batch.images for batch in batches])
    labels = [batch.labels for batch in batches]
    return images.reshape(len(images), -1), None if labels[0] is None else np.concatenate(labels)


def frame(X, names=None, **more):
    return pd.DataFrame(X, columns=names).assign(**more)


def joined(X, y, side):
    return np.column_stack([y, X] if side == "first" else [X, y])


def by_row_and_column(base):
    return [f"{i}x{j}" for i in range(base, 8 + base) for j in range(base, 8 + base)]


# Columns with names.

NAMES = {
    "counted": range(64),
    "from 0": [f"pixel{i}" for i in range(64)],
    "from 1": [f"pixel{i}" for i in range(1, 65)],
    "padded": [f"px_{i:03}" for i in range(64)],
    "rows and columns": by_row_and_column(1),
    "scikit-learn's": load_digits().feature_names,
    "without numbers": [f"{a}{b}" for a in "abcdefgh" for b in "abcdefgh"],
}


@pytest.mark.parametrize("label", ["label", "Class", "target", "y", "digit"])
@pytest.mark.parametrize("first", [True, False])
def test_label_is_found_by_its_usual_names(label, first, table, tmp_path):
    X, y = table
    data = frame(X)
    data.insert(0 if first else 64, label, y)
    data.to_csv(tmp_path / "a.csv", index=False)
    images, labels = read(tmp_path / "a.csv", wanted=LABELLED)
    assert_array_equal(images, X)
    assert_array_equal(labels, y)
    assert_array_equal(read(tmp_path / "a.csv")[0], X)


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("index", [True, False])
def test_names_of_every_kind_are_taken_in_order(names, index, table, tmp_path):
    X, y = table
    frame(X, NAMES[names], label=y).to_csv(tmp_path / "a.csv", index=index)
    images, labels = read(tmp_path / "a.csv", wanted=LABELLED)
    assert_array_equal(images, X)
    assert_array_equal(labels, y)


@pytest.mark.parametrize("names", ["counted", "from 0", "from 1", "padded"])
@pytest.mark.parametrize("label", [True, False])
def test_numbers_in_names_restore_the_order(names, label, table, tmp_path):
    X, y = table
    data = frame(X, NAMES[names])[list(NAMES[names])[::-1]]
    (data.assign(label=y) if label else data).to_csv(tmp_path / "a.csv", index=False)
    assert_array_equal(read(tmp_path / "a.csv")[0], X)


@pytest.mark.parametrize("base", [0, 1])
def test_rows_and_columns_out_of_order_are_refused(base, table, tmp_path):
    names = by_row_and_column(base)
    frame(table[0], names)[names[::-1]].to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(
        InputError, match=r"do not number the rows and columns of 8×8 pixels in order"
    ):
        read(tmp_path / "a.csv")


def test_columns_go_by_the_names_of_the_model_whatever_else_is_there(table, tmp_path):
    X, y = table
    data = frame(X, NAMED.feature_names, file="a.png", label=y)
    data.sample(frac=1, axis=1, random_state=0).to_csv(tmp_path / "a.csv")
    images, labels = read(tmp_path / "a.csv", NAMED, LABELLED)
    assert_array_equal(images, X)
    assert_array_equal(labels, y)


def test_pixels_are_found_among_other_columns(table, tmp_path):
    X, y = table
    frame(X, NAMES["from 0"], id=range(N), file="a.png", digit=y).to_csv(tmp_path / "a.csv")
    assert_array_equal(read(tmp_path / "a.csv")[0], X)
    assert_array_equal(read(tmp_path / "a.csv", wanted=LABELLED)[1], y)


@pytest.mark.parametrize("label", [True, False])
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_pixels_counted_from_another_number_than_the_model_counts_are_refused(
    label, suffix, table, tmp_path
):
    X, y = table
    data = frame(X, NAMES["from 0"])
    write(data.assign(label=y) if label else data, tmp_path / f"a.{suffix}")
    with pytest.raises(
        InputError,
        match=r"count pixels from 0 \(pixel0 to pixel63\), the model from 1 "
        r"\(pixel1 to pixel64\)\. Rename them in the header, or leave out the header",
    ):
        read(tmp_path / f"a.{suffix}", NAMED)


def write(data, path):
    if path.suffix == ".parquet":
        pytest.importorskip("pyarrow")
        data.to_parquet(path)
    else:
        data.to_csv(path, index=False)


def test_a_counted_header_names_nothing_to_a_model_with_names(table, tmp_path):
    frame(table[0]).to_csv(tmp_path / "a.csv", index=False)
    assert_array_equal(read(tmp_path / "a.csv", NAMED)[0], table[0])


NAMED_FAULTS = {
    "a pixel missing": (
        lambda X, y: frame(X, NAMES["from 0"], label=y).drop(columns="pixel7"), FORM,
        "lacks pixels: its columns run from pixel0 to pixel63 without the number 7",
    ),
    "the last pixel missing": (
        lambda X, y: frame(X, NAMES["from 0"], label=y).drop(columns="pixel63"), FORM,
        "has 63 columns of pixels; the model takes 64",
    ),
    "a pixel missing that the model knows": (
        lambda X, y: frame(X, NAMED.feature_names, label=y).drop(columns="pixel7"), NAMED,
        "fitted on the columns pixel1 to pixel64; the data lack pixel7",
    ),
    "other names": (
        lambda X, y: frame(X, by_row_and_column(1)), NAMED,
        "fitted on the columns pixel1 to pixel64; the data lack pixel1, pixel2, pixel3 and 61 more",
    ),
    "two of a name": (
        lambda X, y: frame(X, ["a", "a", *NAMES["without numbers"][2:]]), FORM,
        "has more than one column named 'a'",
    ),
    "two labels": (
        lambda X, y: frame(X, label=y, target=y), FORM,
        "must have one column of labels, and has 'label', 'target'. Name the one to take with --la",
    ),
    "no label": (
        lambda X, y: frame(X, NAMES["from 0"], number=y), FORM,
        "must have one column of labels. Name it with --label-column; beside the pixels there is "
        "'number'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", NAMED_FAULTS)
def test_columns_that_are_not_those_of_the_model_are_refused(case, table, tmp_path):
    make, form, words = NAMED_FAULTS[case]
    make(*table).to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(InputError) as raised:
        read(tmp_path / "a.csv", form, LABELLED)
    assert words in str(raised.value)


@pytest.mark.parametrize("asked", ["number", "last"])
def test_label_column_names_one_of_many(asked, table, tmp_path):
    X, y = table
    frame(X, NAMES["from 0"], label="x", number=y).to_csv(tmp_path / "a.csv")
    images, labels = read(tmp_path / "a.csv", wanted=InputSpec(labelled=True, label_column=asked))
    assert_array_equal(images, X)
    assert_array_equal(labels, y)
    with pytest.raises(InputError, match=r"has no column 'digit'\. It has .*'pixel0', "):
        read(tmp_path / "a.csv", wanted=InputSpec(labelled=True, labels="digit"))


# Columns without names.


@pytest.mark.parametrize("side", ["first", "last"])
@pytest.mark.parametrize("kind", ["csv", "counted csv", "npy", "npz", "gzipped npy"])
def test_values_tell_which_column_is_the_label(side, kind, table, tmp_path):
    X, y = table
    rows = joined(X, y, side)
    if "csv" in kind:
        pd.DataFrame(rows).to_csv(tmp_path / "a", index=False, header=kind == "counted csv")
    elif kind == "npz":
        np.savez(tmp_path / "a.npz", rows)
        os.rename(tmp_path / "a.npz", tmp_path / "a")
    else:
        content = io.BytesIO()
        np.save(content, rows)
        zipped = gzip.compress(content.getvalue()) if kind == "gzipped npy" else content.getvalue()
        (tmp_path / "a").write_bytes(zipped)
    images, labels = read(tmp_path / "a", wanted=LABELLED)
    assert_array_equal(images, X)
    assert_array_equal(labels, y)
    assert_array_equal(read(tmp_path / "a")[0], X)


@pytest.mark.parametrize("side", ["first", "last"])
def test_text_is_told_from_pixels(side, table, tmp_path):
    X, y = table
    words = np.array(["even", "odd"])[y % 2]
    pd.DataFrame(joined(X.astype(object), words, side)).to_csv(
        tmp_path / "a.csv", index=False, header=False
    )
    images, labels = read(
        tmp_path / "a.csv", ImageSpec((8, 8, 1), classes=["even", "odd"]), LABELLED
    )
    assert_array_equal(images, X)
    assert_array_equal(labels, words)


AMBIGUOUS = {
    "few rows": lambda X, y: joined(X, y, "first")[:3],
    "one class": lambda X, y: joined(X, np.full(N, 7), "last"),
    "labels unknown": lambda X, y: joined(X, y + 20, "first"),
    "both like labels": lambda X, y: np.column_stack([y, X[:, 1:], y]),
    "an index": lambda X, y: joined(X[:10], np.arange(10), "first"),
}


@pytest.mark.parametrize("case", AMBIGUOUS)
@pytest.mark.parametrize("kind", ["csv", "npy"])
@pytest.mark.parametrize("labelled", [True, False])
def test_both_readings_are_named_where_values_do_not_tell(case, kind, labelled, table, tmp_path):
    rows = AMBIGUOUS[case](*table)
    path = tmp_path / f"a.{kind}"
    if kind == "csv":
        pd.DataFrame(rows).to_csv(path, index=False, header=False)
    else:
        np.save(path, rows)
    first, last = (", ".join(map(str, rows[:3, end])) for end in (0, -1))
    with pytest.raises(InputError, match="one column more than the model has pixels") as raised:
        read(path, wanted=InputSpec(labelled=labelled))
    assert f"the first ({first}" in str(raised.value)
    assert f"or the last ({last}" in str(raised.value)
    assert "Pass --label-column first or --label-column last." in str(raised.value)
    for side, images, labels in [
        ("first", rows[:, 1:], rows[:, 0]),
        ("last", rows[:, :-1], rows[:, -1]),
    ]:
        got = read(path, wanted=InputSpec(labelled=labelled, label_column=side))
        assert_array_equal(got[0], images)
        assert_array_equal(got[1], labels) if labelled else None
    with pytest.raises(InputError, match=r"has no (header|names of columns), and so no .*'digit'"):
        read(path, wanted=InputSpec(label_column="digit"))


def test_later_rows_that_speak_against_the_label_column_are_refused(table, tmp_path, monkeypatch):
    monkeypatch.setattr("mnist_estimator.cli.inputs._csv.BATCH_SIZE", 30)
    monkeypatch.setattr("mnist_estimator.cli.inputs._csv.VALUES_AT_ONCE", 0)
    rows = joined(*table, "last")
    rows[35, -1] = 13
    pd.DataFrame(rows).to_csv(tmp_path / "a.csv", index=False, header=False)
    with pytest.raises(InputError, match=r"has 13 in row 35 .*, where earlier rows have labels"):
        read(tmp_path / "a.csv")


# The form of a CSV file.


@pytest.mark.parametrize("separator", [",", ";", "\t", " "])
@pytest.mark.parametrize("quoting", [0, 1])
@pytest.mark.parametrize("bom", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("header", [True, False])
def test_separators_quotes_and_marks_of_every_kind(
    separator, quoting, bom, header, table, tmp_path
):
    X, y = table
    data = pd.DataFrame(X, columns=NAMES["from 0"])
    data.insert(0, "label", y)
    data.to_csv(
        tmp_path / "a.csv", index=False, header=header, sep=separator, quoting=quoting, encoding=bom
    )
    images, labels = read(tmp_path / "a.csv", wanted=LABELLED)
    assert_array_equal(images, X)
    assert_array_equal(labels, y)


def test_what_numpy_writes_as_text(table, tmp_path):
    np.savetxt(tmp_path / "a.txt", table[0])
    assert_array_equal(read(tmp_path / "a.txt")[0], table[0])


@pytest.mark.parametrize(
    ("first_row", "words"),
    [(["x7", *["0"] * 63], "'x7' in column 0 of row 0"), (["0,5", *["0"] * 63], "'0,5' in col")],
)
def test_text_in_the_first_row_makes_no_header_of_it(first_row, words, tmp_path):
    rows = [";".join(row) for row in (first_row, ["1"] * 64)]
    (tmp_path / "a.csv").write_text("\n".join(rows))
    with pytest.raises(InputError, match="where a finite number is required") as raised:
        read(tmp_path / "a.csv")
    assert words in str(raised.value)


def test_zipped_table_is_refused_with_the_remedy(table, tmp_path):
    pd.DataFrame(table[0]).to_csv(tmp_path / "a.csv.zip", index=False)
    with pytest.raises(InputError, match=r"is a zip archive\. Unpack the CSV file that is in it"):
        read(tmp_path / "a.csv.zip")


# Parquet.


def test_parquet_of_pixels(table, tmp_path, monkeypatch):
    pytest.importorskip("pyarrow")
    monkeypatch.setattr("mnist_estimator.cli.inputs._parquet.BATCH_SIZE", 15)
    X, y = table
    data = frame(X, NAMED.feature_names, label=y).sample(frac=1, random_state=0)
    data.to_parquet(tmp_path / "a.parquet")
    opened = open_images(str(tmp_path / "a.parquet"), NAMED, LABELLED)
    batches = list(opened.batches)
    assert opened.n_images == N
    assert [batch.start for batch in batches] == [0, 15, 30]
    rows = np.concatenate([batch.images for batch in batches]).reshape(N, -1)
    assert_array_equal(rows, X[data.index])
    assert_array_equal(np.concatenate([batch.labels for batch in batches]), y[data.index])


def as_png(pixels):
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()


@pytest.mark.parametrize("struct_", [True, False])
def test_parquet_of_pictures(struct_, table, tmp_path):
    pytest.importorskip("pyarrow")
    X, y = table
    form = FORM._replace(value_range=(0, 255))
    pictures = [as_png(row.reshape(8, 8).astype(np.uint8)) for row in X]
    column = [{"bytes": content, "path": None} for content in pictures] if struct_ else pictures
    pd.DataFrame({"image": column, "label": y}).to_parquet(tmp_path / "a.parquet")
    images, labels = read(tmp_path / "a.parquet", form, LABELLED)
    assert_array_equal(images, X)
    assert_array_equal(labels, y)


PARQUET_FAULTS = {
    "paths only": ({"image": [{"bytes": None, "path": "a.png"}], "label": [1]}, "or only its path"),
    "no label": ({"image": [b""], "number": [1]}, "must have one column of labels"),
    "no picture": (
        {"image": [b"abc"], "label": [1]},
        "column 'image', row 0 is damaged, or no pic",
    ),
    "missing label": (
        {"image": [{"bytes": as_png(np.eye(8, dtype=np.uint8))}], "label": [None]},
        "has no label in row 0",
    ),
    "lists": ({"image": [[1, 2, 3]], "label": [1]}, "has 1 column of pixels; the model takes 64"),
    "nothing": ({"image": [], "label": []}, "holds no image"),
}


@pytest.mark.parametrize("case", PARQUET_FAULTS)
def test_parquet_that_is_not_images_is_refused(case, tmp_path):
    pytest.importorskip("pyarrow")
    data, words = PARQUET_FAULTS[case]
    pd.DataFrame(data).astype({"image": object}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(InputError) as raised:
        read(tmp_path / "a.parquet", FORM, LABELLED)
    assert words in str(raised.value)


def test_damaged_parquet_and_missing_pyarrow_are_refused(tmp_path, monkeypatch):
    (tmp_path / "a.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(InputError, match=r"cannot be read as a Parquet file|needs pyarrow"):
        read(tmp_path / "a.parquet")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    with pytest.raises(
        InputError, match=r"needs pyarrow\. Install it with: pip install pyarrow; or"
    ):
        read(tmp_path / "a.parquet")


# Arrays.


@pytest.mark.parametrize("pair", [("X", "images"), ("x_test", "data"), ("x_train", "X_train")])
def test_archive_with_two_usual_arrays_is_refused(pair, table, tmp_path):
    np.savez(tmp_path / "a.npz", **dict.fromkeys(pair, table[0]))
    with pytest.raises(InputError, match="does not tell which array to take; name one with --key"):
        read(tmp_path / "a.npz")


def test_test_set_is_taken_rather_than_the_training_set(table, tmp_path):
    X, y = table
    np.savez(tmp_path / "a.npz", x_train=X[:3], y_train=y[:3], x_test=X[3:], y_test=y[3:])
    images, labels = read(tmp_path / "a.npz", wanted=LABELLED)
    assert_array_equal(images, X[3:])
    assert_array_equal(labels, y[3:])


def test_labels_with_the_index_of_pandas(table, tmp_path):
    X, y = table
    np.save(tmp_path / "X.npy", X)
    pd.Series(y, name="label").to_csv(tmp_path / "y.csv")
    wanted = InputSpec(labelled=True, labels=str(tmp_path / "y.csv"))
    assert read(tmp_path / "X.npy", wanted=wanted)[1].tolist() == [str(label) for label in y]


# Streams that can be read once.


def npy(X):
    content = io.BytesIO()
    np.save(content, X)
    return content.getvalue()


def npz(X):
    content = io.BytesIO()
    np.savez(content, X=X)
    return content.getvalue()


def parquet(X):
    pytest.importorskip("pyarrow")
    content = io.BytesIO()
    pd.DataFrame(X).to_parquet(content)
    return content.getvalue()


def idx(X):
    return struct.pack(">HBBII", 0, 8, 2, *X.shape) + X.tobytes()


def pages(X):
    first, *rest = [Image.fromarray(row.reshape(8, 8)) for row in X]
    content = io.BytesIO()
    first.save(content, "TIFF", save_all=True, append_images=rest)
    return content.getvalue()


CONTENTS = {
    "png": lambda X: as_png(X[0].reshape(8, 8)),
    "pgm in plain text": lambda X: b"P2 8 8 255\n" + " ".join(map(str, X[0])).encode(),
    "tiff": pages,
    "idx": idx,
    "gzipped idx": lambda X: gzip.compress(idx(X)),
    "npy": npy,
    "npz": npz,
    "csv": lambda X: pd.DataFrame(X).to_csv(index=False, header=False).encode(),
    "gzipped csv": lambda X: gzip.compress(pd.DataFrame(X).to_csv(index=False).encode()),
    "parquet": parquet,
}


@pytest.mark.parametrize("kind", CONTENTS)
@pytest.mark.parametrize("way", ["named pipe", "file descriptor", "standard input"])
def test_every_kind_is_read_from_a_stream(kind, way, table, tmp_path, monkeypatch):
    X = table[0].astype(np.uint8)
    content = CONTENTS[kind](X)
    form = FORM._replace(value_range=(0, 255))
    if way == "standard input":
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
        images, _ = read("-", form)
    else:
        images, _ = read_from_pipe(content, form, tmp_path if way == "named pipe" else None)
    assert_array_equal(images, X[: len(images)])
    assert len(images) == (1 if kind in ("png", "pgm in plain text") else N)


def read_from_pipe(content, form, folder=None, wanted=InputSpec()):  # noqa: B008
    """Read from a named pipe in a folder, or as a shell's ``<(command)`` gives it."""
    if folder is not None:
        os.mkfifo(folder / "pipe")
        writer = threading.Thread(target=lambda: (folder / "pipe").write_bytes(content))
        writer.start()
        found = read(folder / "pipe", form, wanted)
    else:
        out, into = os.pipe()
        writer = threading.Thread(target=fill, args=(into, content))
        writer.start()
        found = read(f"/dev/fd/{out}", form, wanted)
        os.close(out)
    writer.join(timeout=60)
    return found


def fill(descriptor, content):
    with open(descriptor, "wb") as pipe:
        pipe.write(content)


def test_labels_come_through_a_pipe_too(table, tmp_path):
    X, y = table
    np.save(tmp_path / "X.npy", X)
    os.mkfifo(tmp_path / "labels")
    content = npy(y)
    writer = threading.Thread(target=lambda: (tmp_path / "labels").write_bytes(content))
    writer.start()
    wanted = InputSpec(labelled=True, labels=str(tmp_path / "labels"))
    assert_array_equal(read(tmp_path / "X.npy", wanted=wanted)[1], y)
    writer.join(timeout=60)


def test_what_comes_through_a_pipe_may_be_damaged_or_nothing(table, tmp_path, monkeypatch):
    content = CONTENTS["png"](table[0].astype(np.uint8))
    for content_, words in [(content[:60], "cannot be read as a picture"), (b"", "is empty")]:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content_)))
        with pytest.raises(InputError, match=f"^standard input {words}"):
            read("-")


# Transparent pixels.


def transparent(ink, alpha, mode="RGBA"):
    """Return a picture of an 8×8 stroke of grey ``ink``; all else has another opacity."""
    pixels = np.zeros((8, 8, 4), dtype=np.uint8)
    pixels[..., :3], pixels[..., 3] = ink, alpha
    pixels[2:6, 3:5, 3] = 255
    return Image.fromarray(pixels).convert(mode)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
@pytest.mark.parametrize(
    ("ink", "invert", "paper"),
    [
        (255, False, 0), (200, False, 0), (100, False, 0),  # light ink on what MNIST has
        (0, False, 255), (60, False, 255),  # dark ink does not vanish
        (0, True, 255), (100, True, 255), (160, True, 255),  # dark ink on paper
        (255, True, 0), (230, True, 0),  # nor does light ink
    ],
)  # fmt: skip
def test_ink_on_transparent_stays_ink(mode, ink, invert, paper, tmp_path):
    transparent(ink, 0, mode).save(tmp_path / "a.png")
    form = FORM._replace(value_range=(0, 255))
    image = read(tmp_path / "a.png", form, InputSpec(invert=invert))[0].reshape(8, 8)
    expected = np.full((8, 8), paper)
    expected[2:6, 3:5] = ink
    assert_array_equal(image, expected)


@pytest.mark.parametrize(("invert", "paper"), [(False, 0), (True, 255)])
def test_transparent_corners_get_the_paper_of_the_model(invert, paper, tmp_path):
    pixels = np.zeros((8, 8, 4), dtype=np.uint8)
    pixels[..., :3] = paper
    pixels[2:6, 3:5, :3] = 255 - paper
    pixels[1:7, 1:7, 3] = 255
    Image.fromarray(pixels).save(tmp_path / "a.png")
    form = FORM._replace(value_range=(0, 255))
    image = read(tmp_path / "a.png", form, InputSpec(invert=invert))[0].reshape(8, 8)
    assert_array_equal(image, pixels[..., 0])


def test_half_transparent_pixels_are_mixed_and_ranges_kept(tmp_path):
    transparent(255, 51).save(tmp_path / "a.png")
    image = read(tmp_path / "a.png")[0].reshape(8, 8)
    assert image[3, 3] == 16
    assert image[0, 0] == pytest.approx(16 * 51 / 255)


def test_colours_keep_and_transparent_palettes_too(tmp_path):
    form = ImageSpec((8, 8, 3), (0, 255))
    pixels = np.zeros((8, 8, 4), dtype=np.uint8)
    pixels[2:6, 3:5] = (250, 200, 10, 255)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    image = read(tmp_path / "a.png", form)[0].reshape(8, 8, 3)
    assert_array_equal(image, pixels[..., :3])
    palette = Image.fromarray(np.eye(8, dtype=np.uint8) * 200).quantize(2)
    clear = int(np.asarray(palette)[0, 1])
    palette.save(tmp_path / "b.png", transparency=clear)
    image = read(tmp_path / "b.png", FORM._replace(value_range=(0, 255)))[0].reshape(8, 8)
    assert_array_equal(image, np.eye(8) * 200)


# Pictures that cannot be read.


def test_bad_pictures_are_left_out_if_wanted(table, tmp_path):
    X = table[0].astype(np.uint8)
    for i in (0, 1, 2, 3):
        (tmp_path / str(i)).mkdir()
        (tmp_path / str(i) / "a.png").write_bytes(CONTENTS["png"](X[i : i + 1]))
    (tmp_path / "1" / "a.png").write_bytes(CONTENTS["png"](X)[:60])
    (tmp_path / "3" / "b.png").symlink_to(tmp_path / "nowhere")
    form = FORM._replace(value_range=(0, 255))
    with pytest.raises(
        InputError, match=r"1/a.png cannot .* To leave out such pictures, pass --sk"
    ):
        read(tmp_path, form)
    skipped = []
    images, labels = read(tmp_path, form, InputSpec(labelled=True, skipped=skipped))
    assert_array_equal(images, X[[0, 2, 3]])
    assert labels.tolist() == ["0", "2", "3"]
    assert ["1/a.png" in skipped[0], "3/b.png" in skipped[1]] == [True, True]
