# %% [markdown]
"""
A search on several machines, with Ray
======================================

The same ``GridSearchCV`` runs in this process, then in two worker processes of Ray. The scores are
the same to the bit. On a real cluster, only the address in ``ray.init`` differs.

Run time: about 1 minute on 2 cores. ``MNIST_EXAMPLE_SIZE`` in the environment sets
another number of images than 1,500. ``pip install "mnist_estimator[ray]"`` first.
"""

# %%
import os

# As many threads as a worker has: the last digits of a sum depend on their number.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray reports its use otherwise

import time

import numpy as np
import pandas as pd
import ray
from joblib import parallel_config
from ray.util.joblib import register_ray
from sklearn.model_selection import GridSearchCV

from mnist_estimator import load_mnist, make_pipeline

SIZE = int(os.environ.get("MNIST_EXAMPLE_SIZE", 1500))

# %% [markdown]
# The search
# ----------
#
# Nothing in it depends on Ray.


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
# Images that are sent once
# -------------------------
#
# Ray 2.60 with joblib 1.6 sends the images with each task. This array is in Ray's object store,
# from which each machine fetches it once; tasks take a reference to it.


# %%
class StoredArray(np.ndarray):
    """An array that is pickled as a reference to Ray's object store; its parts are plain."""

    @classmethod
    def put(cls, array):
        """Put an array into the store."""
        stored = np.asarray(array).view(cls)
        stored.reference = ray.put(array)
        return stored

    def __reduce_ex__(self, protocol):
        """Return how an unpickled copy is made."""
        if hasattr(self, "reference"):
            return ray.get, (self.reference,)
        return np.asarray(self).__reduce_ex__(protocol)


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
# Each gets one core, and 2 GiB are reserved for it. If one dies, Ray restarts it, up to four times,
# and repeats its task; without these two settings the search would end with an ``ActorDiedError``.
# The workers end with the search, so the next search imports TensorFlow again.

# %%
if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False, object_store_memory=256 * 2**20)
    register_ray()
    worker = {"num_cpus": 1, "memory": 2 * 2**30, "max_restarts": 4, "max_task_retries": 4}
    with parallel_config("ray", n_jobs=2, ray_remote_args=worker):
        scores = search(StoredArray.put(X), y)
    print("Ray, the same scores to the bit:", np.array_equal(scores, expected))
    ray.shutdown()
