"""Pictures of digits of many kinds, drawn by a program, each with what is written in it."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from . import forms
from .hands import hand
from .letters import WRITTEN_WORDS, tail
from .paper import photograph, tilt
from .strokes import Writer

WORDS = ("Room", "Name", "Date", "tank", "Kamera", "Turm", "heat", "name", "Number", "Page", "Amt")
COLOURS = (
    (20, 20, 20), (200, 30, 30), (30, 140, 50), (30, 60, 200), (240, 220, 20), (30, 200, 220),
    (230, 60, 180), (240, 140, 20), (120, 60, 160),
)  # fmt: skip


class Drawing:
    """Draws pictures of one source, by one seed.

    Parameters
    ----------
    source : {"strokes", "mnist"}
        Where the digits come from.
    seed : int
        Draws everything.
    """

    def __init__(self, source, seed):
        self.generator = np.random.default_rng(seed)
        self.hand = hand(source, int(self.generator.integers(2**31)))

    def digits(self, n):
        """Return `n` digits, as a text."""
        return "".join(map(str, self.generator.integers(0, 10, n)))

    def glyphs(self, text, height, pen=None):
        """Write each digit of a text, about as high and with about that pen."""
        pen = height / 10 if pen is None else pen
        return [
            self.hand.write(int(digit), height * self.generator.uniform(0.92, 1.08), pen)
            for digit in text
        ]

    def sheet(self, lines, height, *, pen=None, gap=(0.2, 0.5), slope=0.0, curve=0.0, margin=0.8):
        """Write lines on a sheet that has room for them, and return the ink."""
        rows = [self.glyphs(line, height, pen) for line in lines]
        gaps = [self.generator.uniform(*gap, len(row)) * height for row in rows]
        wide = max(
            sum(glyph.shape[1] for glyph in row) + sum(between)
            for row, between in zip(rows, gaps, strict=True)
        )
        rise = abs(slope) * wide + abs(curve) * height
        room = margin * height
        shape = round(2 * room + rise + 1.7 * height * len(rows)), round(wide + 2 * room)
        ink = np.zeros(shape, dtype=np.float32)
        for number, (row, between) in enumerate(zip(rows, gaps, strict=True)):
            left = room
            for glyph, blank in zip(row, between, strict=True):
                at = (left + glyph.shape[1] / 2) / shape[1] - 0.5
                middle = shape[0] / 2 + (number - (len(rows) - 1) / 2) * 1.7 * height
                middle += slope * at * shape[1] + curve * height * (4 * at**2 - 0.5)
                forms.put(ink, glyph, middle - glyph.shape[0] / 2, left)
                left += glyph.shape[1] + blank
        return ink

    def photo(self, ink, **options):
        """Photograph a sheet under mild conditions, or scan it: each half of the time."""
        mild = {"light": 0.25, "grain": 0.01, "noise": 0.01, "blur": 0.6}
        if self.generator.random() < 0.5:
            mild = {"light": 0.0, "grain": 0.002, "noise": 0.004, "blur": 0.5}
        return photograph(ink, self.generator, **{**mild, **options})


def plain(drawing):
    """Two lines on plain paper: what all other kinds are compared with."""
    lines = [drawing.digits(5), drawing.digits(5)]
    return drawing.photo(drawing.sheet(lines, drawing.generator.uniform(35, 60))), lines


def level_ones(drawing):
    """Ones and feet of digits level with one another, or with dots between them."""
    generator = drawing.generator
    text = str(generator.choice(["1914", "171", "1111", "11711", "214121", "7117", "41114"]))
    height = float(generator.uniform(40, 60))
    row = [drawing.hand.write(int(digit), height, height / 10) for digit in text]
    gap = generator.uniform(0.25, 0.6) * height
    dots = generator.random() < 0.3
    ink = np.zeros((round(3 * height), round(len(text) * 1.7 * height + 60)), dtype=np.float32)
    left = 30.0
    for number, glyph in enumerate(row):
        forms.put(ink, glyph, 2 * height - glyph.shape[0], left)
        left += glyph.shape[1] + gap
        if dots and number % 2 and number + 1 < len(row):
            dot = forms.disc(height / 14)
            forms.put(ink, dot, 2 * height - dot.shape[0], left - gap / 2 - dot.shape[1] / 2)
    return drawing.photo(ink), [text]


def ruled(drawing):
    """Lines on ruled or squared paper, blue or black rules."""
    generator = drawing.generator
    height = generator.uniform(35, 50)
    lines = [drawing.digits(6), drawing.digits(6)]
    color = [(150, 180, 215), (170, 195, 220), (90, 90, 100)][generator.integers(3)]
    options = {"ruled": round(generator.uniform(0.7, 1.6) * height), "ruled_color": color}
    squared = bool(generator.random() < 0.5)
    if squared:
        options["ruled_color"] = (170, 195, 220)
    return drawing.photo(drawing.sheet(lines, height), squared=squared, **options), lines


def thin_pen(drawing):
    """Pens of 1/25 to 1/100 of the height of the digits."""
    generator = drawing.generator
    height = generator.uniform(100, 300)
    lines = [drawing.digits(3)]
    pen = max(1.2, height / generator.uniform(25, 100))
    return drawing.photo(drawing.sheet(lines, height, pen=pen)), lines


def big_strokes(drawing):
    """Digits of up to 1,000 pixels, with strokes of a twelfth of that."""
    generator = drawing.generator
    height = generator.uniform(500, 1000)
    lines = [drawing.digits(int(generator.integers(1, 4)))]
    pen = height / generator.uniform(8, 14)
    return drawing.photo(drawing.sheet(lines, height, pen=pen, margin=0.4)), lines


def small_digits(drawing):
    """Digits of 20 to 28 pixels."""
    generator = drawing.generator
    lines = [drawing.digits(6), drawing.digits(6), drawing.digits(6)]
    return drawing.photo(drawing.sheet(lines, generator.uniform(20, 28))), lines


def tight_crop(drawing):
    """One digit cropped at its ink, or nearly so, in thick felt pen."""
    generator = drawing.generator
    height = generator.uniform(60, 400)
    text = drawing.digits(1)
    ink = drawing.hand.write(int(text), height, height / generator.uniform(5, 12))
    room = round(height * generator.choice([0.0, 0.02, 0.05, 0.1]))
    if ink.shape[1] < 0.4 * height:
        ink = np.pad(ink, ((0, 0), (round(0.1 * height),) * 2))
    return drawing.photo(np.pad(ink, room), color=(40, 60, 150)), [text]


def filled(drawing):
    """Write digits that fill the picture to its edge."""
    height = drawing.generator.uniform(60, 200)
    lines = [drawing.digits(4)]
    pen = height / drawing.generator.uniform(6, 10)
    ink = drawing.sheet(lines, height, pen=pen, gap=(0.08, 0.15))
    rows, columns = np.nonzero(ink > 0.1)
    room = round(height * drawing.generator.choice([0.02, 0.05, 0.1]))
    ink = ink[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    return drawing.photo(np.pad(ink, room)), lines


def icon(drawing):
    """Draw 28×28 pixels with one small digit of 10 to 16."""
    generator = drawing.generator
    text = drawing.digits(1)
    height = generator.uniform(10, 16)
    glyph = drawing.hand.write(int(text), height, max(1.2, height / 9))
    ink = np.zeros((28, 28), dtype=np.float32)
    top, left = (28 - np.array(glyph.shape)) / 2 + generator.uniform(-4, 4, 2)
    forms.put(ink, glyph, np.clip(top, 1, 27 - glyph.shape[0]), np.clip(left, 1, 12))
    paper, dark = (250, 250, 250), (30, 30, 30)
    if generator.random() < 0.5:
        paper, dark = (10, 10, 10), (245, 245, 245)
    options = {"grain": 0.0, "light": 0.0, "noise": 0.004, "blur": 0.3}
    return photograph(ink, generator, paper=paper, color=dark, **options), [text]


def crossed_seven(drawing):
    """One seven with a bar, large, on a white scan."""
    generator = drawing.generator
    height, width = generator.uniform(300, 600, 2) * [1.0, 0.7]
    pen = height / generator.uniform(9, 40)
    side = 900
    picture = Image.new("L", (side, side))
    draw = ImageDraw.Draw(picture)
    left, top = (side - width) / 2, (side - height) / 2
    down = [(0.05, 0.08), (0.95, 0.02), (0.6, 0.5), (0.4, 1.0)]
    bar = [(0.3, 0.52 + generator.uniform(-0.04, 0.04)), (0.85, 0.46)]
    for stroke in (down, bar):
        points = np.array(stroke) + generator.normal(0, 0.02, (len(stroke), 2))
        path = [(left + x * width, top + y * height) for x, y in points]
        draw.line(path, fill=255, width=round(pen), joint="curve")
    ink = ndimage.gaussian_filter(np.asarray(picture) / 255.0, 1.0).astype(np.float32)
    white = {"paper": (255, 255, 255), "light": 0.0, "grain": 0.0, "noise": 0.0}
    return photograph(ink, generator, **white), ["7"]


def touching(drawing):
    """Write four digits, two of which overlap by 4 pixels at 60."""
    generator = drawing.generator
    text = drawing.digits(4)
    row = drawing.glyphs(text, 60, 6)
    at = int(generator.integers(1, 4))
    ink = np.zeros((140, 420), dtype=np.float32)
    left = 40.0
    for number, glyph in enumerate(row):
        if number:
            left += -4 if number == at else generator.uniform(10, 22)
        forms.put(ink, glyph, 70 - glyph.shape[0] / 2, left)
        left += glyph.shape[1]
    return drawing.photo(ink), [text]


def edges(drawing):
    """Torn paper, an edge of the page, the edge of a shadow, or a staple."""
    generator = drawing.generator
    lines = [drawing.digits(5), drawing.digits(5)]
    ink = drawing.sheet(lines, generator.uniform(40, 60), margin=1.6)
    what = int(generator.integers(4))
    if what == 2:
        return drawing.photo(ink, shadow=float(generator.uniform(0.25, 0.5))), lines
    picture = drawing.photo(ink)
    if what == 3:
        return forms.staple(picture, generator), lines
    return forms.on_a_table(picture, generator, torn=what == 0), lines


def colours(drawing):
    """Each digit in a colour of its own on white, yellow and cyan too."""
    generator = drawing.generator
    lines = [drawing.digits(3), drawing.digits(3)]
    height = generator.uniform(50, 90)
    sheets = [drawing.sheet([line], height, pen=height / 8) for line in lines]
    widest = max(sheet.shape[1] for sheet in sheets)
    ink = np.concatenate([np.pad(s, ((0, 0), (0, widest - s.shape[1]))) for s in sheets])
    labels, n_parts = ndimage.label(ink > 0.02, structure=np.ones((3, 3)))
    order = np.array([COLOURS[i] for i in generator.integers(0, len(COLOURS), n_parts + 1)])
    order[1] = COLOURS[4 + generator.integers(2)]  # yellow or cyan
    color = ndimage.grey_dilation(labels, (5, 5))
    paper = np.array([255, 255, 255])
    covered = ndimage.gaussian_filter(ink, 0.5)[..., None]
    picture = paper * (1 - covered) + order[color] * covered
    picture += generator.normal(0, 1.0, picture.shape)
    return np.rint(np.clip(picture, 0, 255)).astype(np.uint8), lines


def blackboard(drawing):
    """Chalk on a board."""
    lines = [drawing.digits(5), drawing.digits(5)]
    ink = drawing.sheet(lines, drawing.generator.uniform(40, 70))
    return drawing.photo(ink, inverted=True, color=(40, 40, 40), grain=0.02), lines


def slanted(drawing):
    """Lines that climb or fall by up to 15 degrees, the digits upright."""
    generator = drawing.generator
    lines = [drawing.digits(10), drawing.digits(10)]
    slope = np.tan(np.deg2rad(generator.uniform(6, 15) * generator.choice([-1, 1])))
    return drawing.photo(drawing.sheet(lines, generator.uniform(40, 55), slope=slope)), lines


def tilted(drawing):
    """Pages turned by up to 15 degrees, the digits with them."""
    generator = drawing.generator
    lines = [drawing.digits(10), drawing.digits(10)]
    picture = drawing.photo(drawing.sheet(lines, generator.uniform(40, 55), margin=2.5))
    angle = float(generator.uniform(6, 15) * generator.choice([-1, 1]))
    background = picture[:4].mean(axis=(0, 1))
    return tilt(picture, [], angle=angle, background=background)[0], lines


def curved(drawing):
    """Lines that curve."""
    generator = drawing.generator
    lines = [drawing.digits(8), drawing.digits(8)]
    curve = float(generator.uniform(0.5, 1.2) * generator.choice([-1, 1]))
    return drawing.photo(drawing.sheet(lines, generator.uniform(40, 55), curve=curve)), lines


def turned(drawing):
    """Pages on their side or upside down."""
    lines = [drawing.digits(6), drawing.digits(6), drawing.digits(6)]
    picture = drawing.photo(drawing.sheet(lines, drawing.generator.uniform(40, 55)))
    return np.rot90(picture, int(drawing.generator.integers(1, 4))), lines


def words(drawing):
    """Put a printed word before a number, in one line."""
    generator = drawing.generator
    height = generator.uniform(36, 56)
    text = drawing.digits(3)
    word = str(generator.choice(WORDS))
    printed = printed_word(word, height, generator)
    ink = drawing.sheet([text], height, margin=1.0)
    page = np.pad(ink, ((0, 0), (printed.shape[1] + 10, 0)))
    forms.put(page, printed, page.shape[0] / 2 + height / 2 - printed.shape[0], 0.6 * height)
    return drawing.photo(page), [f"{word} {text}"]


def written_words(drawing):
    """Write a word before or after a number, in one line and with the same pen."""
    generator = drawing.generator
    height = float(generator.uniform(36, 60))
    pen = height / 10
    word, text = str(generator.choice(WRITTEN_WORDS)), drawing.digits(4)
    writer = Writer(int(generator.integers(2**31)))
    ink = np.zeros((round(2.6 * height), round(14 * height)), dtype=np.float32)
    left, base = 0.6 * height, 1.7 * height
    parts = [word, text] if generator.random() < 0.6 else [text, word]
    for part in parts:
        for sign in part:
            below = 0.0
            if sign.isdigit():
                glyph = drawing.glyphs(sign, height, pen)[0]
            else:
                glyph, below = writer.write_letter(sign, height, pen), tail(sign) * height
            forms.put(ink, glyph, base + below - glyph.shape[0], left)
            left += glyph.shape[1] + generator.uniform(0.1, 0.25) * height
        left += generator.uniform(0.7, 1.1) * height
    return drawing.photo(ink[:, : round(left)]), [" ".join(parts)]


def no_digit(drawing):
    """Two lines of printed words."""
    generator = drawing.generator
    page = np.zeros((220, 760), dtype=np.float32)
    lines = []
    for row in range(2):
        lines.append(" ".join(generator.choice(WORDS, 2)))
        word = printed_word(lines[-1], 44, generator)
        forms.put(page, word[:, :700], 90 * row + 80 - word.shape[0] / 2, 30)
    return drawing.photo(page), lines


def separators(drawing):
    """Write groups with gaps between them, dates, times, decimals, and numbers with a sign."""
    generator = drawing.generator
    take = drawing.digits
    form = int(generator.integers(6))
    text = [
        f"{take(2)} {take(3)} {take(2)}",
        f"{take(2)}.{take(2)}.{take(4)}",
        f"-{take(1)},{take(2)}",
        f"{take(2)}/{take(2)}",
        f"{take(2)}:{take(2)}",
        f"{take(3)}-{take(4)}" if generator.random() < 0.5 else f"{take(2)}+{take(2)}",
    ][form]
    height = float(generator.uniform(40, 60))
    ink = np.zeros((round(2.4 * height), round((len(text) + 2) * 1.4 * height)), dtype=np.float32)
    left = height
    top = 0.7 * height
    for character in text:
        if character == " ":
            left += generator.uniform(0.9, 1.3) * height
            continue
        if character.isdigit():
            glyph = drawing.glyphs(character, height)[0]
            forms.put(ink, glyph, top + height / 2 - glyph.shape[0] / 2, left)
            left += glyph.shape[1]
        else:
            left += forms.separator(ink, character, top, left, height, generator)
        left += generator.uniform(0.15, 0.3) * height
    return drawing.photo(ink), [text]


def printed_word(text, height, generator):
    """Return a word in one of matplotlib's fonts, as ink, its capitals so high."""
    import matplotlib

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    names = ["DejaVuSans.ttf", "DejaVuSerif.ttf", "DejaVuSans-Oblique.ttf", "STIXGeneralItalic.ttf"]
    font = ImageFont.truetype(str(folder / str(generator.choice(names))), round(1.37 * height))
    box = font.getbbox(text)
    picture = Image.new("L", (box[2] + 4, box[3] + 4))
    ImageDraw.Draw(picture).text((0, 0), text, fill=255, font=font)
    return np.asarray(picture.crop(picture.getbbox()), dtype=np.float32) / 255


KINDS = {
    "plain": plain,
    "form cells, adjacent": lambda drawing: forms.cells(drawing, adjacent=True),
    "form cells, apart": lambda drawing: forms.cells(drawing, adjacent=False),
    "comb fields": forms.comb,
    "ticks under digits": forms.ticks,
    "level ones and dots": level_ones,
    "ruled and squared paper": ruled,
    "thin pens": thin_pen,
    "big strokes": big_strokes,
    "small digits": small_digits,
    "tight crops": tight_crop,
    "filled to the edge": filled,
    "28×28, small digit": icon,
    "crossed seven": crossed_seven,
    "touching digits": touching,
    "edges, shadows, staples": edges,
    "colours": colours,
    "blackboard": blackboard,
    "slanted lines": slanted,
    "tilted pages": tilted,
    "curved lines": curved,
    "turned pages": turned,
    "words among digits": words,
    "words only": no_digit,
    "separators and gaps": separators,
    "handwritten words": written_words,
}
"""Each takes a :class:`Drawing`, and returns a picture and its lines of text."""


def draw(kind, source, seed):
    """Return a picture of a kind and its lines.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    source : {"strokes", "mnist"}
        Where the digits come from.
    seed : int
        Draws everything.
    """
    number = list(KINDS).index(kind)
    return KINDS[kind](Drawing(source, [number, ("strokes", "mnist").index(source), seed]))
