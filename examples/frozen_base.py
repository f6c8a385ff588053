# %% [markdown]
"""
A frozen base with a new head
=============================

A network learns the digits 0 to 4; its layers up to the last pooling are saved in Keras's format,
as any pretrained network may be. A function loads them, freezes them and puts a new output layer
on top, which learns 5 to 9 from 100 images. Then all layers are tuned.

Run time: about 20 seconds on 2 cores. ``MNIST_EXAMPLE_SIZE`` in the environment sets another number
of training images than 6,000.
"""

# %%
import os
import tempfile
import warnings
from pathlib import Path

import keras

from mnist_estimator import load, load_mnist, make_pipeline, save

SIZE = int(os.environ.get("MNIST_EXAMPLE_SIZE", 6000))
X, y = (part[:SIZE] for part in load_mnist("train", return_X_y=True))
X_test, y_test = (part[: 2 * SIZE] for part in load_mnist("test", return_X_y=True))

# %% [markdown]
# The base
# --------

# %%
first = make_pipeline("fast", random_state=0).fit(X[y < 5], y[y < 5])
layers = first["cnn"].model_.layers
flatten = next(i for i, layer in enumerate(layers) if layer.name == "flatten")
base = keras.Sequential([keras.Input((28, 28, 1)), *layers[: flatten + 1]], name="base")

folder = tempfile.TemporaryDirectory()
warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)  # of Keras
base.save(Path(folder.name, "base.keras"))


def with_new_head(meta, base):
    """Return the layers of a file, frozen, with an output layer that is trained."""
    features = keras.saving.load_model(base)
    features.trainable = False
    images = keras.Input(meta["image_shape_"])
    return keras.Model(images, keras.layers.Dense(meta["n_classes_"])(features(images)))


few = (y >= 5).nonzero()[0][:100]
tuned = make_pipeline(
    model=with_new_head, model__base=str(Path(folder.name, "base.keras")),
    epochs=40, random_state=0,
).fit(X[few], y[few])  # fmt: skip
rest = y_test >= 5
print(f"100 images of new digits, frozen base: {tuned.score(X_test[rest], y_test[rest]):.4f}")

# %% [markdown]
# ``model_`` is the Keras model. Unfreeze it, and ``partial_fit`` tunes all of it at a lower rate.

# %%
tuned["cnn"].model_.trainable = True
tuned["cnn"].partial_fit(tuned["scale"].transform(X[few]), y[few])
print(f"Tuned as a whole: {tuned.score(X_test[rest], y_test[rest]):.4f}")

# %% [markdown]
# The file holds the architecture as Keras's config and the weights, and no code.

# %%
save(tuned, Path(folder.name, "tuned.pipeline"))
again = load(Path(folder.name, "tuned.pipeline"))
same = (again.predict_proba(X_test) == tuned.predict_proba(X_test)).all()
print(f"Loaded again, the same probabilities: {same}")
folder.cleanup()
