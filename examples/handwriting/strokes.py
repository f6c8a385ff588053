"""Digits as people write them: strokes through a few points, in several shapes each."""

import numpy as np
from PIL import Image, ImageDraw
from scipy.interpolate import make_interp_spline

from .letters import LETTERS

# Each shape is a list of strokes, each stroke a list of points (x, y) that a smooth curve goes
# through; x from left to right and y from top to bottom, both from 0 to 1. A stroke whose first
# value is "sharp" has corners at its points.
SHAPES = {
    0: [
        [
            [
                (0.55, 0.02),
                (0.2, 0.2),
                (0.12, 0.6),
                (0.4, 0.98),
                (0.8, 0.75),
                (0.85, 0.3),
                (0.5, 0.03),
            ]
        ],
        [
            [
                (0.7, 0.1),
                (0.4, 0.02),
                (0.12, 0.4),
                (0.25, 0.9),
                (0.6, 0.97),
                (0.85, 0.6),
                (0.75, 0.15),
                (0.5, 0.08),
            ]
        ],
        [[(0.4, 0.0), (0.1, 0.5), (0.45, 1.0), (0.82, 0.5), (0.5, 0.02), (0.38, 0.06)]],
    ],
    1: [
        [["sharp", (0.5, 0.0), (0.48, 1.0)]],
        [["sharp", (0.25, 0.25), (0.55, 0.0), (0.53, 1.0)]],
        [["sharp", (0.28, 0.22), (0.52, 0.0), (0.5, 1.0)], ["sharp", (0.25, 1.0), (0.78, 0.99)]],
        [[(0.62, 0.0), (0.52, 0.5), (0.4, 1.0)]],
    ],
    2: [
        [
            [(0.15, 0.25), (0.4, 0.02), (0.75, 0.2), (0.6, 0.55), (0.15, 0.96)],
            ["sharp", (0.15, 0.96), (0.85, 0.95)],
        ],
        [
            [
                (0.15, 0.2),
                (0.5, 0.0),
                (0.78, 0.25),
                (0.5, 0.65),
                (0.2, 0.92),
                (0.12, 0.8),
                (0.3, 0.78),
                (0.55, 0.95),
                (0.9, 0.9),
            ]
        ],
        [
            [(0.1, 0.3), (0.35, 0.03), (0.7, 0.12), (0.68, 0.45), (0.2, 0.95)],
            [(0.2, 0.95), (0.5, 0.9), (0.88, 0.98)],
        ],
    ],
    3: [
        [
            [(0.15, 0.12), (0.5, 0.0), (0.75, 0.2), (0.4, 0.45)],
            [(0.4, 0.45), (0.8, 0.65), (0.6, 0.96), (0.12, 0.88)],
        ],
        [
            ["sharp", (0.15, 0.02), (0.75, 0.03), (0.4, 0.4)],
            [(0.4, 0.4), (0.8, 0.6), (0.65, 0.95), (0.12, 0.92)],
        ],
        [
            [
                (0.2, 0.15),
                (0.45, 0.02),
                (0.72, 0.2),
                (0.42, 0.46),
                (0.78, 0.7),
                (0.5, 0.99),
                (0.15, 0.85),
            ]
        ],
    ],
    4: [
        [["sharp", (0.25, 0.0), (0.15, 0.55), (0.85, 0.55)], ["sharp", (0.68, 0.15), (0.65, 1.0)]],
        [["sharp", (0.65, 0.0), (0.1, 0.65), (0.9, 0.65)], ["sharp", (0.65, 0.0), (0.62, 1.0)]],
        [
            [(0.2, 0.05), (0.16, 0.4), (0.4, 0.55), (0.78, 0.45)],
            ["sharp", (0.8, 0.03), (0.72, 1.0)],
        ],
    ],
    5: [
        [
            ["sharp", (0.22, 0.03), (0.2, 0.45)],
            [(0.2, 0.45), (0.55, 0.38), (0.8, 0.65), (0.55, 0.97), (0.12, 0.9)],
            ["sharp", (0.22, 0.03), (0.82, 0.02)],
        ],
        [
            ["sharp", (0.85, 0.03), (0.3, 0.03), (0.24, 0.42)],
            [(0.24, 0.42), (0.6, 0.4), (0.78, 0.7), (0.5, 0.98), (0.1, 0.88)],
        ],
        [
            [
                (0.88, 0.0),
                (0.55, 0.05),
                (0.35, 0.05),
                (0.3, 0.25),
                (0.3, 0.42),
                (0.6, 0.45),
                (0.75, 0.72),
                (0.45, 0.98),
                (0.12, 0.9),
            ]
        ],
    ],
    6: [
        [
            [
                (0.7, 0.02),
                (0.3, 0.35),
                (0.15, 0.75),
                (0.45, 1.0),
                (0.75, 0.78),
                (0.5, 0.55),
                (0.18, 0.72),
            ]
        ],
        [
            [
                (0.55, 0.0),
                (0.22, 0.4),
                (0.2, 0.85),
                (0.55, 0.98),
                (0.78, 0.72),
                (0.5, 0.5),
                (0.2, 0.68),
            ]
        ],
        [
            [
                (0.8, 0.06),
                (0.45, 0.1),
                (0.18, 0.5),
                (0.25, 0.9),
                (0.6, 0.96),
                (0.72, 0.68),
                (0.42, 0.55),
                (0.2, 0.7),
            ]
        ],
    ],
    7: [
        [["sharp", (0.1, 0.04), (0.85, 0.03), (0.4, 1.0)]],
        [["sharp", (0.12, 0.05), (0.85, 0.03), (0.45, 1.0)], ["sharp", (0.35, 0.5), (0.82, 0.48)]],
        [
            ["sharp", (0.12, 0.18), (0.14, 0.05), (0.8, 0.04)],
            [(0.8, 0.04), (0.55, 0.45), (0.42, 1.0)],
        ],
        [
            [(0.1, 0.1), (0.35, 0.03), (0.6, 0.1), (0.82, 0.02)],
            [(0.82, 0.02), (0.52, 0.5), (0.4, 1.0)],
        ],
    ],
    8: [
        [
            [
                (0.72, 0.15),
                (0.45, 0.0),
                (0.22, 0.2),
                (0.5, 0.48),
                (0.78, 0.75),
                (0.48, 1.0),
                (0.2, 0.76),
                (0.5, 0.46),
                (0.74, 0.2),
                (0.66, 0.08),
            ]
        ],
        [
            [
                (0.48, 0.48),
                (0.2, 0.25),
                (0.48, 0.0),
                (0.74, 0.24),
                (0.48, 0.48),
                (0.16, 0.74),
                (0.48, 1.0),
                (0.8, 0.74),
                (0.48, 0.48),
            ]
        ],
    ],
    9: [
        [
            [(0.75, 0.2), (0.45, 0.0), (0.18, 0.25), (0.4, 0.5), (0.74, 0.22)],
            ["sharp", (0.75, 0.1), (0.7, 1.0)],
        ],
        [
            [
                (0.75, 0.15),
                (0.45, 0.02),
                (0.2, 0.28),
                (0.45, 0.5),
                (0.74, 0.2),
                (0.74, 0.55),
                (0.6, 0.9),
                (0.25, 0.95),
            ]
        ],
        [
            [
                (0.72, 0.2),
                (0.42, 0.02),
                (0.2, 0.3),
                (0.5, 0.48),
                (0.75, 0.18),
                (0.65, 0.6),
                (0.45, 1.0),
            ]
        ],
    ],
}
"""The shapes of each digit: with and without foot, bar, loop or corner."""

FINE = 3
"""Pixels are drawn that much finer, and averaged."""


class Writer:
    """Somebody's hand: the shapes they use, their slant, and how steady they are.

    Parameters
    ----------
    seed : int
        Which hand.
    wobble : float, default=0.02
        How far points stray, in heights of a digit.
    """

    def __init__(self, seed, wobble=0.02):
        self.generator = np.random.default_rng(seed)
        self.shapes = {digit: self.generator.integers(len(SHAPES[digit])) for digit in SHAPES}
        self.slant = self.generator.uniform(-0.05, 0.3)
        self.width = self.generator.uniform(0.62, 0.85)
        self.wobble = wobble

    def write(self, digit, height, pen):
        """Write one digit, and return its ink from 0 to 1 as an array, cropped.

        `height` and the width of the `pen` are in pixels.
        """
        generator = self.generator
        shape = SHAPES[digit][self.shapes[digit]]
        if generator.random() < 0.2:  # nobody writes the same way each time
            shape = SHAPES[digit][generator.integers(len(SHAPES[digit]))]
        return self._drawn(shape, height, pen)

    def write_letter(self, letter, height, pen):
        """Write one letter, a capital about so high, and return its ink as of a digit."""
        return self._drawn(LETTERS[letter], height, pen)

    def _drawn(self, shape, height, pen):
        generator = self.generator
        slant = self.slant + generator.normal(0, 0.04)
        width = self.width * generator.uniform(0.9, 1.1)
        room = 2 * pen + height
        canvas = Image.new("L", (int(3 * room * FINE), int(2 * room * FINE)))
        brush = ImageDraw.Draw(canvas)
        for stroke in shape:
            sharp = stroke[0] == "sharp"
            points = np.array(stroke[1:] if sharp else stroke, dtype=float)
            points += generator.normal(0, self.wobble, points.shape) * [width, 1]
            x = (points[:, 0] * width + (1 - points[:, 1]) * slant) * height + room
            y = points[:, 1] * height + room / 2
            path = _path(x, y, sharp)
            # Pressure changes slowly along a stroke.
            ends = generator.uniform(0.85, 1.1, 3)
            pressure = np.interp(np.linspace(0, 2, len(path)), [0, 1, 2], ends)
            for (px, py), press in zip(path * FINE, pressure, strict=True):
                radius = pen * press * FINE / 2
                brush.ellipse([px - radius, py - radius, px + radius, py + radius], fill=255)
        small = canvas.resize((canvas.width // FINE, canvas.height // FINE), Image.Resampling.BOX)
        return np.asarray(small.crop(small.getbbox()), dtype=np.float32) / 255


def _path(x, y, sharp):
    """Return points close together along a curve through some points."""
    steps = np.hypot(np.diff(x), np.diff(y))
    along = np.concatenate([[0], np.cumsum(steps)])
    fine = np.linspace(0, along[-1], max(2, int(along[-1] * 2)))
    points = np.stack([x, y], axis=1)
    degree = 1 if sharp else min(3, len(points) - 1)
    return make_interp_spline(along, points, k=degree)(fine)
