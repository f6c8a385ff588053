"""The benchmarks of searches, of scaling and of large files: each runs, and computes rightly."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

FOLDER = Path(__file__).parents[2] / "examples" / "benchmarks"


@pytest.fixture(scope="module")
def scripts():
    """Return the three scripts as modules."""
    sys.path.append(str(FOLDER))  # as Python has it when it runs one of them
    names = ("measuring", "scaling", "search", "larger_than_memory")
    yield {name: importlib.import_module(name) for name in names}
    for name in names:
        del sys.modules[name]
    sys.path.remove(str(FOLDER))


@pytest.fixture
def in_this_process(scripts, monkeypatch):
    """Let the parts of a script run here, where TensorFlow is imported already."""
    asked = []

    def ask_worker(script, _, job):
        part, settings = json.loads(job)
        asked.append(part)
        if "n_jobs" in settings:
            settings["n_jobs"] = 1
        return json.loads(json.dumps(scripts[script.stem].PARTS[part](**settings)))

    monkeypatch.setattr(scripts["measuring"], "ask_worker", ask_worker)
    return asked


def cells_of(page):
    """Return the cells of the tables on a page, by the label of the row."""
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("|")]
    return {label: cells for label, *cells in rows}


# -- scaling.py -------------------------------------------------------------------------

TINY = ["--images", "30", "--side", "8", "--classes", "2", "--filters", "0.1"]
TINY += ["--base-images", "20", "--base-side", "8", "--base-classes", "2", "--base-filters", "0.1"]


def test__scaling__in_processes__writes_rows_page_and_figure(scripts, tmp_path, monkeypatch):
    scaling, page = scripts["scaling"], tmp_path / "a.md"
    command = [*TINY, "--csv", str(tmp_path / "a.csv"), "--page", str(page)]
    assert scaling.main(command) == 0
    found = scaling.rows_of(pd.read_csv(tmp_path / "a.csv", skiprows=1), "fit")
    assert found["images"].tolist() == [20, 30]
    assert (found[["compile_seconds", "seconds", "peak_mb"]] > 0).all(axis=None)
    described = (tmp_path / "a.csv").read_text("utf-8").splitlines()[0].removeprefix("# ")
    assert f"{described}." in " ".join(page.read_text("utf-8").split())
    assert (tmp_path / "images" / "scaling.png").stat().st_size > 10_000

    monkeypatch.setattr(scripts["measuring"], "ask_worker", None)  # called, it would raise
    assert scaling.main(command) == 0
    with pytest.raises(TypeError):
        scaling.main([*command, "--images", "31"])


def test__rows__of_another_machine__are_refused(scripts, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("# Another; Python 3.11.7; 2026-01-01\npart,settings\n", "utf-8")
    with pytest.raises(SystemExit, match="another machine"):
        scripts["scaling"].main([*TINY, "--csv", str(path), "--page", str(tmp_path / "a.md")])


def test__part__failing__is_told_and_the_others_are_written(scripts, tmp_path, monkeypatch, capsys):
    scaling = scripts["scaling"]

    def ask_worker(script, _, job):
        if json.loads(job)[1]["images"] == 30:
            raise scripts["measuring"].RunError("no room")
        return dict.fromkeys(scaling.FIELDS, 1.0)

    monkeypatch.setattr(scripts["measuring"], "ask_worker", ask_worker)
    command = [*TINY, "--csv", str(tmp_path / "a.csv"), "--page", str(tmp_path / "a.md")]
    assert scaling.main(command) == 1
    assert "Failed: no room" in capsys.readouterr().out
    assert len(pd.read_csv(tmp_path / "a.csv", skiprows=1)) == 1


def test__exponents__of_powers__are_the_powers(scripts):
    found = scripts["scaling"].exponents([1, 10, 1000], [3, 30, 300_000])
    np.testing.assert_allclose(found, [np.nan, 1, 2])


def test__fits_along_an_axis__leave_out_those_of_others(scripts):
    scaling = scripts["scaling"]
    base = {"images": 100, "side": 28, "classes": 10, "filters": 1.0}
    numbers = {"seconds": 2.0, "compile_seconds": 3.0, "peak_mb": 900.0, "added_mb": 0.0}
    points = [base, base | {"images": 1000, "seconds": 40.0}, base | {"side": 8}]
    fits = pd.DataFrame([numbers | point for point in points])
    fits.attrs["base"] = base
    table = scaling.table(fits, "images")
    assert table.index.tolist() == ["100", "1,000"]
    assert table["grows with power"].tolist() == ["–", "1.30"]
    assert table["µs an image"].tolist() == ["20,000", "40,000"]
    axes = np.reshape(scaling.draw(fits).axes, (2, 4))
    measured, slope, _ = axes[0, 0].lines
    np.testing.assert_allclose(measured.get_xydata(), [[100, 2], [1000, 40]])
    np.testing.assert_allclose(slope.get_xydata(), [[100, 2], [1000, 20]])


def test__synthetic_images__of_many_classes__are_brighter_class_by_class(scripts):
    X, y = scripts["scaling"].synthetic(4000, 8, 4)
    assert (X.shape, X.dtype) == ((4000, 8, 8), np.uint8)
    means = [X[y == label].mean() for label in range(4)]
    np.testing.assert_allclose(means, [63.5, 105.5, 147.5, 190.5], atol=1)


# -- search.py --------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Keras and scikeras
@pytest.mark.filterwarnings("ignore::UserWarning")  # of scikit-learn, on few images
@pytest.mark.skipif(not importlib.util.find_spec("scikeras"), reason="needs scikeras")
def test__searches__on_few_images__write_rows_and_a_page(
    scripts, in_this_process, tmp_path, monkeypatch
):
    search = scripts["search"]
    grid = {"learning_rate": [0.01], "dropout": [0.1], "filters": [(3, 4)]}
    monkeypatch.setattr(search, "GRID", grid)
    monkeypatch.setattr(search, "HALVED", 3)
    monkeypatch.setattr(search, "STAGES", [(3, 4)])
    files = ["--csv", str(tmp_path / "a.csv"), "--page", str(tmp_path / "a.md")]
    command = ["--images", "120", "--epochs", "1", "2", "--fits", "2", *files]
    assert search.main(command) == 0
    assert in_this_process == ["grid"] * 10 + ["halving"] * 2 + ["memory"] * 4
    rows = pd.read_csv(tmp_path / "a.csv", skiprows=1)
    assert rows["fits"].tolist()[:10] == [3] * 10
    assert rows["best_score"][:12].between(0, 1).all()
    assert (rows["seconds"][:12] > 0).all()
    assert (rows[["mb_early", "mb_late"]][12:] > 100).all(axis=None)
    page = (tmp_path / "a.md").read_text("utf-8")
    assert page.count("\n| scikeras | ") == 2
    assert "\nOne epoch:\n" in page
    assert "\n2 epochs:\n" in page
    cells = cells_of(page)
    assert {*search.WHO, "this package, the same work, n_jobs=2", "`n_samples`"} <= set(cells)
    assert cells["scikeras"][1] == "1.00"


def test__networks__of_the_same_work__have_the_same_weights(scripts):
    from mnist_estimator.network._architecture import build_cnn

    search = scripts["search"]
    sizes = {name: search.SAME_WORK[name] for name in ("kernel_size", "batch_norm")}
    ours = build_cnn((28, 28, 1), 10, filters=(32, 64), dropout=0.5, compact=True, **sizes)
    theirs = search.keras_network((32, 64), 0.5)
    assert [w.shape for w in ours.weights[2:] if w.trainable] == [w.shape for w in theirs.weights
                                                                  if w.trainable]  # fmt: skip
    assert theirs.count_params() == 34_826


def test__memory__of_several_processes__is_of_the_one_that_grew_most(scripts):
    told = [(1, 100.0 + i) for i in range(25)] + [(2, 100.0 + 3 * i) for i in range(30)]
    row = scripts["search"].summarize_memory(told)
    assert row == {"fits": 55, "processes": 2, "mb_early": 157.0, "mb_late": 187.0}


def test__fits__change_parameters_of_twelve_architectures(scripts):
    search = scripts["search"]

    def architectures(new_dropout):
        many = [search.changed_parameters(number, new_dropout) for number in range(200)]
        return {(changed["filters"], changed["dropout"]) for changed in many}

    assert len(architectures(False)) == 12
    assert len(architectures(True)) == 200


def test__table_of_searches__has_shares_of_scikeras(scripts):
    numbers = {"fits": 36, "best_score": 0.5, "added_mb": 7.0, "processes": 1, "threads": 2.0}
    rows = pd.DataFrame(
        [
            {"who": "scikeras", "n_jobs": 1, "seconds": 60.0, **numbers},
            {"who": "ours", "n_jobs": 2, "seconds": 15.0, **numbers},
        ]
    )
    table = scripts["search"].table("grid", rows)
    assert table.index.tolist() == ["scikeras", "ours, n_jobs=2"]
    assert table["share of scikeras"].tolist() == ["1.00", "0.25"]
    assert table["MB added"].tolist() == ["7", "–"]  # of the other processes nothing is known


# -- larger_than_memory.py --------------------------------------------------------------


def test__large_files__tiny_ones__write_rows_and_a_page(
    scripts, in_this_process, tmp_path, monkeypatch
):
    larger = scripts["larger_than_memory"]
    monkeypatch.setattr(larger, "PIECE", 128)
    monkeypatch.setenv(larger.FOLDER, "")  # set by the script, and so unset after the test
    files = ["--csv", str(tmp_path / "a.csv"), "--page", str(tmp_path / "a.md")]
    assert larger.main(["--mapped", "300", "--held", "200", *files]) == 0
    rows = pd.read_csv(tmp_path / "a.csv", skiprows=1)
    assert rows["part"].value_counts().to_dict() == dict.fromkeys(larger.PARTS, 6)
    in_turn = rows["part"] == larger.IN_TURN
    assert (rows["images_per_second"] > 0).all()
    assert (rows.loc[in_turn, "share"] > 0).all()
    assert (rows.loc[~in_turn, "seconds"] > 0).all()
    assert (rows.loc[~in_turn, "added_anonymous_mb"] >= 0).all()
    page = (tmp_path / "a.md").read_text("utf-8")
    assert {"classifier, file, not cached", "pipeline, file"} <= set(cells_of(page))
    monkeypatch.setattr(larger, "measure", None)  # nothing is measured again
    assert larger.main(["--mapped", "300", "--held", "200", "--only", "fit", *files]) == 0
    assert (tmp_path / "a.md").read_text("utf-8") == page


def test__mapped_images__written_piece_by_piece__belong_to_their_labels(
    scripts, tmp_path, monkeypatch
):
    larger = scripts["larger_than_memory"]
    monkeypatch.setattr(larger, "PIECE", 128)
    monkeypatch.setenv(larger.FOLDER, str(tmp_path))
    X, y = larger.images_of("file, not cached", 300)
    assert isinstance(X, np.memmap)
    assert (X.shape, X.dtype, y.shape) == ((300, 28, 28), np.uint8, (300,))
    means = np.asarray(X).mean(axis=(1, 2))
    np.testing.assert_array_equal(np.floor((means - 55) / 14.1), y)


def test__watched_block__of_known_size__is_measured(scripts):
    row = {}
    with scripts["larger_than_memory"].watched(row, interval=0.001):
        held = np.ones(25_000_000)
        held += 1
    if np.isfinite(row["added_mb"]):
        assert row["added_anonymous_mb"] == pytest.approx(200, abs=30)
        assert row["added_mb"] == pytest.approx(200, abs=30)


def test__images_in_turn__shares_are_of_as_many_images(scripts, tmp_path, monkeypatch):
    larger, taken = scripts["larger_than_memory"], []
    monkeypatch.setenv(larger.FOLDER, str(tmp_path))
    monkeypatch.setattr(larger, "compiled", lambda who: None)

    def take(what, who, model, X, y):
        assert (len(X), len(y)) == (100, 100)
        taken.append(("file" if isinstance(X, np.memmap) else "memory", y.copy()))
        return {"seconds": 2.0 if isinstance(X, np.memmap) else 1.0}

    monkeypatch.setattr(larger, "take", take)
    row = larger.compare("fit", "classifier", held=100, mapped=450, rounds=6)
    assert row == {"images": 100, "images_per_second": 50.0, "share": 0.5}
    assert [source for source, _ in taken] == ["file", "memory", "memory", "file"] * 3


def test__table_of_shares__has_a_row_for_each_model(scripts):
    shares = {
        ("classifier", "fit"): 0.98,
        ("pipeline", "fit"): 1.0,
        ("pipeline", "partial_fit"): 0.9,
    }
    rows = pd.DataFrame(
        [{"who": who, "what": what, "share": share} for (who, what), share in shares.items()]
    )
    table = scripts["larger_than_memory"].shares(rows)
    assert table.to_dict("index") == {
        "classifier": {"fit": "98 %", "partial_fit": "–"},
        "pipeline": {"fit": "100 %", "partial_fit": "90 %"},
    }
