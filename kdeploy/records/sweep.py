"""What `kdeploy sweep` answers: the variants of one recipe side by side, from their records."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import ClassVar

from kdeploy.records.base import Part, Record
from kdeploy.records.distill import Network, Verdict
from kdeploy.records.software import ComputedOn
from kdeploy.records.table import Row, Table


class SweepRow(Part):
    """One variant. Accuracies are on the test part, in the order of the seeds."""

    variant: str
    run: str  # its name, which every verb takes
    teacher_accuracy: float
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
            "student_accuracy": _mean_accuracy(self.students),
            "baseline_accuracy": _mean_accuracy(self.baselines),
            "seeds": len(self.students),
            "verdict": self.verdict.status if self.baselines else None,
            "difference": self.verdict.difference,
            "parameters": self.parameters,
            "steps": self.steps,
            "test_inputs": self.test_inputs,
        }

    def errors(self, accuracy: float) -> int:
        """How many test inputs a network of this accuracy gets wrong."""
        return round((1 - accuracy) * self.test_inputs)

    def errors_of(self, networks: Sequence[Network]) -> tuple[str, str]:
        """The mean and each network's errors, as words of a table; dashes when there is no network."""
        if not networks:
            return "-", "-"
        errors = [self.errors(network.test_accuracy) for network in networks]
        return f"{fmean(errors):.1f}", " ".join(map(str, errors))


class SweepRecord(Table, Record):
    """The variants in the order of the recipe."""

    SCHEMA: ClassVar[str] = "kdeploy.sweep/2"

    name: str
    rows: tuple[SweepRow, ...]

    def to_rows(self) -> list[Row]:
        """A row for each variant; accuracies are means over its seeds."""
        return [row.row() for row in self.rows]


def _mean_accuracy(networks: Sequence[Network]) -> float | None:
    return fmean(network.test_accuracy for network in networks) if networks else None
