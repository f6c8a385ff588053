# %% [markdown]
"""
A training that survives a crash
================================

With ``checkpoint_dir`` a fit writes its state to a folder after each epoch. Here a process
that trains is killed, as by a power cut or a scheduler, and started again: it resumes after
the last complete epoch and ends with the same weights as an uninterrupted one.

Run time: about 1 minute on 2 cores. ``MNIST_EXAMPLE_SIZE`` in the environment sets
another number of images than 3,000.
"""

# %%
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import joblib
import numpy as np

from mnist_estimator import load_mnist, make_pipeline

SIZE = int(os.environ.get("MNIST_EXAMPLE_SIZE", 3000))

# %% [markdown]
# A script that trains
# --------------------
#
# The folder must exist, so that a fit that cannot write its checkpoints fails at once and not
# after hours. A folder is for one fit, which leaves it empty when it is done.

# %%
SCRIPT = """
import sys

import joblib

from mnist_estimator import load_mnist, make_pipeline

size, folder, result = sys.argv[1:]
X, y = load_mnist("train", return_X_y=True)
pipe = make_pipeline(filters=(8, 16), epochs=20, random_state=0, checkpoint_dir=folder)
joblib.dump(pipe.fit(X[: int(size)], y[: int(size)]), result)
"""
place = tempfile.TemporaryDirectory()
folder, result = Path(place.name, "checkpoints"), Path(place.name, "pipeline.joblib")
folder.mkdir()
command = [sys.executable, "-c", SCRIPT, str(SIZE), str(folder), str(result)]


def epochs_done():
    """Return how many epochs the checkpoint has behind it."""
    path = folder / "checkpoint.npz"
    if not path.exists():
        return 0
    with np.load(path) as checkpoint:
        return int(checkpoint["n_epochs"])


# %% [markdown]
# Killed
# ------

# %%
process = subprocess.Popen(command)
while epochs_done() < 3 and process.poll() is None:
    time.sleep(0.01)
process.kill()
process.wait()
print(f"Killed after {epochs_done()} of 20 epochs; the folder holds {os.listdir(folder)}")

# %% [markdown]
# Another fit is refused
# ----------------------
#
# A fit with other data or parameters refuses the checkpoint, and does not change it.

# %%
X, y = load_mnist("train", return_X_y=True)
X, y = X[:SIZE], y[:SIZE]
pipe = make_pipeline(filters=(8, 16), epochs=20, random_state=0, checkpoint_dir=folder)
try:
    pipe.set_params(cnn__learning_rate=0.02).fit(X, y)
except ValueError as error:
    print(error)

# %% [markdown]
# Started again
# -------------

# %%
subprocess.run(command, check=True)
resumed = joblib.load(result)[-1]
print(f"{resumed.n_iter_} epochs; the folder holds {os.listdir(folder)}")

whole = make_pipeline(filters=(8, 16), epochs=20, random_state=0).fit(X, y)[-1]
pairs = zip(resumed.model_.get_weights(), whole.model_.get_weights(), strict=True)
print("The same to the bit:", all(np.array_equal(one, other) for one, other in pairs))
place.cleanup()
