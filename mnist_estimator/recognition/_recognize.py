"""Recognition: digits in a picture, found, classified and drawn over it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import is_classifier
from sklearn.utils.validation import check_is_fitted

from ..preprocessing._digit_image import SIDE, as_bytes
from ..utils._fitted import fitted_parts
from ..utils._palette import BLUE, VERMILION
from ..utils._predictions import find_rejecting, predict
from ..utils._wording import counted
from ._find_digits import DetectedDigits, find_digits_in
from ._open_image import Page, open_page
from ._progress import progress
from ._segmentation import Scorer

if TYPE_CHECKING:
    from matplotlib.axes import Axes

REJECTED = "?"
"""The character of a rejected digit in a text."""
LINE_COLORS = (BLUE, VERMILION)
"""Of the boxes in even and odd lines of text."""


@dataclass(eq=False)
class Recognition:
    """The digits recognized in a picture, in reading order.

    Parameters
    ----------
    labels : ndarray of shape (n,)
        The label of each digit, as the classifier's ``predict`` gives it: rejected digits have
        its reject label.
    probabilities : ndarray of shape (n, n_classes), or None
        Of each class, in the order of the classifier's ``classes_``. None if it has no
        ``predict_proba``.
    confidences : ndarray of shape (n,), or None
        Probability of the label, of rejected digits that of the most probable one.
    boxes : ndarray of shape (n, 4), int64
        First row and column of each digit in the picture, and those after its last.
    lines : ndarray of shape (n,), int64
        Line of text each digit is in, counted from 0 at the top.
    images : ndarray of shape (n, 28, 28), uint8
        The digits as passed to the classifier.
    picture : ndarray of shape (height, width) or (height, width, 3)
        The picture.
    page : int, default=0
        Position of the picture in its file, from 0.
    n_pages : int, default=1
        Pages or frames in that file.
    rejected : ndarray of bool of shape (n,), default=None
        Which digits the classifier rejects. None without a reject option.

    Attributes
    ----------
    texts : list of str
        The lines of text, with "?" for rejected digits.
    ax_ : matplotlib Axes
        Where the picture was drawn.
    figure_ : matplotlib Figure
        The figure that it is in.
    boxes_ : list of matplotlib Rectangle
        One a digit.
    labels_ : list of matplotlib Text
        One a digit.

    See Also
    --------
    mnist_estimator.recognize : Makes it from a picture.
    """

    __module__ = "mnist_estimator.recognition"  # pickles name it

    labels: NDArray[Any]
    probabilities: NDArray[np.floating] | None
    confidences: NDArray[np.floating] | None
    boxes: NDArray[np.int64]
    lines: NDArray[np.int64]
    images: NDArray[np.uint8]
    picture: NDArray[Any]
    page: int = 0
    n_pages: int = 1
    rejected: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def __str__(self) -> str:
        return "\n".join(self.texts)

    def __repr__(self) -> str:
        return f"Recognition({self.texts!r})"

    @property
    def texts(self) -> list[str]:
        """The lines of text, from top to bottom, as strings; "?" for rejected digits."""
        n_lines = int(self.lines.max()) + 1 if len(self.lines) else 0
        words = np.array([self._text(i) for i in range(len(self))], dtype=object)
        return ["".join(words[self.lines == line]) for line in range(n_lines)]

    def _is_rejected(self, i: int) -> bool:
        return self.rejected is not None and bool(self.rejected[i])

    def _text(self, i: int) -> str:
        return REJECTED if self._is_rejected(i) else str(self.labels[i])

    def plot(
        self,
        ax: "Axes | None" = None,
        *,
        doubtful: float = 0.9,
        box_kw: Mapping[str, Any] | None = None,
        text_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Draw the picture, with a box around each digit and its label above.

        Boxes of consecutive lines differ in colour. A digit with low confidence has a
        dashed box and its confidence beside the label; a rejected one has a dotted box
        and "?".

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure.
        doubtful : float, default=0.9
            Confidence below which digits are marked as uncertain.
        box_kw, text_kw : mapping, default=None
            Passed to matplotlib's Rectangle and Text.

        Returns
        -------
        self
            With `ax_`, `figure_`, `boxes_` and `labels_`.
        """
        import matplotlib.pyplot as plt
        from matplotlib.patches import Rectangle

        if ax is None:
            height, width = self.picture.shape[:2]
            _, ax = plt.subplots(
                figsize=(8, float(np.clip(8 * height / width, 2, 12))), layout="constrained"
            )
        ax.imshow(self.picture, cmap="gray", vmin=0, vmax=1 if self.picture.ndim == 2 else None)
        ax.set_axis_off()
        self.boxes_, self.labels_ = [], []
        for i, (top, left, bottom, right) in enumerate(self.boxes):
            confidence = 1.0 if self.confidences is None else float(self.confidences[i])
            color = LINE_COLORS[self.lines[i] % 2]
            is_uncertain = confidence < doubtful and not self._is_rejected(i)
            text = self._text(i) + (f" {confidence:.0%}" if is_uncertain else "")
            line = ":" if self._is_rejected(i) else "--" if is_uncertain else "-"
            style: dict[str, Any] = {"fill": False, "edgecolor": color, "linestyle": line}
            style |= dict(box_kw or {})
            # Pixels are drawn around whole numbers.
            place = (left - 0.5, top - 0.5)
            self.boxes_.append(ax.add_patch(Rectangle(place, right - left, bottom - top, **style)))
            words: dict[str, Any] = {"color": color, "fontsize": 8, "va": "bottom"}
            self.labels_.append(ax.text(*place, text, **words | dict(text_kw or {})))
        self.ax_, self.figure_ = ax, ax.figure
        return self


def recognize(
    estimator: Any, image: Any, *, page: int | None = None, verbose: bool = False
) -> Recognition:
    """Find and classify the digits in a photo or scan.

    Parameters
    ----------
    estimator : fitted classifier
        Pipeline, search or other classifier that was fitted on MNIST's images as flat
        rows, such as ``make_pipeline().fit(X, y)``. If it has an
        :class:`~mnist_estimator.ImageScaler` or :class:`~mnist_estimator.CNNClassifier` that was
        fitted on another range than 0 to 255, the digits are brought to that range.
    image : str, path, file object, PIL image or array-like
        See :func:`~mnist_estimator.find_digits`.
    page : int, default=None
        Which picture of a file with several pages or frames, such as a TIFF, from 0.
        None: the first of a file, with a warning if there are more; of a PIL image the
        one that it is at. ``n_pages`` of the result tells how many there are.
    verbose : bool, default=False
        Whether to show progress on stderr, if that is a terminal.

    Returns
    -------
    Recognition
        Empty if no digits were found.

    Raises
    ------
    NotFittedError
        If the classifier is not fitted.
    OSError, TypeError, ValueError
        As :func:`~mnist_estimator.find_digits` does; ValueError, too, if the
        classifier was fitted on images of another size than 28×28.

    See Also
    --------
    mnist_estimator.find_digits : Find digits without classifying them.

    Notes
    -----
    Where digits may touch, the classifier decides on the cut: of several ways the one
    with the highest confidence is used, that of its least confident part.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from mnist_estimator import load_mnist, recognize
    >>> X, y = load_mnist("train", return_X_y=True)
    >>> page = np.hstack([255 - image.reshape(28, 28) for image in X[:3]])
    >>> y[:3].tolist()
    [5, 0, 4]
    >>> recognize(KNeighborsClassifier(1).fit(X[:500], y[:500]), page).texts
    ['504']
    """
    check_is_fitted(estimator)
    _check_size(estimator)
    with progress(verbose) as say:
        opened = open_page(image, page)
        found = find_digits_in(opened.pixels, _scorer(estimator), say)
        say(f"Classifying {counted(len(found), 'digit')}")
        return _classified(estimator, opened, found)


def _classified(estimator: Any, opened: Page, found: DetectedDigits) -> Recognition:
    """Classify the digits that were found."""
    if not len(found):
        classes = np.asarray(getattr(estimator, "classes_", np.arange(10)))
        labels, probabilities = classes[:0], None
        if hasattr(estimator, "predict_proba"):
            probabilities = np.empty((0, len(classes)))
        confidences = None if probabilities is None else np.empty(0)
        rejected = None if find_rejecting(estimator) is None else np.empty(0, dtype=bool)
    else:
        labels, _, probabilities, _, confidences, rejected, _ = predict(
            estimator, _rows(estimator, found.images)
        )
    return Recognition(
        labels, probabilities, confidences, found.boxes, found.lines, found.images,
        opened.pixels, opened.number, opened.n_pages, rejected,
    )  # fmt: skip


def _check_size(estimator: Any) -> None:
    n_features = getattr(estimator, "n_features_in_", SIDE * SIDE)
    if n_features != SIDE * SIDE:
        raise ValueError(
            f"estimator must take images of 28×28 pixels, {SIDE * SIDE} values; got a "
            f"{type(estimator).__name__} that was fitted on {n_features}. Fit it on MNIST's "
            "images, or on others that DigitNormalizer has brought to their format."
        )


def _rows(estimator: Any, images: NDArray[np.uint8]) -> Any:
    """Return images as flat rows, with the value range and columns of the fit."""
    rows: NDArray[Any] = images.reshape(len(images), -1)
    low, high = _value_range(estimator)
    if (low, high) != (0.0, 255.0):
        rows = (low + rows / 255.0 * (high - low)).astype(np.float32)
    names = getattr(estimator, "feature_names_in_", None)
    return rows if names is None else pd.DataFrame(rows, columns=names)


def _value_range(estimator: Any) -> tuple[float, float]:
    """Return the values of black and white in the images of the fit."""
    for part in fitted_parts(estimator):
        if hasattr(part, "value_range_"):
            return part.value_range_
        learned = getattr(part, "_value_range", None)
        if learned is not None:
            return learned[:2]
        if hasattr(part, "transform") and not is_classifier(part):
            break  # later parts take other values
    return 0.0, 255.0


def _scorer(estimator: Any) -> Scorer | None:
    """Return a scorer of ways to cut a blob, or None without probabilities."""
    if not hasattr(estimator, "predict_proba"):
        return None

    def score(ways: Sequence[Sequence[NDArray[np.float32]]]) -> list[float]:
        images = as_bytes(np.array([image for way in ways for image in way]))
        confidence = np.asarray(estimator.predict_proba(_rows(estimator, images))).max(axis=1)
        ends = np.cumsum([len(way) for way in ways])
        return [float(part.min()) for part in np.split(confidence, ends[:-1])]

    return score
