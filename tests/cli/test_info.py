"""The command info: what a file says of its model, as text, JSON and a card."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mnist_estimator import model_card, read_info, save, to_onnx
from mnist_estimator.cli import main

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture(scope="module")
def model(quick_pipeline, digits, tmp_path_factory):
    """Return the folder of a model, as train writes it, and an ONNX file in it."""
    folder = tmp_path_factory.mktemp("model")
    pipe = quick_pipeline(epochs=1).fit(*digits)
    save(pipe, folder / "digits.pipeline", metadata={"author": "Åsa"})
    to_onnx(pipe, folder / "digits.onnx")
    return folder


@pytest.mark.parametrize("name", ["", "digits.pipeline", "digits.onnx"])
def test_info_prints_what_read_info_reads(model, capsys, name):
    path = model / name if name else model
    assert main(["info", str(path)]) == 0
    assert capsys.readouterr().out == f"{read_info(path)}\n"
    assert main(["info", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == read_info(path).to_dict()
    assert main(["info", str(path), "--card"]) == 0
    assert capsys.readouterr().out == model_card(path)


def test_info_of_an_older_file(capsys):
    assert main(["info", str(DATA / "digits-0.6.0.pipeline")]) == 0
    out = capsys.readouterr().out
    assert "format 1" in out
    assert "mnist_estimator 0.6.0" in out
    assert "not in the file" in out


def test_json_and_card_exclude_each_other(model, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["info", str(model), "--json", "--card"])
    assert "not allowed with argument" in capsys.readouterr().err


def test_a_bad_file_gives_one_line(model, tmp_path, capsys):
    (tmp_path / "cut").write_bytes((model / "digits.pipeline").read_bytes()[:-9])
    for path, words in ((tmp_path / "cut", "cut off"), (tmp_path / "none", "there is no such")):
        assert main(["info", str(path)]) == 1
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        assert words in err


def test_info_loads_neither_tensorflow_nor_scikit_learn(model):
    """And a terminal that lacks a character gets it escaped."""
    code = (
        "import sys; from mnist_estimator.cli import main; code = main(['info', sys.argv[1]]);"
        "print([m for m in ('tensorflow', 'keras', 'sklearn', 'pandas') if m in sys.modules], code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(model)], capture_output=True, text=True, check=True,
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "[] 0"
    assert "\\xc5sa" in done.stdout
