"""Files of many images, the rate of plain processes, and a worker that is lost."""

import argparse
import functools
import itertools
import multiprocessing
import os
import signal
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mnist_estimator import load_mnist, load_predictor

CHUNK = 10_000
"""Most images that a task predicts."""
MEASURED = 100_000
"""Most images by which the rate of plain processes is measured."""
WORKERS = 2
ROWS = int(os.environ.get("MNIST_EXAMPLE_SIZE", 60_000))


def options_of(text):
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=text.strip().splitlines()[0].lstrip("# "))
    parser.add_argument("--rows", type=int, default=ROWS, help=f"images; default: {ROWS:,}")
    parser.add_argument("--model", type=Path, help="written by save; default: a small fit")
    return parser.parse_args()


def chunk_of(n_rows):
    """Return how many images a task predicts: each worker gets ten tasks or more."""
    return max(1, min(CHUNK, n_rows // (10 * WORKERS)))


def write_npy(path, n_rows):
    """Write MNIST's training images over and over, (n_rows, 784) uint8, chunk by chunk."""
    X, _ = load_mnist("train", return_X_y=True)
    images = np.lib.format.open_memmap(path, "w+", np.uint8, (n_rows, 784))
    for start in range(0, n_rows, len(X)):
        images[start : start + len(X)] = X[: n_rows - start]
    images.flush()


def write_parquet(folder, images, chunk):
    """Write rows of an ``id`` and of ``image``, 784 bytes, one file a chunk."""
    folder.mkdir()
    for start in range(0, len(images), chunk):
        pixels = np.ascontiguousarray(images[start : start + chunk])
        ids = pa.array(np.arange(start, start + len(pixels)))
        column = pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(784), len(pixels), [None, pa.py_buffer(pixels)]
        )
        table = pa.table({"id": ids, "image": column})
        pq.write_table(table, folder / f"{start:012}.parquet", compression="zstd")


def pixels_of(images):
    """Return a column of 784 bytes each as an array (n, 784) of uint8."""
    return np.frombuffer(b"".join(images), dtype=np.uint8).reshape(-1, 784)


@functools.cache
def predictor_of(model):
    """Return the predictor of this process, loaded once."""
    return load_predictor(model)


def lose_once(marker):
    """Kill this process, as a lack of memory would, unless that has happened before."""
    try:
        Path(marker).touch(exist_ok=False)
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


def predict_part(model, path, start, stop, chunk):
    """Predict rows of a mapped file in this process; return when it began and ended."""
    images, predictor = np.load(path, mmap_mode="r"), predictor_of(model)
    predictor.predict(images[start : start + chunk])  # warm-up
    began = time.time()
    for row in range(start, stop, chunk):
        predictor.predict(images[row : min(row + chunk, stop)])
    return began, time.time()


def plain_rates(model, path, n_rows):
    """Return images a second of one process, and of ``WORKERS`` that know nothing of each other."""
    n_rows = min(n_rows, MEASURED)
    bounds = [n_rows * part // WORKERS for part in range(WORKERS + 1)]
    chunk, spawn = chunk_of(n_rows), multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(WORKERS, mp_context=spawn) as pool:
        rates = []
        for n_parts in (1, WORKERS):
            parts = [
                pool.submit(predict_part, model, path, start, stop, chunk)
                for start, stop in itertools.pairwise(bounds[: n_parts + 1])
            ]
            spans = [part.result() for part in parts]
            rates.append(sum(bounds[1] / (ended - began) for began, ended in spans))
    return rates


def say_rate(name, rate, one):
    """Print images a second, and as a share of those of as many times one process."""
    print(
        f"{name}: {rate:,.0f} images/s, {rate / one / WORKERS:.2f} of {WORKERS} × one process; "
        f"a billion in {1e9 / rate / 3600:,.1f} hours"
    )
