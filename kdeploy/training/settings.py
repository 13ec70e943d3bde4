"""What a recipe chose about a training, as this machine does it: the resolved precision."""

from __future__ import annotations

from typing import Any

from kdeploy.recipe.teacher import Labels
from kdeploy.recipe.training import Training
from kdeploy.system import host
from kdeploy.training.options import TrainingOptions


def precision(asked: str) -> str:
    """`auto` is bfloat16 where the processor multiplies it, else float32; fingerprints hold the answer."""
    return asked if asked != "auto" else "bf16" if host.has_bf16() else "fp32"


def resolved(section: Training | Labels) -> dict[str, Any]:
    """What a section says beyond its defaults, and its precision in any case."""
    return section.settings() | {"precision": precision(section.precision)}


def training_options(section: Training, exact: bool) -> TrainingOptions:
    """What a recipe chose about a training.

    Args:
        exact: refuse checkpoints from which a training would not end with the same bits?
    """
    return section.options(TrainingOptions, precision=precision(section.precision), require_exact=exact)
