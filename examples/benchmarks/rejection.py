"""Measure the reject option: error rate and coverage on digits, and what is flagged that is none.

The `fast` pipeline learns the first 50,000 training images of MNIST; thresholds are chosen on the
last 10,000, and everything is judged on the test set and on things that are no digit: letters,
noise, digits turned over or inverted and, where its files are, Fashion-MNIST.

    python examples/benchmarks/rejection.py                          # some minutes on two cores
    python examples/benchmarks/rejection.py --fashion FOLDER         # with its t10k-images file
    python examples/benchmarks/rejection.py --model digits.pipeline  # a model of your own

A model of your own must not have learned the last 10,000 training images. Then docs/rejection.md
and its picture are written. MAPIE and crepes are compared if they are installed.
"""

import argparse
import gzip
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from mnist_estimator import (
    CoverageAccuracyDisplay,
    NoveltyDetector,
    RejectingClassifier,
    ReliabilityDisplay,
    load,
    load_mnist,
    make_pipeline,
)
from mnist_estimator.uncertainty import choose_threshold

ROOT = Path(__file__).resolve().parents[2]
N_TRAIN = 50_000

ERROR_RATES = (0.005, 0.002, 0.001)
LETTERS = "ACEFHJKMNPRTUVWXYabdefhkmnrtwy"
"""Those that are like no digit: without O, I, l, S, Z, B, G, g, q and so on."""


# -- Things that are no digit --------------------------------------------------------------


def as_mnist(drawing: np.ndarray) -> np.ndarray:
    """Scale a drawing into 20 x 20 pixels, its centre of mass in the middle of 28 x 28."""
    rows, columns = np.nonzero(drawing > 25)
    cut = drawing[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    scale = 20 / max(cut.shape)
    size = tuple(max(1, round(side * scale)) for side in cut.shape[::-1])
    small = np.asarray(Image.fromarray(cut.astype(np.uint8)).resize(size, Image.Resampling.LANCZOS))
    image = np.zeros((28, 28))
    top, left = ((28 - side) // 2 for side in small.shape)
    image[top : top + small.shape[0], left : left + small.shape[1]] = small
    shift = [round(13.5 - centre) for centre in ndimage.center_of_mass(image)]
    return ndimage.shift(image, shift, order=0).astype(np.uint8)


def letters() -> np.ndarray:
    """Draw letters in each of the DejaVu fonts that come with matplotlib."""
    fonts = sorted((Path(matplotlib.get_data_path()) / "fonts" / "ttf").glob("DejaVuS*.ttf"))
    drawn = []
    for path in fonts:
        if "Display" in path.name:
            continue
        font = ImageFont.truetype(str(path), 80)
        for letter in LETTERS:
            canvas = Image.new("L", (160, 160))
            ImageDraw.Draw(canvas).text((30, 20), letter, 255, font=font)
            drawn.append(as_mnist(np.asarray(canvas)))
    return np.array(drawn).reshape(-1, 784)


def no_digits(X: np.ndarray, y: np.ndarray, fashion: Path | None) -> dict[str, np.ndarray]:
    """Make things that are no digit, or none as MNIST has them; X and y are test digits."""
    generator, n = np.random.default_rng(0), 2000
    clouds = ndimage.gaussian_filter(generator.normal(size=(n, 28, 28)), (0, 2, 2))
    clouds = (clouds - clouds.min(axis=(1, 2), keepdims=True)) / np.ptp(
        clouds, axis=(1, 2), keepdims=True
    )
    bent = X[np.isin(y, (2, 3, 4, 5, 7))][:n].reshape(-1, 28, 28)
    kinds = {
        "blank, black or white": np.repeat(np.array([[0], [255]], np.uint8), 784, axis=1),
        "noise, uniform": generator.integers(0, 256, (n, 784)).astype(np.uint8),
        "noise, normal": np.clip(generator.normal(33, 79, (n, 784)), 0, 255).astype(np.uint8),
        "clouds": (255 * np.clip(2 * clouds - 0.8, 0, 1)).astype(np.uint8).reshape(n, 784),
        "digits, pixels shuffled": generator.permuted(X[:n], axis=1),
        "digits, dark on light": 255 - X[:n],
        "2, 3, 4, 5, 7 upside down": bent[:, ::-1].reshape(-1, 784),
        "letters": letters(),
    }
    if fashion is not None:
        with gzip.open(fashion / "t10k-images-idx3-ubyte.gz") as file:
            kinds["Fashion-MNIST"] = np.frombuffer(file.read()[16:], np.uint8).reshape(-1, 784)[:n]
    return kinds


# -- What is measured ----------------------------------------------------------------------


def measure(
    pipe: Any, detector: Any, held: Any, test: Any, kinds: dict[str, np.ndarray]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return how digits fare, and the share that is flagged of each kind, by error rate."""
    digits, flagged = [], {}
    right_held, right = (pipe.predict(X) == y for X, y in (held, test))
    for with_detector in (None, detector):
        name = "threshold" if with_detector is None else "and novelty"
        model = RejectingClassifier(pipe, outlier_detector=with_detector, cv="prefit")
        model.fit(held[0][:1000], held[1][:1000])  # only to be fitted: it is asked for scores
        score_held, score = model.score_samples(held[0]), model.score_samples(test[0])
        scores = {kind: model.score_samples(images) for kind, images in kinds.items()}
        for rate in ERROR_RATES:
            chosen = choose_threshold(right_held, score_held, error_rate=rate)
            accepted = score >= chosen.threshold
            wrong = ~right[accepted]
            digits.append(
                {
                    "wanted": f"{rate:.1%}",
                    "rejects by": name,
                    "threshold": f"{chosen.threshold:.4f}" if len(wrong) else "none",
                    "bound": f"{chosen.error_bound:.2%}" if len(wrong) else "–",
                    "error rate": f"{wrong.mean():.2%}" if len(wrong) else "–",
                    "mistakes": int(wrong.sum()),
                    "coverage": f"{accepted.mean():.1%}",
                }
            )
            if not len(wrong):  # all is rejected: nothing to tell
                continue
            flagged[f"{rate:.1%}, {name}"] = {
                kind: f"{(of_kind < chosen.threshold).mean():.1%}"
                for kind, of_kind in scores.items()
            }
    return pd.DataFrame(digits), pd.DataFrame(flagged).rename_axis("flagged of")


def compare_libraries(pipe: Any, held: Any, test: Any) -> pd.DataFrame:
    """Return what the reject options of other libraries give, as far as they are installed."""
    rows = []
    methods: dict[str, Callable[..., np.ndarray]] = {"mapie": by_mapie, "crepes": by_crepes}
    predicted = pipe.predict(test[0])
    score_held, score = (pipe.predict_proba(X).max(axis=1) for X in (held[0], test[0]))
    right_held = pipe.predict(held[0]) == held[1]
    for rate in ERROR_RATES:
        threshold = choose_threshold(right_held, score_held, error_rate=rate).threshold
        found = {"RejectingClassifier": score >= threshold}
        for library, method in methods.items():
            if importlib.util.find_spec(library):
                found |= method(pipe, held, test[0], rate)
        for name, accepted in found.items():
            wrong = (predicted != test[1])[accepted]
            rows.append(
                {
                    "wanted": f"{rate:.1%}",
                    "method": name,
                    "error rate": f"{wrong.mean():.2%}" if accepted.any() else "–",
                    "coverage": f"{accepted.mean():.1%}",
                }
            )
    return pd.DataFrame(rows)


def by_mapie(pipe: Any, held: Any, X: np.ndarray, rate: float) -> dict[str, np.ndarray]:
    """Control the precision of "this prediction is right", by learn-then-test.

    Two grids of thresholds: MAPIE's own, in hundredths, and one that is as fine near 1.
    """
    from mapie.risk_control import BinaryClassificationController

    def sureness(sure: np.ndarray) -> np.ndarray:
        return np.column_stack([1 - sure, sure])

    right = (pipe.predict(held[0]) == held[1]).astype(int)
    sure_held, sure = (pipe.predict_proba(images).max(axis=1) for images in (held[0], X))
    grids = {
        "MAPIE, its own grid": np.linspace(0, 0.99, 100),
        "MAPIE, a finer grid": 1 - np.logspace(0, -6, 100),
    }
    found = {}
    for name, grid in grids.items():
        controller = BinaryClassificationController(
            sureness, "precision", 1 - rate, confidence_level=0.95, list_predict_params=grid
        )
        try:
            controller.calibrate(sure_held, right)
            found[name] = np.asarray(controller.predict(sure)) == 1
        except ValueError:  # no threshold of the grid will do
            found[name] = np.zeros(len(X), bool)
    return found


def by_crepes(pipe: Any, held: Any, X: np.ndarray, rate: float) -> dict[str, np.ndarray]:
    """Accept where the conformal prediction set holds one label."""
    from crepes import WrapClassifier

    wrapped = WrapClassifier(pipe)
    wrapped.calibrate(*held)
    sets = wrapped.predict_set(X, confidence=1 - rate)  # the labels of each, in a list
    return {"crepes, sets of one label": np.array([len(labels) == 1 for labels in sets])}


# -- The page ------------------------------------------------------------------------------


def draw(pipe: Any, detector: Any, held: Any, test: Any, path: Path) -> None:
    """Draw calibration and coverage on the test set."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    ReliabilityDisplay.from_estimator(pipe, *test, ax=left)
    model = RejectingClassifier(
        pipe, error_rate=ERROR_RATES[1], outlier_detector=detector, cv="prefit"
    ).fit(*held)
    CoverageAccuracyDisplay.from_estimator(model, *test, ax=right)
    right.set(xlim=(0.85, 1.002), ylim=(0.99, 1.0005))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def as_markdown(table: pd.DataFrame) -> str:
    """Return a table in Markdown."""
    rows = [list(map(str, table.columns)), ["---"] * table.shape[1]]
    rows += [list(map(str, row)) for row in table.itertuples(index=False)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def write_table(path: Path, name: str, table: pd.DataFrame) -> None:
    """Put a table between its marks in the page; the words around them stay."""
    start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    before, rest = path.read_text(encoding="utf-8").split(start)
    text = before + start + as_markdown(table) + "\n" + end + rest.split(end)[1]
    path.write_text(text, encoding="utf-8")


def main(arguments: list[str] | None = None) -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--fashion", type=Path, help="folder of t10k-images-idx3-ubyte.gz")
    parser.add_argument("--model", type=Path, help="a saved pipeline, instead of training one")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "rejection.md")
    options = parser.parse_args(arguments)
    X, y = load_mnist("train", return_X_y=True)
    test = load_mnist("test", return_X_y=True)
    held = X[N_TRAIN:], y[N_TRAIN:]
    if options.model is None:
        pipe = make_pipeline("fast", random_state=0).fit(X[:N_TRAIN], y[:N_TRAIN])
    else:
        pipe = load(options.model)
    detector = NoveltyDetector(pipe, random_state=0).fit(X[:N_TRAIN])
    kinds = no_digits(*test, options.fashion)
    digits, flagged = measure(pipe, detector, held, test, kinds)
    write_table(options.page, "digits", digits)
    write_table(options.page, "flagged", flagged.reset_index())
    libraries = compare_libraries(pipe, held, test)
    write_table(options.page, "libraries", libraries)
    for table in (digits, flagged, libraries):
        print(table, end="\n\n")
    draw(pipe, detector, held, test, options.page.parent / "images" / "rejection.png")


if __name__ == "__main__":
    main()
