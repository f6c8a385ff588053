"""What was recognized in a picture: digits in groups and lines, with their confidences."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ._annotation import draw, to_svg
from ._groups import Separator, find_groups
from ._plot import plot
from ._records import to_dict, to_frame

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from PIL.Image import Image

PLACEHOLDER = "?"
"""Stands in a text for a digit that is rejected or doubtful."""
DOUBTFUL = 0.9
"""Confidence below which digits are drawn as doubtful, unless another was asked for."""


class RecognizedDigit(NamedTuple):
    """One of the digits of a :class:`Recognition`."""

    label: Any
    """As the classifier's ``predict`` gives it."""
    confidence: float | None
    """Probability of the label, of a rejected digit that of the most probable one. None without
    ``predict_proba``."""
    box: tuple[int, int, int, int]
    """First row and column in the picture, and those after the last."""
    line: int
    """Line of text, from 0 at the top."""
    group: int
    """Group of digits without a space between them, counted through the page from 0."""
    is_rejected: bool
    """Whether the classifier rejects it."""
    is_doubtful: bool
    """Whether its confidence is below ``min_confidence``."""
    probabilities: NDArray[np.floating] | None
    """Of the classes, of shape (n_classes,)."""
    image: NDArray[np.uint8]
    """As passed to the classifier, of shape (28, 28)."""


@dataclass(eq=False)
class Recognition:
    """The digits recognized in a picture, in reading order.

    It has a length, is iterable and can be indexed: its items are the digits, with ``label``,
    ``confidence``, ``box``, ``line``, ``group``, ``is_rejected``, ``is_doubtful``,
    ``probabilities`` and ``image``. In a notebook it shows the picture with boxes.

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
        First row and column of each digit in the picture, and those after its last, in pixels of
        the picture as it is shown, turned as its EXIF data say, whatever region and rotation.
    lines : ndarray of shape (n,), int64
        Line of text each digit is in, counted from 0 at the top.
    images : ndarray of shape (n, 28, 28), uint8
        The digits as passed to the classifier.
    picture : ndarray of shape (height, width) or (height, width, 3)
        The whole picture: grey from 0 to 1, or RGB in bytes.
    page : int, default=0
        Position of the picture in its file, from 0.
    n_pages : int, default=1
        Pages or frames in that file.
    rejected : ndarray of bool of shape (n,), default=None
        Which digits the classifier rejects. None without a reject option.
    groups : ndarray of shape (n,), int64, default=None
        Group of each digit, counted through the page from 0: digits without a space between them.
        None finds them by the gaps between the boxes: a gap is a space if it is wider than the
        median digit and than twice the median gap of its line, or than 2.5 digits.
    separators : list of Separator, default=()
        Marks between digits, each with ``character``, ``box``, ``line``, ``group`` and
        ``position``, the number of digits before it.
    classes : ndarray of shape (n_classes,), default=None
        The classifier's ``classes_``.
    rotation : {0, 90, 180, 270}, default=0
        Degrees by which the picture was turned clockwise to be upright. Lines and groups are
        those of the upright page.
    rotation_is_sure : bool, default=True
        False if ``rotation="auto"`` left a picture as it is because no rotation was clearly the
        right one.
    min_confidence : float, default=None
        Digits with less confidence are doubtful. None: no digit is.
    placeholder : str or None, default="?"
        Stands in `text` for digits that are rejected or doubtful. None: their most probable
        label does.
    n_letters : int, default=0
        How many signs were left out because they are letters, or other signs than digits.

    Attributes
    ----------
    text : str
        Lines of text, with spaces between groups, and separators.
    texts : list of str
        The digits of each line, without spaces and separators.
    doubtful : ndarray of bool of shape (n,)
        Digits with a confidence below ``min_confidence`` that are not rejected.
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
    groups: NDArray[np.int64] = None  # type: ignore[assignment]  # which __post_init__ finds
    separators: Sequence[Separator] = field(default=())
    classes: NDArray[Any] | None = None
    rotation: int = 0
    rotation_is_sure: bool = True
    min_confidence: float | None = None
    placeholder: str | None = PLACEHOLDER
    n_letters: int = 0

    def __post_init__(self) -> None:
        if self.groups is None:
            self.groups, self.separators = find_groups(self.boxes, self.lines, self.separators)

    def __len__(self) -> int:
        return len(self.labels)

    def __iter__(self) -> Iterator[RecognizedDigit]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, i: int) -> RecognizedDigit:
        labels = self.labels[i : i + 1 or None].tolist()  # IndexError below if there is none
        return RecognizedDigit(
            labels[0],
            None if self.confidences is None else float(self.confidences[i]),
            tuple(self.boxes[i].tolist()),
            int(self.lines[i]),
            int(self.groups[i]),
            self._is_rejected(i),
            bool(self.doubtful[i]),
            None if self.probabilities is None else self.probabilities[i],
            self.images[i],
        )

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"Recognition({self.text!r})"

    def _repr_html_(self) -> str:
        """Return the text, and the picture with boxes, for a notebook."""
        import html

        note = "" if self.rotation_is_sure else "<p>Which way is up is not sure.</p>"
        text = html.escape(self.text) or "no digits"
        return f"<div><pre>{text}</pre>{note}{to_svg(self, self._limit(None))}</div>"

    @property
    def doubtful(self) -> NDArray[np.bool_]:
        """Which digits have a confidence below ``min_confidence`` and are not rejected."""
        if self.min_confidence is None or self.confidences is None:
            return np.zeros(len(self), dtype=bool)
        below = self.confidences < self.min_confidence
        return below if self.rejected is None else below & ~self.rejected

    @property
    def texts(self) -> list[str]:
        """The digits of each line, from top to bottom, without spaces and separators."""
        words = self._words()
        texts = ["" for _ in range(self._n_lines())]
        for word, line in zip(words, self.lines.tolist(), strict=True):
            texts[line] += word
        return texts

    @property
    def text(self) -> str:
        """The text: lines, with spaces between groups, and separators."""
        # (position, after a separator at the same place, line, group, characters)
        items = [
            (i, 1, line, group, word)
            for i, (line, group, word) in enumerate(
                zip(self.lines.tolist(), self.groups.tolist(), self._words(), strict=True)
            )
        ]
        items += [(mark.position, 0, mark.line, mark.group, mark.character)
                  for mark in self.separators]  # fmt: skip
        texts = ["" for _ in range(self._n_lines())]
        last: dict[int, int] = {}
        for _, _, line, group, word in sorted(items, key=lambda item: item[:2]):
            space = " " if last.get(line, group) != group else ""
            texts[line] += space + word
            last[line] = group
        return "\n".join(texts)

    def _n_lines(self) -> int:
        numbers = [*self.lines.tolist(), *(mark.line for mark in self.separators)]
        return max(numbers, default=-1) + 1

    def _words(self) -> list[str]:
        """Return what stands for each digit in a text."""
        unsure = self.doubtful
        return [
            self._unsure_word(i) if unsure[i] or self._is_rejected(i) else str(self.labels[i])
            for i in range(len(self))
        ]

    def _unsure_word(self, i: int) -> str:
        if self.placeholder is not None:
            return self.placeholder
        if not self._is_rejected(i):
            return str(self.labels[i])
        if self.classes is None or self.probabilities is None:
            return PLACEHOLDER
        return str(self.classes[self.probabilities[i].argmax()])

    def _is_rejected(self, i: int) -> bool:
        return self.rejected is not None and bool(self.rejected[i])

    def _limit(self, doubtful: float | None) -> float:
        """Return the confidence below which digits are drawn as doubtful."""
        if doubtful is not None:
            return doubtful
        return DOUBTFUL if self.min_confidence is None else self.min_confidence

    def to_frame(self) -> "pd.DataFrame":
        """Return the digits as a data frame.

        Returns
        -------
        DataFrame
            A row for each digit, in reading order: ``line``, ``group``, ``label``,
            ``confidence`` (NaN without ``predict_proba``), ``rejected``, ``doubtful``, and the
            box: ``top``, ``left``, ``bottom``, ``right``.
        """
        return to_frame(self)

    def to_dict(self) -> dict[str, Any]:
        """Return what was recognized as values that JSON has, without the images.

        Returns
        -------
        dict
            ``text``, ``page`` and ``n_pages``, ``height`` and ``width`` of the picture,
            ``rotation``, ``rotation_is_sure`` and ``lines``: for each line a dict with its
            ``groups``, each a dict with ``digits`` and ``separators``. A digit has ``label``,
            ``confidence``, ``rejected``, ``doubtful`` and ``box`` (top, left, bottom, right); a
            separator ``character`` and ``box``.
        """
        return to_dict(self)

    def to_image(self, *, doubtful: float | None = None) -> "Image":
        """Return the picture with boxes and labels, in its own size.

        Parameters
        ----------
        doubtful : float, default=None
            As for :meth:`plot`.

        Returns
        -------
        PIL.Image.Image
            RGB. Boxes are as in :meth:`plot`; those of separators are grey.
        """
        return draw(self, self._limit(doubtful))

    def plot(
        self,
        ax: "Axes | None" = None,
        *,
        doubtful: float | None = None,
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
        doubtful : float, default=None
            Confidence below which digits are marked as uncertain. None: ``min_confidence``, or
            0.9 without.
        box_kw, text_kw : mapping, default=None
            Passed to matplotlib's Rectangle and Text.

        Returns
        -------
        self
            With `ax_`, `figure_`, `boxes_` and `labels_`.
        """
        self.ax_, self.boxes_, self.labels_ = plot(
            self, ax, self._limit(doubtful), dict(box_kw or {}), dict(text_kw or {})
        )
        self.figure_ = self.ax_.figure
        return self
