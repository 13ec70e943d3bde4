"""Temperatures: how a loss is softened, and the temperature of a moment of the training.

    softened    T_s T_t loss(z / T_s, g / T_t)          one temperature T: T^2 loss(z / T, g / T)
    linear      T(r) = T0 + (T1 - T0) r
    cosine      T(r) = T1 + (T0 - T1) (1 + cos(pi r)) / 2
    dynamic     T_s = 2 m_s / (m_s + m_t) T,  T_t = 2 m_t / (m_s + m_t) T

with z, g the logits of student and teacher, and r the progress from 0 to 1. The factor in front keeps the size of the
gradients, which shrink as 1 / T^2 (Hinton, Vinyals and Dean 2015, section 2). A falling temperature is that of Jafari
et al. 2021, "Annealing Knowledge Distillation" (arXiv 2104.07163); the cosine is that of SGDR (Loshchilov and Hutter
2017). The dynamic one is that of Wei and Bai 2024, "Dynamic Temperature Knowledge Distillation" (arXiv 2404.12711): m
is a sample's largest logit above its mean, and the sharper of the two networks gets the higher temperature. It is added
to the loss at T, as in the paper: alone it leaves the size of the student's logits open, and they vanish.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from kdeploy.losses.options import Path

# under m: where all logits of a sample are equal no temperature is 0
_FLOOR = 1e-6


class Temperatures(NamedTuple):
    """Temperatures of student and teacher, each above 0: one for all samples, or one a sample, shape (batch, 1)."""

    student: float | Tensor
    teacher: float | Tensor
    weight: float = 1.0  # of the loss that they soften


def softened(
    loss: Callable[[Tensor, Tensor], Tensor], student_logits: Tensor, teacher_logits: Tensor, at: Temperatures
) -> Tensor:
    """A loss of softened logits, times the product of the temperatures and their weight.

    Args:
        loss: of student and teacher logits, (batch, classes) both, to each sample's loss, shape (batch,).
    Returns: shape (batch,).
    """
    factor = at.weight * at.student * at.teacher
    losses = loss(student_logits / at.student, teacher_logits / at.teacher)
    return losses * (factor.squeeze(1) if isinstance(factor, Tensor) else factor)


def temperature_at(progress: float, start: float, end: float, path: Path) -> float:
    """The temperature at a progress from 0 to 1: `start` at 0, `end` at 1."""
    remainder = 1 - progress if path == "linear" else (1 + math.cos(math.pi * progress)) / 2
    return end + (start - end) * remainder


@torch.no_grad()
def dynamic(student_logits: Tensor, teacher_logits: Tensor, temperature: float, weight: float = 1.0) -> Temperatures:
    """Each sample's own temperatures, shape (batch, 1), with `temperature` as their mean.

    Args:
        student_logits, teacher_logits: shape (batch, classes).
    """
    student, teacher = _height(student_logits), _height(teacher_logits)
    unit = 2 * temperature / (student + teacher)
    return Temperatures(student * unit, teacher * unit, weight)


def _height(logits: Tensor) -> Tensor:
    """The largest logit of each sample above the mean of its logits, shape (batch, 1)."""
    return (logits.amax(dim=1, keepdim=True) - logits.mean(dim=1, keepdim=True)).clamp(min=_FLOOR)
