"""One recipe on its way through the stages, and the one door to what they have done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdeploy.errors import KdeployError
from kdeploy.pipeline.stage import R, Stage
from kdeploy.pipeline.store import Store
from kdeploy.recipe.models import Recipe
from kdeploy.recipe.training import Training
from kdeploy.records.provenance import Finished
from kdeploy.records.run import StageKey
from kdeploy.records.teacher import TeacherSource
from kdeploy.system.known_hashes import KnownHashes
from kdeploy.system.progress import Progress
from kdeploy.training.options import TrainingOptions
from kdeploy.training.settings import training_options

if TYPE_CHECKING:
    from kdeploy.samples.sampleset import SampleSet


@dataclass
class Job:
    """One recipe on its way through the stages.

    Args:
        source: what `kdeploy.samples.sources.load` takes, with resolved paths.
        content: the content hash of that source.
        missing: packages that are not here, each with what to install; a job that is only planned may have some.
        teacher_sources: what each teacher comes with.
        require_exact: refuse checkpoints from which a training would not end with the same bits?
        threads: of a training that does not say how many.
        outside_tried: were student and loss from outside tried in this process?
        waits: for another process that works on a stage, or is that an error?
        prints: the fingerprint of each stage.
        seals: that of the record of each stage, as the run's index has it or as it was just written.
        ran: the stages that were done, and not found done, in order.
    """

    recipe: Recipe
    store: Store
    source: dict[str, Any]
    content: str
    teacher_sources: tuple[TeacherSource, ...] = (TeacherSource(),)
    missing: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    require_exact: bool = False
    threads: int = 1
    waits: bool = False
    progress: Progress = field(default_factory=Progress)
    known: KnownHashes = field(default_factory=KnownHashes)
    prints: dict[StageKey, str] = field(default_factory=dict)
    seals: dict[tuple[StageKey, str], str] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)
    outside_tried: bool = False
    _opened: SampleSet | None = field(default=None, repr=False)
    _doing: Stage[Any] | None = field(default=None, repr=False)

    def training_options(self, section: Training) -> TrainingOptions:
        """What the recipe chose about a training."""
        return training_options(section, exact=self.require_exact, threads=self.threads)

    @property
    def count(self) -> int:
        """How many teachers the job has."""
        return len(self.recipe.members)

    def members(self, stage: Stage[R]) -> list[Stage[R]]:
        """The stage of each teacher: itself where there is one."""
        if self.count == 1 or stage.member is None:
            return [stage]
        return [stage.member(number) for number in range(self.count)]

    @contextmanager
    def doing(self, stage: Stage[Any]) -> Iterator[None]:
        """While a stage is done, it opens what it declares to read, and nothing else."""
        self._doing = stage
        try:
            yield
        finally:
            self._doing = None

    def has(self, stage: Stage[Any]) -> bool:
        """Is a stage done?"""
        return self.store.has(*self._place(stage))

    def finished(self, stage: Stage[Any]) -> Finished:
        """What the record of a stage that is done says of its files and of what they were made from."""
        return self.store.finished(*self._place(stage), self._seen(stage))

    def folder(self, stage: Stage[Any]) -> Path:
        """The folder of a stage that is done, whose files are as they were written."""
        self._must_declare(stage)
        return self.store.files(*self._place(stage), self._seen(stage))

    def read(self, stage: Stage[R]) -> R:
        """The record of a stage that is done."""
        self._must_declare(stage)
        return self.store.read(*self._place(stage), stage.record, self._seen(stage))

    def _place(self, stage: Stage[Any]) -> tuple[str, str]:
        return stage.name, self.prints[stage.key]

    def _seen(self, stage: Stage[Any]) -> str | None:
        """The seal of a stage when the run last saw it."""
        return self.seals.get((stage.key, self.prints[stage.key]))

    def find(self, stage: Stage[R]) -> R | None:
        """The record of a stage, or None when it is not done."""
        return self.read(stage) if self.has(stage) else None

    def samples(self) -> SampleSet:
        """The sample set; its arrays are hashed when it is opened, unless that is known, so it is opened once a job."""
        from kdeploy.pipeline.samples import SAMPLES
        from kdeploy.samples.sampleset import SampleSet

        self._must_declare(SAMPLES)
        if self._opened is None:
            self._opened = SampleSet.open(self.folder(SAMPLES), self.known)
        return self._opened

    def _must_declare(self, stage: Stage[Any]) -> None:
        """A result that rests on what is not in its fingerprint would be reused when that changed."""
        doing = self._doing
        if doing is None or stage.name in {read.name for read in doing.reads}:
            return
        # what several teachers come to rests on each of them
        if stage.name == doing.name and stage.number is not None and doing.number is None:
            return
        must = f"must declare that it reads {stage.name} before it opens it"
        advice = f"Add it to its `reads` in kdeploy.pipeline.{doing.name}."
        raise KdeployError(f"stage {doing.key}", must, advice=advice)
