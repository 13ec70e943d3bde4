"""Decoupled distillation (Zhao et al. 2022, "Decoupled Knowledge Distillation", arXiv 2203.08679, equation 8).

    L = T^2 / B sum_i (alpha TCKD_i + beta NCKD_i)

    TCKD = KL of (p_t, 1 - p_t) from (q_t, 1 - q_t)        t the target class; p teacher, q student, both softened by T
    NCKD = KL of p^ from q^                                softmax over the classes other than t

The two add up to the usual loss as KL(p, q) = TCKD + (1 - p_t) NCKD (equation 7): a sure teacher silences what it knows
of the other classes, and beta gives it back its weight. A sample without a label has the teacher's top-1 as its target.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from kdeploy.losses.shapes import must_agree


def decoupled(student_logits: Tensor, teacher_logits: Tensor, targets: Tensor, alpha: float, beta: float) -> Tensor:
    """alpha TCKD + beta NCKD of each sample at temperature 1, shape (batch,); its mean is the loss.

    Args:
        student_logits, teacher_logits: shape (batch, classes), two classes or more; see `temperature.softened`.
        targets: the target class of each sample, int64 of shape (batch,); see `target_classes`.
    Raises: ValueError when the shapes differ.
    """
    must_agree(student_logits, teacher_logits)
    target_part = _divergence(*(_target_against_rest(logits, targets) for logits in (teacher_logits, student_logits)))
    others = (
        functional.log_softmax(_without_target(logits, targets), 1) for logits in (teacher_logits, student_logits)
    )
    return alpha * target_part + beta * _divergence(*others)


def target_classes(labels: Tensor, teacher_logits: Tensor) -> Tensor:
    """The label of each sample, or the teacher's top-1 where it is -1; int64 of shape (batch,)."""
    return torch.where(labels >= 0, labels, teacher_logits.argmax(dim=1))


def _target_against_rest(logits: Tensor, targets: Tensor) -> Tensor:
    """log p_t and log(1 - p_t), shape (batch, 2): both from sums, for 1 - p_t of a sure network rounds to 0."""
    target = logits.gather(1, targets[:, None])
    rest = _without_target(logits, targets).logsumexp(dim=1, keepdim=True)
    return functional.log_softmax(torch.cat([target, rest], dim=1), dim=1)


def _without_target(logits: Tensor, targets: Tensor) -> Tensor:
    """The logits of the other classes in their order, shape (batch, classes - 1)."""
    columns = torch.arange(logits.shape[1] - 1, device=logits.device).expand(len(logits), -1)
    return logits.gather(1, columns + (columns >= targets[:, None]))


def _divergence(teacher: Tensor, student: Tensor) -> Tensor:
    """KL of each sample from log-probabilities, shape (batch,)."""
    return (teacher.exp() * (teacher - student)).sum(dim=1)
