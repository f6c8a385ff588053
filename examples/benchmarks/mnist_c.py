"""The fifteen corruptions of MNIST-C, for many images at once.

N. Mu, J. Gilmer, "MNIST-C: A Robustness Benchmark for Computer Vision" (2019),
https://arxiv.org/abs/1906.02337, with the kinds and the severities of the published data set
(https://github.com/google-research/mnist-c). Each function takes images (n, 28, 28) of bytes and
a generator of random numbers, and returns new images; the same seed gives the same ones.

Written anew on NumPy, SciPy and scikit-image. Where this differs from the original:

- Random numbers come from the generator passed, not from NumPy's global one, so images
  are other draws of the same distributions.
- Motion blur is ImageMagick's, written out: half a bell curve along a line, at whole pixels.
- The fog's field is scaled by the extremes of each fourth of its pixels; the finest two levels,
  which add 1 % to them, are made only where they are seen.
- Values are rounded to bytes.

Two oddities of the original are kept, as the published images have them: glass blur smooths
from top to bottom only, and shear by an angle a displaces by tan(a) but also stretches the
height by 1/cos(a).

    from mnist_c import CORRUPTIONS
    foggy = CORRUPTIONS["fog"](images, np.random.default_rng(0))
"""

import functools
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Images = NDArray[np.uint8]
Floats = NDArray[np.float32]

SIDE = 28
CENTRE = (SIDE - 1) / 2
CHUNK = 250
"""Images at once where each needs a large field of its own."""


# ---------------------------------------------------------------------------------------
# Noise.


def shot_noise(images: Images, rng: np.random.Generator) -> Images:
    """Count photons: Poisson noise, three for a white pixel (severity 5)."""
    return _to_bytes(rng.poisson(_to_floats(images) * 3.0) / 3.0)


def impulse_noise(images: Images, rng: np.random.Generator) -> Images:
    """Turn 17 % of the pixels black or white, half of them each (severity 4)."""
    draws = rng.random(images.shape, dtype=np.float32)
    noisy = images.copy()
    noisy[draws < 0.17] = 0
    noisy[draws < 0.17 / 2] = 255
    return noisy


# ---------------------------------------------------------------------------------------
# Blur.


def glass_blur(images: Images, rng: np.random.Generator) -> Images:
    """Smooth, swap neighbouring pixels at random, and smooth again (severity 1).

    Twice over, from bottom right to top left, every other pixel changes places with itself or one
    of its three neighbours above and to the left.
    """
    smooth = functools.partial(ndimage.gaussian_filter1d, sigma=0.7, axis=1, mode="nearest")
    # Row, column, image: what is swapped lies together.
    pixels = (smooth(_to_floats(images)) * 255).astype(np.uint8).transpose(1, 2, 0).copy()
    places = [(row, column) for row in range(27, 1, -1) for column in range(27, 1, -1)]
    every = np.arange(len(images))
    for row, column in places * 2:
        drawn = rng.integers(0, 8, len(images))
        rows, columns = row - (drawn & 1), column - (drawn >> 1 & 1)
        rows[drawn < 4], columns[drawn < 4] = row, column  # stays: a swap with itself
        here = pixels[row, column].copy()
        pixels[row, column] = pixels[rows, columns, every]
        pixels[rows, columns, every] = here
    return _to_bytes(smooth(_to_floats(pixels.transpose(2, 0, 1))))


def motion_blur(images: Images, rng: np.random.Generator) -> Images:
    """Smear along a direction within 45° of the horizontal (severity 1).

    As ImageMagick does with radius 10 and sigma 3: a mean of 21 pixels on one side, weighted by
    half a bell curve, beyond the edge those of the edge.
    """
    steps = np.arange(21)
    weights = np.exp(-(steps**2) / (2 * 3.0**2))
    weights /= weights.sum()
    angles = np.deg2rad(rng.uniform(-45, 45, len(images)))[:, np.newaxis]
    right = np.ceil(steps * np.cos(angles) - 0.5).astype(int)
    down = np.ceil(steps * np.sin(angles) - 0.5).astype(int)
    every = np.arange(len(images))[:, np.newaxis, np.newaxis]
    sides = np.arange(SIDE)
    blurred = np.zeros(images.shape, np.float32)
    for step, weight in enumerate(weights.astype(np.float32)):
        rows = np.clip(sides + down[:, step, np.newaxis], 0, SIDE - 1)[:, :, np.newaxis]
        columns = np.clip(sides + right[:, step, np.newaxis], 0, SIDE - 1)[:, np.newaxis]
        blurred += weight * images[every, rows, columns]
    return _to_bytes(blurred / 255)


# ---------------------------------------------------------------------------------------
# Affine maps, about the centre; what comes from outside is black.


def shear(images: Images, rng: np.random.Generator) -> Images:
    """Slant by an angle of 0.4 radians, to the left or to the right (severity 2)."""
    a = 0.4
    right, left = ([[math.cos(a), 0], [-s * math.sin(a), 1]] for s in (1, -1))
    return _by_side(images, rng, lambda some, side: _warp(some, right if side else left))


def scale(images: Images, rng: np.random.Generator) -> Images:
    """Shrink to 70 % (severity 3)."""
    return _warp(images, [[1 / 0.7, 0], [0, 1 / 0.7]])


def rotate(images: Images, rng: np.random.Generator) -> Images:
    """Rotate by 0.4 radians, which is 23°, to the left or to the right (severity 2)."""
    cos, sin = math.cos(0.4), math.sin(0.4)
    left, right = ([[cos, s * sin], [-s * sin, cos]] for s in (1, -1))
    return _by_side(images, rng, lambda some, side: _warp(some, right if side else left))


def translate(images: Images, rng: np.random.Generator) -> Images:
    """Move by three pixels up or down, and by three to the left or to the right (severity 3)."""
    padded = np.pad(images, ((0, 0), (3, 3), (3, 3)))
    moved = np.empty_like(images)
    down, right = rng.integers(0, 2, (2, len(images)))
    for y in (0, 1):
        for x in (0, 1):
            some = (down == y) & (right == x)
            moved[some] = padded[some, 6 * y : 6 * y + SIDE, 6 * x : 6 * x + SIDE]
    return moved


# ---------------------------------------------------------------------------------------
# Light.


def brightness(images: Images, rng: np.random.Generator) -> Images:
    """Add half of the range (severity 5)."""
    return _to_bytes(_to_floats(images) + 0.5)


def stripe(images: Images, rng: np.random.Generator) -> Images:
    """Invert the left and the right quarter."""
    striped = 255 - images
    striped[:, :, 7:21] = images[:, :, 7:21]
    return striped


def fog(images: Images, rng: np.random.Generator) -> Images:
    """Add three times a plasma fractal of roughness 1/1.4, and compress (severity 5)."""
    floats = _to_floats(images)
    brightest = floats.max(axis=(1, 2), keepdims=True)
    for start in range(0, len(images), CHUNK):
        part = floats[start : start + CHUNK]  # a view
        part += 3.0 * plasma(len(part), rng, decay=1.4)
    return _to_bytes(floats * brightest / (brightest + 3.0))


# ---------------------------------------------------------------------------------------
# Things in the way.


def spatter(images: Images, rng: np.random.Generator) -> Images:
    """Throw grey blots on the image (severity 4)."""
    smooth = functools.partial(ndimage.gaussian_filter, axes=(1, 2), mode="nearest")
    liquid = smooth(rng.normal(0.65, 0.3, images.shape).astype(np.float32), sigma=1.0)
    cover = smooth((liquid > 0.65).astype(np.float32), sigma=1.5)
    cover[cover < 0.8] = 0.0
    return _to_bytes(_to_floats(images) * (1.0 - cover) + 63 / 255 * cover)


def dotted_line(images: Images, rng: np.random.Generator) -> Images:
    """Draw a dotted line from the left edge to the right, between two rows at random."""
    first, last = rng.integers(0, 27, (2, len(images)))
    return _draw(images, _dotted_lines()[first, last])


def zigzag(images: Images, rng: np.random.Generator) -> Images:
    """Draw a zigzag from a row at random, rising or falling by up to five rows."""
    first, rise = rng.integers(0, 27, len(images)), rng.integers(-5, 5, len(images))
    return _draw(images, _zigzags()[first, rise + 5])


def canny_edges(images: Images, rng: np.random.Generator) -> Images:
    """Keep the edges that Canny's detector finds, white on black."""
    from skimage.feature import canny

    floats = _to_floats(images).astype(np.float64)
    edges = [canny(image, low_threshold=0.1, high_threshold=0.2) for image in floats]
    return np.array(edges, np.uint8).reshape(images.shape) * np.uint8(255)


CORRUPTIONS: dict[str, Callable[[Images, np.random.Generator], Images]] = {
    corruption.__name__: corruption
    for corruption in (
        shot_noise, impulse_noise, glass_blur, motion_blur, shear, scale, rotate, brightness,
        translate, stripe, fog, spatter, dotted_line, zigzag, canny_edges,
    )
}  # fmt: skip
"""By name, in the order of the paper."""


def corrupt(images: Images, name: str, seed: int = 0) -> Images:
    """Return corrupted images; each corruption has random numbers of its own.

    Parameters
    ----------
    images : ndarray of shape (n, 28, 28), uint8
        White on black.
    name : str
        A key of ``CORRUPTIONS``.
    seed : int, default=0
        The same seed gives the same images.

    Returns
    -------
    ndarray of shape (n, 28, 28), uint8
    """
    number = list(CORRUPTIONS).index(name)
    return CORRUPTIONS[name](images, np.random.default_rng((seed, number)))


# ---------------------------------------------------------------------------------------
# Helpers.


def _to_floats(images: Images) -> Floats:
    """Scale bytes to [0, 1]."""
    return images.astype(np.float32) / np.float32(255)


def _to_bytes(floats: NDArray) -> Images:
    """Scale [0, 1] to bytes, and clip what is outside."""
    return np.rint(np.clip(floats, 0.0, 1.0) * 255).astype(np.uint8)


def _by_side(
    images: Images, rng: np.random.Generator, change: Callable[[Images, bool], Images]
) -> Images:
    """Change a half of the images, drawn at random, to the one side, the others to the other."""
    changed = np.empty_like(images)
    sides = rng.integers(0, 2, len(images)).astype(bool)
    for side in (False, True):
        changed[sides == side] = change(images[sides == side], side)
    return changed


def _warp(images: Images, matrix: list[list[float]]) -> Images:
    """Take each pixel, bilinearly, from where a matrix sends its (row, column) from the centre."""
    whole = np.eye(3)
    whole[1:, 1:] = matrix
    offset = np.array([0.0, CENTRE, CENTRE]) - whole @ [0.0, CENTRE, CENTRE]
    floats = _to_floats(images)
    return _to_bytes(ndimage.affine_transform(floats, whole, offset, order=1, mode="grid-constant"))


def plasma(n: int, rng: np.random.Generator, decay: float, side: int = 256) -> Floats:
    """Make a corner of plasma fractals by the diamond-square algorithm, on a torus.

    Each level sets the middles of squares, then those of diamonds, to the mean of their four
    corners and a uniform draw; its range begins at 100² and falls by ``decay``² a level.

    Parameters
    ----------
    n : int
        Number of fractals.
    rng : Generator
        Random numbers.
    decay : float
        Above 1; the larger, the smoother.
    side : int, default=256
        Pixels of the whole fractal, a power of two, at least 64.

    Returns
    -------
    ndarray of shape (n, 28, 28), float32
        0 is the lowest and 1 the highest of each fourth pixel of the whole.
    """
    field, step, wibble = np.zeros((n, 1, 1), np.float32), side, 100.0
    while step > 4:
        field, step, wibble = _refine(field, wibble, rng), step // 2, wibble / decay
    low, high = (extreme(field, axis=(1, 2), keepdims=True) for extreme in (np.min, np.max))
    near = np.arange(-2, SIDE // 4 + 3)  # with a margin that the next two levels spoil
    corner = field[:, near][:, :, near]
    for _ in range(2):
        corner, wibble = _refine(corner, wibble, rng), wibble / decay
    return (corner[:, 8 : 8 + SIDE, 8 : 8 + SIDE] - low) / (high - low)


def _refine(field: Floats, wibble: float, rng: np.random.Generator) -> Floats:
    """Take a step of the diamond-square algorithm: twice the pixels a side."""
    n, side, _ = field.shape
    fine = np.empty((n, 2 * side, 2 * side), np.float32)

    def jittered(total: Floats) -> Floats:
        noise = rng.random(total.shape, dtype=np.float32)
        return total / 4 + (noise - np.float32(0.5)) * np.float32(2 * wibble**2)

    across, along = (field + np.roll(field, -1, axis) for axis in (2, 1))
    middles = jittered(across + np.roll(across, -1, axis=1))
    fine[:, ::2, ::2] = field
    fine[:, 1::2, 1::2] = middles
    fine[:, ::2, 1::2] = jittered(across + middles + np.roll(middles, 1, axis=1))
    fine[:, 1::2, ::2] = jittered(along + middles + np.roll(middles, 1, axis=2))
    return fine


def _draw(images: Images, drawings: Floats) -> Images:
    """Add drawings, one to each image."""
    return _to_bytes(_to_floats(images) + drawings)


def _line(x0: float, y0: float, x1: float, y1: float) -> Floats:
    """Draw a line that fades above and below, from one column to another."""
    columns, rows = np.arange(SIDE), np.arange(SIDE)[:, np.newaxis]
    distance = np.abs(rows - (y0 + (y1 - y0) / (x1 - x0) * (columns - x0)))
    ink = np.clip(np.log1p(-np.minimum(distance, 2.3 - 1e-10) / 2.3) + 1.0, 0.0, 1.0)
    ink[:, (columns < math.floor(x0)) | (columns >= math.ceil(x1))] = 0.0
    return ink.astype(np.float32)


@functools.cache
def _dotted_lines() -> Floats:
    """Return all dotted lines, by the rows where they begin and end."""
    dots = np.arange(SIDE) % 4 >= 2
    return np.array([[_line(0, a, 27, b) * dots for b in range(27)] for a in range(27)])


@functools.cache
def _zigzags() -> Floats:
    """Return all zigzags, by the row where they begin and the rows they rise, from -5."""
    return np.array([[_zigzag(row, rise) for rise in range(-5, 5)] for row in range(27)])


def _zigzag(row: int, rise: int) -> Floats:
    """Draw a zigzag of steps 4 long and 4 high along a line from column 2 to column 25."""
    angle = math.atan2(rise, 23)
    length = 23 / math.cos(angle)
    peaks = np.arange(int((length - 2) // 4) + 1)
    along = np.array([0.0, *(4.0 * peaks + 2), length])
    across = np.array([0.0, *2.0 * (-1.0) ** peaks, 0.0])
    # The original ends not on the line but this far from it.
    across[-1] = across[-2] / (2 * (length - 4 * (length // 4)))
    x = 2 + along * math.cos(angle) - across * math.sin(angle)
    y = row + along * math.sin(angle) + across * math.cos(angle)
    drawn = sum(_line(x[i], y[i], x[i + 1], y[i + 1]) for i in range(len(x) - 1))
    return np.minimum(drawn, 1.0)
