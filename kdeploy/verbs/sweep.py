"""The variants of a recipe: which there are, and the results of each."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from kdeploy.errors import InputError
from kdeploy.pipeline import order
from kdeploy.pipeline.distill import DISTILL
from kdeploy.pipeline.job import Job
from kdeploy.pipeline.labels import LABELS
from kdeploy.pipeline.samples import SAMPLES
from kdeploy.pipeline.store import Store
from kdeploy.pipeline.teacher import TEACHER
from kdeploy.recipe import shipped
from kdeploy.recipe.load import LoadedRecipe, load
from kdeploy.records.sweep import SweepRecord, SweepRow
from kdeploy.verbs.prepare import Options, prepare
from kdeploy.verbs.runs import has_run


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
        outputs=distilled.outputs,
    )


def show_sweep(subject: str | Path, options: Options | None = None) -> SweepRecord | None:
    """The variants of a recipe that were done, from their records; nothing is computed.

    None where the recipe has no variants, or none was done, or it has a run of its own.
    """
    options = options or Options()
    store = Store(options.runs)
    path = shipped.file_of(subject)
    if not path.is_file() or has_run(str(subject), store):
        return None
    loaded = load(path, options.overrides)
    names = {name: load(path, options.overrides, name).recipe.name for name in loaded.recipe.variants}
    jobs = {name: prepare(run, options)[0] for name, run in names.items() if has_run(run, store)}
    if has_run(loaded.recipe.name, store) or not jobs:
        return None
    for job in jobs.values():
        job.prints = order.fingerprints(job)
    rows = tuple(row(name, job) for name, job in jobs.items() if job.has(DISTILL))
    return SweepRecord(name=loaded.recipe.name, rows=rows) if rows else None
