"""Relational distillation (Park et al. 2019, "Relational Knowledge Distillation", arXiv 1904.05068, equations 6 to 10).

    distance    1 / B^2 sum_ij  huber(|x_i - x_j| / mu - |y_i - y_j| / nu)
    angle       1 / B^3 sum_ijk huber(cos(x_i - x_j, x_k - x_j) - cos(y_i - y_j, y_k - y_j))

with x the student's outputs, y the teacher's, and mu, nu the mean distance of two samples that differ. Only relations
count: no rotation, shift or scale of either side changes the loss, and the two may have different widths. So on its
own it does not say which output is which class, and it is added to a loss that does.

Angles take memory in proportion to B^2 D + B^3.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def distance_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """How much the relative distances of the samples of a batch differ, a scalar.

    Args:
        student, teacher: shapes (batch, D) and (batch, E); outputs, or features of a layer.
    """
    return functional.huber_loss(_relative_distances(student), _relative_distances(teacher))


def angle_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """How much the angles at each sample between each two others differ, a scalar; as `distance_loss`."""
    return functional.huber_loss(_cosines(student), _cosines(teacher))


def _relative_distances(values: Tensor) -> Tensor:
    """Distances over the mean of those above 0, shape (batch, batch)."""
    distances: Tensor = torch.linalg.vector_norm(_differences(values), dim=2)
    mean = distances.sum() / (distances > 0).sum().clamp(min=1)
    # a batch of one sample, or of equal ones, has no distances to divide by
    return distances / torch.where(mean > 0, mean, 1.0)


def _cosines(values: Tensor) -> Tensor:
    """The cosine at j between i and k, and 0 where two of them are the same; shape (batch, batch, batch) of j, i, k."""
    differences = _differences(values)
    lengths = torch.linalg.vector_norm(differences, dim=2, keepdim=True)
    directions = differences / torch.where(lengths > 0, lengths, 1.0)
    return directions @ directions.mT


def _differences(values: Tensor) -> Tensor:
    """x_i - x_j at [j, i], shape (batch, batch, D)."""
    return values[None] - values[:, None]
