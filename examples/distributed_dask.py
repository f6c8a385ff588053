# %% [markdown]
"""
A search on several machines, with Dask
=======================================

The same ``GridSearchCV`` runs in this process, then in two worker processes of a Dask cluster,
then once more while one of the workers is killed. The scores are the same to the bit. On a real
cluster, only the address of the scheduler differs.

Run time: about 1 minute on 2 cores. ``MNIST_EXAMPLE_SIZE`` in the environment sets
another number of images than 1,500. ``pip install "mnist_estimator[dask]"`` first.
"""

# %%
import os

# As many threads as a worker has: the last digits of a sum depend on their number.
os.environ["OMP_NUM_THREADS"] = "1"

import signal
import threading
import time

import dask
import numpy as np
import pandas as pd
from distributed import Client, LocalCluster
from joblib import parallel_config
from sklearn.model_selection import GridSearchCV

from mnist_estimator import load_mnist, make_pipeline

SIZE = int(os.environ.get("MNIST_EXAMPLE_SIZE", 1500))

# %% [markdown]
# The search
# ----------
#
# Nothing in it depends on Dask. The workers import this file, so the code after it is under
# ``if __name__ == "__main__"``, which a notebook does not need.


# %%
def search(X, y):
    """Search, say how long it took, and return the scores of each fold and candidate."""
    grid = {"cnn__learning_rate": [0.003, 0.01, 0.03], "cnn__dropout": [0.1, 0.3]}
    pipe = make_pipeline("fast", random_state=0)
    start = time.perf_counter()
    found = GridSearchCV(pipe, grid, cv=3, scoring="neg_log_loss", refit=False).fit(X, y)
    print(f"{3 * len(found.cv_results_['params'])} fits, {time.perf_counter() - start:.0f} s")
    results = pd.DataFrame(found.cv_results_)
    return results.filter(regex=r"^split\d_test_score$").to_numpy()


# %% [markdown]
# A client whose data survive the loss of a worker
# ------------------------------------------------
#
# joblib puts each large array on one worker, from which the others fetch it: images, labels, and
# the indices of each fold. If that worker is lost, so are the arrays, and the search ends with a
# ``FutureCancelledError``. Here the arrays are results of tasks, which Dask repeats.


# %%
# Dask would warn of more than 10 MB in a task.
dask.config.set({"distributed.admin.large-graph-warning-threshold": "1GB"})


class LastingClient(Client):
    """A client whose data the scheduler keeps, to send them again when a worker is lost."""

    def scatter(self, data, *args, asynchronous=None, **kwargs):
        """Make data, as joblib sends them out, the result of a task."""
        if not asynchronous:
            return super().scatter(data, *args, **kwargs)

        def kept():
            return data

        async def send():
            return self.submit(kept, pure=False)

        return send()


# %% [markdown]
# In this process
# ---------------

# %%
if __name__ == "__main__":
    X, y = load_mnist("train", return_X_y=True)
    X, y = X[:SIZE], y[:SIZE]
    expected = search(X, y)

# %% [markdown]
# In two workers
# --------------
#
# Each has one core, a memory limit, and its own TensorFlow.

# %%
if __name__ == "__main__":
    cluster = LocalCluster(
        n_workers=2, threads_per_worker=1, memory_limit="2GiB", dashboard_address=":0"
    )
    client = LastingClient(cluster)  # elsewhere: LastingClient("tcp://scheduler:8786")
    with parallel_config("dask"):
        scores = search(X, y)
    print("Dask, the same scores to the bit:", np.array_equal(scores, expected))

# %% [markdown]
# In this search each worker imported TensorFlow and traced its networks. Later searches on the
# same workers need not.
#
# A worker is lost
# ----------------
#
# Dask starts another one, and gives it the tasks of the lost one.

# %%
if __name__ == "__main__":

    def n_finished(dask_worker):
        """Return how many tasks a worker has done."""
        return dask_worker.state.executed_count

    def kill_a_worker():
        """Kill the first worker that has done one more task."""
        before = client.run(n_finished)
        after = before
        while after == before:
            time.sleep(0.01)
            after = client.run(n_finished)
        address = next(name for name in before if after[name] > before[name])
        os.kill(client.run(os.getpid)[address], signal.SIGKILL)
        print("Killed", address)

    killer = threading.Thread(target=kill_a_worker)
    killer.start()
    with parallel_config("dask"):
        scores = search(X, y)
    killer.join()
    print("A worker lost, the same scores to the bit:", np.array_equal(scores, expected))
    client.close()
    cluster.close()
