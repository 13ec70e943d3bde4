"""bench: what it depends on, and its call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kdeploy.pipeline.distill import DISTILL
from kdeploy.pipeline.export import EXPORT
from kdeploy.pipeline.job import Job
from kdeploy.pipeline.samples import SAMPLES
from kdeploy.pipeline.settings import host_settings
from kdeploy.pipeline.stage import Stage
from kdeploy.pipeline.teacher import TEACHER
from kdeploy.records.bench import BenchRecord


def settings(job: Job) -> dict[str, Any]:
    """What is timed and for how long, and the machine."""
    return job.recipe.bench.settings() | host_settings()


def run(job: Job, folder: Path) -> BenchRecord:
    """Time the student against the teacher."""
    from kdeploy.evaluation.accuracy import stored_logits
    from kdeploy.evaluation.exported_student import exported_logits
    from kdeploy.evaluation.precision_cost import Labeled
    from kdeploy.stages import bench as stage

    samples, distilled, export = job.samples(), job.read(DISTILL), job.read(EXPORT)
    tests = {
        "teacher": Labeled.of(samples, job.read(TEACHER).preprocessing, "test"),
        "student": Labeled.of(samples, distilled.preprocessing, "test"),
    }
    logits = {
        "teacher": stored_logits(job.folder(TEACHER), "test"),
        "student": exported_logits(job.folder(DISTILL), distilled, export.bottleneck, tests["student"].inputs),
    }
    exported, hash_ = (job.folder(EXPORT), export), job.read(SAMPLES).sample_hash
    options = job.recipe.bench.options(stage.BenchOptions)
    return stage.run(
        folder,
        baseline=stage.contender("teacher", exported, tests["teacher"], logits["teacher"], hash_),
        candidate=stage.contender("student", exported, tests["student"], logits["student"], hash_),
        names=options.runtimes,
        sizes=options.sizes,
        brief=options.brief,
        settings=options.settings,
        command=job.command,
        progress=job.progress,
    )


BENCH = Stage("bench", BenchRecord, (SAMPLES, TEACHER, DISTILL, EXPORT), settings, run, measures=True)
