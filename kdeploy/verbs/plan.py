"""The plan of a run: which stages, how many labels and how long they take, multiply-adds, the break-even."""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from kdeploy.errors import KdeployError
from kdeploy.evaluation.accuracy import BATCH
from kdeploy.labels import encoding
from kdeploy.models.shallow import ShallowStudent, break_even
from kdeploy.pipeline import order
from kdeploy.pipeline.job import Job
from kdeploy.pipeline.labels import LABELS, classifier_of, label_header
from kdeploy.pipeline.samples import SAMPLES, feed
from kdeploy.pipeline.teacher import TEACHER, class_count
from kdeploy.recipe.fit import check_fit
from kdeploy.records.plan import PlannedStage, PlannedTeacher, PlanRecord
from kdeploy.records.samples import SamplesRecord
from kdeploy.samples import sources
from kdeploy.system.malloc import keeping_pages
from kdeploy.verbs.speed_preview import preview_speed


def plan(job: Job, *, speed: bool = False) -> PlanRecord:
    """The plan of a job. The data is decoded when no earlier run has done that, and thrown away again.

    Args:
        speed: time an untrained student against the teacher as well, about a minute a runtime.
    """
    job.prints = order.fingerprints(job)
    samples, decoded = job.find(SAMPLES), None
    if samples is None:
        decoded = sources.load(job.source, **job.recipe.data.division)
        samples = decoded.record
    check_fit(job.recipe, samples.shape, samples.kinds, labeled=samples.any_label)
    classes = class_count(job, samples)
    student, shape = _student(job, samples.shape, classes), samples.shape
    count = _multiply_adds(student, shape)
    teachers = tuple(_teacher(job, number, samples, classes) for number in range(job.count))
    sizes = [teacher.label_bytes for teacher in teachers if teacher.label_bytes is not None]
    width, inputs, outputs = job.recipe.student.bottleneck, _width(student, shape), job.recipe.student.hidden[0]
    return PlanRecord(
        name=job.recipe.name,
        stages=tuple(
            PlannedStage(stage=str(key), fingerprint=job.prints[key], done=job.has(stage))
            for key, stage in order.stages_of(job).items()
        ),
        samples=samples.counts,
        duplicates=samples.duplicates,
        assumed=samples.assumed,
        label_rows=sum(teacher.label_rows for teacher in teachers),
        label_bytes=sum(sizes) if len(sizes) == len(teachers) else None,
        student_parameters=sum(value.numel() for value in student.parameters()),
        student_multiply_adds=count,
        fused_multiply_adds=None if width is None else count - width * (inputs + outputs) + inputs * outputs,
        bottleneck=width,
        break_even=None if width is None else break_even(inputs, outputs),
        teachers=teachers,
        speed_preview=preview_speed(job, decoded or job.samples()) if speed else None,
        missing=job.missing,
    )


def _teacher(job: Job, number: int, samples: SamplesRecord, classes: int) -> PlannedTeacher:
    stage, labels = job.members(TEACHER)[number], job.recipe.labels
    done, stored = job.has(stage), job.find(job.members(LABELS)[number])
    rows = job.recipe.views.count * samples.transfer_rows
    if stored:
        speed = _Speed(reason=f"its {rows} labels are stored")
    else:
        speed = _speed(job, number) if done else _Speed(reason="this teacher is not made yet")
    row_bytes = encoding.row_bytes(labels.kind, labels.dtype, classes, labels.top, labels.components)
    if row_bytes is None and speed.width is not None:
        row_bytes = speed.width * np.dtype(labels.dtype).itemsize
    expected = None if row_bytes is None else rows * row_bytes
    return PlannedTeacher(
        stage=str(stage.key),
        name=job.recipe.members[number].called,
        made=done,
        labeled=stored is not None,
        label_rows=rows,
        label_bytes=stored.bytes if stored else expected,
        rows_per_second=speed.rows_per_second,
        label_seconds=None if speed.rows_per_second is None else rows / speed.rows_per_second,
        reason=speed.reason,
    )


class _Speed(NamedTuple):
    """The speed of a teacher over a few batches; `width` is that of its outputs."""

    width: int | None = None
    rows_per_second: float | None = None
    reason: str = ""


def _speed(job: Job, number: int) -> _Speed:
    """The speed of a teacher: a batch to warm up, then three by the clock, read and labelled as the stage does it.

    The fastest counts: what else this machine does in a second is not there for the hours that the labels take.
    """
    try:
        samples, header = job.samples(), label_header(job, number)
        classifier, inputs = classifier_of(job, number, header), feed(job, header.preprocessing)
    except KdeployError as exc:
        return _Speed(reason=str(exc))
    answer = classifier.logits_and_features if header.kind == "features" else classifier.logits
    rows = samples.transfer[:BATCH]
    times = []
    with keeping_pages():
        width = answer(inputs.view(rows, 0)).shape[1]
        for view in range(3):
            started = time.perf_counter_ns()
            answer(inputs.view(rows, view))
            times.append(time.perf_counter_ns() - started)
    return _Speed(width, len(rows) * 1e9 / min(times))


def _student(job: Job, shape: tuple[int, ...], classes: int) -> ShallowStudent:
    """The student without memory for its weights."""
    # batch norm folds away: the plan is of what ships
    sizes = job.recipe.student.arguments | {"batch_norm": False}
    with torch.device("meta"):
        return ShallowStudent(shape=shape, classes=classes, mean=[0.0] * shape[0], std=[1.0] * shape[0], **sizes)


def _multiply_adds(module: ShallowStudent, shape: tuple[int, ...]) -> int:
    """Multiply-adds of one sample, by torch's counter: exact for linear layers and convolutions, two FLOPs each."""
    with FlopCounterMode(display=False) as counter:
        module(torch.zeros(1, *shape, device="meta"))
    return int(counter.get_total_flops()) // 2


def _width(module: ShallowStudent, shape: tuple[int, ...]) -> int:
    """D: the number of values that the bottleneck, or the first hidden layer, reads."""
    return int(module.features(torch.zeros(1, *shape, device="meta")).numel())
