"""Fold the bias between two linear layers into the second one.

    U (V x + b_V) + b_U = U V x + (U b_V + b_U)

computed in float64 and rounded once. The students' bottleneck has none, until a normalisation was folded into V.
"""

from __future__ import annotations

import torch
from torch import nn

from kdeploy.transforms.fuse import linear
from kdeploy.transforms.outcome import Outcome


def fold_bias(layers: nn.Sequential) -> Outcome:
    """Fold the bias of every linear layer that stands right before another. Refuses when there is none."""
    chain, folded = list(layers), 0
    for place in range(len(chain) - 1):
        # of three in a row, the one in the middle may just have been given a bias
        first, second = chain[place : place + 2]
        if isinstance(first, nn.Linear) and isinstance(second, nn.Linear) and first.bias is not None:
            chain[place : place + 2] = _moved(first, second)
            folded += 1
    if not folded:
        return Outcome(layers, False, "no linear layer with a bias stands before another one", applies=False)
    return Outcome(nn.Sequential(*chain).eval(), True, f"{folded} folded into the linear layers behind them")


@torch.no_grad()
def _moved(first: nn.Linear, second: nn.Linear) -> tuple[nn.Linear, nn.Linear]:
    bias = second.weight.double() @ first.bias.double()
    if second.bias is not None:
        bias = bias + second.bias.double()
    return (
        linear(first.weight.detach(), None, like=first.weight),
        linear(second.weight.detach(), bias, like=second.weight),
    )
