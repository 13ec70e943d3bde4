"""What kinds whose targets are columns of numbers share: float32 (N, width), NaN unknown; a quality of a set."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kdeploy.errors import DataError
from kdeploy.outputs.kind import Array, Floats, row_of


class Columns:
    """The part of `kdeploy.outputs.kind.Kind` that is the same for them."""

    unknown = float("nan")

    def resampled(self, outputs: Array, targets: Array, counts: Array) -> Floats:
        """See `Kind`."""
        raise NotImplementedError

    def none_known(self, rows: int) -> Array:
        return np.zeros((rows, 0), np.float32)

    def known(self, targets: Array) -> NDArray[np.bool_]:
        return np.asarray(np.isfinite(targets).any(1))

    def quality(self, outputs: Array, targets: Array) -> float | None:
        quality = float(self.resampled(outputs, targets, np.ones((1, len(targets))))[0])
        return quality if np.isfinite(quality) else None

    def each(self, outputs: Array, targets: Array) -> None:
        return None


def check_columns(targets: Array, width: int, where: str) -> None:
    """Refuse targets that are not float32 (N, width); nothing known of any sample has no columns."""
    if targets.dtype != np.float32 or targets.ndim != 2 or targets.shape[1] not in (0, width):
        got = f"{targets.dtype} {targets.shape}"
        raise DataError(where, f"must be float32 (N, {width}), a column an output", got=got)


def refuse(wrong: Array, targets: Array, rows: Array | None, where: str, must: str) -> None:
    """Refuse targets of which some rows, (N,) of bool, are wrong, by the first of them."""
    if wrong.any():
        first, row = row_of(wrong, rows)
        raise DataError(f"{where}: row {row}", must, got=", ".join(f"{value:g}" for value in targets[first][:5]))
