"""Several labels at once: binary cross-entropy with the teacher's probabilities at a temperature.

    L_i = T^2 sum_c BCE(sigmoid(t_ic / T), sigmoid(s_ic / T))

T^2 keeps the gradient's size, as of soft targets (Hinton, Vinyals and Dean 2015, section 2).
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from kdeploy.losses.shapes import must_agree


def binary(student_logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    """Each sample's loss, shape (batch,), from logits (batch, labels)."""
    must_agree(student_logits, teacher_logits)
    probabilities = (teacher_logits / temperature).sigmoid()
    losses = functional.binary_cross_entropy_with_logits(student_logits / temperature, probabilities, reduction="none")
    return losses.sum(1) * temperature**2
