"""The command line, in this process and in others."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from mnist_estimator import __version__, load_mnist, pipeline
from mnist_estimator.cli._parser import COMMANDS, PRESETS, main
from mnist_estimator.persistence._save_load import load

FILES = {
    "report.html", "metrics.json", "per_class.csv", "confusion_matrix.csv", "history.csv",
    "digits.pipeline", "training_history.png", "confusion_matrix.png", "mistakes.png",
}  # fmt: skip


@pytest.fixture
def process():
    """Start the command line; end it with the test, whatever happens."""
    started = []

    def start(*arguments):
        started.append(command(*arguments))
        return started[0]

    yield start
    with started[0] as last:  # closes its pipes and waits
        last.kill()


@pytest.fixture
def few_test_images(monkeypatch):
    """Leave 100 test images: a network that has learned little looks at each of them often."""

    def load_few(subset, **options):
        X, y = load_mnist(subset, **options)
        return (X[:100], y[:100]) if subset == "test" else (X, y)

    monkeypatch.setattr("mnist_estimator.datasets._mnist.load_mnist", load_few)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """One short run, and what it printed."""
    folder = tmp_path_factory.mktemp("run") / "made" / "here"
    arguments = ["--preset", "fast", "--train-size", "300", "--epochs", "2"]
    with command(*arguments, "--output", folder) as running:
        out, err = running.communicate(timeout=300)
    assert running.returncode == 0, err
    return folder, out, err


def command(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "mnist_estimator", *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip


def test_prints_progress_and_report_and_nothing_else(run):
    _, out, err = run
    assert "60,000 training and 10,000 test images" in out
    assert "Epoch 1/2  loss" in out
    assert "weighted avg" in out
    assert "95 % interval" in out
    assert err == ""


def test_output_folder_holds_every_result(run):
    folder, _, _ = run
    assert {path.name for path in folder.iterdir()} == FILES
    for name in FILES:
        assert (folder / name).stat().st_size > 0
    for name in FILES:
        if name.endswith(".png"):
            assert (folder / name).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_results_agree_with_each_other_and_with_the_pipeline(run):
    folder, out, _ = run
    X, y = load_mnist("test", return_X_y=True)
    accuracy = load(folder / "digits.pipeline").score(X, y)
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["accuracy"] == pytest.approx(accuracy)
    assert metrics["training"]["training_images"] == 300
    assert metrics["training"]["epochs"] == 2
    confusion = pd.read_csv(folder / "confusion_matrix.csv", index_col=0).to_numpy()
    assert confusion.sum() == 10_000
    assert np.trace(confusion) / 10_000 == pytest.approx(accuracy)
    per_class = pd.read_csv(folder / "per_class.csv", index_col=0)
    assert per_class.loc[1, "recall"] == pytest.approx(confusion[1, 1] / confusion[1].sum())
    assert len(pd.read_csv(folder / "history.csv")) == 2
    assert f"{100 * accuracy:.2f} %" in out


@pytest.mark.slow
def test_ctrl_c_keeps_what_was_learned(tmp_path, process):
    arguments = ["--preset", "fast", "--train-size", "1000", "--epochs", "1000"]
    process = process(*arguments, "--output", tmp_path)
    for line in process.stdout:
        if line.startswith("Epoch"):
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Training was interrupted in epoch" in out
    assert {path.name for path in tmp_path.iterdir()} == FILES
    assert err == ""


@pytest.mark.slow
def test_ctrl_c_before_the_training_writes_nothing(tmp_path, process):
    process = process("--train-size", "100", "--output", tmp_path / "out")
    process.stdout.readline()
    time.sleep(0.5)  # in the import of TensorFlow
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "nothing was written" in err
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--epochs", "0"], "--epochs: must be a whole number from 1 up, got '0'"),
        (["--epochs", "two"], "must be a whole number from 1 up, got 'two'"),
        (["--seed", "-1"], "must be a whole number from 0 to 4294967295, got '-1'"),
        (["--train-size", "70"], "must be from 100 up, got '70'"),
        (["--colour"], "unrecognized arguments: --colour"),
    ],
)
def test_wrong_arguments(arguments, words, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    assert words in capsys.readouterr().err


def test_help_tells_everything(capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["--help"])
    assert exit_.value.code == 0
    text = capsys.readouterr().out
    options = ("--epochs", "--seed", "--output", "--source", "--train-size", "report.html")
    for word in (*options, *COMMANDS, "exit codes", "130", "141"):
        assert word in text


def test_unknown_source_is_an_error_in_a_line(tmp_path, capsys):
    assert main(["--source", "kears", "--output", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert "kears" in error
    assert "Traceback" not in error


def test_folder_that_cannot_be_made_is_told_before_training(tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    assert main(["--output", str(tmp_path / "file" / "out")]) == 1
    assert "cannot be written to" in capsys.readouterr().err


@pytest.mark.slow
def test_train_is_the_command_without_a_name_and_quiet_if_asked(tmp_path, capfd, few_test_images):
    arguments = ["--train-size=100", "--epochs=1", "--quiet", "--output"]
    assert main(["train", *arguments, str(tmp_path / "named")]) == 0
    assert main([*arguments, str(tmp_path / "bare")]) == 0
    named, bare = (load(tmp_path / name / "digits.pipeline") for name in ("named", "bare"))
    X, _ = load_mnist("test", return_X_y=True)
    np.testing.assert_array_equal(named.predict_proba(X[:100]), bare.predict_proba(X[:100]))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help_without_an_import_that_takes_seconds(command):
    code = (
        "import sys\nfrom mnist_estimator.cli._parser import main\n"
        f"try: main([{command!r}, '--help'])\nexcept SystemExit as end: assert end.code == 0\n"
        "print([name for name in ('numpy', 'pandas', 'sklearn') if name in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert f"usage: mnist-estimator {command} " in out.stdout
    assert out.stdout.endswith("[]\n")


def test_version(capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["--version"])
    assert exit_.value.code == 0
    assert capsys.readouterr().out == f"mnist-estimator {__version__}\n"


@pytest.mark.slow
def test_a_killed_training_goes_on_from_its_checkpoint(tmp_path, process, few_test_images):
    usual = ["--preset", "fast", "--train-size", "2000", "--epochs", "4"]
    arguments = [*usual, "--checkpoint-dir", tmp_path / "states"]
    killed = process(*arguments, "--output", tmp_path / "out")
    for line in killed.stdout:
        if line.startswith("Epoch 2/4"):
            break
    killed.kill()
    assert any((tmp_path / "states").iterdir())
    whole = [*usual, "--quiet", "--output", tmp_path / "whole"]
    assert main([*map(str, arguments), "--quiet", "--output", str(tmp_path / "out")]) == 0
    assert main([str(argument) for argument in whole]) == 0
    resumed, once = (load(tmp_path / name / "digits.pipeline") for name in ("out", "whole"))
    X, _ = load_mnist("test", return_X_y=True)
    np.testing.assert_array_equal(resumed.predict_proba(X[:100]), once.predict_proba(X[:100]))


def test_presets_are_those_of_make_pipeline():
    assert set(PRESETS) == set(pipeline.PRESETS)
    with pytest.raises(SystemExit):
        main(["--preset", "quick"])
