"""One recipe on its way through the stages, and what a stage is to the pipeline."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from kdeploy.pipeline.fingerprints import kind_of
from kdeploy.pipeline.store import Store
from kdeploy.recipe.models import Recipe
from kdeploy.records.base import Record
from kdeploy.records.bench import BenchRecord
from kdeploy.records.bundle import BundleRecord
from kdeploy.records.distill import DistillRecord
from kdeploy.records.export import ExportRecord
from kdeploy.records.labels import LabelsRecord
from kdeploy.records.parity import VerifyRecord
from kdeploy.records.report import ReportRecord
from kdeploy.records.samples import SamplesRecord
from kdeploy.records.teacher import TeacherRecord
from kdeploy.system.progress import Progress

if TYPE_CHECKING:
    from kdeploy.samples.sampleset import SampleSet

RECORDS: dict[str, type[Record]] = {
    "samples": SamplesRecord,
    "teacher": TeacherRecord,
    "labels": LabelsRecord,
    "distill": DistillRecord,
    "export": ExportRecord,
    "verify": VerifyRecord,
    "bench": BenchRecord,
    "bundle": BundleRecord,
    "report": ReportRecord,
}


@dataclass
class Job:
    """One recipe on its way through the stages.

    Args:
        source: what `kdeploy.samples.sources.load` takes, with resolved paths.
        content: the content hash of that source.
        missing: packages that are not here, each with what to install; a job that is only planned may have some.
        teacher_files: of each teacher, an ONNX file or the weights of a torch one; resolved.
        require_exact: refuse checkpoints from which a training would not end with the same bits?
    """

    recipe: Recipe
    store: Store
    source: dict[str, Any]
    content: str
    teacher_files: tuple[Path | None, ...] = (None,)
    missing: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    require_exact: bool = False
    progress: Progress = field(default_factory=Progress)
    prints: dict[str, str] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)
    _opened: SampleSet | None = field(default=None, repr=False)

    @property
    def count(self) -> int:
        """How many teachers the job has."""
        return len(self.recipe.members)

    def member(self, stage: str, number: int) -> str:
        """The name of one teacher's stage: `teacher` when there is one teacher, else `teacher-3`."""
        return stage if self.count == 1 else f"{stage}-{number}"

    def members(self, stage: str) -> list[str]:
        """The stages of a kind, one for each teacher."""
        return [self.member(stage, number) for number in range(self.count)]

    def folder(self, stage: str) -> Path:
        return self.store.folder(stage, self.prints[stage])

    def samples(self) -> SampleSet:
        """The sample set; its arrays are hashed when it is opened, so it is opened once a job."""
        from kdeploy.samples.sampleset import SampleSet

        if self._opened is None:
            self._opened = SampleSet.open(self.folder("samples"))
        return self._opened

    def split(self) -> dict[str, int]:
        """The counts of parts that the recipe sets."""
        return {part: count for part, count in self.recipe.data.split.model_dump().items() if count is not None}

    def division(self) -> dict[str, Any]:
        """How the recipe divides its data, as `kdeploy.samples.sources.load` takes it."""
        data = self.recipe.data
        return {
            "split": self.split(),
            "seed": data.seed,
            "transfer": data.transfer.chosen(),
            "duplicates": data.duplicates,
        }

    def read(self, stage: str) -> Any:  # noqa: ANN401 - the record class depends on the name
        """The record of a stage that is done."""
        return self.store.read(stage, self.prints[stage], RECORDS[kind_of(stage)])

    def find(self, stage: str) -> Any:  # noqa: ANN401 - as above
        """The record of a stage, or None when it is not done."""
        return self.read(stage) if self.store.has(stage, self.prints[stage]) else None


class Stage(NamedTuple):
    """One stage: the stages it reads, what else its result depends on, and its call."""

    reads: tuple[str, ...]
    settings: Callable[[Job], dict[str, Any]]
    run: Callable[[Job, Path], Record]
