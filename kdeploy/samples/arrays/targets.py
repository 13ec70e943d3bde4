"""Targets in any form, by the kind of outputs: classes as `labels.py` has them; labels and values as numbers.

numbers (N,), (N, 1)    one column
numbers (N, K)          K columns, NaN where one is not known
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kdeploy.errors import DataError
from kdeploy.outputs.terms import OutputsName
from kdeploy.samples.arrays import labels
from kdeploy.samples.arrays.labels import Labels


def read(array: NDArray[Any], where: str, outputs: OutputsName) -> Labels:
    """The targets in an array.

    Args:
        where: the place that errors name, such as `data.npz: y`.
    Raises: DataError when they are not such targets.
    """
    if outputs == "classes":
        return labels.read(array, where)
    if array.dtype.kind not in "biuf" or array.ndim not in (1, 2) or 0 in array.shape:
        must = f"must be numbers (N,) or (N, {outputs}) for outputs {outputs}"
        advice = "Name another array under data.y, or set outputs to classes."
        raise DataError(where, must, got=f"{array.dtype} {array.shape}", advice=advice)
    columns = array[:, None] if array.ndim == 1 else array
    with np.errstate(over="ignore"):  # what overflows becomes infinite, which is refused
        numbers = columns.astype(np.float32)
    name = where.rpartition(": ")[2]
    width = columns.shape[1]
    names = (name,) if width == 1 else tuple(f"{name}.{column}" for column in range(width))
    return Labels(numbers, names, (f"{name} {array.dtype} {array.shape} is read as {outputs}",))
