"""What `kdeploy sweep` answers: the variants of one recipe side by side, from their records."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
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

    def errors(self, accuracy: float) -> int:
        """How many test inputs a net of this accuracy gets wrong."""
        return round((1 - accuracy) * self.test_inputs)

    def errors_of(self, nets: Sequence[Net]) -> tuple[str, str]:
        """The mean and each net's errors, as words of a table; dashes when there is no net."""
        if not nets:
            return "-", "-"
        errors = [self.errors(net.test_accuracy) for net in nets]
        return f"{fmean(errors):.1f}", " ".join(map(str, errors))


class SweepRecord(Record):
    """The variants in the order of the recipe."""

    SCHEMA: ClassVar[str] = "kdeploy.sweep/1"

    name: str
    rows: tuple[SweepRow, ...]
