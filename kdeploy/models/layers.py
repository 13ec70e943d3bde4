"""Layers of a network by their names, and what its last linear layer reads and gives."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from torch import Tensor, nn

from kdeploy.errors import ModelError


class LinearCall(NamedTuple):
    """A call of a linear layer: its name in the network, what it read, and what it gave."""

    name: str
    layer: nn.Linear
    read: Tensor
    gave: Tensor


@contextmanager
def last_linear_call(module: nn.Module) -> Iterator[list[LinearCall]]:
    """A list that holds, while the network is called inside, the last call of a linear layer; empty before any."""
    calls: list[LinearCall] = []

    def note(name: str, layer: nn.Linear, read: Tensor, gave: Tensor) -> None:
        calls[:] = [LinearCall(name, layer, read, gave)]

    hooks = [
        layer.register_forward_hook(lambda layer, inputs, output, name=name: note(name, layer, inputs[0], output))
        for name, layer in module.named_modules()
        if isinstance(layer, nn.Linear)
    ]
    try:
        yield calls
    finally:
        for hook in hooks:
            hook.remove()


def named_layer(module: nn.Module, name: str, where: str, must: str) -> nn.Module:
    """A layer by its name in a network, which has none itself.

    Args:
        where, must: of the message.
    Raises: ModelError when there is none.
    """
    layers: dict[str, nn.Module] = {key: layer for key, layer in module.named_modules() if key}
    if name not in layers:
        raise ModelError(where, must, got=name, advice=nearest(name, [*layers]))
    return layers[name]


def nearest(name: str, names: Sequence[str]) -> str:
    """Advice for who gave a name that is not among these."""
    near = difflib.get_close_matches(name, names, n=1)
    return f"Did you mean {near[0]!r}?" if near else f"The last are: {', '.join(names[-4:])}."
