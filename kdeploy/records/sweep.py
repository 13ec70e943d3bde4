"""Runs side by side: the variants of a recipe as `kdeploy sweep` answers, and any runs, of `kdeploy report A B`."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import ClassVar

from kdeploy.formatting import numbers
from kdeploy.outputs.terms import OutputsName
from kdeploy.records.base import Part, Record
from kdeploy.records.bench import Status
from kdeploy.records.distill import Network, Verdict, mean_accuracy
from kdeploy.records.software import ComputedOn
from kdeploy.records.table import Row, Table


class SweepRow(Part):
    """One variant. Accuracies are on the test part, in the order of the seeds."""

    variant: str
    run: str  # its name, which every verb takes
    teacher: str = ""  # its name; empty in a record from before 2.1
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
    outputs: OutputsName = "classes"

    def row(self) -> Row:
        """The variant as a row: means over the seeds, and the errors of each; None where there is no network."""
        seeds, inputs = self.verdict.seeds_interval or (None, None), self.verdict.inputs_interval or (None, None)
        return {
            "variant": self.variant,
            "run": self.run,
            "teacher_accuracy": self.teacher_accuracy,
            "student_accuracy": mean_accuracy(self.students),
            "baseline_accuracy": mean_accuracy(self.baselines),
            "student_agreement": fmean(network.test_agreement for network in self.students),
            "seeds": len(self.students),
            "teacher_errors": self._count(self.teacher_accuracy),
            **self._errors("student", self.students),
            **self._errors("baseline", self.baselines),
            "verdict": self.verdict.status if self.baselines else None,
            "difference": self.verdict.difference,
            "seeds_low": seeds[0],
            "seeds_high": seeds[1],
            "inputs_low": inputs[0],
            "inputs_high": inputs[1],
            "loss": self.loss,
            "parameters": self.parameters,
            "steps": self.steps,
            "test_inputs": self.test_inputs,
        }

    @property
    def counts(self) -> bool:
        """Is a quality a share of the test inputs, so that the others are errors?"""
        return self.outputs == "classes"

    def errors(self, quality: float) -> int:
        """How many test inputs a network of this quality gets wrong, or says otherwise than the teacher."""
        return round((1 - quality) * self.test_inputs)

    def _count(self, quality: float | None) -> int | None:
        return None if quality is None or not self.counts else self.errors(quality)

    def _errors(self, role: str, networks: Sequence[Network]) -> Row:
        errors = [self.errors(network.quality) for network in networks if self.counts]
        return {
            f"{role}_errors": fmean(errors) if errors else None,
            f"{role}_errors_per_seed": " ".join(map(str, errors)) or None,
        }

    @property
    def teacher_errors(self) -> str:
        """The teacher's, as a word of a table, or its quality where that counts none; a dash where only the teacher
        says what is right."""
        if self.teacher_accuracy is None:
            return "-"
        return str(self.errors(self.teacher_accuracy)) if self.counts else numbers.percent(self.teacher_accuracy)

    def errors_of(self, networks: Sequence[Network]) -> tuple[str, str]:
        """The mean and each network's errors, or qualities, as words of a table; dashes when there is no network."""
        if not networks:
            return "-", "-"
        if not self.counts:
            qualities = [network.quality for network in networks]
            return numbers.percent(fmean(qualities)), " ".join(map(numbers.hundredths, qualities))
        errors = [self.errors(network.quality) for network in networks]
        return f"{fmean(errors):.1f}", " ".join(map(str, errors))


class SweepRecord(Table, Record):
    """The variants in the order of the recipe."""

    SCHEMA: ClassVar[str] = "kdeploy.sweep/2.1"

    name: str
    rows: tuple[SweepRow, ...]

    def to_rows(self) -> list[Row]:
        """A row for each variant; accuracies are means over its seeds."""
        return [row.row() for row in self.rows]


class ComparedTime(Part):
    """The student and the teacher of a run in one setting: medians in ns, `ratio` = teacher / student, its interval."""

    runtime: str
    batch: int
    threads: int
    student_ns: int | None
    teacher_ns: int | None
    ratio: float | None
    low: float | None
    high: float | None
    status: Status


class ComparedRun(Part):
    """One of several runs; accuracies and agreements are on the test part, one a seed.

    `gate`, `multiply_adds`, `bytes` and `times` are those of an exported student; a sweep ends before the export.
    """

    name: str
    teacher: str
    teacher_accuracy: float | None  # null where nothing is labelled
    accuracies: tuple[float, ...]
    agreements: tuple[float, ...]
    baseline_accuracies: tuple[float, ...]
    verdict: str | None  # null without a baseline
    difference: float | None
    gate: bool | None
    parameters: int
    multiply_adds: int | None
    bytes: int | None
    samples: str  # the fingerprint of its sample set
    host: str | None  # where it was timed
    times: tuple[ComparedTime, ...]
    outputs: OutputsName = "classes"

    def row(self) -> Row:
        return {
            "run": self.name,
            "teacher": self.teacher,
            "teacher_accuracy": self.teacher_accuracy,
            "student_accuracy": fmean(self.accuracies) if self.accuracies else None,
            "student_agreement": fmean(self.agreements),
            "baseline_accuracy": fmean(self.baseline_accuracies) if self.baseline_accuracies else None,
            "seeds": len(self.agreements),
            "verdict": self.verdict,
            "difference": self.difference,
            "gate": self.gate,
            "parameters": self.parameters,
            "multiply_adds": self.multiply_adds,
            "bytes": self.bytes,
        }


class ComparedRuns(Table, Record):
    """Several runs, in the order they were named. `notes`: what does not compare, a sentence each."""

    SCHEMA: ClassVar[str] = "kdeploy.compared-runs/1"

    runs: tuple[ComparedRun, ...]
    notes: tuple[str, ...]

    def to_rows(self) -> list[Row]:
        """A row for each run and setting that it was timed in; one without times where it was not."""
        columns = ("runtime", "batch", "threads", "student_ns", "teacher_ns", "ratio", "low", "high", "status")
        return [
            {**run.row(), **{name: getattr(time, name, None) for name in columns}}
            for run in self.runs
            for time in run.times or (None,)
        ]
