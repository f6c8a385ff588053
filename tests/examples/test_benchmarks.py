"""The benchmark scripts: each runs on few images, and writes what it should."""

import gzip
import importlib
import importlib.util
import json
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.tree import DecisionTreeClassifier

import mnist_estimator

RUNTIMES = {"openvino": "openvino", "litert": "ai_edge_litert"}
FOLDER = Path(__file__).parents[2] / "examples" / "benchmarks"
SIZE = 200  # training images

pytestmark = pytest.mark.slow


@pytest.fixture
def script(monkeypatch):
    """Import scripts as Python has them when it runs one; forget them afterwards."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.setenv("MNIST_EXAMPLE_SIZE", str(SIZE))
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if (FOLDER / f"{name}.py").exists():
            del sys.modules[name]


@pytest.fixture
def files(tmp_path):
    """Return the options of a script that name its files, and how to look at these."""
    options = ["--csv", str(tmp_path / "a.csv"), "--page", str(tmp_path / "a.md")]
    rows = partial(pd.read_csv, tmp_path / "a.csv", comment="#")
    return options, rows, partial((tmp_path / "a.md").read_text, "utf-8")


def in_this_process(module, monkeypatch, parts):
    """Let the parts of a script run here, where TensorFlow is imported already."""

    def ask_worker(script, option, job):
        part, settings = json.loads(job)
        if "n_jobs" in settings:
            settings["n_jobs"] = 1
        return json.loads(json.dumps(parts[part](**settings)))

    monkeypatch.setattr(module, "ask_worker", ask_worker)


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer:sklearn.exceptions.ConvergenceWarning")
def test_compare(script, tmp_path, monkeypatch, capsys):
    compare = script("compare")
    monkeypatch.setattr(compare, "ask_run", partial(compare.measure, n_train=SIZE))
    monkeypatch.setattr(compare, "ask_parameters", compare.settings_of)
    command = ["--only", "neighbors", "mlp", "--epochs", "1", "--output", str(tmp_path / "a.csv")]
    command += ["--output-docs", str(tmp_path / "docs" / "a.md")]
    (tmp_path / "docs").mkdir()
    assert compare.main(command) == 0
    rows = pd.read_csv(tmp_path / "a.csv", comment="#")
    assert sorted(rows["method"]) == ["mlp", "neighbors"]
    assert rows[["accuracy", "log_loss", "fit_seconds"]].gt(0).all(axis=None)
    assert "| MLPClassifier, 1 of 200 epochs |" in capsys.readouterr().out
    assert (tmp_path / "docs" / "images" / "a.png").read_bytes().startswith(b"\x89PNG")


def test_recipe_judges_on_training_images(script, tmp_path, monkeypatch):
    recipe = script("recipe")
    tiny = {"filters": (8, 16), "kernel_size": 3, "epochs": 1, "augmentation": None}
    loaded, original = [], recipe.load_mnist

    def load_mnist(subset, return_X_y):
        loaded.append(subset)
        return original(subset, return_X_y=return_X_y)

    monkeypatch.setattr(recipe, "load_mnist", load_mnist)
    monkeypatch.setattr(recipe, "N_TRAIN", 59_900)
    monkeypatch.setattr(recipe, "RECIPES", {"tiny": tiny})
    recipe.main(["--output", str(tmp_path / "a.csv")])
    rows = pd.read_csv(tmp_path / "a.csv")
    assert rows["recipe"].tolist() == ["tiny"]
    assert rows[["accuracy", "shifted_accuracy"]].stack().between(0, 1).all()
    assert set(loaded) == {"train"}


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # of Keras
def test_prediction(script, files, tmp_path, monkeypatch):
    options, rows, page = files
    prediction = script("prediction")

    def ask_worker(script, option, job):
        part, folder, *rest = json.loads(job)
        return prediction.PARTS[part](Path(folder), *rest)

    monkeypatch.setattr(prediction, "ask_worker", ask_worker)
    onnx_only = {"ONNX Runtime": prediction.STARTS["ONNX Runtime"]}  # starts in a moment
    monkeypatch.setattr(prediction, "STARTS", onnx_only)
    commands = {prediction.IMPORT: ["-c", "import json"]}
    commands |= {name: words for name, words in prediction.COMMANDS.items() if "one" in name}
    monkeypatch.setattr(prediction, "COMMANDS", commands)
    X, y = mnist_estimator.load_mnist("train", return_X_y=True)
    pipe = mnist_estimator.make_pipeline(filters=(4, 8), epochs=1, random_state=0)
    mnist_estimator.save(pipe.fit(X[:300], y[:300]), tmp_path / "digits.pipeline")
    model = ["--model", str(tmp_path / "digits.pipeline")]
    prediction.main(
        [*model, "--images", "20", "--rounds", "1", "--calls", "50", "--rows", "9", *options]
    )
    found = rows().set_index("what")
    names = {"predict", "unchecked", "predict_proba", "predictor", "keras", "bare", "onnx"}
    alone = {"onnx_network"}
    alone |= {name for name, module in RUNTIMES.items() if importlib.util.find_spec(module)}
    assert set(found.loc["call", "name"]) == names | alone
    assert set(found.loc["other labels", "name"]) == alone
    assert found.loc[["other labels"], "share"].eq(0).all()
    assert found.loc["limit", "gflops"].gt(0).all()
    assert found.loc["call", "median_ms"].gt(0).all()
    assert set(found.loc["command", "name"]) == set(commands)
    assert "| `pipe.predict` | " in page()
    assert "The CSV file has 9 rows." in page()
    assert "| ONNX Runtime, the network alone | " in page()


def test_operations_of_a_network(script, tmp_path):
    runtimes = script("runtimes")
    network = mnist_estimator.make_pipeline(filters=(4, 8), kernel_size=3, epochs=1, random_state=0)
    X, y = mnist_estimator.load_mnist("train", return_X_y=True)
    mnist_estimator.save(network.fit(X[:300], y[:300]), tmp_path / "digits.pipeline")
    found = runtimes.operations(script("prediction").network_of(tmp_path))
    # Unpadded: 26 × 26 positions of 3 × 3 × 1 × 4, pooled, 11 × 11 of 3 × 3 × 4 × 8, pooled.
    assert found == 2 * (26**2 * 9 * 4 + 11**2 * 9 * 4 * 8 + 5 * 5 * 8 * 10)


def test_same_answers(script, tmp_path, monkeypatch, capsys):
    same = script("same_answers")
    every = same.CORRUPTIONS
    monkeypatch.setattr(same, "SETS", ["train", "test", "shear"])
    X, y = mnist_estimator.load_mnist("train", return_X_y=True)
    pipe = mnist_estimator.make_pipeline(filters=(4, 8), epochs=1, random_state=0)
    mnist_estimator.save(pipe.fit(X[:300], y[:300]), tmp_path / "digits.pipeline")
    command = ["--model", str(tmp_path / "digits.pipeline"), "--images", "30"]
    assert same.main(command) == 0
    assert "| shear | 30 | 0 | " in capsys.readouterr().out
    assert len(every) == 15

    class Other:
        predict = staticmethod(lambda X: np.full(len(X), -1))
        predict_proba = pipe.predict_proba

    monkeypatch.setattr(same, "load_predictor", lambda path: Other)
    assert same.main(command) == 1
    assert "| shear | 30 | 30 | 0.0e+00 |" in capsys.readouterr().out


def test_overhead(script, capsys):
    script("overhead").main(["--preset", "fast", "--repeats", "1"])
    shown = capsys.readouterr().out
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in shown.splitlines()]
    rows = {row[0]: row[1:] for row in cells if row}
    assert {"bare loop", "pipe.fit", "first pipe.fit"} < set(rows)
    loop, fit = float(rows["bare loop"][0]), float(rows["pipe.fit"][0])
    assert float(rows["pipe.fit"][1]) == pytest.approx(fit - loop, abs=0.011)


def test_other_data(script, tmp_path, monkeypatch, capsys):
    other = script("other_data")
    images, labels = np.zeros((200, 784), np.uint8), np.arange(200, dtype=np.uint8) % 2
    images[labels == 1, 300:500] = 200
    for part in ("train", "t10k"):
        for name, header, values in (("images-idx3", 16, images), ("labels-idx1", 8, labels)):
            with gzip.open(tmp_path / f"{part}-{name}-ubyte.gz", "wb") as file:
                file.write(bytes(header) + values.tobytes())
    monkeypatch.setattr(other, "contestants", lambda *_: [("tree", DecisionTreeClassifier)])
    other.main(["--fashion", str(tmp_path)])
    assert "Fashion-MNIST: tree | 100.00" in " ".join(capsys.readouterr().out.split())


def test_corruptions(script, tmp_path, monkeypatch, capsys):
    corruptions = script("corruptions")
    tiny = {"filters": (8, 16), "epochs": 1, "early_stopping": False}
    every = corruptions.CORRUPTIONS
    few = {name: every[name] for name in ("shot_noise", "stripe")}
    monkeypatch.setattr(corruptions, "METHODS", {"plain": tiny})
    monkeypatch.setattr(corruptions, "FIRST", ["plain"])
    monkeypatch.setattr(corruptions, "CORRUPTIONS", few)
    fields = [field for field in corruptions.FIELDS if field not in set(every) - set(few)]
    monkeypatch.setattr(corruptions, "FIELDS", fields)
    docs = tmp_path / "docs" / "page.md"
    corruptions.main(["--output", str(tmp_path / "a.csv"), "--output-docs", str(docs)])
    rows = pd.read_csv(tmp_path / "a.csv")
    assert rows[["clean", *few]].stack().between(0, 1).all()
    assert "| shot noise |" in docs.read_text("utf-8")
    assert "mean of the fifteen" in capsys.readouterr().out


def test_scaling(script, files, tmp_path, monkeypatch):
    options, rows, page = files
    scaling = script("scaling")
    in_this_process(script("measuring"), monkeypatch, scaling.PARTS)
    tiny = {"images": "20", "side": "8", "classes": "2", "filters": "0.1"}
    sizes = [word for name, value in tiny.items() for word in (f"--base-{name}", value)]
    sizes += [word for name, value in tiny.items() for word in (f"--{name}", value)]
    assert scaling.main([*sizes, *options]) == 0
    assert scaling.rows_of(rows(), "fit")[["seconds", "peak_mb"]].gt(0).all(axis=None)
    assert "| 20 |" in page()
    assert (tmp_path / "images" / "scaling.png").stat().st_size > 10_000


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Keras and scikeras
@pytest.mark.filterwarnings("ignore::UserWarning")  # of scikit-learn, on few images
def test_search(script, files, monkeypatch):
    options, rows, page = files
    search = script("search")
    in_this_process(script("measuring"), monkeypatch, search.PARTS)
    grid = {"learning_rate": [0.01], "dropout": [0.1], "filters": [(3, 4)]}
    monkeypatch.setattr(search, "GRID", grid)
    two = ("scikeras", "this package, the same work")
    monkeypatch.setattr(search, "WHO", {who: search.WHO[who] for who in two})
    command = ["--only", "grid", "memory", "--images", "120", "--epochs", "1", "--fits", "2"]
    monkeypatch.setattr(search, "STAGES", [(3, 4)])
    assert search.main([*command, *options]) == 0
    assert rows()["best_score"].dropna().between(0, 1).all()
    assert "| scikeras | " in page()


def test_larger_than_memory(script, files, monkeypatch):
    options, rows, page = files
    larger = script("larger_than_memory")
    in_this_process(script("measuring"), monkeypatch, larger.PARTS)
    monkeypatch.setattr(larger, "PIECE", 128)
    monkeypatch.setenv(larger.FOLDER, "")  # set by the script, and so unset after the test
    assert larger.main(["--mapped", "300", "--held", "200", *options]) == 0
    in_turn = rows()["part"] == larger.IN_TURN
    assert rows().loc[in_turn, "share"].gt(0).all()
    assert rows().loc[~in_turn, "seconds"].gt(0).all()
    assert "classifier, file, not cached" in page()


def test_mapped_images_belong_to_their_labels(script, tmp_path, monkeypatch):
    larger = script("larger_than_memory")
    monkeypatch.setattr(larger, "PIECE", 128)
    monkeypatch.setenv(larger.FOLDER, str(tmp_path))
    X, y = larger.images_of("file, not cached", 300)
    assert isinstance(X, np.memmap)
    means = np.asarray(X).mean(axis=(1, 2))
    np.testing.assert_array_equal(np.floor((means - 55) / 14.1), y)


def test_styles(script, tmp_path):
    styles = script("styles")
    page = tmp_path / "a.md"
    page.write_text(f"before\n\n{styles.START}\n\nold\n\n{styles.END}\n\nafter\n", encoding="utf-8")
    styles.main(["--drawn", "0", "50", "--seeds", "2", "--page", str(page)])
    text = page.read_text(encoding="utf-8")
    assert text.startswith("before")
    assert text.endswith("after\n")
    assert "old" not in text
    assert text.count("±") == 2 * 4
