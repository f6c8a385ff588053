"""Generate handwritten digits by the strokes of a pen."""

from collections.abc import Sequence
from numbers import Integral
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from ..utils._wording import shown
from ._ductus import FORMS, STYLES, Form

SIDE, BOX = 28, 20
PER_WRITER = 20
"""Mean number of digits that a writer writes."""
OTHER_FORM = 0.15
"""How often a writer uses another form than their usual one."""
STRETCHED = 0.25
"""Share of writers whose digits are stretched to a square, as some data sets have them."""
POINTS = 6
"""Points of a curve between two given points."""
STEEPEST = -0.25, 0.5
"""Limits of the slant: its tangent, to the left and right."""


class _Writer:
    """Somebody's hand: the forms, slant, proportions, pen and steadiness."""

    def __init__(self, style: str, generator: np.random.Generator) -> None:
        self.generator = generator
        self.weights = {digit: _frequencies(forms, style) for digit, forms in FORMS.items()}
        self.usual = {digit: self._form(digit) for digit in FORMS}
        self.slant = generator.normal(0.12, 0.18)
        self.turn = generator.normal(0.0, 0.06)
        self.width = np.exp(generator.normal(np.log(0.66), 0.2))
        self.pen = np.exp(generator.normal(np.log(2.6), 0.25))
        self.tremor = generator.uniform(0.01, 0.045)
        self.is_stretched = generator.random() < STRETCHED

    def _form(self, digit: int) -> int:
        return int(self.generator.choice(len(FORMS[digit]), p=self.weights[digit]))

    def write(self, digit: int) -> tuple[list[NDArray[np.float64]], float]:
        """Return the paths of a digit in MNIST's pixels, and the width of the pen."""
        generator = self.generator
        form = self.usual[digit]
        if generator.random() < OTHER_FORM:
            form = self._form(digit)
        slant = np.clip(self.slant + generator.normal(0.0, 0.04), *STEEPEST)
        width = self.width * np.exp(generator.normal(0.0, 0.1))
        turn = self.turn + generator.normal(0.0, 0.03)
        matrix = np.array([[width, -slant], [0.0, 1.0]])
        matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ matrix
        bend = generator.normal(0.0, self.tremor, (2, 3))
        paths = [self._path(stroke, bend) @ matrix.T for stroke in FORMS[digit][form].strokes]
        pen = self.pen * np.exp(generator.normal(0.0, 0.08))
        return _scaled(paths, pen, self.is_stretched and generator.random() < 0.9), pen

    def _path(self, stroke: list[list[tuple[float, float]]], bend: Any) -> NDArray[np.float64]:
        """Return points along a stroke that strays from its points."""
        curves: list[NDArray[np.float64]] = []
        end = None
        for run in stroke:
            points = np.array(run) + self.generator.normal(0.0, self.tremor, (len(run), 2))
            if end is not None:
                points[0] = end
            end = points[-1]
            curves.append(_curve(points))
        path = np.concatenate(curves)
        x, y = path[:, 0] - 0.5, path[:, 1] - 0.5
        terms = np.stack([y * y, x * y, np.sin(np.pi * path[:, 1])])
        bent: NDArray[np.float64] = path + (bend @ terms).T
        return bent


def _frequencies(forms: list[Form], style: str) -> NDArray[np.float64]:
    """Return how often each form is used, with sum 1."""
    weights = np.array([getattr(form, style) for form in forms], dtype=np.float64)
    frequencies: NDArray[np.float64] = weights / weights.sum()
    return frequencies


def _curve(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return points along a smooth curve through some: centripetal Catmull-Rom."""
    if len(points) == 2:
        return np.linspace(points[0], points[1], POINTS)
    padded = np.concatenate([[2 * points[0] - points[1]], points, [2 * points[-1] - points[-2]]])
    knots = np.concatenate(
        [[0.0], np.cumsum(np.sqrt(np.linalg.norm(np.diff(padded, axis=0), axis=1)) + 1e-6)]
    )
    found = []
    for i in range(1, len(padded) - 2):
        t0, t1, t2, t3 = knots[i - 1 : i + 3]
        t = np.linspace(t1, t2, POINTS, endpoint=i == len(padded) - 3)[:, None]
        p0, p1, p2, p3 = padded[i - 1 : i + 3]
        a1 = (t1 - t) / (t1 - t0) * p0 + (t - t0) / (t1 - t0) * p1
        a2 = (t2 - t) / (t2 - t1) * p1 + (t - t1) / (t2 - t1) * p2
        a3 = (t3 - t) / (t3 - t2) * p2 + (t - t2) / (t3 - t2) * p3
        b1 = (t2 - t) / (t2 - t0) * a1 + (t - t0) / (t2 - t0) * a2
        b2 = (t3 - t) / (t3 - t1) * a2 + (t - t1) / (t3 - t1) * a3
        found.append((t2 - t) / (t2 - t1) * b1 + (t - t1) / (t2 - t1) * b2)
    return np.concatenate(found)


def _scaled(
    paths: list[NDArray[np.float64]], pen: float, stretched: bool
) -> list[NDArray[np.float64]]:
    """Return paths scaled into MNIST's box of 20×20 pixels, with its middle at the origin."""
    everything = np.concatenate(paths)
    low, high = everything.min(axis=0), everything.max(axis=0)
    size = np.maximum(high - low, 1e-3)
    room = BOX - pen
    factor = room / size if stretched and size.min() > 0.25 * size.max() else room / size.max()
    return [(path - (low + high) / 2) * factor for path in paths]


def _draw(paths: list[NDArray[np.float64]], pen: float) -> NDArray[np.float64]:
    """Draw paths, with their centre of mass in the middle."""
    grid = np.arange(SIDE) + 0.5
    segments = np.concatenate([np.stack([path[:-1], path[1:]], axis=1) for path in paths])
    start, along = segments[:, 0], segments[:, 1] - segments[:, 0]
    length = np.maximum((along**2).sum(axis=1), 1e-9)
    middle = (segments.mean(axis=1) * np.sqrt(length)[:, None]).sum(axis=0) / np.sqrt(length).sum()
    low = np.concatenate(paths).min(axis=0) - pen / 2
    high = np.concatenate(paths).max(axis=0) + pen / 2
    place = np.clip(SIDE / 2 - np.round(middle), -low, SIDE - high)
    x = grid[:, None] - (start[:, 0] + place[0])  # (28, n): of each column
    y = grid[:, None] - (start[:, 1] + place[1])
    share = (x[None, :] * along[:, 0] + y[:, None] * along[:, 1]) / length
    np.clip(share, 0.0, 1.0, out=share)
    away = (x[None, :] - share * along[:, 0]) ** 2 + (y[:, None] - share * along[:, 1]) ** 2
    ink: NDArray[np.float64] = np.clip(pen / 2 + 0.5 - np.sqrt(away.min(axis=2)), 0.0, 1.0)
    return ink


@overload
def make_digits(
    n_samples: int = ...,
    *,
    styles: str | Sequence[str] = ...,
    return_groups: Literal[False] = ...,
    random_state: Any = ...,
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]: ...


@overload
def make_digits(
    n_samples: int = ...,
    *,
    styles: str | Sequence[str] = ...,
    return_groups: Literal[True],
    random_state: Any = ...,
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]: ...


def make_digits(
    n_samples: int = 1000,
    *,
    styles: str | Sequence[str] = STYLES,
    return_groups: bool = False,
    random_state: Any = None,
) -> Any:
    """Generate handwritten digits by the strokes of a pen, in MNIST's format.

    Each digit is written by somebody with their own forms, slant, proportions, pen and tremor.
    Added to MNIST, whose writers are American, they teach a classifier the digits of other
    countries: a 1 with a long upstroke, a 7 with a bar, a 9 with a curled foot.

    Parameters
    ----------
    n_samples : int, default=1000
        Number of images.
    styles : str or sequence of str, default=("american", "european", "east_asian")
        Where the writers learned to write, in equal shares.
    return_groups : bool, default=False
        If True, the numbers of the writers are returned, too, for ``GroupKFold`` and its like.
    random_state : int, RandomState instance or None, default=None
        Draws everything. Pass an int for the same images in each call.

    Returns
    -------
    X : ndarray of shape (n_samples, 784), uint8
        28×28 pixels, from 0 (background) to 255 (ink).
    y : ndarray of shape (n_samples,), int64
        The digits, 0 to 9, equally often.
    groups : ndarray of shape (n_samples,), int64
        The number of each image's writer, who writes about 20. Only if ``return_groups=True``.

    Raises
    ------
    TypeError
        If a parameter is of a wrong type.
    ValueError
        If ``n_samples`` is less than 1, or there is no such style.

    See Also
    --------
    mnist_estimator.load_mnist : The handwritten digits of MNIST.

    Notes
    -----
    The curves are centripetal Catmull-Rom splines (P. J. Barry and R. N. Goldman, "A recursive
    evaluation algorithm for a class of Catmull-Rom splines", 1988). A quarter of the writers'
    digits are stretched to a square.

    Examples
    --------
    >>> from mnist_estimator import make_digits
    >>> X, y = make_digits(100, styles="european", random_state=0)
    >>> X.shape, sorted(set(y.tolist()))
    ((100, 784), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    """
    n_samples = _check_number(n_samples)
    chosen = _check_styles(styles)
    if not isinstance(return_groups, bool | np.bool_):
        raise TypeError(f"return_groups must be True or False; got {shown(return_groups)}.")
    generator = _generator(random_state)
    y = generator.permutation(np.arange(n_samples) % 10)
    n_writers = -(-n_samples // PER_WRITER)
    groups = generator.integers(0, n_writers, n_samples)
    X = np.empty((n_samples, SIDE * SIDE), dtype=np.uint8)
    writers: dict[int, _Writer] = {}
    order = generator.permutation(len(chosen))
    for row, (writer, digit) in enumerate(zip(groups.tolist(), y.tolist(), strict=True)):
        if writer not in writers:
            writers[writer] = _Writer(chosen[order[writer % len(chosen)]], generator)
        paths, pen = writers[writer].write(digit)
        X[row] = np.rint(_draw(paths, pen) * 255.0).reshape(-1)
    return (X, y, groups) if return_groups else (X, y)


def _check_number(n_samples: Any) -> int:
    if not isinstance(n_samples, Integral) or isinstance(n_samples, bool):
        raise TypeError(f"n_samples must be a whole number; got {shown(n_samples)}.")
    if n_samples < 1:
        raise ValueError(f"n_samples must be at least 1; got {n_samples}.")
    return int(n_samples)


def _check_styles(styles: Any) -> list[str]:
    names = [styles] if isinstance(styles, str) else styles
    allowed = f"styles must be one or several of {', '.join(map(repr, STYLES))}"
    if not isinstance(names, Sequence | np.ndarray) or isinstance(names, bytes):
        raise TypeError(f"{allowed}; got {shown(styles)}.")
    if not len(names):
        raise ValueError(f"{allowed}; got none.")
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"{allowed}; got {shown(name)}.")
        if name not in STYLES:
            raise ValueError(f"{allowed}; got {shown(name)}.")
    return [str(name) for name in dict.fromkeys(names)]


def _generator(random_state: Any) -> np.random.Generator:
    """Return NumPy's new generator, seeded as scikit-learn's functions are."""
    from sklearn.utils import check_random_state

    seed = check_random_state(random_state).randint(0, 2**31, size=4)
    return np.random.default_rng(seed)
