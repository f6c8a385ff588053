"""What a fitted model keeps and learns when it goes on: with more of the same, and with others.

    python examples/benchmarks/adaptation.py                       # two hours on two cores
    python examples/benchmarks/adaptation.py --presets fast        # three minutes
    python examples/benchmarks/adaptation.py --held-out            # no test images: to choose by

Each preset is fitted on MNIST; its file is kept in --models, and taken from there the next time.
Then, each time from that model:

- `partial_fit` on 1, 10, 100, 1,000 and 5,000 images drawn from those it knows, once and ten
  times with new ones, and `fit` with `warm_start=True` on as many; `partial_fit` on the image
  whose loss is the highest, ten times. How does the accuracy change?
- `partial_fit` on 20 images a class of another kind, five times: scikit-learn's digits, brought
  by `DigitNormalizer`, and MNIST inverted. What is the accuracy on others of that kind, beside
  that of a new model fitted on these images alone?

The rows go to adaptation.csv beside the script, each when it is there; --resume goes on after a
kill.
"""

import argparse
import copy
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from reporting import describe, to_markdown
from rich.console import Console
from sklearn.datasets import load_digits

from mnist_estimator import DigitNormalizer, load, load_mnist, make_pipeline, save
from mnist_estimator.pipeline import PRESETS
from mnist_estimator.utils._output_files import atomic_write

SIZES = (1, 10, 100, 1000, 5000)
TIMES = (1, 10)
A_CLASS, CALLS = 20, 5
OWN = Path(__file__).with_suffix(".csv")
KEYS = ["preset", "what", "images"]
"""Columns that tell a measurement from others."""


Row = dict[str, Any]
Job = tuple[str, int, Callable[[], list[Row]]]
"""What is measured, with how many images, and the call that measures it."""


class Kind(NamedTuple):
    """Images of another kind: a few to learn, and others to judge by."""

    name: str
    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray


def first_of_each(y: np.ndarray, n: int) -> np.ndarray:
    """Return the positions of the first images of each class."""
    return np.concatenate([np.flatnonzero(y == label)[:n] for label in np.unique(y)])


def kinds(
    known: tuple[np.ndarray, np.ndarray], judged: tuple[np.ndarray, np.ndarray]
) -> list[Kind]:
    """Return scikit-learn's digits in MNIST's format, and MNIST's inverted."""
    digits, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(digits))
    digits, labels = DigitNormalizer().fit_transform(digits)[order], labels[order]
    few = first_of_each(labels, A_CLASS)
    rest = np.setdiff1d(np.arange(len(digits)), few)
    some = first_of_each(known[1], A_CLASS)
    return [
        Kind("digits of 8×8 pixels", digits[few], labels[few], digits[rest], labels[rest]),
        Kind("MNIST inverted", 255 - known[0][some], known[1][some], 255 - judged[0], judged[1]),
    ]


def partial_fit(pipe: Any, X: np.ndarray, y: np.ndarray) -> None:
    """Go on with the network of a pipeline; its scaler stays as it is."""
    pipe[-1].partial_fit(pipe[:-1].transform(X), y)


def warm_fit(pipe: Any, X: np.ndarray, y: np.ndarray) -> None:
    """Go on by ``fit``, for as many epochs as the first fit; the scaler stays as it is."""
    pipe[-1].fit(pipe[:-1].transform(X), y)


def hardest(pipe: Any, X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the position of the image that the model takes least for what it is labelled."""
    columns = np.searchsorted(pipe.classes_, y)
    return pipe.predict_proba(X)[np.arange(len(y)), columns].argmin(keepdims=True)


def with_known(pipe: Any, X: np.ndarray, y: np.ndarray, judged: Any) -> Iterator[Job]:
    """Yield what is measured with images that the model knows."""
    before = pipe.score(*judged)

    def row(what: str, n_images: int, times: int, model: Any) -> Row:
        after = model.score(*judged)
        return {"what": what, "images": n_images, "times": times, "before": before, "after": after}

    def go_on(what: str, n_images: int, train: Callable[..., None]) -> list[Row]:
        model, generator, rows = copy.deepcopy(pipe), np.random.default_rng(n_images), []
        model[-1].set_params(warm_start=True)
        for time in range(1, max(TIMES) + 1):
            chosen = generator.permutation(len(X))[:n_images]
            train(model, X[chosen], y[chosen])
            if time in TIMES:
                rows.append(row(what, n_images, time, model))
        return rows

    def go_on_with_the_hardest() -> list[Row]:
        model, chosen = copy.deepcopy(pipe), hardest(pipe, X[:10_000], y[:10_000])
        for _ in range(max(TIMES)):
            partial_fit(model, X[chosen], y[chosen])
        return [row("partial_fit, hardest", 1, max(TIMES), model)]

    for n_images in SIZES:
        yield "partial_fit", n_images, partial(go_on, "partial_fit", n_images, partial_fit)
    yield "partial_fit, hardest", 1, go_on_with_the_hardest
    for n_images in SIZES:
        yield "warm fit", n_images, partial(go_on, "warm fit", n_images, warm_fit)


def with_others(pipe: Any, kind: Kind, anew: Any, judged: Any) -> list[Row]:
    """Go on with images of another kind; return what becomes of the accuracy on them."""
    model, accuracies = copy.deepcopy(pipe), [pipe.score(kind.X_test, kind.y_test)]
    for _ in range(CALLS):
        partial_fit(model, kind.X, kind.y)
        accuracies.append(model.score(kind.X_test, kind.y_test))
    alone = anew.fit(kind.X, kind.y).score(kind.X_test, kind.y_test)
    row = {
        "what": kind.name, "images": len(kind.X), "times": CALLS, "before": accuracies[0],
        "once": accuracies[1], "after": accuracies[-1], "alone": alone,
        "known_before": pipe.score(*judged), "known_after": model.score(*judged),
    }  # fmt: skip
    return [row]


def jobs_of(pipe: Any, preset: str, known: Any, judged: Any) -> Iterator[Job]:
    """Yield all that is measured of a preset's model."""
    yield from with_known(pipe, *known, judged)
    for kind in kinds(known, judged):
        anew = make_pipeline(preset, random_state=0)
        yield kind.name, len(kind.X), partial(with_others, pipe, kind, anew, judged)


def tables(rows: pd.DataFrame) -> str:
    """Lay out the rows: points won or lost, and accuracies in per cent."""
    parts = []
    for preset, some in rows.groupby("preset", sort=False):
        known = some[some["alone"].isna()]
        points = 100 * (known["after"] - known["before"])
        names = known["what"] + " " + known["images"].map("{:,}".format)
        cells = pd.DataFrame({"name": names, "times": known["times"], "points": points})
        wide = cells.pivot(index="name", columns="times", values="points").reindex(names.unique())
        wide.columns = [f"{times} ×" for times in wide.columns]
        title = f"{preset}, {100 * known['before'].iloc[0]:.2f} %: points"
        text = wide.map(lambda value: "" if pd.isna(value) else f"{value:+.2f}")
        parts.append(to_markdown(text.rename_axis(title)))
    others = rows[rows["alone"].notna()]
    columns = {
        "before": "before", "once": "after one call", "after": "after five",
        "alone": "these images alone", "known_before": "MNIST before", "known_after": "MNIST after",
    }  # fmt: skip
    text = (100 * others[list(columns)]).map("{:.2f}".format).rename(columns=columns)
    text.index = pd.Index(others["preset"] + ": " + others["what"], name="accuracy, %")
    return "\n\n".join([*parts, to_markdown(text)])


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, write the rows, and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--presets", nargs="+", choices=list(PRESETS), default=list(PRESETS))
    parser.add_argument("--models", type=Path, default=Path("adaptation-models"), metavar="FOLDER")
    parser.add_argument("--output", type=Path, default=OWN, metavar="FILE")
    parser.add_argument(
        "--resume", action="store_true", help="go on with the rows that the output file lacks"
    )
    parser.add_argument(
        "--held-out", action="store_true", help="fit on 50,000 and judge by the other 10,000"
    )
    parser.add_argument("--train-size", type=int, default=10**9, help="images to fit on, at most")
    parser.add_argument("--test-size", type=int, default=10**9, help="images to judge by, at most")
    options = parser.parse_args(arguments)
    X, y = load_mnist("train", return_X_y=True)
    known, judged = (X, y), (X[50_000:], y[50_000:])
    if options.held_out:
        known = (X[:50_000], y[:50_000])
    else:
        judged = load_mnist("test", return_X_y=True)
    known = tuple(part[: options.train_size] for part in known)
    judged = tuple(part[: options.test_size] for part in judged)
    options.models.mkdir(parents=True, exist_ok=True)
    console, table = Console(), pd.DataFrame()
    if options.resume and options.output.exists():
        table = pd.read_csv(options.output, comment="#")
    for preset in options.presets:
        path = options.models / f"{preset}-{len(known[0])}.pipeline"
        with console.status(preset):
            if not path.exists():
                save(make_pipeline(preset, random_state=0).fit(*known), path)
            for what, n_images, measure in jobs_of(load(path), preset, known, judged):
                if len(table) and ([preset, what, n_images] == table[KEYS]).all(axis=1).any():
                    continue
                rows = pd.DataFrame(measure())
                rows.insert(0, "preset", preset)
                table = pd.concat([table, rows], ignore_index=True)
                text = f"# {describe(str(date.today()))}\n{table.round(5).to_csv(index=False)}"
                with atomic_write(options.output) as file:
                    file.write_text(text, encoding="utf-8")
    console.print(tables(table), highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main()
