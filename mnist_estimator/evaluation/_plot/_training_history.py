"""Loss and accuracy by epoch."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from ...utils._fitted import find_history
from ...utils._palette import BLUE, GREY, VERMILION

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

TRAINING_COLOR, VALIDATION_COLOR, BEST_EPOCH_COLOR = BLUE, VERMILION, GREY


class TrainingHistoryDisplay:
    """Loss and accuracy by epoch, for training and validation data.

    It is recommended to use :meth:`from_estimator`. All parameters are stored
    as attributes.

    Parameters
    ----------
    history : mapping of str to list of float
        One value an epoch under "loss" and "accuracy" and, where there was
        validation data, "val_loss" and "val_accuracy". Other keys are ignored.
    best_epoch : int, default=None
        The epoch whose weights were kept, counted from 1. None marks none.

    Attributes
    ----------
    lines_ : dict of str to matplotlib Line2D
        The curves, under the keys of `history`.
    best_epoch_lines_ : list of matplotlib Line2D
        The vertical line at the best epoch, one in each Axes; empty if there is none.
    axes_ : ndarray of shape (2,), dtype=matplotlib Axes
        The Axes with loss and with accuracy.
    figure_ : matplotlib Figure
        The figure of the first Axes.

    See Also
    --------
    sklearn.model_selection.LearningCurveDisplay : Scores by number of training samples.

    Examples
    --------
    >>> from mnist_estimator import TrainingHistoryDisplay
    >>> history = {"loss": [0.30, 0.09], "accuracy": [0.91, 0.97]}
    >>> display = TrainingHistoryDisplay(history, best_epoch=2).plot()
    >>> display.lines_["loss"].get_ydata().tolist()
    [0.3, 0.09]
    """

    __module__ = "mnist_estimator.evaluation"  # pickles name it

    def __init__(
        self, history: Mapping[str, Sequence[float]], *, best_epoch: int | None = None
    ) -> None:
        self.history = history
        self.best_epoch = best_epoch

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        ax: "Axes | Sequence[Axes] | None" = None,
        line_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Draw the training of a fitted estimator.

        Parameters
        ----------
        estimator : fitted estimator
            Has `history_`, and `best_epoch_` if it chose one; or is a pipeline or
            a meta-estimator such as `GridSearchCV` around one that does.
        ax : matplotlib Axes or sequence of two Axes, default=None
            See :meth:`plot`.
        line_kw : mapping, default=None
            See :meth:`plot`.

        Returns
        -------
        TrainingHistoryDisplay

        Raises
        ------
        NotFittedError
            If `estimator` is not fitted.
        TypeError
            If neither it nor a part of it has a `history_` with "loss" and "accuracy".
        """
        check_is_fitted(estimator)
        found = find_history(estimator)
        if found is None:
            raise TypeError(
                "estimator must have history_ with 'loss' and 'accuracy', or be a pipeline or "
                "search around an estimator that has; "
                f"got {type(estimator).__name__}. Fit a CNNClassifier, with refit=True in a search."
            )
        history, best_epoch = found
        return cls(history, best_epoch=best_epoch).plot(ax, line_kw=line_kw)

    def plot(
        self,
        ax: "Axes | Sequence[Axes] | None" = None,
        *,
        line_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes or sequence of two Axes, default=None
            Two Axes take loss and accuracy; a single one is divided in two;
            None makes a new figure.
        line_kw : mapping, default=None
            Keywords for each `Axes.plot`, over the defaults.

        Returns
        -------
        TrainingHistoryDisplay
            Itself, with the handles set.

        Raises
        ------
        ValueError
            If `history` lacks a curve, its curves differ in length, `best_epoch`
            lies outside them, or `ax` holds a number of Axes other than 1 or 2.
        """
        curves = self._check_curves()
        self.axes_ = _two_axes(ax)
        self.figure_ = self.axes_[0].figure
        self.lines_: dict[str, Line2D] = {}
        self.best_epoch_lines_: list[Line2D] = []
        for axes, metric in zip(self.axes_, ("loss", "accuracy"), strict=True):
            self._draw_panel(axes, metric, curves, line_kw or {})
        return self

    def _check_curves(self) -> dict[str, NDArray[Any]]:
        missing = [key for key in ("loss", "accuracy") if key not in self.history]
        if missing:
            raise ValueError(
                f"history must have the keys 'loss' and 'accuracy'; got {sorted(self.history)}. "
                "Compile the network with metrics=['accuracy']."
            )
        keys = ("loss", "accuracy", "val_loss", "val_accuracy")
        curves = {key: np.asarray(self.history[key], float) for key in keys if key in self.history}
        lengths = {key: len(curve) for key, curve in curves.items()}
        n_epochs = lengths["loss"]
        if n_epochs == 0 or set(lengths.values()) != {n_epochs}:
            raise ValueError(
                "history must have one value for each epoch, at least one, under each key; "
                f"got the lengths {lengths}."
            )
        if self.best_epoch is not None and not 1 <= self.best_epoch <= n_epochs:
            raise ValueError(
                f"best_epoch must lie between 1 and the number of epochs, {n_epochs}; "
                f"got {self.best_epoch}."
            )
        return curves

    def _draw_panel(
        self,
        ax: "Axes",
        metric: str,
        curves: Mapping[str, NDArray[Any]],
        line_kw: Mapping[str, Any],
    ) -> None:
        from matplotlib.ticker import MaxNLocator

        epochs = np.arange(1, len(curves[metric]) + 1)
        # Beyond some 30 epochs the markers would run into one band.
        size = 4 if len(epochs) <= 30 else 0
        styles = (
            (metric, {"color": TRAINING_COLOR, "marker": "o", "label": "training"}),
            (f"val_{metric}", {"color": VALIDATION_COLOR, "marker": "s", "label": "validation"}),
        )
        for key, style in styles:
            if key in curves:
                (line,) = ax.plot(epochs, curves[key], **{**style, "markersize": size, **line_kw})
                self.lines_[key] = line
        if self.best_epoch is not None:
            line = ax.axvline(
                self.best_epoch,
                color=BEST_EPOCH_COLOR,
                linestyle="--",
                linewidth=1,
                zorder=1,
                label=f"best epoch ({self.best_epoch})",
            )
            self.best_epoch_lines_.append(line)
        ax.set(xlabel="Epoch", ylabel=metric.capitalize(), xlim=(0.5, len(epochs) + 0.5))
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        ax.legend()


def _two_axes(ax: "Axes | Sequence[Axes] | None") -> NDArray[Any]:
    if ax is None:
        import matplotlib.pyplot as plt

        axes: NDArray[Any]
        _, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
        return axes
    given = np.asarray(ax, dtype=object).ravel()
    if given.size == 1:
        given[0].set_axis_off()
        bounds = ((0.0, 0.0, 0.43, 1.0), (0.57, 0.0, 0.43, 1.0))
        return np.array([given[0].inset_axes(bound) for bound in bounds], dtype=object)
    if given.size != 2:
        raise ValueError(
            f"ax must be one Axes or two, for loss and accuracy; got {given.size}. "
            "Make two with plt.subplots(1, 2)."
        )
    return given
