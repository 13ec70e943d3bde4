"""Fold batch norm into the convolution or linear layer before it, or into the linear layer behind it.

    a (W * x + b) + c = (a W) * x + (a b + c)        before it
    W (a x + c) + b = (W a) x + (W c + b)            behind it,    a = g / sqrt(v + e),  c = s - m a

with running mean m and variance v: exact in evaluation mode, computed in float64 and rounded once. Behind a Flatten
each channel has height x width columns of W.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from kdeploy.transforms.fuse import linear
from kdeploy.transforms.outcome import Outcome

Norm = nn.BatchNorm1d | nn.BatchNorm2d


def fold_batch_norm(layers: nn.Sequential) -> Outcome:
    """Fold every batch norm that stands next to such a layer.

    Refuses when there is none, a layer in training mode, whose statistics are those of the batch, and a batch norm
    that keeps no statistics, for which that is always so.
    """
    if any(layer.training for layer in layers.modules()):
        return Outcome(layers, False, "the network is in training mode")
    if any(isinstance(layer, Norm) and layer.running_mean is None for layer in layers):
        return Outcome(layers, False, "a batch norm keeps no statistics and takes those of the batch")
    chain, convolutions, linears = _before(list(layers))
    chain, behind = _behind(chain)
    counted = (
        (convolutions, "the convolutions before them"),
        (linears, "the linear layers before them"),
        (behind, "the linear layers behind them"),
    )
    folded = [f"{count} folded into {where}" for count, where in counted if count]
    if not folded:
        norms = any(isinstance(layer, Norm) for layer in layers)
        return Outcome(layers, False, "no batch norm stands behind a convolution or beside a linear layer", norms)
    return Outcome(nn.Sequential(*chain).eval(), True, ", ".join(folded))


def _before(layers: list[nn.Module]) -> tuple[list[nn.Module], int, int]:
    """The chain without the batch norms behind a convolution or a linear layer, and how many those were."""
    chain: list[nn.Module] = []
    convolutions = linears = 0
    for layer in layers:
        last = chain[-1] if chain else None
        if isinstance(layer, nn.BatchNorm2d) and isinstance(last, nn.Conv2d):
            chain[-1] = _into_convolution(last, layer)
            convolutions += 1
        elif isinstance(layer, nn.BatchNorm1d) and isinstance(last, nn.Linear):
            chain[-1] = _into_linear(last, layer)
            linears += 1
        else:
            chain.append(layer)
    return chain, convolutions, linears


def _behind(layers: list[nn.Module]) -> tuple[list[nn.Module], int]:
    """The chain without the batch norms before a linear layer, and how many those were."""
    chain, folded = list(layers), 0
    for place in reversed(range(len(chain))):
        norm, flat = chain[place], place + 1 < len(chain) and isinstance(chain[place + 1], nn.Flatten)
        target = place + (2 if flat else 1)
        layer = chain[target] if target < len(chain) else None
        fits = isinstance(norm, nn.BatchNorm1d) or (isinstance(norm, nn.BatchNorm2d) and flat)
        if isinstance(norm, Norm) and fits and isinstance(layer, nn.Linear):
            chain[target] = _into_next(norm, layer)
            del chain[place]
            folded += 1
    return chain, folded


@torch.no_grad()
def _into_convolution(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    exact = fuse_conv_bn_eval(copy.deepcopy(convolution).double(), copy.deepcopy(norm).double())
    return exact.to(convolution.weight.dtype)


@torch.no_grad()
def _into_linear(layer: nn.Linear, norm: nn.BatchNorm1d) -> nn.Linear:
    exact = fuse_linear_bn_eval(copy.deepcopy(layer).double(), copy.deepcopy(norm).double())
    return exact.to(layer.weight.dtype)


@torch.no_grad()
def _into_next(norm: Norm, layer: nn.Linear) -> nn.Linear:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = _or(norm.weight, 1.0, norm) / torch.sqrt(norm.running_var.double() + norm.eps)
    shift = _or(norm.bias, 0.0, norm) - norm.running_mean.double() * scale
    columns = layer.in_features // norm.num_features
    scale, shift = scale.repeat_interleave(columns), shift.repeat_interleave(columns)
    weight = layer.weight.double()
    bias = weight @ shift + (0.0 if layer.bias is None else layer.bias.double())
    return linear(weight * scale, bias, like=layer.weight)


def _or(value: Tensor | None, default: float, norm: Norm) -> Tensor:
    return torch.full((norm.num_features,), default, dtype=torch.float64) if value is None else value.double()
