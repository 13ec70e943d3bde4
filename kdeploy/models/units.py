"""A unit that values are in: networks learn z, their last layer gives v.

    v = mean + std z,    W z' + b  ->  (std W) z' + (std b + mean)

so that a file answers in the user's unit, and no step depends on the size of that unit.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
from torch import nn


class Units(NamedTuple):
    """Mean and standard deviation of each column, float64 (columns,)."""

    mean: np.ndarray
    std: np.ndarray

    def standard(self, values: np.ndarray) -> np.ndarray:
        """Values (rows, columns) as multiples of their spread, float32; NaN stays."""
        standard: np.ndarray = ((values - self.mean) / self.std).astype(np.float32)
        return standard

    def restored(self, standard: np.ndarray) -> np.ndarray:
        """The values again, float32."""
        values: np.ndarray = (standard * self.std + self.mean).astype(np.float32)
        return values

    @torch.no_grad()
    def fold_into(self, layer: object) -> None:
        """Let a last layer that gives z give v; it is linear, with a bias."""
        assert isinstance(layer, nn.Linear)
        mean, std = (torch.from_numpy(one).to(layer.weight) for one in self)
        layer.weight.mul_(std[:, None])
        layer.bias.mul_(std).add_(mean)


def units_of(blocks: Iterable[np.ndarray]) -> Units:
    """The units of values (rows, columns), NaN left out; a column that never changes has the spread 1."""
    known, sums, squares, origin = 0, 0, 0, None
    for block in blocks:
        # relative to the first row, as of large values with a small spread nothing is left of their squares
        origin = np.nan_to_num(block[0].astype(np.float64)) if origin is None else origin
        moved, here = block - origin, np.isfinite(block)
        known, sums = known + here.sum(0), sums + np.where(here, moved, 0).sum(0)
        squares = squares + np.where(here, np.square(moved), 0).sum(0)
    assert origin is not None
    count = np.maximum(known, 1)
    std = np.sqrt(np.maximum(squares / count - np.square(sums / count), 0))
    return Units(origin + sums / count, np.where(std > 0, std, 1.0))
