from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from kdeploy.losses.correlation import correlation_loss, correlation_terms
from tests.losses.logits import pairs


def test_the_terms_add_up_to_the_correlation_that_numpy_finds():
    one, other = torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    rows = [np.corrcoef(one[row], other[row])[0, 1] for row in range(5)]
    columns = [np.corrcoef(one[:, column], other[:, column])[0, 1] for column in range(4)]
    assert correlation_terms(one, other, 1).sum(1).tolist() == pytest.approx(rows, rel=1e-7)
    assert correlation_terms(one, other, 0).sum(0).tolist() == pytest.approx(columns, rel=1e-7)


@settings(deadline=None)
@given(pair=pairs(), scale=st.floats(0.1, 10), shift=st.floats(-10, 10))
def test_a_linear_map_of_either_side_changes_no_correlation(pair: tuple[Tensor, Tensor], scale: float, shift: float):
    one, other = pair
    found, mapped = (correlation_terms(values, other, 1).sum(1) for values in (one, scale * one + shift))
    # the floor is 1e-8, and two logits of a draw may be as near as 1e-3
    torch.testing.assert_close(mapped, found, rtol=0, atol=1e-3)
    turned = correlation_terms(-one, other, 1).sum(1)
    torch.testing.assert_close(turned, -found, rtol=1e-9, atol=1e-12)


@settings(deadline=None)
@given(pair=pairs(), inter=st.floats(0, 3), intra=st.floats(0, 3))
def test_the_loss_is_the_mean_distance_from_a_perfect_correlation(
    pair: tuple[Tensor, Tensor], inter: float, intra: float
):
    student, teacher = (functional.softmax(logits, 1) for logits in pair)
    between = 1 - correlation_terms(student, teacher, 1).sum(1).mean()
    within = 1 - correlation_terms(student, teacher, 0).sum(0).mean()
    found = correlation_loss(*pair, inter, intra).mean()
    torch.testing.assert_close(found, inter * between + intra * within, rtol=1e-9, atol=1e-9)


@settings(deadline=None)
@given(pair=pairs())
def test_a_batch_said_twice_has_the_same_loss(pair: tuple[Tensor, Tensor]):
    spreads = [logits.softmax(1).std(0, correction=0) * len(logits) ** 0.5 for logits in pair]
    assume(float((spreads[0] * spreads[1]).min()) > 1e-4)  # the norms within a class; the floor bends smaller ones
    twice = correlation_loss(*(torch.cat([logits, logits]) for logits in pair), 1.0, 1.0).mean()
    # their product doubles over the floor of 1e-8, which changes a correlation by half of 1e-8 / 1e-4 at most
    torch.testing.assert_close(twice, correlation_loss(*pair, 1.0, 1.0).mean(), rtol=0, atol=1e-4)


def test_two_samples_of_three_classes_by_hand():
    # probabilities (1/2, 1/4, 1/4) and (1/4, 1/2, 1/4); the teacher's rows are the student's the other way round.
    # A row: deviations (2, -1, -1)/12 and (-1, 2, -1)/12, r = (-2 - 2 + 1) / 6 = -1/2. A column: r = -1, -1, and 0
    # for the last, which is the same in both samples. So 1 + 1/2, and 1 + 2/3.
    student = torch.tensor([[0.5, 0.25, 0.25], [0.25, 0.5, 0.25]]).double().log()
    teacher = student.flip(0)
    assert correlation_loss(student, teacher, 1.0, 0.0).tolist() == pytest.approx([1.5, 1.5], rel=1e-6)
    assert correlation_loss(student, teacher, 0.0, 1.0).mean().item() == pytest.approx(5 / 3, rel=1e-6)


def test_a_student_that_is_the_teacher_has_no_loss_and_no_gradient():
    logits = torch.randn(5, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    student = logits.clone().requires_grad_()
    loss = correlation_loss(student, logits, 1.0, 1.0).mean()
    loss.backward()
    # the floor under the norms leaves 1e-8 over their product
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert student.grad is not None
    assert student.grad.abs().max() < 1e-6


def test_outputs_that_are_all_alike_leave_loss_and_gradient_finite():
    student = torch.zeros(2, 3, requires_grad=True)
    loss = correlation_loss(student, torch.tensor([[5.0, 0.0, 0.0]] * 2), 1.0, 1.0).mean()
    loss.backward()
    assert loss.item() == pytest.approx(2.0, rel=1e-6)
    assert student.grad is not None
    assert student.grad.isfinite().all()


def test_shapes_that_would_broadcast_are_refused():
    with pytest.raises(ValueError) as caught:
        correlation_loss(torch.zeros(2, 3), torch.zeros(1, 3), 1.0, 1.0)
    assert str(caught.value) == "logits must both have the shape (batch, classes) (got (2, 3) and (1, 3))"
