"""What `kdeploy init` wrote, and what it had to assume."""

from __future__ import annotations

from typing import ClassVar

from kdeploy.records.base import Record
from kdeploy.records.plan import PlannedTime


class DraftRecord(Record):
    """A drafted recipe.

    `teacher_accuracy` is a fraction of the `looked_at` labelled samples, with the preprocessing that was assumed; null
    where nothing is labelled. `teacher_bits` is what an answer tells of a sample. `time` is that of `kdeploy plan`.
    """

    SCHEMA: ClassVar[str] = "kdeploy.draft/4"

    name: str
    recipe: str
    source: str  # the recipe's key for the data
    classes: int
    preprocessing: str
    teacher_accuracy: float | None
    teacher_bits: float
    looked_at: int
    assumed: tuple[str, ...] = ()  # about the data
    time: PlannedTime = PlannedTime()
    next: str
