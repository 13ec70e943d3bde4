"""The variants of a recipe: which there are, and the results of each."""

from __future__ import annotations

from collections.abc import Collection

from kdeploy.errors import InputError
from kdeploy.pipeline.distill import DISTILL
from kdeploy.pipeline.job import Job
from kdeploy.pipeline.labels import LABELS
from kdeploy.pipeline.samples import SAMPLES
from kdeploy.pipeline.teacher import TEACHER
from kdeploy.recipe.load import LoadedRecipe
from kdeploy.records.sweep import SweepRow


def variants_of(loaded: LoadedRecipe, only: Collection[str]) -> list[str]:
    """The variants to do, in the order of the recipe; all where `only` is empty.

    Raises: InputError when the recipe has none, or not one that is asked for.
    """
    names = list(loaded.recipe.variants)
    if not names:
        must = "must have variants, which a sweep compares"
        raise InputError(loaded.path, must, got="none", advice="Add variants: {NAME: {SECTION: {KEY: VALUE}}}.")
    for name in only:
        if name not in names:
            raise InputError("--only", f"must be one of {', '.join(names)}", got=name)
    return [name for name in names if not only or name in only]


def row(variant: str, job: Job) -> SweepRow:
    """The results of a variant, from its records up to the distillation."""
    distilled = job.read(DISTILL)
    return SweepRow(
        variant=variant,
        run=job.recipe.name,
        teacher=job.read(TEACHER).name,
        teacher_accuracy=job.read(TEACHER).test_accuracy,
        students=distilled.students,
        baselines=distilled.baselines,
        verdict=distilled.verdict,
        parameters=distilled.parameters,
        loss=distilled.loss,
        steps=distilled.steps,
        test_inputs=job.read(SAMPLES).counts["test"],
        fingerprints={stage.name: job.prints[stage.key] for stage in (SAMPLES, TEACHER, LABELS, DISTILL)},
        software=distilled.software,
    )
