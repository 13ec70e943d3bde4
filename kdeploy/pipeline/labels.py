"""labels: what they depend on, the header of their store, and the call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kdeploy.errors import DataError
from kdeploy.pipeline.inputs import feed
from kdeploy.pipeline.job import Job
from kdeploy.pipeline.settings import precision, view_settings
from kdeploy.records.base import Record
from kdeploy.records.labels import LabelHeader


def settings(job: Job, number: int = 0) -> dict[str, Any]:
    labels = job.recipe.labels
    plain = {"views": view_settings(job, count=True), "dtype": labels.dtype, "precision": precision(labels.precision)}
    # what came after `logits` is left out for them, so that older results stay valid
    other = {"kind": labels.kind, "top": labels.top, "features": job.recipe.members[number].features}
    return plain if labels.kind == "logits" else plain | other


def label_header(job: Job, number: int) -> LabelHeader:
    """The header of one teacher's store, without blocks."""
    name = job.member("teacher", number)
    samples, teacher = job.read("samples"), job.read(name)
    top = job.recipe.labels.top
    if top is not None and top > len(samples.class_names):
        must = f"must be at most the number of classes, {len(samples.class_names)}"
        raise DataError("labels.top", must, got=str(top), advice="Set labels.kind to logits to keep all.")
    return LabelHeader(
        kind=job.recipe.labels.kind,
        top=top,
        features=job.recipe.members[number].features,
        dtype=job.recipe.labels.dtype,
        teacher=job.prints[name],
        samples=samples.sample_hash,
        preprocessing=teacher.preprocessing,
        views=view_settings(job, count=True),
        precision=precision(job.recipe.labels.precision),
        batch=256,
        class_names=samples.class_names,
        shape=(job.recipe.views.count, samples.transfer_rows, len(samples.class_names)),
    )


def run(job: Job, folder: Path, number: int = 0) -> Record:
    from kdeploy.models import teachers
    from kdeploy.stages import labels as stage
    from kdeploy.training import device_named, software

    name = job.member("teacher", number)
    samples, teacher, header = job.samples(), job.read(name), label_header(job, number)
    device, spec = device_named(job.recipe.distill.device), teachers.spec_of(teacher)
    return stage.run(
        folder,
        header=header,
        classifier=teachers.classifier(
            job.folder(name), spec, device=device, precision=header.precision, features=header.features
        ),
        feed=feed(job, samples, teacher.preprocessing),
        samples=samples,
        software=software(device, header.precision),
        progress=job.progress,
    )
