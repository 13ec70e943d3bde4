"""samples: what it depends on, and its call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kdeploy.pipeline.fingerprints import fingerprint
from kdeploy.pipeline.job import Job
from kdeploy.pipeline.stage import Stage
from kdeploy.records.samples import SamplesRecord


def settings(job: Job) -> dict[str, Any]:
    """How data are decoded and divided; where they lie is no part of it: their content is."""
    return job.recipe.data.settings()


def division(job: Job) -> dict[str, Any]:
    """How the recipe divides its data, as `kdeploy.samples.sources.load` takes it."""
    data = job.recipe.data
    return {
        "split": data.split.settings(),
        "seed": data.seed,
        "transfer": data.transfer.settings(),
        "duplicates": data.duplicates,
    }


def source(job: Job) -> dict[str, str]:
    return {"source": job.content}


def whole(job: Job) -> dict[str, str]:
    """The samples without the choice of a transfer set, which changes no teacher: those that differ in nothing else
    share one."""
    undivided = {key: value for key, value in settings(job).items() if key != "transfer"}
    return {"samples": fingerprint(SamplesRecord.SCHEMA, undivided, source(job))}


def run(job: Job, folder: Path) -> SamplesRecord:
    """Decode the data, and divide them."""
    from kdeploy.stages import samples

    return samples.run(folder, source=job.source, **division(job))


SAMPLES = Stage("samples", SamplesRecord, (), settings, run, depends=source)
