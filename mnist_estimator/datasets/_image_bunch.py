"""What the loaders return: a Bunch that prints in a few lines."""

import html
from typing import Any

import numpy as np
from sklearn.utils import Bunch

_MOST_CLASSES, _LARGEST_SIDE = 20, 128
"""Up to which number of classes, and pixels a side, a notebook shows an image of each class."""
_LONGEST = 70  # characters of a text


class ImageBunch(Bunch):
    """A :class:`~sklearn.utils.Bunch` of images that prints in a few lines.

    `print(bunch)` has a line for each item, with shapes and dtypes in place of the arrays.
    Notebooks show the same as a table, and an image of each class.
    """

    __module__ = "mnist_estimator.datasets"  # pickles name it

    def __repr__(self) -> str:
        width = max(map(len, self), default=0)
        return "\n".join(f"{name:{width}}  {text}" for name, text in self._rows())

    def _rows(self) -> list[tuple[str, str]]:
        return [(str(name), _summary(value)) for name, value in self.items()]

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<tr><th style="text-align: left">{html.escape(name)}</th>'
            f'<td style="text-align: left; overflow-wrap: anywhere">{html.escape(text)}</td></tr>'
            for name, text in self._rows()
        )
        return f"<div>{self._examples()}<table>{rows}</table></div>"

    def _examples(self) -> str:
        """Return an image of each class, if there are few classes of small images."""
        images, target = self.get("images"), self.get("target")
        if images is None or target is None or max(images.shape[1:3]) > _LARGEST_SIDE:
            return ""
        classes, rows = np.unique(np.asarray(target), return_index=True)
        if len(classes) > _MOST_CLASSES:
            return ""
        from ..utils._image_address import image_address

        figures = "".join(
            '<figure style="margin: 0; text-align: center">'
            f'<img src="{image_address(_displayed(images[row]))}" alt="row {row}" '
            'style="height: 3.5em; margin: 0; image-rendering: pixelated">'
            f"<figcaption>{html.escape(str(label))}</figcaption></figure>"
            for label, row in zip(classes.tolist(), rows.tolist(), strict=True)
        )
        return (
            '<div style="display: flex; flex-wrap: wrap; gap: .5em; margin: .5em 0">'
            f"{figures}</div>"
        )


def _displayed(image: Any) -> Any:
    """Return the image without the axis of a single channel."""
    return image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image


def _summary(value: Any) -> str:
    """Describe an item in a line."""
    if isinstance(value, np.ndarray) and value.dtype.kind == "U" and len(value) <= _MOST_CLASSES:
        value = value.tolist()
    if hasattr(value, "columns"):
        return f"DataFrame of shape {value.shape}"
    if hasattr(value, "shape"):
        kind = "Series of " if hasattr(value, "index") else ""
        return f"{kind}{value.dtype} {value.shape}"
    if isinstance(value, list):
        ends = ", ".join(map(str, value[:2] if len(value) < 4 else [*value[:2], "…", value[-1]]))
        return _shortened(f"{len(value)}: {ends}" if value else "none")
    return _shortened(str(value).split("\n", 1)[0])


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]}…{text[-_LONGEST // 2 :]}"
