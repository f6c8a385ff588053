"""Search for the best parameters by cross-validation."""

import argparse
import json
import math
import shlex

from ..utils._output_files import PIPELINE_FILE, atomic_write
from ..utils._wording import counted
from ._pipeline import configured_pipeline, parameter_names
from ._terminal import PlainConsole, import_tensorflow, list_skipped
from ._train import make_folder
from ._training_data import load_training_data

CACHE = "cache"
"""Folder in the output folder with the finished fits."""


def run_search(options: argparse.Namespace) -> int:
    """Search a grid of parameters, and write the scores and the best pipeline into a folder.

    Parameters
    ----------
    options : argparse.Namespace
        ``data``, ``grid``, ``folds``, ``jobs``, ``preset``, ``settings``, ``seed``, ``output``,
        ``quiet`` and those that say what is in ``data``, as the command line has them.

    Returns
    -------
    int
        Exit code: 0, or 4 if bad files were left out.
    """
    console = PlainConsole(quiet=options.quiet)
    make_folder(options.output, "--output")
    if options.data == "mnist":
        options.data = None
    for name in ("source", "drawn", "validation", "test", "train_size", "epochs"):
        setattr(options, name, None)
    data = load_training_data(options, console)
    import_tensorflow()
    import pandas as pd
    from sklearn.model_selection import GridSearchCV

    from ..persistence import CachedClassifier, save

    pipe = configured_pipeline(options, data)
    grid = {
        f"estimator__{parameter_names(pipe, name, '--grid')}": values
        for name, values in options.grid
    }
    n_candidates = math.prod(map(len, grid.values()))
    console.print(
        f"{counted(n_candidates, 'combination')} in {options.folds} folds: "
        f"{counted(n_candidates * options.folds, 'fit')}."
    )
    search = GridSearchCV(
        CachedClassifier(pipe, memory=str(options.output / CACHE)), grid,
        cv=options.folds, n_jobs=options.jobs, error_score="raise",
    )  # fmt: skip
    search.fit(data.X, data.y)
    results = search.cv_results_
    table = pd.DataFrame(
        {name.removeprefix("estimator__").removeprefix("cnn__"): list(results[f"param_{name}"])
         for name in grid}
        | {"accuracy": results["mean_test_score"], "deviation": results["std_test_score"],
           "fit_seconds": results["mean_fit_time"], "rank": results["rank_test_score"]}
    ).sort_values("rank", kind="stable")  # fmt: skip
    with atomic_write(options.output / "search.csv") as path:
        table.to_csv(path, index=False)
    best = search.best_estimator_.estimator_
    save(best, options.output / PIPELINE_FILE)
    accuracy = best.score(data.X_test, data.y_test)
    best_params = {
        name.removeprefix("estimator__").removeprefix("cnn__"): value
        for name, value in search.best_params_.items()
    }
    with atomic_write(options.output / "search.json") as path:
        facts = {
            "best_params": best_params,
            "cross_validated_accuracy": search.best_score_,
            "test_accuracy": accuracy,
            "folds": options.folds,
            "seed": options.seed,
        }
        path.write_text(json.dumps(facts, indent=2, default=str) + "\n", encoding="utf-8")
    shown = table.to_string(index=False, float_format=lambda value: f"{value:.4f}")
    console.print(f"\n{shown}\n")
    settings = " ".join(
        f"--set {shlex.quote(f'{name}={value}'.replace(' ', ''))}"
        for name, value in best_params.items()
    )
    console.print(f"Best: {settings}")
    console.print(f"Accuracy on {len(data.X_test):,} test images: {accuracy:.4f}")
    console.print(f"Written to {options.output}: search.csv, search.json, {PIPELINE_FILE}")
    return list_skipped(data.skipped)
