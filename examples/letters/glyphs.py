"""Characters in fonts and in strokes of a pen, distorted, in MNIST's format.

    pip install hershey-fonts font-intuitive font-fredoka-one font-roboto font-source-serif-pro
    pip install font-caladea font-manrope

The fonts of examples/handwriting/kinds.py, with which the recognition of pictures is measured, are
none of these.
"""

import importlib
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from mnist_estimator.preprocessing._digit_image import as_bytes, fit_box

DIGITS = "0123456789"
CLEAR = "ACEFHJKLMNPRTUVWXYacdefhjkmnprtuvwxy" + "äöüßéñåæ&%$#@?=*" + "БДЖИЛФЦШЭЮЯΔΛΞΠΣΩ"
"""Characters that are like no digit, or only like those of few hands."""
LIKE_DIGITS = "OoQDGlIiSsZzBgqb|()!"
"""Characters that are digits to some: they are drawn less often."""
PACKAGES = {
    "font_intuitive": ("Intuitive",),
    "font_fredoka_one": ("FredokaOne",),
    "font_roboto": ("RobotoLight", "RobotoItalic", "RobotoBold"),
    "font_source_serif_pro": ("SourceSerifProLight", "SourceSerifProIt", "SourceSerifProBold"),
    "font_caladea": ("Caladea", "CaladeaItalic"),
    "font_manrope": ("ManropeExtraLight", "ManropeSemiBold"),
}
MATPLOTLIB = ("cmr10", "cmss10", "cmtt10", "cmti10", "cmb10")
HERSHEY = (
    "cursive", "futural", "futuram", "rowmans", "rowmand", "rowmant", "scriptc", "scripts",
    "timesg", "timesi", "timesib", "timesr", "timesrb",
)  # fmt: skip
"""Single-stroke fonts of Latin letters."""


class Glyphs:
    """Draws characters, by one seed.

    Parameters
    ----------
    seed : int
        Draws everything.
    """

    def __init__(self, seed):
        self.generator = np.random.default_rng(seed)

    def image(self, text, *, strokes):
        """Return a text as one image in MNIST's format; a part may be missing in a font.

        Parameters
        ----------
        text : str
            One character, or some that touch.
        strokes : bool
            Whether it is drawn with a pen along single-stroke letters, or in a font.

        Returns
        -------
        ndarray of shape (28, 28), uint8, or None
            None if the font has no such character.
        """
        height = self.generator.uniform(18, 70)
        parts = [self.part(character, height, strokes=strokes) for character in text]
        if any(part is None for part in parts):
            return None
        ink = self._distorted(beside(parts, self.generator.uniform(-0.12, 0.0) * height))
        ink = ndimage.gaussian_filter(ink, self.generator.uniform(0.4, 1.0))
        ink = np.clip((ink - 0.15) / 0.7, 0.0, 1.0)
        return as_bytes(fit_box(ink)) if ink.any() else None

    def part(self, character, height, *, strokes):
        """Return a character as ink from 0 to 1, or None if the font does not have it."""
        return self._with_pen(character, height) if strokes else self._in_font(character, height)

    def _in_font(self, character, height):
        """Return a character of a font, as ink, its capitals about so high."""
        generator = self.generator
        paths = font_paths()
        font = _font(paths[generator.integers(len(paths))], round(1.4 * height))
        if character not in _characters(font.path):
            return None
        left, top, right, bottom = font.getbbox(character)
        picture = Image.new("L", (right - left + 2, bottom - top + 2))
        ImageDraw.Draw(picture).text((1 - left, 1 - top), character, fill=255, font=font)
        return np.asarray(picture, dtype=np.float32) / 255

    def _with_pen(self, character, height):
        """Return a character of a single-stroke font drawn with a shaky pen, as ink."""
        generator = self.generator
        strokes = _hershey(HERSHEY[generator.integers(len(HERSHEY))], character)
        if not strokes:
            return None
        pen = height * generator.uniform(0.05, 0.16)
        everything = np.concatenate(strokes)
        low, span = everything.min(axis=0), np.ptp(everything, axis=0).max()
        room = 2 * pen
        picture = Image.new("L", tuple(int(height + 2 * room + 1) for _ in range(2)))
        brush = ImageDraw.Draw(picture)
        for stroke in strokes:
            points = (stroke - low) / max(span, 1e-6) * height + room
            points += generator.normal(0, 0.012 * height, points.shape)
            path = [tuple(point) for point in points]
            brush.line(path, fill=255, width=max(1, round(pen)), joint="curve")
            for x, y in path:
                brush.ellipse([x - pen / 2, y - pen / 2, x + pen / 2, y + pen / 2], fill=255)
        return np.asarray(picture.crop(picture.getbbox()), dtype=np.float32) / 255

    def _distorted(self, ink):
        """Return ink that is slanted, turned, stretched and bent a little."""
        generator = self.generator
        turn = np.deg2rad(generator.normal(0, 6))
        slant, stretch = generator.normal(0.05, 0.15), np.exp(generator.normal(0, 0.12))
        matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        matrix = matrix @ np.array([[1.0, 0.0], [slant, stretch]])
        side = round(1.6 * max(ink.shape))
        places = np.indices((side, side)).reshape(2, -1) - side / 2
        bends = generator.normal(0, 0.025 * max(ink.shape), (2, 4, 4))
        small = [Image.fromarray(bend) for bend in bends.astype(np.float32)]
        bent = np.stack([image.resize((side, side), Image.Resampling.BICUBIC) for image in small])
        old = matrix @ places + np.array(ink.shape)[:, None] / 2 + bent.reshape(2, -1)
        return ndimage.map_coordinates(ink, old, order=1).reshape(side, side)


def beside(parts, gap):
    """Return ink beside each other on one base line, so many pixels apart."""
    height = max(part.shape[0] for part in parts)
    width = sum(part.shape[1] for part in parts) + len(parts) * abs(round(gap))
    ink, left = np.zeros((height, width), dtype=np.float32), 0
    for part in parts:
        place = ink[height - part.shape[0] :, left : left + part.shape[1]]
        np.maximum(place, part, out=place)
        left = max(0, left + part.shape[1] + round(gap))
    return ink


@cache
def font_paths():
    """Return the files of all fonts."""
    import matplotlib

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    found = [str(folder / f"{name}.ttf") for name in MATPLOTLIB]
    for name, fonts in PACKAGES.items():
        module = importlib.import_module(name)
        found += [getattr(module, font) for font in fonts]
    return found


@cache
def _hershey(name, character):
    strokes = [
        np.array(stroke, dtype=float) for stroke in _hershey_font(name).strokes_for_text(character)
    ]
    return [stroke for stroke in strokes if len(stroke)]


@cache
def _hershey_font(name):
    from HersheyFonts import HersheyFonts

    fonts = HersheyFonts()
    fonts.load_default_font(name)
    return fonts


@cache
def _font(path, size):
    return ImageFont.truetype(path, size)


@cache
def _characters(path):
    """Return the characters that a font has."""
    from fontTools.ttLib import TTFont

    return {chr(code) for code in TTFont(path).getBestCmap()}
