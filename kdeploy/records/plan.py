"""What `kdeploy plan` answers: no work is done for it, but for a look at the data."""

from __future__ import annotations

from typing import ClassVar

from kdeploy.records.base import Part, Record
from kdeploy.records.samples import DuplicatesInfo


class PlannedStage(Part):
    """A stage and its fingerprint; `done` when an earlier run left its result."""

    stage: str
    fingerprint: str
    done: bool


class PlanRecord(Record):
    """Sizes of what a run would make. Multiply-adds are of one sample; null for a student without a bottleneck."""

    SCHEMA: ClassVar[str] = "kdeploy.plan/1"

    name: str
    stages: tuple[PlannedStage, ...]
    samples: dict[str, int]
    duplicates: DuplicatesInfo | None = None
    label_rows: int
    label_bytes: int
    student_parameters: int
    student_multiply_adds: int
    fused_multiply_adds: int | None
    bottleneck: int | None
    break_even: float | None
