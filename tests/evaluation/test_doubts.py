from __future__ import annotations

import pytest

from kdeploy.evaluation import doubts
from kdeploy.records.distill import Agreement
from tests.reports import report_records as made
from tests.reports.report_records import net


def said(right: float | None, *students: float, same: float = 0.9) -> tuple[str, ...]:
    """The doubts about a run of ten classes."""
    nets = tuple(net(seed, one, 0.98) for seed, one in enumerate(students))
    agreement = Agreement(agreed=round(1000 * same), inputs=1000, interval=(0.0, 1.0), level=0.95)
    teacher = made.teacher(test_accuracy=right, class_names=tuple("abcdefghij"))
    return doubts.of_run(teacher, made.distill(students=nets, agreement=agreement))


def test_a_good_run_has_none():
    assert said(0.97, 0.96, 0.95) == ()
    assert said(0.97, 0.76) == ()  # (0.97 - 0.1) / 4 is 0.2175


def test_a_teacher_that_guesses_is_told_of():
    assert said(0.325, 0.3) == (
        "The teacher is right on 32.50 % of the test inputs, little more than chance: find out how its inputs were "
        "prepared (teacher.preprocess), and in which order its classes are.",
    )
    assert said(0.33, 0.3) == ()


def test_a_student_far_below_its_teacher_is_told_of():
    assert said(0.97, 0.75, 0.74) == (
        "The student is far below its teacher, 74.50 % against 97.00 %: make it wider, raise distill.epochs, or "
        "give more unlabelled inputs.",
    )


@pytest.mark.parametrize("right", [0.97, None])
def test_agreement_near_chance_is_told_of_with_labels_and_without(right: float | None):
    assert said(right, 0.96, same=0.32) == (
        "The student says what its teacher says on 32.00 % of the test inputs, little more than chance: it has not "
        "learned from it. Raise distill.epochs, or look at the views.",
    )
    assert said(right, 0.96, same=0.33) == ()


def test_a_regressor_that_knows_little_more_than_the_mean_is_told_of():
    teacher = made.teacher(test_accuracy=0.2, class_names=("price",), outputs="values")
    assert doubts.of_teacher(teacher) == (
        "The teacher has R^2 20.00 % on the test inputs, little more than who knows nothing: find out how its inputs "
        "were prepared (teacher.preprocess), and which outputs it has."
    )
    assert doubts.of_teacher(teacher.model_copy(update={"test_accuracy": 0.3})) is None


def test_of_several_labels_the_data_decide_what_chance_is():
    assert doubts.of_teacher(made.teacher(test_accuracy=0.05, outputs="labels")) is None
