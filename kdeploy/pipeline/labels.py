"""labels: what they depend on, the header of their store, and the call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kdeploy.pipeline.inputs import feed
from kdeploy.pipeline.job import Job
from kdeploy.pipeline.settings import precision, view_settings
from kdeploy.records.base import Record
from kdeploy.records.labels import LabelHeader


def settings(job: Job) -> dict[str, Any]:
    labels = job.recipe.labels
    return {"views": view_settings(job, count=True), "dtype": labels.dtype, "precision": precision(labels.precision)}


def label_header(job: Job) -> LabelHeader:
    samples, teacher = job.read("samples"), job.read("teacher")
    return LabelHeader(
        kind="logits",
        dtype=job.recipe.labels.dtype,
        teacher=job.prints["teacher"],
        samples=samples.sample_hash,
        preprocessing=teacher.preprocessing,
        views=view_settings(job, count=True),
        precision=precision(job.recipe.labels.precision),
        batch=256,
        class_names=samples.class_names,
        shape=(job.recipe.views.count, samples.transfer_rows, len(samples.class_names)),
    )


def run(job: Job, folder: Path) -> Record:
    from kdeploy.models import teachers
    from kdeploy.stages import labels as stage
    from kdeploy.training import device_named, software

    samples, teacher, header = job.samples(), job.read("teacher"), label_header(job)
    device = device_named(job.recipe.distill.device)
    spec = teachers.Spec(teacher.origin, teacher.name)
    return stage.run(
        folder,
        header=header,
        classifier=teachers.classifier(job.folder("teacher"), spec, device=device, precision=header.precision),
        feed=feed(job, samples, teacher.preprocessing),
        samples=samples,
        software=software(device, header.precision),
        progress=job.progress,
    )
