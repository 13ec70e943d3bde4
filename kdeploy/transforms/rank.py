"""Factor one linear map at a lower rank: the two layers of a bottleneck, or one wide layer.

    W = U V = P S Q^T,    W_r = (P_r sqrt(S_r)) (sqrt(S_r) Q_r^T),    |W - W_r| = s_(r+1)

with the singular values s_1 >= s_2 >= ... on the diagonal of S. No map of rank r is nearer to W in the largest error
of an output for inputs of length 1, which is s_(r+1) (Eckart and Young 1936). The square roots balance the factors:
both have the same singular values. The bias U b_V + b_U moves to the second factor.

Of a pair only a k x k matrix is decomposed: U = A R and V^T = B T by QR, then R T^T = P' S Q'^T, P = A P', Q = B Q'.
Computed in float64 and rounded once.
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from kdeploy.transforms.fuse import linear
from kdeploy.transforms.outcome import Outcome


class Decomposition(NamedTuple):
    """One linear map of a chain as its singular values and vectors, float64.

    Args:
        place: of its first layer in the chain.
        width: k of a pair; None for a single layer.
        left: P, shape (outputs, n).
        values: s, shape (n,), the largest first.
        right: Q^T, shape (n, inputs).
        bias: shape (outputs,).
    """

    place: int
    width: int | None
    left: Tensor
    values: Tensor
    right: Tensor
    bias: Tensor

    @property
    def most(self) -> int:
        """The largest rank of use: that of a pair's map, for a single layer the last below its break-even."""
        if self.width is not None:
            return len(self.values)
        outputs, inputs = len(self.left), self.right.shape[1]
        return math.ceil(inputs * outputs / (inputs + outputs)) - 1

    @property
    def called(self) -> str:
        """The widths in words: `12 x 3 x 8` for a pair, `12 x 8` for a single layer."""
        inner = [] if self.width is None else [self.width]
        return " x ".join(map(str, [self.right.shape[1], *inner, len(self.left)]))


def lower_rank(layers: nn.Sequential, rank: int) -> Outcome:
    """Lower the rank of the first pair of consecutive linear layers, or without one of the layer with the most weights.

    Refuses when there is no linear layer, and a rank above the bottleneck's or not below a single layer's break-even.
    """
    decomposition = decompose(layers)
    if decomposition is None:
        return Outcome(layers, False, "the network has no linear layer")
    if rank > decomposition.most and decomposition.width is not None:
        return Outcome(
            layers, False, f"the bottleneck of {decomposition.called} has no rank above {decomposition.most}"
        )
    if rank > decomposition.most:
        return Outcome(
            layers, False, f"two factors of {decomposition.called} cost less only up to rank {decomposition.most}"
        )
    return Outcome(at_rank(layers, decomposition, rank), True, f"rank {rank} in place of {decomposition.called}")


@torch.no_grad()
def decompose(layers: nn.Sequential) -> Decomposition | None:
    """The map that `lower_rank` works on; None when no layer is linear."""
    for place, (first, second) in enumerate(itertools.pairwise(layers)):
        if isinstance(first, nn.Linear) and isinstance(second, nn.Linear):
            return _of_pair(place, first, second)
    single = [(layer.weight.numel(), -place) for place, layer in enumerate(layers) if isinstance(layer, nn.Linear)]
    if not single:
        return None
    place = -max(single)[1]
    layer = layers[place]
    assert isinstance(layer, nn.Linear)
    left, values, right = torch.linalg.svd(layer.weight.double(), full_matrices=False)
    return Decomposition(place, None, left, values, right, _bias(layer))


@torch.no_grad()
def at_rank(layers: nn.Sequential, decomposition: Decomposition, rank: int) -> nn.Sequential:
    """The chain with the decomposed map in two balanced factors, in the dtype of the layers they replace."""
    root = decomposition.values[:rank].sqrt()
    stop = decomposition.place + (1 if decomposition.width is None else 2)
    last = layers[stop - 1]
    assert isinstance(last, nn.Linear)
    factors = (
        linear(root[:, None] * decomposition.right[:rank], None, like=last.weight),
        linear(decomposition.left[:, :rank] * root, decomposition.bias, like=last.weight),
    )
    chain = list(layers)
    chain[decomposition.place : stop] = factors
    return nn.Sequential(*chain).eval()


def _of_pair(place: int, first: nn.Linear, second: nn.Linear) -> Decomposition:
    left_basis, left_core = torch.linalg.qr(second.weight.double())  # (outputs, n), (n, k)
    right_basis, right_core = torch.linalg.qr(first.weight.double().T)  # (inputs, m), (m, k)
    left, values, right = torch.linalg.svd(left_core @ right_core.T, full_matrices=False)
    bias = _bias(second) + second.weight.double() @ _bias(first)
    return Decomposition(place, first.out_features, left_basis @ left, values, right @ right_basis.T, bias)


def _bias(layer: nn.Linear) -> Tensor:
    return torch.zeros(layer.out_features, dtype=torch.float64) if layer.bias is None else layer.bias.double()
