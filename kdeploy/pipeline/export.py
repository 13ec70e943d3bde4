"""export: what it depends on, and its call."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdeploy.pipeline.distill import DISTILL
from kdeploy.pipeline.job import Job
from kdeploy.pipeline.samples import SAMPLES
from kdeploy.pipeline.stage import Stage
from kdeploy.pipeline.teacher import TEACHER, members_of
from kdeploy.recipe.formats import ALL, expanded
from kdeploy.records.export import ExportRecord
from kdeploy.runtimes import installed
from kdeploy.system.host import timing_settings

if TYPE_CHECKING:
    from kdeploy.evaluation.exported_run import ExportedRun


def settings(job: Job) -> dict[str, Any]:
    """With `all` among the formats, the result depends on which runtimes are here."""
    export = job.recipe.export
    timed = timing_settings() if export.bottleneck == "auto" else {}
    return export.settings() | timed | ({"runtimes": installed.deployable()} if ALL in export.formats else {})


def run(job: Job, folder: Path) -> ExportRecord:
    """Export teacher and student."""
    from kdeploy.evaluation.precision_cost import Labeled
    from kdeploy.parity.compare import thinned
    from kdeploy.samples.feed import plain_inputs
    from kdeploy.stages.export import run as stage
    from kdeploy.stages.export.formats import TRANSFER

    samples, teacher, distill = job.samples(), job.read(TEACHER), job.read(DISTILL)
    export, rows = job.recipe.export, thinned(samples.transfer, TRANSFER)
    return stage.run(
        folder,
        teacher=stage.ExportedTeacher(teacher, members_of(job)),
        distilled=(job.folder(DISTILL), distill),
        inputs=stage.ExportInputs(
            student=Labeled.of(samples, distill.preprocessing, "held_out"),
            teacher=Labeled.of(samples, teacher.preprocessing, "held_out"),
            student_transfer=plain_inputs(samples, distill.preprocessing, rows),
            teacher_transfer=plain_inputs(samples, teacher.preprocessing, rows),
            canonical=samples.inputs[distill.preprocessing.input][samples.parts["held_out"]],
        ),
        options=export.options(stage.ExportOptions),
        requests=expanded(export.formats, installed.deployable()),
        progress=job.progress,
    )


EXPORT = Stage("export", ExportRecord, (SAMPLES, TEACHER, DISTILL), settings, run, measures=True)


def exported_run(job: Job) -> ExportedRun:
    """A finished export with what it rests on."""
    from kdeploy.evaluation.exported_run import ExportedRun

    distilled, teacher = (job.folder(DISTILL), job.read(DISTILL)), (job.folder(TEACHER), job.read(TEACHER))
    return ExportedRun(job.folder(EXPORT), job.read(EXPORT), distilled, teacher, members_of(job))
