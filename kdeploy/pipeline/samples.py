"""samples: what it depends on, and its call."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdeploy.pipeline.job import Job
from kdeploy.pipeline.stage import Stage
from kdeploy.records.preprocessing import Preprocessing
from kdeploy.records.samples import SamplesRecord
from kdeploy.system.fingerprint import fingerprint

if TYPE_CHECKING:
    from kdeploy.samples.feed import Feed


def settings(job: Job) -> dict[str, Any]:
    """How data are decoded and divided, and what is learned; where they lie is no part of it: their content is."""
    return job.recipe.data.settings() | ({} if job.recipe.outputs == "classes" else {"outputs": job.recipe.outputs})


def whole(job: Job) -> dict[str, str]:
    """The samples without the choice of a transfer set, which changes no teacher: those that differ in nothing else
    share one."""
    undivided = {key: value for key, value in settings(job).items() if key != "transfer"}
    return {"samples": fingerprint(SamplesRecord.SCHEMA, undivided, {"source": job.content})}


def run(job: Job, folder: Path) -> SamplesRecord:
    """Decode the data, and divide them."""
    from kdeploy.stages import samples

    return samples.run(folder, source=job.source, progress=job.progress, known=job.known, **job.recipe.data.division)


SAMPLES = Stage("samples", SamplesRecord, (), settings, run, depends=lambda job: {"source": job.content})


def feed(job: Job, preprocessing: Preprocessing) -> Feed:
    """The transfer set in the recipe's views, as a model reads it."""
    from kdeploy.samples.feed import Feed
    from kdeploy.samples.views.munge import Munge
    from kdeploy.samples.views.views import Views

    samples, views = job.samples(), job.recipe.views
    array, own = samples.inputs[preprocessing.input], views.of(preprocessing.input)
    return Feed(
        array,
        Views(views.seed, mixup=views.mixup, **own.model_dump(exclude={"munge"})),
        preprocessing,
        samples.transfer,
        Munge(array, samples.transfer, **own.munge.model_dump()) if own.munge else None,
    )
