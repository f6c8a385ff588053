# %% [markdown]
"""
A search that survives a crash
==============================

With ``CachedClassifier`` each fit of a search is stored in a folder as soon as it is finished. Here
a process that searches is killed and started again: it loads the finished fits, makes the others,
and ends with the same scores as an uninterrupted one.

Run time: about 1 minute on 2 cores. ``MNIST_EXAMPLE_SIZE`` in the environment sets
another number of images than 1,000, and no more test images than that.
"""

# %%
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import joblib
from sklearn.model_selection import GridSearchCV

from mnist_estimator import load_mnist, make_pipeline

SIZE = int(os.environ.get("MNIST_EXAMPLE_SIZE", 1000))
N_TEST = int(os.environ.get("MNIST_EXAMPLE_SIZE", 10_000))

# %% [markdown]
# A script that searches
# ----------------------
#
# Parameters get one more prefix, ``estimator__``. Everything random has a seed, including the
# search, so that it draws the same candidates when it is started again.

# %%
SCRIPT = """
import sys

import joblib
from scipy.stats import loguniform
from sklearn.model_selection import RandomizedSearchCV

from mnist_estimator import CachedClassifier, load_mnist, make_pipeline

size, folder, result = sys.argv[1:]
X, y = load_mnist("train", return_X_y=True)
pipe = make_pipeline(filters=(8, 16), epochs=5, random_state=0)
rates = {"estimator__cnn__learning_rate": loguniform(0.001, 0.1)}
model = CachedClassifier(pipe, folder)
search = RandomizedSearchCV(model, rates, n_iter=6, cv=3, random_state=0)
joblib.dump(search.fit(X[: int(size)], y[: int(size)]), result)
"""
place = tempfile.TemporaryDirectory()
folder, result = Path(place.name, "fits"), Path(place.name, "search.joblib")
command = [sys.executable, "-c", SCRIPT, str(SIZE), str(folder), str(result)]


def kept():
    """Return the files of the fits that are kept."""
    return list(folder.rglob("output.pkl"))


# %% [markdown]
# Killed
# ------

# %%
process = subprocess.Popen(command)
while len(kept()) < 7 and process.poll() is None:
    time.sleep(0.01)
process.kill()
process.wait()
before = {path: path.stat().st_mtime_ns for path in kept()}
print(f"Killed after {len(before)} of 19 fits")  # 6 candidates in 3 folds, and the best on all

# %% [markdown]
# Started again
# -------------
#
# Loaded fits take no time, as ``cv_results_["mean_fit_time"]`` shows for the first two candidates.

# %%
subprocess.run(command, check=True)
search = joblib.load(result)
untouched = all(path.stat().st_mtime_ns == written for path, written in before.items())
print(f"{len(kept())} fits; those that were there are as they were: {untouched}")
for rate, score, seconds in zip(
    search.cv_results_["param_estimator__cnn__learning_rate"],
    search.cv_results_["mean_test_score"],
    search.cv_results_["mean_fit_time"],
    strict=True,
):
    print(f"learning rate {rate:.4f}: accuracy {score:.4f}, {seconds:6.3f} s a fit")

# %% [markdown]
# Without interruption
# --------------------

# %%
X, y = load_mnist("train", return_X_y=True)
pipe = make_pipeline(filters=(8, 16), epochs=5, random_state=0)
rates = {"cnn__learning_rate": list(search.cv_results_["param_estimator__cnn__learning_rate"])}
whole = GridSearchCV(pipe, rates, cv=3).fit(X[:SIZE], y[:SIZE])
scores = [list(done.cv_results_["mean_test_score"]) for done in (search, whole)]
print("The same scores:", scores[0] == scores[1])

# %% [markdown]
# The pipeline itself, to save and to serve, is inside.

# %%
best = search.best_estimator_.estimator_
X_test, y_test = (part[:N_TEST] for part in load_mnist("test", return_X_y=True))
print(f"On the test images: {best.score(X_test, y_test):.4f}")
place.cleanup()
