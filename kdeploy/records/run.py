"""`runs/<name>.json`: what RUN means on the command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, Self

from kdeploy.records.base import Record


class StageKey(NamedTuple):
    """One work of a job: a stage, or that of one of several teachers; `teacher` and `teacher-3` for people."""

    stage: str
    number: int | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """The key that is written so."""
        stage, _, number = text.partition("-")
        return cls(stage, int(number) if number else None)

    def __str__(self) -> str:
        return self.stage if self.number is None else f"{self.stage}-{self.number}"


class RunRecord(Record):
    """The settings of a recipe's last run, and the fingerprint of each of its stages."""

    SCHEMA: ClassVar[str] = "kdeploy.run/3"

    name: str
    recipe: dict[str, Any]  # as validated, overrides included
    recipe_path: str
    base: str  # the folder that model files of the recipe are relative to
    data_root: str
    threads: int  # of trainings that do not say how many
    stages: dict[str, str]  # that it has done, each its fingerprint
    seals: dict[str, str]  # of the records of those
    planned: dict[str, str]  # that are still to come

    @property
    def prints(self) -> dict[StageKey, str]:
        """The fingerprints of the stages that the run has done."""
        return _by_key(self.stages)

    @property
    def seen(self) -> dict[tuple[StageKey, str], str]:
        """The seals that the run has seen, by stage and fingerprint."""
        return {(StageKey.parse(name), self.stages[name]): seal for name, seal in self.seals.items()}

    @property
    def named(self) -> set[tuple[str, str]]:
        """The folders that the run has made or will make, each the name of a stage and a fingerprint."""
        keys = (*self.prints.items(), *_by_key(self.planned).items())
        return {(key.stage, fingerprint) for key, fingerprint in keys}


def _by_key(stages: Mapping[str, str]) -> dict[StageKey, str]:
    return {StageKey.parse(name): fingerprint for name, fingerprint in stages.items()}
