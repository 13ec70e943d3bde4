"""What a stage is to the pipeline: its record, the stages it reads, what else its result depends on, and its call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from kdeploy.records.base import Record
from kdeploy.records.run import StageKey

if TYPE_CHECKING:
    from kdeploy.pipeline.job import Job

R = TypeVar("R", bound=Record)


@dataclass(frozen=True)
class Stage(Generic[R]):
    """One stage.

    Args:
        name: what people call it, and its folder in the store.
        record: what its record is.
        reads: the stages whose records and files it opens; it can open no other.
        settings: what its result depends on besides what it reads, plain JSON values.
        run: does it in a folder; its record.
        number: of one of several teachers.
        member: the stage of one of several teachers, by its number; None for a stage that every job has once.
        depends: content hashes or fingerprints, by name, beside or in place of those of what it reads.
        measures: may it say something else when it is done again? All others end with the same bits.
        trains: does it train, on every process of a distributed run?
    """

    name: str
    record: type[R]
    reads: tuple[Stage[Any], ...]
    settings: Callable[[Job], dict[str, Any]]
    run: Callable[[Job, Path], R]
    number: int | None = None
    member: Callable[[int], Stage[R]] | None = None
    depends: Callable[[Job], dict[str, str]] = lambda _job: {}
    measures: bool = False
    trains: Callable[[Job], bool] = lambda _job: False

    @property
    def key(self) -> StageKey:
        return StageKey(self.name, self.number)


def for_each_teacher(
    name: str,
    record: type[R],
    reads: tuple[Stage[Any], ...],
    settings: Callable[[Job, int], dict[str, Any]],
    run: Callable[[Job, Path, int], R],
    combine: Callable[[Job, Path], R],
    depends: Callable[[Job], dict[str, str]] = lambda _job: {},
    trains: Callable[[Job, int], bool] = lambda _job, _number: False,
) -> Stage[R]:
    """A stage that is done for each of a job's teachers, and then combines them where there are several.

    Args:
        settings, run, trains: of the teacher of a number.
        combine: the members, which are done, as one.
    """

    def member(number: int) -> Stage[R]:
        own = tuple(read if read.member is None else read.member(number) for read in reads)
        return Stage(
            name,
            record,
            own,
            lambda job: settings(job, number),
            lambda job, folder: run(job, folder, number),
            number,
            depends=depends,
            trains=lambda job: trains(job, number),
        )

    return Stage(
        name,
        record,
        reads,
        lambda job: settings(job, 0) if job.count == 1 else job.recipe.combination,
        lambda job, folder: run(job, folder, 0) if job.count == 1 else combine(job, folder),
        member=member,
        depends=depends,
        trains=lambda job: job.count == 1 and trains(job, 0),
    )
