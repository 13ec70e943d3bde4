from __future__ import annotations

import torch

from kdeploy.losses.hooks import Context, Features, progress_of

LOGITS = torch.arange(6.0).reshape(3, 2)


def test_the_rows_of_a_mask_are_those_samples_whole():
    context = Context(
        LOGITS, 10 * LOGITS, torch.tensor([0, -1, 1]), torch.tensor([7, 8, 9]), 2, 0.5, LOGITS.expand(4, 3, 2)
    )
    found = context.rows(torch.tensor([True, False, True]))
    assert found.student.tolist() == [[0.0, 1.0], [4.0, 5.0]]
    assert found.teacher.tolist() == [[0.0, 10.0], [40.0, 50.0]]
    assert (found.labels.tolist(), found.samples.tolist()) == ([0, 1], [7, 9])
    assert found.members is not None
    assert found.members.tolist() == [[[0.0, 1.0], [4.0, 5.0]]] * 4
    assert (found.epoch, found.progress) == (2, 0.5)


def test_the_rows_of_one_teacher_have_no_members():
    context = Context(LOGITS, LOGITS, torch.zeros(3).long(), torch.arange(3), 0, 0.0)
    assert context.rows(torch.ones(3).bool()).members is None


def test_the_rows_of_features_are_those_of_all_three():
    features = Features(LOGITS, LOGITS + 1, LOGITS + 2)
    context = Context(LOGITS, LOGITS, torch.zeros(3).long(), torch.arange(3), 0, 0.0, features=features)
    found = context.rows(torch.tensor([False, True, False])).features
    assert found is not None
    assert found.projected is not None
    assert (found.student.tolist(), found.projected.tolist(), found.teacher.tolist()) == ([[2, 3]], [[3, 4]], [[4, 5]])
    assert features._replace(projected=None).rows(torch.ones(3).bool()).projected is None


def test_progress_is_0_in_the_first_epoch_and_1_in_the_last():
    assert [progress_of(epoch, 5) for epoch in range(5)] == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert progress_of(0, 1) == 0.0
