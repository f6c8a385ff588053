"""The benchmarks: each method runs, on few images; nothing runs twice; the numbers are right."""

import dataclasses
import gzip
import importlib.util
import io
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from sklearn.metrics import accuracy_score, f1_score, log_loss
from sklearn.tree import DecisionTreeClassifier

import mnist_estimator

FOLDER = Path(__file__).parents[2] / "examples" / "benchmarks"
SIZE = 200  # training images
COMPARE = ["compare", "comparison", "methods", "reporting", "workers"]  # modules of the script


def load(name):
    """Return a script as a module."""
    if str(FOLDER) not in sys.path:  # as Python has it when it runs the script
        sys.path.append(str(FOLDER))
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def compare():
    """Return the script that compares."""
    yield load("compare")
    for name in COMPARE:
        del sys.modules[name]


@pytest.fixture(scope="module")
def parts(compare):
    """Return the modules of that script by their names."""
    return {name: sys.modules[name] for name in COMPARE}


@pytest.fixture(scope="module")
def recipe():
    """Return the script that tries recipes."""
    yield load("recipe")
    del sys.modules["recipe"]


@pytest.fixture
def few_images(monkeypatch):
    """Let the scripts train on few images."""
    monkeypatch.setenv("MNIST_EXAMPLE_SIZE", str(SIZE))


# -- compare.py: the methods ------------------------------------------------------------

SCIKIT_LEARN = ["mlp", "svc", "boosting", "neighbors"]
OTHERS = ["fast", "keras", "scikeras", "torch"]
"""Those that change settings of a process, or whose import takes long."""


def check_row(compare, row, name):
    assert list(row) == compare.FIELDS
    assert (row["method"], row["seed"], row["n_train"]) == (name, 0, SIZE)
    assert 0 < row["accuracy"] < 1
    assert 0 < row["added_mb"] < row["peak_mb"]
    measured = ["fit_seconds", "cpu_seconds", "images_per_second"]
    assert all(row[field] > 0 for field in measured)
    in_epochs = compare.METHODS[name].in_epochs
    assert row["epochs_run"] == (1 if in_epochs else None)
    has_proba = name != "svc"
    assert (row["log_loss"] is not None) == (row["ece"] is not None) == has_proba


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer:sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", SCIKIT_LEARN)
def test__method__of_scikit_learn__is_measured(compare, name):
    method = compare.METHODS[name]
    if method.in_epochs:
        method = dataclasses.replace(method, epochs=1)
    check_row(compare, compare.measure(method, 0, SIZE), name)


@pytest.mark.parametrize("name", OTHERS)
def test__method__in_a_process_of_its_own__is_measured(compare, name, few_images):
    method = dataclasses.replace(compare.METHODS[name], epochs=1)
    if method.missing:
        pytest.skip(f"{method.missing} not installed")
    row = compare.ask_run(method, 0)
    check_row(compare, row, name)
    # Else a run would never count as done.
    assert row["parameters"] == compare.settings_of(method)


def test__methods__are_all_tried_here(compare):
    presets = {"fast", "balanced", "accurate"}  # one stands for all
    assert {*SCIKIT_LEARN, *OTHERS} | presets == set(compare.METHODS)


@pytest.mark.parametrize("preset", ["fast", "balanced", "accurate"])
def test__parameters__of_ours__hold_defaults_and_version(compare, parts, preset, capsys):
    assert compare.main(["--parameters", preset]) == 0
    settings = json.loads(json.loads(capsys.readouterr().out))
    assert settings["version"] == mnist_estimator.__version__
    assert settings["random_state"] is None
    expected = parts["methods"].make_ours(preset, 3, None)[-1].get_params()
    assert settings["epochs"] == expected["epochs"]
    assert {*settings} == {*expected, "version"}


def test__keras__has_the_size_of_its_example(parts):
    assert parts["methods"].keras_network().count_params() == 34_826


def test__torch__has_the_size_of_its_example(parts):
    if parts["methods"].METHODS["torch"].missing:
        pytest.skip("torch is not installed")
    # In a process of its own: other tests of this process take torch for not imported.
    code = f"import runpy, sys; sys.path.append({str(FOLDER)!r}); "
    code += f"make = runpy.run_path({parts['methods'].__file__!r})['torch_network']; "
    code += "print(sum(parameter.numel() for parameter in make().parameters()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "1199882", done.stderr


def test__quality__agrees_with_scikit_learn(compare):
    generator = np.random.default_rng(0)
    proba = generator.dirichlet(np.ones(10), 500)
    y_true, y_pred = generator.integers(0, 10, 500), proba.argmax(axis=1)
    found = compare.quality(y_true, y_pred, proba)
    by_class = f1_score(y_true, y_pred, average=None)
    assert found["accuracy"] == pytest.approx(accuracy_score(y_true, y_pred), abs=1e-6)
    weighted = f1_score(y_true, y_pred, average="weighted")
    assert found["weighted_f1"] == pytest.approx(weighted, abs=1e-6)
    assert [found["f1_of_1"], found["f1_of_2"]] == pytest.approx(by_class[1:3], abs=1e-6)
    assert found["log_loss"] == pytest.approx(log_loss(y_true, proba), abs=1e-6)
    bins = np.ceil(proba.max(axis=1) * 15)
    gaps = pd.DataFrame({"bin": bins, "gap": (y_true == y_pred) - proba.max(axis=1)})
    assert found["ece"] == pytest.approx(
        gaps.groupby("bin")["gap"].sum().abs().sum() / 500, abs=1e-6
    )
    without = compare.quality(y_true, y_pred, None)
    assert without == found | {"log_loss": None, "ece": None}


def test__memory__highest_so_far__is_not_below_that_of_now(compare):
    now, highest = compare.memory()
    assert 10 < now <= highest


# -- compare.py: the runs ---------------------------------------------------------------


def made_row(compare, name, seed=0, **changed):
    """Return a line of the CSV file as a run would."""
    epochs = compare.METHODS[name].epochs
    row = {"method": name, "seed": seed, "n_train": compare.training_size(), "epochs": epochs}
    row |= dict.fromkeys(sys.modules["comparison"].MEASURES, 0.9)
    row |= {"fit_seconds": 10.0, "epochs_run": epochs}
    return row | {"parameters": "{}"} | changed


@pytest.fixture
def answers(compare, monkeypatch):
    """Answer for the workers; return the runs asked for, and what to raise instead."""
    asked, errors = [], {}

    def ask_run(method, seed):
        asked.append((method.name, seed))
        if (method.name, seed) in errors:
            raise errors[method.name, seed]
        changed = {"epochs": method.epochs, "parameters": compare.ask_parameters(method)}
        return made_row(compare, method.name, seed, **changed)

    monkeypatch.setattr(compare, "ask_run", ask_run)
    monkeypatch.setattr(compare, "ask_parameters", compare.settings_of)
    return asked, errors


def test__trial__from_the_command_line__is_not_repeated(
    compare, few_images, monkeypatch, tmp_path, capsys
):
    paths = ["--output", str(tmp_path / "a.csv"), "--output-docs", str(tmp_path / "docs" / "a.md")]
    (tmp_path / "docs").mkdir()
    command = ["--only", "neighbors", "mlp", "--epochs", "1", *paths]
    assert compare.main(command) == 0
    first, header, *rows = (tmp_path / "a.csv").read_text("utf-8").splitlines()
    assert first.startswith("# ")
    assert header == ",".join(compare.FIELDS)
    assert sorted(row.split(",")[0] for row in rows) == ["mlp", "neighbors"]
    table = capsys.readouterr().out
    assert "| MLPClassifier, 1 of 200 epochs |" in table
    page = (tmp_path / "docs" / "a.md").read_text("utf-8")
    assert first.removeprefix("# ") in " ".join(page.split())
    assert table.strip() in page
    assert (tmp_path / "docs" / "images" / "a.png").read_bytes().startswith(b"\x89PNG")

    monkeypatch.setattr(compare, "ask_run", None)  # asked, it would raise
    assert compare.main(command) == 0
    assert capsys.readouterr().out == table


def test__runs__go_seed_by_seed(compare, answers, few_images, tmp_path):
    asked, _ = answers
    names, output = ["fast", "keras", "svc"], tmp_path / "a.csv"
    assert compare.main(["--only", *names, "--output", str(output)]) == 0
    assert [seed for _, seed in asked] == sorted(seed for _, seed in asked)
    assert asked[:5] == [("fast", 0), ("keras", 0), ("svc", 0), ("fast", 1), ("keras", 1)]
    assert len(asked) == 10 + 3 + 1
    assert compare.main(["--only", "svc", "--seeds", "0", "5", "--output", str(output)]) == 0
    assert asked[14:] == [("svc", 5)]


def test__runs__other_size_epochs_or_parameters__are_run_again(
    compare, answers, monkeypatch, tmp_path
):
    asked, _ = answers
    if compare.METHODS["torch"].missing:
        monkeypatch.setattr(compare.Method, "missing", [])
    base = ["--output", str(tmp_path / "a.csv"), "--output-docs", str(tmp_path / "a.md")]
    for arguments in (["--only", "torch"], ["--only", "torch", "--epochs-torch", "14"]):
        compare.main([*arguments, *base])
        compare.main([*arguments, *base])
    assert len(asked) == 2
    monkeypatch.setenv("MNIST_EXAMPLE_SIZE", str(SIZE))
    compare.main(["--only", "torch", *base])
    assert len(asked) == 3
    monkeypatch.setattr(compare, "ask_parameters", lambda method: "other")
    compare.main(["--only", "torch", *base])
    assert len(asked) == 4
    assert len((tmp_path / "a.csv").read_text("utf-8").splitlines()) == 2 + 4


def test__run__failed__others_go_on(compare, answers, few_images, tmp_path, capsys):
    asked, errors = answers
    errors["mlp", 0] = compare.RunError("MemoryError: [too] much")
    command = ["--only", "mlp", "svc", "--output", str(tmp_path / "a.csv")]
    assert compare.main(command) == 1
    assert asked == [("mlp", 0), ("svc", 0)]
    captured = capsys.readouterr()
    assert "Failed: MLPClassifier, seed 0: MemoryError: [too] much" in captured.err
    assert "| SVC |" in captured.out
    errors.clear()
    assert compare.main(command) == 0
    assert asked[2:] == [("mlp", 0)]


def test__ctrl_c__keeps_what_is_done(compare, answers, few_images, tmp_path, capsys):
    _, errors = answers
    errors["svc", 0] = KeyboardInterrupt()
    path = tmp_path / "a.csv"
    assert compare.main(["--only", "mlp", "svc", "--output", str(path)]) == 130
    assert compare.read(path)["method"].tolist() == ["mlp"]
    assert "the same command goes on" in capsys.readouterr().err


def test__peer__not_installed__is_no_failure(
    compare, answers, few_images, monkeypatch, tmp_path, capsys
):
    for name in ("torch", "scikeras"):
        absent = dataclasses.replace(compare.METHODS[name], needs=("sys", "no_such_module"))
        monkeypatch.setitem(compare.METHODS, name, absent)
    command = ["--only", "torch", "scikeras", "--output", str(tmp_path / "a.csv")]
    assert compare.main(command) == 0
    said = capsys.readouterr().err
    assert "PyTorch's example, 3 of 14 epochs: no_such_module not installed" in said
    assert "scikeras, the same network: no_such_module not installed" in said
    assert not (tmp_path / "a.csv").exists()


def test__progress__in_a_terminal__names_run_and_time(compare, answers, few_images, tmp_path):
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    runs = [(compare.METHODS["svc"], 0), (compare.METHODS["svc"], 1)]
    compare.prepare(tmp_path / "a.csv")
    assert compare.run_all(runs, tmp_path / "a.csv", console) == []
    shown = console.file.getvalue()
    assert "svc, seed 1" in shown
    assert "min left" in shown or "s left" in shown


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise MemoryError('what was not there')", "MemoryError: what was not there"),
        ("", "it said nothing"),
        ("import os, signal; os.kill(os.getpid(), 9)", "ended by signal 9"),
    ],
)
def test__worker__that_ends_early__says_why(parts, tmp_path, code, reason):
    if "kill" in code and os.name == "nt":
        pytest.skip("no signals")
    script = tmp_path / "worker.py"
    script.write_text(code, encoding="utf-8")
    with pytest.raises(parts["workers"].RunError, match=f"^{reason}$"):
        parts["workers"].ask_worker(script, "--worker", "svc", "0")


def test__worker__sees_no_gpu_and_is_quiet(parts, tmp_path):
    names = ["TF_CPP_MIN_LOG_LEVEL", "CUDA_VISIBLE_DEVICES", "KERAS_BACKEND"]
    code = f"import json, os; print('noise'); print(json.dumps([os.environ[n] for n in {names}]))"
    script = tmp_path / "worker.py"
    script.write_text(code, encoding="utf-8")
    before = {name: os.environ.get(name) for name in names}
    assert parts["workers"].ask_worker(script) == ["3", "-1", "tensorflow"]
    assert before == {name: os.environ.get(name) for name in names}


THEN = "A processor, 2 cores; mnist_estimator 0.1, Keras 3.1, PyTorch not installed; 2026-01-01"


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (THEN, True),
        (THEN.replace("2026", "2027"), True),
        (THEN.replace("0.1", "0.2"), True),
        (THEN.replace("PyTorch not installed", "PyTorch 2.13.0+cpu"), True),
        (THEN.replace("Keras 3.1", "Keras 3.2"), False),
        (THEN.replace("2 cores", "4 cores"), False),
    ],
)
def test__descriptions__of_two_days__are_compared(compare, now, expected):
    assert compare.is_comparable(THEN, now) == expected
    assert not compare.is_comparable("method,seed", now)


def test__file__of_another_machine__is_refused_and_left(
    compare, parts, answers, few_images, monkeypatch, tmp_path
):
    path = tmp_path / "a.csv"
    command = ["--only", "svc", "--output", str(path)]
    assert compare.main(command) == 0
    before = path.read_text("utf-8")
    machine = parts["reporting"].machine()
    monkeypatch.setattr(parts["reporting"], "machine", lambda: "an abacus")
    with pytest.raises(SystemExit, match="Remove it, or write to another file with --output"):
        compare.main([*command, "--seeds", "1"])
    assert path.read_text("utf-8") == before
    monkeypatch.setattr(parts["reporting"], "machine", lambda: machine)
    monkeypatch.setattr(parts["reporting"], "__version__", "9.9")
    assert compare.main([*command, "--seeds", "1"]) == 0
    first, *lines = path.read_text("utf-8").splitlines()
    assert "mnist_estimator 9.9" in first
    assert lines[:2] == before.splitlines()[1:]
    assert len(lines) == 3


def test__page__by_default__is_of_whole_runs_only(compare, monkeypatch):
    monkeypatch.delenv("MNIST_EXAMPLE_SIZE", raising=False)
    assert compare.parse([]).output_docs == FOLDER.parents[1] / "docs" / "benchmark.md"
    assert compare.parse(["--table"]).output_docs is None
    assert compare.parse(["--epochs", "1"]).output_docs is None
    monkeypatch.setenv("MNIST_EXAMPLE_SIZE", str(SIZE))
    assert compare.parse([]).output_docs is None


# -- compare.py: table, page and picture ------------------------------------------------

PLAUSIBLE = {
    "fast": (99.25, 0.06, 8.0),
    "balanced": (99.65, 0.03, 55.0),
    "accurate": (99.75, 0.02, 540.0),
    "keras": (99.1, 0.07, 200.0),
    "scikeras": (99.1, 0.0, 205.0),
    "torch": (98.9, 0.0, 180.0),
    "mlp": (98.1, 0.0, 40.0),
    "svc": (98.3, 0.0, 200.0),
    "boosting": (98.1, 0.0, 60.0),
    "neighbors": (97.05, 0.0, 0.1),
}
"""Accuracy and its spread in percent, and seconds, of each method."""


@pytest.fixture
def plausible(compare, monkeypatch):
    """Return the summary of plausible runs."""
    monkeypatch.delenv("MNIST_EXAMPLE_SIZE", raising=False)
    rows = []
    for name, (accuracy, sd, seconds) in PLAUSIBLE.items():
        shifts = (-sd, 0, sd) if sd else (0,)
        for seed, shift in enumerate(shifts):
            right = (accuracy + shift) / 100
            row = made_row(compare, name, seed, accuracy=right, fit_seconds=seconds + seed)
            rows.append(row | ({"log_loss": np.nan, "ece": np.nan} if name == "svc" else {}))
    runs = pd.DataFrame(rows).astype({"epochs": "Int64"})
    return compare.summarize(runs, compare.METHODS.values(), compare.N_TRAIN)


def test__summary__of_made_runs__has_mean_spread_and_share(compare, plausible):
    assert plausible.index.tolist() == list(compare.METHODS)
    for name, (accuracy, sd, seconds) in PLAUSIBLE.items():
        row = plausible.loc[name]
        several = sd > 0
        assert row["accuracy", "mean"] == pytest.approx(accuracy / 100)
        assert row["seeds", "count"] == (3 if several else 1)
        assert row["share", "mean"] == pytest.approx((seconds + several) / 201)
        if several:
            assert row["accuracy", "std"] == pytest.approx(sd / 100)
        else:
            assert np.isnan(row["accuracy", "std"])


def test__summary__several_sizes_epochs_and_parameters__takes_the_last(compare):
    rows = [
        made_row(compare, "mlp", n_train=60_000, accuracy=0.1),
        made_row(compare, "mlp", n_train=60_000, accuracy=0.3, parameters="new"),
        made_row(compare, "mlp", 1, n_train=60_000, accuracy=0.5, parameters="new"),
        made_row(compare, "mlp", n_train=100, accuracy=0.9),
        made_row(compare, "mlp", n_train=60_000, epochs=1, accuracy=0.9),
        made_row(compare, "svc", n_train=60_000, accuracy=0.7),
    ]
    runs = pd.DataFrame(rows).astype({"epochs": "Int64"})
    summary = compare.summarize(runs, compare.METHODS.values(), 60_000)
    assert summary["accuracy", "mean"].to_dict() == pytest.approx({"mlp": 0.4, "svc": 0.7})
    assert summary["share", "mean"].isna().all()  # there is no run of Keras's example
    main, _ = compare.tables(summary, {"mlp": "MLP", "svc": "SVC"})
    assert main["fit ÷ Keras's"].tolist() == ["–", "–"]


def test__page__of_made_runs__says_what_was_measured(compare, parts, plausible):
    methods = compare.METHODS
    text = parts["comparison"].page(plausible, methods, 60_000, "A processor", "images/a.png")
    _, _, first, _, how, *_ = text.splitlines()
    assert first == "A processor."
    assert how.startswith("Measured by `python examples/benchmarks/compare.py` on 60,000 training")
    lines = {line.split(" | ")[0]: line.split(" | ")[1:] for line in text.splitlines()}
    # The table of what else was measured comes later, and has the same labels.
    table = text.partition("Mean ±")[0].splitlines()
    cells = {line.split(" | ")[0]: line.strip(" |").split(" | ")[1:] for line in table}
    assert cells['| make_pipeline("balanced")'][:2] == ["99.65 ± 0.03", "3"]
    assert cells['| make_pipeline("balanced")'][4:6] == ["56.0 ± 1.0", "0.28"]
    assert cells["| SVC"][:4] == ["98.30", "1", "–", "–"]
    assert cells["| KNeighborsClassifier(3)"][4:6] == ["0.1", "0.0005"]
    assert "| PyTorch's example, 3 of 14 epochs" in cells
    assert "![Test accuracy against seconds of the fit](images/a.png)" in lines
    assert "Not run" not in text
    assert text.count("- SVC: scikit-learn's, RBF kernel") == 1
    part = parts["comparison"].page(
        plausible.drop(index=["torch", "svc"]), methods, 60_000, "A", "b"
    )
    assert "Not run: PyTorch's example, 3 of 14 epochs; SVC.\n" in part


def test__picture__of_made_runs__has_the_numbers_and_room_for_them(compare, parts, plausible):
    labels = {name: method.label for name, method in compare.METHODS.items()}
    figure = parts["comparison"].draw(plausible, labels)
    (ax,) = figure.axes
    figure.draw_without_rendering()
    ours, others = (container.lines[0] for container in ax.containers)
    expected = [(seconds + (sd > 0), 100 - a) for a, sd, seconds in PLAUSIBLE.values()]
    np.testing.assert_allclose(ours.get_xydata(), expected[:3], rtol=1e-9)
    np.testing.assert_allclose(others.get_xydata(), expected[3:], rtol=1e-9)
    assert (ours.get_color(), ours.get_linestyle()) == (parts["comparison"].TRAINING_COLOR, "-")
    low, high = ax.get_ylim()
    ticks = zip(ax.get_yticks(), ax.get_yticklabels(), strict=True)
    shown = [label.get_text() for tick, label in ticks if high <= tick <= low]
    assert shown == ["97", "98", "99", "99.5", "99.7", "99.8"]

    texts = {text.get_text(): text.get_window_extent() for text in ax.texts}
    assert sorted(texts) == sorted(labels.values())
    for (one, box), (two, other) in itertools.combinations(texts.items(), 2):
        assert not box.overlaps(other), (one, two)
    points = ax.transData.transform([*ours.get_xydata(), *others.get_xydata()])
    for label, box in texts.items():
        assert box.count_contains(points) == 0, label
        assert ax.bbox.fully_contains(*box.min), label
        assert ax.bbox.fully_contains(*box.max), label


def test__picture__no_mistake_at_all__is_drawn_all_the_same(compare, parts):
    rows = [made_row(compare, "svc", n_train=60_000, accuracy=1.0)]
    runs = pd.DataFrame(rows).astype({"epochs": "Int64"})
    summary = compare.summarize(runs, compare.METHODS.values(), 60_000)
    (ax,) = parts["comparison"].draw(summary, {"svc": "SVC"}).axes
    _, others = (container.lines[0] for container in ax.containers)
    assert others.get_ydata().tolist() == [parts["comparison"].ONE_IMAGE]


def test__table__without_runs__says_so(compare, few_images, tmp_path, capsys):
    assert compare.main(["--table", "--output", str(tmp_path / "none.csv")]) == 1
    assert "has no runs to show" in capsys.readouterr().err


# -- recipe.py --------------------------------------------------------------------------


@pytest.fixture
def tiny_recipes(recipe, few_images, monkeypatch):
    """Let the script try two tiny recipes, judged on few images; never on test images."""
    tiny = {"filters": (8, 16), "kernel_size": 3, "epochs": 1, "augmentation": None}
    loaded = []

    def load_mnist(subset, return_X_y):
        loaded.append(subset)
        X, y = original(subset, return_X_y=return_X_y)
        return X, y

    original = recipe.load_mnist
    monkeypatch.setattr(recipe, "load_mnist", load_mnist)
    monkeypatch.setattr(recipe, "N_TRAIN", 59_900)
    monkeypatch.setattr(recipe, "RECIPES", {"tiny": tiny, "two epochs": tiny | {"epochs": 2}})
    yield recipe
    assert set(loaded) <= {"train"}


def test__recipe__tried__is_written_and_not_run_again(tiny_recipes, monkeypatch, tmp_path):
    path = tmp_path / "a.csv"
    tiny_recipes.main(["--output", str(path)])
    rows = pd.read_csv(path)
    assert list(rows.columns) == tiny_recipes.FIELDS
    assert rows["recipe"].tolist() == ["tiny", "two epochs"]
    assert rows["n_train"].tolist() == [SIZE, SIZE]
    assert [json.loads(text)["epochs"] for text in rows["parameters"]] == [1, 2]
    assert rows[["accuracy", "shifted_accuracy"]].stack().between(0, 1).all()
    assert (rows[["log_loss", "shifted_log_loss", "fit_seconds"]] > 0).all(axis=None)

    monkeypatch.setattr(tiny_recipes, "try_recipe", None)  # called, it would raise
    tiny_recipes.main(["--output", str(path)])
    assert len(pd.read_csv(path)) == 2


@pytest.mark.parametrize(("learn", "n_held"), [(59_993, 7), (59_989, 11)])
def test__recipe__other_images_learned__is_judged_on_the_others(
    learn, n_held, tiny_recipes, tmp_path
):
    path = tmp_path / "a.csv"
    tiny_recipes.main(["--output", str(path), "--only", "tiny", "--learn", str(learn)])
    found = pd.read_csv(path)
    assert found["n_judged"].tolist() == [n_held]
    right = found["accuracy"] * n_held
    assert right.item() == pytest.approx(round(right.item()), abs=1e-3)
    assert 0 < right.item() < n_held


def test__recipe__changed__is_another_one(tiny_recipes, monkeypatch, tmp_path):
    path, tried = tmp_path / "a.csv", []

    def try_recipe(name, seed, n_train, first_held):
        tried.append((name, seed))
        row = dict.fromkeys(tiny_recipes.FIELDS, 0.5) | {"recipe": name, "seed": seed}
        row |= {"n_train": n_train, "n_judged": 60_000 - first_held}
        return row | {"parameters": tiny_recipes.parameters_of(name)}

    monkeypatch.setattr(tiny_recipes, "try_recipe", try_recipe)
    command = ["--output", str(path), "--only", "tiny", "--seeds", "0", "1"]
    tiny_recipes.main(command)
    tiny_recipes.main(command)
    assert tried == [("tiny", 0), ("tiny", 1)]
    monkeypatch.setitem(tiny_recipes.RECIPES, "tiny", {"epochs": 3})
    tiny_recipes.main(command)
    assert len(tried) == 4
    # As many images learned, but other ones to judge.
    tiny_recipes.main([*command, "--learn", "59000"])
    assert len(tried) == 6


def test__recipes__table__has_mean_and_spread_of_whole_runs(tiny_recipes, tmp_path):
    row = dict.fromkeys(tiny_recipes.FIELDS, 0.5) | {"recipe": "tiny", "n_train": 59_900}
    row |= {"n_judged": 100, "parameters": tiny_recipes.parameters_of("tiny")}
    rows = [
        row | {"seed": 0, "accuracy": 0.98},
        row | {"seed": 1, "accuracy": 0.99},
        row | {"seed": 2, "accuracy": 0.1, "n_train": SIZE},
        row | {"seed": 3, "accuracy": 0.1, "parameters": "other"},
        row | {"seed": 4, "accuracy": 0.1, "n_judged": 30_000},
        row | {"recipe": "forgotten"},
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "a.csv", index=False)
    table = tiny_recipes.table(tmp_path / "a.csv", 59_900, 100)
    assert table.index.tolist() == ["tiny"]
    assert table.loc["tiny", "accuracy %"] == "98.50 ± 0.71"
    assert table.loc["tiny", "log loss"] == "0.5000 ± 0.0000"
    assert table.loc["tiny", "seeds"] == 2


def test__recipes__all__are_parameters_of_the_classifier(recipe):
    texts = [recipe.parameters_of(name) for name in recipe.RECIPES]
    assert all("learning_rate" in text for text in texts)


def test__recipes__no_file__says_how_to_make_it(recipe, tmp_path, capsys):
    with pytest.raises(SystemExit):
        recipe.main(["--table", "--output", str(tmp_path / "none.csv")])
    assert "run without --table to make it" in capsys.readouterr().err


def test__recipes__results_that_ship__can_be_read(recipe):
    path = FOLDER / "recipe.csv"
    assert list(pd.read_csv(path, nrows=1).columns) == recipe.FIELDS
    shown = recipe.table(path, recipe.N_TRAIN, 10_000).index
    assert len(shown)
    assert set(shown) <= set(recipe.RECIPES)


# -- prediction.py ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def prediction():
    """Return the script that times predictions."""
    yield load("prediction")
    del sys.modules["prediction"]


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # of Keras
def test__prediction__measures_each_way_and_writes_a_page(prediction, tmp_path):
    X, y = mnist_estimator.load_mnist("train", return_X_y=True)
    pipe = mnist_estimator.make_pipeline(filters=(4, 8), epochs=1, random_state=0)
    model = tmp_path / "digits.pipeline"
    mnist_estimator.save(pipe.fit(X[:300], y[:300]), model)
    files = {name: tmp_path / f"found.{name}" for name in ("csv", "page")}
    options = [f"--{name}={path}" for name, path in files.items()]
    prediction.main([f"--model={model}", "--images=20", "--rounds=1", "--calls=50", *options])
    described, *_ = files["csv"].read_text("utf-8").splitlines()
    found = pd.read_csv(files["csv"], comment="#").set_index("what")
    times = found.loc["call"]
    expected = {"predict", "unchecked", "predict_proba", "keras", "bare", "onnx"}
    assert set(zip(times["name"], times["images"], strict=True)) == set(
        itertools.product(expected, (1, 20))
    )
    assert (times["median_ms"] > 0).all()
    starts = found.loc["start", "name"]
    programs = ("pipeline", "Keras", "ONNX Runtime")
    assert set(starts) == {f"{p}: {part}" for p in programs for part in ("import", "load", "first")}
    assert (found.loc["peak", "mb"] > 30).all()
    page = files["page"].read_text("utf-8")
    assert described.removeprefix("# ") in " ".join(page.split())
    mean = times[(times["name"] == "predict") & (times["images"] == 1)]["mean_ms"].item()
    assert f"| `pipe.predict` | {mean:,.2f} |" in page


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # of Keras
def test__prediction__the_calls_that_are_compared_give_the_same(prediction, tmp_path):
    X, y = mnist_estimator.load_mnist("train", return_X_y=True)
    pipe = mnist_estimator.make_pipeline(
        filters=(4, 8), epochs=1, test_time_shift=0, random_state=0
    )
    mnist_estimator.save(pipe.fit(X[:300], y[:300]), tmp_path / "a.pipeline")
    prediction.prepare(tmp_path, tmp_path / "a.pipeline")
    probabilities = pipe.predict_proba(X[:300])
    scaled = (X[:300] / 255).astype(np.float32).reshape(-1, 28, 28, 1)
    calls = prediction.calls(tmp_path)
    found = {name: call(scaled if scales else X[:300]) for name, (call, scales) in calls.items()}
    np.testing.assert_allclose(found["predict_proba"], probabilities, atol=1e-6)
    np.testing.assert_array_equal(found["predict"], probabilities.argmax(axis=1))
    for logits in (found["keras"], np.concatenate(found["bare"])):
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares = powers / powers.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(shares, probabilities, atol=1e-5)
    np.testing.assert_allclose(found["onnx"][1], probabilities, atol=1e-5)


# -- overhead.py ------------------------------------------------------------------------


def test_overhead_takes_the_same_steps_in_turn(few_images, capsys):
    overhead = load("overhead")
    overhead.main(["--preset", "fast", "--repeats", "1"])
    shown = capsys.readouterr().out
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in shown.splitlines()]
    rows = {row[0]: row[1:] for row in cells if row}
    assert {"bare loop", "pipe.fit", "first pipe.fit"} < set(rows)
    assert rows["bare loop"][1:] == ["+0.00", "+0.0", "1"]
    loop, fit = float(rows["bare loop"][0]), float(rows["pipe.fit"][0])
    assert float(rows["pipe.fit"][1]) == pytest.approx(fit - loop, abs=0.011)


# -- other_data.py ----------------------------------------------------------------------


def test_other_data_come_from_three_places(few_images, tmp_path, monkeypatch, capsys):
    other = load("other_data")
    images, labels = np.zeros((200, 784), np.uint8), np.arange(200, dtype=np.uint8) % 2
    images[labels == 1, 300:500] = 200
    for part in ("train", "t10k"):
        for name, header, values in (("images-idx3", 16, images), ("labels-idx1", 8, labels)):
            with gzip.open(tmp_path / f"{part}-{name}-ubyte.gz", "wb") as file:
                file.write(bytes(header) + values.tobytes())
    names = [name for name, _ in other.contestants(other.fashion(tmp_path), ["fast", "accurate"])]
    assert names[:4] == ["fast", "fast, not augmented", "accurate", "accurate, not augmented"]
    # The presets would take minutes, and other tests have them.
    monkeypatch.setattr(other, "contestants", lambda *_: [("tree", DecisionTreeClassifier)])
    other.main(["--fashion", str(tmp_path)])
    lines = [line.split("|")[1:3] for line in capsys.readouterr().out.splitlines() if "|" in line]
    accuracy = {name.strip(): float(cell) for name, cell in lines[2:]}
    assert list(accuracy) == [
        "scikit-learn's digits: tree", "digits in colour: tree", "Fashion-MNIST: tree"
    ]  # fmt: skip
    assert accuracy["Fashion-MNIST: tree"] == 100.0
    assert accuracy["scikit-learn's digits: tree"] > 50


def test_coloured_digits_can_be_told_from_their_ground():
    data = load("other_data").coloured()
    assert data.X.shape == (10_000, 32 * 32 * 3)
    assert data.X_test.shape == (5000, 32 * 32 * 3)
    spread = np.ptp(data.X[:500].reshape(500, -1, 3).astype(int), axis=1).max(axis=1)
    assert spread.min() > 50
