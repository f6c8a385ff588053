"""The page to draw on: its requests and the responses."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...utils._protocols import FittedClassifier
from ...utils._templates import load_template
from ._picture import MOST_PICTURE_BYTES, PICTURE_PATH, PICTURE_TYPE, classify_picture, describe
from ._server import BadRequest, Endpoint, LoopbackServer

REQUEST_PATH, REQUEST_TYPE = "/read", "image/x-portable-graymap"
MOST_BYTES = 1_000_000
"""Largest drawing, as a file."""
_HEADER = re.compile(rb"P5\s(\d{1,4})\s(\d{1,4})\s255\s")


def drawing_server(pipe: FittedClassifier, *, port: int = 0, name: str = "") -> LoopbackServer:
    """Make the server of a page to draw digits on.

    Parameters
    ----------
    pipe : fitted classifier
        With ``predict_proba``; fitted on images of 28×28 pixels, light on dark.
    port : int, default=0
        Where to listen on 127.0.0.1; 0 takes any that is free.
    name : str, default=""
        Of the model, to be shown on the page.

    Returns
    -------
    LoopbackServer
        Which listens, and answers as soon as ``serve_forever`` is called.

    Raises
    ------
    OSError
        If the port is in use or not allowed.
    """
    read_drawing(pipe, _example())  # the first call is slow
    classes = [str(label) for label in pipe.classes_.tolist()]
    return LoopbackServer(
        port,
        page=lambda nonce: _template().render(
            nonce=nonce, classes=classes, name=name, path=REQUEST_PATH, type=REQUEST_TYPE,
            picture_path=PICTURE_PATH, picture_type=PICTURE_TYPE,
            most_picture_bytes=MOST_PICTURE_BYTES,
        ),
        endpoints={
            REQUEST_PATH: Endpoint(
                REQUEST_TYPE, MOST_BYTES, lambda body: read_drawing(pipe, parse_drawing(body))
            ),
            PICTURE_PATH: Endpoint(
                PICTURE_TYPE, MOST_PICTURE_BYTES, lambda body: classify_picture(pipe, body)
            ),
        },
    )  # fmt: skip


def parse_drawing(body: bytes) -> NDArray[np.uint8]:
    """Return a drawing from the bytes of a binary PGM file.

    Parameters
    ----------
    body : bytes
        ``P5``, width, height and 255, each followed by one white space; then the pixels.

    Returns
    -------
    ndarray of shape (height, width), uint8
        The ink, from 0 to 255.

    Raises
    ------
    BadRequest
        If this is not such a file, or has too few or too many pixels.
    """
    header = _HEADER.match(body)
    if header is None:
        raise BadRequest("A drawing must be a binary PGM file of 8 bits: P5, width, height, 255.")
    width, height = (int(number) for number in header.groups())
    n_pixels = len(body) - header.end()
    if min(width, height) < 1 or n_pixels != width * height:
        raise BadRequest(
            f"The drawing is said to have {width}×{height} pixels, and has {n_pixels}."
        )
    return np.frombuffer(body, np.uint8, offset=header.end()).reshape(height, width)


def read_drawing(pipe: FittedClassifier, ink: NDArray[np.uint8]) -> dict[str, Any]:
    """Find and classify the digits in a drawing.

    Parameters
    ----------
    pipe : fitted classifier
        With ``predict_proba``; fitted on images of 28×28 pixels, light on dark.
    ink : ndarray of shape (height, width), uint8
        The drawing, from 0, no ink, to 255.

    Returns
    -------
    dict
        ``digits``: for each, in reading order, its ``label`` (str), ``box`` (top, left,
        bottom, right, in pixels), ``line`` (from 0), ``probabilities`` in the order of
        the classes, and ``image``, the 784 bytes that the network saw, in base64.
    """
    from ...recognition._recognize import recognize

    if ink.min() == ink.max():  # blank, or filled
        return {"digits": []}
    return {"digits": describe(recognize(pipe, 255 - ink, drop_letters=False))}  # dark on light


def _example() -> NDArray[np.uint8]:
    """Return a drawing of a one."""
    ink = np.zeros((200, 200), np.uint8)
    ink[40:160, 92:108] = 255
    return ink


@cache
def _template() -> Any:
    return load_template(Path(__file__).parent / "templates", "draw.html")
