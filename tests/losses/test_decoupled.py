from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from torch import Tensor
from torch.nn import functional

from kdeploy.losses.decoupled import decoupled, target_classes
from kdeploy.losses.logit_matching import logit_mse
from kdeploy.losses.soft_targets import soft_targets
from kdeploy.losses.temperature import Temperatures, softened
from tests.losses.logits import pairs


def targets_of(logits: Tensor) -> Tensor:
    return torch.arange(len(logits)) % logits.shape[1]


def test_the_target_part_is_the_divergence_of_the_target_from_all_others():
    # the teacher says 1/2, 1/4, 1/4, the student a third each; the target is class 0
    teacher, student = torch.tensor([[math.log(2), 0.0, 0.0]]), torch.zeros(1, 3)
    expected = (math.log(3 / 2) + math.log(3 / 4)) / 2
    found = decoupled(student, teacher, torch.tensor([0]), 1.0, 0.0)
    assert found.tolist() == pytest.approx([expected], rel=1e-5)


def test_the_other_part_is_the_divergence_among_the_classes_that_are_not_the_target():
    # without class 0 the teacher says 3/4 and 1/4, the student 1/2 and 1/2, whatever they say of class 0
    teacher, student = torch.tensor([[50.0, math.log(3), 0.0]]), torch.tensor([[-9.0, 0.0, 0.0]])
    expected = (math.log(3 / 2) * 3 + math.log(1 / 2)) / 4
    found = decoupled(student, teacher, torch.tensor([0]), 0.0, 1.0)
    assert found.tolist() == pytest.approx([expected], rel=1e-5)


@settings(deadline=None)
@given(pair=pairs())
def test_the_two_parts_make_up_the_usual_divergence(pair: tuple[Tensor, Tensor]):
    # equation 7 of the paper, sample by sample
    targets = targets_of(pair[0])
    for row in range(len(targets)):
        student, teacher, target = pair[0][row : row + 1], pair[1][row : row + 1], targets[row : row + 1]
        others = 1 - functional.softmax(teacher, 1)[0, target].item()
        whole = soft_targets(student, teacher) - soft_targets(teacher, teacher)
        found = decoupled(student, teacher, target, 1.0, others)
        torch.testing.assert_close(found, whole, rtol=1e-9, atol=1e-10)


@settings(deadline=None)
@given(pair=pairs())
def test_at_high_temperature_the_gradient_of_the_usual_weights_is_that_of_logit_matching(pair: tuple[Tensor, Tensor]):
    student, teacher = (logits - logits.mean(1, keepdim=True) for logits in pair)
    classes = student.shape[1]
    hot, matched = student.clone().requires_grad_(), student.clone().requires_grad_()
    # hot outputs are uniform, so 1 - p_t is 1 - 1 / classes; what is left out is of the order of 1 / T
    loss = partial(decoupled, targets=targets_of(student), alpha=1.0, beta=1 - 1 / classes)
    softened(loss, hot, teacher, Temperatures(1e5, 1e5)).mean().backward()
    logit_mse(matched, teacher).mean().backward()
    torch.testing.assert_close(classes * hot.grad, matched.grad, rtol=0, atol=1e-3)


@settings(deadline=None)
@given(pair=pairs())
def test_the_loss_is_nothing_only_between_equals(pair: tuple[Tensor, Tensor]):
    student, teacher = pair
    targets = targets_of(student)
    assert not decoupled(teacher, teacher, targets, 1.0, 8.0).any()
    assert (decoupled(student, teacher, targets, 1.0, 8.0) > 0).all()


def test_a_teacher_that_is_sure_leaves_loss_and_gradient_finite():
    # in float32, 1 - p_t of this teacher is 0
    teacher, student = torch.tensor([[400.0, 1.0, 0.0]]), torch.tensor([[0.0, 1.0, 90.0]], requires_grad=True)
    loss = decoupled(student, teacher, torch.tensor([0]), 1.0, 8.0)
    loss.mean().backward()
    assert loss.isfinite().all()
    assert student.grad is not None
    assert student.grad.isfinite().all()


def test_a_sample_without_a_label_has_the_first_choice_of_the_teacher_as_its_target():
    teacher = torch.tensor([[0.0, 5.0, 1.0], [0.0, 5.0, 1.0]])
    assert target_classes(torch.tensor([2, -1]), teacher).tolist() == [2, 1]


def test_shapes_that_would_broadcast_are_refused():
    with pytest.raises(ValueError) as caught:
        decoupled(torch.zeros(2, 3), torch.zeros(1, 3), torch.tensor([0, 0]), 1.0, 1.0)
    assert str(caught.value) == "logits must both have the shape (batch, classes) (got (2, 3) and (1, 3))"
