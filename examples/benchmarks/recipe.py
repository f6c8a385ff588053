"""Try training recipes on MNIST, without its test set.

Each recipe is a set of parameters of `CNNClassifier`. It learns the first 50,000 training
images and is judged on the last 10,000, by accuracy and log loss; the test set is never
loaded. Results go to a CSV file, one line for a recipe and a seed; what stands there
already is not run again, so an interrupted run goes on where it stopped.

    python examples/benchmarks/recipe.py                      # the whole ladder, seed 0
    python examples/benchmarks/recipe.py --seeds 0 1 2 --only "no dropout"
    python examples/benchmarks/recipe.py --table              # only show what is there
    python examples/benchmarks/recipe.py --learn 30000 --only accurate

Where recipes make few mistakes on 10,000 images, `--learn 30000` judges on the other 30,000:
three times as many, most of them not of labels.

Seconds swing with what else the machine does; the processor's own seconds less so.
"""

import argparse
import csv
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from sklearn.metrics import accuracy_score, log_loss

from mnist_estimator import __version__, load_mnist, make_pipeline
from mnist_estimator.network._augmentation import AUGMENTATIONS
from mnist_estimator.pipeline import PRESETS

N_ALL, N_TRAIN = 60_000, 50_000
WHOLE = {"early_stopping": False}
PLAIN = {"augmentation": "affine"}
STRONG = AUGMENTATIONS["affine"]
WEAK = {"rotation": 10.0, "zoom": 0.1, "shear": 0.1, "shift": 0.08}
STRONGER = {"rotation": 20.0, "zoom": 0.2, "shear": 0.2, "shift": 0.08}
NOT_ADVERSARIAL = STRONGER | {"thickness": 0.8}
THREE = WHOLE | {
    "filters": (32, (64, 64), 128),
    "dropout": 0.4,
    "ensemble_size": 3,
    "epochs": 44,
    "augmentation": NOT_ADVERSARIAL,
}
BEFORE = THREE | {"augmentation": STRONGER}
ONE = BEFORE | {"ensemble_size": 1}
NARROW = BEFORE | {"filters": (16, (48, 48), 96), "dropout": 0.3}
ADAM = {"optimizer": "adam", "batch_size": 256, "augmentation": WEAK}

RECIPES: dict[str, dict] = {
    # The ladder: what the default came from, step by step.
    "Adam, all images, six epochs": WHOLE | ADAM | {"hard_fraction": 1.0, "epochs": 6},
    "Adam, as many images, hard ones": WHOLE | ADAM,
    "Muon": WHOLE | ADAM | {"optimizer": "muon"},
    "larger batches": WHOLE | {"augmentation": WEAK},
    "stronger augmentation": WHOLE | PLAIN,
    "some images corrupted": WHOLE,
    "hold-out and early stopping (the default)": {},
    # Neighbours of the default.
    "half the epochs": WHOLE | {"epochs": 11},
    "Adam, otherwise the default": WHOLE | {"optimizer": "adam"},
    "fewer images corrupted": WHOLE | {"augmentation": STRONG | {"corruption": 0.03}},
    "one image in five corrupted": WHOLE | {"augmentation": STRONG | {"corruption": 0.2}},
    "smaller shifts": WHOLE | {"augmentation": STRONG | {"shift": 0.05, "corruption": 0.06}},
    "a broader network for as long": WHOLE | {"filters": (32, (64, 64), 128), "epochs": 12},
    "a deeper network": WHOLE | {"filters": (16, (32, 32), (64, 64)), "epochs": 24},
    "a broad one of three convolutions": WHOLE | {"filters": (32, 64, 128)},
    "larger shares, fewer of them": WHOLE | {"hard_fraction": 0.5, "epochs": 11},
    "a higher rate": WHOLE | {"learning_rate": 0.014},
    "more dropout": WHOLE | {"dropout": 0.5},
    # What did not help.
    "no dropout": WHOLE | {"dropout": 0.0},
    "not augmented": WHOLE | {"augmentation": None},
    "label smoothing": WHOLE | {"label_smoothing": 0.05},
    "cosine": WHOLE | {"schedule": "cosine"},
    # Fast.
    "fast: one epoch": PRESETS["fast"] | {"epochs": 1},
    "fast: two epochs": PRESETS["fast"],
    "fast: three epochs": PRESETS["fast"] | {"epochs": 3},
    "fast: two epochs of Adam": PRESETS["fast"] | {"optimizer": "adam"},
    "fast: batches of 192": PRESETS["fast"] | {"batch_size": 192},
    "fast: not augmented": PRESETS["fast"] | {"augmentation": None},
    # Accurate.
    "accurate": PRESETS["accurate"],
    "accurate: half the epochs": PRESETS["accurate"] | {"epochs": 88},
    "accurate: not adversarial": PRESETS["accurate"] | {"augmentation": NOT_ADVERSARIAL},
    "accurate: two, half the epochs": PRESETS["accurate"] | {"ensemble_size": 2, "epochs": 88},
    "accurate: broader, half the epochs": PRESETS["accurate"]
    | {"filters": (64, (128, 128), 256), "dropout": 0.4, "epochs": 88},
    "accurate: smaller changes, half the epochs": PRESETS["accurate"]
    | {"augmentation": NOT_ADVERSARIAL | {"adversarial": 0.04}, "dropout": 0.4, "epochs": 88},
    # Three networks, before images were made hard to read.
    "three": THREE,
    "three: strokes as they are": BEFORE,
    "three: one of them": THREE | {"ensemble_size": 1},
    "three: 88 epochs": THREE | {"epochs": 88},
    # What was tried before strokes were made thicker and thinner.
    "one": ONE,
    "one: all images, 24 epochs": ONE | {"hard_fraction": 1.0, "epochs": 24},
    "one: broader": ONE | {"filters": (64, (128, 128), 256)},
    "one: deeper, pooled once": ONE | {"filters": (32, (64, 64, 96, 128))},
    "one: deeper, two kernels of 3×3 for one of 5×5": ONE
    | {"filters": ((32, 32), (64, 64, 96, 128)), "kernel_size": 3},
    "one: three convolutions, all of 5×5": ONE | {"filters": (32, (64, 128)), "kernel_size": 5},
    "one: label smoothing": ONE | {"label_smoothing": 0.05},
    "one: larger shifts": ONE | {"augmentation": STRONGER | {"shift": 0.12}},
    "one: stronger augmentation": ONE
    | {"augmentation": {"rotation": 25.0, "zoom": 0.25, "shear": 0.3, "shift": 0.08}},
    "one: twice the rate": ONE | {"learning_rate": 0.02},
    "one: more dropout": ONE | {"dropout": 0.5},
    "one: batches of 256": ONE | {"batch_size": 256},
    "three: narrower": NARROW,
    "three: narrower, half the epochs": NARROW | {"epochs": 22},
    "three: narrower, twice the epochs": NARROW | {"epochs": 88},
    "three: narrower, weaker augmentation": NARROW | PLAIN,
    "three: narrower, pooled later": NARROW
    | {"filters": ((16, 16, 32), (48, 48), 96), "kernel_size": 3},
    "three: broader, half the epochs": BEFORE
    | {"filters": (64, (128, 128), 256), "dropout": 0.5, "epochs": 22}
    | PLAIN,
}
FIELDS = ["recipe", "seed", "accuracy", "log_loss", "shifted_accuracy", "shifted_log_loss"]
FIELDS += ["fit_seconds", "cpu_seconds", "n_train", "n_judged", "parameters"]
KEY = ["parameters", "seed", "n_train", "n_judged"]
"""What must be the same in a row for a trial to be done."""


def parameters_of(name: str) -> str:
    """Return all parameters of a recipe, defaults and version included: they tell recipes apart."""
    params = make_pipeline(**RECIPES[name])[-1].get_params()
    del params["checkpoint_dir"]  # which changes nothing in what is learned
    return json.dumps(params | {"version": __version__}, sort_keys=True)


def try_recipe(name: str, seed: int, n_train: int, first_held: int) -> dict:
    """Train by a recipe, and judge it on the images held back, from one of them on."""
    X, y = load_mnist("train", return_X_y=True)
    X_held, y_held = X[first_held:], y[first_held:]
    pipe = make_pipeline(**RECIPES[name], random_state=seed)
    started, cpu_started = time.perf_counter(), time.process_time()
    pipe.fit(X[:n_train], y[:n_train])
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu_started
    row: dict = {"recipe": name, "seed": seed}
    for prefix, shift in (("", 0), ("shifted_", 1)):
        proba = pipe.set_params(cnn__test_time_shift=shift).predict_proba(X_held)
        row[f"{prefix}accuracy"] = round(accuracy_score(y_held, np.argmax(proba, axis=1)), 5)
        row[f"{prefix}log_loss"] = round(log_loss(y_held, proba, labels=pipe.classes_), 6)
    row |= {"fit_seconds": round(seconds, 1), "cpu_seconds": round(cpu, 1)}
    sizes = {"n_train": n_train, "n_judged": len(y_held)}
    return row | sizes | {"parameters": parameters_of(name)}


def table(path: Path, n_train: int, n_judged: int) -> pd.DataFrame:
    """Return mean and standard deviation of each recipe, in the order of RECIPES."""
    found = pd.read_csv(path)
    now = {name: parameters_of(name) for name in RECIPES}
    found = found[found["parameters"] == found["recipe"].map(now)]
    found = found[(found["n_train"] == n_train) & (found["n_judged"] == n_judged)]
    shown = ["accuracy", "log_loss", "shifted_accuracy", "shifted_log_loss", "cpu_seconds"]
    by_recipe = found.groupby("recipe")[shown]
    means, sds, counts = by_recipe.mean(), by_recipe.std(), by_recipe.size()
    order = [name for name in RECIPES if name in means.index]
    return pd.DataFrame(
        {
            "accuracy %": [_spread(means, sds, name, "accuracy", 100, 2) for name in order],
            "log loss": [_spread(means, sds, name, "log_loss", 1, 4) for name in order],
            "shifted %": [_spread(means, sds, name, "shifted_accuracy", 100, 2) for name in order],
            "CPU s": [f"{means.loc[name, 'cpu_seconds']:.0f}" for name in order],
            "seeds": [counts[name] for name in order],
        },
        index=pd.Index(order, name="recipe"),
    )


def _spread(
    means: pd.DataFrame, sds: pd.DataFrame, name: str, column: str, factor: float, digits: int
) -> str:
    mean, sd = means.loc[name, column] * factor, sds.loc[name, column] * factor
    return f"{mean:.{digits}f}" + ("" if np.isnan(sd) else f" ± {sd:.{digits}f}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what is asked for and not there yet, and show the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="default: 0")
    parser.add_argument("--only", nargs="+", choices=list(RECIPES), help="names of recipes")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("recipe.csv"))
    parser.add_argument("--learn", type=int, default=N_TRAIN, metavar="N",
                        help="images to learn; the others judge; default: %(default)s")  # fmt: skip
    parser.add_argument("--table", action="store_true", help="run nothing")
    options = parser.parse_args(arguments)
    console = Console()
    n_train = min(options.learn, int(os.environ.get("MNIST_EXAMPLE_SIZE", options.learn)))
    n_judged = N_ALL - options.learn
    done = set()
    if options.output.exists():
        with options.output.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            done = {tuple(row[name] for name in KEY) for row in rows}
    for seed in [] if options.table else options.seeds:
        for name in options.only or RECIPES:
            if (parameters_of(name), str(seed), str(n_train), str(n_judged)) in done:
                continue
            with console.status(f"{name}, seed {seed}"):
                row = try_recipe(name, seed, n_train, options.learn)
            is_new = not options.output.exists()
            with options.output.open("a", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
                if is_new:
                    writer.writeheader()
                writer.writerow(row)
            seconds = f"{row['fit_seconds']} s"
            console.print(f"{name}, seed {seed}: {row['accuracy']}, {row['log_loss']}, {seconds}")
    if not options.output.exists():
        parser.error(f"{options.output} is not there yet; run without --table to make it")
    found = table(options.output, n_train, n_judged)
    console.print(found.to_string(), highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main()
