from __future__ import annotations

from kdeploy.records.decisions import Taken
from kdeploy.reports.classes import Cell, ClassRow, matrices, rows
from tests.reports.report_records import decisions


def test_a_matrix_has_a_row_and_a_column_a_class_and_shares_of_its_rows():
    taken = (Taken(given=0, answer=0, count=3), Taken(given=0, answer=1, count=1))
    against_teacher, against_labels = matrices(decisions(class_names=("a", "b"), of_teacher=taken, of_labels=()))
    assert [row.cells for row in against_teacher.rows] == [(Cell(3, 0.75), Cell(1, 0.25)), (Cell(0, 0.0), Cell(0, 0.0))]
    assert [(row.name, row.place, row.total) for row in against_teacher.rows] == [("a", 0, 4), ("b", 1, 0)]
    assert (against_teacher.rows_are, against_labels.rows_are) == ("Teacher says", "Label")


def test_there_is_no_matrix_of_many_classes_nor_of_labels_that_are_not_there():
    names = tuple(map(str, range(21)))
    assert matrices(decisions(class_names=names)) == ()
    assert [found.rows_are for found in matrices(decisions(labeled=0, of_labels=()))] == ["Teacher says"]


def test_a_row_a_class_the_one_that_is_lost_most_first_and_none_for_what_never_came():
    taken = (
        *(Taken(given=0, answer=0, count=9), Taken(given=0, answer=1, count=1)),
        *(Taken(given=1, answer=1, count=2), Taken(given=1, answer=0, count=1), Taken(given=1, answer=2, count=2)),
    )
    labels = (Taken(given=1, answer=1, count=1), Taken(given=1, answer=0, count=3))
    found = decisions(
        class_names=("a", "b", "c", "d"), of_teacher=taken, of_labels=labels, teacher_of_labels=labels[:1]
    )
    assert rows(found) == (
        ClassRow("b", 4, 0.25, 1.0, said=5, agreed=0.4, instead="c", times=2),
        ClassRow("a", 0, None, None, said=10, agreed=0.9, instead="b", times=1),
    )
