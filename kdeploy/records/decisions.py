"""What the shipped student, its teacher and the labels say of the test part: how often which class is taken for which,
and on which samples student and teacher differ.

Classes are places in `class_names`, samples are indices in the sample set; there are no inputs in it.
"""

from __future__ import annotations

from typing import ClassVar

from kdeploy.records.base import Part, Record


class Taken(Part):
    """How many inputs of the class `given` got the class `answer`; pairs that never came are left out."""

    given: int
    answer: int
    count: int


class Disagreement(Part):
    """A sample on which student and teacher differ, with the probability that each gives its own answer."""

    sample: int
    label: int | None  # null where it has none
    teacher: int
    teacher_probability: float
    student: int
    student_probability: float


class Decisions(Record):
    """The top-1 answers to the test part.

    `of_teacher`: the student's answers by those of the teacher. `of_labels`, `teacher_of_labels`: the student's and the
    teacher's by the label, over the labelled inputs. `differences`: those on which both are the surest come first; no
    more than the first few hundred are kept, `differing` counts them all.
    """

    SCHEMA: ClassVar[str] = "kdeploy.decisions/1"

    class_names: tuple[str, ...]
    inputs: int
    labeled: int
    differing: int
    of_teacher: tuple[Taken, ...]
    of_labels: tuple[Taken, ...]
    teacher_of_labels: tuple[Taken, ...]
    differences: tuple[Disagreement, ...]
