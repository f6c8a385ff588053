"""Images in a grid, with their true and predicted labels."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...utils._displayed_images import as_images, scale_to_unit, value_range
from ...utils._fitted import find_image_shape, take_rows
from ...utils._input_checks import check_count
from ...utils._labels import check_labels, check_same_kind
from ...utils._palette import VERMILION
from ...utils._predictions import most_confident_first, predict
from ...utils._protocols import Classifier
from ...utils._wording import shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

_TITLE_SIZE = 8  # points

EMPTY = {
    "mistakes": "mistakes",
    "correct": "correct predictions",
    "rejected": "rejected samples",
    "all": "samples",
}
"""Values of ``which``, and the words of the message without such samples."""


class ImageGridDisplay:
    """Images in a grid, each under its title.

    It is recommended to use :meth:`from_estimator` or :meth:`from_predictions`,
    which pick a classifier's mistakes and write the true label, the
    prediction and its confidence over each. All parameters are stored as
    attributes.

    Parameters
    ----------
    images : array-like of shape (n_images, height, width) or (n_images, height, width, channels)
        Numbers of any dtype and range. Bytes are shown from 0 to 255, others
        from their smallest to their largest value.
    titles : sequence of str, default=None
        One for each image. None writes none.
    highlighted : array-like of bool of shape (n_images,), default=None
        Titles to highlight in colour. None highlights none.
    indices : array-like of int of shape (n_images,), default=None
        The rows of `X` the images were taken from. Kept, not drawn.
    empty_message : str, default="No images to show."
        The text drawn if there are no images.

    Attributes
    ----------
    images_ : list of matplotlib AxesImage
        The images drawn; empty if there are none.
    axes_ : ndarray of matplotlib Axes
        The cells that hold an image, of shape (n_images,); with no images the
        one Axes that holds the message.
    text_ : matplotlib Text or None
        The message, if there are no images.
    figure_ : matplotlib Figure
        The figure of the first Axes.

    See Also
    --------
    sklearn.metrics.ConfusionMatrixDisplay : Counts of true against predicted labels.

    Examples
    --------
    >>> import numpy as np
    >>> from mnist_estimator import ImageGridDisplay
    >>> display = ImageGridDisplay(np.eye(4).reshape(1, 4, 4), titles=["diagonal"]).plot()
    >>> display.axes_[0].get_title()
    'diagonal'
    """

    __module__ = "mnist_estimator.evaluation"  # pickles name it

    def __init__(
        self,
        images: ArrayLike,
        *,
        titles: Sequence[str] | None = None,
        highlighted: ArrayLike | None = None,
        indices: ArrayLike | None = None,
        empty_message: str = "No images to show.",
    ) -> None:
        self.images = images
        self.titles = titles
        self.highlighted = highlighted
        self.indices = indices
        self.empty_message = empty_message

    @classmethod
    def from_estimator(
        cls,
        estimator: Classifier,
        X: Any,
        y: ArrayLike,
        *,
        which: Literal["mistakes", "correct", "rejected", "all"] = "mistakes",
        n_images: int = 25,
        image_shape: Sequence[int] | None = None,
        ax: "Axes | Sequence[Axes] | None" = None,
        n_columns: int | None = None,
        cmap: str = "gray",
    ) -> Self:
        """Draw images with the predictions of a fitted classifier.

        Parameters
        ----------
        estimator : fitted classifier
            Any classifier or pipeline; confidence is shown if it has `predict_proba`.
        X : array-like or DataFrame
            Images in the form `estimator` takes: of shape (n_samples, n_pixels),
            (n_samples, height, width) or (n_samples, height, width, channels).
        y : array-like of shape (n_samples,)
            True labels.
        which : {"mistakes", "correct", "rejected", "all"}, default="mistakes"
            See :meth:`from_predictions`.
        n_images : int, default=25
            Maximum number of images.
        image_shape : sequence of int, default=None
            (height, width) or (height, width, channels) of flat rows. None
            takes the estimator's `image_shape_` if it has one, else a square.
        ax, n_columns, cmap
            See :meth:`plot`.

        Returns
        -------
        ImageGridDisplay

        Raises
        ------
        NotFittedError
            If `estimator` is not fitted.
        TypeError
            If `estimator` is not a classifier, or the pixels are not numbers.
        ValueError
            If a parameter is out of range, or X, y and `image_shape` do not fit together.
        """
        y_true = check_labels(X, y)
        predictions = predict(estimator, X)
        if image_shape is None:
            image_shape = find_image_shape(estimator, math.prod(np.shape(X)[1:]))
        return cls.from_predictions(
            X,
            y_true,
            predictions.labels,
            confidence=predictions.confidence,
            rejected=predictions.rejected,
            which=which,
            n_images=n_images,
            image_shape=image_shape,
            ax=ax,
            n_columns=n_columns,
            cmap=cmap,
        )

    @classmethod
    def from_predictions(
        cls,
        X: Any,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        *,
        confidence: ArrayLike | None = None,
        rejected: ArrayLike | None = None,
        which: Literal["mistakes", "correct", "rejected", "all"] = "mistakes",
        n_images: int = 25,
        image_shape: Sequence[int] | None = None,
        ax: "Axes | Sequence[Axes] | None" = None,
        n_columns: int | None = None,
        cmap: str = "gray",
    ) -> Self:
        """Draw images with their true and predicted labels.

        Parameters
        ----------
        X : array-like or DataFrame
            Of shape (n_samples, n_pixels), (n_samples, height, width) or
            (n_samples, height, width, channels).
        y_true, y_pred : array-like of shape (n_samples,)
            True and predicted labels.
        confidence : array-like of float of shape (n_samples,), default=None
            Probability of each predicted label, in [0, 1].
        rejected : array-like of bool of shape (n_samples,), default=None
            Whether the classifier rejects each sample; `y_pred` has their most probable
            label. None: no sample is rejected.
        which : {"mistakes", "correct", "rejected", "all"}, default="mistakes"
            "mistakes": the most confident first. "correct" and "rejected": the least
            confident first. "all": in the order of `X`, mistakes highlighted in colour.
            Without `confidence` always in the order of `X`. Rejected samples are
            neither correct nor mistakes.
        n_images : int, default=25
            Maximum number of images.
        image_shape : sequence of int, default=None
            (height, width) or (height, width, channels) of flat rows. None
            takes them as square.
        ax, n_columns, cmap
            See :meth:`plot`.

        Returns
        -------
        ImageGridDisplay

        Raises
        ------
        TypeError
            If the pixels are not numbers.
        ValueError
            If a parameter is out of range, lengths differ, or rows are not images.
        """
        true, predicted = check_labels(X, y_true, "y_true"), check_labels(X, y_pred, "y_pred")
        check_same_kind(true, predicted, "y_true")
        check_count(n_images, "n_images", 1)
        sure = None if confidence is None else check_labels(X, confidence, "confidence")
        refused = np.zeros(len(true), dtype=bool)
        if rejected is not None:
            refused = check_labels(X, rejected, "rejected").astype(bool)
        wrong = (true != predicted) & ~refused
        chosen = _choose(which, wrong, refused, sure)[:n_images]
        titles = [
            title_of(true[i], predicted[i], None if sure is None else float(sure[i]), refused[i])
            for i in chosen
        ]
        display = cls(
            as_images(take_rows(X, chosen), image_shape),
            titles=titles,
            highlighted=wrong[chosen] if which == "all" else None,
            indices=chosen,
            empty_message=f"No {EMPTY[which]} among {len(true):,} samples.",
        )
        return display.plot(ax, n_columns=n_columns, cmap=cmap)

    def plot(
        self,
        ax: "Axes | Sequence[Axes] | None" = None,
        *,
        n_columns: int | None = None,
        cmap: str = "gray",
        im_kw: Mapping[str, Any] | None = None,
        text_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Draw the grid.

        Parameters
        ----------
        ax : matplotlib Axes or sequence of Axes, default=None
            One Axes is divided into the grid; of several, each takes an image
            and those left over are emptied. None makes a new figure.
        n_columns : int, default=None
            Columns of the grid. None makes it about square. Not used with several Axes.
        cmap : str or matplotlib Colormap, default="gray"
            For grey images; "gray_r" shows dark ink on white.
        im_kw : mapping, default=None
            Keywords for each `Axes.imshow`, over the defaults.
        text_kw : mapping, default=None
            Keywords for each `Axes.set_title`, over the defaults.

        Returns
        -------
        ImageGridDisplay
            Itself, with the handles set.

        Raises
        ------
        ValueError
            If there are fewer Axes or titles than images, or `n_columns` is below 1.
        """
        images = as_images(self.images)
        if self.titles is not None and len(self.titles) != len(images):
            raise ValueError(
                f"titles must have one title for each of the {len(images)} images; "
                f"got {len(self.titles)}."
            )
        if n_columns is not None:
            check_count(n_columns, "n_columns", 1)
        n_lines = max((title.count("\n") + 1 for title in self.titles or ()), default=0)
        cells = _grid_axes(ax, len(images), n_columns, n_lines)
        self.figure_ = cells[0].figure
        self.text_ = None
        self.images_: list[AxesImage] = []
        for cell in cells:
            cell.set_axis_off()
        self.axes_ = cells[: max(1, len(images))]
        if len(images) == 0:
            self._draw_message()
        else:
            self._draw_images(images, cmap, im_kw or {}, text_kw or {})
        return self

    def _draw_message(self) -> None:
        self.text_ = self.axes_[0].text(
            0.5, 0.5, self.empty_message, ha="center", va="center", parse_math=False
        )

    def _draw_images(
        self, images: NDArray[Any], cmap: str, im_kw: Mapping[str, Any], text_kw: Mapping[str, Any]
    ) -> None:
        if images.ndim == 3:
            low, high = value_range(images)
            style = {"cmap": cmap, "vmin": low, "vmax": high, "interpolation": "nearest"}
        else:
            images, style = scale_to_unit(images), {"interpolation": "nearest"}
        marked = np.zeros(len(images), bool)
        if self.highlighted is not None:
            marked = np.asarray(self.highlighted, bool)
        for i, cell in enumerate(self.axes_):
            self.images_.append(cell.imshow(images[i], **{**style, **im_kw}))
            if self.titles is not None:
                text_style: dict[str, Any] = {"fontsize": _TITLE_SIZE, "parse_math": False}
                if marked[i]:
                    text_style["color"] = VERMILION
                cell.set_title(self.titles[i], **{**text_style, **text_kw})


def _choose(
    which: str,
    wrong: NDArray[np.bool_],
    rejected: NDArray[np.bool_],
    confidence: NDArray[Any] | None,
) -> NDArray[np.intp]:
    if which == "all":
        return np.arange(len(wrong))
    if which == "mistakes":
        return most_confident_first(np.flatnonzero(wrong), confidence)
    if which not in EMPTY:
        *others, last = map(repr, EMPTY)
        raise ValueError(f"which must be {', '.join(others)} or {last}; got {shown(which)}.")
    chosen = rejected if which == "rejected" else ~(wrong | rejected)
    return most_confident_first(np.flatnonzero(chosen), None if confidence is None else -confidence)


def title_of(true: Any, predicted: Any, confidence: float | None, rejected: bool) -> str:
    """Write the labels of an image over it.

    Parameters
    ----------
    true, predicted : object
        Labels.
    confidence : float or None
        Probability of the predicted one.
    rejected : bool
        Whether the classifier rejects it.
    """
    sure = "" if confidence is None else f"{confidence:.1%}".replace("%", " %")
    if rejected:
        return f"true: {true}\nrejected ({predicted}{sure and f', {sure}'})"
    return f"true: {true}\npredicted: {predicted}{sure and f' ({sure})'}"


def _grid_axes(
    ax: "Axes | Sequence[Axes] | None", n_images: int, n_columns: int | None, n_lines: int
) -> NDArray[Any]:
    """Return at least max(1, `n_images`) Axes, flat, row by row."""
    n_columns = min(n_columns or math.ceil(math.sqrt(n_images)), n_images) or 1
    n_rows = max(1, math.ceil(n_images / n_columns))
    title_height = n_lines * _TITLE_SIZE * 1.3 / 72  # inches
    if ax is None:
        import matplotlib.pyplot as plt

        size = (1.5 * n_columns, (1.3 + title_height) * n_rows)
        size = size if n_images else (4.0, 1.5)
        _, axes = plt.subplots(n_rows, n_columns, squeeze=False, figsize=size, layout="constrained")
        return axes.ravel()
    given = np.asarray(ax, dtype=object).ravel()
    if given.size == 1 and n_images > 1:
        return _divide(given[0], n_rows, n_columns, title_height)
    if given.size < max(1, n_images):
        raise ValueError(
            f"ax must be one Axes or at least one for each of the {n_images} images; "
            f"got {given.size}."
        )
    return given


def _divide(ax: "Axes", n_rows: int, n_columns: int, title_height: float) -> NDArray[Any]:
    ax.set_axis_off()
    cell_height = ax.bbox.height / ax.figure.dpi / n_rows  # inches
    image_share = max(0.3, 0.95 - title_height / cell_height)
    width, height = 1 / n_columns, 1 / n_rows
    cells = [
        ax.inset_axes((column * width, 1 - (row + 1) * height, 0.95 * width, image_share * height))
        for row in range(n_rows)
        for column in range(n_columns)
    ]
    return np.array(cells, dtype=object)
