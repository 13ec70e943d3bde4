"""ensemble: several teachers as one teacher and one set of labels; what that depends on, and the calls."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdeploy.pipeline.job import Job
from kdeploy.pipeline.labels import label_header
from kdeploy.recipe.teacher import Ensemble
from kdeploy.records.base import Record

if TYPE_CHECKING:
    from kdeploy.labels.store import Labels
    from kdeploy.models.ensemble import Rule


def settings(job: Job) -> dict[str, Any]:
    """Of the ensemble, whose weights are made to sum to 1; what its members are is in their fingerprints."""
    asked = job.recipe.ensemble or Ensemble()
    weights = asked.weights or (1.0,) * job.count
    return {"mean": asked.mean, "weights": [weight / sum(weights) for weight in weights]}


def rule(job: Job) -> Rule:
    """How the teachers of the job become one."""
    from kdeploy.models.ensemble import Rule

    found = settings(job)
    return Rule(found["mean"], tuple(found["weights"]))


def teacher(job: Job, folder: Path) -> Record:
    """The members, which are done, as one teacher."""
    from kdeploy.stages import ensemble as stage
    from kdeploy.training.loop import device_named, software

    return stage.teacher(
        folder,
        members=[(job.folder(name), job.read(name)) for name in job.members("teacher")],
        rule=rule(job),
        samples=job.samples(),
        software=software(device_named("cpu"), "fp32"),
    )


def labels(job: Job, _folder: Path) -> Record:
    """What the members' stores come to; nothing is stored again."""
    from kdeploy.stages import ensemble as stage

    records = [job.read(name) for name in job.members("labels")]
    return stage.labels(records, open_labels(job), job.samples(), mixed=job.recipe.views.mixup > 0)


def open_labels(job: Job) -> Labels:
    """The labels of the one teacher, or of the ensemble."""
    from kdeploy.labels.store import Combined, Reader

    readers = [Reader(job.folder(name), label_header(job, number)) for number, name in enumerate(job.members("labels"))]
    return readers[0] if job.count == 1 else Combined(readers, rule(job))
