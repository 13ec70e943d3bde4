"""What a recipe chose about a training, as this machine does it: the resolved precision and number of threads."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from kdeploy.recipe.teacher import Labels
from kdeploy.recipe.training import Training
from kdeploy.system import host
from kdeploy.training.options import TrainingOptions


def precision(asked: str) -> str:
    """`auto` is bfloat16 where the processor multiplies it, else float32; fingerprints hold the answer."""
    return asked if asked != "auto" else "bf16" if host.has_bf16() else "fp32"


def resolved(section: Training | Labels, threads: int | None = None) -> dict[str, Any]:
    """What a section says beyond its defaults, and in any case its precision and, of a training, its threads.

    Args:
        threads: of a training that does not say how many; None for what does not train.
    """
    own = {} if threads is None else {"threads": threads}
    return own | section.settings() | {"precision": precision(section.precision)}


def training_options(section: Training, *, exact: bool, threads: int) -> TrainingOptions:
    """What a recipe chose about a training.

    Args:
        exact: refuse checkpoints from which a training would not end with the same bits?
        threads: of a training that does not say how many.
    """
    found = section.options(TrainingOptions, precision=precision(section.precision), require_exact=exact)
    return replace(found, threads=section.threads or threads)
