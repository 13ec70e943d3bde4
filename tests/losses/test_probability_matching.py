from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from kdeploy.losses.probability_matching import probability_mse
from tests.losses.logits import pairs


def test_the_loss_is_half_the_squared_distance_of_each_samples_probabilities():
    # the teacher says 3/4 and 1/4, the student 1/2 and 1/2
    teacher, student = torch.tensor([[math.log(3), 0.0]] * 2), torch.zeros(2, 2)
    assert probability_mse(student, teacher).tolist() == pytest.approx([1 / 16] * 2, rel=1e-6)


@settings(deadline=None)
@given(pair=pairs(), shift=st.floats(-10, 10))
def test_only_probabilities_count(pair: tuple[Tensor, Tensor], shift: float):
    student, teacher = pair
    moved = probability_mse(student + shift, teacher - shift)
    torch.testing.assert_close(moved, probability_mse(student, teacher), rtol=1e-9, atol=1e-12)
    assert not probability_mse(teacher + shift, teacher + shift).any()


@settings(deadline=None)
@given(pair=pairs())
def test_the_gradient_is_that_of_the_softmax(pair: tuple[Tensor, Tensor]):
    student, teacher = pair
    student.requires_grad_()
    probability_mse(student, teacher).sum().backward()
    outputs = functional.softmax(student.detach(), 1)
    difference = outputs - functional.softmax(teacher, 1)
    expected = outputs * (difference - (outputs * difference).sum(1, keepdim=True))
    torch.testing.assert_close(student.grad, expected, rtol=1e-9, atol=1e-12)


def test_shapes_that_would_broadcast_are_refused():
    with pytest.raises(ValueError) as caught:
        probability_mse(torch.zeros(2, 3), torch.zeros(2, 1))
    assert str(caught.value) == "logits must both have the shape (batch, classes) (got (2, 3) and (2, 1))"
