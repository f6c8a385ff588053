"""Occlusion maps, drawn over the image."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...utils._displayed_images import as_images, scale_to_unit
from ...utils._fitted import find_image_shape
from ...utils._predictions import predict_with_confidence
from ...utils._protocols import ProbabilisticClassifier
from .._occlusion import label_probability, map_label, one_row

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class OcclusionDisplay:
    """An image, overlaid with the evidence for and against a label.

    It is recommended to use :meth:`from_estimator`. All parameters are stored as attributes.

    Parameters
    ----------
    image : array-like of shape (height, width) or (height, width, channels)
        Numbers of any dtype and range.
    importance : array-like of float of shape (height, width)
        Positive for evidence for the label, negative for evidence against it.
    label : object, default=None
        The label. None writes no title.

    Attributes
    ----------
    image_ : matplotlib AxesImage
        The image, in grey.
    map_ : matplotlib AxesImage
        The importance over it, red for and blue against the label.
    ax_ : matplotlib Axes
        The Axes.
    figure_ : matplotlib Figure
        Its figure.

    Examples
    --------
    >>> import numpy as np
    >>> from mnist_estimator import OcclusionDisplay
    >>> display = OcclusionDisplay(np.eye(4), np.eye(4) / 2, label=7).plot()
    >>> display.ax_.get_title()
    'evidence for 7'
    """

    __module__ = "mnist_estimator.evaluation"  # pickles name it

    def __init__(self, image: ArrayLike, importance: ArrayLike, *, label: Any = None) -> None:
        self.image = image
        self.importance = importance
        self.label = label

    @classmethod
    def from_estimator(
        cls,
        estimator: ProbabilisticClassifier,
        image: Any,
        *,
        label: Any = None,
        patch_size: int | None = None,
        image_shape: Any = None,
        ax: "Axes | None" = None,
    ) -> Self:
        """Draw the occlusion map of a fitted classifier.

        Parameters
        ----------
        estimator : fitted classifier
            With ``predict_proba``.
        image, label, patch_size, image_shape
            See :func:`~mnist_estimator.evaluation.occlusion_map`.
        ax : matplotlib Axes, default=None
            See :meth:`plot`.

        Returns
        -------
        OcclusionDisplay
        """
        row = one_row(image)
        title = label
        if label is None:
            predictions = predict_with_confidence(estimator, row)
            title = predictions.labels[0]
            column = int(np.flatnonzero(predictions.classes == title)[0])
            probability = float(np.asarray(predictions.proba)[0, column])
            if predictions.rejected is not None and predictions.rejected[0]:
                title = f"{title} (rejected)"
        else:
            column, probability = label_probability(estimator, row, label)
        importance = map_label(estimator, row, column, probability, patch_size, image_shape)
        values = np.asarray(row)
        if image_shape is None and values.ndim == 2:
            image_shape = find_image_shape(estimator, math.prod(values.shape[1:]))
        return cls(as_images(values, image_shape)[0], importance, label=title).plot(ax)

    def plot(self, ax: "Axes | None" = None, *, im_kw: Mapping[str, Any] | None = None) -> Self:
        """Draw the image and the map over it.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a new figure.
        im_kw : mapping, default=None
            Keywords for the map's `Axes.imshow`, over the defaults.

        Returns
        -------
        OcclusionDisplay
            Itself, with the handles set.

        Raises
        ------
        ValueError
            If image and importance differ in height or width.
        """
        importance = np.asarray(self.importance, dtype=float)
        picture = np.asarray(self.image)
        if importance.shape != picture.shape[:2]:
            raise ValueError(
                f"importance must have one value for each of the {picture.shape[:2]} pixels; "
                f"got the shape {importance.shape}."
            )
        if ax is None:
            import matplotlib.pyplot as plt

            _, ax = plt.subplots(figsize=(3.2, 3.4), layout="constrained")
        ax.set_axis_off()
        self.image_ = ax.imshow(scale_to_unit(picture[np.newaxis])[0], cmap="gray", vmin=0, vmax=1)
        largest = float(np.abs(importance).max()) or 1.0
        style: dict[str, Any] = {
            "cmap": "RdBu_r",
            "vmin": -largest,
            "vmax": largest,
            "alpha": 0.85 * np.abs(importance) / largest,
        }
        self.map_ = ax.imshow(importance, **{**style, **(im_kw or {})})
        if self.label is not None:
            ax.set_title(f"evidence for {self.label}", fontsize=9, parse_math=False)
        self.ax_, self.figure_ = ax, ax.figure
        return self


def overlay(image: NDArray[Any], importance: NDArray[Any]) -> NDArray[np.float64]:
    """Return an image of the grey picture with the map over it, as the Display shows it.

    Parameters
    ----------
    image : ndarray of shape (height, width) or (height, width, channels)
        Values in [0, 1].
    importance : ndarray of shape (height, width)
        From :func:`occlusion_map`.

    Returns
    -------
    ndarray of float of shape (height, width, 3)
        RGB in [0, 1].
    """
    from matplotlib import colormaps

    grey = image if image.ndim == 2 else image[..., :3].mean(axis=2)
    largest = float(np.abs(importance).max()) or 1.0
    share = 0.85 * np.abs(importance)[..., np.newaxis] / largest
    colour = colormaps["RdBu_r"](0.5 + importance / (2 * largest))[..., :3]
    mixed: NDArray[np.float64] = share * colour + (1 - share) * grey[..., np.newaxis]
    return mixed
