# %% [markdown]
"""
More images than one machine scores, with Dask
==============================================

A predictor labels images of a memory-mapped file (``map_blocks``) and of Parquet files
(``map_partitions``) in two worker processes, then once more while one of them is lost. All labels
are the same. On a real cluster, only the address of the scheduler differs, and the files are where
all machines see them.

Run time: about 1 minute on 2 cores. ``--rows 1000000`` takes a million images instead of 60,000,
``--model`` a saved pipeline. ``pip install "mnist_estimator[dask]"`` first.
"""

# %%
import os

os.environ["OMP_NUM_THREADS"] = "1"  # a core for each worker

import tempfile
import time
from pathlib import Path

import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
from distributed import Client, LocalCluster
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

from mnist_estimator import load_mnist, make_pipeline, save

# %% [markdown]
# What a worker does
# ------------------
#
# A task gets row numbers and opens the file itself, so no image goes through the scheduler.
# ``predictor_of`` loads the predictor once per process.


# %%
def label_rows(rows, model, path, lost=None):
    """Label rows of a mapped file; in the middle, lose the first worker that gets there."""
    images = np.load(path, mmap_mode="r")
    if lost is not None and rows[0] <= len(images) // 2 <= rows[-1]:
        lose_once(lost)
    return predictor_of(model).predict(images[rows[0] : rows[-1] + 1])


def label_frame(frame, model):
    """Label a data frame with a column of images."""
    labels = predictor_of(model).predict(pixels_of(frame["image"])) if len(frame) else []
    return frame[["id"]].assign(label=np.asarray(labels, dtype=np.uint8))


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
# A mapped file
# -------------

# %%
if __name__ == "__main__":
    # Dask has workers return freed memory at once; each batch would then ask for it anew.
    dask.config.set({"distributed.nanny.pre-spawn-environ": {"OMP_NUM_THREADS": 1}})
    cluster = LocalCluster(
        n_workers=WORKERS, threads_per_worker=1, memory_limit="2GiB", dashboard_address=":0"
    )
    client = Client(cluster)  # elsewhere: Client("tcp://scheduler:8786")
    client.run(predictor_of, model)

    def label_mapped(**options):
        """Label all rows of the mapped file."""
        rows = da.arange(n_rows, chunks=chunk)
        meta = np.empty(0, dtype=np.uint8)
        return rows.map_blocks(
            label_rows, model=model, path=path, dtype=meta.dtype, meta=meta, **options
        ).compute()

    started = time.perf_counter()
    labels = label_mapped()
    say_rate("Dask, mapped file", n_rows / (time.perf_counter() - started), one)
    print("The labels of one process:", np.array_equal(labels, expected))

# %% [markdown]
# Parquet
# -------

# %%
if __name__ == "__main__":
    dask.config.set({"dataframe.convert-string": False})  # images are bytes
    files = sorted(table.iterdir())
    frame = dd.from_map(pd.read_parquet, files, meta=pd.read_parquet(files[0]).head(0))
    started = time.perf_counter()
    found = frame.map_partitions(
        label_frame, model, meta={"id": np.int64, "label": np.uint8}
    ).compute()
    say_rate("Dask, Parquet", n_rows / (time.perf_counter() - started), one)
    labels = found.sort_values("id")["label"].to_numpy()
    print("The labels of one process:", np.array_equal(labels, expected))

# %% [markdown]
# A worker is lost
# ----------------
#
# Dask starts another one, and gives it the tasks of the lost one.

# %%
if __name__ == "__main__":
    before = set(client.run(os.getpid).values())
    labels = label_mapped(lost=Path(folder.name) / "lost")
    print("Workers lost:", len(before - set(client.run(os.getpid).values())))
    print("Nothing is missing:", np.array_equal(labels, expected))
    client.close()
    cluster.close()
    folder.cleanup()
