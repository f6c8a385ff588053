# %% [markdown]
"""
Serving without TensorFlow
==========================

A pipeline is trained and written as an ONNX file. Serving it needs only ONNX Runtime and NumPy,
a tenth of the disk space that training needs: here it is done by a process in which TensorFlow and
scikit-learn cannot be imported. Its predictions and its speed are compared with those of the
pipeline, and with the speed of Keras's ``model.predict``.

Run time: about 1 minute on 2 cores. ``MNIST_EXAMPLE_SIZE`` in the environment sets
another number of training images than 20,000.
"""

# %%
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np

from mnist_estimator import load_mnist, make_pipeline, to_onnx

SIZE = int(os.environ.get("MNIST_EXAMPLE_SIZE", 20_000))
N_SINGLE, N_BLOCK = 100, 1000
"""Images timed one by one; images in one call where there are many."""

# %% [markdown]
# Training and writing the file
# -----------------------------
#
# The file takes images of the shape and dtype in ``fit``, here flat rows of bytes. For others,
# pass an example: ``to_onnx(pipe, path, X=np.zeros((1, 28, 28), "float32"))``.

# %%
X, y = load_mnist("train", return_X_y=True)
X_test, y_test = (part[:SIZE] for part in load_mnist("test", return_X_y=True))
pipe = make_pipeline("fast", random_state=0).fit(X[:SIZE], y[:SIZE])

folder = tempfile.TemporaryDirectory()
path = to_onnx(pipe, Path(folder.name, "digits.onnx"))
print(f"{path.name}: {path.stat().st_size / 1024:.0f} KiB")

# %% [markdown]
# Serving
# -------
#
# It takes a session and a call. The rest of this script is for the comparison: it blocks the
# large packages, reads images from one file and writes predictions to another.

# %%
SERVING = f"""
import sys
from time import perf_counter

for name in ("tensorflow", "keras", "sklearn", "mnist_estimator"):
    sys.modules[name] = None  # an import of it fails from here on

import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("digits.onnx", providers=["CPUExecutionProvider"])


def classify(images):
    return session.run(["label", "probabilities"], {{"X": images}})


images = np.load("images.npy")
seconds = []
for image in images[:{N_SINGLE}]:
    start = perf_counter()
    classify(image[np.newaxis])
    seconds.append(perf_counter() - start)

start = perf_counter()
blocks = [classify(images[i : i + {N_BLOCK}]) for i in range(0, len(images), {N_BLOCK})]
whole = perf_counter() - start
labels, probabilities = (np.concatenate(parts) for parts in zip(*blocks))
np.savez("answers.npz", labels=labels, probabilities=probabilities,
         seconds=[np.median(seconds), whole])
"""
np.save(Path(folder.name, "images.npy"), X_test)
subprocess.run([sys.executable, "-c", SERVING], cwd=folder.name, check=True)
with np.load(Path(folder.name, "answers.npz")) as answers:
    labels, probabilities = answers["labels"], answers["probabilities"]
    served = answers["seconds"]

expected = pipe.predict_proba(X_test)
print(f"Accuracy of the file on {len(X_test):,} test images: {np.mean(labels == y_test):.4f}")
print(f"Labels other than the pipeline's: {np.sum(labels != pipe.predict(X_test))}")
print(f"Largest difference of a probability: {np.abs(probabilities - expected).max():.0e}")

# %% [markdown]
# The predictions are the same: the file includes the scaling and test-time augmentation.
#
# Speed
# -----
#
# ``model.predict`` gets scaled images, and uses no test-time augmentation.


# %%
def time(predict, images):
    """Return the seconds for one image, the median, and for all images."""
    predict(images[:1])  # the first call makes ready what the others use
    seconds = []
    for image in images[:N_SINGLE]:
        start = perf_counter()
        predict(image[np.newaxis])
        seconds.append(perf_counter() - start)
    start = perf_counter()
    predict(images)
    return np.median(seconds), perf_counter() - start


model = pipe["cnn"].model_
timed = {
    "ONNX Runtime": served,
    "pipe.predict_proba": time(pipe.predict_proba, X_test),
    "model.predict": time(
        lambda images: model.predict(images, batch_size=N_BLOCK, verbose=0),
        pipe["scale"].transform(X_test),
    ),
}
print(f"{'':20}{'one image':>12}{f'{len(X_test):,} images':>16}")
for name, (one, many) in timed.items():
    print(f"{name:20}{1000 * one:9.2f} ms{many:14.2f} s")

# %%
folder.cleanup()
