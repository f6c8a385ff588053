"""Labels from files: the column that holds them, and their form in the model."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ._base import InputError

if TYPE_CHECKING:
    from ._bytes import Source

LABEL_COLUMNS = ("label", "labels", "class", "target", "y", "digit")
"""Names of a column of labels, in any case."""
FIRST, LAST = "first", "last"
"""What ``--label-column`` takes beside a name."""


def is_label_name(name: str) -> bool:
    """Tell whether a column of this name usually holds labels."""
    return name.strip().lower() in LABEL_COLUMNS


def label_text(value: Any) -> str:
    """Return the text that labels are compared by.

    Examples
    --------
    >>> from mnist_estimator.cli.inputs._label_columns import label_text
    >>> [label_text(label) for label in (7, 7.0, "7", "7.0", "seven")]
    ['7', '7', '7', '7', 'seven']
    """
    text = str(value).strip()
    try:
        number = float(text)
    except ValueError:
        return text
    return str(int(number)) if number.is_integer() else text


class KnownLabels:
    """The labels that a model knows, to be found by what files hold in their place.

    Parameters
    ----------
    classes : sequence
        The labels: all numbers, or all strings.

    Examples
    --------
    >>> from mnist_estimator.cli.inputs._label_columns import KnownLabels
    >>> known = KnownLabels(["3", "8"])
    >>> 8.0 in known, "9" in known
    (True, False)
    """

    def __init__(self, classes: Sequence[Any]) -> None:
        self.classes = list(classes)
        self._text: Callable[[Any], str] = label_text
        if len({label_text(label) for label in classes}) < len(self.classes):  # "7" and "07"
            self._text = str
        self._known = {self._text(label): label for label in classes}

    def __contains__(self, label: Any) -> bool:
        return self._text(label) in self._known

    def convert(self, labels: NDArray[Any]) -> NDArray[Any]:
        """Return labels in the type of those that the model knows.

        Parameters
        ----------
        labels : ndarray of shape (n,)
            Labels of any type.

        Returns
        -------
        ndarray of shape (n,)
            ``labels`` themselves if some of them are unknown.

        Raises
        ------
        ValueError
            If some are unknown, and of another kind than those of the model.
        """
        given = labels.tolist()
        strange = [label for label in given if label not in self]
        if not strange:
            return np.array([self._known[self._text(label)] for label in given])
        if isinstance(self.classes[0], str) != (labels.dtype.kind in "OSU"):
            raise ValueError(
                f"The data have the label {strange[0]!r}, and the model knows "
                f"{', '.join(map(repr, self.classes[:12]))}. Bring the labels to the same kind."
            )
        return labels


def told_label_column(
    source: "Source", first: NDArray[Any], last: NDArray[Any], classes: Sequence[Any] | None
) -> str:
    """Infer from the values whether the first or the last column of a table holds labels.

    A column is taken for labels if all its values are text, or all are labels that the model
    knows, half of its classes or more are among them, and they do not just count the rows;
    and only if the other column does not qualify, too.

    Parameters
    ----------
    source : Source
        The table, for the error.
    first, last : ndarray of shape (n,)
        The two columns, or as many of their rows as are there.
    classes : sequence or None
        The labels that the model knows.

    Returns
    -------
    str
        "first" or "last".

    Raises
    ------
    InputError
        If both columns qualify, or neither.
    """
    known = KnownLabels(classes or ())
    found = [_may_be_labels(column, known) for column in (first, last)]
    if found[0] != found[1]:
        return FIRST if found[0] else LAST
    raise InputError(
        f"{source} has one column more than the model has pixels, and its values do not show "
        f"which one is the label: the first ({_sample(first)}) or the last ({_sample(last)}). "
        f"Pass --label-column {FIRST} or --label-column {LAST}."
    )


def _may_be_labels(column: NDArray[Any], known: KnownLabels) -> bool:
    values = set(column.tolist())
    if all(isinstance(value, str) and not is_number(value) for value in values):
        return True
    if not all(value in known for value in values):
        return False
    is_index = len(column) > 2 and column.dtype.kind in "uif" and bool((np.diff(column) == 1).all())
    return len(set(map(label_text, values))) >= max(2, len(known.classes) / 2) and not is_index


def is_number(text: str) -> bool:
    """Tell whether a text is a number; so is an empty one, as a missing one."""
    try:
        float(text or "nan")
    except ValueError:
        return False
    return True


def _sample(column: NDArray[Any]) -> str:
    shown = ", ".join(str(value) for value in column[:3].tolist())
    return shown + (", …" if len(column) > 3 else "")
