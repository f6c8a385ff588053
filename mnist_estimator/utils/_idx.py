"""The IDX format, in which MNIST was published, and gzip files."""

import struct
from typing import Any, BinaryIO

import numpy as np

GZIP = b"\x1f\x8b"
"""The first bytes of a gzip file."""

_DTYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


def is_gzip(file: BinaryIO) -> bool:
    """Tell whether a file, at its start and left there, is compressed with gzip."""
    start = file.read(len(GZIP))
    file.seek(0)
    return start == GZIP


def is_idx(start: bytes) -> bool:
    """Tell whether a file with these first bytes, decompressed, is an IDX file."""
    return len(start) >= 4 and start[:2] == b"\0\0" and start[2] in _DTYPES and start[3] > 0


def read_idx_header(file: BinaryIO) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Read the header of an IDX file: magic number (type, number of dimensions), dimensions.

    Parameters
    ----------
    file : binary file
        At its start; at the first value afterwards.

    Returns
    -------
    dtype : numpy.dtype
        Type of the values, big-endian.
    shape : tuple of int

    Raises
    ------
    ValueError
        If the file has no such header, or is cut off in it.
    """
    magic = file.read(4)
    if not is_idx(magic):
        raise ValueError(f"the magic number {int.from_bytes(magic)} is not that of an IDX file")
    dimensions = file.read(4 * magic[3])
    if len(dimensions) < 4 * magic[3]:
        raise ValueError("the header is cut off")
    return np.dtype(_DTYPES[magic[2]]), struct.unpack(f">{magic[3]}I", dimensions)
