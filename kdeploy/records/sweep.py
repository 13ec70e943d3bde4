"""What `kdeploy sweep` answers: the variants of one recipe side by side, from their records."""

from __future__ import annotations

from typing import ClassVar

from kdeploy.records.base import Part, Record
from kdeploy.records.distill import Net, Verdict
from kdeploy.records.software import Software


class SweepRow(Part):
    """One variant. Accuracies are on the test part, in the order of the seeds."""

    variant: str
    run: str  # its name, which every verb takes
    teacher_accuracy: float
    students: tuple[Net, ...]
    baselines: tuple[Net, ...]
    verdict: Verdict
    parameters: int
    loss: str
    steps: int
    test_inputs: int
    fingerprints: dict[str, str]
    software: Software


class SweepRecord(Record):
    """The variants in the order of the recipe."""

    SCHEMA: ClassVar[str] = "kdeploy.sweep/1"

    name: str
    rows: tuple[SweepRow, ...]
