"""One recipe on its way through the stages, and the one door to what they have done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from kdeploy.errors import KdeployError
from kdeploy.pipeline.stage import R, Stage, StageKey
from kdeploy.pipeline.store import Store
from kdeploy.recipe.models import Recipe
from kdeploy.records.preprocessing import Preprocessing
from kdeploy.system.progress import Progress

if TYPE_CHECKING:
    from kdeploy.samples.sampleset import SampleSet


class TeacherSource(NamedTuple):
    """What a teacher comes with that its recipe only names.

    Args:
        file: an ONNX file, or the weights of a torch module.
        preprocessing, class_names: of the student of an earlier run.
    """

    file: Path | None = None
    preprocessing: Preprocessing | None = None
    class_names: tuple[str, ...] | None = None


@dataclass
class Job:
    """One recipe on its way through the stages.

    Args:
        source: what `kdeploy.samples.sources.load` takes, with resolved paths.
        content: the content hash of that source.
        missing: packages that are not here, each with what to install; a job that is only planned may have some.
        teacher_sources: what each teacher comes with.
        require_exact: refuse checkpoints from which a training would not end with the same bits?
        prints: the fingerprint of each stage.
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
    progress: Progress = field(default_factory=Progress)
    prints: dict[StageKey, str] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)
    _opened: SampleSet | None = field(default=None, repr=False)
    _doing: Stage[Any] | None = field(default=None, repr=False)

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
        return self.store.has(stage.name, self.prints[stage.key])

    def folder(self, stage: Stage[Any]) -> Path:
        """The folder of a stage that is done."""
        self._must_declare(stage)
        return self.store.folder(stage.name, self.prints[stage.key])

    def read(self, stage: Stage[R]) -> R:
        """The record of a stage that is done."""
        self._must_declare(stage)
        return self.store.read(stage.name, self.prints[stage.key], stage.record)

    def find(self, stage: Stage[R]) -> R | None:
        """The record of a stage, or None when it is not done."""
        return self.read(stage) if self.has(stage) else None

    def samples(self) -> SampleSet:
        """The sample set; its arrays are hashed when it is opened, so it is opened once a job."""
        from kdeploy.pipeline.samples import SAMPLES
        from kdeploy.samples.sampleset import SampleSet

        folder = self.folder(SAMPLES)
        if self._opened is None:
            self._opened = SampleSet.open(folder)
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
