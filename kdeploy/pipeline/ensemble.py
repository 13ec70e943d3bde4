"""How several teachers become one: what that depends on, and its rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kdeploy.pipeline.job import Job
from kdeploy.recipe.teacher import Ensemble

if TYPE_CHECKING:
    from kdeploy.models.ensemble import Rule


def settings(job: Job) -> dict[str, Any]:
    """The mean, and weights that sum to 1; what the members are is in their fingerprints."""
    asked = job.recipe.ensemble or Ensemble()
    weights = asked.weights or (1.0,) * job.count
    return {"mean": asked.mean, "weights": [weight / sum(weights) for weight in weights]}


def rule(job: Job) -> Rule:
    """How the teachers of the job become one."""
    from kdeploy.models.ensemble import Rule

    combination = settings(job)
    return Rule(combination["mean"], tuple(combination["weights"]))
