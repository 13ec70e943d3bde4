"""Fuse the linear bottleneck of a student that was built elsewhere: one layer in place of its pair.

U (V x) + b = W x + b,  W = U V    in float64, rounded once
"""

from __future__ import annotations

import copy
from typing import NamedTuple

from torch import nn

from kdeploy.models.external_student import LinearBottleneck
from kdeploy.transforms.fuse import LIMIT_BYTES, fused
from kdeploy.transforms.fuse_module import ModuleOutcome


class FusedBottleneck(NamedTuple):
    """How fusing ended, and D, k and H of the pair; None for a student without one."""

    outcome: ModuleOutcome
    widths: tuple[int, int, int] | None


def fuse_bottleneck(module: nn.Module, limit_bytes: int = LIMIT_BYTES) -> FusedBottleneck:
    """Fuse the pair of a student, in a copy.

    Refuses a student without one, and a pair whose fused weights would take more than `limit_bytes`.
    """
    found = next(((name, part) for name, part in module.named_modules() if isinstance(part, LinearBottleneck)), None)
    if found is None:
        reason = "the student has no linear bottleneck"
        return FusedBottleneck(ModuleOutcome(module, False, reason, applies=False), None)
    name, bottleneck = found
    first, second = bottleneck.first, bottleneck.second
    widths = (first.in_features, first.out_features, second.out_features)
    size = first.weight.element_size() * first.in_features * second.out_features
    if size > limit_bytes:
        reason = f"the fused weights would take {size} bytes, more than {limit_bytes}"
        return FusedBottleneck(ModuleOutcome(module, False, reason), widths)
    merged = copy.deepcopy(module)
    parent, _, last = name.rpartition(".")
    setattr(merged.get_submodule(parent), last, fused(first, second))
    shape = " x ".join(map(str, widths))
    return FusedBottleneck(ModuleOutcome(merged.eval(), True, f"one layer in place of {shape}"), widths)
