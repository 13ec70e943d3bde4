from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from kdeploy.losses.logit_matching import logit_mse
from kdeploy.losses.soft_targets import soft_targets
from kdeploy.losses.temperature import Temperatures, softened
from tests.losses.logits import pairs

TEMPERATURES = st.floats(0.5, 20)


def loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    return softened(soft_targets, student, teacher, Temperatures(temperature, temperature)).mean()


def gradient(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    student = student.clone().requires_grad_()
    loss(student, teacher, temperature).backward()
    assert student.grad is not None
    return student.grad


def test_the_loss_is_the_cross_entropy_of_softened_outputs_times_the_squared_temperature():
    # at T = 2 the teacher says 3/4 and 1/4; the student says 1/2 and 1/2, so its cross-entropy is log 2
    teacher, student = torch.tensor([[2 * math.log(3), 0.0]]), torch.zeros(1, 2)
    assert loss(student, teacher, 2.0).item() == pytest.approx(4 * math.log(2), rel=1e-6)
    # and the other way round: -1/2 log 3/4 - 1/2 log 1/4
    assert loss(teacher, student, 2.0).item() == pytest.approx(2 * math.log(16 / 3), rel=1e-6)


@settings(deadline=None)
@given(pair=pairs(), temperature=TEMPERATURES)
def test_the_gradient_is_that_of_the_outputs_times_the_temperature(pair: tuple[Tensor, Tensor], temperature: float):
    student, teacher = pair
    difference = functional.softmax(student / temperature, 1) - functional.softmax(teacher / temperature, 1)
    expected = temperature * difference / len(student)
    torch.testing.assert_close(gradient(student, teacher, temperature), expected, rtol=1e-10, atol=1e-12)


@settings(deadline=None)
@given(pair=pairs())
def test_at_high_temperature_and_mean_zero_the_gradient_is_that_of_logit_matching(pair: tuple[Tensor, Tensor]):
    student, teacher = (logits - logits.mean(1, keepdim=True) for logits in pair)
    matched = student.clone().requires_grad_()
    logit_mse(matched, teacher).mean().backward()
    # the first term that is left out is of the order of 1 / T
    found = student.shape[1] * gradient(student, teacher, 1e5)
    torch.testing.assert_close(found, matched.grad, rtol=0, atol=1e-3)


@settings(deadline=None)
@given(pair=pairs(), temperature=TEMPERATURES)
def test_no_student_is_better_than_the_teacher_itself(pair: tuple[Tensor, Tensor], temperature: float):
    student, teacher = pair
    least = loss(teacher, teacher, temperature)
    assert loss(student, teacher, temperature) >= least - 1e-12
    assert gradient(teacher, teacher, temperature).abs().max() < 1e-12


def test_shapes_that_would_broadcast_are_refused():
    with pytest.raises(ValueError) as caught:
        soft_targets(torch.zeros(2, 3), torch.zeros(2, 1))
    assert str(caught.value) == "logits must both have the shape (batch, classes) (got (2, 3) and (2, 1))"
