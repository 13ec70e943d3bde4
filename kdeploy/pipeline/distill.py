"""distill: what it depends on, and its call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kdeploy.pipeline.job import Job
from kdeploy.pipeline.labels import LABELS, open_labels
from kdeploy.pipeline.samples import SAMPLES, feed
from kdeploy.pipeline.stage import Stage
from kdeploy.pipeline.teacher import TEACHER
from kdeploy.records.distill import DistillRecord
from kdeploy.training.settings import resolved


def settings(job: Job) -> dict[str, Any]:
    """What the student is, and how it learns."""
    return {"student": job.recipe.student.settings(), "distill": resolved(job.recipe.distill, job.threads)}


def run(job: Job, folder: Path) -> DistillRecord:
    """Train students and baselines, and judge them."""
    from kdeploy.evaluation.logits import stored_logits
    from kdeploy.losses.options import LossOptions
    from kdeploy.stages import distill as stage

    samples, distill = job.samples(), job.recipe.distill
    teacher = job.folder(TEACHER)
    return stage.run(
        folder,
        student=job.recipe.student.arguments,
        feed=feed(job, samples.plain_preprocessing),
        samples=samples,
        teacher=stage.StoredTeacher(
            open_labels(job), stored_logits(teacher, "test"), stored_logits(teacher, "held_out")
        ),
        options=distill.options(
            stage.DistillOptions,
            training=job.training_options(distill),
            loss=distill.options(LossOptions),
        ),
        progress=job.progress,
    )


DISTILL = Stage("distill", DistillRecord, (SAMPLES, TEACHER, LABELS), settings, run, trains=lambda _job: True)
