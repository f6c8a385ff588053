"""MLflow: models kept and found again, and the metrics of each epoch, as in docs/persistence.md."""

import importlib.util
import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("mlflow") is None,
    reason="mlflow is not installed: pip install mnist_estimator[mlflow]",
)

TRUSTED = [
    "mnist_estimator.classifier.CNNClassifier",
    "mnist_estimator.preprocessing.ImageScaler",
]

SCRIPT = """
import json, sys
import keras, mlflow
from sklearn.datasets import load_digits
from mnist_estimator import make_pipeline

mlflow.set_tracking_uri("file://" + sys.argv[1])
TRUSTED = json.loads(sys.argv[2])
X, y = load_digits(return_X_y=True)
X, y = X[:300], y[:300]

def log(epoch, logs):
    mlflow.log_metrics(logs, step=epoch + 1)

mlflow.sklearn.autolog(log_models=False, log_datasets=False)
pipe = make_pipeline(filters=(8,), epochs=3, random_state=0)
plain = make_pipeline(filters=(8,), epochs=3, random_state=0)
with mlflow.start_run() as run:
    pipe.set_params(cnn__callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=log)])
    pipe.fit(X, y)
    pipe.set_params(cnn__callbacks=None)
mlflow.sklearn.autolog(disable=True)
plain.fit(X, y)

client = mlflow.MlflowClient()
known = client.get_run(run.info.run_id).data
epochs = {
    name: [[m.step, m.value] for m in client.get_metric_history(run.info.run_id, name)]
    for name in ("loss", "accuracy", "val_loss", "val_accuracy")
}
answers = {
    "params": known.params, "metrics": known.metrics, "epochs": epochs,
    "history": pipe[-1].history_,
    "unchanged": bool((pipe.predict_proba(X) == plain.predict_proba(X)).all()),
    "score": pipe.score(X, y),
}
untrusted = []
for kind in ("skops", "cloudpickle"):
    given = {"skops_trusted_types": TRUSTED} if kind == "skops" else {}
    kept = mlflow.sklearn.log_model(
        pipe, name=kind, serialization_format=kind, pip_requirements=["mnist_estimator"], **given
    )
    again = mlflow.sklearn.load_model(kept.model_uri)
    answers[kind] = bool((again.predict_proba(X) == pipe.predict_proba(X)).all())
    served = mlflow.pyfunc.load_model(kept.model_uri)
    answers[kind + " served"] = bool((served.predict(X) == pipe.predict(X)).all())
try:
    mlflow.sklearn.log_model(
        pipe, name="none", serialization_format="skops", pip_requirements=["mnist_estimator"]
    )
except Exception as error:
    answers["untrusted"] = str(error)
print("answers:" + json.dumps(answers))
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """Return what a process of its own found, as autolog patches scikit-learn for good."""
    import os

    folder = tmp_path_factory.mktemp("mlflow")
    # The store of plain files needs no database, which mlflow-skinny brings no driver for.
    quiet = {"MLFLOW_ALLOW_FILE_STORE": "true", "MLFLOW_DISABLE_TELEMETRY": "true"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder / "runs"), json.dumps(TRUSTED)],
        capture_output=True, text=True, cwd=folder, env=os.environ | quiet, timeout=500,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("answers:"))
    return json.loads(line.removeprefix("answers:"))


@pytest.mark.slow
def test_autolog_keeps_parameters_and_scores(answers):
    assert answers["params"]["cnn__epochs"] == "3"
    assert answers["params"]["cnn__filters"] == "(8,)"
    assert answers["metrics"]["training_score"] == answers["score"]


def test_the_metrics_of_each_epoch_are_kept(answers):
    for name, values in answers["epochs"].items():
        assert [step for step, _ in values] == [1, 2, 3]
        assert [value for _, value in values] == pytest.approx(answers["history"][name])


def test_logging_changes_no_weights(answers):
    assert answers["unchanged"]


@pytest.mark.parametrize("kind", ["skops", "cloudpickle"])
def test_a_logged_model_predicts_the_same(answers, kind):
    assert answers[kind]
    assert answers[f"{kind} served"]


def test_exactly_the_documented_types_are_to_be_trusted(answers):
    for name in TRUSTED:
        assert name in answers["untrusted"]
    assert answers["untrusted"].count("mnist_estimator.") == len(TRUSTED)
