# %% [markdown]
"""
A folder of pictures
====================

Pictures in a folder of folders, one for each class, as Keras and torchvision have them: they are
brought to one size, a file maps them into memory, and a network learns them. Here the pictures are
MNIST's digits, written as PNG files of different sizes; replace ``folder`` by your own.

Run time: about 20 seconds on 2 cores. ``MNIST_EXAMPLE_SIZE`` in the environment sets another number
of pictures than 2,000.
"""

# %%
import os
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.model_selection import train_test_split

from mnist_estimator import load_image_folder, load_mnist, make_pipeline

SIZE = int(os.environ.get("MNIST_EXAMPLE_SIZE", 2000))
temporary = tempfile.TemporaryDirectory()
folder = Path(temporary.name, "pictures")

# %% [markdown]
# The pictures
# ------------
#
# ``pictures/three/17.png`` and so on: the names of the folders are the labels.

# %%
NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
X, y = (part[:SIZE] for part in load_mnist("train", return_X_y=True))
generator = np.random.default_rng(0)
for number, (image, label) in enumerate(zip(X.reshape(-1, 28, 28), y, strict=True)):
    place = folder / NAMES[label]
    place.mkdir(parents=True, exist_ok=True)
    side = int(generator.integers(28, 57))
    Image.fromarray(image).resize((side, side)).save(place / f"{number}.png")

# %% [markdown]
# Loading
# -------
#
# All get the same size, in their own proportions. A damaged file is an error, or left out with
# ``on_bad_file="skip"``. With ``cache``, the images go to a file that is mapped, and may be
# larger than memory.

# %%
cache = Path(temporary.name, "images.npy")
data = load_image_folder(folder, image_shape=(28, 28), cache=cache)
print(f"{len(data.images):,} pictures of {data.images.shape[1:]}, {len(set(data.target))} classes")

# %% [markdown]
# Learning
# --------
#
# The labels come back as they are. With so few pictures, the presets "fast" and "balanced" train
# for more epochs; ``resolved_params_`` says for how many.

# %%
rows, held_out = train_test_split(
    np.arange(len(data.target)), test_size=0.25, stratify=data.target, random_state=0
)
pipe = make_pipeline("fast", random_state=0).fit(data.images[rows], data.target[rows])
print(f"Epochs for so few: {pipe['cnn'].resolved_params_['epochs']}")
print(f"Accuracy: {pipe.score(data.images[held_out], data.target[held_out]):.4f}")
print(f"The first ones are {', '.join(pipe.predict(data.images[held_out][:3]))}.")

# %%
del data  # or Windows keeps the mapped file
temporary.cleanup()
