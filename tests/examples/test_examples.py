"""The examples: each runs as a script, on few images, without a warning."""

import json
import os
import re
import secrets
import signal
import subprocess
from pathlib import Path

import pytest

SCRIPTS = sorted((Path(__file__).parents[2] / "examples").glob("*.py"))
ENGINES = {
    "distributed_dask.py": "distributed",
    "distributed_ray.py": "ray",
    "predict_dask.py": "distributed",
    "predict_ray.py": "ray",
}
"""Those that start processes of their own, with the module that they need."""
EXAMPLES = [path for path in SCRIPTS if path.name != "compare_wrappers.py"]
"""Those to run as they are; `compare_wrappers.py` has tests of its own."""
EXAMPLES.sort(key=lambda path: path.name in ENGINES)  # when others are done, memory is free
NAMES = [path.name for path in EXAMPLES]
QUICK = {"mnist_workflow.py", "photo.py"}
STARTS_OTHERS = {*ENGINES, "resume_training.py", "resume_search.py", "serve_onnx.py"}
FORKS = {path.name for path in EXAMPLES} - STARTS_OTHERS if hasattr(os, "fork") else set()
"""Those to run in a copy of a process that has imported TensorFlow, which takes seconds."""

FORK_SERVER = """
import json, os, runpy, signal, sys

import matplotlib.pyplot, sklearn.model_selection
import mnist_estimator.classifier  # with TensorFlow and Keras; computes nothing yet
from mnist_estimator.training import _few_images

# Few images stand for many here: they take no more epochs.
_few_images.PLANS = {
    name: _few_images.Plan(plan.epochs, 0, 0) for name, plan in _few_images.PLANS.items()
}

for line in sys.stdin:
    job = json.loads(line)
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        break
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
if not child:
    signal.alarm(job["seconds"])
    os.chdir(job["folder"])
    os.environ.update(job["environment"])
    for descriptor, name in ((0, os.devnull), (1, job["output"]), (2, job["errors"])):
        os.dup2(os.open(name, os.O_RDWR | os.O_CREAT), descriptor)
    sys.argv, sys.path[0] = [job["script"]], os.path.dirname(job["script"])
    runpy.run_path(job["script"], run_name="__main__")
"""

LABELLED = [
    "The labels of one process: True\n",
    "Workers lost: 1\nNothing is missing: True\n",
]

# Example: number of images, and what its output must hold.
CASES = {
    "grid_search.py": (
        60,
        ["GridSearchCV: 36 fits", "learning rate  dropout", "HalvingGridSearchCV 0."],
    ),
    "mnist_workflow.py": (300, ["weighted avg", "The report agrees", "mnist_report.html"]),
    "out_of_core.py": (
        240,
        [
            "Without classes: classes must",
            "With other labels: y holds labels",
            "the test images: 0.",
        ],
    ),
    "own_network.py": (
        300,
        ["Best of 4", "Accuracy of the residual network: ", "the same probabilities: True"],
    ),
    "frozen_base.py": (
        300,
        ["100 images of new digits, frozen base: 0.", "Tuned", "the same probabilities: True"],
    ),
    "picture_folder.py": (200, ["200 pictures of (28, 28", "Epochs for so few: ", "Accuracy: 0."]),
    "resume_training.py": (
        300,
        ["Killed after", "holds the checkpoint of another fit", "The same to the bit: True"],
    ),
    "optuna_search.py": (
        100,
        ["Goes on after 8 of 16 trials", "16 trials, ", "The same from a fresh fit: True"],
    ),
    "resume_search.py": (
        100,
        ["Killed after", "19 fits; those that were there are as they were: True", "scores: True"],
    ),
    "distributed_dask.py": (
        200,
        ["Dask, the same scores to the bit: True", "lost, the same scores to the bit: True"],
    ),
    "distributed_ray.py": (200, ["Ray, the same scores to the bit: True"]),
    "predict_dask.py": (2000, ["Dask, Parquet: ", *LABELLED]),
    "predict_ray.py": (2000, ["Ray, Parquet: ", *LABELLED]),
    "photo.py": (2000, ["40 digits found of 40, in 4 lines", "written 3141592653: "]),
    "other_pipelines.py": (100, ["Accuracy in five folds", "CNN and SVC", "CNN, calibrated"]),
    "serve_onnx.py": (100, ["Labels other than the pipeline's: 0", "ONNX Runtime", "one image"]),
}


@pytest.fixture(scope="module")
def server(strict_python):
    """Start the process whose copies run examples."""
    with subprocess.Popen(
        [*strict_python, "-c", FORK_SERVER],
        env=os.environ | {"MPLBACKEND": "Agg"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        yield process
        os.killpg(process.pid, signal.SIGKILL)


def run_in_fork(server, path, folder, environment):
    """Run a script in a copy of the server; return its exit code, output and errors."""
    output, errors = folder / "output.txt", folder / "errors.txt"
    job = {"script": path, "folder": folder, "output": output, "errors": errors}
    job = {name: str(value) for name, value in job.items()}
    line = json.dumps(job | {"environment": environment, "seconds": 600})
    server.stdin.write(f"{line}\n")
    server.stdin.flush()
    code = int(server.stdout.readline())
    return code, output.read_text(), errors.read_text()


def run_as_process(python, path, folder, environment):
    """Run a script in a process of its own; return its exit code, output and errors."""
    done = subprocess.run(
        [*python, str(path)],
        cwd=folder, env=os.environ | environment, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=path.name, marks=[] if path.name in QUICK else pytest.mark.slow)
        for path in EXAMPLES
    ],
)
def test__example__run_as_a_script__succeeds(path, strict_python, tmp_path, request):
    assert path.name in CASES, f"Add {path.name} to CASES, with its size and words of its output."
    if path.name in ENGINES:
        pytest.importorskip(ENGINES[path.name], reason="needs an extra")
    size, expected = CASES[path.name]
    environment = {"MPLBACKEND": "Agg", "MNIST_EXAMPLE_SIZE": str(size)}
    environment["RAY_AUTH_TOKEN"] = secrets.token_hex(32)  # or Ray writes one to the home folder
    if path.name in FORKS:
        done = run_in_fork(request.getfixturevalue("server"), path, tmp_path, environment)
    else:
        done = run_as_process(strict_python, path, tmp_path, environment)
    code, output, errors = done
    assert code == 0, errors
    for words in expected:
        assert words in output
    assert ": False" not in output


@pytest.mark.parametrize("path", SCRIPTS, ids=[path.name for path in SCRIPTS])
def test__example__first_cell__states_its_run_time(path):
    first, *rest = re.split(r"^# %%.*\n", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    assert re.search(r"^Run time: about \d+ (seconds|minutes?) on 2 cores\.", first, re.MULTILINE)
    assert rest


def test__cases__all_have_an_example():
    assert set(CASES) == set(NAMES)
