"""labels: what they depend on, the header of their store, and the call."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdeploy.errors import DataError
from kdeploy.pipeline.inputs import feed
from kdeploy.pipeline.job import Job
from kdeploy.pipeline.settings import precision, view_settings
from kdeploy.records.base import Record
from kdeploy.records.labels import LabelHeader

if TYPE_CHECKING:
    from kdeploy.models.classifier import Classifier


def settings(job: Job, number: int = 0) -> dict[str, Any]:
    labels = job.recipe.labels
    plain = {"views": view_settings(job, count=True), "dtype": labels.dtype, "precision": precision(labels.precision)}
    # what came after `logits` is left out for them, so that older results stay valid
    other = {"kind": labels.kind, "top": labels.top, "features": job.recipe.members[number].features}
    reduced = {} if labels.components is None else {"components": labels.components}
    return plain if labels.kind == "logits" else plain | other | reduced


def label_header(job: Job, number: int = 0) -> LabelHeader:
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
        components=job.recipe.labels.components,
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


def classifier_of(job: Job, number: int, header: LabelHeader) -> Classifier:
    """One teacher, ready to label."""
    from kdeploy.models import teachers
    from kdeploy.training.loop import device_named

    name = job.member("teacher", number)
    return teachers.classifier(
        job.folder(name),
        teachers.spec_of(job.read(name)),
        device=device_named(job.recipe.distill.device),
        precision=header.precision,
        features=header.features,
    )


def run(job: Job, folder: Path, number: int = 0) -> Record:
    from kdeploy.stages import labels as stage
    from kdeploy.training.loop import device_named, software

    samples, header = job.samples(), label_header(job, number)
    return stage.run(
        folder,
        header=header,
        classifier=classifier_of(job, number, header),
        feed=feed(job, samples, header.preprocessing),
        samples=samples,
        software=software(device_named(job.recipe.distill.device), header.precision),
        progress=job.progress,
    )
