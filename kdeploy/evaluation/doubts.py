"""What a reader of a run's figures must not overlook: a teacher that guesses, a student that learned little.

    near chance   p <= c + (1 - c) / 4, with c the quality of who knows nothing, of classes 1 / their number
    far below     teacher - student > (teacher - c) / 4, mean over seeds

The quarter is a convention: what is on the wrong side of it has a cause that figures alone do not show.
"""

from __future__ import annotations

from kdeploy.formatting import numbers
from kdeploy.outputs.by_name import kind_of
from kdeploy.records.distill import DistillRecord, mean_accuracy
from kdeploy.records.teacher import TeacherRecord

SHARE = 4  # of the way from chance to certainty, or to the teacher


def of_run(teacher: TeacherRecord, distill: DistillRecord) -> tuple[str, ...]:
    """Sentences on a run, each with what to do; none where nothing is to be said."""
    return tuple(filter(None, (of_teacher(teacher), _of_student(teacher, distill), _of_agreement(teacher, distill))))


def of_teacher(teacher: TeacherRecord) -> str | None:
    """A sentence on a teacher that is hardly better than guessing; None for others, and where nothing is labelled."""
    right, chance, kind = teacher.test_accuracy, _chance(teacher), kind_of(teacher.outputs)
    if right is None or chance is None or not near_chance(right, chance):
        return None
    if teacher.outputs != "classes":
        return (
            f"The teacher has {kind.metric} {numbers.percent(right)} on the test inputs, little more than who knows "
            "nothing: find out how its inputs were prepared (teacher.preprocess), and which outputs it has."
        )
    return (
        f"The teacher is right on {numbers.percent(right)} of the test inputs, little more than chance: find out how "
        "its inputs were prepared (teacher.preprocess), and in which order its classes are."
    )


def near_chance(share: float, chance: float) -> bool:
    """Is a share of right answers little more than guessing gives?

    >>> near_chance(0.3, 0.1), near_chance(0.5, 0.1)
    (True, False)
    """
    return share <= chance + (1 - chance) / SHARE


def _of_student(teacher: TeacherRecord, distill: DistillRecord) -> str | None:
    right, student, chance = teacher.test_accuracy, mean_accuracy(distill.students), _chance(teacher)
    if right is None or student is None or right - student <= (right - (chance or 0.0)) / SHARE:
        return None
    return (
        f"The student is far below its teacher, {numbers.percent(student)} against {numbers.percent(right)}: make "
        "it wider, raise distill.epochs, or give more unlabelled inputs."
    )


def _of_agreement(teacher: TeacherRecord, distill: DistillRecord) -> str | None:
    same, chance = distill.agreement.value, _chance(teacher)
    if chance is None or not near_chance(same, chance):
        return None
    agrees = kind_of(teacher.outputs).agrees(numbers.percent(same), "the test inputs")
    return (
        f"The student {agrees.replace('the teacher says', 'its teacher says')}, little more than "
        "chance: it has not learned from it. Raise distill.epochs, or look at the views."
    )


def _chance(teacher: TeacherRecord) -> float | None:
    return kind_of(teacher.outputs).chance(len(teacher.class_names))
