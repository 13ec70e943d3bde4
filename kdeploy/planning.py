"""What a recipe would do: which stages, how large a label store, how many multiply-adds, the break-even."""

from __future__ import annotations

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from kdeploy import pipeline
from kdeploy.models.shallow import ShallowStudent, break_even
from kdeploy.pipeline import Job
from kdeploy.records.plan import PlannedStage, PlanRecord
from kdeploy.records.samples import SamplesRecord
from kdeploy.samples import sources


def plan(job: Job) -> PlanRecord:
    """Plan a job. The data is decoded when no earlier run has done that, and thrown away again."""
    job.prints = pipeline.fingerprints(job)
    samples = job.find("samples") or sources.load(job.source, **job.division()).record
    student, shape = _student(job, samples)
    count = _multiply_adds(student, shape)
    rows = job.recipe.views.count * samples.transfer_rows
    width, inputs, outputs = job.recipe.student.bottleneck, _width(student, shape), job.recipe.student.hidden[0]
    return PlanRecord(
        name=job.recipe.name,
        stages=tuple(
            PlannedStage(stage=name, fingerprint=print_, done=job.store.has(name, print_))
            for name, print_ in job.prints.items()
        ),
        samples=samples.counts,
        duplicates=samples.duplicates,
        label_rows=rows,
        label_bytes=rows * len(samples.class_names) * np.dtype(job.recipe.labels.dtype).itemsize,
        student_parameters=sum(value.numel() for value in student.parameters()),
        student_multiply_adds=count,
        fused_multiply_adds=None if width is None else count - width * (inputs + outputs) + inputs * outputs,
        bottleneck=width,
        break_even=None if width is None else break_even(inputs, outputs),
    )


def _student(job: Job, samples: SamplesRecord) -> tuple[ShallowStudent, tuple[int, ...]]:
    """The student without memory for its weights, and the shape of one sample."""
    shape, student = next(iter(samples.inputs.values())).shape, job.recipe.student
    with torch.device("meta"):
        module = ShallowStudent(
            shape=shape,
            classes=len(samples.class_names),
            convolutions=[(size.channels, size.kernel, size.pool) for size in student.conv],
            bottleneck=student.bottleneck,
            hidden=student.hidden,
            mean=[0.0] * shape[0],
            std=[1.0] * shape[0],
        )
    return module, shape


def _multiply_adds(module: ShallowStudent, shape: tuple[int, ...]) -> int:
    """torch's counter is exact for linear layers and convolutions, two FLOPs a multiply-add."""
    with FlopCounterMode(display=False) as counter:
        module(torch.zeros(1, *shape, device="meta"))
    return int(counter.get_total_flops()) // 2


def _width(module: ShallowStudent, shape: tuple[int, ...]) -> int:
    """D: what the bottleneck, or the first hidden layer, reads."""
    return int(module.features(torch.zeros(1, *shape, device="meta")).numel())
