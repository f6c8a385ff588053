"""The header of .npy files."""

from typing import BinaryIO

import numpy as np


def read_npy_header(file: BinaryIO) -> tuple[tuple[int, ...], np.dtype]:
    """Read the header of an .npy file: the shape and dtype of its array.

    Parameters
    ----------
    file : binary file
        At its start; at the first value afterwards.

    Raises
    ------
    ValueError, KeyError
        If the file has no such header, or one of another version than 1 and 2.
    """
    major, _ = np.lib.format.read_magic(file)
    read = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}
    shape, _, dtype = read[major](file)
    return tuple(shape), dtype
