"""Paper, and a photo of it: grain, ruled lines, uneven light, shadow, a tilted camera, JPEG."""

import io

import numpy as np
from PIL import Image
from scipy import ndimage


def lay_out(lines, size, generator, *, margin=0.08, slope=0.0, gap=(0.25, 0.6)):
    """Put images of ink on a sheet, line by line.

    Parameters
    ----------
    lines : list of list of ndarray
        Ink from 0 to 1; each array is one digit.
    size : (height, width)
        Of the sheet in pixels.
    generator : numpy.random.Generator
        For what varies.
    margin : float
        Share of the sheet that stays blank on each side.
    slope : float
        How far lines go down, a pixel to the right.
    gap : (float, float)
        Between digits, in heights.

    Returns
    -------
    ink : ndarray of shape size
    boxes : list of (top, left, bottom, right), as many as digits
    """
    height, width = size
    ink = np.zeros(size, dtype=np.float32)
    boxes = []
    pitch = (1 - 2 * margin) * height / len(lines)
    for row, line in enumerate(lines):
        x = margin * width
        for glyph in line:
            tall, wide = glyph.shape
            y = margin * height + (row + 0.5) * pitch + slope * (x - width / 2)
            top = int(y - tall / 2 + generator.normal(0, 0.03) * tall)
            left = int(x)
            if left + wide > width or top < 0 or top + tall > height:
                raise ValueError(f"The digits of line {row} do not fit on the sheet.")
            place = ink[top : top + tall, left : left + wide]
            np.maximum(place, glyph, out=place)
            boxes.append((top, left, top + tall, left + wide))
            x += wide + generator.uniform(*gap) * max(tall, wide)
    return ink, boxes


def photograph(
    ink,
    generator,
    *,
    color=(40, 45, 70),
    paper=(242, 240, 232),
    strength=0.9,
    grain=0.012,
    pencil=0.0,
    ruled=0,
    ruled_color=(150, 180, 215),
    squared=False,
    light=0.25,
    shadow=0.0,
    noise=0.01,
    blur=0.6,
    inverted=False,
):
    """Make a picture of a sheet with ink on it.

    Parameters
    ----------
    ink : ndarray of shape (height, width)
        From 0 to 1.
    generator : numpy.random.Generator
        For what varies.
    color, paper : (red, green, blue)
        Of ink and paper, to 255.
    strength : float
        How much of the paper the ink hides.
    grain : float
        Strength of the texture of the paper.
    pencil : float
        How much the grain shows in the stroke.
    ruled : int
        Pixels between ruled lines; 0 for blank paper.
    squared : bool
        Whether there are lines down as well.
    light : float
        How much darker the darkest corner is than the lightest.
    shadow : float
        How much light a shadow across the sheet takes.
    noise : float
        Of the sensor.
    blur : float
        Of the lens, in pixels.
    inverted : bool
        Chalk on a board instead of ink on paper.

    Returns
    -------
    ndarray of shape (height, width, 3), uint8
    """
    height, width = ink.shape
    down, across = np.mgrid[:height, :width]
    texture = generator.normal(size=ink.shape)
    texture = 0.6 * texture + 3 * ndimage.gaussian_filter(generator.normal(size=ink.shape), 3)
    sheet = np.ones((height, width, 3)) * np.array(paper) / 255
    if ruled:
        lines = (down % ruled) < max(1, ruled // 30)
        if squared:
            lines |= (across % ruled) < max(1, ruled // 30)
        lines = ndimage.gaussian_filter(lines.astype(float), 0.5)[..., None]
        sheet = sheet * (1 - lines) + lines * np.array(ruled_color) / 255
    covered = strength * ink * np.clip(1 - pencil * (0.5 + 0.5 * texture), 0, 1)
    sheet = sheet * (1 - covered[..., None]) + covered[..., None] * np.array(color) / 255
    sheet *= (1 + grain * texture)[..., None]
    if inverted:
        sheet = 1.05 - 0.95 * sheet
    angle = generator.uniform(0, 2 * np.pi)
    ramp = np.cos(angle) * (across / width - 0.5) + np.sin(angle) * (down / height - 0.5)
    lamp = 1 - light * (0.5 + ramp / np.ptp(ramp))
    if shadow:
        edge = 0.2 + 0.6 * down / height + 0.08 * np.sin(7 * down / height)
        lamp *= 1 - shadow * ndimage.gaussian_filter((across / width > edge).astype(float), 4)
    picture = sheet * lamp[..., None]
    picture = ndimage.gaussian_filter(picture, (blur, blur, 0))
    picture += noise * generator.normal(size=picture.shape)
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)


def tilt(picture, boxes, *, angle=0.0, perspective=0.0, background=(70, 60, 55)):
    """Turn a picture by an angle in degrees, and narrow its top as a tilted camera does.

    Returns the picture, on a table of some colour, and the boxes that follow.
    """
    from skimage.transform import ProjectiveTransform, warp

    height, width = picture.shape[:2]
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], dtype=float)
    turned = corners - [width / 2, height / 2]
    radians = np.deg2rad(angle)
    turned = turned @ np.array(
        [[np.cos(radians), np.sin(radians)], [-np.sin(radians), np.cos(radians)]]
    )
    turned[:2, 0] *= 1 - perspective
    turned += [width / 2, height / 2]
    # Eight equations for the eight unknowns of a projective map.
    equations = []
    for (x, y), (u, v) in zip(corners, turned, strict=True):
        equations.append([x, y, 1, 0, 0, 0, -u * x, -u * y])
        equations.append([0, 0, 0, x, y, 1, -v * x, -v * y])
    solved = np.linalg.solve(equations, turned.ravel())
    transform = ProjectiveTransform(matrix=np.append(solved, 1.0).reshape(3, 3))
    table = np.array(background) / 255
    seen = np.stack(
        [warp(picture[..., c], transform.inverse, order=1, cval=table[c]) for c in range(3)], -1
    )
    moved = []
    for top, left, bottom, right in boxes:
        edge = transform(
            np.array([(left, top), (right, top), (right, bottom), (left, bottom)], dtype=float)
        )
        (x0, y0), (x1, y1) = edge.min(axis=0), edge.max(axis=0)
        moved.append((round(y0), round(x0), round(y1), round(x1)))
    return np.rint(seen * 255).astype(np.uint8), moved


def as_jpeg(picture, quality=80):
    """Return the bytes of a JPEG file."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality)
    return file.getvalue()
