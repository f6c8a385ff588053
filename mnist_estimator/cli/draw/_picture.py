"""Pictures that are dropped on the page, pasted or chosen: what is answered."""

import base64
import io
import threading
import warnings
from typing import TYPE_CHECKING, Any, cast

from ...utils._wording import counted
from ._server import BadRequest

if TYPE_CHECKING:
    from ...recognition._recognition import Recognition

PICTURE_PATH, PICTURE_TYPE = "/picture", "application/octet-stream"
MOST_PICTURE_BYTES = 32_000_000
"""Largest picture, as a file."""
MOST_DIGITS = 300
"""Digits that are described one by one; the text has all."""
SHOWN_SIDE = 1600
"""Longer side of the picture that is shown, in pixels."""
_one_at_a_time = threading.Lock()
"""A picture of 50 million pixels takes a gigabyte."""


def classify_picture(pipe: Any, body: bytes) -> dict[str, Any]:
    """Find and classify the digits in a picture.

    Parameters
    ----------
    pipe : fitted classifier
        With ``predict_proba``; fitted on images of 28×28 pixels, light on dark.
    body : bytes
        A file that :func:`~mnist_estimator.recognize` takes. Of several pages the first counts.

    Returns
    -------
    dict
        ``text``; ``digits``, as :func:`describe` gives them, at most `MOST_DIGITS`; ``picture``,
        annotated, as a data URL of a JPEG file; and ``notes``, a list of str.

    Raises
    ------
    BadRequest
        If the bytes are no such file, or the picture is too large.
    """
    from ...recognition._open_image import open_pages
    from ...recognition._recognize import Options, recognize_page

    with _one_at_a_time, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            page = next(iter(open_pages(io.BytesIO(body), "The picture")))
        except (ValueError, OSError, ImportError) as error:
            raise BadRequest(str(error)) from error
        found = recognize_page(pipe, page, Options())
    notes = [str(warning.message) for warning in caught]
    if found.n_pages > 1:
        notes.append(f"It has {found.n_pages} pages; this is the first.")
    if found.n_letters:
        notes.append(f"{counted(found.n_letters, 'letter')} left out.")
    if len(found) > MOST_DIGITS:
        notes.append(f"The first {MOST_DIGITS} of {len(found):,} digits are shown one by one.")
    return {
        "text": found.text,
        "digits": describe(found, MOST_DIGITS),
        "picture": _data_url(found),
        "notes": list(dict.fromkeys(notes)),
    }


def describe(found: "Recognition", most: int | None = None) -> list[dict[str, Any]]:
    """Return the digits that were recognized, as JSON has them.

    Parameters
    ----------
    found : Recognition
    most : int, default=None
        How many at most; None: all.

    Returns
    -------
    list of dict
        Of each digit, in reading order, its ``label`` (str), ``box`` (top, left, bottom, right,
        in pixels), ``line`` (from 0), ``probabilities`` in the order of the classes, and
        ``image``, the 784 bytes that were classified, in base64.
    """
    columns = found.labels, found.boxes, found.lines, cast(Any, found.probabilities), found.images
    return [
        {
            "label": str(label),
            "box": box.tolist(),
            "line": int(line),
            "probabilities": [round(float(share), 6) for share in proba],
            "image": base64.b64encode(image.tobytes()).decode(),
        }
        for label, box, line, proba, image in zip(*(c[:most] for c in columns), strict=True)
    ]


def _data_url(found: "Recognition") -> str:
    """Return the annotated picture, reduced, as the URL of an image."""
    picture = found.to_image()
    picture.thumbnail((SHOWN_SIDE, SHOWN_SIDE))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=88)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
