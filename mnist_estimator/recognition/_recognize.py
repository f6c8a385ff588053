"""Recognition: digits in a picture, found and classified."""

import warnings
from collections.abc import Sequence
from numbers import Real
from typing import Any, NamedTuple

import numpy as np

from ..utils._exceptions import RotationWarning
from ..utils._wording import counted, shown
from ._candidates import Candidates, find_candidates
from ._classification import Classified, check_classifier, classify
from ._find_digits import find_page_ink
from ._letters import find_layout, has_digit_classes
from ._open_image import Page, open_page
from ._progress import Say, progress, say_nothing
from ._recognition import PLACEHOLDER, Recognition
from ._rotation import ROTATIONS, choose_rotation, turn_boxes_back, turn_ink

POLARITIES = ("auto", "light_on_dark", "dark_on_light")


class Options(NamedTuple):
    """How a page is recognized: the parameters of :func:`recognize` of these names."""

    region: tuple[int, int, int, int] | None = None
    rotation: int | str = 0
    polarity: str = "auto"
    min_confidence: float | None = None
    placeholder: str | None = PLACEHOLDER
    drop_letters: bool = True


def recognize(
    estimator: Any,
    image: Any,
    *,
    page: int | None = None,
    region: Sequence[int] | None = None,
    rotation: int | str = 0,
    polarity: str = "auto",
    min_confidence: float | None = None,
    placeholder: str | None = PLACEHOLDER,
    drop_letters: bool = True,
    verbose: bool = False,
) -> Recognition:
    """Find and classify the digits in a photo or scan.

    Parameters
    ----------
    estimator : fitted classifier
        Pipeline, search or other classifier that was fitted on MNIST's images as flat
        rows, such as ``make_pipeline().fit(X, y)``, or what
        :func:`~mnist_estimator.load_predictor` gives. If it has an
        :class:`~mnist_estimator.ImageScaler` or :class:`~mnist_estimator.CNNClassifier` that was
        fitted on another range than 0 to 255, the digits are brought to that range.
    image : str, path, file object, PIL image or array-like
        See :func:`~mnist_estimator.find_digits`.
    page : int, default=None
        Which picture of a file with several pages or frames, such as a TIFF or PDF, from 0.
        None: the first of a file, with a warning if there are more; of a PIL image the
        one that it is at. ``n_pages`` of the result tells how many there are.
    region : (top, left, bottom, right), default=None
        The part of the picture to search: its first row and column, and those after its last,
        in pixels of the picture as it is shown, turned as its EXIF data say. None: all of it.
    rotation : {0, 90, 180, 270} or "auto", default=0
        Degrees by which the picture must be turned clockwise to be upright. ``"auto"`` takes
        the rotation in which the classifier is clearly most confident, else 0 with a
        ``RotationWarning``. It takes up to four times as long.
    polarity : {"auto", "light_on_dark", "dark_on_light"}, default="auto"
        Whether the digits are lighter than the paper. ``"auto"`` decides it by the picture.
    min_confidence : float in [0, 1], default=None
        Digits with less confidence are doubtful: see `placeholder`. None: no digit is.
    placeholder : str or None, default="?"
        Stands in the text for digits that are doubtful or that the classifier rejects. None:
        their most probable label does.
    drop_letters : bool, default=True
        Whether to leave out letters and other signs, which a classifier of digits takes for
        digits. It is of no effect unless the classes of the classifier are the ten digits.
    verbose : bool, default=False
        Whether to show progress, in a terminal (on stderr) or notebook.

    Returns
    -------
    Recognition
        Empty if no digits were found.

    Raises
    ------
    NotFittedError
        If the classifier is not fitted.
    OSError, TypeError, ValueError
        As :func:`~mnist_estimator.find_digits` does; also if a parameter is of a wrong kind or
        out of range, if `region` is not inside the picture, or if the classifier was fitted on
        images of another size than 28×28.

    See Also
    --------
    mnist_estimator.find_digits : Find digits without classifying them.

    Notes
    -----
    Where digits may touch, there are more cuts than needed, and the pieces between them are
    chosen by the classifier's confidence and by their shape: of each blob of ink the most probable
    sequence. The classifier is called once, with all candidates.

    A sign is a letter by its shape (a small network for that, which knows nothing of the
    classifier) and by those beside it: a word is left out as a whole, though its "o" is like a 0.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from mnist_estimator import load_mnist, recognize
    >>> X, y = load_mnist("train", return_X_y=True)
    >>> page = np.hstack([255 - image.reshape(28, 28) for image in X[:3]])
    >>> y[:3].tolist()
    [5, 0, 4]
    >>> recognize(KNeighborsClassifier(1).fit(X[:500], y[:500]), page).text
    '504'
    """
    check_classifier(estimator)
    options = check_options(
        estimator,
        Options(
            region,  # type: ignore[arg-type]
            rotation,
            polarity,
            min_confidence,
            placeholder,
            drop_letters,
        ),
    )
    with progress(verbose) as say:
        found = recognize_page(estimator, open_page(image, page, polarity), options, say)
    if not found.rotation_is_sure:
        warnings.warn(rotation_warning(found), RotationWarning, stacklevel=2)
    return found


def check_options(estimator: Any, options: Options) -> Options:
    """Return options in their usual types.

    Raises
    ------
    TypeError
        If one is of a wrong kind, or the classifier has no confidence to be compared.
    ValueError
        If one is out of range.
    """
    region, rotation, polarity, min_confidence, placeholder, drop_letters = options
    if not isinstance(polarity, str) or polarity not in POLARITIES:
        raise _invalid("polarity", ", ".join(map(repr, POLARITIES)), polarity, str)
    if isinstance(rotation, bool) or rotation not in (*ROTATIONS, "auto"):
        allowed = "0, 90, 180, 270 (degrees clockwise) or 'auto'"
        raise _invalid("rotation", allowed, rotation, str | int | np.integer)
    if min_confidence is not None:
        is_number = isinstance(min_confidence, Real) and not isinstance(min_confidence, bool)
        if not is_number or not 0.0 <= float(min_confidence) <= 1.0:
            allowed = "None or a number from 0 to 1"
            raise _invalid("min_confidence", allowed, min_confidence, Real)
        if not hasattr(estimator, "predict_proba"):
            raise TypeError(
                "min_confidence needs a classifier with predict_proba; got "
                f"{type(estimator).__name__}. Wrap it, e.g. in CalibratedClassifierCV, or leave "
                "min_confidence at None."
            )
        min_confidence = float(min_confidence)
    if placeholder is not None and not isinstance(placeholder, str):
        raise _invalid("placeholder", "None or a str, such as '?'", placeholder, str)
    if not isinstance(drop_letters, bool | np.bool_):
        raise _invalid("drop_letters", "True or False", drop_letters, bool)
    if not isinstance(rotation, str):
        rotation = int(rotation)
    return Options(
        _check_region(region), rotation, polarity, min_confidence, placeholder, bool(drop_letters)
    )


def _invalid(name: str, allowed: str, value: Any, kind: Any) -> Exception:
    """Return the error for a parameter of a wrong kind or value."""
    error = ValueError if isinstance(value, kind) and not isinstance(value, bool) else TypeError
    return error(f"{name} must be {allowed}; got {shown(value)}.")


def _check_region(region: Any) -> tuple[int, int, int, int] | None:
    if region is None:
        return None
    allowed = (
        "region must be None or (top, left, bottom, right), whole numbers of pixels with "
        f"0 <= top < bottom and 0 <= left < right; got {shown(region)}. Rows count from the top, "
        "and bottom and right are those after the last."
    )
    if isinstance(region, str | bytes) or not isinstance(region, Sequence | np.ndarray):
        raise TypeError(allowed)
    sides = list(region)
    if not all(isinstance(side, int | np.integer) and not isinstance(side, bool) for side in sides):
        raise TypeError(allowed)
    if len(sides) != 4:
        raise ValueError(allowed)
    top, left, bottom, right = (int(side) for side in sides)
    if not (0 <= top < bottom and 0 <= left < right):
        raise ValueError(allowed)
    return top, left, bottom, right


def rotation_warning(found: Recognition) -> str:
    """Return what to say of a page whose rotation is not sure."""
    return (
        f"None of the four rotations of the page is clearly upright ({counted(len(found), 'digit')}"
        " found), so it was taken as it is. Pass rotation: 0, 90, 180 or 270 (degrees clockwise)."
    )


def recognize_page(
    estimator: Any, page: Page, options: Options, say: Say = say_nothing
) -> Recognition:
    """Find and classify the digits of a page.

    Parameters
    ----------
    estimator : fitted classifier
        Checked by ``check_classifier``.
    page : Page
    options : Options
        Checked by :func:`check_options`.
    say : callable, default=say_nothing
        Shows what is being done.

    Returns
    -------
    Recognition

    Raises
    ------
    ValueError
        If the region is not inside the picture.
    """
    picture, (top, left) = _cut_out(page, options.region)
    ink = find_page_ink(picture, options.polarity, say)
    say("Finding the digits")
    rotations = ROTATIONS if options.rotation == "auto" else (int(options.rotation),)
    pages = [find_candidates(turn_ink(ink, rotation)) for rotation in rotations]
    images = np.concatenate([candidates.images for candidates in pages])
    n_blobs = len({place.blob for place in pages[0].places})
    say(f"Classifying {counted(n_blobs, 'digit')}")
    classes = getattr(estimator, "classes_", None)
    is_of_digits = has_digit_classes(classes)
    found = classify(estimator, images)
    number, is_sure, answers, lines, chosen = _choose(pages, found, by_shape=is_of_digits)
    candidates, rotation = pages[number], rotations[number]
    drops = options.drop_letters and is_of_digits
    kept, lines, groups, separators = find_layout(candidates, chosen, lines, drop_letters=drops)
    answers, n_signs, chosen = answers.take(kept), len(chosen), chosen[kept]
    shape, offset = picture.shape, np.array([top, left, top, left])

    def on_picture(boxes: Any) -> Any:
        height, width = shape[:2]
        back = turn_boxes_back(boxes, rotation, shape)
        return np.clip(back, 0, [height, width, height, width]) + offset

    return Recognition(
        labels=answers.labels,
        probabilities=answers.probabilities,
        confidences=answers.confidences,
        boxes=on_picture(candidates.boxes[chosen]),
        lines=lines,
        images=candidates.images[chosen],
        picture=page.pixels,
        page=page.number,
        n_pages=page.n_pages,
        rejected=answers.rejected,
        groups=groups,
        separators=[mark._replace(box=tuple(on_picture(mark.box)[0].tolist()))
                    for mark in separators],
        classes=classes,
        rotation=rotation,
        rotation_is_sure=is_sure,
        min_confidence=options.min_confidence,
        placeholder=options.placeholder,
        n_letters=n_signs - len(kept),
    )  # fmt: skip


def _cut_out(page: Page, region: tuple[int, int, int, int] | None) -> tuple[Any, tuple[int, int]]:
    """Return the region of a picture, and its first row and column."""
    if region is None:
        return page.pixels, (0, 0)
    top, left, bottom, right = region
    height, width = page.pixels.shape[:2]
    if bottom > height or right > width:
        raise ValueError(
            f"region must be inside the picture of {height} rows and {width} columns; got (top, "
            f"left, bottom, right) = {region}. The picture is turned as its EXIF data say."
        )
    return page.pixels[top:bottom, left:right], (top, left)


def _choose(
    pages: list[Candidates], answers: Classified, *, by_shape: bool
) -> tuple[int, bool, Classified, Any, Any]:
    """Choose the digits of each page, and the page that is upright.

    Returns
    -------
    number : int
        Position of that page.
    is_sure : bool
        Whether it clearly is.
    answers : Classified
        Of its chosen candidates.
    lines, chosen : ndarray of shape (n_digits,)
        Their lines, and their positions among its candidates.
    """
    found, start = [], 0
    for candidates in pages:
        positions = np.arange(start, start + len(candidates.images))
        start += len(candidates.images)
        own = answers.take(positions)
        chosen, lines = candidates.choose(own.confidences, by_shape=by_shape)
        found.append((own.take(chosen), lines, chosen))
    if len(pages) == 1:
        return 0, True, *found[0]
    number, is_sure = choose_rotation([own.confidences for own, _, _ in found])
    return number, is_sure, *found[number]
