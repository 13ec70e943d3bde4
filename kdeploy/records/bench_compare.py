"""`kdeploy.bench-compare/2`: what two results say of the same models, or why they may not be set side by side."""

from __future__ import annotations

from typing import ClassVar

from kdeploy.records.base import Part, Record
from kdeploy.records.bench import Claim, Ratio
from kdeploy.records.table import Row, Table


class Difference(Part):
    """A fact that differs between the two; null where one of them has none."""

    field: str
    first: str | None
    second: str | None


class ArmComparison(Part):
    """One arm in both results. `ratio` = median latency of the first / that of the second; null where refused."""

    arm: str
    first_ns: int | None
    second_ns: int | None
    ratio: Ratio | None
    claim: Claim

    def row(self) -> Row:
        low, high = self.ratio.ci if self.ratio and self.ratio.ci else (None, None)
        value = self.ratio.value if self.ratio else None
        figures: Row = {
            "first_ns": self.first_ns,
            "second_ns": self.second_ns,
            "ratio": value,
            "low": low,
            "high": high,
        }
        return {"arm": self.arm, **figures, "status": self.claim.status}


class BenchCompareRecord(Table, Record):
    SCHEMA: ClassVar[str] = "kdeploy.bench-compare/2"

    first: str
    second: str
    differences: tuple[Difference, ...]
    arms: tuple[ArmComparison, ...]

    def to_rows(self) -> list[Row]:
        """A row for each arm, with its two medians in ns."""
        return [arm.row() for arm in self.arms]
