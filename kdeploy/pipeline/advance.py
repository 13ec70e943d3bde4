"""How stages are done, one after the other: only what is not done yet, and a gate that is missed at the end."""

from __future__ import annotations

from collections.abc import Callable, Collection

from kdeploy.errors import GateError
from kdeploy.pipeline import distill
from kdeploy.pipeline.do_stage import do_stage
from kdeploy.pipeline.fingerprints import kind_of
from kdeploy.pipeline.job import Job
from kdeploy.pipeline.order import fingerprints, stages_of
from kdeploy.system import distributed

# done again with the same fingerprint, these need not say the same; all others end with the same bits
MEASURING = ("export", "verify", "bench")


def advance(
    job: Job, upto: str, *, force: Collection[str] = (), done: Callable[[Job], None] = lambda _job: None
) -> None:
    """Do every stage up to one that is not done yet; `done` is called after each.

    A gate that is not met stops the bundle, not the report: the error is raised at the end. A stage that measures may
    say something else when it is forced, so what rests on it is done again as well.
    """
    job.prints = fingerprints(job)
    failed: GateError | None = None
    measured_again: set[str] = set()
    for name, stage in stages_of(job).items():
        rests = not measured_again.isdisjoint(stage.reads)
        forced = rests or name in force or kind_of(name) in force
        if rests or (forced and name in MEASURING):
            measured_again.add(name)
        try:
            do_stage(job, name, stage, force=forced)
        except GateError as exc:
            failed = exc
        if name == "samples":  # before hours of teaching
            distill.must_fit(job.recipe.student, job.read("samples").shape)
        if distributed.is_first():
            done(job)
        if name == upto:
            break
    if failed is not None:
        raise failed
