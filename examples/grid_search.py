# %% [markdown]
"""
Searching the parameters of the network
=======================================

Learning rate, dropout and the sizes of the layers: first every combination, with
``GridSearchCV``, then with ``HalvingGridSearchCV``, which drops poor candidates early.

Run time: about 2 minutes on 2 cores. ``MNIST_EXAMPLE_SIZE`` in the environment sets
another number of images than 1,500, and no more test images than that.
"""

# %%
import os
from time import perf_counter

import matplotlib.pyplot as plt
import pandas as pd
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, train_test_split

from mnist_estimator import load_mnist, make_pipeline

SIZE = int(os.environ.get("MNIST_EXAMPLE_SIZE", 1500))
N_TEST = int(os.environ.get("MNIST_EXAMPLE_SIZE", 10_000))

# %% [markdown]
# The data
# --------
#
# A small, stratified part of the training images, so that a fit takes a second or two.

# %%
X, y = load_mnist("train", return_X_y=True)
X_train, _, y_train, _ = train_test_split(X, y, train_size=SIZE, stratify=y, random_state=0)

# %% [markdown]
# Every combination
# -----------------
#
# The parameters of the network are those of the step ``cnn``. A tuple is one value:
# ``filters`` has the numbers of filters of three convolutions.
#
# Compiled functions are reused by later fits. Candidates that differ in the learning rate or
# in dropout share them; a new choice of filters takes a second or more to compile.
#
# On 2 cores ``n_jobs=2`` does not pay: a single fit uses both already, and each process would
# import TensorFlow and compile for itself. Scores would differ a little, as sums of one thread
# are rounded differently from those of two.

# %%
pipe = make_pipeline(epochs=5, random_state=0)
grid = {
    "cnn__learning_rate": [0.001, 0.01, 0.1],
    "cnn__dropout": [0.1, 0.4],
    "cnn__filters": [(8, 16, 32), (16, 32, 64)],
}
search = GridSearchCV(pipe, grid, cv=3)
start = perf_counter()
search.fit(X_train, y_train)
print(f"GridSearchCV: {3 * len(search.cv_results_['params'])} fits, {perf_counter() - start:.0f} s")

# %%
COLUMNS = {
    "param_cnn__learning_rate": "learning rate",
    "param_cnn__dropout": "dropout",
    "param_cnn__filters": "filters",
    "mean_test_score": "accuracy",
    "std_test_score": "std",
    "mean_fit_time": "fit time (s)",
}
results = pd.DataFrame(search.cv_results_).sort_values("rank_test_score")
results = results[list(COLUMNS)].rename(columns=COLUMNS)
print(results.round(4).to_string(index=False))

# %%
figure, ax = plt.subplots(figsize=(6, 4), layout="constrained")
for (filters, dropout), part in results.groupby(["filters", "dropout"]):
    part = part.sort_values("learning rate")
    ax.errorbar(
        part["learning rate"],
        part["accuracy"],
        part["std"],
        marker="o",
        capsize=3,
        label=f"{filters}, dropout {dropout}",
    )
ax.set(xscale="log", xlabel="Learning rate", ylabel="Accuracy in cross-validation")
ax.legend(title="Filters")

# %% [markdown]
# With 1,500 images, the learning rate matters most: at 0.001 five epochs are too few, above all
# for the smaller network. Between 0.01 and 0.1 the difference is within the noise. The larger
# network is better by about a point at 0.01, and more dropout does not help in such a short
# training.

# %%
print(f"Best: {search.best_params_}, accuracy {search.best_score_:.4f} in cross-validation")

# %% [markdown]
# Successive halving
# ------------------
#
# Successive halving tries all candidates on few images, the best third of them on three times
# as many, and so on.

# %%
halving = HalvingGridSearchCV(pipe, grid, cv=3, factor=3, random_state=0)
start = perf_counter()
halving.fit(X_train, y_train)
n_fits = 3 * len(halving.cv_results_["params"])
print(f"HalvingGridSearchCV: {n_fits} fits, {perf_counter() - start:.0f} s")
for n_candidates, n_images in zip(halving.n_candidates_, halving.n_resources_, strict=True):
    print(f"{n_candidates:3} candidates on {n_images:,} images")

# %%
rounds = pd.DataFrame(halving.cv_results_).sort_values(["iter", "mean_test_score"], ascending=False)
rounds = rounds[["n_resources", *COLUMNS]].rename(columns={"n_resources": "images", **COLUMNS})
print(rounds.round(4).to_string(index=False))

# %%
figure, ax = plt.subplots(figsize=(6, 4), layout="constrained")
for _, part in rounds.groupby(["learning rate", "dropout", "filters"]):
    part = part.sort_values("images")
    ax.plot(part["images"], part["accuracy"], marker="o", color="C0", alpha=0.6)
ax.set(xscale="log", xlabel="Images", ylabel="Accuracy in cross-validation")
ax.minorticks_off()
ax.set_xticks(halving.n_resources_, [f"{n:,}" for n in halving.n_resources_])
ax.set_title("One line a candidate, as far as it came")

# %% [markdown]
# With 1,500 images, the low learning rate was out after 166 images, and so was the high one,
# which was best in the full search: it needs more steps. Halving favours candidates that are
# good early. It used 7,000 images instead of 18,000, but saved little time, 52 s instead of
# 62 s, since the fixed cost of a fit dominates such short fits.

# %%
print(f"Best: {halving.best_params_}, accuracy {halving.best_score_:.4f} in cross-validation")

# %% [markdown]
# On the test images
# ------------------
#
# Both searches have fitted their best candidate on all of ``X_train``, and are classifiers
# themselves.

# %%
X_test, y_test = (part[:N_TEST] for part in load_mnist("test", return_X_y=True))
print(f"GridSearchCV        {search.score(X_test, y_test):.4f}")
print(f"HalvingGridSearchCV {halving.score(X_test, y_test):.4f}")

# %%
if plt.get_backend().lower() != "agg":  # which has no windows
    plt.show()
