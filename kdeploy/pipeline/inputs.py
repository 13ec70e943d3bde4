"""Samples as a model of a job sees them in training: in the views of its recipe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kdeploy.pipeline.job import Job
from kdeploy.records.preprocessing import Preprocessing

if TYPE_CHECKING:
    from kdeploy.samples.feed import Feed


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
