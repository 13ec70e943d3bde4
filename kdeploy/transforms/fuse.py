"""Fuse a linear bottleneck: two linear layers with nothing between them are one.

    U (V x + b_V) + b_U = W x + b,    W = U V,  b = U b_V + b_U

computed in float64 and rounded once. It saves multiply-adds only when k > D H / (D + H), the break-even.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from kdeploy.transforms.outcome import Outcome

LIMIT_BYTES = 512 << 20


def fuse(layers: nn.Sequential, limit_bytes: int = LIMIT_BYTES) -> Outcome:
    """Fuse the first pair of consecutive linear layers.

    Refuses when there is none, and when the fused weights would take more than `limit_bytes`.
    """
    chain = list(layers)
    for number, (first, second) in enumerate(itertools.pairwise(chain)):
        if isinstance(first, nn.Linear) and isinstance(second, nn.Linear):
            size = 4 * first.in_features * second.out_features
            if size > limit_bytes:
                return Outcome(layers, False, f"the fused weights would take {size} bytes, more than {limit_bytes}")
            chain[number : number + 2] = [fused(first, second)]
            shape = f"{first.in_features} x {first.out_features} x {second.out_features}"
            return Outcome(nn.Sequential(*chain), True, f"one layer in place of {shape}")
    return Outcome(layers, False, "no two linear layers stand next to each other", applies=False)


@torch.no_grad()
def fused(first: nn.Linear, second: nn.Linear) -> nn.Linear:
    """The one layer equal to `second` after `first`; always with a bias."""
    weight = second.weight.double() @ first.weight.double()
    bias = torch.zeros(second.out_features, dtype=torch.float64)
    if first.bias is not None:
        bias = bias + second.weight.double() @ first.bias.double()
    if second.bias is not None:
        bias = bias + second.bias.double()
    return linear(weight, bias, like=second.weight)


def linear(weight: Tensor, bias: Tensor | None, *, like: Tensor) -> nn.Linear:
    """A linear layer of these weights, (outputs, inputs), and this bias, (outputs,), in the dtype of `like`."""
    # its own weights are never made
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
    layer.weight = nn.Parameter(weight.to(like.dtype), requires_grad=False)
    if bias is not None:
        layer.bias = nn.Parameter(bias.to(like.dtype), requires_grad=False)
    return layer.eval()
