"""The commands that use a fitted pipeline: predict, evaluate, export."""

import gzip
import io
import json
import multiprocessing
import os
import pickle
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from common import run_command
from PIL import Image

from mnist_estimator import ImageScaler, evaluate, load_mnist, make_pipeline
from mnist_estimator.cli import ExitCode
from mnist_estimator.cli._parser import main
from mnist_estimator.persistence._save_load import save

N = 60
LEARNER = {"filters": (8, 16), "kernel_size": 3, "learning_rate": 0.01, "random_state": 0}


@pytest.fixture(scope="module")
def pipe():
    """A small pipeline that learned from some of MNIST."""
    X, y = load_mnist("train", return_X_y=True)
    return make_pipeline(**LEARNER, epochs=6).fit(X[:600], y[:600])


@pytest.fixture(scope="module")
def model(pipe, tmp_path_factory):
    """The file of that pipeline."""
    path = tmp_path_factory.mktemp("model") / "digits.pipeline"
    save(pipe, path)
    return path


@pytest.fixture(scope="module")
def digits():
    """Test images of MNIST, (60, 28, 28) uint8, and their labels."""
    X, y = load_mnist("test", return_X_y=True)
    return X[:N].reshape(-1, 28, 28), y[:N]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Return what fits a small pipeline to any data, and gives its file."""

    def fit_and_save(X, y, **changed):
        pipe = make_pipeline(**LEARNER | {"epochs": 2} | changed).fit(X, y)
        path = tmp_path_factory.mktemp("other") / "other.pipeline"
        save(pipe, path)
        return pipe, path

    return fit_and_save


@pytest.fixture
def run(capfd):
    """Run a command; return its exit code, and what it wrote to stdout and stderr."""

    def run_main(*arguments):
        code = main([str(argument) for argument in arguments])
        return code, *capfd.readouterr()

    return run_main


@pytest.fixture
def predicted(run):
    """Run predict; return its CSV as a table."""

    def table(*arguments):
        code, out, err = run("predict", *arguments)
        assert (code, err) == (0, "")
        return pd.read_csv(io.StringIO(out))

    return table


def idx(array, code=8):
    """Return an array in the IDX format."""
    header = struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape)
    return header + array.tobytes()


def write_npy(path, X):
    np.save(path, X)


def write_flat_npy(path, X):
    np.save(path, X.reshape(len(X), -1))


def write_fortran_npy(path, X):
    np.save(path, np.asfortranarray(X))


def write_npz(path, X):
    np.savez_compressed(path, images=X, other=np.zeros(3))


def write_lone_npz(path, X):
    np.savez(path, whatever=X)


def write_mnist_npz(path, X):
    np.savez(path, x_train=X[:1], y_train=np.zeros(1), x_test=X, y_test=np.zeros(len(X)))


def write_idx(path, X):
    path.write_bytes(idx(X))


def write_gzipped_idx(path, X):
    path.write_bytes(gzip.compress(idx(X)))


def write_int_idx(path, X):
    path.write_bytes(idx(X.astype(">i4"), code=12))


def write_csv(path, X):
    pd.DataFrame(X.reshape(len(X), -1)).to_csv(path, index=False, header=False)


def write_counted_csv(path, X):
    pd.DataFrame(X.reshape(len(X), -1)).to_csv(path, index=False)


def write_labelled_csv(path, X):
    table = pd.DataFrame(X.reshape(len(X), -1)).add_prefix("pixel")
    table.insert(0, "Label", 7)
    table.to_csv(path, index=False, encoding="utf-8-sig")


def write_bare_labelled_csv(path, X):
    table = pd.DataFrame(X.reshape(len(X), -1))
    table.insert(0, "label", np.arange(len(X)) % 10)
    table.to_csv(path, index=False, header=False)


ARRAY_FILES = {
    "a.npy": write_npy, "flat.npy": write_flat_npy, "fortran.npy": write_fortran_npy,
    "a.npz": write_npz, "lone.npz": write_lone_npz, "mnist.npz": write_mnist_npz,
    "t10k-images-idx3-ubyte": write_idx, "images.gz": write_gzipped_idx, "int.idx": write_int_idx,
    "bare.csv": write_csv, "counted.csv": write_counted_csv, "a.csv.gz": write_labelled_csv,
    "label.csv": write_labelled_csv, "label-first.CSV": write_bare_labelled_csv,
}  # fmt: skip


@pytest.mark.parametrize("name", ARRAY_FILES)
def test_predict_reads_arrays_as_the_pipeline_does(
    name, model, pipe, digits, predicted, tmp_path, monkeypatch
):
    monkeypatch.setattr("mnist_estimator.cli.inputs._arrays.BATCH_SIZE", 25)
    monkeypatch.setattr("mnist_estimator.cli.inputs._csv.BATCH_SIZE", 25)
    monkeypatch.setattr("mnist_estimator.cli.inputs._csv.VALUES_AT_ONCE", 0)
    X, _ = digits
    ARRAY_FILES[name](tmp_path / name, X)
    table = predicted(model, tmp_path / name, "--probabilities")
    proba = pipe.predict_proba(X)
    assert list(table.columns) == [
        "source", "index", "label", "confidence", *(f"probability_{i}" for i in range(10))
    ]  # fmt: skip
    assert set(table["source"]) == {str(tmp_path / name)}
    assert table["index"].tolist() == list(range(N))
    assert table["label"].tolist() == pipe.predict(X).tolist()
    np.testing.assert_allclose(table["confidence"], proba.max(axis=1), atol=1e-6)
    np.testing.assert_allclose(table.iloc[:, 4:], proba, atol=1e-6)


PICTURES = {
    "grey.png": lambda image: image,
    "grey.bmp": lambda image: image,
    "grey.tif": lambda image: image,
    "grey.pgm": lambda image: image,
    "colour.png": lambda image: image.convert("RGB"),
    "opaque.png": lambda image: image.convert("RGBA"),
    "palette.gif": lambda image: image,
    "deep.png": lambda image: Image.fromarray(np.asarray(image).astype(np.uint16) * 257),
    "deep.tif": lambda image: Image.fromarray(np.asarray(image).astype(np.uint16) * 257),
}


@pytest.mark.parametrize("name", PICTURES)
def test_predict_reads_pictures_to_the_last_bit(
    name, model, pipe, digits, predicted, tmp_path, capfd
):
    X, _ = digits
    PICTURES[name](Image.fromarray(X[0])).save(tmp_path / name)
    table = predicted(model, tmp_path / name)
    assert table["label"].tolist() == [7] == pipe.predict(X[:1]).tolist()
    np.testing.assert_allclose(table["confidence"], pipe.predict_proba(X[:1]).max(), atol=1e-5)


def test_predict_reads_folders_and_many_sources_in_their_order(
    model, pipe, digits, predicted, tmp_path
):
    X, _ = digits
    folder = tmp_path / "in"
    (folder / "deeper").mkdir(parents=True)
    (folder / "notes.txt").write_text("no picture")
    (folder / ".hidden.png").write_text("no picture")
    for i, name in enumerate(["b.png", "a.PNG", "deeper/c.png"]):
        Image.fromarray(X[i]).save(folder / name)
    np.save(tmp_path / "x.npy", X[3:5])
    table = predicted(model, tmp_path / "x.npy", folder, folder / "b.png")
    assert [os.path.relpath(source, tmp_path) for source in table["source"]] == [
        "x.npy", "x.npy", "in/a.PNG", "in/b.png", "in/deeper/c.png", "in/b.png"
    ]  # fmt: skip
    assert table["index"].tolist() == [0, 1, 0, 0, 0, 0]
    assert table["label"].tolist() == pipe.predict(X[[3, 4, 1, 0, 2, 0]]).tolist()


def test_predict_reads_each_page_of_a_picture(model, pipe, digits, predicted, tmp_path):
    X, _ = digits
    first, *rest = [Image.fromarray(image) for image in X[:3]]
    first.save(tmp_path / "pages.tif", save_all=True, append_images=rest)
    table = predicted(model, tmp_path / "pages.tif")
    assert table["index"].tolist() == [0, 1, 2]
    assert table["label"].tolist() == pipe.predict(X[:3]).tolist()


def test_predict_reads_a_single_image_without_an_axis_for_samples(
    model, pipe, digits, predicted, tmp_path
):
    np.save(tmp_path / "one.npy", digits[0][4])
    table = predicted(model, tmp_path / "one.npy")
    assert table["label"].tolist() == pipe.predict(digits[0][4:5]).tolist()


def test_predict_takes_the_array_named(model, pipe, digits, predicted, tmp_path):
    X, _ = digits
    np.savez(tmp_path / "a.npz", first=X[:2], second=X[2:4])
    table = predicted(model, tmp_path / "a.npz", "--key", "second")
    assert table["label"].tolist() == pipe.predict(X[2:4]).tolist()


def test_predict_reads_csv_from_stdin(model, pipe, digits, predicted, tmp_path, monkeypatch):
    write_counted_csv(tmp_path / "a.csv", digits[0])
    content = io.TextIOWrapper(io.BytesIO((tmp_path / "a.csv").read_bytes()))
    monkeypatch.setattr("sys.stdin", content)
    table = predicted(model, "-")
    assert set(table["source"]) == {"-"}
    assert table["label"].tolist() == pipe.predict(digits[0]).tolist()


def test_predict_takes_the_folder_of_a_training(model, digits, predicted, tmp_path):
    np.save(tmp_path / "x.npy", digits[0])
    assert len(predicted(model.parent, tmp_path / "x.npy")) == N


def test_invert(model, digits, run, tmp_path):
    for i, image in enumerate(digits[0][:3]):
        Image.fromarray(255 - image).save(tmp_path / f"{i}.png")
    assert run("predict", model, tmp_path, "--invert")[1:] == run_plain(
        run, model, digits, tmp_path
    )
    code, _, err = run("predict", model, tmp_path)
    assert code == 0
    assert "3 of 3 pictures are dark on light" in err
    assert "--invert" in err


def run_plain(run, model, digits, tmp_path):
    """Predict the same images, not inverted, under the same names."""
    for i, image in enumerate(digits[0][:3]):
        Image.fromarray(image).save(tmp_path / f"{i}.png")
    answer = run("predict", model, tmp_path)[1:]
    for i, image in enumerate(digits[0][:3]):
        Image.fromarray(255 - image).save(tmp_path / f"{i}.png")
    return answer


def test_output_is_a_file_in_one_piece(model, digits, run, tmp_path):
    np.save(tmp_path / "x.npy", digits[0])
    target = tmp_path / "labels.csv"
    target.write_text("old")
    _, expected, _ = run("predict", model, tmp_path / "x.npy")
    code, out, err = run("predict", model, tmp_path / "x.npy", "--output", target)
    assert (code, err) == (0, "")
    assert out == f"Written to {target}: {N} images.\n"
    assert target.read_text() == expected
    assert run("predict", model, tmp_path / "x.npy", "--output", target, "--quiet") == (0, "", "")
    assert {path.name for path in tmp_path.iterdir()} == {"x.npy", "labels.csv"}


def test_failure_leaves_the_output_as_it_was(model, digits, run, tmp_path, monkeypatch):
    monkeypatch.setattr("mnist_estimator.cli.inputs._base.BATCH_SIZE", 10)
    np.save(tmp_path / "x.npy", digits[0])
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    target = tmp_path / "labels.csv"
    target.write_text("old")
    before = set(tmp_path.iterdir())
    arguments = (tmp_path / "x.npy", tmp_path / "bad.png", "--output", target)
    assert run("predict", model, *arguments)[0] == 1
    assert target.read_text() == "old"
    assert set(tmp_path.iterdir()) == before


def test_output_through_a_link_and_to_a_device(model, digits, run, tmp_path):
    np.save(tmp_path / "x.npy", digits[0])
    (tmp_path / "real.csv").write_text("old")
    (tmp_path / "link.csv").symlink_to(tmp_path / "real.csv")
    assert run("predict", model, tmp_path / "x.npy", "--output", tmp_path / "link.csv")[0] == 0
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "real.csv").read_text().startswith("source,")
    code, out, _ = run("predict", model, tmp_path / "x.npy", "--output", "/dev/stdout", "--quiet")
    assert code == 0
    assert out == (tmp_path / "real.csv").read_text()


def test_labels_of_any_text_are_quoted(saved, digits, predicted, tmp_path):
    X, y = digits
    names = np.array(["even, so", 'odd "7"', "größer\nzwei"])[y % 3]
    pipe, path = saved(X, names)
    np.save(tmp_path / "x.npy", X)
    table = predicted(path, tmp_path / "x.npy", "--probabilities")
    assert table["label"].tolist() == pipe.predict(X).tolist()
    assert [name for name in table.columns if name.startswith("probability")] == [
        f"probability_{label}" for label in pipe.classes_
    ]


def test_pictures_take_the_range_that_the_model_learned(saved, digits, predicted, tmp_path):
    X, y = digits
    pipe, path = saved(X / 255 * 4 - 2, y)
    Image.fromarray(X[0]).save(tmp_path / "a.png")
    table = predicted(path, tmp_path / "a.png")
    proba = pipe.predict_proba(X[:1] / 255 * 4 - 2)
    assert table["label"].tolist() == [pipe.classes_[proba.argmax()]]
    np.testing.assert_allclose(table["confidence"], proba.max(), atol=1e-4)


def test_colours(saved, digits, predicted, tmp_path):
    X, y = digits
    colours = np.stack([X, X[:, ::-1], X // 2], axis=-1)
    pipe, path = saved(colours, y)
    Image.fromarray(colours[0]).save(tmp_path / "a.png")
    table = predicted(path, tmp_path / "a.png")
    np.testing.assert_allclose(
        table["confidence"], pipe.predict_proba(colours[:1]).max(), atol=1e-6
    )


def test_columns_go_by_name_where_the_model_knows_names(saved, digits, predicted, tmp_path):
    X, y = digits
    table = pd.DataFrame(X.reshape(N, -1)).add_prefix("p")
    pipe, path = saved(table, y)
    shuffled = table[sorted(table.columns, reverse=True)].assign(extra="text", target=3)
    shuffled.to_csv(tmp_path / "shuffled.csv", index=False)
    np.save(tmp_path / "x.npy", X)
    expected = pipe.predict(table).tolist()
    assert predicted(path, tmp_path / "shuffled.csv")["label"].tolist() == expected
    assert predicted(path, tmp_path / "x.npy")["label"].tolist() == expected


# What is wrong, and the words that tell it.


def bad_files(X):
    """Return files, by name, and what is said of each."""
    table = pd.DataFrame(X.reshape(len(X), -1)).add_prefix("p").astype(object)
    text, missing = table.copy(), table.copy()
    text.iat[2, 5], missing.iat[1, 3] = "x7", None
    picture = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (28, 28), dtype=np.uint8)
    Image.fromarray(noise).save(picture, "PNG")
    large, floating, bomb = io.BytesIO(), io.BytesIO(), io.BytesIO()
    Image.new("L", (100, 80)).save(large, "PNG")
    Image.new("F", (28, 28)).save(floating, "TIFF")
    Image.new("1", (20_000, 20_000)).save(bomb, "PNG")

    def npy(array, allow_pickle=False):
        file = io.BytesIO()
        np.save(file, array, allow_pickle=allow_pickle)
        return file.getvalue()

    def npz(**arrays):
        file = io.BytesIO()
        np.savez(file, **arrays)
        return file.getvalue()

    nan = X[:3].astype(float)
    nan[1, 4, 4] = np.nan
    objects = np.array([1, "a"], dtype=object)
    return {
        "text.png": (b"no picture", "is damaged, or no picture (BMP, "),
        "cut.png": (picture.getvalue()[:200], "cannot be read as a picture"),
        "large.png": (
            large.getvalue(),
            "has 80×100 pixels; the model takes 28×28. To find",
        ),
        "floating.tif": (floating.getvalue(), "has 32 bits a pixel"),
        "bomb.png": (bomb.getvalue(), "could be decompression bomb DOS attack"),
        "empty.png": (b"", "is empty"),
        "model.pickle": (pickle.dumps(np.ones(784)), "is damaged, or no picture"),
        "shape.npy": (npy(X[:, :20]), f"holds an array of shape ({N}, 20, 28); the model takes"),
        "none.npy": (npy(X[:0]), "none.npy"),
        "objects.npy": (npy(objects, allow_pickle=True), "cannot be read as an .npy file of"),
        "strings.npy": (npy(np.full((2, 784), "a")), "holds <U1; images must be numbers"),
        "cut.npy": (npy(X)[:500], "cannot be read as an .npy file of numbers"),
        "nan.npy": (npy(nan), "holds NaN or infinity in image 1 (counted from 0)"),
        "objects.npz": (npz(X=objects), "Object arrays cannot be loaded when allow_pickle=False"),
        "two.npz": (npz(a=X, b=X), "does not tell which array to take; name one with --key. It"),
        "cut.npz": (npz(X=X)[:500], "cannot be read as an .npz archive"),
        "labels.idx": (idx(np.arange(9, dtype=np.uint8)), "holds no images, but 9 labels"),
        "cut.idx": (idx(X)[:-1], f"is cut short: it holds {N - 1} whole images of the {N}"),
        "long.idx": (idx(X) + b"\0", f"is longer than the {N} images that it announces"),
        "cut.idx.gz": (gzip.compress(idx(X))[:-20], "cannot be read as an IDX file (EOFError"),
        "header.idx": (b"\0\0\x08\x03\0\0", "cannot be read as an IDX file"),
        "text.csv": (text.to_csv(index=False).encode(), "holds 'x7' in column 'p5' of row 2"),
        "missing.csv": (missing.to_csv(index=False).encode(), "in column 'p3' of row 1 (counted"),
        "narrow.csv": (b"1,2,3\n4,5,6\n", "has 3 columns of pixels; the model takes 784 (28×28"),
        "bar.csv": (table.to_csv(index=False, sep="|").encode(), "Separate them by commas"),
        "uneven.csv": (table.to_csv(index=False).encode() + b"1," * 800, "cannot be read as a CSV"),
        "shifted.csv": (wide(table), "cannot be read as a CSV file (ParserWarning"),
        "empty.csv": (b"", "is empty"),
        "header.csv": (table[:0].to_csv(index=False).encode(), "holds no image"),
        "latin.csv": ("größe,".encode("latin-1") + b"1\n", "cannot be read as a CSV file (Unicode"),
    }


def wide(table):
    """Return CSV whose rows have one field more than the header."""
    rows = table.to_csv(index=False, header=False).replace("\n", ",5\n")
    return (",".join(table.columns) + "\n" + rows).encode()


BAD_FILES = bad_files(np.zeros((N, 28, 28), dtype=np.uint8))


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_files_are_told_in_a_line(name, model, run, tmp_path):
    content, words = BAD_FILES[name]
    (tmp_path / name).write_bytes(content)
    code, out, err = run("predict", model, tmp_path / name)
    assert (code, out) == (1, "")
    assert err.startswith("mnist-estimator: ")
    assert err.count("\n") == 1
    assert words in err
    assert name in err


def test_bad_paths(model, run, tmp_path):
    there = tmp_path / "a.npy"
    np.save(there, np.zeros((1, 784)))
    (tmp_path / "empty").mkdir()
    for arguments, words in [
        (["predict", tmp_path / "no.pipeline", there], "there is no such model"),
        (["predict", tmp_path, there], "digits.pipeline: there is no such model"),
        (["predict", there, there], "a.npy"),
        (["predict", model, tmp_path / "no.png"], "no.png: there is no such file or folder"),
        (["predict", model, tmp_path / "empty"], "holds no picture"),
        (["predict", model, there, "--output", tmp_path], "got the folder"),
        (["predict", model, there, "--output", tmp_path / "a" / "b"], "there is no folder"),
        (["predict", model, there, "--output", there], "is also an input"),
        (["predict", model, there, "--output", model], "is also an input"),
        (["evaluate", model, there], "has no labels. Name a file of them with --labels"),
        (["evaluate", model, there, "--html", tmp_path / "a" / "b"], "there is no folder"),
        (["evaluate", model, "--source", "kears"], "kears"),
        (["export", model, tmp_path / "a" / "b.onnx"], "there is no folder"),
    ]:
        code, out, err = run(*arguments)
        assert (code, out) == (1, ""), words
        assert err.startswith("mnist-estimator: ")
        assert err.count("\n") == 1
        assert words in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["predict"], "the following arguments are required: MODEL, INPUT"),
        (["predict", "model"], "the following arguments are required: INPUT"),
        (["evaluate"], "the following arguments are required: MODEL"),
        (["evaluate", "m", "--min-accuracy", "99"], "must be a number from 0 to 1, got '99'"),
        (["evaluate", "m", "--min-accuracy", "nan"], "must be a number from 0 to 1, got 'nan'"),
        (["evaluate", "m", "d", "--source", "keras"], "give it or DATA, not both"),
        (["export", "model"], "the following arguments are required: FILE"),
        (["preditc"], "invalid choice: 'preditc'"),
    ],
)
def test_wrong_arguments(arguments, words, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    assert words in capsys.readouterr().err


def mix_good_and_bad(folder, X):
    """Write five pictures, two of which cannot be read, an array that can and one that cannot."""
    (folder / "in").mkdir()
    for i in range(5):
        Image.fromarray(X[i]).save(folder / "in" / f"{i}.png")
    (folder / "in" / "1.png").write_bytes(b"no picture")
    Image.new("L", (9, 9)).save(folder / "in" / "3.png")
    np.save(folder / "bad.npy", X[:, :9])
    np.save(folder / "good.npy", X[5:7])
    return [folder / "in", folder / "bad.npy", folder / "good.npy"]


def test_skip_bad_leaves_out_what_cannot_be_read(model, pipe, digits, run, tmp_path):
    X, _ = digits
    inputs = mix_good_and_bad(tmp_path, X)
    code, out, err = run("predict", model, *inputs)
    assert (code, out) == (1, "")
    assert "bad.npy" in err
    code, out, err = run("predict", model, inputs[0])
    assert (code, out) == (1, "")
    assert "1.png is damaged" in err
    assert "To leave out such pictures, pass --skip-bad." in err
    for where in ([], ["--output", tmp_path / "labels.csv", "--quiet"]):
        code, out, err = run("predict", model, *inputs, "--skip-bad", *where)
        assert code == ExitCode.SKIPPED == 4
        table = pd.read_csv(tmp_path / "labels.csv" if where else io.StringIO(out))
        assert [os.path.basename(source) for source in table["source"]] == [
            "0.png", "2.png", "4.png", "good.npy", "good.npy"
        ]  # fmt: skip
        assert table["label"].tolist() == pipe.predict(X[[0, 2, 4, 5, 6]]).tolist()
        first, *rest = err.splitlines()
        assert first == "mnist-estimator: bad files left out (3):"
        assert ["bad.npy" in rest[0], "1.png" in rest[1], "3.png" in rest[2]] == [True] * 3
        assert len(rest) == 3
    assert run("predict", model, inputs[2], "--skip-bad")[0] == 0


def test_skip_bad_with_nothing_good_is_an_error(model, digits, run, tmp_path):
    bad = mix_good_and_bad(tmp_path, digits[0])[1]
    (tmp_path / "labels.csv").write_text("old")
    code, out, err = run("predict", model, bad, "--skip-bad", "--output", tmp_path / "labels.csv")
    assert (code, out) == (1, "")
    assert "No file can be read." in err
    assert "bad.npy holds an array of shape" in err
    assert (tmp_path / "labels.csv").read_text() == "old"


def test_evaluate_skips_bad_pictures(model, pipe, digits, run, tmp_path):
    X, y = digits
    (folder,) = folders(tmp_path, X, y)
    (folder / str(y[5]) / "5.png").write_bytes(b"no picture")
    assert run("evaluate", model, folder)[0] == 1
    code, out, err = run("evaluate", model, folder, "--skip-bad")
    assert (code, out) == (4, f"{evaluate(pipe, np.delete(X, 5, 0), np.delete(y, 5))}\n")
    assert err.startswith("mnist-estimator: bad files left out (1):\n")
    assert run("evaluate", model, folder, "--skip-bad", "--min-accuracy", "1")[0] == 3


def test_label_column_of_the_command_line(model, pipe, digits, run, tmp_path):
    X, y = digits
    np.save(tmp_path / "a.npy", np.column_stack([X.reshape(N, -1)[:4], y[:4]]))
    for command in ("predict", "evaluate"):
        code, out, err = run(command, model, tmp_path / "a.npy")
        assert (code, out) == (1, "")
        assert "Pass --label-column first or --label-column last." in err
    code, out, _ = run("predict", model, tmp_path / "a.npy", "--label-column", "last")
    assert code == 0
    assert pd.read_csv(io.StringIO(out))["label"].tolist() == pipe.predict(X[:4]).tolist()
    code, out, _ = run("evaluate", model, tmp_path / "a.npy", "--label-column", "last")
    assert (code, out) == (0, f"{evaluate(pipe, X[:4], y[:4])}\n")


def test_transparent_pictures_with_and_without_invert(model, pipe, digits, run, tmp_path):
    ink = digits[0][0]
    for name, tone in (("light.png", 255), ("dark.png", 0)):
        pixels = np.full((28, 28, 4), tone, dtype=np.uint8)
        pixels[..., 3] = ink
        Image.fromarray(pixels).save(tmp_path / name)
    expected = pipe.predict_proba(ink[np.newaxis]).max()
    for name, options in (("light.png", []), ("dark.png", ["--invert"])):
        code, out, err = run("predict", model, tmp_path / name, *options)
        assert (code, err) == (0, "")
        assert pd.read_csv(io.StringIO(out))["label"].tolist() == [7]
        assert pd.read_csv(io.StringIO(out))["confidence"][0] == pytest.approx(expected, abs=1e-4)
    assert "1 of 1 pictures are dark on light" in run("predict", model, tmp_path / "dark.png")[2]


def test_every_exit_code_is_in_the_help_and_the_documentation(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    page = (Path(__file__).parents[2] / "docs" / "command_line.md").read_text(encoding="utf-8")
    for code in ExitCode:
        assert f"  {code.value:<4} {code.meaning}" in text
        assert f"| {code.value} |" in page


# Evaluate.


def labelled_csv(folder, X, y):
    path = folder / "a.csv"
    pd.DataFrame(X.reshape(len(X), -1)).assign(label=y).to_csv(path, index=False)
    return [path]


def bare_csv(folder, X, y):
    path = folder / "a.csv"
    table = pd.DataFrame(X.reshape(len(X), -1))
    table.insert(0, "label", y)
    table.to_csv(path, index=False, header=False)
    return [path]


def label_last_csv(folder, X, y):
    path = folder / "a.csv"
    pd.DataFrame(X.reshape(len(X), -1)).assign(last=y).to_csv(path, index=False, header=False)
    return [path]


def kaggle_csv(folder, X, y):
    path = folder / "a.csv"
    table = pd.DataFrame(X.reshape(len(X), -1)).add_prefix("pixel")
    table[table.columns[::-1]].assign(label=y.astype(float)).to_csv(path)
    return [path, "--label-column", "label"]


def parquet(folder, X, y):
    pytest.importorskip("pyarrow")
    table = pd.DataFrame(X.reshape(len(X), -1)).add_prefix("pixel")
    table.assign(target=y).to_parquet(folder / "a.parquet")
    return [folder / "a.parquet"]


def named_column(folder, X, y):
    path = folder / "a.csv"
    pd.DataFrame(X.reshape(len(X), -1)).assign(digit=y).to_csv(path, index=False)
    return [path, "--labels", "digit"]


def archive(folder, X, y):
    np.savez(folder / "a.npz", X=X, y=y)
    return [folder / "a.npz"]


def named_arrays(folder, X, y):
    np.savez(folder / "a.npz", pictures=X, what=y.reshape(-1, 1), X=X[::-1], y=y[:3])
    return [folder / "a.npz", "--key", "pictures", "--labels", "what"]


def idx_pair(folder, X, y):
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(X)))
    (folder / "t10k-labels-idx1-ubyte").write_bytes(idx(y.astype(np.uint8)))
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(y.astype(np.uint8))))
    return [folder / "t10k-images-idx3-ubyte.gz"]


def npy_pair(folder, X, y):
    np.save(folder / "X.npy", X)
    np.save(folder / "y.npy", y)
    return [folder / "X.npy", "--labels", folder / "y.npy"]


def npy_and_csv(folder, X, y):
    np.save(folder / "X.npy", X)
    pd.DataFrame({"label": y}).to_csv(folder / "y.csv", index=False)
    return [folder / "X.npy", "--labels", folder / "y.csv"]


def folders(folder, X, y):
    for i, (image, label) in enumerate(zip(X, y, strict=True)):
        (folder / "test" / str(label)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / "test" / str(label) / f"{i}.png")
    return [folder / "test"]


LABELLED = [
    labelled_csv, bare_csv, label_last_csv, kaggle_csv, parquet, named_column, archive,
    named_arrays, idx_pair, npy_pair, npy_and_csv, folders,
]  # fmt: skip


@pytest.mark.parametrize("write", LABELLED)
def test_evaluate_reads_images_with_labels(write, model, pipe, digits, run, tmp_path):
    X, y = digits
    arguments = write(tmp_path, X, y)
    code, out, err = run("evaluate", model, *arguments, "--json", tmp_path / "metrics.json")
    assert (code, err) == (0, "")
    report = evaluate(pipe, X, y)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["accuracy"] == report.accuracy
    assert metrics["confusion"] == report.to_dict()["confusion"]
    assert metrics["log_loss"] == pytest.approx(report.log_loss)
    assert out.startswith(str(report).splitlines()[0])


def test_evaluate_takes_the_test_set_of_mnist(model, pipe, digits, run, tmp_path, monkeypatch):
    def some_of_mnist(subset, **options):
        assert subset == "test"
        X, y = load_mnist(subset, **options)
        return X[:N], y[:N]

    monkeypatch.setattr("mnist_estimator.datasets._mnist.load_mnist", some_of_mnist)
    code, out, err = run("evaluate", model, "--html", tmp_path / "report.html")
    assert (code, err) == (0, "")
    report = evaluate(pipe, *digits)
    assert out == f"{report}\n"
    assert "digits.pipeline on MNIST" in (tmp_path / "report.html").read_text()


def test_min_accuracy_decides_the_exit_code(model, pipe, digits, run, tmp_path):
    X, y = digits
    np.savez(tmp_path / "a.npz", X=X, y=y)
    accuracy = evaluate(pipe, X, y).accuracy
    assert accuracy > 0.5
    arguments = ("evaluate", model, tmp_path / "a.npz", "--quiet", "--min-accuracy")
    assert run(*arguments, accuracy) == (0, "", "")
    y = (y + 1) % 10
    np.savez(tmp_path / "a.npz", X=X, y=y)
    wrong = evaluate(pipe, X, y).accuracy
    code, out, err = run(*arguments, accuracy, "--json", tmp_path / "metrics.json")
    assert (code, out) == (3, "")
    assert f"the accuracy, {wrong:.4f}, is below --min-accuracy" in err
    assert json.loads((tmp_path / "metrics.json").read_text())["accuracy"] == wrong


def test_labels_are_brought_to_the_type_that_the_model_knows(saved, digits, run, tmp_path):
    X, y = digits
    pipe, path = saved(X, y.astype(str))
    np.savez(tmp_path / "a.npz", X=X, y=y)
    code, out, _ = run("evaluate", path, tmp_path / "a.npz")
    assert code == 0
    assert out.startswith(str(evaluate(pipe, X, y.astype(str))).splitlines()[0])


def test_labels_of_another_kind_are_told(model, digits, run, tmp_path):
    X, y = digits
    np.savez(tmp_path / "a.npz", X=X, y=np.where(y == 7, "seven", "other"))
    code, _, err = run("evaluate", model, tmp_path / "a.npz")
    assert code == 1
    assert "The data have the label 'seven', and the model knows 0, 1, 2" in err


BAD_LABELS = {
    "no column": (lambda f, X, y: bare(f, X), "must have one column of labels"),
    "wrong column": (lambda f, X, y: [*labelled_csv(f, X, y), "--labels", "z"], "no column 'z'"),
    "too few": (lambda f, X, y: archive(f, X, y[1:]), "one label for each of 60 images"),
    "no array": (lambda f, X, y: [*archive(f, X, y), "--labels", "z"], "has no array 'z'; name"),
    "no file": (lambda f, X, y: lone_idx(f, X), "has no file t10k-labels-idx1-ubyte beside it"),
    "a picture": (lambda f, X, y: [folders(f, X, y)[0] / "7" / "0.png"], "has no labels. For"),
    "bare pictures": (lambda f, X, y: [folders(f, X, y)[0] / "7"], "must lie in a folder named by"),
}


def bare(folder, X):
    write_csv(folder / "a.csv", X)
    return [folder / "a.csv"]


def lone_idx(folder, X):
    write_idx(folder / "t10k-images-idx3-ubyte", X)
    return [folder / "t10k-images-idx3-ubyte"]


@pytest.mark.parametrize("case", BAD_LABELS)
def test_missing_labels_are_told(case, model, digits, run, tmp_path):
    write, words = BAD_LABELS[case]
    code, out, err = run("evaluate", model, *write(tmp_path, *digits))
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    assert words in err


def test_model_of_other_images_is_told(saved, run):
    _, path = saved(np.random.default_rng(0).random((20, 64)), np.arange(20) % 2)
    code, _, err = run("evaluate", path)
    assert code == 1
    assert "The model takes images of 8×8 pixels, and MNIST's have 28×28. Pass DATA." in err


def test_file_that_holds_no_model_of_images_is_told(run, tmp_path, digits):
    save(ImageScaler().fit(digits[0]), tmp_path / "scaler.pipeline")
    np.save(tmp_path / "x.npy", digits[0])
    code, _, err = run("predict", tmp_path / "scaler.pipeline", tmp_path / "x.npy")
    assert code == 1
    assert "holds no classifier of images" in err


# Export.


def test_export_writes_a_file(model, run, tmp_path):
    pytest.importorskip("tf2onnx")
    code, out, err = run("export", model, tmp_path / "digits.onnx")
    assert (code, out, err) == (0, f"Written to {tmp_path / 'digits.onnx'}\n", "")
    assert (tmp_path / "digits.onnx").stat().st_size > 0
    assert run("export", model, model)[0] == 1


def test_missing_extra_is_told(model, run, tmp_path, monkeypatch):
    def missing(pipe, path):
        raise ImportError("to_onnx needs tf2onnx.\nInstall it.")

    monkeypatch.setattr("mnist_estimator.export._onnx.to_onnx", missing)
    code, _, err = run("export", model, tmp_path / "digits.onnx")
    assert (code, err) == (1, "mnist-estimator: to_onnx needs tf2onnx. Install it.\n")


# As processes of their own.


@pytest.fixture
def start(tmp_path_factory):
    """Start a command as a copy of a process that has imported everything and run nothing.

    Returned are the process, and the file of what it writes to stderr.
    """
    forks = multiprocessing.get_context("forkserver")
    forks.set_forkserver_preload(["mnist_estimator.classifier", "sklearn.datasets"])
    errors = tmp_path_factory.mktemp("errors") / "errors.txt"

    def start(arguments, output=os.devnull):
        arguments = [str(argument) for argument in arguments]
        process = forks.Process(target=run_command, args=(arguments, str(output), str(errors)))
        process.start()
        return process, errors

    return start


def test_stdout_holds_nothing_but_csv_and_names_may_be_any_bytes(model, digits, pipe, tmp_path):
    name = os.fsencode(tmp_path) + b"/\xff.npy"
    with open(name, "wb") as file:
        np.save(file, digits[0])
    command = [sys.executable, "-m", "mnist_estimator", "predict", model, name]
    done = subprocess.run(command, capture_output=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, b"")
    table = pd.read_csv(io.BytesIO(done.stdout), encoding="latin-1")
    assert set(table["source"]) == {name.decode("latin-1")}
    assert table["label"].tolist() == pipe.predict(digits[0]).tolist()


@pytest.mark.slow
def test_nobody_reads_the_output(start, model, digits, tmp_path):
    np.save(tmp_path / "x.npy", np.concatenate([digits[0]] * 100))
    os.mkfifo(tmp_path / "output")
    process, errors = start(["predict", model, tmp_path / "x.npy"], tmp_path / "output")
    with open(tmp_path / "output"):  # as soon as the process has it, too
        pass
    process.join()
    assert errors.read_text() == ""
    assert process.exitcode == 141


def test_output_on_a_full_disk(start, model, digits, tmp_path):
    np.save(tmp_path / "x.npy", digits[0])
    process, errors = start(["predict", model, tmp_path / "x.npy"], "/dev/full")
    process.join()
    assert errors.read_text() == "mnist-estimator: No space left on device\n"
    assert process.exitcode == 1


def test_ctrl_c_leaves_nothing_half_written(start, model, tmp_path):
    write_csv(tmp_path / "x.csv", np.zeros((500, 28, 28), dtype=np.uint8))
    os.mkfifo(tmp_path / "pipe.csv")
    target = tmp_path / "labels.csv"
    process, errors = start(
        ["predict", model, tmp_path / "x.csv", tmp_path / "pipe.csv", "--output", target]
    )
    while process.is_alive() and not list(tmp_path.glob(".labels.csv.*")):
        time.sleep(0.05)  # until it writes; then it waits for the named pipe
    time.sleep(0.5)
    os.kill(process.pid, signal.SIGINT)
    process.join(timeout=60)
    assert process.exitcode == 130
    assert errors.read_text() == "mnist-estimator: interrupted.\n"
    assert {path.name for path in tmp_path.iterdir()} == {"x.csv", "pipe.csv"}


@pytest.mark.parametrize("form", ["npy", "csv", "bool"])
def test_another_range_of_values_is_an_error_unless_forced(run, model, digits, tmp_path, form):
    images, labels = digits
    path = tmp_path / ("x.csv" if form == "csv" else "x.npy")
    if form == "csv":
        write_csv(path, images / 255)
    else:
        np.save(path, images > 127 if form == "bool" else images / 255)
    code, out, err = run("predict", model, path)
    assert (code, out) == (5, "")
    assert "X has values from 0 to 1, but Predictor was fitted on values from 0 to 255" in err
    assert err.endswith("With --force the images are classified as they are.\n")
    target = tmp_path / "labels.csv"
    assert run("predict", model, path, "--output", target)[0] == 5
    assert not target.exists()
    code, out, err = run("predict", model, path, "--force")
    assert (code, err, len(out.splitlines())) == (0, "", N + 1)
    np.savez(tmp_path / "x.npz", X=images / 255, y=labels)
    assert run("evaluate", model, tmp_path / "x.npz")[0] == 5
    assert run("evaluate", model, tmp_path / "x.npz", "--force")[0] == 0
