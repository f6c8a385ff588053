"""``train DATA`` and ``search DATA``: the user's own images."""

import gzip
import json
import struct

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from mnist_estimator import load
from mnist_estimator.cli._parser import main
from mnist_estimator.cli.inputs._base import InputError, InputSpec
from mnist_estimator.cli.inputs._training import read_labelled, read_parts

LABELLED = InputSpec(labelled=True)
QUICK = ("--preset", "fast", "--epochs", "1", "--set", "filters=(4,)", "--quiet")


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:200].astype(np.uint8), y[:200]


@pytest.fixture
def table(digits):
    X, y = digits
    return pd.DataFrame(np.c_[y, X], columns=["label", *(f"p{i}" for i in range(64))])


def write_npz(path, table, digits):
    X, y = digits
    np.savez(path, x_train=X[:150], y_train=y[:150], x_test=X[150:], y_test=y[150:])


def write_idx(folder, digits, n_test=50):
    X, y = digits
    for part, rows in (("train", slice(n_test, None)), ("t10k", slice(0, n_test))):
        images, labels = X[rows], y[rows].astype(np.uint8)
        with gzip.open(folder / f"{part}-images-idx3-ubyte.gz", "wb") as file:
            file.write(struct.pack(">4I", 2051, len(images), 8, 8) + images.tobytes())
        with gzip.open(folder / f"{part}-labels-idx1-ubyte.gz", "wb") as file:
            file.write(struct.pack(">2I", 2049, len(labels)) + labels.tobytes())


def write_pictures(folder, digits, rows=slice(None)):
    for i, (image, label) in enumerate(zip(digits[0][rows], digits[1][rows], strict=True)):
        place = folder / f"class {label}"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray((15 * image).reshape(8, 8)).save(place / f"{i}.png")


@pytest.mark.parametrize("suffix", ["csv", "parquet", "npy"])
def test_files_of_rows(suffix, table, digits, tmp_path):
    path, spec = tmp_path / f"data.{suffix}", LABELLED
    if suffix == "csv":
        table.to_csv(path, index=False)
    elif suffix == "parquet":
        table.to_parquet(path)
    else:
        np.save(path, digits[0])
        np.save(tmp_path / "y.npy", digits[1])
        spec = LABELLED._replace(labels=str(tmp_path / "y.npy"))
    found = read_labelled(str(path), None, spec)
    np.testing.assert_array_equal(found.images.reshape(-1, 64), digits[0])
    np.testing.assert_array_equal(found.labels, digits[1])


def test_archives_have_a_test_set(table, digits, tmp_path):
    write_npz(tmp_path / "data.npz", table, digits)
    parts = read_parts(str(tmp_path / "data.npz"), None, LABELLED)
    np.testing.assert_array_equal(parts.train.images.reshape(-1, 64), digits[0][:150])
    np.testing.assert_array_equal(parts.test.labels, digits[1][150:])
    assert parts.validation is None


def test_folders_of_idx_files(digits, tmp_path):
    write_idx(tmp_path, digits)
    parts = read_parts(str(tmp_path), None, LABELLED)
    assert parts.train.images.shape == (150, 8, 8, 1)
    np.testing.assert_array_equal(parts.test.labels, digits[1][:50])


def test_folders_of_train_validation_and_test(digits, tmp_path):
    for part, rows in (
        ("train", slice(0, 100)),
        ("val", slice(100, 150)),
        ("test", slice(150, 200)),
    ):
        write_pictures(tmp_path / part, digits, rows)
    parts = read_parts(str(tmp_path), None, LABELLED)
    assert [len(part.images) for part in parts] == [100, 50, 50]
    assert parts.test.labels[0] == "class 0"
    assert parts.train.are_pictures


def test_rows_that_are_not_square_need_a_shape(digits, tmp_path):
    np.savez(tmp_path / "data.npz", X=digits[0][:, :60], y=digits[1])
    with pytest.raises(InputError, match="--image-shape"):
        read_labelled(str(tmp_path / "data.npz"), None, LABELLED)
    found = read_labelled(str(tmp_path / "data.npz"), (5, 4, 3), LABELLED)
    assert found.images.shape == (200, 5, 4, 3)


def test_train_writes_what_it_does_for_mnist(digits, tmp_path, capsys):
    write_pictures(tmp_path / "data", digits)
    (tmp_path / "data" / "class 0" / "bad.png").write_bytes(b"nothing")
    out = tmp_path / "out"
    assert main(["train", str(tmp_path / "data"), "--output", str(out), *QUICK]) == 1
    assert "pass --skip-bad" in capsys.readouterr().err
    code = main(["train", str(tmp_path / "data"), "--skip-bad", "--output", str(out), *QUICK])
    assert code == 4
    assert "bad.png" in capsys.readouterr().err
    pipe = load(out)
    assert pipe.classes_.tolist() == [f"class {i}" for i in range(10)]
    assert pipe["cnn"].filters == (4,)
    assert json.loads((out / "metrics.json").read_text())["training"]["training_images"] == 166
    assert (out / "report.html").exists()
    picture = str(tmp_path / "data" / "class 1" / "1.png")
    assert main(["predict", str(out), picture]) == 0
    assert "class " in capsys.readouterr().out
    Image.new("L", (20, 30), 90).save(tmp_path / "large.png")
    assert main(["predict", str(out), str(tmp_path / "large.png")]) == 1
    assert "--resize" in capsys.readouterr().err
    assert main(["predict", str(out), str(tmp_path / "large.png"), "--resize"]) == 0


def test_classes_validation_and_test_are_taken_as_given(digits, tmp_path):
    X, y = digits
    for name, rows in (("a", slice(0, 120)), ("b", slice(120, 160)), ("c", slice(160, 200))):
        np.savez(tmp_path / f"{name}.npz", X=X[rows], y=y[rows])
    a, b, c = (str(tmp_path / f"{name}.npz") for name in "abc")
    code = main(
        ["train", a, "--validation", b, "--test", c, "--classes", "3,5,8",
         "--output", str(tmp_path / "out"), *QUICK]
    )  # fmt: skip
    assert code == 0
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    wanted = np.isin(y, [3, 5, 8])
    assert metrics["training"]["training_images"] == wanted[:120].sum()
    assert metrics["n_samples"] == wanted[160:].sum()
    assert load(tmp_path / "out").classes_.tolist() == [3, 5, 8]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["DATA", "--set", "epoch=3"], "Did you mean 'epochs'?"),
        (["DATA", "--classes", "3,77"], "there is no 77"),
        (["DATA", "--train-size", "1000"], "at most the number of training images"),
        (["nowhere.npz"], "nowhere.npz"),
    ],
)
def test_errors_in_a_line(options, words, table, digits, tmp_path, capsys):
    write_npz(tmp_path / "d.npz", table, digits)
    options = [str(tmp_path / "d.npz") if option == "DATA" else option for option in options]
    assert main(["train", *options, "--output", str(tmp_path / "out"), "--quiet"]) == 1
    err = capsys.readouterr().err
    assert words in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "--test", "x.npz"], "give DATA, too"),
        (["train", "x.npz", "--source", "keras"], "not both"),
        (["train", "x.npz", "--image-shape", "8"], "height,width"),
        (["train", "x.npz", "--set", "epochs"], "NAME=VALUE"),
        (["search", "x.npz", "--grid", "epochs"], "NAME=VALUE,VALUE"),
        (["search", "x.npz"], "--grid"),
    ],
)
def test_wrong_arguments(arguments, words, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert words in capsys.readouterr().err


def test_search_writes_its_scores_and_resumes(table, tmp_path, capsys, monkeypatch):
    table.to_csv(tmp_path / "d.csv", index=False)
    out = tmp_path / "out"
    command = [
        "search", str(tmp_path / "d.csv"), "--preset", "fast", "--set", "epochs=1", "--folds", "2",
        "--grid", "learning_rate=0.003,0.01", "--grid", "filters=(4,),(8,)", "--output", str(out),
    ]  # fmt: skip
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "4 combinations in 2 folds: 8 fits." in printed
    assert "Best: --set " in printed
    scores = pd.read_csv(out / "search.csv")
    assert len(scores) == 4
    assert scores["rank"].tolist() == sorted(scores["rank"])
    best = json.loads((out / "search.json").read_text())
    assert load(out)["cnn"].learning_rate == best["best_params"]["learning_rate"]
    assert best["cross_validated_accuracy"] == scores["accuracy"][0]

    def fail(*_, **__):
        raise AssertionError("a finished fit was repeated")

    monkeypatch.setattr("mnist_estimator.classifier.CNNClassifier.fit", fail)
    assert main(command) == 0
    pd.testing.assert_frame_equal(
        pd.read_csv(out / "search.csv")[["accuracy"]], scores[["accuracy"]]
    )
