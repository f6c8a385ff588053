"""Detection of digits in photos and scans."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._binarization import Ink, find_ink
from ._candidates import find_candidates
from ._form_cells import remove_cells
from ._open_image import open_page, page_to_grey
from ._polarity import stroke_width
from ._progress import Say, progress, say_nothing
from ._ruled_lines import remove_ruled_lines
from ._teeth import find_teeth


@dataclass(eq=False)
class DetectedDigits:
    """The digits found in a picture, in reading order.

    Parameters
    ----------
    images : ndarray of shape (n, 28, 28), uint8
        Each digit in MNIST's format, light on dark.
    boxes : ndarray of shape (n, 4), int64
        Where each is in the picture, turned as EXIF says: the first row and column,
        and those after the last, as in ``skimage.measure.regionprops``.
    lines : ndarray of shape (n,), int64
        Which line of text each is in, counted from 0 at the top.

    See Also
    --------
    mnist_estimator.find_digits : Make it from a picture.
    """

    __module__ = "mnist_estimator.recognition"  # pickles name it

    images: NDArray[np.uint8]
    boxes: NDArray[np.int64]
    lines: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.images)


def find_digits(image: Any, *, page: int | None = None, verbose: bool = False) -> DetectedDigits:
    """Find the digits in a photo or scan, and bring them to MNIST's format.

    Uneven light, shadows, the texture of the paper and ruled lines are removed, broken
    strokes joined, specks dropped, and touching digits separated. Other writing is
    returned like digits: this function segments ink and does not classify it.

    Parameters
    ----------
    image : str, path, file object, PIL image or array-like
        A file in any format that Pillow reads; or numbers of shape (height, width) or
        (height, width, channels), with one channel, three (RGB) or four (RGB and
        alpha). Whole numbers are out of 255, or 65535 if one is larger; floats out of
        1 (if one is larger, as whole numbers; if one is negative, from the smallest
        to the largest). Dark on light or light on dark, of at most 50 million pixels.
        Digits should be at least 20 pixels high.
    page : int, default=None
        Which picture of a file with several pages or frames, such as a TIFF, from 0.
        None: the first of a file, with a warning if there are more; of a PIL image the
        one that it is at.
    verbose : bool, default=False
        Whether to show progress, in a terminal (on stderr) or notebook. A page of printed text
        takes about five seconds.

    Returns
    -------
    DetectedDigits
        Empty if no digits were found, or with a ``UserWarning`` if the picture has more than
        10,000 separate marks, as textures and halftone prints do.

    Raises
    ------
    OSError
        If a file cannot be found or read.
    ValueError
        If a file is not a picture or is cut off, or the picture is too large, has no
        pixel, a wrong number of channels, or values that are not finite, or there is
        no such page.
    TypeError
        If `image` is none of these kinds, or `page` is not a whole number.

    See Also
    --------
    mnist_estimator.recognize : Find and classify the digits.
    mnist_estimator.DigitNormalizer : For digits that are already cropped.

    Examples
    --------
    >>> import numpy as np
    >>> from mnist_estimator import find_digits
    >>> page = np.full((100, 200), 255, dtype=np.uint8)  # white, with two black bars
    >>> page[30:70, 50:55] = page[30:70, 120:125] = 0
    >>> digits = find_digits(page)
    >>> digits.boxes.tolist()
    [[30, 50, 70, 55], [30, 120, 70, 125]]
    >>> digits.images.shape
    (2, 28, 28)
    """
    with progress(verbose) as say:
        ink = find_page_ink(open_page(image, page).pixels, say=say)
        say("Finding the digits")
        candidates = find_candidates(ink)
        chosen, lines = candidates.choose()
        return DetectedDigits(candidates.images[chosen], candidates.boxes[chosen], lines)


def find_page_ink(picture: NDArray[Any], polarity: str = "auto", say: Say = say_nothing) -> Ink:
    """Find the ink in a picture from :func:`~mnist_estimator.recognition._open_image.open_page`.

    Parameters
    ----------
    picture : ndarray of shape (height, width) or (height, width, 3)
        The picture.
    polarity : {"auto", "light_on_dark", "dark_on_light"}, default="auto"
        Whether the ink is lighter than the paper.
    say : callable, default=say_nothing
        Shows what is being done.

    Returns
    -------
    Ink
        Without ruled lines.
    """
    say("Separating ink from paper")
    ink = find_ink(page_to_grey(picture), polarity)
    say("Removing ruled lines")
    borders = remove_cells(ink.mask)
    if borders.any():
        ink.mask &= ~borders
        ink.stroke = stroke_width(ink.mask)
    ink.mask, removed = remove_ruled_lines(ink.mask, ink.stroke)
    teeth = find_teeth(ink.mask, removed, 1.3 * ink.stroke + 2.0)
    ink.mask &= ~teeth
    ink.amount[removed | borders | teeth] = 0.0
    return ink
