"""The transformer that brings digits of any size and polarity to MNIST's format."""

import copy
import math
from collections import Counter
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin

from ..utils._image_shape import check_image_shape
from ..utils._input_checks import prefix_errors, unchanged_on_failure
from ..utils._scaled_images import ScaledImages
from ..utils._validation import check_images
from ..utils._wording import shown, suggest_names
from ._digit_image import SIDE, as_bytes, extract_ink, fit_box, polarity_of
from ._digit_pictures import CHANNELS, image_to_grey, separate_images

POLARITIES = ("auto", "light_on_dark", "dark_on_light")

LEAST_IMAGES, AGREEING = 10, 0.9
"""Images from which a common polarity is learned, and the share of them that must agree."""

LEAST_SIDE = 8
"""Rows of X, and values in each, from which on X may be one image without the axis of samples."""


class DigitNormalizer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Bring images of one digit each to the format of MNIST.

    For digits that are cropped already but come in another size, polarity or
    range: 16×16 pixels, a canvas that was drawn on, a field of a form. Each
    image is treated by itself, in this order:

    - The levels of the background and the ink are estimated and become 0
      and 1; noise of the background becomes 0.
    - The stroke is scaled to fit a box of 20×20 pixels with its aspect ratio
      kept, each pixel being the mean of the ink in its area (anti-aliasing).
      Smaller images are interpolated by cubic splines, and their edges
      sharpened half-way to those of MNIST.
    - Strokes far thinner or thicker than MNIST's are widened or narrowed.
    - The box is put into 28×28 pixels so that the centre of mass is in the
      middle.

    MNIST's own images change by a few grey levels only.

    Images are grey or RGB, with or without alpha. Transparent pixels become the paper: the more
    frequent level where the opaque ones hold both ink and paper, else white under dark ink and
    black under light ink.

    No ``fit`` is needed; it only learns the polarity of the images, where they agree.

    Parameters
    ----------
    image_shape : None, (height, width) or (height, width, channels), default=None
        Shape of one image, with one channel (grey), two (grey and alpha), three (RGB) or four
        (RGB and alpha). None takes it from X; flat rows are then square grey images.
    polarity : {"auto", "light_on_dark", "dark_on_light"}, default="auto"
        Whether the digit is lighter than its background. ``"auto"`` decides it
        for each image: values are split in two by Otsu's threshold, and the side
        that more than half of the outermost pixels are on is the background.
        (With a tie, the side of more pixels.) Where the images of ``fit`` agree, 60 % of the
        outermost pixels must be against that polarity, so that a digit which fills its
        frame is not taken for the background.
    stroke_width : "auto" or None, default="auto"
        ``"auto"`` brings strokes that are narrower than 1.7 or wider than 4.7 of
        MNIST's pixels to that width. None leaves all as they are.
    dtype : {"uint8", "float32"}, default="uint8"
        Of the result: whole numbers from 0 to 255 as :func:`load_mnist` gives
        them, or values from 0 to 1, for a network that was fitted on such.

    Attributes
    ----------
    image_shape_ : tuple of int, (height, width, channels)
        Shape of the images of ``fit``, if they have one size. Later images may have another.
    n_features_in_ : int
        Values a sample in ``fit``, height × width × channels, if the images have one size. Only
        flat rows are checked against it.
    feature_names_in_ : ndarray of shape (n_features,)
        Column names, if X was a data frame with string names.
    polarity_ : {"light_on_dark", "dark_on_light"} or None
        That of at least 90 % of the images of ``fit``, if these were ten or more; else None.

    See Also
    --------
    mnist_estimator.find_digits : Find the digits in a photo or scan first.

    Notes
    -----
    The format is that of Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST
    database of handwritten digits": "size normalized to fit in a 20x20 pixel box
    while preserving their aspect ratio [...] centered in a 28x28 image by
    computing the center of mass of the pixels". There that centre lies at row
    and column 14, counted from 0, as near as whole pixels allow.

    Examples
    --------
    >>> import numpy as np
    >>> from mnist_estimator import DigitNormalizer
    >>> canvas = np.full((1, 200, 100), 255, dtype=np.uint8)  # white, with a black bar
    >>> canvas[0, 20:180, 40:64] = 0
    >>> image = DigitNormalizer().fit_transform(canvas).reshape(28, 28)
    >>> image[14, 10:19].tolist()
    [0, 0, 0, 255, 255, 255, 0, 0, 0]
    >>> int((image.max(axis=1) > 0).sum())
    20
    """

    __module__ = "mnist_estimator.preprocessing"  # files and pickles name it

    @suggest_names
    def __init__(
        self,
        *,
        image_shape: Any = None,
        polarity: str = "auto",
        stroke_width: str | None = "auto",
        dtype: str = "uint8",
    ) -> None:
        self.image_shape = image_shape
        self.polarity = polarity
        self.stroke_width = stroke_width
        self.dtype = dtype

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Check parameters and images; learn the columns of flat rows, and the polarity.

        Parameters
        ----------
        X : array-like or list of images
            As for :meth:`transform`.
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If X is empty, holds NaN, infinity or strings, or its rows form no
            image; if a parameter is out of range.
        TypeError
            If a parameter is of a wrong kind, or X is sparse.
        """
        self._check_parameters()
        with unchanged_on_failure(self):
            for name in ("image_shape_", "n_features_in_", "feature_names_in_", "_sample_shape"):
                self.__dict__.pop(name, None)
            X, images = _stacked(X)
            checked = (
                _check_channels(self._check_images(self, X))
                if images is None
                else self._check_each(images)
            )
            self.polarity_ = _common_polarity(checked) if self.polarity == "auto" else None
        return self

    def transform(self, X: ArrayLike) -> NDArray[Any]:
        """Normalize images.

        Parameters
        ----------
        X : array-like or list of images
            Of any numeric dtype and range. An array of shape (n, height, width) or
            (n, height, width, channels); or a list of n images of any sizes, each an array of
            shape (height, width) or (height, width, channels) or a PIL image; or flat rows of
            shape (n, pixels), after ``fit`` as many pixels as there.

        Returns
        -------
        ndarray of shape (n, 784), uint8 or float32
            Light digits on dark, as flat rows. An image of one value only, which
            holds no digit, gives zeros.

        Raises
        ------
        ValueError
            If X is empty, holds NaN, infinity or strings, or its rows form no image or have
            another length than those of ``fit``; if a parameter is out of range.
        TypeError
            If a parameter is of a wrong kind, or X is sparse.
        """
        self._check_parameters()
        images = self._checked(X)
        usual = getattr(self, "polarity_", None)  # not in files of versions before 0.7
        rows = np.zeros((len(images), SIDE * SIDE), dtype=np.float32)
        for row, image in zip(rows, images, strict=True):
            ink = extract_ink(image_to_grey(image, self.polarity), self.polarity, usual)
            row[:] = fit_box(ink, even_stroke=self.stroke_width == "auto").ravel()
        return as_bytes(rows) if self.dtype == "uint8" else rows

    def _check_parameters(self) -> None:
        check_image_shape(self.image_shape)
        _check_choice("polarity", self.polarity, POLARITIES)
        _check_choice("stroke_width", self.stroke_width, ("auto", None))
        _check_choice("dtype", self.dtype, ("uint8", "float32"))

    def _checked(self, X: Any) -> Any:
        """Return images of shape (height, width, channels) each."""
        X, images = _stacked(X)
        if images is not None:
            return self._check_each(images)
        is_table = getattr(X, "ndim", 2) == 2 and not isinstance(X, ScaledImages)
        if is_table and hasattr(self, "n_features_in_"):
            return check_images(self, X, reset=False)
        if is_table and self.image_shape is None:
            _refuse_single_image(getattr(X, "shape", ()))
        return _check_channels(self._check_images(copy.copy(self), X))

    def _check_each(self, images: list[NDArray[Any]]) -> list[NDArray[Any]]:
        """Return images of different sizes, each checked by itself."""
        checked = []
        for position, image in enumerate(images):
            with prefix_errors(f"X[{position}]"):
                one = self._check_images(copy.copy(self), image[np.newaxis])
                checked.append(_check_channels(one)[0])
        return checked

    def _check_images(self, learner: Self, X: Any) -> NDArray[Any]:
        """Return images of one size and any range; ``learner`` gets to know their form."""
        images: NDArray[Any] = check_images(
            learner, X, reset=True, image_shape=self.image_shape, any_range=True
        )
        return images

    def __sklearn_is_fitted__(self) -> bool:
        return True

    @property
    def _n_features_out(self) -> int:
        return SIDE * SIDE

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = []
        return tags


def _common_polarity(images: Any) -> str | None:
    """Return the polarity of nearly all of some images, if there is one."""
    found = [polarity_of(image_to_grey(image)) for image in images]
    least = max(LEAST_IMAGES, AGREEING * len(found))
    common = Counter(polarity for polarity in found if polarity).most_common(1)
    return next((polarity for polarity, count in common if count >= least), None)


def _stacked(X: Any) -> tuple[Any, list[NDArray[Any]] | None]:
    """Return X, as one array where it can be, and the images if they have different sizes."""
    images = separate_images(X)
    if images is None:
        return X, None
    one_size = len({image.shape for image in images}) == 1
    return (np.stack(images), None) if one_size else (X, images)


def _check_channels(images: NDArray[Any]) -> NDArray[Any]:
    channels = images.shape[3]
    if channels not in CHANNELS:
        raise ValueError(
            "X must hold images of one channel (grey), two (grey and alpha), three (RGB) or four "
            f"(RGB and alpha); DigitNormalizer got {channels} channels. Pass one of them, "
            "X[..., :1]."
        )
    return images


def _refuse_single_image(shape: tuple[int, ...]) -> None:
    """Refuse rows that form no square and may be those of one image."""
    if len(shape) == 2 and min(shape) >= LEAST_SIDE and math.isqrt(shape[1]) ** 2 != shape[1]:
        raise ValueError(
            f"X has {shape[1]} values a row, which form no square image. Pass image_shape=(height, "
            "width), or X[None] if X is one image."
        )


def _check_choice(name: str, value: Any, allowed: tuple[Any, ...]) -> None:
    """Refuse a parameter that is none of a few values."""
    if value is not None and not isinstance(value, str):
        error: type[Exception] = TypeError
    elif value not in allowed:
        error = ValueError
    else:
        return
    choices = " or ".join(filter(None, [", ".join(map(repr, allowed[:-1])), repr(allowed[-1])]))
    raise error(f"{name} must be {choices}; got {shown(value)}. The default is {allowed[0]!r}.")
