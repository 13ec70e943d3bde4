"""`runs/<name>.json`: what RUN means on the command line."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple, Self

from kdeploy.records.base import Part, Record


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


class DoneStage(Part):
    """A stage that a run has done: its fingerprint, and the seal of its record."""

    fingerprint: str
    seal: str


class RunRecord(Record):
    """The settings of a recipe's last run, the fingerprint of each of its stages, and those that it has done."""

    SCHEMA: ClassVar[str] = "kdeploy.run/3"

    name: str
    recipe: dict[str, Any]  # as validated, overrides included
    recipe_path: str
    base: str  # the folder that model files of the recipe are relative to
    data_root: str
    threads: int  # of trainings that do not say how many
    planned: dict[str, str]
    stages: dict[str, DoneStage]

    @property
    def prints(self) -> dict[StageKey, str]:
        """The fingerprints of the stages that the run has done."""
        return {StageKey.parse(name): done.fingerprint for name, done in self.stages.items()}

    @property
    def seals(self) -> dict[tuple[StageKey, str], str]:
        """The seals that the run has seen, by stage and fingerprint."""
        return {(StageKey.parse(name), done.fingerprint): done.seal for name, done in self.stages.items()}
