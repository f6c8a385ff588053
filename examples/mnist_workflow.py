# %% [markdown]
"""
MNIST, from the data to the report
==================================

Load the digits, split them, train the pipeline, and look at its mistakes.

Run time: about 2 minutes on 2 cores. With ``MNIST_EXAMPLE_SIZE=5000`` in the
environment it takes that many of the 60,000 training images and of the 10,000 test
images, and half a minute.
"""

# %%
import os

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import (
    ConfusionMatrixDisplay,
    accuracy_score,
    classification_report,
    f1_score,
    log_loss,
)
from sklearn.model_selection import train_test_split

from mnist_estimator import (
    ImageGridDisplay,
    TrainingHistoryDisplay,
    evaluate,
    load_mnist,
    make_pipeline,
)

SIZE = int(os.environ.get("MNIST_EXAMPLE_SIZE", 60_000))

# %% [markdown]
# The data
# --------
#
# MNIST comes with the package. A tenth of its training images is set aside here for
# development; the test images stay untouched until the end.

# %%
X, y = load_mnist("train", return_X_y=True)
X_train, X_dev, y_train, y_dev = train_test_split(
    X[:SIZE], y[:SIZE], test_size=0.1, stratify=y[:SIZE], random_state=0
)
print(f"{len(X_train):,} images to train on, {len(X_dev):,} to look at, {X.shape[1]} pixels each")

# %%
rows = np.array([np.flatnonzero(y_train == digit)[:5] for digit in range(10)]).T.ravel()
figure, ax = plt.subplots(figsize=(8, 4), layout="constrained")
ImageGridDisplay(X_train[rows].reshape(-1, 28, 28)).plot(ax, n_columns=10)
ax.set_title("Five of each digit")

# %% [markdown]
# One column for each digit. They lean to either side, strokes are thin or thick, and
# twos and fours have more than one shape.

# %% [markdown]
# Training
# --------
#
# The pipeline has two steps: ``scale`` brings the bytes to [0, 1] and the rows to
# images, ``cnn`` is the network. It holds out 3 % of the training images, and keeps the
# weights of the best epoch on them.

# %%
pipe = make_pipeline(random_state=0)
pipe.set_params(cnn__verbose=1)
pipe.fit(X_train, y_train)

# %%
history = TrainingHistoryDisplay.from_estimator(pipe)
history.figure_.suptitle("Training")

# %% [markdown]
# The first epoch takes all images. Each of the others takes a quarter of them (at least
# 4,096), preferring those with a high loss. The training curve is over all images, each as
# it was last seen: rotated, zoomed and shifted at random, with some activations dropped. So
# at first the training loss is above the validation loss.

# %% [markdown]
# Correct predictions
# -------------------
#
# The pipeline and its predictions work with any tool of scikit-learn.

# %%
y_pred = pipe.predict(X_dev)
print(classification_report(y_dev, y_pred, digits=4))

# %%
figure, ax = plt.subplots(figsize=(6, 5.5), layout="constrained")
ConfusionMatrixDisplay.from_predictions(y_dev, y_pred, ax=ax, cmap="Blues", colorbar=False)
ax.set_title("Confusion matrix")

# %% [markdown]
# Nearly all images are on the diagonal; after training on all of MNIST, twenty to thirty of
# 6,000 are not. No pair of digits stands out.

# %% [markdown]
# Mistakes
# --------

# %%
mistakes = ImageGridDisplay.from_estimator(pipe, X_dev, y_dev, n_images=20, n_columns=5)
mistakes.figure_.suptitle("The most confident mistakes")

# %% [markdown]
# Each image has its true label, the prediction and its probability. Some are ambiguous to
# people, too: a closed five resembles an eight, a seven with a foot a two.

# %% [markdown]
# The result
# ----------
#
# Now, once, the test images are used. ``evaluate`` takes any fitted classifier.

# %%
X_test, y_test = (part[:SIZE] for part in load_mnist("test", return_X_y=True))
report = evaluate(pipe, X_test, y_test)
print(report)

# %%
print(report.top_confusions.head().to_string(index=False))

# %% [markdown]
# The numbers agree with scikit-learn's own functions:

# %%
proba = pipe.predict_proba(X_test)
y_pred = pipe.predict(X_test)
np.testing.assert_allclose(report.accuracy, pipe.score(X_test, y_test))
np.testing.assert_allclose(report.accuracy, accuracy_score(y_test, y_pred))
np.testing.assert_allclose(report.f1.weighted, f1_score(y_test, y_pred, average="weighted"))
np.testing.assert_allclose(report.log_loss, log_loss(y_test, proba, labels=pipe.classes_))
print("The report agrees with score, accuracy_score, f1_score and log_loss.")

# %% [markdown]
# ``to_html`` writes all of it, with the plots, into one self-contained page:

# %%
page = report.to_html("mnist_report.html", title="MNIST")
print(f"The page is {page.resolve()}")

# %%
if plt.get_backend().lower() != "agg":  # which has no windows
    plt.show()
