"""Drawn pages that hold much ink: printed text, photos, noise, patterns."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

A4_AT_300_DPI = (3508, 2480)
TWELVE_MEGAPIXELS = (3000, 4000)
TEXT = """\
the of digits and images network which from training with each page are by line that classifier
1998 one labels test 28 set pixels is at 60,000 recognition in (see Table 2) to"""
WORDS = TEXT.split()


def printed_text(size=A4_AT_300_DPI, *, points=11, dpi=300, seed=0):
    """Return a page of printed text: paragraphs in one column, dark on white.

    Parameters
    ----------
    size : (height, width), default=A4_AT_300_DPI
        In pixels.
    points : float, default=11
        Size of the font.
    dpi : float, default=300
        Pixels an inch.
    seed : int, default=0
        Draws the words.

    Returns
    -------
    ndarray of shape (height, width), uint8
    """
    import matplotlib

    generator = np.random.default_rng(seed)
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSerif.ttf"
    font = ImageFont.truetype(str(path), round(points * dpi / 72))
    height, width = size
    margin, pitch = round(0.8 * dpi), round(1.25 * points * dpi / 72)
    page = Image.new("L", (width, height), 255)
    draw = ImageDraw.Draw(page)
    for top in range(margin, height - margin - pitch, pitch):
        line = ""
        while font.getlength(line) < width - 2.2 * margin:
            line += f"{generator.choice(WORDS)} "
        draw.text((margin, top), line, fill=20, font=font)
    return np.asarray(page)


def noise(size=TWELVE_MEGAPIXELS, *, seed=0):
    """Return white noise, as an array of shape (height, width), uint8."""
    return np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)


def specks(size=TWELVE_MEGAPIXELS, *, share=0.02, seed=0):
    """Return paper with a share of its pixels black, two by two."""
    generator = np.random.default_rng(seed)
    height, width = size
    dark = generator.random((height // 2, width // 2)) < share
    return np.where(np.kron(dark, np.ones((2, 2), dtype=bool)), 20, 240).astype(np.uint8)


def checkerboard(size=TWELVE_MEGAPIXELS, *, side=25):
    """Return a checkerboard of squares with so many pixels a side."""
    rows, columns = (np.arange(length) // side for length in size)
    return ((rows[:, np.newaxis] + columns) % 2 * 255).astype(np.uint8)


def halftone(size=TWELVE_MEGAPIXELS, *, pitch=16):
    """Return a grey ramp as a printer does it: round dots in a grid, the larger the darker."""
    rows, columns = (np.arange(length) for length in size)
    down, across = ((2 * (axis % pitch) / pitch - 1) ** 2 for axis in (rows, columns))
    radius = np.linspace(0.1, 0.9, size[1])
    return np.where(down[:, np.newaxis] + across < radius**2, 20, 240).astype(np.uint8)


def photo_of_text(size=TWELVE_MEGAPIXELS, *, seed=0):
    """Return a photo of a printed page: uneven light, grain, a shadow."""
    generator = np.random.default_rng(seed)
    page = printed_text(size, points=14, seed=seed).astype(np.float32) / 255
    light = np.linspace(1.0, 0.55, size[1], dtype=np.float32) * np.linspace(
        0.8, 1.0, size[0], dtype=np.float32
    ).reshape(-1, 1)
    grain = generator.normal(0, 0.02, size).astype(np.float32)
    return np.clip((page * 0.85 + 0.05) * light * 255 + grain * 255, 0, 255).astype(np.uint8)


def texture(size=TWELVE_MEGAPIXELS, *, seed=0):
    """Return a photo of no page: clouds of all sizes, with hard edges."""
    generator = np.random.default_rng(seed)
    total = np.zeros(size, dtype=np.float32)
    for octave in range(1, 9):
        coarse = generator.normal(size=(2**octave + 1, 2**octave + 1)).astype(np.float32)
        cloud = Image.fromarray(coarse).resize(size[::-1], Image.Resampling.BICUBIC)
        total += np.asarray(cloud) / 1.5**octave
    bands = np.floor(total * 6) % 2
    return np.clip(128 + 40 * total + 60 * bands, 0, 255).astype(np.uint8)


PAGES: dict[str, Callable[[], np.ndarray]] = {
    "printed text": printed_text,
    "small print": lambda: printed_text(points=6),
    "photo of printed text": photo_of_text,
    "noise": noise,
    "specks": specks,
    "checkerboard": checkerboard,
    "halftone": halftone,
    "texture": texture,
}
"""Each is drawn anew when called."""
