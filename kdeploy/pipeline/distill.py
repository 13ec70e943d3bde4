"""distill: what it depends on, and its call."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdeploy.errors import DataError
from kdeploy.pipeline.ensemble import open_labels
from kdeploy.pipeline.inputs import feed, plain_preprocessing
from kdeploy.pipeline.job import Job
from kdeploy.pipeline.settings import precision, regime
from kdeploy.recipe.distill import Distill
from kdeploy.recipe.student import Student
from kdeploy.records.base import Record

if TYPE_CHECKING:
    from kdeploy.losses.by_name import Options


def settings(job: Job) -> dict[str, Any]:
    distill = job.recipe.distill
    settings = distill.settings() | {"precision": precision(distill.precision)}
    return {"student": job.recipe.student.settings(), "distill": settings}


def run(job: Job, folder: Path) -> Record:
    import numpy as np

    from kdeploy.stages import distill as stage

    samples, distill = job.samples(), job.recipe.distill
    logits = {
        part: np.load(job.folder("teacher") / f"{part}_logits.npy", allow_pickle=False) for part in ("test", "held_out")
    }
    return stage.run(
        folder,
        student=student_arguments(job.recipe.student),
        feed=feed(job, samples, plain_preprocessing(samples)),
        samples=samples,
        teacher=stage.Teacher(open_labels(job), logits["test"], logits["held_out"]),
        settings=stage.Settings(
            loss=distill.loss,
            epochs=distill.epochs,
            batch=distill.batch,
            learning_rate=distill.lr,
            seeds=distill.seeds,
            baseline=distill.baseline,
            device=distill.device,
            precision=precision(distill.precision),
            match_prior=distill.match_prior,
            curve=distill.curve,
            tracker=distill.tracker,
            hint_layer=distill.hint_layer,
            loss_options=_loss_options(distill),
            weight_decay=distill.weight_decay,
            regime=regime(distill, job),
        ),
        progress=job.progress,
    )


def must_fit(student: Student, shape: Sequence[int]) -> None:
    """What the recipe cannot know before the data are read.

    Raises: DataError when the student reads images and the samples are none.
    """
    for key, given in (("conv", bool(student.conv)), ("locality", student.locality is not None)):
        if given and len(shape) != 3:
            raise DataError(
                f"student.{key}",
                "must be left out where samples are not (channels, height, width)",
                got=f"samples of shape {tuple(shape)}",
                advice=f"Remove student.{key}.",
            )


def student_arguments(student: Student) -> dict[str, Any]:
    """Of kdeploy.models.shallow.ShallowStudent, without what the data give."""
    return {
        "convolutions": [(size.channels, size.kernel, size.pool) for size in student.conv],
        "bottleneck": student.bottleneck,
        "hidden": student.hidden,
        **({"batch_norm": True} if student.batch_norm else {}),
        **({"locality": student.locality} if student.locality is not None else {}),
        **(student.dropout.arguments if student.dropout else {}),
    }


def _loss_options(distill: Distill) -> Options:
    from kdeploy.losses.by_name import Options, Relations
    from kdeploy.losses.noisy_teacher import Noise

    return Options(
        **distill.loss_keys(),
        hard_weight=distill.hard_weight or 0.0,
        standardise=distill.standardise,
        warm_up=distill.warm_up,
        weighting=distill.weighting,
        mixture=distill.mixture,
        hint_weight=distill.hint_weight,
        relational=Relations(**distill.relational.model_dump()) if distill.relational else None,
        selection=distill.selection.uncertainty if distill.selection else None,
        noise=Noise(distill.noise.sigma, distill.noise.share) if distill.noise else None,
    )
