"""How stages are done, one after the other: only what is not done yet, and a gate that is missed at the end."""

from __future__ import annotations

from collections.abc import Callable, Collection

from kdeploy.errors import GateError
from kdeploy.pipeline.do_stage import do_stage
from kdeploy.pipeline.job import Job
from kdeploy.pipeline.order import fingerprints, reads_of, stages_of
from kdeploy.pipeline.samples import SAMPLES
from kdeploy.pipeline.stage import StageKey
from kdeploy.recipe.fit import check_fit
from kdeploy.system import distributed


def advance(
    job: Job, upto: str, *, force: Collection[str] = (), done: Callable[[Job], None] = lambda _job: None
) -> None:
    """Do every stage up to one that is not done yet; `done` is called after each.

    A gate that is not met stops the bundle, not the report: the error is raised at the end. A stage that measures may
    say something else when it is forced, so what rests on it is done again as well.
    """
    job.prints = fingerprints(job)
    failed: GateError | None = None
    measured_again: set[StageKey] = set()
    for key, stage in stages_of(job).items():
        rests = not measured_again.isdisjoint(reads_of(job, stage).values())
        forced = rests or str(key) in force or stage.name in force
        if rests or (forced and stage.measures):
            measured_again.add(key)
        try:
            do_stage(job, stage, force=forced)
        except GateError as exc:
            failed = exc
        if stage is SAMPLES:  # before hours of teaching
            samples = job.read(SAMPLES)
            kinds = {name: one.kind for name, one in samples.inputs.items()}
            check_fit(job.recipe, samples.shape, kinds, len(samples.class_names))
        if distributed.is_first():
            done(job)
        if str(key) == upto:
            break
    if failed is not None:
        raise failed
