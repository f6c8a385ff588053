# %% [markdown]
"""
More images than one machine scores, with Ray Data
==================================================

A predictor labels images of a memory-mapped file and of Parquet files (``map_batches``) in two
worker processes, then once more while one of them is lost. All labels are the same. On a real
cluster, only the address in ``ray.init`` differs, and the files are where all machines see them.

Run time: about 1 minute on 2 cores. ``--rows 1000000`` takes a million images instead of 60,000,
``--model`` a saved pipeline. ``pip install "mnist_estimator[ray]"`` first.
"""

# %%
import os

os.environ["OMP_NUM_THREADS"] = "1"  # a core for each worker
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray reports its use otherwise

import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import ray
from scoring.images import (
    WORKERS,
    chunk_of,
    lose_once,
    options_of,
    pixels_of,
    plain_rates,
    predictor_of,
    say_rate,
    write_npy,
    write_parquet,
)

from mnist_estimator import load_mnist, load_predictor, make_pipeline, save

warnings.filterwarnings("ignore", module=r"ray\.")  # Ray 2.60 warns of its own settings

# %% [markdown]
# What a worker does
# ------------------
#
# Each is an object that loads the predictor once. It gets row numbers, or the name of a Parquet
# file, and opens the file itself, so no image goes through Ray's object store. It returns the
# labels, and the times when it began and ended.


# %%
class Labels:
    """Labels of images."""

    def __init__(self, model, path=None, lost=None):
        self.predictor = load_predictor(model)
        self.images = None if path is None else np.load(path, mmap_mode="r")
        self.lost = lost

    def __call__(self, batch):
        """Label the rows ``id`` of the mapped file, or those of a Parquet ``file``."""
        began = time.time()
        if "file" in batch:
            table = pd.read_parquet(batch["file"][0])
            rows, images = table["id"].to_numpy(), pixels_of(table["image"])
        else:
            rows = batch["id"]
            if self.lost is not None and rows[0] <= len(self.images) // 2 <= rows[-1]:
                lose_once(self.lost)
            images = self.images[rows]
        labels = self.predictor.predict(images)
        times = {"began": began, "ended": time.time()}
        return {"id": rows, "label": labels} | {
            name: np.full(len(rows), value) for name, value in times.items()
        }


def label(rows, chunk, **options):
    """Label a data set; return all rows by ``id``, sorted."""
    found = rows.map_batches(
        Labels,
        batch_size=chunk,
        compute=ray.data.ActorPoolStrategy(size=WORKERS),
        num_cpus=1,
        fn_constructor_kwargs=options,
    ).to_pandas()
    return found.sort_values("id")


# %% [markdown]
# The images and the predictor
# ----------------------------

# %%
if __name__ == "__main__":
    options = options_of(__doc__)
    n_rows, chunk = options.rows, chunk_of(options.rows)
    folder = tempfile.TemporaryDirectory()
    path, table = Path(folder.name) / "images.npy", Path(folder.name) / "parquet"
    X, y = load_mnist("train", return_X_y=True)
    model = options.model
    if model is None:
        model = Path(folder.name) / "digits.pipeline"
        save(make_pipeline("fast", epochs=1, random_state=0).fit(X[:2000], y[:2000]), model)
    model = model.absolute()
    write_npy(path, n_rows)
    write_parquet(table, np.load(path, mmap_mode="r"), chunk)
    expected = np.resize(predictor_of(model).predict(X[:n_rows]), n_rows)

# %% [markdown]
# Without an engine
# -----------------
#
# One process, then two independent ones: the limit of this machine.

# %%
if __name__ == "__main__":
    one, several = plain_rates(model, path, n_rows)
    print(f"One process: {one:,.0f} images/s")
    say_rate(f"{WORKERS} plain processes", several, one)

# %% [markdown]
# A mapped file, and Parquet
# --------------------------
#
# The workers start with each data set, so the time is measured from the first batch to the last;
# with few images the start takes longer. Ray is given one more core, for its own tasks.

# %%
if __name__ == "__main__":
    ray.init(num_cpus=WORKERS + 1, include_dashboard=False, object_store_memory=512 * 2**20)
    ray.data.DataContext.get_current().enable_progress_bars = False
    n_blocks = -(-n_rows // chunk)

    def mapped():
        """Return the numbers of the rows of the mapped file."""
        return ray.data.range(n_rows, override_num_blocks=n_blocks)

    found = label(mapped(), chunk, model=model, path=path)
    say_rate("Ray, mapped file", n_rows / (found["ended"].max() - found["began"].min()), one)
    print("The labels of one process:", np.array_equal(found["label"], expected))

    files = [{"file": str(file)} for file in table.iterdir()]
    found = label(ray.data.from_items(files, override_num_blocks=n_blocks), 1, model=model)
    say_rate("Ray, Parquet", n_rows / (found["ended"].max() - found["began"].min()), one)
    print("The labels of one process:", np.array_equal(found["label"], expected))

# %% [markdown]
# A worker is lost
# ----------------
#
# Ray starts another one, and gives it the batches of the lost one.

# %%
if __name__ == "__main__":
    lost = Path(folder.name) / "lost"
    found = label(mapped(), chunk, model=model, path=path, lost=lost)
    print("Workers lost:", int(lost.exists()))
    print("Nothing is missing:", np.array_equal(found["label"], expected))
    ray.shutdown()
    folder.cleanup()
