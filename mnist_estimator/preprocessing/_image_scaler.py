"""The transformer that scales and reshapes images."""

import math
from numbers import Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted

from ..utils._fingerprint import remember_source
from ..utils._image_shape import check_image_shape
from ..utils._input_checks import refuse_streams, unchanged_on_failure
from ..utils._scaled_images import ScaledImages, scale
from ..utils._sklearn_compat import CallbackSupportMixin, output_container, with_callbacks
from ..utils._validation import check_images
from ..utils._value_range import is_reported, mark_reported
from ..utils._wording import shown, suggest_names


class ImageScaler(CallbackSupportMixin, OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Scale pixels to [0, 1] and bring images to (n, height, width, channels).

    The range is determined in ``fit``, never by the batch: a dark image stays dark, and the
    result for an image does not depend on the others.

    Parameters
    ----------
    image_shape : None, (height, width) or (height, width, channels), default=None
        Shape of one image. None takes it from X; flat rows are then square grey
        images. (Rows of fewer than 64 values that form no square are taken as
        images one pixel high.)
    value_range : "auto" or (low, high), default="auto"
        The values that become 0 and 1. ``"auto"``: 0 and 255 for X of dtype uint8,
        else the smallest and largest value seen in ``fit``.

    Attributes
    ----------
    image_shape_ : tuple of int, (height, width, channels)
        Shape of one image.
    value_range_ : tuple of float, (low, high)
        The values that become 0 and 1. Later values outside
        of them are scaled alike, to values outside [0, 1].
    n_features_in_ : int
        Values a sample: height × width × channels.
    feature_names_in_ : ndarray of shape (n_features,)
        Column names, if X was a data frame with string names.

    See Also
    --------
    mnist_estimator.CNNClassifier : The classifier that takes the images.

    Examples
    --------
    >>> import numpy as np
    >>> from mnist_estimator import ImageScaler
    >>> X = np.array([[0, 51, 102, 255]], dtype=np.uint8)
    >>> ImageScaler().fit_transform(X)[0, :, :, 0]
    array([[0. , 0.2],
           [0.4, 1. ]], dtype=float32)
    """

    __module__ = "mnist_estimator.preprocessing"  # files and pickles name it

    _value_range: tuple[float, float, float]

    @suggest_names
    def __init__(self, *, image_shape: Any = None, value_range: Any = "auto") -> None:
        self.image_shape = image_shape
        self.value_range = value_range

    @with_callbacks
    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Learn the shape of the images and the range of their values.

        Parameters
        ----------
        X : array-like of shape (n, pixels), (n, height, width) or (n, height, width, channels)
            Images, of any numeric dtype.
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
        check_image_shape(self.image_shape)
        value_range = _check_value_range(self.value_range)
        task = self._init_callback_context()
        task.call_on_fit_task_begin(estimator=self, X=X, y=y)
        with unchanged_on_failure(self):
            images = check_images(self, X, reset=True, image_shape=self.image_shape)
        if value_range is None:
            value_range = (0.0, 255.0) if images.dtype == np.uint8 else self._value_range[:2]
        self.value_range_ = value_range
        self._input_dtype = images.dtype.str
        task.call_on_fit_task_end(estimator=self, X=X, y=y, reconstruction_attributes=dict)
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.float32] | ScaledImages:
        """Scale and reshape images.

        A ``ValueRangeWarning`` is issued if the values of X have another range than those of
        ``fit``.

        Parameters
        ----------
        X : array-like of shape (n, pixels), (n, height, width) or (n, height, width, channels)
            Images of the shape seen in ``fit``, in any of the forms and of any
            numeric dtype.

        Returns
        -------
        ndarray of shape (n, height, width, channels), float32
            Where ``set_output`` asks for data frames, one of flat rows; so it does in a
            ``ColumnTransformer`` or ``FeatureUnion``, which join columns. Else, of a
            memory-mapped file (``numpy.memmap``), a ``ScaledImages``, which reads and scales rows
            when they are asked for; ``numpy.asarray`` makes an array of it.

        Raises
        ------
        ValueError
            If X is empty, holds NaN, infinity or strings, or its images have
            another shape than those of ``fit``.
        """
        return self._scale(X)[0]

    def fit_transform(
        self, X: ArrayLike, y: Any = None, **fit_params: Any
    ) -> NDArray[np.float32] | ScaledImages:
        """Fit to images, and return them scaled and reshaped.

        Parameters
        ----------
        X : array-like of shape (n, pixels), (n, height, width) or (n, height, width, channels)
            Images, of any numeric dtype.
        y : ignored
        **fit_params
            Given to :meth:`fit`, which takes none.

        Returns
        -------
        ndarray of shape (n, height, width, channels), float32
            As :meth:`transform`.

        Raises
        ------
        ValueError, TypeError
            As :meth:`fit`.
        """
        if type(self).transform is not ImageScaler.transform:  # of a subclass
            scaled: NDArray[np.float32] | ScaledImages = self.fit(X, y, **fit_params).transform(X)
            return scaled
        scaled, images = self.fit(X, y, **fit_params)._scale(X)
        if scaled.ndim == images.ndim:  # a classifier that is fitted on it names its source
            remember_source(scaled, images, (len(images), *self._sample_shape))
        return scaled

    def _scale(self, X: Any) -> tuple[NDArray[np.float32] | ScaledImages, NDArray[Any]]:
        """Return images scaled, and as they came."""
        check_is_fitted(self)
        images = check_images(self, X, reset=False)
        plain = output_container(self) == "default"
        scaled: NDArray[np.float32] | ScaledImages
        if plain and isinstance(X, np.memmap):
            scaled = ScaledImages(images, self.value_range_)
        else:
            scaled = scale(images, self.value_range_)
            scaled = scaled if plain else scaled.reshape(len(scaled), -1)
        if is_reported(images):  # one warning per pipeline
            mark_reported(scaled)
        return scaled, images

    def inverse_transform(self, X: ArrayLike) -> NDArray[Any]:
        """Bring scaled images back to the form, range and dtype seen in ``fit``.

        Parameters
        ----------
        X : array-like of shape (n, height, width, channels) or (n, pixels)
            What ``transform`` gives.

        Returns
        -------
        ndarray of shape (n, pixels), (n, height, width) or (n, height, width, channels)
            Whole numbers are rounded, and clipped to the range of their dtype.
        """
        check_is_fitted(self)
        refuse_streams(X, "X", "images")
        X = X if hasattr(X, "shape") else np.asarray(X, dtype=object)
        if not X.shape or math.prod(X.shape) != X.shape[0] * self.n_features_in_:
            raise ValueError(
                f"X has images of shape {X.shape[1:]}, but ImageScaler was fitted on images "
                f"of shape {self.image_shape_}. Pass what transform gave."
            )
        scaled = check_array(X, dtype=np.float64, ensure_2d=False, allow_nd=True, input_name="X")
        low, high = self.value_range_
        values: NDArray[Any] = scaled.reshape(len(scaled), *self._sample_shape)
        values = values * (high - low if high > low else 1.0) + low
        dtype = np.dtype(self._input_dtype)
        if dtype.kind == "b":
            return values >= 0.5
        if dtype.kind in "iu":
            info = np.iinfo(dtype)
            # The largest int64 is not a float64; the next smaller float is.
            highest = float(info.max) if info.bits < 64 else np.nextafter(float(info.max), 0)
            values = np.clip(np.rint(values), info.min, highest)
        with np.errstate(over="ignore"):
            values = values.astype(dtype)
        if not np.all(np.isfinite(values)):
            raise ValueError(
                f"X has values that {dtype}, the dtype seen in fit, cannot hold when they are "
                "brought back to its range. Pass what transform gave."
            )
        return values

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = []
        return tags


def _check_value_range(value_range: Any) -> tuple[float, float] | None:
    """Return (low, high), or None for "auto"."""
    if isinstance(value_range, str) and value_range == "auto":
        return None
    allowed = (
        'value_range must be "auto" or (low, high), two finite numbers with low < high; '
        f"got {shown(value_range)}. For bytes it is (0, 255)."
    )
    if isinstance(value_range, str) or not hasattr(value_range, "__len__"):
        raise TypeError(allowed)
    if not all(isinstance(value, Real) for value in value_range):
        raise TypeError(allowed)
    if len(value_range) != 2 or not np.all(np.isfinite(value_range)):
        raise ValueError(allowed)
    low, high = (float(value) for value in value_range)
    if low >= high or not np.isfinite(high - low):
        raise ValueError(allowed)
    return low, high
