"""A network that was built elsewhere as a student: the data's normalization before it, a bottleneck in it.

    logits = net((x - mean) / std)

A bottleneck of rank r in a linear layer W (out x in) is the pair of linear layers that begins as the nearest map of
that rank (Eckart and Young 1936): W = P S Q,  V = sqrt(S_r) Q_r,  U = P_r sqrt(S_r), with the bias of W behind it.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from kdeploy.errors import ModelError
from kdeploy.models.normalise import Normalise


class LinearBottleneck(nn.Module):
    """Two linear layers in place of one.

    Args:
        layer: whose place they take.
        rank: of the pair, below what its weight (outputs, inputs) can have.
    """

    def __init__(self, layer: nn.Linear, rank: int) -> None:
        first = nn.Linear(layer.in_features, rank, bias=False)
        second = nn.Linear(rank, layer.out_features, bias=layer.bias is not None)
        super().__init__()
        self.first, self.second = first, second
        with torch.no_grad():
            left, values, right = torch.linalg.svd(layer.weight.double(), full_matrices=False)
            root = values[:rank].sqrt()
            first.weight.copy_(root[:, None] * right[:rank])
            second.weight.copy_(left[:, :rank] * root)
            if layer.bias is not None:
                second.bias.copy_(layer.bias)

    def forward(self, batch: Tensor) -> Tensor:
        """(..., inputs) to (..., outputs)."""
        outputs: Tensor = self.second(self.first(batch))
        return outputs


class ExternalStudent(nn.Module):
    """A network of somebody else's behind the normalisation of the data.

    Args:
        net: (batch, *shape) to logits (batch, classes).
        mean, std: per channel of the input.
        axes: of a batch.
    """

    def __init__(self, net: nn.Module, *, mean: Sequence[float], std: Sequence[float], axes: int) -> None:
        super().__init__()
        self.normalise = Normalise(mean, std, axes)
        self.net = net

    def forward(self, batch: Tensor) -> Tensor:
        """Logits of a preprocessed batch: (batch, *shape) to (batch, classes)."""
        logits: Tensor = self.net(self.normalise(batch))
        return logits


def put_bottleneck(net: nn.Module, layer: str, rank: int, where: str) -> None:
    """Put a linear bottleneck in place of a linear layer of a network, by the layer's name in it.

    Args:
        where: what messages call the network.
    Raises: ModelError when it has no such linear layer, or for a rank that saves nothing.
    """
    linears = {name: part for name, part in net.named_modules() if type(part) is nn.Linear}
    if layer not in linears:
        near = difflib.get_close_matches(layer, linears, n=1)
        advice = f"Did you mean {near[0]!r}?" if near else f"Its linear layers: {', '.join([*linears][-8:]) or 'none'}."
        raise ModelError(where, "student.bottleneck.layer must name a linear layer of it", got=layer, advice=advice)
    old = linears[layer]
    most = min(old.in_features, old.out_features)
    if rank >= most:
        size = f"{old.in_features} x {old.out_features}"
        must = f"student.bottleneck.rank must be below {most} for layer {layer!r} of {size}"
        raise ModelError(where, must, got=str(rank), advice="Lower it, or leave the bottleneck out.")
    parent, _, name = layer.rpartition(".")
    setattr(net.get_submodule(parent), name, LinearBottleneck(old, rank))
