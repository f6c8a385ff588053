"""The command that recognizes the digits on pictures."""

import io
import json
import sys

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from mnist_estimator import load_mnist, make_pipeline, recognize, save
from mnist_estimator.cli._parser import main


@pytest.fixture(scope="module")
def pipe():
    X, y = load_mnist("train", return_X_y=True)
    learner = {"filters": (8, 16), "kernel_size": 3, "learning_rate": 0.01, "random_state": 0}
    return make_pipeline(**learner, epochs=4).fit(X[:2000], y[:2000])


@pytest.fixture(scope="module")
def model(pipe, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "digits.pipeline"
    save(pipe, path)
    return path


def page_of(*rows):
    """Return a page with MNIST's training images enlarged, dark on light."""
    X, _ = load_mnist("train", return_X_y=True)
    digits = np.hstack([X[row].reshape(28, 28) for row in rows])
    return np.pad(255 - np.kron(digits, np.ones((2, 2), np.uint8)), 10, constant_values=255)


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "page.png"
    Image.fromarray(page_of(0, 1, 2)).save(path)
    return path


@pytest.fixture
def run(model, capfd):
    """Run the command with the model; return its exit code, stdout and stderr."""

    def run_main(*arguments):
        code = main(["recognize", str(model), *map(str, arguments)])
        return code, *capfd.readouterr()

    return run_main


def test_text_of_one_picture_has_no_heading(run, picture, pipe):
    assert run(picture) == (0, recognize(pipe, picture).text + "\n", "")


def test_csv_has_the_rows_of_the_data_frame(run, picture, pipe):
    code, out, err = run(picture, "--csv", "--min-confidence", "0.99")
    table = pd.read_csv(io.StringIO(out))
    frame = recognize(pipe, picture, min_confidence=0.99).to_frame()
    assert (code, err) == (0, "")
    assert table["source"].unique().tolist() == [str(picture)]
    assert list(table)[2:] == list(frame)
    np.testing.assert_allclose(table[list(frame)].astype(float), frame.astype(float), atol=2e-5)


def test_json_and_files_and_boxes_of_pages(run, tmp_path):
    pages = [Image.fromarray(page_of(row, row + 1)) for row in (0, 2)]
    pages[0].save(tmp_path / "two.tif", save_all=True, append_images=pages[1:])
    out = tmp_path / "out.json"
    code, said, _ = run(
        tmp_path / "two.tif", "--json", "--output", out, "--annotate", tmp_path / "annotated"
    )
    assert code == 0
    assert said == f"Written to {out}: 2 pages.\n"
    read = json.loads(out.read_text())
    assert [(page["page"], page["n_pages"]) for page in read] == [(0, 2), (1, 2)]
    for page, drawn in zip(read, ("two-page-0.png", "two-page-1.png"), strict=True):
        digits = [digit for line in page["lines"] for group in line["groups"]
                  for digit in group["digits"]]  # fmt: skip
        assert len(digits) == 2
        with Image.open(tmp_path / "annotated" / drawn) as image:
            pixels = np.asarray(image)
        assert pixels.shape == (page["height"], page["width"], 3)
        top, left, _, _ = digits[0]["box"]
        assert pixels[top + 5, left - 1].tolist() == [0, 114, 178]  # the blue of the first line


def test_several_pictures_have_headings_and_bad_ones_are_left_out(run, picture, tmp_path):
    folder = tmp_path / "many"
    folder.mkdir()
    (folder / "a.png").write_bytes(picture.read_bytes())
    (folder / "b.png").write_bytes(b"nothing")
    code, out, err = run(folder, "--skip-bad")
    assert code == 4
    assert out.startswith(f"==> {folder / 'a.png'} <==\n")
    assert out.count("==>") == 1
    assert "bad files left out (1)" in err
    assert "b.png" in err
    code, _, err = run(folder)
    assert code == 1
    assert "must be a picture" in err


def test_picture_comes_from_stdin(run, picture, monkeypatch):
    stdin = io.TextIOWrapper(io.BytesIO(picture.read_bytes()))
    monkeypatch.setattr(sys, "stdin", stdin)
    _, named, _ = run(picture)
    assert run("-")[1] == named


def test_pages_of_a_pdf_and_the_remedy_without_its_package(run, tmp_path, monkeypatch):
    pytest.importorskip("pypdfium2")
    Image.fromarray(page_of(0, 1, 2)).save(tmp_path / "a.pdf", resolution=100)
    code, out, _ = run(tmp_path / "a.pdf")
    assert code == 0
    assert len(out.strip()) == 3
    (tmp_path / "cut.pdf").write_bytes((tmp_path / "a.pdf").read_bytes()[:300])
    code, out, err = run(tmp_path / "cut.pdf")
    assert (code, out) == (1, "")
    assert "must be a whole PDF" in err
    monkeypatch.setitem(sys.modules, "pypdfium2", None)
    code, _, err = run(tmp_path / "a.pdf")
    assert code == 1
    assert 'pip install "mnist_estimator[pdf]"' in err


def test_annotated_pictures_never_replace_inputs(run, picture):
    before = picture.read_bytes()
    code, _, err = run(picture, "--annotate", picture.parent)
    assert code == 1
    assert "Name another folder" in err
    assert picture.read_bytes() == before


def test_failed_run_leaves_no_output(run, picture, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"nothing")
    out = tmp_path / "out.json"
    assert run(picture, tmp_path / "bad.png", "--json", "--output", out)[0] == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.png", "page.png"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--rotation", "45"], "must be 0, 90, 180, 270 or auto"),
        (["--min-confidence", "2"], "must be a number from 0 to 1"),
        (["--polarity", "dim"], "invalid choice"),
        (["--region", "5,5,5,9"], "top < bottom"),
        (["--csv", "--json"], "not allowed with"),
    ],
)
def test_wrong_arguments_are_named(arguments, words, model, picture, capsys):
    with pytest.raises(SystemExit):
        main(["recognize", str(model), str(picture), *arguments])
    assert words in capsys.readouterr().err


def test_region_outside_the_picture_is_refused_with_its_name(run, picture):
    code, _, err = run(picture, "--region", "0,0,5,100000")
    assert code == 1
    assert f"{picture}: region must be inside the picture" in err


def test_page_without_digits_is_noted(run, tmp_path):
    Image.new("L", (60, 60), 255).save(tmp_path / "blank.png")
    code, out, err = run(tmp_path / "blank.png")
    assert (code, out) == (0, "")
    assert "no digits found" in err


def test_predict_names_what_takes_other_sizes(model, picture, capfd):
    assert main(["predict", str(model), str(picture)]) == 1
    err = capfd.readouterr().err
    for name in ("mnist-estimator recognize", "mnist-estimator draw", "DigitNormalizer"):
        assert name in err
