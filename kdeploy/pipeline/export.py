"""export: what it depends on, and its call."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdeploy.pipeline.inputs import inputs_of
from kdeploy.pipeline.job import Job
from kdeploy.pipeline.settings import host_settings
from kdeploy.recipe import models as recipe
from kdeploy.records.base import Record

if TYPE_CHECKING:
    from kdeploy.stages.export.forms import Choice


def settings(job: Job) -> dict[str, Any]:
    export = job.recipe.export
    timed = host_settings() if export.bottleneck == "auto" else {}
    return export.model_dump(mode="json") | timed


def run(job: Job, folder: Path) -> Record:
    from kdeploy.stages import export as stage

    samples, teacher, distill = job.samples(), job.read("teacher"), job.read("distill")
    export = job.recipe.export
    return stage.run(
        folder,
        teacher=stage.Teacher(teacher, [(job.folder(name), job.read(name)) for name in job.members("teacher")]),
        distilled=(job.folder("distill"), distill),
        inputs=stage.Inputs(
            student=inputs_of(job, samples, distill.preprocessing, "held_out"),
            teacher=inputs_of(job, samples, teacher.preprocessing, "held_out"),
        ),
        bottleneck=_choice(export.bottleneck),
        target=export.target,
        formats=export.formats,
        progress=job.progress,
    )


def _choice(asked: recipe.Bottleneck) -> Choice:
    from kdeploy.stages.export.refactored import Rank

    return Rank(asked.rank, asked.tolerance) if isinstance(asked, recipe.Rank) else asked
