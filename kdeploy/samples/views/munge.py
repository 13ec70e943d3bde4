"""MUNGE: new rows of a table between a row e and its nearest neighbour e' (Bucila, Caruana and Niculescu-Mizil, "Model
Compression", 2006, section 3). Each attribute a, with probability p, becomes

    continuous:  a draw of N(e'_a, |e_a - e'_a| / s)        nominal:  e'_a

The paper walks through the set once and changes both rows of a pair at once, so that what the second becomes depends on
the first. A view is a pure function of (seed, view, sample): each row is changed on its own, towards the neighbour as
it stands in the data. Over all rows both directions occur, as in the paper, but not as one swap.

The distance is Euclidean over continuous columns, each divided by its standard deviation, plus 1 for each nominal
column that differs. All pairs are compared, column by column in float32, so that no library's order of additions
decides between two neighbours: rows squared times columns operations, once a run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kdeploy.errors import DataError
from kdeploy.samples.draws import Draws
from kdeploy.samples.views.noise import quantiles
from kdeploy.samples.views.numbers import DrawNumber
from kdeploy.samples.windows import Canonical

_CHUNK_BYTES = 64 << 20  # of the distances that are in memory at once


@dataclass(frozen=True, eq=False)
class Munge:
    """The step and the rows that it needs.

    Args:
        table: every sample, float32 (N, columns).
        pool: int64 (P,), sorted: the samples among which neighbours are looked for, and of which there are views.
        probability: p, of each attribute.
        variance: s; the larger, the nearer to the neighbour.
        nominal: columns whose numbers are names.
    Raises: DataError when the samples are no rows of a table, there is no such column, or nobody to be a neighbour.
    """

    table: Canonical
    pool: NDArray[np.int64]
    probability: float
    variance: float
    nominal: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.table.ndim != 2:
            advice = "Leave views.munge out for this input."
            must = "must be given rows of a table, (N, columns)"
            raise DataError("views.munge", must, got=f"{self.table.shape}", advice=advice)
        columns = self.table.shape[1]
        if any(not 0 <= column < columns for column in self.nominal):
            got = ", ".join(map(str, self.nominal))
            raise DataError("views.munge.nominal", f"must be columns from 0 to {columns - 1}", got=got)
        if len(self.pool) < 2:
            raise DataError("views.munge", "must have at least 2 samples in the transfer set", got=str(len(self.pool)))

    @cached_property
    def neighbours(self) -> NDArray[np.int64]:
        """The index of the nearest other sample of each one in the pool, int64 (P,), in the order of the pool."""
        return self.pool[nearest(np.asarray(self.table[self.pool]), self.nominal)]

    def __call__(self, rows: Tensor, samples: NDArray[np.int64], draws: Draws) -> Tensor:
        """The rows of samples of the pool, changed: float32 (B, columns) to the same shape, `samples` int64 (B,)."""
        others = torch.from_numpy(self.table[self.neighbours[np.searchsorted(self.pool, samples)]])  # (B, columns)
        columns = torch.arange(rows.shape[1])
        each = Draws(draws.seed, draws.view, draws.samples[:, None])
        parts = (each.uniform(columns + int(DrawNumber.MUNGE_VALUE)) * len(quantiles())).to(torch.int64)
        new = others + quantiles()[parts] * ((rows - others).abs() / self.variance)
        new[:, list(self.nominal)] = others[:, list(self.nominal)]
        changed = each.uniform(columns + int(DrawNumber.MUNGE_ATTRIBUTE)) < self.probability
        return torch.where(changed, new, rows)


def nearest(table: NDArray[np.float32], nominal: Sequence[int]) -> NDArray[np.int64]:
    """The position of the nearest other row of each row, (N, columns) to int64 (N,); the first of equals."""
    spread = table.std(axis=0, dtype=np.float64)
    scaled = (table / np.where(spread > 0, spread, 1)).astype(np.float32)
    step = max(1, _CHUNK_BYTES // (4 * len(table)))
    neighbours = np.empty(len(table), np.int64)
    for start in range(0, len(table), step):
        stop = min(start + step, len(table))
        distances = np.zeros((stop - start, len(table)), np.float32)  # (rows of this chunk, N)
        for column in range(table.shape[1]):
            if column in nominal:
                distances += table[start:stop, column, None] != table[None, :, column]
            else:
                distances += np.square(scaled[start:stop, column, None] - scaled[None, :, column])
        distances[np.arange(stop - start), np.arange(start, stop)] = np.inf
        neighbours[start:stop] = distances.argmin(axis=1)
    return neighbours
