"""labels: what they depend on, the header of their store, and the call; of several teachers, each and all together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdeploy.pipeline.job import Job
from kdeploy.pipeline.samples import SAMPLES, feed
from kdeploy.pipeline.stage import for_each_teacher
from kdeploy.pipeline.teacher import TEACHER
from kdeploy.recipe.fit import check_top
from kdeploy.records.labels import LabelHeader, LabelsRecord
from kdeploy.training.settings import resolved

if TYPE_CHECKING:
    from kdeploy.labels.store import Labels
    from kdeploy.models.classifier import Classifier


def settings(job: Job, number: int) -> dict[str, Any]:
    """Those of one teacher's labels."""
    features = job.recipe.members[number].features
    said = resolved(job.recipe.labels) | {"views": job.recipe.views.settings()}
    return said if features is None else said | {"features": features}


def label_header(job: Job, number: int = 0) -> LabelHeader:
    """The header of one teacher's store, without blocks."""
    stage, labels = job.members(TEACHER)[number], job.recipe.labels
    samples, teacher = job.read(SAMPLES), job.read(stage)
    return LabelHeader(
        kind=labels.kind,
        top=labels.top,
        features=job.recipe.members[number].features,
        components=labels.components,
        dtype=labels.dtype,
        teacher=job.prints[stage.key],
        samples=samples.sample_hash,
        preprocessing=teacher.preprocessing,
        views=job.recipe.views.settings(),
        precision=resolved(labels)["precision"],
        batch=256,
        class_names=teacher.class_names,
        shape=(job.recipe.views.count, samples.transfer_rows, len(teacher.class_names)),
    )


def classifier_of(job: Job, number: int, header: LabelHeader) -> Classifier:
    """One teacher, ready to label."""
    from kdeploy.models import teachers
    from kdeploy.training.loop import device_named

    stage = job.members(TEACHER)[number]
    return teachers.classifier(
        job.folder(stage),
        teachers.spec_of(job.read(stage)),
        device=device_named(job.recipe.distill.device),
        precision=header.precision,
        features=header.features,
    )


def combine(job: Job, _folder: Path) -> LabelsRecord:
    """What the members' stores come to; nothing is stored again."""
    from kdeploy.stages import ensemble as stage

    records = [job.read(one) for one in job.members(LABELS)]
    return stage.labels(records, open_labels(job), job.samples(), mixed=job.recipe.views.mixup > 0)


def run(job: Job, folder: Path, number: int) -> LabelsRecord:
    """Label the transfer set with one teacher."""
    from kdeploy.stages import labels as stage
    from kdeploy.training.loop import device_named, software

    samples, header = job.samples(), label_header(job, number)
    check_top(header.top, len(header.class_names))
    return stage.run(
        folder,
        header=header,
        classifier=classifier_of(job, number, header),
        feed=feed(job, header.preprocessing),
        samples=samples,
        software=software(device_named(job.recipe.distill.device), header.precision),
        progress=job.progress,
    )


def open_labels(job: Job) -> Labels:
    """The labels of the one teacher, or of the ensemble."""
    from kdeploy.labels.store import Combined, Reader
    from kdeploy.models.ensemble import Rule

    stages = enumerate(job.members(LABELS))
    readers = [Reader(job.folder(stage), label_header(job, number)) for number, stage in stages]
    return readers[0] if job.count == 1 else Combined(readers, Rule(**job.recipe.combination))


LABELS = for_each_teacher("labels", LabelsRecord, (SAMPLES, TEACHER), settings, run, combine)
