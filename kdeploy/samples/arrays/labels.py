"""Labels in any form -> int64 (N,), -1 for none, and the names of the classes where the labels say them.

    integers (N,)                  as they are
    (N, 1)                         its only column
    one-hot (N, K)                 the column of the one, K classes
    booleans (N,)                  classes False and True
    floats (N,), whole numbers     the numbers; NaN is no label
    strings (N,)                   a class a string, in order; the empty one is no label

Rows that are several classes, shares of classes or measures have more than one reading, or none: they are asked about.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kdeploy.errors import DataError

_LARGEST = 2**53  # up to which a float64 says one integer
_MOST_NAMED = 10_000  # classes by name: beyond, the strings are something else, such as file names


class Labels(NamedTuple):
    """Labels with one meaning, the names of their classes if they say them, and what was assumed.

    `numbers` are int64 (N,); of other kinds of outputs than classes float32 (N, width), and then they have names.
    """

    numbers: NDArray[Any]
    names: tuple[str, ...] | None = None
    assumed: tuple[str, ...] = ()


def read(array: NDArray[Any], where: str) -> Labels:
    """The labels in an array.

    Args:
        where: the place that errors and assumptions name, such as `data.npz: y`.
    Raises: DataError when they have more than one reading, or none.
    """
    name = where.rpartition(": ")[2]
    if array.ndim == 2 and array.shape[1] == 1:
        read_flat = read(array[:, 0], where)
        return read_flat._replace(assumed=(f"{name} {array.shape} is read as one label a row", *read_flat.assumed))
    if array.ndim == 2 and array.dtype.kind in "biuf":
        return _one_hot(array, where, name)
    readers = {"i": _integers, "u": _integers, "b": _booleans, "f": _floats, "U": _strings, "S": _bytes}
    if array.ndim != 1 or array.dtype.kind not in readers:
        raise _unclear(where, f"{array.dtype} {array.shape}")
    return readers[array.dtype.kind](array, where, name)


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Names of classes, each once: in the order of numbers where all are whole numbers, else in that of letters."""
    different = set(names)
    numbered = all(re.fullmatch(r"[0-9]{1,18}", name) for name in different)
    return tuple(sorted(different, key=lambda name: (int(name), name) if numbered else (0, name)))


def _integers(array: NDArray[Any], where: str, _name: str) -> Labels:
    if array.size and int(array.max()) >= 2**63:
        raise _unclear(where, f"{array.dtype} with {array.max()}")
    return Labels(array.astype(np.int64))


def _booleans(array: NDArray[Any], _where: str, name: str) -> Labels:
    return Labels(array.astype(np.int64), ("False", "True"), (f"{name} is read as the classes False and True",))


def _floats(array: NDArray[Any], where: str, name: str) -> Labels:
    missing = np.isnan(array)
    known = array[~missing].astype(np.float64)
    odd = ~(np.abs(known) < _LARGEST) | (known != np.floor(known))
    if odd.any():
        raise _unclear(where, f"{array.dtype} with {known[int(np.argmax(odd))]:g}")
    numbers = np.full(len(array), -1, np.int64)
    numbers[~missing] = known
    nameless = f"; {int(missing.sum())} that are NaN are no label" if missing.any() else ""
    return Labels(numbers, None, (f"{name} {array.dtype} is read as whole numbers{nameless}",))


def _bytes(array: NDArray[Any], where: str, name: str) -> Labels:
    try:
        return _strings(np.char.decode(array, "utf-8"), where, name)
    except UnicodeDecodeError as exc:
        raise _unclear(where, f"{array.dtype} that is not UTF-8") from exc


def _strings(array: NDArray[Any], where: str, name: str) -> Labels:
    different, inverse = np.unique(array, return_inverse=True)
    names = in_order(str(one) for one in different if one)
    if len(names) > _MOST_NAMED or not names:
        raise _unclear(where, f"{len(names)} different strings")
    number = {class_name: position for position, class_name in enumerate(names)}
    numbers = np.array([number.get(str(one), -1) for one in different], np.int64)[inverse]
    nameless = f"; {int((numbers < 0).sum())} empty ones are no label" if (numbers < 0).any() else ""
    return Labels(numbers, names, (f"{name} has the names of {len(names)} classes{nameless}",))


def _one_hot(array: NDArray[Any], where: str, name: str) -> Labels:
    ones = array == 1
    clear = ((ones | (array == 0)).all(1) & (ones.sum(1) == 1)) if array.shape[1] else np.zeros(len(array), bool)
    if not clear.all():
        row = int(np.argmin(clear))
        values = ", ".join(f"{value:g}" for value in array[row][:5].astype(float)) + (", ..." * (array.shape[1] > 5))
        raise _unclear(where, f"{array.dtype} {array.shape} with the row {values}")
    if not len(array):
        raise _unclear(where, f"{array.dtype} {array.shape}")
    numbered = tuple(str(column) for column in range(array.shape[1]))
    return Labels(ones.argmax(1).astype(np.int64), numbered, (f"{name} {array.shape} is read as one-hot",))


def _unclear(where: str, got: str) -> DataError:
    must = "must say one class a row: whole numbers, booleans or names (N,) or (N, 1), or one-hot (N, classes)"
    advice = "Name another array under data.y, or save the class of each row, -1 for none."
    return DataError(where, must, got=got, advice=advice)
