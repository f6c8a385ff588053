"""The examples: each runs as a script, on few images, without a warning."""

import os
import re
import secrets
import subprocess
from pathlib import Path

import pytest

SCRIPTS = sorted((Path(__file__).parents[2] / "examples").glob("*.py"))
ENGINES = {"distributed_dask.py": "distributed", "distributed_ray.py": "ray"}
"""Those that start processes of their own, with the module that they need."""
EXAMPLES = [path for path in SCRIPTS if path.name != "compare_wrappers.py"]
"""Those to run as they are; `compare_wrappers.py` has tests of its own."""
EXAMPLES.sort(key=lambda path: path.name in ENGINES)  # when others are done, memory is free
NAMES = [path.name for path in EXAMPLES]

# Example: number of images, and what its output must hold.
CASES = {
    "grid_search.py": (
        60,
        ["GridSearchCV: 36 fits", "learning rate  dropout", "HalvingGridSearchCV 0."],
    ),
    "mnist_workflow.py": (300, ["weighted avg", "The report agrees", "mnist_report.html"]),
    "out_of_core.py": (
        300,
        [
            "Without classes: classes must",
            "With other labels: y holds labels",
            "the test images: 0.",
        ],
    ),
    "resume_training.py": (
        300,
        ["Killed after", "holds the checkpoint of another fit", "The same to the bit: True"],
    ),
    "optuna_search.py": (
        100,
        ["Goes on after 8 of 16 trials", "16 trials, ", "The same from a fresh fit: True"],
    ),
    "resume_search.py": (
        200,
        ["Killed after", "19 fits; those that were there are as they were: True", "scores: True"],
    ),
    "distributed_dask.py": (
        200,
        ["Dask, the same scores to the bit: True", "lost, the same scores to the bit: True"],
    ),
    "distributed_ray.py": (200, ["Ray, the same scores to the bit: True"]),
    "photo.py": (2000, ["40 digits found of 40, in 4 lines", "written 3141592653: "]),
    "other_pipelines.py": (100, ["Accuracy in five folds", "CNN and SVC", "CNN, calibrated"]),
    "serve_onnx.py": (100, ["Labels other than the pipeline's: 0", "ONNX Runtime", "one image"]),
}


@pytest.fixture(scope="module")
def process_of(tmp_path_factory, strict_python):
    """Start all examples at once: most of their time goes into tracing, on one core each.

    Those with processes of their own start when they are asked for, or memory would not do.
    """
    started = {}

    def start(path):
        size, _ = CASES.get(path.name, (100, []))
        started[path.name] = subprocess.Popen(
            [*strict_python, str(path)],
            cwd=tmp_path_factory.mktemp(path.stem),
            env=os.environ
            | {"MPLBACKEND": "Agg", "MNIST_EXAMPLE_SIZE": str(size)}
            | {"RAY_AUTH_TOKEN": secrets.token_hex(32)},  # or Ray writes one to the home folder
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def process_of(path):
        if path.name not in started:
            start(path)
        return started[path.name]

    for path in EXAMPLES:
        if path.name not in ENGINES:
            start(path)
    yield process_of
    for process in started.values():
        process.kill()
        process.communicate()


@pytest.mark.parametrize("path", EXAMPLES, ids=NAMES)
def test__example__run_as_a_script__succeeds(path, process_of):
    assert path.name in CASES, f"Add {path.name} to CASES, with its size and words of its output."
    if path.name in ENGINES:
        pytest.importorskip(ENGINES[path.name], reason="needs an extra")
    process = process_of(path)
    output, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    for words in CASES[path.name][1]:
        assert words in output


@pytest.mark.parametrize("path", SCRIPTS, ids=[path.name for path in SCRIPTS])
def test__example__first_cell__states_its_run_time(path):
    first, *rest = re.split(r"^# %%.*\n", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    assert re.search(r"^Run time: about \d+ (seconds|minutes?) on 2 cores\.", first, re.MULTILINE)
    assert rest


def test__cases__all_have_an_example():
    assert set(CASES) == set(NAMES)
