"""What stands on paper beside digits: cells and combs of forms, separators, edges, a staple."""

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

BORDERS = ((25, 25, 25), (130, 130, 130), (200, 60, 60))
"""Black, grey and red."""


def put(ink, glyph, top, left):
    """Lay a glyph on a sheet, cut off where it does not fit."""
    top, left = max(round(float(top)), 0), max(round(float(left)), 0)
    place = ink[top : top + glyph.shape[0], left : left + glyph.shape[1]]
    np.maximum(place, glyph[: place.shape[0], : place.shape[1]], out=place)


def disc(radius):
    """Return a dot of ink."""
    side = int(np.ceil(radius)) + 1
    down, across = np.mgrid[-side : side + 1, -side : side + 1]
    return np.clip(radius + 0.5 - np.hypot(down, across), 0.0, 1.0).astype(np.float32)


def cells(drawing, *, adjacent):
    """Return a row of cells of a form with a digit in each, and its line."""
    generator = drawing.generator
    text = drawing.digits(int(generator.integers(4, 10)))
    height = generator.uniform(32, 60)
    tall, wide = height * generator.uniform(1.35, 1.8), height * generator.uniform(1.2, 1.5)
    line = int(generator.integers(1, 5))
    gap = 0 if adjacent else round(height * generator.uniform(0.15, 0.5))
    room = round(generator.uniform(0.3, 1.2) * height)
    pitch = round(wide) + gap
    shape = round(tall) + 2 * room, pitch * len(text) - gap + 2 * room
    frame = Image.new("L", shape[::-1])
    draw = ImageDraw.Draw(frame)
    ink = np.zeros(shape, dtype=np.float32)
    for number, glyph in enumerate(drawing.glyphs(text, height)):
        left = room + number * pitch
        # The border between two cells is drawn once.
        right = left + round(wide) - 1 + (line if adjacent and number + 1 < len(text) else 0)
        draw.rectangle([left, room, right, room + round(tall) - 1], outline=255, width=line)
        middle = np.array([room + tall / 2, left + wide / 2])
        middle += generator.normal(0, 0.03, 2) * height
        put(ink, glyph, *(middle - np.array(glyph.shape) / 2))
    return with_frame(drawing, ink, frame), [text]


def comb(drawing):
    """Return a comb field, a line with teeth between the digits, and its line."""
    generator = drawing.generator
    text = drawing.digits(int(generator.integers(4, 10)))
    height = generator.uniform(32, 60)
    pitch, room = round(height * generator.uniform(1.1, 1.4)), round(0.8 * height)
    tooth = round(generator.uniform(0.15, 0.5) * height)
    shape = round(1.2 * height) + 2 * room, pitch * len(text) + 2 * room
    line = int(generator.integers(1, 4))
    frame = Image.new("L", shape[::-1])
    draw = ImageDraw.Draw(frame)
    base = shape[0] - room
    draw.line([room, base, shape[1] - room, base], fill=255, width=line)
    for number in range(len(text) + 1):
        x = room + number * pitch
        draw.line([x, base - tooth, x, base], fill=255, width=line)
    ink = np.zeros(shape, dtype=np.float32)
    for number, glyph in enumerate(drawing.glyphs(text, height)):
        middle = room + (number + 0.5) * pitch + generator.normal(0, 0.03) * height
        put(ink, glyph, base - 0.15 * height - glyph.shape[0], middle - glyph.shape[1] / 2)
    return with_frame(drawing, ink, frame), [text]


def ticks(drawing):
    """Return digits with a dash or a tick under each, and their line."""
    generator = drawing.generator
    text = drawing.digits(int(generator.integers(4, 10)))
    height = generator.uniform(32, 60)
    pitch, room = round(height * generator.uniform(1.1, 1.4)), round(0.8 * height)
    shape = round(1.7 * height) + 2 * room, pitch * len(text) + 2 * room
    line = int(generator.integers(1, 4))
    upright = bool(generator.random() < 0.5)
    frame = Image.new("L", shape[::-1])
    draw = ImageDraw.Draw(frame)
    base = room + 1.25 * height
    ink = np.zeros(shape, dtype=np.float32)
    for number, glyph in enumerate(drawing.glyphs(text, height)):
        x = room + (number + 0.5) * pitch
        put(ink, glyph, base - 0.2 * height - glyph.shape[0], x - glyph.shape[1] / 2)
        if upright:
            draw.line([x, base, x, base + 0.35 * height], fill=255, width=line)
        else:
            draw.line([x - 0.4 * height, base, x + 0.4 * height, base], fill=255, width=line)
    return with_frame(drawing, ink, frame), [text]


def with_frame(drawing, ink, frame):
    """Return a photo of ink and of printed lines, which are black, grey or red."""
    picture = drawing.photo(ink).astype(float)
    color = np.array(BORDERS[drawing.generator.integers(len(BORDERS))])
    covered = ndimage.gaussian_filter(np.asarray(frame) / 255.0, 0.5)[..., None]
    mixed = picture * (1 - covered) + np.minimum(picture, color) * covered
    return np.rint(np.clip(mixed, 0, 255)).astype(np.uint8)


def separator(ink, character, top, left, height, generator):
    """Draw a separator at a place in a line that is so high, and return its width."""
    pen = height / 10
    canvas = Image.new("L", ink.shape[::-1])
    draw = ImageDraw.Draw(canvas)
    base = top + height
    if character in ".:":
        for y in (base - pen,) if character == "." else (base - 0.2 * height, top + 0.3 * height):
            dot = disc(pen * generator.uniform(0.7, 1.0))
            put(ink, dot, y - dot.shape[0] / 2, left)
        return 2 * pen
    wide = {",": 0.12, "-": 0.4, "/": 0.35, "+": 0.45}[character] * height
    strokes = {
        ",": [[(left + wide, base - 0.08 * height), (left, base + 0.18 * height)]],
        "-": [[(left, top + 0.52 * height), (left + wide, top + 0.5 * height)]],
        "/": [[(left + wide, top - 0.05 * height), (left, base + 0.05 * height)]],
        "+": [
            [(left, top + 0.5 * height), (left + wide, top + 0.5 * height)],
            [(left + wide / 2, top + 0.28 * height), (left + wide / 2, top + 0.73 * height)],
        ],
    }[character]
    for stroke in strokes:
        draw.line(stroke, fill=255, width=round(pen))
    drawn = ndimage.gaussian_filter(np.asarray(canvas) / 255.0, 0.6).astype(np.float32)
    np.maximum(ink, drawn, out=ink)
    return wide


def staple(picture, generator):
    """Return a picture with a staple in a corner."""
    image = Image.fromarray(picture)
    x, y = generator.uniform(15, 30, 2)
    angle = generator.uniform(0.3, 1.0)
    ends = [x, y, x + 34 * np.cos(angle), y + 34 * np.sin(angle)]
    ImageDraw.Draw(image).line(ends, fill=(120, 120, 125), width=4)
    return np.asarray(image)


def on_a_table(picture, generator, *, torn):
    """Return a page with a part of a dark table beside it, at a straight or torn edge."""
    height, width = picture.shape[:2]
    down = np.arange(height)
    edge = generator.uniform(0.02, 0.06) * width + generator.uniform(-0.03, 0.03) * down
    if torn:
        rough = ndimage.gaussian_filter1d(generator.normal(size=height), 3, mode="wrap")
        edge = edge + 6 * rough / rough.std()
    on_table = np.arange(width) < np.maximum(edge, 0.0)[:, None]
    if generator.random() < 0.5:
        on_table = on_table[:, ::-1]
    table = np.array(generator.uniform(40, 140, 3))
    share = ndimage.gaussian_filter(on_table.astype(float), 0.8)[..., None]
    grain = generator.normal(0, 3, picture.shape)
    return np.rint(np.clip(picture * (1 - share) + (table + grain) * share, 0, 255)).astype(
        np.uint8
    )
