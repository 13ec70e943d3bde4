"""`kdeploy.bench-compare/1`: what two results say of the same models, or why they may not be set side by side."""

from __future__ import annotations

from typing import ClassVar

from kdeploy.records.base import Part, Record
from kdeploy.records.bench import Claim, Ratio


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


class BenchCompareRecord(Record):
    SCHEMA: ClassVar[str] = "kdeploy.bench-compare/1"

    first: str
    second: str
    differences: tuple[Difference, ...]
    arms: tuple[ArmComparison, ...]
