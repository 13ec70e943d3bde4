"""What `kdeploy plan` answers: no work is done for it, but for a look at the data."""

from __future__ import annotations

from typing import ClassVar

from kdeploy.records.base import Part, Record
from kdeploy.records.report import BenchRow, GateResult
from kdeploy.records.samples import DuplicatesInfo
from kdeploy.records.table import Row, Table


class StageCost(Part):
    """What a stage will take here, about: seconds, the most memory resident at once, what it leaves on the disk."""

    seconds: float
    memory_bytes: int
    disk_bytes: int


class PlannedStage(Part):
    """A stage and its fingerprint; `done` when an earlier run left its result.

    `cost` is null for one that is done, which costs nothing, and where it is not known.
    """

    stage: str
    fingerprint: str
    done: bool
    cost: StageCost | None = None


class PlannedTime(Part):
    """What all stages that are to do will take; `reason` says why it is less than all, or nothing.

    `estimate_seconds` is how long it took to find out, and `shorter` which keys of the recipe make a long run shorter.
    """

    seconds: float | None = None
    memory_bytes: int | None = None
    disk_bytes: int | None = None
    estimate_seconds: float = 0.0
    reason: str = ""
    shorter: tuple[str, ...] = ()


class PlannedTeacher(Part):
    """What one teacher's labels take; null where it cannot be known or they are stored, and `reason` says which.

    `rows_per_second` is of a few batches on this machine, and only an estimate; `label_seconds` follows from it.
    """

    stage: str  # `teacher`; of an ensemble `teacher-0` and so on
    name: str
    made: bool
    labeled: bool
    label_rows: int
    label_bytes: int | None  # of labels that are stored, the bytes of their files
    rows_per_second: float | None
    label_seconds: float | None
    reason: str


class SpeedPreview(Part):
    """Student against teacher before the student is trained; `reason` says why there are no rows."""

    bottleneck: str = ""  # the form that would ship, and why
    untrained_teacher: bool = False
    bench: tuple[BenchRow, ...] = ()
    gate: GateResult | None = None
    reason: str = ""


class PlanRecord(Table, Record):
    """Sizes of what a run would make. Multiply-adds are of one sample; null for a student without a bottleneck."""

    SCHEMA: ClassVar[str] = "kdeploy.plan/3"

    name: str
    stages: tuple[PlannedStage, ...]
    samples: dict[str, int]
    duplicates: DuplicatesInfo | None = None
    assumed: tuple[str, ...] = ()  # about the data
    label_rows: int
    label_bytes: int | None  # of all teachers; null when one is not known
    student_parameters: int | None  # null where a package that the student needs is not here
    student_multiply_adds: int | None
    fused_multiply_adds: int | None
    bottleneck: int | None
    break_even: float | None
    teachers: tuple[PlannedTeacher, ...] = ()
    time: PlannedTime = PlannedTime()
    speed_preview: SpeedPreview | None = None  # where it was asked for
    missing: tuple[str, ...] = ()  # packages that are not here, each with what to install

    def to_rows(self) -> list[Row]:
        """A row for each stage, in order."""
        return [
            {"stage": one.stage, "fingerprint": one.fingerprint, "done": one.done}
            | (one.cost.model_dump() if one.cost else dict.fromkeys(StageCost.model_fields))
            for one in self.stages
        ]
