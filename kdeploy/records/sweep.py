"""What `kdeploy sweep` answers: the variants of one recipe side by side, from their records."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import ClassVar

from kdeploy.records.base import Part, Record
from kdeploy.records.distill import Network, Verdict, mean_accuracy
from kdeploy.records.software import ComputedOn
from kdeploy.records.table import Row, Table


class SweepRow(Part):
    """One variant. Accuracies are on the test part, in the order of the seeds."""

    variant: str
    run: str  # its name, which every verb takes
    teacher_accuracy: float | None  # null where nothing is labelled
    students: tuple[Network, ...]
    baselines: tuple[Network, ...]
    verdict: Verdict
    parameters: int
    loss: str
    steps: int
    test_inputs: int
    fingerprints: dict[str, str]
    software: ComputedOn

    def row(self) -> Row:
        """The variant as a row; accuracies are means over the seeds, None where there is no network."""
        return {
            "variant": self.variant,
            "run": self.run,
            "teacher_accuracy": self.teacher_accuracy,
            "student_accuracy": mean_accuracy(self.students),
            "baseline_accuracy": mean_accuracy(self.baselines),
            "seeds": len(self.students),
            "verdict": self.verdict.status if self.baselines else None,
            "difference": self.verdict.difference,
            "parameters": self.parameters,
            "steps": self.steps,
            "test_inputs": self.test_inputs,
        }

    def errors(self, quality: float) -> int:
        """How many test inputs a network of this quality gets wrong, or says otherwise than the teacher."""
        return round((1 - quality) * self.test_inputs)

    @property
    def teacher_errors(self) -> str:
        """The teacher's, as a word of a table; a dash where only the teacher says what is right."""
        return "-" if self.teacher_accuracy is None else str(self.errors(self.teacher_accuracy))

    def errors_of(self, networks: Sequence[Network]) -> tuple[str, str]:
        """The mean and each network's errors, as words of a table; dashes when there is no network."""
        if not networks:
            return "-", "-"
        errors = [self.errors(network.quality) for network in networks]
        return f"{fmean(errors):.1f}", " ".join(map(str, errors))


class SweepRecord(Table, Record):
    """The variants in the order of the recipe."""

    SCHEMA: ClassVar[str] = "kdeploy.sweep/2"

    name: str
    rows: tuple[SweepRow, ...]

    def to_rows(self) -> list[Row]:
        """A row for each variant; accuracies are means over its seeds."""
        return [row.row() for row in self.rows]
