"""Which class the student, the teacher and the labels say, input by input of the test part, and where they differ.

    p(class) = exp(logit - max) / sum exp(logits - max)

Two answers differ the more, the surer both are: differences are in the order of p_student + p_teacher, each of its own
answer, the largest first.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kdeploy.evaluation.logits import stored_logits
from kdeploy.records.decisions import Decisions, Disagreement, Taken

if TYPE_CHECKING:
    from kdeploy.samples.sampleset import SampleSet

KEPT = 300  # differences in the record: enough to look through, and small where a student is poor

Ints = NDArray[np.int64]


class Answers(NamedTuple):
    """What was answered to the test part.

    Args:
        samples: indices in the sample set, int64 (N,).
        labels: int64 (N,), -1 for none.
        teacher, student: logits, float32 (N, classes).
    """

    samples: Ints
    labels: Ints
    teacher: NDArray[np.float32]
    student: NDArray[np.float32]


def stored(samples: SampleSet, teacher: Path, student: Path) -> Answers:
    """What was answered to the test part of a sample set.

    Args:
        teacher: the folder of its stage.
        student: the file of its logits.
    """
    test = samples.parts["test"]
    logits = stored_logits(teacher, "test"), np.load(student, allow_pickle=False)
    return Answers(test, samples.labels[test], *logits)


def decisions(answers: Answers, class_names: tuple[str, ...]) -> Decisions:
    """The classes that were said, counted."""
    teacher, student = answers.teacher.argmax(1), answers.student.argmax(1)
    labeled = answers.labels >= 0
    return Decisions(
        class_names=class_names,
        inputs=len(student),
        labeled=int(labeled.sum()),
        differing=int((teacher != student).sum()),
        of_teacher=_taken(teacher, student),
        of_labels=_taken(answers.labels[labeled], student[labeled]),
        teacher_of_labels=_taken(answers.labels[labeled], teacher[labeled]),
        differences=_differences(answers, teacher, student),
    )


def _taken(given: Ints, answers: Ints) -> tuple[Taken, ...]:
    pairs, counts = np.unique(np.stack([given, answers]), axis=1, return_counts=True)
    return tuple(
        Taken(given=row, answer=column, count=number)
        for row, column, number in zip(*pairs.tolist(), counts.tolist(), strict=True)
    )


def _differences(answers: Answers, teacher: Ints, student: Ints) -> tuple[Disagreement, ...]:
    rows = np.flatnonzero(teacher != student)
    sure = _probabilities(answers.teacher[rows], teacher[rows]), _probabilities(answers.student[rows], student[rows])
    order = np.argsort(-(sure[0] + sure[1]), kind="stable")[:KEPT]
    return tuple(
        Disagreement(
            sample=int(answers.samples[row]),
            label=int(answers.labels[row]) if answers.labels[row] >= 0 else None,
            teacher=int(teacher[row]),
            teacher_probability=float(sure[0][place]),
            student=int(student[row]),
            student_probability=float(sure[1][place]),
        )
        for place, row in zip(order, rows[order], strict=True)
    )


def _probabilities(logits: NDArray[np.float32], classes: Ints) -> NDArray[np.float64]:
    """The probability of one class a row, (rows,)."""
    exact = logits.astype(np.float64)
    powers = np.exp(exact - exact.max(axis=1, keepdims=True, initial=-np.inf))
    found: NDArray[np.float64] = powers[np.arange(len(classes)), classes] / powers.sum(axis=1)
    return found
