"""Pictures from files, arrays and Pillow: opened and checked."""

import contextlib
import io
import math
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..preprocessing._digit_pictures import LUMINANCE
from ._open_pdf import PdfPages, is_pdf

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_PIXELS = 50_000_000
"""Maximum size of a picture: a file of some kilobytes can decode to gigabytes."""

PALE = 64
"""Difference between the largest and the smallest channel up to which a colour is pale, of 255."""

PAGED = ("TIFF", "GIF", "WEBP", "PNG")
"""Formats whose further pictures are pages or frames. A phone's JPEG may hold a preview beside."""


class Page(NamedTuple):
    """A picture and its position in its file."""

    pixels: NDArray[Any]
    """Of shape (height, width), float32 from 0 to 1: grey; or (height, width, 3), uint8: red,
    green and blue."""
    number: int = 0
    """Position in the file, from 0."""
    n_pages: int = 1
    """Pages or frames in the file."""


def open_page(image: Any, page: int | None = None, polarity: str = "auto") -> Page:
    """Open a picture, rotated as its EXIF data say and without alpha.

    Parameters
    ----------
    image : str, path, file object, PIL image or array-like
        See :func:`~mnist_estimator.find_digits`.
    page : int, default=None
        See :func:`~mnist_estimator.find_digits`.
    polarity : {"auto", "light_on_dark", "dark_on_light"}, default="auto"
        Whether the digits are lighter than the paper.

    Returns
    -------
    Page
        Alpha is composited over black if the digits are light, else over white. "auto": they are
        light if the opaque pixels are.

    Warns
    -----
    UserWarning
        If a file has several pages and none is named.

    Raises
    ------
    OSError
        If a file cannot be found or read.
    ValueError
        If a file is not a picture or is cut off, or the picture is too large, has no
        pixel, a wrong number of channels, or values that are not finite, or there is no
        such page.
    TypeError
        If it is none of these kinds, or ``page`` is not a whole number.
    """
    from PIL import Image

    if page is not None and (isinstance(page, bool) or not isinstance(page, int | np.integer)):
        raise TypeError(
            f"page must be None or a whole number from 0 up; got {page!r}. The first page is 0."
        )
    if isinstance(image, str | os.PathLike) or hasattr(image, "read"):
        return _from_file(image, page, polarity)
    if isinstance(image, Image.Image):
        pictures = Pictures(image, "image", polarity)
        number = image.tell() if page is None else page
        _check_page(number, pictures.n_pages, "image")
        return Page(pictures.pixels(number), number, pictures.n_pages)
    if isinstance(image, bytes | bytearray | memoryview):
        raise TypeError(
            "image must be a path, a file object, a PIL image or an array; got "
            f"{type(image).__name__}. Wrap the content of a file: io.BytesIO(content)."
        )
    _check_page(page or 0, 1, "image")
    return Page(_from_array(image, polarity))


def page_to_grey(picture: NDArray[Any]) -> NDArray[np.float32]:
    """Return a picture from :func:`open_page` in grey, from 0 to 1.

    Notes
    -----
    The luminance, from which ink of strong colour is set off: yellow is nearly as light as white,
    and blue nearly as dark as black. What is more colourful than the background by `PALE` is made
    darker on a light background, and lighter on a dark one.
    """
    if picture.ndim == 2:
        return picture
    grey = picture @ (LUMINANCE / 255.0).astype(np.float32)
    red, green, blue = (picture[..., channel] for channel in range(3))
    high = np.maximum(np.maximum(red, green), blue)
    colour = high - np.minimum(np.minimum(red, green), blue)
    background = float(np.median(colour[::4, ::4]))
    strong = colour > background + PALE
    if strong.any():
        more = (colour[strong] - (background + PALE)) / np.float32(255.0)
        sign = -1.0 if float(np.median(grey[::4, ::4])) > 0.5 else 1.0
        grey[strong] = np.clip(grey[strong] + np.float32(sign) * more, 0.0, 1.0)
    return grey


def open_pages(file: Any, name: str, polarity: str = "auto") -> Iterator[Page]:
    """Open all pages of a file, one after the other.

    Parameters
    ----------
    file : path or file object
    name : str
        Stands for it in errors.
    polarity : {"auto", "light_on_dark", "dark_on_light"}, default="auto"
        See :func:`open_page`.

    Yields
    ------
    Page

    Raises
    ------
    OSError, ValueError, ImportError
        As :func:`open_page`.
    """
    with _opened(file, name, polarity) as document:
        for number in range(document.n_pages):
            yield Page(document.pixels(number), number, document.n_pages)


def _from_file(file: Any, page: int | None, polarity: str) -> Page:
    """Open a page of a file or file object."""
    name = f"image {os.fspath(file)!r}" if isinstance(file, str | os.PathLike) else "image"
    with _opened(file, name, polarity) as document:
        _check_page(page or 0, document.n_pages, name)
        found = Page(document.pixels(page or 0), page or 0, document.n_pages)
    if page is None and found.n_pages > 1:
        warnings.warn(
            f"{name} has {found.n_pages} pages or frames, and only the first was taken. Pass page, "
            f"from 0 to {found.n_pages - 1}, for each of them.",
            UserWarning,
            stacklevel=4,
        )
    return found


@contextlib.contextmanager
def _opened(file: Any, name: str, polarity: str) -> Iterator["Pictures | PdfPages"]:
    """Open a file or file object; what may be wrong with it is raised with its name."""
    from PIL import Image, UnidentifiedImageError

    try:
        if isinstance(file, str | os.PathLike) and _is_pipe(Path(file)):
            file = io.BytesIO(Path(file).read_bytes())  # it is read once
        if is_pdf(file):
            with PdfPages(file, name, MOST_PIXELS) as pages:
                yield pages
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # MOST_PIXELS is lower
            with _decoded(name):
                opened = Image.open(file)
            with opened:
                if opened.format == "EPS":  # a program, which Pillow has Ghostscript run
                    raise UnidentifiedImageError("PostScript")
                yield Pictures(opened, name, polarity)
    except Image.DecompressionBombError as error:
        raise ValueError(
            f"{name} must have at most {MOST_PIXELS:,} pixels; got far more ({error}). "
            "Scale it down, or cut out the part with the digits."
        ) from error
    except UnidentifiedImageError as error:
        raise ValueError(
            f"{name} must be a picture in a format that Pillow reads, such as PNG, JPEG, TIFF or "
            "WebP, or a PDF; got something else. Save it as PNG or JPEG."
        ) from error
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{name}: there is no such file in {os.getcwd()!r}. Check the path; pictures from the "
            "web must be downloaded first."
        ) from error
    except IsADirectoryError as error:
        raise IsADirectoryError(
            f"{name} must be a file; got a folder. Pass the pictures in it one by one."
        ) from error
    except PermissionError as error:
        raise PermissionError(f"{name} cannot be read: {error}. Check its permissions.") from error


def _is_pipe(path: Path) -> bool:
    return path.exists() and not path.is_file() and not path.is_dir()


class Pictures:
    """The pages or frames of a PIL image."""

    def __init__(self, image: "Image", name: str, polarity: str) -> None:
        self._image, self._name, self._polarity = image, name, polarity
        with _decoded(name):
            self.n_pages: int = getattr(image, "n_frames", 1) if image.format in PAGED else 1

    def pixels(self, number: int) -> NDArray[Any]:
        """Return the pixels of a page; the PIL image stays at the page it was at."""
        before = self._image.tell()
        try:
            with _decoded(self._name):
                if number != before:
                    self._image.seek(number)
            return _pixels(self._image, self._name, self._polarity)
        finally:
            if number != before and self.n_pages > 1:
                self._image.seek(before)


def _check_page(page: int, count: int, name: str) -> None:
    if not 0 <= page < count:
        allowed = f"from 0 to {count - 1}" if count > 1 else "0 or None"
        raise ValueError(
            f"page must be {allowed}, as {name} has {count} page{'s' * (count > 1)}; got {page}. "
            "The first page is 0."
        )


def _pixels(image: "Image", name: str, polarity: str) -> NDArray[Any]:
    """Take over the pixels of a PIL image."""
    from PIL import ImageOps

    _check_size(image.height, image.width, name)
    with _decoded(name):
        image.load()
        # A damaged EXIF block leaves a picture that can be seen: as it lies.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                image = ImageOps.exif_transpose(image)
            except (OSError, SyntaxError, ValueError, TypeError, KeyError):
                image = image.copy()
    if image.mode in ("I", "F", "I;16", "I;16B", "I;16L"):
        return _from_array(np.asarray(image), polarity)
    if image.mode in ("1", "L"):
        return np.asarray(image.convert("L"), dtype=np.float32) / 255.0
    if "A" in image.getbands() or "transparency" in image.info:
        return _without_alpha(np.asarray(image.convert("RGBA")), polarity)
    return np.asarray(image.convert("RGB"))


@contextlib.contextmanager
def _decoded(name: str) -> Iterator[None]:
    """Raise whatever Pillow's decoders raise as an error about a damaged picture."""
    from PIL import Image, UnidentifiedImageError

    try:
        yield
    except (MemoryError, UnidentifiedImageError, Image.DecompressionBombError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno:  # about the file, not its content
            raise
        raise ValueError(
            f"{name} must be a whole picture; got one that is cut off or damaged ({error}). "
            "Copy or download it again."
        ) from error


def _from_array(image: Any, polarity: str) -> NDArray[Any]:
    """Take over an array, or what can be made one."""
    try:
        array = np.asarray(image)
    except ValueError as error:
        raise ValueError(
            f"image must be an array of shape (height, width); got unequal rows ({error}). "
            "Pass a rectangle of pixels."
        ) from error
    if array.dtype.kind not in "buif":
        raise TypeError(
            "image must be a path, a file object, a PIL image or an array of numbers; got "
            f"{type(image).__name__} of dtype {array.dtype}. "
            "PIL.Image.open reads files of most formats."
        )
    channels = array.shape[2] if array.ndim == 3 else 1
    if array.ndim not in (2, 3) or channels not in (1, 3, 4):
        raise ValueError(
            "image must have shape (height, width) or (height, width, channels) with one channel, "
            f"three (RGB) or four (RGB and alpha); got shape {array.shape}. "
            "Pass one picture at a time, its channels last."
        )
    _check_size(array.shape[0], array.shape[1], "image")
    values = _to_unit(array)
    if channels == 1:
        return values.reshape(array.shape[:2])
    colours = np.rint(values * 255.0).astype(np.uint8)
    return colours if channels == 3 else _without_alpha(colours, polarity)


def _check_size(height: int, width: int, name: str) -> None:
    if height * width == 0:
        raise ValueError(
            f"{name} must have at least one pixel; got {width} × {height}. "
            "Check how it was cut out or loaded."
        )
    if height * width > MOST_PIXELS:
        raise ValueError(
            f"{name} must have at most {MOST_PIXELS:,} pixels; got {width} × {height}, that is "
            f"{height * width:,}. Scale it down, or cut out the part with the digits."
        )


def _to_unit(array: NDArray[Any]) -> NDArray[np.float32]:
    """Bring the values of an array to a range from 0 to 1."""
    if array.dtype.kind == "b":
        return array.astype(np.float32)
    if array.dtype == np.uint8:
        return array.astype(np.float32) / np.float32(255.0)
    with np.errstate(over="ignore"):  # what is beyond float64 is refused as infinite
        array = array.astype(np.float64)
        finite = np.isfinite(array)
    if not finite.all():
        n_bad = int((~finite).sum())
        raise ValueError(
            f"image must hold finite numbers; got {n_bad} that are NaN or infinite. "
            "Replace them, e.g. with np.nan_to_num."
        )
    low, high = float(array.min()), float(array.max())
    if not math.isfinite(high - low):
        array, low, high = array / 4.0, low / 4.0, high / 4.0
    if low < 0.0:
        return ((array - low) / max(high - low, 1e-300)).astype(np.float32)
    full = next((full for full in (1.0, 255.0, 65535.0) if high <= full), high)
    return (array / full).astype(np.float32)


def _without_alpha(image: NDArray[np.uint8], polarity: str) -> NDArray[np.uint8]:
    """Composite a picture with alpha over white, or over black if its digits are light."""
    colours, alpha = image[..., :3], image[..., 3:].astype(np.float32) / 255.0
    opaque = float(alpha.sum())
    light = polarity == "light_on_dark"
    if polarity == "auto":
        light = float(((colours @ LUMINANCE)[..., np.newaxis] * alpha).sum()) > 127.5 * opaque
    # Fully opaque pictures stay unchanged.
    under = 0.0 if light and float(alpha.min()) < 1.0 else 255.0
    mixed: NDArray[np.uint8] = np.rint(colours * alpha + under * (1.0 - alpha)).astype(np.uint8)
    return mixed
