"""Fuse linear pairs in a module of the user's own, whose code is followed by torch.fx.

    U (V x + b_V) + b_U = W x + b,    as in `fuse`

for two nn.Linear that are called one behind the other, where nothing else reads what is between. A teacher is not
timed in two forms, so only pairs above the break-even are fused: the others would cost more multiply-adds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from torch import fx, nn

from kdeploy.models.shallow import break_even
from kdeploy.transforms.fuse import LIMIT_BYTES, fused


class ModuleOutcome(NamedTuple):
    """`module` is a new one when done, else the old one; the rest is as in `Outcome`."""

    module: nn.Module
    done: bool
    reason: str
    applies: bool = True


class _Calls(NamedTuple):
    """Two calls, and the layers that they call."""

    first_call: fx.Node
    second_call: fx.Node
    first: nn.Linear
    second: nn.Linear

    @property
    def shape(self) -> str:
        return f"{self.first.in_features} x {self.first.out_features} x {self.second.out_features}"


def fuse_module(module: nn.Module, limit_bytes: int = LIMIT_BYTES) -> ModuleOutcome:
    """Fuse every pair that this saves multiply-adds for, in a copy that shares the other layers.

    Refuses a module whose code depends on its input's values, one without pairs, and pairs that would grow.
    """
    try:
        traced = fx.symbolic_trace(module)
    except Exception as exc:
        # following somebody's code raises whatever that code does
        why = str(exc).strip().partition("\n")[0]
        return ModuleOutcome(module, False, f"its code cannot be followed: {why}")
    done, refused = [], []
    for pair in _pairs(traced):
        reason = _refusal(pair, limit_bytes)
        if reason:
            refused.append(reason)
            continue
        done.append(pair.shape)
        _replace(traced, pair, f"fused_{len(done)}")
    if not done:
        reason = "; ".join(refused) or "no two linear layers stand next to each other"
        return ModuleOutcome(module, False, reason, applies=bool(refused))
    traced.recompile()
    return ModuleOutcome(traced.eval(), True, f"one layer in place of {', '.join(done)}")


def _pairs(traced: fx.GraphModule) -> Iterator[_Calls]:
    """The pairs in order, so that what one pair became can be the first of the next."""
    for node in list(traced.graph.nodes):
        second = _linear(traced, node)
        before = node.args[0] if second is not None and len(node.args) == 1 else None
        if second is None or not isinstance(before, fx.Node) or len(before.users) != 1:
            continue
        first = _linear(traced, before)
        if first is not None:
            yield _Calls(before, node, first, second)


def _linear(traced: fx.GraphModule, node: fx.Node) -> nn.Linear | None:
    """The layer that a node calls, if its call is the product and nothing more."""
    layer = traced.get_submodule(str(node.target)) if node.op == "call_module" else None
    if not isinstance(layer, nn.Linear) or type(layer).forward is not nn.Linear.forward or node.kwargs:
        return None
    return None if layer._forward_hooks or layer._forward_pre_hooks else layer


def _refusal(pair: _Calls, limit_bytes: int) -> str:
    inputs, width, outputs = pair.first.in_features, pair.first.out_features, pair.second.out_features
    size, limit = pair.second.weight.element_size() * inputs * outputs, break_even(inputs, outputs)
    if size > limit_bytes:
        return f"the fused weights of {pair.shape} would take {size} bytes, more than {limit_bytes}"
    if width < limit:
        return f"{pair.shape} costs less as it is: k {width} < break-even {limit:.0f}"
    return ""


def _replace(traced: fx.GraphModule, pair: _Calls, name: str) -> None:
    while hasattr(traced, name):
        name += "_"
    traced.add_submodule(name, fused(pair.first, pair.second))
    with traced.graph.inserting_before(pair.second_call):
        call = traced.graph.call_module(name, pair.first_call.args)
    pair.second_call.replace_all_uses_with(call)
    traced.graph.erase_node(pair.second_call)
    traced.graph.erase_node(pair.first_call)
