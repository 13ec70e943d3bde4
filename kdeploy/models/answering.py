"""Which layer of a network gives its outputs."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from kdeploy.errors import ModelError
from kdeploy.models.layers import last_linear_call


class Answering(NamedTuple):
    """The linear layer that gives the logits, and its name in the network."""

    name: str
    layer: nn.Linear


@torch.no_grad()
def answering_layer(module: nn.Module, batch: Tensor) -> Answering | None:
    """The last linear layer that is called, where its output is the network's answer; else None.

    Args:
        batch: preprocessed, float32 (rows, *shape).
    """
    training = module.training
    try:
        with last_linear_call(module) as calls:
            answer = module.eval()(batch)
    finally:
        module.train(training)
    return Answering(calls[0].name, calls[0].layer) if calls and torch.equal(calls[0].gave, answer) else None


def must_end_linear(module: nn.Module, batch: Tensor, where: str) -> nn.Linear:
    """The linear layer that gives the outputs, which is to be changed.

    Raises: ModelError where they come from elsewhere, or it has no bias.
    """
    answering = answering_layer(module, batch)
    if answering is None or answering.layer.bias is None:
        got = "its outputs come from elsewhere" if answering is None else f"layer {answering.name!r} has none"
        must = "must end in a linear layer with a bias, for values or distill.match_prior"
        raise ModelError(where, must, got=got, advice="Put such a layer at its end.")
    return answering.layer
