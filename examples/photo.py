# %% [markdown]
"""
Digits in a photo
=================

A program writes digits on a sheet of paper in four hands, and photographs it. The digits are
found, classified, and drawn over the picture.

Run time: about 1 minute on 2 cores. ``MNIST_EXAMPLE_SIZE`` in the environment sets a smaller
number of training images than all 60,000. The paper is drawn with scikit-image:
``pip install scikit-image``.
"""

# %%
import os

import matplotlib.pyplot as plt
import numpy as np
from handwriting.paper import as_jpeg, lay_out, photograph, tilt
from handwriting.strokes import Writer

from mnist_estimator import find_digits, load_mnist, make_pipeline, recognize

SIZE = int(os.environ.get("MNIST_EXAMPLE_SIZE", 60_000))

# %% [markdown]
# A page, and a photo of it
# -------------------------
#
# Each hand has its own shapes, slant and width: a 1 with or without a foot, a 7 with a bar, a 2
# with a loop. The light comes from the side, there is a shadow on the ruled paper, and the
# camera is tilted. The result is a JPEG file.

# %%
generator = np.random.default_rng(0)
written = ["3141592653", "2718281828", "1618033988", "0123456789"]
glyphs = [
    [Writer(seed).write(int(digit), height=50, pen=5) for digit in line]
    for seed, line in enumerate(written)
]
ink, boxes = lay_out(glyphs, (500, 900), generator)
photo = photograph(ink, generator, ruled=50, light=0.4, shadow=0.25)
photo, boxes = tilt(photo, boxes, angle=2.5, perspective=0.03)
with open("photo.jpg", "wb") as file:
    file.write(as_jpeg(photo))

# %% [markdown]
# Find the digits
# ---------------
#
# ``find_digits`` needs no classifier: it returns each digit in MNIST's format, with its box and
# its line.

# %%
found = find_digits("photo.jpg")
print(f"{len(found)} digits found of {len(boxes)}, in {len(set(found.lines))} lines")

# %% [markdown]
# Classify them
# -------------

# %%
X, y = load_mnist("train", return_X_y=True)
pipe = make_pipeline("fast", random_state=0).fit(X[:SIZE], y[:SIZE])
result = recognize(pipe, "photo.jpg")
for line, truth in zip(result.texts, written, strict=False):
    right = sum(a == b for a, b in zip(line, truth, strict=False))
    print(f"recognized {line}, written {truth}: {right} of {len(truth)}")

# %%
result.plot()
result.figure_.savefig("recognized.png", dpi=100)

# %% [markdown]
# Trained on all of MNIST, the network classifies all forty digits correctly. A digit with low
# confidence has a dashed box, with the confidence beside it.

# %%
if plt.get_backend().lower() != "agg":  # which has no windows
    plt.show()
