"""Do two models agree on real inputs? One row a link of the chain, and the record of `kdeploy verify`."""

from __future__ import annotations

from typing import ClassVar

from kdeploy.records.base import Part, Record
from kdeploy.records.precision import Cost


class ParityRow(Part):
    """One model through one runtime against the float64 oracle.

    `budget` = 8 x `float32_error` + 1e-6 x `scale` for fp32, `scale` the largest absolute oracle logit on the inputs;
    other precisions have their own row in `kdeploy.parity.BUDGETS`.
    `flips` counts inputs whose top-1 differs although the oracle's margin exceeds the measured error.
    """

    model: str
    runtime: str
    inputs: int
    batches: tuple[int, ...]
    max_abs_error: float
    float32_error: float
    scale: float
    budget: float
    agreement: float
    flips: int
    worst_input: int
    passed: bool
    precision: str = "fp32"


class VerifyRecord(Record):
    SCHEMA: ClassVar[str] = "kdeploy.verify/1"

    rows: tuple[ParityRow, ...]
    versions: dict[str, str]
    costs: tuple[Cost, ...] = ()  # of the formats in another precision than fp32, on the test inputs

    @property
    def passed(self) -> bool:
        return all(row.passed for row in self.rows)
