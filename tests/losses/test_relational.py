from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from kdeploy.losses.relational import angle_loss, distance_loss
from tests.losses.logits import pairs

LOSSES = st.sampled_from([distance_loss, angle_loss])


def test_distances_are_compared_relative_to_their_mean():
    # distances 3, 4, 5 with the mean 4, and three equal ones: differences 1/4, 0, 1/4, each twice among 9 pairs
    student = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]])
    teacher = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.5, math.sqrt(0.75)]])
    assert distance_loss(student, teacher).item() == pytest.approx(4 * (1 / 4) ** 2 / 2 / 9, rel=1e-5)


def test_a_large_difference_counts_in_proportion_and_not_squared():
    # one far sample: distances 1, 9, 10 with the mean 20/3 against 1, 1, 2 with the mean 4/3
    student, teacher = torch.tensor([[0.0], [1.0], [10.0]]), torch.tensor([[0.0], [1.0], [2.0]])
    small = [(3 / 20 - 3 / 4), (27 / 20 - 3 / 4), (30 / 20 - 6 / 4)]
    assert distance_loss(student, teacher).item() == pytest.approx(2 * sum(x * x / 2 for x in small) / 9, rel=1e-5)
    # six samples at one place and one away from them, against seven that are apart: 7/2 - ... is above 1
    far = torch.tensor([[0.0]] * 6 + [[1.0]])
    line = torch.arange(7.0)[:, None]
    relative = [(a - b).abs().item() for a in far for b in far]
    spread = [(a - b).abs().item() for a in line for b in line]
    mean = [sum(values) / sum(value > 0 for value in values) for values in (relative, spread)]
    gaps = [abs(a / mean[0] - b / mean[1]) for a, b in zip(relative, spread, strict=True)]
    assert max(gaps) > 1
    expected = sum(gap * gap / 2 if gap < 1 else gap - 0.5 for gap in gaps) / 49
    assert distance_loss(far, line).item() == pytest.approx(expected, rel=1e-5)


def test_angles_are_compared_by_their_cosine():
    # a right angle with two of 45 degrees, against three of 60
    student = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    teacher = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.5, math.sqrt(0.75)]])
    gaps = [0.5, math.sqrt(0.5) - 0.5, math.sqrt(0.5) - 0.5]
    # each angle twice among 27 triples; of two that are the same the cosine is 1 on both sides
    assert angle_loss(student, teacher).item() == pytest.approx(2 * sum(gap**2 / 2 for gap in gaps) / 27, rel=1e-5)


@settings(deadline=None)
@given(pair=pairs(), loss=LOSSES, scale=st.floats(0.1, 10), shift=st.floats(-10, 10))
def test_no_rotation_shift_or_scale_is_seen(pair: tuple[Tensor, Tensor], loss, scale: float, shift: float):
    student, teacher = pair
    turn, _ = torch.linalg.qr(torch.randn(student.shape[1], student.shape[1], dtype=torch.float64))
    moved = loss(scale * student @ turn + shift, teacher)
    torch.testing.assert_close(moved, loss(student, teacher), rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(loss(teacher @ turn, teacher), torch.zeros(()).double(), rtol=0, atol=1e-12)


@settings(deadline=None)
@given(pair=pairs(), loss=LOSSES, order=st.randoms(use_true_random=False))
def test_the_order_of_the_samples_is_not_seen(pair: tuple[Tensor, Tensor], loss, order):
    rows = list(range(len(pair[0])))
    order.shuffle(rows)
    torch.testing.assert_close(loss(*(values[rows] for values in pair)), loss(*pair), rtol=1e-9, atol=1e-12)


@settings(deadline=None)
@given(pair=pairs(), loss=LOSSES)
def test_a_batch_said_twice_has_the_same_loss(pair: tuple[Tensor, Tensor], loss):
    twice = loss(*(torch.cat([values, values]) for values in pair))
    torch.testing.assert_close(twice, loss(*pair), rtol=1e-9, atol=1e-12)


@settings(deadline=None)
@given(pair=pairs(), loss=LOSSES)
def test_student_and_teacher_may_have_different_widths(pair: tuple[Tensor, Tensor], loss):
    student, teacher = pair
    wider = torch.cat([teacher, torch.zeros(len(teacher), 3)], dim=1)
    torch.testing.assert_close(loss(student, wider), loss(student, teacher), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("loss", [distance_loss, angle_loss])
@pytest.mark.parametrize("count", [1, 4])
def test_samples_that_are_all_alike_leave_loss_and_gradient_finite(loss, count: int):
    student = torch.ones(count, 3, requires_grad=True)
    found = loss(student, torch.randn(count, 2, generator=torch.Generator().manual_seed(0)))
    found.backward()
    assert found.isfinite()
    assert student.grad is not None
    assert student.grad.isfinite().all()
