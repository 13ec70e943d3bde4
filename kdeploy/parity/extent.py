"""The extent of a verification: how many rows of a model are run, fewer where each costs more.

    rows x multiply-adds of one <= 1e12      some 30 s to 2 min of a core; by the reference evaluator 5e10
    batch x bytes of one row <= 2^28         of values that are alive at once, as the inspector counts them

A net for digits is run 1,500 times; VGG16 on 240 pixels 60 times, in batches of 8 at most.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import onnx

from kdeploy.errors import KdeployError
from kdeploy.graphs.counting.count import count
from kdeploy.graphs.inspector.activations import peak_bytes
from kdeploy.models.signature import Signature
from kdeploy.runtimes.onnxfile import free_lengths

MULTIPLY_ADDS, REFERENCE_MULTIPLY_ADDS = 1_000_000_000_000, 50_000_000_000
MOST_BYTES = 2**28
FAMILIES = 12


class Extent(NamedTuple):
    """How many rows are run.

    Args:
        inputs: made in place of real ones.
        batch: the largest.
        again: rows whose answers are asked for four times: to be the same, in other layouts of memory.
        each: inputs of each family of hard ones.
    """

    inputs: int = 64
    batch: int = 256
    again: int = 256
    each: int = 8

    @property
    def rows(self) -> int:
        """All rows that a runtime is given, about."""
        return 2 * self.batch + self.inputs + 4 * self.again + FAMILIES * self.each

    @property
    def halved(self) -> Extent:
        """Half of it, down to what still shows something."""
        return Extent(*(max(least, length // 2) for least, length in zip(LEAST, self, strict=True)))


class Cost(NamedTuple):
    """What one row of a model costs."""

    multiply_adds: int
    activation_bytes: int

    @property
    def is_too_slow_for_reference(self) -> bool:
        """Whether even the least extent takes the reference evaluator minutes."""
        return LEAST.rows * self.multiply_adds > REFERENCE_MULTIPLY_ADDS

    def extent(self, *, reference: bool = False) -> Extent:
        """The extent that is affordable."""
        extent = REFERENCE if reference else FULL
        most = REFERENCE_MULTIPLY_ADDS if reference else MULTIPLY_ADDS
        while extent != LEAST and extent.rows * self.multiply_adds > most:
            extent = extent.halved
        batch = max(LEAST.batch, MOST_BYTES // max(1, self.activation_bytes))
        return extent._replace(batch=min(extent.batch, batch), again=min(extent.again, batch))


FULL, REFERENCE, LEAST = Extent(), Extent(64, 32, 8, 2), Extent(4, 2, 2, 1)
CHEAP = Cost(0, 0)


def cost_of(path: Path, read: Signature) -> Cost:
    """The cost of one row of a classifier; that of a graph with a shape that nobody knows counts as none."""
    try:
        model = onnx.load(path, load_external_data=False)
        batch = read.batch or 1
        cost = count(model, {read.input: (batch, *(length or 1 for length in read.shape))})
        free_lengths(model.graph)
        return Cost(cost.multiply_adds // batch, peak_bytes(model, [read.input], str(path)) // batch)
    except KdeployError:
        return CHEAP


def words(seconds: float) -> str:
    """A time of the processor, rounded for people."""
    return f"{math.ceil(seconds / 60)} min" if seconds > 90 else f"{math.ceil(seconds / 5) * 5} s"
