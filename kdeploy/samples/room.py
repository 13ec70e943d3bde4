"""Room for decoded samples: in memory, and above 256 MiB an array in a file without a name, mapped.

So a set larger than memory is decoded in the memory of a batch, and what bounds it is the disk. The file is made in
the folder that the samples will be saved in; it has no name, so nothing is left of it however the process ends. All
its blocks are reserved first: a disk that is full says so here, and not at a page that is written.
"""

from __future__ import annotations

import math
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from kdeploy.errors import ResourceError

IN_MEMORY = 256 << 20  # bytes of an array
_PIECE_BYTES = 16 << 20


class Rows(Protocol):
    """An array, or what gives its rows like one."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    def __getitem__(self, rows: NDArray[np.int64], /) -> NDArray[Any]: ...


@dataclass(frozen=True)
class Room:
    """Where decoded samples are put.

    Args:
        folder: of files for large arrays; None is the one for temporary files.
        limit: the most bytes that an array may take; None is what the disk of the folder has left.
    """

    folder: Path | None = None
    limit: int | None = None

    @property
    def limit_bytes(self) -> int:
        if self.limit is not None:
            return self.limit
        place = self.folder or Path(tempfile.gettempdir())
        return shutil.disk_usage(next(one for one in (place, *place.resolve().parents) if one.is_dir())).free

    def array(self, shape: Sequence[int], dtype: DTypeLike, where: str, advice: str) -> NDArray[Any]:
        """An array of zeros.

        Raises: ResourceError when it would take more than the limit; OSError of a full disk.
        """
        size_bytes = math.prod(shape) * np.dtype(dtype).itemsize
        limit_bytes = self.limit_bytes
        if size_bytes > limit_bytes:
            raise ResourceError(
                where, f"must decode to at most {limit_bytes} bytes", got=str(size_bytes), advice=advice
            )
        if size_bytes <= IN_MEMORY:
            return np.zeros(shape, dtype)
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=self.folder) as file:
            os.posix_fallocate(file.fileno(), 0, size_bytes)
            return np.memmap(file, dtype, "r+", shape=tuple(shape))

    def taken(self, array: NDArray[Any], rows: NDArray[np.int64], dtype: DTypeLike, where: str) -> NDArray[Any]:
        """The rows of an array, as `dtype`."""
        return self.joined([(array, rows)], dtype, where)

    def joined(self, some: Sequence[tuple[Rows, NDArray[np.int64]]], dtype: DTypeLike, where: str) -> NDArray[Any]:
        """The rows of several arrays, one after the other, as `dtype`."""
        count = sum(len(rows) for _, rows in some)
        out = self.array((count, *some[0][0].shape[1:]), dtype, where, "Take fewer samples with split.")
        start = 0
        for array, rows in some:
            for piece in pieces(len(rows), _row_bytes(array)):
                chosen = rows[piece]
                with np.errstate(over="ignore"):  # what overflows becomes infinite, and is refused
                    out[start : start + len(chosen)] = array[chosen]
                start += len(chosen)
        return out


def pieces(count: int, row_bytes: int) -> Iterator[slice]:
    """Slices over `count` rows of which each is 16 MiB, or one row."""
    step = max(1, _PIECE_BYTES // max(1, row_bytes))
    for start in range(0, count, step):
        yield slice(start, min(count, start + step))


def _row_bytes(array: Rows) -> int:
    return math.prod(array.shape[1:]) * array.dtype.itemsize
