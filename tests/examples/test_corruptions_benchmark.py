"""The benchmark of corrupted digits: it runs on few images, once, and its table is right."""

import importlib.util
import sys
from pathlib import Path

import pandas as pd
import pytest

FOLDER = Path(__file__).parents[2] / "examples" / "benchmarks"
SIZE = 200  # training and test images


@pytest.fixture
def corruptions(monkeypatch):
    """Return the script, which tries two tiny methods on few images and three corruptions."""
    monkeypatch.syspath_prepend(str(FOLDER))
    spec = importlib.util.spec_from_file_location("corruptions", FOLDER / "corruptions.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    tiny = {"filters": (8, 16), "epochs": 1, "early_stopping": False}
    monkeypatch.setenv("MNIST_EXAMPLE_SIZE", str(SIZE))
    monkeypatch.setattr(
        module, "METHODS", {"plain": tiny, "robust": tiny | {"augmentation": "robust"}}
    )
    monkeypatch.setattr(module, "FIRST", ["plain", "robust"])
    every = module.CORRUPTIONS
    few = {name: every[name] for name in ("shot_noise", "brightness", "stripe")}
    monkeypatch.setattr(module, "CORRUPTIONS", few)
    fields = [field for field in module.FIELDS if field not in set(every) - set(few)]
    monkeypatch.setattr(module, "FIELDS", fields)
    yield module
    for name in ("compare", "mnist_c"):
        sys.modules.pop(name, None)


def test__benchmark__run_twice__measures_once_and_writes_the_page(
    corruptions, monkeypatch, tmp_path, capsys
):
    path, docs = tmp_path / "a.csv", tmp_path / "docs" / "page.md"
    corruptions.main(["--output", str(path), "--output-docs", str(docs)])
    rows = pd.read_csv(path)
    assert rows["method"].tolist() == ["plain", "robust"]
    assert (rows["judged_on"] == "test").all()
    assert rows[["clean", "shot_noise", "brightness", "stripe"]].stack().between(0, 1).all()
    text = docs.read_text("utf-8")
    assert "| shot noise |" in text
    assert "200 test images" in text
    assert (docs.parent / "images" / "corruptions.png").stat().st_size > 10_000

    monkeypatch.setattr(corruptions, "measure", None)  # called, it would raise
    corruptions.main(["--output", str(path)])
    assert len(pd.read_csv(path)) == 2
    assert "mean of the fifteen" in capsys.readouterr().out


def test__benchmark__held_out__loads_no_test_images(corruptions, monkeypatch):
    loaded = []

    def load_mnist(subset, return_X_y):
        loaded.append(subset)
        return original(subset, return_X_y=return_X_y)

    original = corruptions.load_mnist
    monkeypatch.setattr(corruptions, "load_mnist", load_mnist)
    X, y, images, labels = corruptions.data(True, 50_000)
    assert loaded == ["train"]
    assert (len(X), len(y)) == (50_000, 50_000)
    assert (images.shape, len(labels)) == ((10_000, 28, 28), 10_000)


def test__benchmark__table__has_means_over_corruptions_and_seeds(corruptions):
    row = dict.fromkeys(corruptions.FIELDS, 0) | {"method": "plain", "clean": 1.0}
    rows = [
        row | {"seed": 0, "shot_noise": 0.9, "brightness": 0.6, "stripe": 0.6},
        row | {"seed": 1, "shot_noise": 0.8, "brightness": 0.7, "stripe": 0.9},
    ]
    table = corruptions.table(pd.DataFrame(rows))
    assert table.columns.tolist() == ["plain"]
    assert table.loc["clean", "plain"] == "100.00 ± 0.00"
    assert table.loc["shot noise", "plain"] == "85.00 ± 7.07"
    assert table.loc["mean of the fifteen", "plain"] == "75.00 ± 7.07"


def test__benchmark__nothing_there__says_how_to_make_it(corruptions, tmp_path, capsys):
    with pytest.raises(SystemExit):
        corruptions.main(["--table", "--output", str(tmp_path / "none.csv")])
    assert "run without --table to make them" in capsys.readouterr().err
