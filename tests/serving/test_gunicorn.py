"""A predictor behind ``gunicorn --preload``: loaded once, asked in forked workers."""

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mnist_estimator import load_mnist, load_predictor, save

pytest.importorskip("gunicorn", reason="needs an extra")

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn needs forks")

GUIDE = Path(__file__).parents[2] / "docs" / "serving.md"
SECONDS = 120
"""Bound against hangs."""

WITH_PROCESSES = """
import os
import sys

import digits

digits.predictor.predict(digits.np.zeros((1, 784), digits.np.uint8))  # its threads run
loaded_in = os.getpid()
assert "tensorflow" not in sys.modules


def app(environ, start_response):
    processes = [("X-Loaded-In", str(loaded_in)), ("X-Process", str(os.getpid()))]
    return digits.app(environ, lambda status, has: start_response(status, has + processes))
"""


@pytest.fixture(scope="module")
def images():
    return load_mnist("test", return_X_y=True)[0][:300]


@pytest.fixture(scope="module")
def folder(small_pipeline, tmp_path_factory):
    """Return a folder with a saved pipeline, and the application of the guide."""
    folder = tmp_path_factory.mktemp("gunicorn")
    X, y = load_mnist("train", return_X_y=True)
    save(small_pipeline(epochs=1).fit(X[:300], y[:300]), folder / "digits.pipeline")
    (code,) = re.findall(r"```python\n(# digits\.py\n.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    (folder / "digits.py").write_text(code, encoding="utf-8")
    (folder / "with_processes.py").write_text(WITH_PROCESSES, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def server(folder):
    """Start gunicorn with two workers; return its process and port."""
    command = [sys.executable, "-m", "gunicorn", "--preload", "--workers", "2"]
    command += ["--timeout", str(SECONDS), "--bind", "127.0.0.1:0", "with_processes:app"]
    variables = {"OMP_NUM_THREADS": "2", "HOME": str(folder)}  # it keeps a socket there
    process = subprocess.Popen(
        command, cwd=folder, env=os.environ | variables, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    bound = threading.Timer(2 * SECONDS, os.killpg, [process.pid, signal.SIGKILL])
    bound.start()
    port, said = None, []
    try:
        for line in process.stderr:
            said.append(line)
            if port := re.search(r"Listening at: http://127\.0\.0\.1:(\d+)", line):
                break
        assert port, "".join(said)
        yield process, int(port[1])
    finally:
        bound.cancel()
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def begin(port, body):
    """Send the head of a request: a worker takes it and waits for the body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    connection.putrequest("POST", "/")
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders()
    return connection


def end(connection, body):
    """Send the body; return the status, the headers and the answer."""
    with contextlib.closing(connection):
        connection.send(body)
        response = connection.getresponse()
        answer = response.read()
    return response.status, response.headers, answer


def test_both_forked_workers_answer_as_the_predictor_here(server, folder, images):
    process, port = server
    here = load_predictor(folder / "digits.pipeline")
    body, workers = images.tobytes(), set()
    first = begin(port, body)  # one worker is busy until its body comes
    second = begin(port, body)
    for connection in (second, first):
        status, headers, answer = end(connection, body)
        assert status == 200
        found = json.loads(answer)
        assert_array_equal(found["label"], here.predict(images))
        assert_allclose(found["probabilities"], here.predict_proba(images), rtol=0, atol=1e-6)
        assert int(headers["X-Loaded-In"]) == process.pid
        workers.add(int(headers["X-Process"]))
    assert len(workers - {process.pid}) == 2


def test_a_wrong_body_is_refused(server):
    _, port = server
    for body in (b"", b"short"):
        status, _, answer = end(begin(port, body), body)
        assert (status, answer) == (400, b"Send 784 bytes an image")


def test_it_stops_when_asked(server):
    process, _ = server
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
