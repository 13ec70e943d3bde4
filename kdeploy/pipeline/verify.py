"""verify: what it depends on, and its call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kdeploy.pipeline.distill import DISTILL
from kdeploy.pipeline.export import EXPORT, exported_run
from kdeploy.pipeline.job import Job
from kdeploy.pipeline.samples import SAMPLES
from kdeploy.pipeline.stage import Stage
from kdeploy.pipeline.teacher import TEACHER
from kdeploy.recipe.formats import ALL, ONNX, FormatRequest
from kdeploy.records.parity import VerifyRecord
from kdeploy.runtimes.installed import REFERENCE


def settings(job: Job) -> dict[str, Any]:
    """Every format that is compared."""
    return {"runtimes": _named(job)}


def run(job: Job, _folder: Path) -> VerifyRecord:
    """Compare the exported files with the trained networks."""
    from kdeploy.stages import verify as stage

    return stage.run(
        exported_run(job),
        job.samples(),
        names=[name for name in _named(job) if FormatRequest.parse(name).precision == "fp32" and name != ALL],
        target=job.recipe.export.target,
        progress=job.progress,
    )


def _named(job: Job) -> list[str]:
    """Everything that the recipe names, and the reference evaluator; what `all` stands for is found in the export."""
    recipe = job.recipe
    named = (REFERENCE, recipe.export.target, *recipe.export.formats, *recipe.bench.runtimes)
    return [name for name in dict.fromkeys(str(FormatRequest.parse(text)) for text in named) if name != ONNX]


VERIFY = Stage("verify", VerifyRecord, (SAMPLES, TEACHER, DISTILL, EXPORT), settings, run, measures=True)
