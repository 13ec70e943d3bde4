from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from kdeploy.losses.logit_matching import class_spread, logit_mse
from tests.losses.logits import pairs


def test_the_loss_is_half_the_squared_distance_of_each_sample():
    student, teacher = torch.tensor([[1.0, 2.0], [0.0, 5.0]]), torch.tensor([[0.0, 4.0], [3.0, 1.0]])
    # half of 1 + 4 in the first row, half of 9 + 16 in the second
    assert logit_mse(student, teacher).tolist() == [2.5, 12.5]


@settings(deadline=None)
@given(pair=pairs(classes=1))
def test_the_gradient_is_the_difference_over_the_batch(pair: tuple[Tensor, Tensor]):
    student, teacher = pair
    student.requires_grad_()
    logit_mse(student, teacher).mean().backward()
    torch.testing.assert_close(student.grad, (student.detach() - teacher) / len(teacher), rtol=1e-12, atol=1e-15)


@settings(deadline=None)
@given(pair=pairs(classes=1))
def test_the_loss_is_nothing_only_between_equals(pair: tuple[Tensor, Tensor]):
    student, teacher = pair
    assert not logit_mse(teacher, teacher).any()
    assert (logit_mse(student, teacher) > 0).all()


@settings(deadline=None)
@given(pair=pairs(), data=st.data())
def test_a_spread_divides_the_difference_of_its_class(pair: tuple[Tensor, Tensor], data: st.DataObject):
    student, teacher = pair
    classes = student.shape[1]
    spread = torch.tensor(data.draw(st.lists(st.floats(0.1, 10), min_size=classes, max_size=classes))).double()
    expected = logit_mse(student / spread, teacher / spread)
    torch.testing.assert_close(logit_mse(student, teacher, spread), expected, rtol=1e-9, atol=1e-15)
    moved = logit_mse(student - 3.0, teacher - 3.0, spread)  # a mean taken off both sides changes nothing
    torch.testing.assert_close(moved, expected, rtol=1e-9, atol=1e-15)


@settings(deadline=None)
@given(pair=pairs(), cut=st.integers(1, 5))
def test_the_spread_is_the_deviation_of_each_class_over_all_blocks(pair: tuple[Tensor, Tensor], cut: int):
    logits = torch.cat(pair) + 1e6  # as far from 0 as rounding forgives only where the squares are taken near the mean
    found = class_spread([logits[:cut], logits[cut:]])
    torch.testing.assert_close(found, logits.std(0, correction=0).float(), rtol=1e-5, atol=1e-7)


def test_a_logit_that_never_changes_is_not_divided():
    assert class_spread([torch.full((7001, 2), -3.3), torch.full((5, 2), -3.3)]).tolist() == [1.0, 1.0]


@pytest.mark.parametrize(("student", "teacher"), [((2, 3), (2, 1)), ((2, 3), (3, 3)), ((3,), (3,))])
def test_shapes_that_would_broadcast_are_refused(student: tuple[int, ...], teacher: tuple[int, ...]):
    with pytest.raises(ValueError) as caught:
        logit_mse(torch.zeros(student), torch.zeros(teacher))
    assert str(caught.value) == f"logits must both have the shape (batch, classes) (got {student} and {teacher})"
