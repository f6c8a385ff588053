"""Arguments of every kind, drawn by hypothesis: images, labels, weights."""

import numpy as np
import pandas as pd
import scipy.sparse
from hypothesis import strategies as st

N, SIDE = 8, 8
"""Images in a call, and their height and width."""

DTYPES = [
    "?", "u1", "i1", "<u2", ">u2", "<i4", ">i4", "<i8", ">u8", "<f2", ">f2", "<f4", ">f4", "<f8",
    ">f8", np.longdouble, "c8", "c16", "M8[s]", "m8[ns]", "O", "U3", "S3", [("ink", "u1")], "V4",
]  # fmt: skip
SHAPES = [
    (N, SIDE * SIDE), (N, SIDE, SIDE), (N, SIDE, SIDE, 1), (1, SIDE * SIDE), (SIDE, SIDE),
    (SIDE * SIDE,), (N, SIDE * SIDE - 1), (N, SIDE, SIDE, 3), (N, 4, 16), (N, 2, 2, 2, 8), (),
    (0, SIDE * SIDE), (N, 0), (N, 0, SIDE), (N, 1), (N, 1, 1),
]  # fmt: skip
HUGE = [(2, 10**9), (2, 10**5, 10**5), (2, SIDE, SIDE, 10**9), (10**9, SIDE * SIDE + 1)]
"""Shapes that take no memory where all is one value, and a lot where it is copied."""

usual = st.sampled_from(SHAPES[:3])
seeds = st.integers(0, 2**16)


@st.composite
def images(draw, shapes=None):
    """Draw what may be passed as X."""
    kind = draw(st.sampled_from(["array"] * 8 + ["virtual", "list", "frame", "sparse", "other"]))
    if kind == "virtual":
        return np.broadcast_to(np.uint8(draw(st.integers(0, 255))), draw(st.sampled_from(HUGE)))
    if kind == "other":
        return draw(st.sampled_from([None, 3, "digits", b"ink", {}, [], [[]], [[[]]], object()]))
    if shapes is None:
        shapes = st.one_of(usual, usual, st.sampled_from(SHAPES))
    shape = draw(shapes)
    array = _without_reject_label(draw, shape)
    if kind == "list":
        return array.tolist()
    if kind in ("frame", "sparse") and array.ndim == 2:
        if kind == "sparse" and array.dtype.kind in "fiu" and array.dtype.itemsize in (4, 8):
            return scipy.sparse.csr_array(array.astype(array.dtype.newbyteorder("=")))
        if array.dtype.names is None and array.dtype.kind not in "V":
            named = array.dtype.newbyteorder("=")
            return pd.DataFrame(array.astype(named), columns=[f"p{i}" for i in range(shape[1])])
    return _laid_out(draw, array)


def _without_reject_label(draw, shape):
    """Return an array of some dtype, with what its values can be at worst."""
    generator = np.random.default_rng(draw(seeds))
    whole = generator.integers(0, 256, shape)
    dtype = draw(st.sampled_from(DTYPES))
    if dtype == "O":
        array = whole.astype(object)
        odd = draw(st.sampled_from([0, 0.5, None, "ink", np.nan, 2**70, 1j, pd.NA]))
    else:
        dtype = np.dtype(dtype)
        if dtype.names:
            array = np.zeros(shape, dtype)
            array["ink"] = whole
            return array
        array = np.zeros(shape, dtype) if dtype.kind == "V" else whole.astype("i8").astype(dtype)
        odd = None
        if dtype.kind in "fc":
            info = np.finfo(dtype)
            array /= draw(st.sampled_from([1, 255]))
            odd = draw(
                st.sampled_from(
                    [None, None, 0, np.nan, np.inf, -np.inf, info.max, info.min, info.tiny,
                     info.smallest_subnormal, 1e18, -1e18, 1e19]
                )
            )  # fmt: skip
        elif dtype.kind in "iu":
            odd = draw(st.sampled_from([None, np.iinfo(dtype).min, np.iinfo(dtype).max]))
    if odd is not None and array.size:
        with np.errstate(over="ignore"):
            if draw(st.booleans()):
                array[...] = np.array(odd, array.dtype) if dtype != "O" else odd
            else:
                array.flat[draw(st.integers(0, array.size - 1))] = odd
    return array


def _laid_out(draw, array):
    """Return an array of the same values that lies otherwise in memory, or is masked."""
    way = draw(
        st.sampled_from(
            ["C", "F", "negative", "step", "read-only", "broadcast", "masked", "mask", "matrix"]
        )
    )
    if way == "F":
        return np.asfortranarray(array)
    if way == "negative" and array.ndim:
        return np.flip(np.flip(array).copy())
    if way == "step" and array.ndim:
        return np.repeat(array, 2, axis=-1)[..., ::2]
    if way == "read-only":
        array.flags.writeable = False
    if way == "broadcast" and array.ndim and len(array):
        return np.broadcast_to(array[0], array.shape)
    if way in ("masked", "mask"):
        return np.ma.masked_array(array, mask=way == "masked")
    if way == "matrix" and array.ndim == 2 and array.dtype.kind in "fiu":
        return array.view(np.matrix)
    return array


_PAIRS = [
    (0, 1), (-5, 10**12), (2**63 - 1, -(2**63)), (0.0, 1.0), (0.5, 1.5), ("a", "b"), ("", "\0"),
    ("é", "\ud800"), (b"a", b"b"), (True, False), (None, 1), (np.nan, 1.0), (np.inf, 0.0),
    ("a", 1), (2**70, 1), (1j, 2.0), ((1, 2), (3, 4)), ("x" * 10_000, "y"), (pd.NA, 1),
    (pd.Timestamp(0), pd.Timestamp(1, unit="D")),
]  # fmt: skip
_LABEL_DTYPES = [
    None, object, "u1", "i8", ">i4", "f2", "f4", ">f8", np.longdouble, "c8", "?", "U", "S",
    "M8[D]", "m8[ns]", "category", "string", "Int64", "boolean",
]  # fmt: skip


@st.composite
def labels(draw, n=N):
    """Draw what may be passed as y."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.sampled_from([None, 3, "ab", {}, [], np.eye(n), np.zeros((n, 1)), [[]] * n]))
    pair = draw(st.sampled_from(_PAIRS))
    length = draw(st.sampled_from([n] * 9 + [n - 1]))
    values = [pair[i % 2] for i in range(length)]
    dtype = draw(st.sampled_from(_LABEL_DTYPES))
    try:
        if dtype in ("category", "string", "Int64", "boolean"):
            return pd.Series(values).astype(dtype)
        with np.errstate(over="ignore", invalid="ignore"):
            return values if dtype is None else np.array(values, dtype)
    except Exception:  # these labels have no such form
        return values


@st.composite
def weights(draw, n=N):
    """Draw what may be passed as sample_weight."""
    value = draw(
        st.sampled_from(
            [None, 1.0, 0.0, -1.0, np.nan, np.inf, 1e308, 5e-324, 1e-320, "heavy", True, 2**70, 1j,
             [], {}]
        )
    )  # fmt: skip
    if value is None or draw(st.integers(0, 4)) == 0:
        return value
    length = draw(st.sampled_from([n] * 5 + [n + 1]))
    mixed = [1.0 if i % 3 else value for i in range(length)] if draw(st.booleans()) else None
    try:
        return np.array(mixed or [value] * length)
    except ValueError:
        return value
