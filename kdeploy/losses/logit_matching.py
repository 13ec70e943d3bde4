"""Logit matching (Ba and Caruana 2014, arXiv 1312.6184, equation 1), and its standardised form (their section 2.2).

    L = 1 / (2 T) sum_t || g(x_t) - z_t ||^2
    L = 1 / (2 T) sum_t sum_c ((g_c(x_t) - z_tc) / s_c)^2

with s_c the standard deviation of the teacher's logit of class c over the transfer set. Both sides of a standardised
difference have the same mean taken off, so it cancels, and the student's outputs stay logits as they are.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from kdeploy.losses.shapes import must_agree


def logit_mse(student_logits: Tensor, teacher_logits: Tensor, spread: Tensor | float = 1.0) -> Tensor:
    """Half of the squared distance of each sample's logits, shape (batch,); its mean is the loss.

    Args:
        student_logits, teacher_logits: shape (batch, classes), both before any softmax.
        spread: what each class's difference is divided by, shape (classes,) or (); see `class_spread`.
    Raises: ValueError when the shapes differ.
    """
    must_agree(student_logits, teacher_logits)
    return ((student_logits - teacher_logits) / spread).square().sum(dim=1) / 2


def class_spread(blocks: Iterable[Tensor]) -> Tensor:
    """The standard deviation of each class's logit, float32 of shape (classes,); 1 where a logit never changes.

    Args:
        blocks: at least one; logits of shape (rows, classes), so that the transfer set is never in memory whole.
    """
    origin, rows, sums, squares = None, 0, torch.zeros(()).double(), torch.zeros(()).double()
    for block in blocks:
        # relative to the first row: of a logit that never changes exactly 0 is left, not a rounding error
        origin = block[0].double() if origin is None else origin
        moved = block.double() - origin  # (rows, classes)
        rows, sums, squares = rows + len(block), sums + moved.sum(0), squares + moved.square().sum(0)
    spread = (squares / rows - (sums / rows).square()).clamp(min=0).sqrt().float()
    return torch.where(spread > 0, spread, 1.0)
