from __future__ import annotations

import numpy as np
import pytest

from kdeploy.evaluation import decisions as module
from kdeploy.evaluation.decisions import Answers, decisions

NAMES = ("cat", "dog", "owl")


def answers(teacher: list[int], student: list[int], labels: list[int], sure: float = 2.0) -> Answers:
    """Logits that are `sure` for the class that is said and 0 for the others, of samples 10, 11, and so on."""
    rows = [np.eye(3, dtype=np.float32)[said] * sure for said in (teacher, student)]
    return Answers(np.arange(10, 10 + len(labels)), np.array(labels), *rows)


def counted(taken) -> list[tuple[int, int, int]]:
    return [(one.given, one.answer, one.count) for one in taken]


def test_answers_are_counted_by_what_the_teacher_says_and_by_the_label():
    found = decisions(answers(teacher=[0, 0, 1, 2], student=[0, 1, 1, 2], labels=[0, 1, 1, -1]), NAMES)
    assert counted(found.of_teacher) == [(0, 0, 1), (0, 1, 1), (1, 1, 1), (2, 2, 1)]
    assert counted(found.of_labels) == [(0, 0, 1), (1, 1, 2)]
    assert counted(found.teacher_of_labels) == [(0, 0, 1), (1, 0, 1), (1, 1, 1)]
    assert (found.inputs, found.labeled, found.differing, found.class_names) == (4, 3, 1, NAMES)


def test_without_labels_only_the_teacher_is_counted():
    found = decisions(answers(teacher=[0, 1], student=[0, 2], labels=[-1, -1]), NAMES)
    assert (found.labeled, found.of_labels, found.teacher_of_labels) == (0, (), ())
    assert [one.label for one in found.differences] == [None]


def test_the_surest_differences_come_first_each_with_the_probability_of_its_answer():
    given = answers(teacher=[0, 0, 1], student=[1, 2, 1], labels=[0, 2, 1])
    given.student[1] *= 3
    found = decisions(given, NAMES).differences
    assert [(one.sample, one.label, one.teacher, one.student) for one in found] == [(11, 2, 0, 2), (10, 0, 0, 1)]
    one = np.exp(2) / (np.exp(2) + 2)
    assert found[1].teacher_probability == pytest.approx(one, abs=1e-9)
    assert found[0].student_probability == pytest.approx(np.exp(6) / (np.exp(6) + 2), abs=1e-9)


def test_logits_too_large_for_an_exponential_have_probabilities_all_the_same():
    found = decisions(answers(teacher=[0], student=[1], labels=[0], sure=5000.0), NAMES).differences
    assert (found[0].teacher_probability, found[0].student_probability) == (1.0, 1.0)


def test_no_more_than_the_first_are_kept_and_all_are_counted(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "KEPT", 2)
    found = decisions(answers(teacher=[0] * 5, student=[1] * 5, labels=[0] * 5), NAMES)
    assert (found.differing, [one.sample for one in found.differences]) == (5, [10, 11])


def test_where_all_agree_nothing_differs():
    found = decisions(answers(teacher=[0, 1], student=[0, 1], labels=[0, 1]), NAMES)
    assert (found.differing, found.differences) == (0, ())
