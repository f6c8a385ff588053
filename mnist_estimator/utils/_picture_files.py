"""Picture files: their suffixes, and those in a folder."""

from collections.abc import Collection
from pathlib import Path

PICTURES = {
    ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".bmp": "BMP", ".gif": "GIF",
    ".tif": "TIFF", ".tiff": "TIFF", ".webp": "WEBP",
    ".pbm": "PPM", ".pgm": "PPM", ".ppm": "PPM", ".pnm": "PPM",
}  # fmt: skip
"""Suffixes of pictures in a folder, and the formats that Pillow may read."""

GREY_MODES = ("1", "L", "LA", "I", "I;16", "F")
"""Pillow's modes of pictures without colours."""


def files_in(folder: Path, suffixes: Collection[str] = PICTURES) -> list[Path]:
    """Return the files with some suffixes in a folder and the folders in it, by name.

    Parameters
    ----------
    folder : Path
        Hidden files and folders in it are left out.
    suffixes : collection of str, default=PICTURES
        In small letters; names may have them in capital ones.
    """
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in suffixes
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
