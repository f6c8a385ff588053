"""Images as data addresses, which HTML holds in itself."""

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray


def image_address(image: NDArray[Any]) -> str:
    """Return an image as the data address of a PNG file.

    Parameters
    ----------
    image : ndarray of shape (height, width), (height, width, 3) or (height, width, 4)
        Grey, RGB or RGBA: bytes, or floats in [0, 1].

    Returns
    -------
    str
        For the attribute ``src`` of ``img``.
    """
    from PIL import Image

    pixels = image if image.dtype == np.uint8 else np.rint(255 * image).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")
