"""Several teachers as one: the mean of their logits or of their probabilities, weighted.

    logits:         z = sum_i w_i z_i
    probabilities:  z = log sum_i w_i softmax(z_i)        w_i > 0, sum_i w_i = 1

the geometric (normalised) and the arithmetic mean of Hinton, Vinyals and Dean 2015, section 2. The first softens as its
members do: softmax(z / T) is the mean of theirs at every T. The second is exact at T = 1: at another temperature a loss
softens the mean of the probabilities, which is not the mean of the softened probabilities.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

Mean = Literal["logits", "probabilities"]


class Rule(NamedTuple):
    """How members become one teacher; the weights are one a member and sum to 1."""

    mean: Mean
    weights: tuple[float, ...]


def combine(members: Tensor, rule: Rule) -> Tensor:
    """Logits of members (members, rows, classes) to logits of the ensemble (rows, classes)."""
    weights = torch.tensor(rule.weights, dtype=members.dtype, device=members.device).view(-1, 1, 1)
    if rule.mean == "logits":
        return (weights * members).sum(0)
    return torch.logsumexp(members.log_softmax(-1) + weights.log(), 0)


class Ensemble(nn.Module):
    """Modules that read the same input, as one."""

    def __init__(self, members: Iterable[nn.Module], rule: Rule) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.rule = rule

    def forward(self, batch: Tensor) -> Tensor:
        """Logits of a preprocessed batch: (batch, *shape) to (batch, classes)."""
        return combine(torch.stack([member(batch) for member in self.members]), self.rule)
