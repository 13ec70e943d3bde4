"""`kdeploy.count/2.1`: what one call of a model costs, counted over its graph."""

from __future__ import annotations

from typing import ClassVar

from kdeploy.records.base import Record
from kdeploy.records.bench import Compute
from kdeploy.records.table import Row, Table


class CountRecord(Table, Record):
    """One model at the shapes of its inputs, batch first."""

    SCHEMA: ClassVar[str] = (
        "kdeploy.count/2.1"  # since 2.1 parameters are those of every stored tensor that is computed with
    )

    model: str
    input_shapes: dict[str, tuple[int, ...]]
    compute: Compute

    def to_rows(self) -> list[Row]:
        """A row for each layer that multiplies or has parameters, in the order of the graph."""
        columns = ("name", "op_type", "multiply_adds", "parameters")
        return [{column: getattr(layer, column) for column in columns} for layer in self.compute.layers]
