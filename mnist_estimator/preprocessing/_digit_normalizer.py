"""Digits of any size and polarity, brought to MNIST's own format."""

import copy
import math
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin

from ..utils._doc_link import DocumentationLink
from ..utils._image_shape import check_image_shape
from ..utils._input_checks import prefix_errors, unchanged_on_failure
from ..utils._scaled_images import ScaledImages
from ..utils._validation import check_images
from ..utils._wording import shown, suggest_names
from ._digit_pictures import CHANNELS, image_to_grey, separate_images

SIDE, BOX = 28, 20
"""MNIST's images, and the box that the stroke is scaled into, in pixels."""
CENTRE = 14.0
"""Row and column of MNIST's images where the centre of mass is, to half a pixel."""

POLARITIES = ("auto", "light_on_dark", "dark_on_light")

LEAST_SIDE = 8
"""Rows of X, and values in each, from which on X may be one image without the axis of samples."""

FINE = 4
"""Pixels of the fine grid, on which strokes are redrawn, for one of MNIST's."""
THINNEST, THICKEST = 1.7, 4.7
"""Strokes are widened or narrowed to this width, in MNIST's pixels; 49 of 50 there lie between."""

SPECK_SHARE = 0.03
"""Share of the ink below which a part is a speck; one pixel of a thin 1 in MNIST is 0.023."""
EDGE_LEVEL = 0.55
"""Share of ink from which on a point of an enlarged image is in the stroke: its edge."""


class DigitNormalizer(
    DocumentationLink, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    """Bring images of one digit each to the format of MNIST.

    For digits that are cropped already but come in another size, polarity or
    range: 16×16 pixels, a canvas that was drawn on, a field of a form. Each
    image is treated by itself, in this order:

    - The level of the background and that of the ink are found and become 0
      and 1; what noise the background has becomes 0.
    - The stroke is scaled to fit a box of 20×20 pixels with its aspect ratio
      kept, every pixel being the share of ink in its area (anti-aliasing).
      Smaller images are interpolated by cubic splines, and their edges
      sharpened half-way to those of MNIST.
    - Strokes far thinner or thicker than MNIST's are widened or narrowed.
    - The box is put into 28×28 pixels so that the centre of mass is in the
      middle.

    MNIST's own images stay what they are, but for a few grey levels.

    Images are grey or RGB, with or without alpha. Transparent pixels become the paper: the more
    frequent level where the opaque ones hold both ink and paper, else white under dark ink and
    black under light ink.

    No ``fit`` is needed: nothing is learned from the images.

    Parameters
    ----------
    image_shape : None, (height, width) or (height, width, channels), default=None
        Shape of one image, with one channel (grey), two (grey and alpha), three (RGB) or four
        (RGB and alpha). None takes it from X; flat rows are then square grey images.
    polarity : {"auto", "light_on_dark", "dark_on_light"}, default="auto"
        Whether the digit is lighter than its background. ``"auto"`` decides it
        for each image: values are split in two by Otsu's threshold, and the side
        that more than half of the outermost pixels are on is the background.
        (With a tie, the side of more pixels.)
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
        flat rows are held against it, as columns of a table are everywhere in scikit-learn.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names, if X was a data frame with string names.

    See Also
    --------
    mnist_estimator.find_digits : Finds the digits in a photo or scan first.

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
        """Check parameters and images, and note the columns of flat rows; nothing is learned.

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
            if images is not None:
                self._check_each(images)
            else:
                _check_channels(self._check_images(self, X))
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
        rows = np.zeros((len(images), SIDE * SIDE), dtype=np.float32)
        for row, image in zip(rows, images, strict=True):
            ink = extract_ink(image_to_grey(image, self.polarity), self.polarity)
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


def as_bytes(images: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Return values from 0 to 1 as whole numbers from 0 to 255."""
    return np.rint(images * 255.0).astype(np.uint8)


def extract_ink(image: NDArray[np.floating], polarity: str = "auto") -> NDArray[np.float32]:
    """Bring the background of an image to 0 and its ink to 1.

    Parameters
    ----------
    image : ndarray of shape (height, width)
        One digit on a background of one level, and noise.
    polarity : {"auto", "light_on_dark", "dark_on_light"}, default="auto"
        See :class:`~mnist_estimator.DigitNormalizer`.

    Returns
    -------
    ndarray of shape (height, width), float32
        Values from 0 to 1, all 0 if the image has one value only.
    """
    image = image.astype(np.float64)
    low, high = image.min(), image.max()
    if not high > low:
        return np.zeros(image.shape, dtype=np.float32)
    image = (image - low) / (high - low)
    threshold = otsu_threshold(image)
    if polarity == "dark_on_light" or (polarity == "auto" and _is_light(image, threshold)):
        image, threshold = 1.0 - image, 1.0 - threshold
    inked = image > threshold
    if inked.all():  # one value, but for rounding
        return np.zeros(image.shape, dtype=np.float32)
    background = image[~inked]
    level = np.median(background)
    noise = 1.4826 * np.median(np.abs(background - level))  # of a normal distribution
    floor = min(level + 3.0 * noise, threshold)
    full = np.percentile(image[inked], 75.0) if inked.any() else threshold
    ink = np.clip((image - floor) / max(full - floor, 1e-6), 0.0, 1.0)
    return without_specks(ink).astype(np.float32)


def without_specks(ink: NDArray[np.floating], share: float = SPECK_SHARE) -> NDArray[np.floating]:
    """Return ink without the parts that hold less than a share of it."""
    labels, n_parts = ndimage.label(ink > 0, structure=np.ones((3, 3)))
    if n_parts < 2:
        return ink
    mass = ndimage.sum_labels(ink, labels, np.arange(n_parts + 1))
    return np.where((mass >= share * mass.sum())[labels], ink, 0.0)


def fit_box(ink: NDArray[np.floating], *, even_stroke: bool = True) -> NDArray[np.float32]:
    """Scale a stroke into 20×20 pixels and centre it by its mass in 28×28.

    Parameters
    ----------
    ink : ndarray of shape (height, width)
        From 0, the background, to 1.
    even_stroke : bool, default=True
        Whether strokes far thinner or thicker than MNIST's are brought nearer to those.

    Returns
    -------
    ndarray of shape (28, 28), float32
        From 0 to 1; all 0 if there is no ink.
    """
    ink = crop(ink)
    image = np.zeros((SIDE, SIDE), dtype=np.float32)
    if ink.size == 0:
        return image
    longer = max(ink.shape)
    if longer < 0.9 * BOX:
        ink = crop(_enlarge(ink, BOX * FINE / longer))
    digit: NDArray[np.floating] = _scale(ink, BOX / max(ink.shape))
    if even_stroke:
        digit = _with_even_stroke(ink, digit)
    mass = digit.sum()
    rows, columns = (np.arange(length) for length in digit.shape)
    top = round(CENTRE - float(digit.sum(axis=1) @ rows / mass))
    left = round(CENTRE - float(digit.sum(axis=0) @ columns / mass))
    top = min(max(top, 0), SIDE - digit.shape[0])
    left = min(max(left, 0), SIDE - digit.shape[1])
    image[top : top + digit.shape[0], left : left + digit.shape[1]] = digit
    return image


def crop(ink: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the smallest part of an image that holds all ink."""
    found = ndimage.find_objects((ink != 0).astype(np.int8))
    return ink[found[0]] if found else ink[:0, :0]


def otsu_threshold(values: NDArray[np.floating], bins: int = 256) -> float:
    """Return the threshold that splits values from 0 to 1 into the two most distinct groups.

    Notes
    -----
    N. Otsu, "A threshold selection method from gray-level histograms" (1979): the
    variance between the groups is the largest.
    """
    counts, edges = np.histogram(values, bins=bins, range=(0.0, 1.0))
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)[:-1]
    above = counts.sum() - below
    sums = np.cumsum(counts * centres)
    with np.errstate(invalid="ignore", divide="ignore"):
        apart = sums[:-1] / below - (sums[-1] - sums[:-1]) / above
        variance = np.nan_to_num(below * above * apart**2)
    best = np.flatnonzero(variance >= variance.max() * (1 - 1e-9))
    return float(edges[1:-1][(best[0] + best[-1]) // 2])  # the middle of an empty stretch


def _is_light(image: NDArray[np.floating], threshold: float) -> bool:
    """Tell whether the background is the lighter of the two sides."""
    border = np.ones(image.shape, dtype=bool)
    border[1:-1, 1:-1] = False
    light = float(np.mean(image[border] > threshold))
    return light > 0.5 or (light == 0.5 and float(np.mean(image > threshold)) > 0.5)


def _scale(ink: NDArray[np.floating], factor: float) -> NDArray[np.float64]:
    """Return an image scaled, each pixel the mean over the area that it covers."""
    shape = [max(1, round(length * factor)) for length in ink.shape]
    down, across = (_shares(old, new) for old, new in zip(ink.shape, shape, strict=True))
    return np.clip(down @ ink @ across.T, 0.0, 1.0)


def _shares(old: int, new: int) -> NDArray[np.float64]:
    """Return what share of each of `new` equal lengths each of `old` ones has."""
    edges = np.arange(new + 1) * (old / new)
    pixels = np.arange(old)
    covered = np.minimum(edges[1:, None], pixels + 1.0) - np.maximum(edges[:-1, None], pixels)
    return np.clip(covered, 0.0, None) * (new / old)


def _enlarge(ink: NDArray[np.floating], factor: float) -> NDArray[np.float64]:
    """Interpolate an image of few pixels, and sharpen its edges.

    Full sharpness would close gaps of a pixel and cut strokes of less than one: half as
    sharp, more of scikit-learn's 8×8 digits are read.
    """
    padded = np.pad(ink, 1)
    large = ndimage.zoom(padded, factor, order=3, mode="grid-constant", grid_mode=True)
    # An edge that was one pixel wide is to be two pixels of MNIST wide.
    steepness = max(factor / (2 * FINE), 1.0)
    return np.clip((large - EDGE_LEVEL) * steepness + 0.5, 0.0, 1.0)


def _with_even_stroke(
    ink: NDArray[np.floating], digit: NDArray[np.floating]
) -> NDArray[np.floating]:
    """Return the scaled digit, redrawn with another stroke where it is too thin or thick."""
    width = _stroke_width(ink) * max(digit.shape) / max(ink.shape)
    wanted = min(max(width, THINNEST), THICKEST)
    if width == 0.0 or wanted == width:
        return digit
    room = math.ceil(max(wanted, 1.0)) * FINE
    fine = np.pad(_scale(ink, BOX * FINE / max(ink.shape)), room)
    inked = fine > 0.5
    if not inked.any():
        inked = fine > 0.5 * fine.max()
    inside, outside = (ndimage.distance_transform_edt(part) for part in (inked, ~inked))
    grown = (wanted - width) * FINE / 2.0
    redrawn = crop(np.clip(inside - outside + grown + 0.5, 0.0, 1.0))
    return _scale(redrawn, BOX / max(redrawn.shape)) if redrawn.size else digit


def _stroke_width(ink: NDArray[np.floating]) -> float:
    """Return the mean width of the stroke, in pixels of the image.

    The area over half the length of the outline: of a long stroke that is its width.
    """
    inked = np.pad(ink, 1)
    slopes = np.hypot(*np.gradient(inked))  # sums up to the length of the outline
    outline = slopes.sum()
    return float(2.0 * inked.sum() / outline) if outline else 0.0


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
