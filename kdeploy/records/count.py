"""`kdeploy.count/1`: what one call of a model costs, counted over its graph."""

from __future__ import annotations

from typing import ClassVar

from kdeploy.records.base import Record
from kdeploy.records.bench import Compute


class CountRecord(Record):
    """One model at the shapes of its inputs, batch first."""

    SCHEMA: ClassVar[str] = "kdeploy.count/1"

    model: str
    input_shapes: dict[str, tuple[int, ...]]
    compute: Compute
