"""What a run would make: the plan of a job. What is made for it, in a scratch folder, is thrown away."""

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import Any, NamedTuple

import torch
from torch import nn

from kdeploy.labels import encoding
from kdeploy.models import students
from kdeploy.models.shallow import ShallowStudent, break_even
from kdeploy.models.students import StudentOptions
from kdeploy.pipeline import order
from kdeploy.pipeline.job import Job
from kdeploy.pipeline.labels import LABELS
from kdeploy.pipeline.samples import SAMPLES
from kdeploy.pipeline.stage import Stage
from kdeploy.pipeline.teacher import TEACHER, class_count
from kdeploy.recipe.fit import check_fit
from kdeploy.records.plan import PlannedStage, PlannedTeacher, PlannedTime, PlanRecord, StageCost
from kdeploy.records.samples import SamplesRecord
from kdeploy.samples import sources
from kdeploy.samples.sampleset import SampleSet
from kdeploy.system.resident import PeakMemory
from kdeploy.transforms.fuse_bottleneck import fuse_bottleneck
from kdeploy.verbs.estimate.advice import shorter
from kdeploy.verbs.estimate.costs import Costs
from kdeploy.verbs.estimate.few import canonical_bytes
from kdeploy.verbs.estimate.laps import Clock
from kdeploy.verbs.estimate.shortened import multiply_adds
from kdeploy.verbs.estimate.small_run import run_small
from kdeploy.verbs.speed_preview import preview_speed

NOT_TIMED = "nothing was timed, as asked"


def plan(job: Job, *, speed: bool = False, timed: bool = True, clock: Clock = time.monotonic) -> PlanRecord:
    """The plan of a job. The data is decoded when no earlier run has done that, and thrown away again.

    Args:
        speed: time an untrained student against the teacher as well, about a minute a runtime.
        timed: do every stage small, to say how long it takes; see `kdeploy.verbs.estimate.small_run`.
        clock: of the stages; that of the processor leaves out what else the machine does.
    """
    job.prints = order.fingerprints(job)
    opened = _open(job, clock)
    samples = opened.record
    check_fit(job.recipe, samples.shape, samples.kinds, labeled=samples.any_label)
    classes = class_count(job, samples)
    sizes = _sizes(job, samples.shape, classes)
    timing = _timing(job, opened, sizes.student_multiply_adds, clock) if timed else _Timing(None, NOT_TIMED)
    teachers = tuple(_teacher(job, number, samples, classes, timing) for number in range(job.count))
    known = [teacher.label_bytes for teacher in teachers if teacher.label_bytes is not None]
    stages = tuple(_stage(job, stage, opened.cost, timing) for stage in order.stages_of(job).values())
    return PlanRecord(
        name=job.recipe.name,
        stages=stages,
        samples=samples.counts,
        duplicates=samples.duplicates,
        assumed=samples.assumed,
        label_rows=sum(teacher.label_rows for teacher in teachers),
        label_bytes=sum(known) if len(known) == len(teachers) else None,
        **sizes._asdict(),
        teachers=teachers,
        time=_in_all(job, stages, timing),
        speed_preview=preview_speed(job, opened.samples) if speed else None,
        missing=job.missing,
    )


class _Opened(NamedTuple):
    """The samples, and what it cost to decode them; None for those that an earlier run decoded."""

    samples: SampleSet
    record: SamplesRecord
    cost: StageCost | None


def _open(job: Job, clock: Clock) -> _Opened:
    if (record := job.find(SAMPLES)) is not None:
        return _Opened(job.samples(), record, None)
    began = clock()
    with PeakMemory() as memory:
        samples = sources.load(job.source, **job.recipe.data.division)
        most = memory.take()
    cost = StageCost(seconds=clock() - began, memory_bytes=most, disk_bytes=canonical_bytes(samples))
    return _Opened(samples, samples.record, cost)


class _Sizes(NamedTuple):
    """The student without batch norm, which folds away: the plan is of what ships."""

    student_parameters: int | None
    student_multiply_adds: int | None
    fused_multiply_adds: int | None
    break_even: float | None
    bottleneck: int | None  # its width


def _sizes(job: Job, shape: tuple[int, ...], classes: int) -> _Sizes:
    if job.missing and job.recipe.student.called is not None:
        return _Sizes(None, None, None, None, None)
    student = _untrained(job, shape, classes)
    # the factors of batch norm are not trained in ours, and fold away
    parameters = sum(value.numel() for value in student.parameters() if value.requires_grad)
    count, pair = multiply_adds(student, shape), _pair(student, shape)
    if pair is None:
        return _Sizes(parameters, count, None, None, None)
    features, width, hidden = pair
    fused = count - width * (features + hidden) + features * hidden
    return _Sizes(parameters, count, fused, break_even(features, hidden), width)


def _untrained(job: Job, shape: tuple[int, ...], classes: int) -> nn.Module:
    """The student in evaluation mode with first weights; on no device where it is one of kdeploy."""
    student = job.recipe.student
    options = student.options(StudentOptions)
    if student.family == "shallow":
        options = options._replace(arguments=student.arguments | {"batch_norm": False})
    network = students.described(options, shape=shape, classes=classes, mean=[0.0] * shape[0], std=[1.0] * shape[0])
    with torch.device("meta") if student.called is None else nullcontext():
        return students.seeded(network, 0).eval()


def _pair(student: nn.Module, shape: tuple[int, ...]) -> tuple[int, int, int] | None:
    """D, k and H of the student's bottleneck, where it has one."""
    if not isinstance(student, ShallowStudent):
        return fuse_bottleneck(student, limit_bytes=0).widths
    if not isinstance(student.bottleneck, nn.Linear):
        return None
    features = int(student.features(torch.zeros(1, *shape, device="meta")).numel())
    return features, student.bottleneck.out_features, student.widths[0]


class _Timing(NamedTuple):
    """What a small run says; `costs` is None where there was none, for the reason."""

    costs: Costs | None
    reason: str
    seconds: float = 0.0


def _timing(job: Job, opened: _Opened, student_multiply_adds: int | None, clock: Clock) -> _Timing:
    if job.missing or student_multiply_adds is None:
        return _Timing(None, "nothing can be timed without what is missing")
    if all(job.has(stage) for stage in order.stages_of(job).values()):
        return _Timing(None, "all stages are done")
    began = time.monotonic()
    small_run = run_small(job, opened.samples, student_multiply_adds, clock)
    return _Timing(
        Costs(job, opened.samples, small_run, opened.cost is not None), small_run.reason, time.monotonic() - began
    )


def _stage(job: Job, stage: Stage[Any], samples: StageCost | None, timing: _Timing) -> PlannedStage:
    done, cost = job.has(stage), samples if stage.key == SAMPLES.key else None
    if not done and timing.costs is not None:
        cost = cost or timing.costs.of(stage.key)
    return PlannedStage(stage=str(stage.key), fingerprint=job.prints[stage.key], done=done, cost=cost)


def _in_all(job: Job, stages: tuple[PlannedStage, ...], timing: _Timing) -> PlannedTime:
    """The sum over the stages that are to do, unless one of them is not known."""
    costs = [stage.cost for stage in stages if not stage.done]
    known = [cost for cost in costs if cost is not None]
    if len(known) < len(costs):
        return PlannedTime(estimate_seconds=timing.seconds, reason=timing.reason)
    return PlannedTime(
        seconds=sum(cost.seconds for cost in known),
        memory_bytes=max((cost.memory_bytes for cost in known), default=0),
        disk_bytes=sum(cost.disk_bytes for cost in known),
        estimate_seconds=timing.seconds,
        reason=timing.reason,
        shorter=shorter(job.recipe, stages),
    )


def _teacher(job: Job, number: int, samples: SamplesRecord, classes: int, timing: _Timing) -> PlannedTeacher:
    stage, labels = job.members(TEACHER)[number], job.recipe.labels
    done, stored = job.has(stage), job.find(job.members(LABELS)[number])
    rows = job.recipe.views.count * samples.transfer_rows
    row_bytes = encoding.row_bytes(labels.kind, labels.dtype, classes, labels.top, labels.components)
    seconds = 0.0
    if timing.costs is not None:
        row_bytes = timing.costs.small_run.row_bytes.get(number, row_bytes)
        seconds = 0.0 if stored else timing.costs.row_seconds(number)
    reason = f"its {rows} labels are stored" if stored else timing.reason
    return PlannedTeacher(
        stage=str(stage.key),
        name=job.recipe.members[number].called,
        made=done,
        labeled=stored is not None,
        label_rows=rows,
        label_bytes=stored.bytes if stored else None if row_bytes is None else rows * row_bytes,
        rows_per_second=1 / seconds if seconds else None,
        label_seconds=rows * seconds if seconds else None,
        reason="" if seconds else reason,
    )
