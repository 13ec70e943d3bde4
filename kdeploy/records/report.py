"""The results of a run in one document: `kdeploy run --json` prints it, and the report is drawn from it.

Qualities (`test_accuracy`: what the kind of outputs calls quality, of classes accuracy) and agreements are fractions of
1; `drop_points` and gate figures of quality are percentage points.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from kdeploy.outputs.by_name import kind_of
from kdeploy.outputs.kind import Kind
from kdeploy.outputs.terms import OutputsName
from kdeploy.records.base import Part, Record, Unavailable
from kdeploy.records.bench import Seen, Status
from kdeploy.records.circumstances import Host
from kdeploy.records.distill import Agreement, Gap, Verdict
from kdeploy.records.export import Bottleneck, FormName
from kdeploy.records.samples import DuplicatesInfo
from kdeploy.records.software import ComputedOn
from kdeploy.records.table import Row, Table

AGREEMENT = "agreement with the teacher"  # what is said of quality where nothing is labelled

GateKey = Literal["max_drop", "min_agreement", "min_speedup"]


class GateResult(Part):
    """One requirement of a recipe's gate.

    `max_drop`: percentage points below the teacher, mean over seeds. `min_agreement`: percent of the test inputs, the
    exported student. `min_speedup`: the smallest lower bound of all
    speed-ups timed, null when one of them has none; a missing number fails the gate.
    """

    key: GateKey
    required: float
    measured: float | None
    passed: bool
    text: str


class TeacherScore(Part):
    """The teacher as exported."""

    name: str
    test_accuracy: float | None  # null where nothing is labelled
    held_out_accuracy: float | None
    parameters: int
    multiply_adds: int
    bytes: int
    others: Mapping[str, float] = Field(default_factory=dict)  # further qualities on the test part, by name

    @property
    def quality(self) -> float:
        """Test accuracy; where nothing is labelled its agreement with itself."""
        return 1.0 if self.test_accuracy is None else self.test_accuracy


class SeedScore(Part):
    """One trained network; the agreements are with the teacher's top-1."""

    seed: int
    test_accuracy: float | None
    test_agreement: float
    held_out_accuracy: float | None
    held_out_agreement: float

    @property
    def quality(self) -> float:
        """Test accuracy; where nothing is labelled agreement with the teacher."""
        return self.test_agreement if self.test_accuracy is None else self.test_accuracy


class BaselineScore(Part):
    """Networks of one kind over seeds: accuracy and agreement are their means, the costs those of the exported file.

    `exported_seed` and the costs are null for a network that was not exported.
    """

    test_accuracy: float | None
    test_agreement: float
    parameters: int
    multiply_adds: int | None
    bytes: int | None
    per_seed: tuple[SeedScore, ...]
    exported_seed: int | None
    others: Mapping[str, float] = Field(default_factory=dict)  # further qualities, their means over seeds

    @property
    def quality(self) -> float:
        """Test accuracy; where nothing is labelled agreement with the teacher."""
        return self.test_agreement if self.test_accuracy is None else self.test_accuracy


class StudentScore(BaselineScore):
    """The student, which is always exported."""

    multiply_adds: int
    bytes: int
    exported_seed: int


class FormCost(Part):
    """What one form of the bottleneck costs; `latency_ns` is the median on the target at batch 1."""

    form: FormName
    parameters: int
    multiply_adds: int
    bytes: int
    latency_ns: int | None


class BottleneckScore(Bottleneck):
    """Which form ships and why, with the costs of all forms."""

    forms: tuple[FormCost, ...]


class BenchRow(Part):
    """Student against teacher in one setting: `ratio` = teacher / student, `low` and `high` its interval."""

    runtime: str
    batch: int
    threads: int
    ratio: float | None
    low: float | None
    high: float | None
    level: float | None
    pairs: int
    status: Status
    reasons: tuple[str, ...]
    claim: str
    teacher_ns: int | None
    student_ns: int | None
    null_low: float | None
    null_high: float | None
    seen: Seen | None = None  # with all that disturbed it; where nothing counts, there is nothing else


class ParitySummary(Part):
    """One model through one runtime."""

    model: str
    runtime: str
    inputs: int
    max_abs_error: float
    budget: float
    agreement: float
    flips: int
    passed: bool
    oracle: str = "float64"  # who said what must be answered


class MachineSummary(Part):
    """The machines of a run: `software` where it was trained, `host` where it was timed (null when nothing was)."""

    host: Host | None
    software: ComputedOn
    runtimes: dict[str, str]


class Summary(Table, Record):
    """A run, from its records alone."""

    SCHEMA: ClassVar[str] = "kdeploy.report/4"

    name: str
    recipe: dict[str, Any]
    stages_run: tuple[str, ...]  # empty when every stage was reused
    samples: dict[str, int]  # in each part
    duplicates: DuplicatesInfo | None = None
    assumed: tuple[str, ...] = ()  # about the data
    doubts: tuple[str, ...] = ()  # what must not be overlooked, a sentence each
    teacher: TeacherScore
    student: StudentScore
    baseline: BaselineScore | None
    drop_points: float | None  # below the teacher; null where nothing is labelled, as `gap` is
    gap: Gap | None
    agreement: Agreement  # of the shipped student with the teacher, test part
    verdict: Verdict
    bottleneck: BottleneckScore
    bench: tuple[BenchRow, ...]
    parity: tuple[ParitySummary, ...]
    bundle: str | None
    gate: tuple[GateResult, ...]
    machine: MachineSummary
    unavailable: tuple[Unavailable, ...]
    outputs: OutputsName = "classes"

    @property
    def kind(self) -> Kind:
        """The kind of outputs."""
        return kind_of(self.outputs)

    @property
    def metric(self) -> str:
        """What the `quality` of a model is, in words."""
        return AGREEMENT if self.teacher.test_accuracy is None else f"test {self.kind.metric}"

    def to_rows(self) -> list[Row]:
        """A row for the teacher, the student and, where there is one, the same network on labels alone."""
        scores: dict[str, TeacherScore | BaselineScore | None] = {
            "teacher": self.teacher,
            "student": self.student,
            "baseline": self.baseline,
        }
        return [_row(role, score) for role, score in scores.items() if score is not None]


def _row(role: str, score: TeacherScore | BaselineScore) -> Row:
    seeds = None if isinstance(score, TeacherScore) else len(score.per_seed)
    columns = ("test_accuracy", "test_agreement", "parameters", "multiply_adds", "bytes")
    return {"model": role, "seeds": seeds, **{name: getattr(score, name, None) for name in columns}}


class ReportFile(Part):
    """A file beside the record."""

    file: str
    sha256: str
    bytes: int


class ReportRecord(Record):
    """A report. Files beside it: the page, what it was drawn from as JSON, the same for a README, and a table.

    `decisions` is null for a benchmark alone, which knows no test part, and where outputs are no classes.
    """

    SCHEMA: ClassVar[str] = "kdeploy.report-files/3.1"

    page: ReportFile
    data: ReportFile
    markdown: ReportFile
    table: ReportFile
    decisions: ReportFile | None = None

    @property
    def files(self) -> tuple[ReportFile, ...]:
        always = self.page, self.data, self.markdown, self.table
        return always if self.decisions is None else (*always, self.decisions)
