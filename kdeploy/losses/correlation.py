"""DIST (Huang et al. 2022, "Knowledge Distillation from A Stronger Teacher", arXiv 2205.10536, equations 6 to 10).

    L = inter / B sum_i (1 - r(q_i., p_i.)) + intra / C sum_c (1 - r(q_.c, p_.c))

with r Pearson's correlation, p and q the softmax of teacher and student. Between the classes of a sample (inter), and
within a class over the batch (intra), the student keeps the relations of the teacher and not its values: a linear map
with a positive slope of either side changes nothing. Each sample's share of the second sum is its product of
standardised values, so that the shares' mean is the loss.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from kdeploy.losses.shapes import must_agree

# added to the product of the norms: where a network gives the same value everywhere the correlation is 0
_FLOOR = 1e-8


def correlation_loss(student_logits: Tensor, teacher_logits: Tensor, inter: float, intra: float) -> Tensor:
    """Each sample's share of the loss, shape (batch,); their mean is the loss.

    Args:
        student_logits, teacher_logits: shape (batch, classes).
        inter, intra: weights of the relations between and within classes.
    Raises: ValueError when the shapes differ.
    """
    must_agree(student_logits, teacher_logits)
    student, teacher = functional.softmax(student_logits, dim=1), functional.softmax(teacher_logits, dim=1)
    between = correlation_terms(student, teacher, dim=1).sum(dim=1)  # (batch,)
    within = len(student) * correlation_terms(student, teacher, dim=0).mean(dim=1)  # (batch,)
    return inter * (1 - between) + intra * (1 - within)


def correlation_terms(one: Tensor, other: Tensor, dim: int) -> Tensor:
    """The terms of Pearson's correlations along a dimension: their sum along it is r; all three of one shape."""
    one, other = one - one.mean(dim, keepdim=True), other - other.mean(dim, keepdim=True)
    lengths = (torch.linalg.vector_norm(values, dim=dim, keepdim=True) for values in (one, other))
    products: Tensor = torch.mul(*lengths)
    return one * other / (products + _FLOOR)
