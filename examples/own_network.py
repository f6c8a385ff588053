# %% [markdown]
"""
A network of your own
=====================

``CNNClassifier(model=...)`` takes a function that builds any Keras network, as scikeras does. All
else works as before: early stopping, class weights, augmentation, checkpoints, ``partial_fit``,
searches, saved files. Here it is a residual network, whose sizes a search chooses.
``frozen_base.py`` puts a new head on layers that were trained for another task.

Run time: about 2 minutes on 2 cores. ``MNIST_EXAMPLE_SIZE`` in the environment sets another number
of training images than 6,000.
"""

# %%
import os
import tempfile
from pathlib import Path

import keras
from sklearn.model_selection import GridSearchCV

from mnist_estimator import load, load_mnist, make_pipeline, save

SIZE = int(os.environ.get("MNIST_EXAMPLE_SIZE", 6000))
X, y = (part[:SIZE] for part in load_mnist("train", return_X_y=True))
X_test, y_test = (part[: 2 * SIZE] for part in load_mnist("test", return_X_y=True))

# %% [markdown]
# A residual network
# ------------------
#
# The function gets the shape of the data in ``meta``; its other arguments are parameters with the
# prefix ``model__``. The network returns logits or probabilities, one for each class.


# %%
def residual(meta, filters=16, n_blocks=1):
    """Return a network whose blocks add what they compute to what they get."""
    images = keras.Input(meta["image_shape_"])
    maps = keras.layers.Conv2D(filters, 5, strides=2, activation="relu")(images)
    for _ in range(n_blocks):
        block = keras.layers.Conv2D(filters, 3, padding="same", use_bias=False)(maps)
        block = keras.layers.BatchNormalization()(block)
        block = keras.layers.ReLU()(block)
        maps = keras.layers.Add()([maps, block])
    maps = keras.layers.MaxPooling2D()(maps)
    logits = keras.layers.Dense(meta["n_classes_"])(keras.layers.Flatten()(maps))
    return keras.Model(images, logits)


pipe = make_pipeline(model=residual, epochs=8, random_state=0)
grid = {"cnn__model__filters": [8, 24], "cnn__model__n_blocks": [1, 2]}
search = GridSearchCV(pipe, grid, cv=2).fit(X[: SIZE // 2], y[: SIZE // 2])
print(f"Best of {len(search.cv_results_['params'])}: {search.best_params_}")

best = search.best_estimator_.fit(X, y)
print(f"Accuracy of the residual network: {best.score(X_test, y_test):.4f}")

# %% [markdown]
# The file holds the architecture as Keras's config and the weights, and no code.

# %%
with tempfile.TemporaryDirectory() as folder:
    save(best, Path(folder, "residual.pipeline"))
    again = load(Path(folder, "residual.pipeline"))
same = (again.predict_proba(X_test) == best.predict_proba(X_test)).all()
print(f"Loaded again, the same probabilities: {same}")
