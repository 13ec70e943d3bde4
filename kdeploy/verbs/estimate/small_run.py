"""A small run: every stage of a run, in a scratch folder, on few samples and for few steps.

What a stage refuses is refused here as there. An untrained student is no student, so what only a trained one can meet
is no error: the small run ends there, and says why.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from kdeploy.errors import ClaimError, MeasuredError
from kdeploy.pipeline import order
from kdeploy.pipeline.advance import advance
from kdeploy.pipeline.job import Job
from kdeploy.pipeline.labels import LABELS
from kdeploy.pipeline.samples import SAMPLES
from kdeploy.pipeline.store import Store
from kdeploy.pipeline.teacher import class_count
from kdeploy.records.run import StageKey
from kdeploy.runtimes.scratch import scratch_folder
from kdeploy.samples.sampleset import SampleSet
from kdeploy.system.files import folder_bytes
from kdeploy.system.resident import PeakMemory
from kdeploy.verbs.estimate.canary import with_canary
from kdeploy.verbs.estimate.few import few
from kdeploy.verbs.estimate.laps import Clock, Lap, Stopwatch
from kdeploy.verbs.estimate.shortened import shortened, steps_for, teacher_steps

LEARNED, EVALUATED = 256, 64  # samples of a part, or a batch where that is more


@dataclass(frozen=True)
class SmallRun:
    """What each stage took, until one could not be done with untrained networks.

    Args:
        samples: those that it was done on.
        classes: of the logits.
        laps: by stage; the samples have none.
        row_bytes: of a stored row of labels, by the teacher's number.
        form_bytes: of the student's files, one in each form.
        reason: why the later stages have none; empty when all have one.
    """

    samples: SampleSet
    classes: int
    laps: dict[StageKey, Lap] = field(default_factory=dict)
    row_bytes: dict[int, int] = field(default_factory=dict)
    form_bytes: list[int] = field(default_factory=list)
    reason: str = ""


def run_small(job: Job, samples: SampleSet, multiply_adds: int, clock: Clock = time.monotonic) -> SmallRun:
    """Do every stage of a job once, small; nothing is kept.

    Args:
        samples: of the job, decoded.
        multiply_adds: of the student, for one sample.
        clock: seconds, since whenever.
    Raises: what the stages raise, but for what untrained networks cannot meet.
    """
    recipe = job.recipe
    batches = [recipe.distill.batch, *(one.train.batch for one in recipe.members if one.model is not None)]
    small = few(samples, max(LEARNED, *batches), EVALUATED)
    batch = min(recipe.distill.batch, len(small.transfer))
    shape, classes = samples.plain_preprocessing.model_shape, class_count(job, samples.record)
    with scratch_folder() as folder:
        short = replace(
            job,
            recipe=shortened(
                recipe,
                student_steps=steps_for(multiply_adds, batch),
                steps_per_epoch=len(small.transfer) // batch,
                teacher_steps=[teacher_steps(one, shape, classes) for one in recipe.members],
            ),
            store=Store(folder / "runs"),
            content="small run",
            progress=Stopwatch(clock),
            prints={},
            seals={},
            ran=[],
            _opened=None,
        )
        return _run(job, short, SmallRun(small, classes), clock)


def _run(job: Job, short: Job, small_run: SmallRun, clock: Clock) -> SmallRun:
    short.prints = order.fingerprints(short)
    _keep(short, small_run.samples)
    keys = [key for key in order.stages_of(short) if key != SAMPLES.key]
    with PeakMemory() as memory, job.progress.task("timing", len(keys)) as done:
        for number, key in enumerate(keys):
            try:
                small_run.laps[key] = _lap(short, key, memory, clock)
            except (MeasuredError, ClaimError) as exc:
                if key.stage in {"teacher", "labels"}:
                    raise
                return replace(small_run, reason=str(exc))
            if key.stage == "bench":
                lap = small_run.laps[key]
                small_run.laps[key] = lap._replace(memory_bytes=with_canary(lap.memory_bytes))
            if key.stage == "labels" and key in {stage.key for stage in short.members(LABELS)}:
                small_run.row_bytes[key.number or 0] = _row_bytes(short.store.folder("labels", short.prints[key]))
            if key.stage == "export":
                files = short.store.folder("export", short.prints[key]).glob("student.f*.onnx")
                small_run.form_bytes.extend(path.stat().st_size for path in files)
            done(number + 1)
    return small_run


def _row_bytes(store: Path) -> int:
    """Bytes of one row of a label store."""
    block = np.load(next(store.glob("view-*/*.npy")), mmap_mode="r", allow_pickle=False)
    return int(block.nbytes // len(block))


def _keep(short: Job, small: SampleSet) -> None:
    """Put the samples where their stage would have."""
    with short.store.work(SAMPLES.name, short.prints[SAMPLES.key]) as folder:
        record = small.save(folder)
        short.store.commit(SAMPLES.name, short.prints[SAMPLES.key], record)


def _lap(short: Job, key: StageKey, memory: PeakMemory, clock: Clock) -> Lap:
    """Do one stage."""
    assert isinstance(short.progress, Stopwatch)
    memory.take()
    began = clock()
    advance(short, str(key))
    seconds = clock() - began
    folder = short.store.folder(key.stage, short.prints[key])
    return Lap(seconds, short.progress.take(), memory.take(), folder_bytes(folder))
