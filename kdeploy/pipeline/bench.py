"""bench: what it depends on, and its call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kdeploy.pipeline.distill import DISTILL
from kdeploy.pipeline.export import EXPORT, exported_run
from kdeploy.pipeline.job import Job
from kdeploy.pipeline.samples import SAMPLES
from kdeploy.pipeline.stage import Stage
from kdeploy.pipeline.teacher import TEACHER
from kdeploy.records.bench import BenchRecord
from kdeploy.system.host import timing_settings


def settings(job: Job) -> dict[str, Any]:
    """What is timed and for how long, and the machine."""
    return job.recipe.bench.settings() | timing_settings()


def run(job: Job, folder: Path) -> BenchRecord:
    """Time the student against the teacher."""
    from kdeploy.stages import bench as stage

    options = job.recipe.bench.options(stage.BenchOptions)
    exported = exported_run(job)
    return stage.run_of(folder, exported, job.samples(), options=options, command=job.command, progress=job.progress)


BENCH = Stage("bench", BenchRecord, (SAMPLES, TEACHER, DISTILL, EXPORT), settings, run, measures=True)
