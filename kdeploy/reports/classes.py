"""Decisions by class, as a page shows them: a confusion matrix of few classes, a table with a row each of many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kdeploy.records.decisions import Decisions, Taken

MATRIX = 20  # more classes make a matrix that nobody reads
ROWS = 300  # of a table; the record has them all


@dataclass(frozen=True)
class Cell:
    """How many inputs; `share` of the row."""

    count: int
    share: float


@dataclass(frozen=True)
class MatrixRow:
    """The inputs of one class, by what the student took them for; `place` is that of the class itself."""

    name: str
    place: int
    total: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Matrix:
    """A confusion matrix. `rows_are` and `caption` say in words what the rows are."""

    rows_are: str
    caption: str
    rows: tuple[MatrixRow, ...]


@dataclass(frozen=True)
class ClassRow:
    """One class: its labelled inputs and who is right on them; how often the teacher says it and the student too.

    Shares are None where there is nothing to divide by. `instead` is the class that the student says most often where
    the teacher says this one and the student does not, `times` so many times.
    """

    name: str
    labeled: int
    student_right: float | None
    teacher_right: float | None
    said: int
    agreed: float | None
    instead: str
    times: int

    @property
    def lost(self) -> int:
        """How many inputs the student answers otherwise than the teacher does; the worst class has the most."""
        return self.said - round(self.said * (self.agreed or 0.0))


def matrices(decisions: Decisions) -> tuple[Matrix, ...]:
    """The student against the teacher, and against the labels where there are any; none of more than 20 classes."""
    names = decisions.class_names
    if len(names) > MATRIX:
        return ()
    given = [
        Matrix("Teacher says", "rows: what the teacher says", _matrix(decisions.of_teacher, names)),
        Matrix("Label", "rows: the label", _matrix(decisions.of_labels, names)),
    ]
    return tuple(given if decisions.labeled else given[:1])


def rows(decisions: Decisions) -> tuple[ClassRow, ...]:
    """A row for each class that was given or said, those first on which student and teacher differ the most."""
    width = len(decisions.class_names)
    counted = (decisions.of_teacher, decisions.of_labels, decisions.teacher_of_labels)
    teacher, labels, teacher_labels = (_by_class(taken, width) for taken in counted)
    found = (
        _class_row(decisions.class_names, place, teacher[place], labels[place], teacher_labels[place])
        for place in range(width)
    )
    return tuple(sorted((row for row in found if row.said or row.labeled), key=lambda row: -row.lost))


def _matrix(taken: Sequence[Taken], names: Sequence[str]) -> tuple[MatrixRow, ...]:
    counts = np.zeros((len(names), len(names)), np.int64)
    for one in taken:
        counts[one.given, one.answer] = one.count
    return tuple(_matrix_row(name, place, counts[place].tolist()) for place, name in enumerate(names))


def _matrix_row(name: str, place: int, counts: list[int]) -> MatrixRow:
    total = sum(counts)
    return MatrixRow(name, place, total, tuple(Cell(count, count / total if total else 0.0) for count in counts))


def _by_class(taken: Sequence[Taken], width: int) -> list[dict[int, int]]:
    """For each class that was given, the answers with their counts."""
    found: list[dict[int, int]] = [{} for _ in range(width)]
    for one in taken:
        found[one.given][one.answer] = one.count
    return found


def _class_row(
    names: Sequence[str], place: int, teacher: dict[int, int], labels: dict[int, int], teacher_labels: dict[int, int]
) -> ClassRow:
    others = {answer: count for answer, count in teacher.items() if answer != place}
    most = max(others, key=lambda answer: (others[answer], -answer), default=None)
    return ClassRow(
        name=names[place],
        labeled=sum(labels.values()),
        student_right=_share(labels, place),
        teacher_right=_share(teacher_labels, place),
        said=sum(teacher.values()),
        agreed=_share(teacher, place),
        instead="" if most is None else names[most],
        times=0 if most is None else others[most],
    )


def _share(counts: dict[int, int], place: int) -> float | None:
    total = sum(counts.values())
    return counts.get(place, 0) / total if total else None
