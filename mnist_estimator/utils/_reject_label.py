"""Predicted labels with a reject label among them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def insert_reject_label(
    labels: NDArray[Any], rejected: NDArray[np.bool_], reject_label: Any
) -> NDArray[Any]:
    """Return the labels with those rejected replaced, in a dtype that holds both."""
    mark = np.asarray(reject_label)
    alike = mark.ndim == 0 and (
        mark.dtype.kind == labels.dtype.kind or {mark.dtype.kind, labels.dtype.kind} <= set("iuf")
    )
    if not alike:
        dtype: Any = object
    elif mark.dtype.kind in "iu":  # the smallest integer dtype that holds both
        dtype = np.result_type(labels.dtype, np.min_scalar_type(reject_label))
    else:
        dtype = np.result_type(labels.dtype, mark.dtype)
    marked = labels.astype(dtype)
    marked[rejected] = reject_label
    return marked
