"""Soft targets (Hinton, Vinyals and Dean 2015, arXiv 1503.02531, section 2).

    L_i = -T^2 sum_c p_ic log q_ic,    p = softmax(g_i / T), q = softmax(z_i / T)

with g the teacher's logits and z the student's; `temperature.softened` brings T and its square. At high T, and for
logits with mean zero, the gradient is that of logit matching divided by the number of classes (section 2.1).
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from kdeploy.losses.shapes import must_agree


def soft_targets(student_logits: Tensor, teacher_logits: Tensor) -> Tensor:
    """Each sample's cross-entropy between the outputs at temperature 1, shape (batch,); its mean is the loss.

    Args:
        student_logits, teacher_logits: shape (batch, classes).
    Raises: ValueError when the shapes differ.
    """
    must_agree(student_logits, teacher_logits)
    targets, outputs = functional.softmax(teacher_logits, dim=1), functional.log_softmax(student_logits, dim=1)
    return -(targets * outputs).sum(dim=1)
