"""The samples on which student and teacher differ, as the page shows them: small pictures where they are pictures."""

from __future__ import annotations

from dataclasses import dataclass

from kdeploy.records.decisions import Decisions, Disagreement
from kdeploy.reports.pictures import Pixels, data_uri

SHOWN = 24


@dataclass(frozen=True)
class Shown:
    """One sample, with the names of the classes that were said of it; `picture` is None where it is none."""

    sample: int
    label: str | None
    teacher: str
    teacher_probability: float
    student: str
    student_probability: float
    picture: str | None


def shown(decisions: Decisions, pixels: Pixels | None) -> tuple[Shown, ...]:
    """The first of the differences.

    Args:
        pixels: gives the picture of a sample; None where samples are no pictures.
    """
    return tuple(_shown(one, decisions.class_names, pixels) for one in decisions.differences[:SHOWN])


def _shown(one: Disagreement, names: tuple[str, ...], pixels: Pixels | None) -> Shown:
    return Shown(
        sample=one.sample,
        label=None if one.label is None else names[one.label],
        teacher=names[one.teacher],
        teacher_probability=one.teacher_probability,
        student=names[one.student],
        student_probability=one.student_probability,
        picture=None if pixels is None else data_uri(pixels(one.sample)),
    )
