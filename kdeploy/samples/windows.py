"""Samples that are windows over frames: each frame is kept once, and a window is put together when it is read.

    sample i = frames[first[i]], frames[first[i] + 1], ..., frames[first[i] + width - 1], side by side

So speech with 15 frames of context takes a fifteenth of the memory that its windows would. To what reads samples it is
an array of shape (samples, width x values a frame).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from kdeploy.samples.room import Room


@dataclass(frozen=True, eq=False)
class Windows:
    """Windows of `width` frames.

    Args:
        frames: float32 (F, values).
        first: int64 (N,), each window's first frame.
        width: frames a window.
    Raises: ValueError when a window reaches out of the frames.
    """

    frames: NDArray[Any]
    first: NDArray[np.int64]
    width: int

    def __post_init__(self) -> None:
        last = len(self.frames) - self.width
        if self.first.ndim != 1 or self.frames.ndim != 2 or self.width < 1:
            raise ValueError(f"windows of {self.width} at {self.first.shape} over frames {self.frames.shape}")
        if len(self.first) and not 0 <= self.first.min() <= self.first.max() <= last:
            got = f"{self.first.min()} to {self.first.max()}"
            raise ValueError(
                f"windows of {self.width} over {len(self.frames)} frames begin from 0 to {last} (got {got})"
            )

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.first), self.width * self.frames.shape[1]

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.frames.dtype

    @property
    def ndim(self) -> int:
        return 2

    def __len__(self) -> int:
        return len(self.first)

    def __getitem__(self, rows: slice | NDArray[Any]) -> NDArray[Any]:
        """The windows of some rows, a copy: (rows, width x values)."""
        at = self.first[rows][:, None] + np.arange(self.width)  # (rows, width)
        windows: NDArray[Any] = self.frames[at].reshape(len(at), self.shape[1])
        return windows

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """All windows as one array, (N, width x values), for what can only read an array."""
        return self[:].astype(dtype or self.dtype, copy=False)

    def take(self, rows: NDArray[np.int64]) -> Windows:
        """The windows at some rows, int64 (rows,), over the same frames."""
        return Windows(self.frames, self.first[rows], self.width)


Canonical = NDArray[Any] | Windows  # every sample of one input, the samples on the first axis


def taken(array: Canonical, rows: NDArray[np.int64], room: Room) -> Canonical:
    """Some samples of an input, (rows, ...): windows stay windows, an array an array."""
    return array.take(rows) if isinstance(array, Windows) else room.taken(array, rows, array.dtype, "samples")


def joined(arrays: Sequence[Canonical], room: Room) -> NDArray[Any]:
    """The samples of several inputs of one form, one after the other, as one array."""
    return room.joined([(array, np.arange(len(array))) for array in arrays], arrays[0].dtype, "samples")
