"""Pictures brought to the size of a model's images."""

from typing import Any

import numpy as np


def fit_picture(picture: Any, width: int, height: int) -> Any:
    """Bring a picture to a size, keeping its proportions.

    Parameters
    ----------
    picture : PIL.Image.Image
        Of mode "L", "RGB" or "RGBA".
    width, height : int
        Pixels.

    Returns
    -------
    PIL.Image.Image
        Of the same mode; what is missing is filled with the mean colour of the picture's border.
    """
    from PIL import Image, ImageOps

    if picture.size == (width, height):
        return picture
    pixels = np.asarray(picture).reshape(picture.height, picture.width, -1)
    n_channels = pixels.shape[2]
    ends = (pixels[[0, -1]], pixels[:, [0, -1]])
    border = np.concatenate([end.reshape(-1, n_channels) for end in ends])
    colour = tuple(int(value) for value in np.round(border.mean(axis=0)))
    return ImageOps.pad(
        picture, (width, height), Image.Resampling.BICUBIC,
        color=colour if n_channels > 1 else colour[0],
    )  # fmt: skip
