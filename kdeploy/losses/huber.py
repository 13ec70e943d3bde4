"""Huber's loss (1964) on standardised values, which large errors pull on no more than those of 1.

L_i = sum_k h(v_ik - t_ik),    h(e) = e^2 / 2 where |e| <= 1, else |e| - 1/2
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from kdeploy.losses.shapes import must_agree


def huber(student: Tensor, teacher: Tensor) -> Tensor:
    """Each sample's loss, shape (batch,), from standardised values (batch, columns)."""
    must_agree(student, teacher)
    return functional.huber_loss(student, teacher, reduction="none").sum(1)
