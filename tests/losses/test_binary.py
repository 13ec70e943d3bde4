from __future__ import annotations

import pytest
import torch

from kdeploy.losses.binary import binary


def test_a_teacher_that_is_matched_gives_no_gradient_at_any_temperature():
    for temperature in (1.0, 4.0):
        student = torch.tensor([[1.0, -2.0]], requires_grad=True)
        binary(student, student.detach(), temperature).sum().backward()
        assert student.grad.abs().max() < 1e-6


def test_the_gradient_hardly_depends_on_a_high_temperature():
    # T^2 d/ds BCE = T (sigmoid(s / T) - sigmoid(t / T)), near (s - t) / 4
    student = torch.tensor([[0.5]], requires_grad=True)
    binary(student, torch.tensor([[-0.5]]), 20.0).sum().backward()
    assert student.grad.item() == pytest.approx(0.25, rel=1e-2)
