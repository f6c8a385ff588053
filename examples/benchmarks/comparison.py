"""What the runs of compare.py come to: the tables, the page and the picture."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from methods import Method
from reporting import to_markdown, wrap

from mnist_estimator.evaluation._plot._training_history import BEST_EPOCH_COLOR, TRAINING_COLOR

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Annotation
    from matplotlib.transforms import Bbox

MEASURES = ["accuracy", "weighted_f1", "f1_of_1", "f1_of_2", "log_loss", "ece", "fit_seconds"]
MEASURES += ["cpu_seconds", "epochs_run", "images_per_second", "peak_mb", "added_mb"]


def select(runs: pd.DataFrame, method: Method, n_train: int) -> pd.DataFrame:
    """Return the runs of a method with so many images and its epochs."""
    of_method = runs[(runs["method"] == method.name) & (runs["n_train"] == n_train)]
    epochs = of_method["epochs"]
    return of_method[epochs.isna() if method.epochs is None else epochs.eq(method.epochs)]


def summarize(runs: pd.DataFrame, methods: Iterable[Method], n_train: int) -> pd.DataFrame:
    """Return mean and standard deviation of the runs of each method.

    Parameters
    ----------
    runs : DataFrame
        As :func:`read` returns them.
    methods : iterable of Method
        Those to look for. Where there are runs with several sets of parameters, the last
        set counts.
    n_train : int
        The number of training images that counts.

    Returns
    -------
    DataFrame
        A row for each method that has runs; columns are pairs of a measure and "mean" or
        "std", and ("seeds", "count"), ("share", "mean") and ("ours", "is").
    """
    rows = {}
    for method in methods:
        of_method = select(runs, method, n_train)
        of_method = of_method[of_method["parameters"].isin(of_method["parameters"].tail(1))]
        if of_method.empty:
            continue
        numbers = of_method[MEASURES].astype(float).agg(["mean", "std"])
        row = {(name, kind): numbers.loc[kind, name] for name in MEASURES for kind in numbers.index}
        row["seeds", "count"] = len(of_method)
        row["ours", "is"] = method.preset is not None
        rows[method.name] = row
    summary = pd.DataFrame.from_dict(rows, orient="index")
    if not summary.empty:
        seconds = summary["fit_seconds", "mean"]
        summary["share", "mean"] = seconds / seconds.get("keras", np.nan)
    return summary


def spread(summary: pd.DataFrame, name: str, factor: float = 1.0, digits: int = 2) -> list[str]:
    """Write mean ± standard deviation, the latter where there are several seeds."""
    return [
        "–" if np.isnan(mean)
        else f"{mean:,.{digits}f}" + ("" if np.isnan(sd) else f" ± {sd:,.{digits}f}")
        for mean, sd in factor * summary[name][["mean", "std"]].to_numpy(float)
    ]  # fmt: skip


def write_mean(summary: pd.DataFrame, name: str, pattern: str = "{:,.0f}") -> list[str]:
    """Write the means."""
    means = summary[name, "mean"].astype(float)
    return ["–" if np.isnan(mean) else pattern.format(mean) for mean in means]


def write_shares(summary: pd.DataFrame) -> list[str]:
    """Write the seconds as shares of those of Keras's example, small ones with two digits."""
    shares = summary["share", "mean"].astype(float)
    return [
        "–" if np.isnan(share) else f"{share:.2f}" if share >= 0.1 else f"{share:.2g}"
        for share in shares
    ]


def tables(summary: pd.DataFrame, labels: Mapping[str, str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Lay out the main table, and that of what else was measured.

    Returns
    -------
    main, others : DataFrame of str
        A row for each method, under its label.
    """
    index = pd.Index([labels[name] for name in summary.index], name="method")
    main = {
        "test accuracy, %": spread(summary, "accuracy", 100),
        "seeds": [str(count) for count in summary["seeds", "count"]],
        "log loss": spread(summary, "log_loss", digits=4),
        "calibration error, %": spread(summary, "ece", 100),
        "fit, s": spread(summary, "fit_seconds", digits=1),
        "fit ÷ Keras's": write_shares(summary),
        "images/s": write_mean(summary, "images_per_second"),
        "peak MB": write_mean(summary, "peak_mb"),
    }
    others = {
        "weighted F1": spread(summary, "weighted_f1", digits=4),
        "F1 of the digit 1": spread(summary, "f1_of_1", digits=4),
        "F1 of the digit 2": spread(summary, "f1_of_2", digits=4),
        "processor time of the fit, s": spread(summary, "cpu_seconds", digits=1),
        "epochs run": write_mean(summary, "epochs_run", "{:.3g}"),
        "MB added": write_mean(summary, "added_mb"),
    }
    return pd.DataFrame(main, index=index), pd.DataFrame(others, index=index)


def page(
    summary: pd.DataFrame,
    methods: Mapping[str, Method],
    n_train: int,
    description: str,
    picture: str,
) -> str:
    """Write the results as a page of Markdown."""
    labels = {name: method.label for name, method in methods.items()}
    shown = [methods[name] for name in summary.index]
    absent = [method.label for name, method in methods.items() if name not in summary.index]
    main, others = tables(summary, labels)
    parts = [
        "# MNIST, compared with other methods",
        f"{description}.",
        f"Measured by `python examples/benchmarks/compare.py` on {n_train:,} training and "
        f"{min(n_train, 10_000):,} test images of MNIST, on the CPU. Each run has its own "
        "process; the methods alternate, seed by seed. `examples/benchmarks/compare.csv` has "
        "every run.",
        f"![Test accuracy against seconds of the fit]({picture})",
        to_markdown(main),
        "Mean ± standard deviation over the seeds. Fit: from bytes to the fitted classifier, "
        'including scaling and compilation, excluding imports and loading; "fit ÷ Keras\'s" '
        "divides it by the fit of Keras's example. Images/s: `predict` on the test images with "
        "its defaults, once warm. Peak MB: the highest resident memory of the process, including "
        "interpreter, packages and images; MB added: the part of it added since the start of the "
        "fit. Calibration error: expected calibration error with 15 bins.",
        to_markdown(others),
        "\n".join(f"- {method.label}: {method.note}" for method in shown),
    ]
    if absent:
        parts.append(f"Not run: {'; '.join(absent)}.")
    return "\n\n".join(parts) + "\n"


TICKS = [0, 20, 50, 80, 90, 95, 97, 98, 99, 99.5, 99.7, 99.8, 99.9, 99.95]
ONE_IMAGE = 0.01
"""Percent of the test images: the smallest error that can be told from none."""


def draw(summary: pd.DataFrame, labels: Mapping[str, str]) -> "Figure":
    """Draw accuracy against seconds of the fit.

    Both axes are logarithmic, the accuracy's in the error: so each halving of the errors
    takes the same height.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    figure = Figure(figsize=(8.5, 5), dpi=150, layout="constrained")
    ax = figure.subplots()
    ax.set(xscale="log", yscale="log", xlabel="Fit (s)", ylabel="Test accuracy (%)")
    errors = np.maximum(100 - 100 * summary["accuracy", "mean"].to_numpy(float), ONE_IMAGE)
    seconds = summary["fit_seconds", "mean"].to_numpy(float)
    ax.set_ylim(1.4 * errors.max(), errors.min() / 1.4)  # errors fall upwards
    ax.set_xlim(seconds.min() / 2, seconds.max() * 2)
    measures = (("fit_seconds", 1), ("accuracy", 100))
    sds = [factor * summary[name, "std"].fillna(0).to_numpy(float) for name, factor in measures]
    mine = summary["ours", "is"].to_numpy(bool)
    for chosen, color, marker, line, label in (
        (mine, TRAINING_COLOR, "o", "-", "this package"),
        (~mine, BEST_EPOCH_COLOR, "s", "none", "others"),
    ):
        ax.errorbar(
            seconds[chosen], errors[chosen], xerr=sds[0][chosen], yerr=sds[1][chosen],
            color=color, marker=marker, linestyle=line, elinewidth=1, capsize=2, label=label,
        )  # fmt: skip
    ax.yaxis.set_major_locator(FixedLocator([100 - tick for tick in TICKS]))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(FuncFormatter(lambda error, _: f"{100 - error:.4g}"))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.grid(alpha=0.3)
    ax.legend(loc="upper left")
    figure.draw_without_rendering()  # now the layout is known
    place_labels(ax, seconds, errors, [labels[name] for name in summary.index], mine)
    return figure


def place_labels(
    ax: "Axes", x: np.ndarray, y: np.ndarray, labels: Sequence[str], highlighted: np.ndarray
) -> list["Annotation"]:
    """Write each label beside its point, where it covers nothing."""
    taken = occupied(ax)
    written = []
    for position in np.argsort(-x):  # the crowd is on the right
        text = ax.annotate(
            labels[position],
            (x[position], y[position]),
            xytext=(0, 0),
            textcoords="offset points",
            fontsize=8,
            color=TRAINING_COLOR if highlighted[position] else "black",
            in_layout=False,
        )
        best = min(places(), key=lambda place: covered(text, place, taken, ax.bbox))
        move(text, best)
        taken.append(text.get_window_extent())
        written.append(text)
    return written


Place = tuple[float, float, str, str]


def places() -> Iterator[Place]:
    """Yield offsets in points, and how the text is aligned there, the best place first."""
    for distance in (6.0, 12.0, 18.0, 26.0):
        yield distance, 0.0, "left", "center"
        yield -distance, 0.0, "right", "center"
        yield 0.0, distance, "center", "bottom"
        yield 0.0, -distance, "center", "top"
        for across, side in ((distance, "left"), (-distance, "right")):
            yield across, distance, side, "bottom"
            yield across, -distance, side, "top"


def move(text: "Annotation", place: Place) -> None:
    """Put a text where a place says."""
    across, up, horizontal, vertical = place
    text.set_position((across, up))
    text.set(horizontalalignment=horizontal, verticalalignment=vertical)


def covered(text: "Annotation", place: Place, taken: Iterable["Bbox"], inside: "Bbox") -> float:
    """Return how much a text would cover at a place, in pixels; what sticks out counts too."""
    from matplotlib.transforms import Bbox

    move(text, place)
    extent = text.get_window_extent()
    shared = [Bbox.intersection(extent, other) for other in taken]
    area = sum(box.width * box.height for box in shared if box is not None)
    seen = Bbox.intersection(extent, inside)
    seen_area = 0.0 if seen is None else seen.width * seen.height
    return area + 10 * max(extent.width * extent.height - seen_area, 0.0)


def occupied(ax: "Axes") -> list["Bbox"]:
    """Return what is drawn in pixels: points and the lines between them, bars, the legend."""
    from matplotlib.transforms import Bbox

    legend = ax.get_legend()
    boxes = [] if legend is None else [legend.get_window_extent()]
    for line in ax.lines:  # points with their connection; caps of the bars
        corners = ax.transData.transform(line.get_xydata())
        sizes = np.full(len(corners), 5.0)
        if line.get_linestyle() != "None" and len(corners) > 1:
            steps = np.linspace(0, len(corners) - 1, 200)
            along = [np.interp(steps, range(len(corners)), corners[:, axis]) for axis in (0, 1)]
            corners = np.vstack([corners, np.transpose(along)])
            sizes = np.concatenate([sizes, np.full(len(steps), 2.0)])
        for (left, top), size in zip(corners, sizes, strict=True):
            boxes.append(Bbox([[left - size, top - size], [left + size, top + size]]))
    for bars in ax.collections:
        boxes += [path.get_extents(ax.transData) for path in bars.get_paths()]
    return [box if box.width and box.height else box.padded(1.0) for box in boxes]


def write_page(
    summary: pd.DataFrame,
    methods: Mapping[str, Method],
    n_train: int,
    description: str,
    path: Path,
) -> None:
    """Write the page, and its picture into the folder `images` beside it."""
    picture = path.parent / "images" / f"{path.stem}.png"
    picture.parent.mkdir(parents=True, exist_ok=True)
    labels = {name: method.label for name, method in methods.items()}
    draw(summary, labels).savefig(picture)
    text = page(summary, methods, n_train, description, f"images/{picture.name}")
    path.write_text(wrap(text), encoding="utf-8")
