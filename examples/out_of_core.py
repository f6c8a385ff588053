# %% [markdown]
"""
Training on more images than fit into memory
============================================

``CNNClassifier.partial_fit`` trains on one piece of the data after another. Here the
pieces are files, read one at a time; they could also come from a database or a
camera. The learning rate is set by hand, piece by piece, and the accuracy is measured
after each piece, on held-out images.

Run time: about 30 seconds on 2 cores. ``MNIST_EXAMPLE_SIZE`` in the environment sets
another number of images than 24,000, and no more test images than that.
"""

# %%
import math
import os
import tempfile
from pathlib import Path
from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import accuracy_score

from mnist_estimator import CNNClassifier, ImageScaler, load_mnist

SIZE = int(os.environ.get("MNIST_EXAMPLE_SIZE", 24_000))
PIECES, PASSES = 10, 2

# %% [markdown]
# The files
# ---------
#
# Ten pieces for training and one for validation, each with images and labels as files that
# NumPy can map into memory: only the parts in use are read.

# %%
folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)  # Windows keeps mapped files
X, y = load_mnist("train", return_X_y=True)
n_held_out = SIZE // 6
parts = np.array_split(np.arange(SIZE - n_held_out), PIECES)
names = [f"piece{i}" for i in range(PIECES)]
for name, rows in [*zip(names, parts, strict=True), ("held_out", np.arange(SIZE)[-n_held_out:])]:
    np.save(Path(folder.name, f"{name}_images.npy"), X[rows])
    np.save(Path(folder.name, f"{name}_labels.npy"), y[rows])
del X, y  # from here on, all there is are the files


def read(name):
    """Map a piece into memory: images and labels."""
    return [
        np.load(Path(folder.name, f"{name}_{what}.npy"), mmap_mode="r")
        for what in ("images", "labels")
    ]


size = sum(file.stat().st_size for file in Path(folder.name).iterdir())
print(f"{SIZE:,} images in {PIECES + 1} pieces, {size / 2**20:.1f} MiB on disk")

# %% [markdown]
# What the first piece determines
# -------------------------------
#
# The **classes**: the first call of ``partial_fit`` must name all labels, as later pieces may
# have others. A piece may lack some of them; an unknown label is refused.
#
# The **scale**: ``ImageScaler`` takes bytes to be from 0 to 255, whatever the first piece
# holds; for other numbers, pass ``value_range=(low, high)``.
#
# The **statistics** by which the network standardizes its images, mean and standard
# deviation: so the first piece should have the brightness of the others.

# %%
images, labels = read("piece0")
scaler = ImageScaler().fit(images)
small = CNNClassifier(filters=(4,), random_state=0)
try:
    small.partial_fit(scaler.transform(images[:100]), labels[:100])
except ValueError as error:
    print("Without classes:", error)

low = np.flatnonzero(labels < 5)[:100]
small.partial_fit(scaler.transform(images[low]), labels[low], classes=np.arange(10))
print("Trained on digits from 0 to 4, it knows", small.classes_)
try:
    small.partial_fit(scaler.transform(images[:100]), labels[:100] + 1000)
except ValueError as error:
    print("With other labels:", error)

# %% [markdown]
# Training
# --------
#
# A call of ``partial_fit`` is one pass over a piece, in shuffled batches, with a constant
# learning rate. ``set_params`` changes the rate between two calls, as ``fit`` does by itself:
# up over the first quarter, then down along half a cosine. The optimizer's moments and
# ``history_`` continue from call to call.
#
# The held-out images are predicted in parts, too. (``predict`` itself reads memory-mapped
# images batch by batch; the parts keep the transformed copy small.)


# %%
def learning_rate_at(progress, largest=0.007):
    """Return the learning rate when a share of the training is done."""
    if progress < 0.25:
        return largest * progress / 0.25
    return largest * 0.5 * (1 + math.cos(math.pi * (progress - 0.25) / 0.75))


def predict_in_parts(clf, images, size=1000):
    """Predict memory-mapped images, of which a thousand at a time are in memory."""
    starts = range(0, len(images), size)
    return np.concatenate(
        [clf.predict(scaler.transform(images[start : start + size])) for start in starts]
    )


clf = CNNClassifier(random_state=0)
generator = np.random.default_rng(0)
held_out_images, held_out_labels = read("held_out")
seen, rates, accuracies = [0], [], []
start = perf_counter()
for _ in range(PASSES):
    for name in generator.permutation(names):
        rates.append(learning_rate_at((len(rates) + 0.5) / (PASSES * PIECES)))
        images, labels = read(name)
        clf.set_params(learning_rate=rates[-1])
        clf.partial_fit(scaler.transform(images), labels, classes=np.arange(10))
        seen.append(seen[-1] + len(images))
        predicted = predict_in_parts(clf, held_out_images)
        accuracies.append(accuracy_score(held_out_labels, predicted))
print(f"{clf.n_iter_} pieces in {perf_counter() - start:.0f} s")
print(f"Accuracy on the images held out: {accuracies[-1]:.4f}")

# %%
figure, (upper, lower) = plt.subplots(
    2, sharex=True, height_ratios=(3, 1), figsize=(6, 4.5), layout="constrained"
)
upper.plot(seen[1:], clf.history_["accuracy"], "o-", label="in training, augmented")
upper.plot(seen[1:], accuracies, "o-", label="held out")
upper.axvline(seen[PIECES], color="gray", linestyle=":")
upper.set(ylabel="Accuracy", ylim=(0.8, 1))
upper.legend()
lower.stairs(rates, seen)
lower.set(xlabel="Images seen; from the dotted line on, for the second time")
lower.set(ylabel="Learning rate")

# %% [markdown]
# The accuracy on the held-out images is high after a few pieces, fluctuates while the learning
# rate is high, and becomes stable as the rate falls. It is above that in training, where images
# are rotated, zoomed and shifted at random, and some activations dropped.

# %%
X_test, y_test = (part[:SIZE] for part in load_mnist("test", return_X_y=True))
print(f"Accuracy on the test images: {accuracy_score(y_test, predict_in_parts(clf, X_test)):.4f}")

# %% [markdown]
# When all images are in one file
# -------------------------------
#
# Then ``clf.fit(*read("piece0"))`` is enough: ``fit`` reads memory-mapped images batch by batch,
# as ``predict`` does, with its own schedule and early stopping. It needs no transformer, as the
# network standardizes its images.

# %%
folder.cleanup()
if plt.get_backend().lower() != "agg":  # which has no windows
    plt.show()
