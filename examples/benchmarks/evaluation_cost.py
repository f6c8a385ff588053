"""What `evaluate` and its relatives cost beside one `predict_proba` of the same images.

Each is timed in turn with `predict_proba`; the table has the median of the ratios. A ratio near
1 means that the network runs once.

    python examples/benchmarks/evaluation_cost.py
"""

import argparse
import time
from collections.abc import Callable
from datetime import date

import numpy as np
import pandas as pd
from reporting import describe, to_markdown
from sklearn.frozen import FrozenEstimator

from mnist_estimator import RejectingClassifier, evaluate, load_mnist, make_pipeline


def seconds(run: Callable[[], object]) -> float:
    """Return how long a call takes."""
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def main() -> None:
    """Fit a network, time the calls and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train-size", type=int, default=5000)
    parser.add_argument("--test-size", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    X, y = (part[: options.train_size] for part in load_mnist("train", return_X_y=True))
    X_test, y_test = (part[: options.test_size] for part in load_mnist("test", return_X_y=True))
    pipe = make_pipeline("fast", random_state=0).fit(X, y)
    rejecting = RejectingClassifier(FrozenEstimator(pipe), cv="prefit").fit(X, y)
    calls = {
        "pipe.predict": lambda: pipe.predict(X_test),
        "evaluate(pipe)": lambda: evaluate(pipe, X_test, y_test),
        "evaluate(RejectingClassifier(pipe))": lambda: evaluate(rejecting, X_test, y_test),
    }
    rows = []
    for name, call in calls.items():
        seconds(call)
        ratios = [
            seconds(call) / seconds(lambda: pipe.predict_proba(X_test))
            for _ in range(options.repeats)
        ]
        rows.append({"call": name, "times predict_proba": f"{np.median(ratios):.2f}"})
    print(
        describe(date.today().isoformat()),
        to_markdown(pd.DataFrame(rows).set_index("call")),
        sep="\n\n",
    )


if __name__ == "__main__":
    main()
