"""Matching of probabilities, what Ba and Caruana 2014 (arXiv 1312.6184, section 2.1) measured logit matching against.

    L_i = 1/2 sum_c (softmax(z_i)_c - softmax(g_i)_c)^2

"L2 on logits beat KL and L2 on probabilities." Their third, the divergence of the outputs, is soft targets at
temperature 1: the two differ by the teacher's entropy, and no gradient sees that.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from kdeploy.losses.shapes import must_agree


def probability_mse(student_logits: Tensor, teacher_logits: Tensor) -> Tensor:
    """Half of the squared distance of each sample's probabilities, shape (batch,); its mean is the loss.

    Args:
        student_logits, teacher_logits: shape (batch, classes), both before any softmax.
    Raises: ValueError when the shapes differ.
    """
    must_agree(student_logits, teacher_logits)
    difference = functional.softmax(student_logits, dim=1) - functional.softmax(teacher_logits, dim=1)
    return difference.square().sum(dim=1) / 2
