"""What several stages depend on: resolved precision, the host, the views."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from kdeploy.pipeline.job import Job
from kdeploy.recipe import regime as recipe
from kdeploy.system import host
from kdeploy.training.schedules import Regime


def precision(asked: str) -> str:
    """`auto` is bfloat16 where the processor multiplies it, else float32; fingerprints hold the answer."""
    return asked if asked != "auto" else "bf16" if host.has_bf16() else "fp32"


def regime(asked: recipe.Regime, job: Job) -> Regime:
    """What a recipe chose about a training."""
    return Regime(
        asked.schedule, asked.lr_warm_up, asked.clip, asked.ema, asked.compile, job.require_exact, asked.optimizer
    )


def host_settings() -> dict[str, Any]:
    """For stages that time something: the machine, and what runs the models."""
    return {"host": host.host_id(), "versions": host.library_versions(("onnxruntime", "openvino", "numpy"))}


def view_settings(job: Job, *, count: bool) -> dict[str, Any]:
    """What the labels depend on; without `count`, what a training on labels depends on: nothing that mixes samples."""
    settings = job.recipe.views.settings()
    if count:
        return settings
    inputs = {name: _without(one, ("munge",)) for name, one in settings["inputs"].items()}
    return _without(settings, ("count", "mixup", "munge")) | {"inputs": inputs}


def _without(settings: Mapping[str, Any], keys: Collection[str]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key not in keys}
