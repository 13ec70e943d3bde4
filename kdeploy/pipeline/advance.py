"""How stages are done, one after the other: only what is not done yet, and a gate that is missed at the end.

Each is done in a locked folder that becomes the stage's by one rename. Of several processes the first does all; the
others (`kdeploy.system.distributed`) join it in those that train, in copies that they throw away.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Collection
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from kdeploy.errors import GateError
from kdeploy.pipeline.job import Job
from kdeploy.pipeline.order import fingerprints, reads_of, stages_of
from kdeploy.pipeline.samples import SAMPLES
from kdeploy.pipeline.stage import Stage, StageKey
from kdeploy.recipe.fit import check_fit
from kdeploy.records.base import Record
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
            _do_stage(job, stage, force=forced)
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


def _do_stage(job: Job, stage: Stage[Any], *, force: bool) -> None:
    """Do a stage that is not done yet, or anew.

    Args:
        force: whatever is there, finished or not.
    """
    if distributed.count() > 1 and stage.trains(job):
        done = _do_together(job, stage, force)
    else:
        done = distributed.on_first(lambda: _do_alone(job, stage, force))
    if done:
        job.ran.append(str(stage.key))


def _do_alone(job: Job, stage: Stage[Any], force: bool) -> bool:
    """Do a stage; False when it is done already."""
    with ExitStack() as stack:
        folder = _begin(job, stage, force, stack)
        if folder is not None:
            _commit(job, stage, _record(job, stage, folder), force)
    return folder is not None


def _do_together(job: Job, stage: Stage[Any], force: bool) -> bool:
    """Do a stage that trains on every process; the others work in copies, for a look at what is done already."""
    with ExitStack() as stack:
        folder = distributed.on_first(lambda: _begin(job, stage, force, stack))
        if folder is None:
            return False
        if not distributed.is_first():
            place = stack.enter_context(tempfile.TemporaryDirectory(prefix="kdeploy-"))
            folder = Path(shutil.copytree(folder, Path(place, folder.name)))
        distributed.on_first(lambda: None)  # the copies are made, the work may change
        record = _record(job, stage, folder)
        distributed.on_first(lambda: _commit(job, stage, record, force))
    return True


def _record(job: Job, stage: Stage[Any], folder: Path) -> Record:
    with job.doing(stage):
        record: Record = stage.run(job, folder)
    return record


def _begin(job: Job, stage: Stage[Any], force: bool, stack: ExitStack) -> Path | None:
    """The folder to work in, locked until the stack ends; None when there is nothing to do."""
    key = job.prints[stage.key]
    if job.has(stage) and not force:
        return None
    folder = stack.enter_context(job.store.work(stage.name, key))
    if job.has(stage) and not force:
        return None  # another process finished it while we waited to begin
    if force:
        job.store.discard_work(stage.name, key)
        folder.mkdir()
    job.progress.say(str(stage.key))
    return folder


def _commit(job: Job, stage: Stage[Any], record: Record, force: bool) -> None:
    with job.progress.shield():
        job.store.commit(stage.name, job.prints[stage.key], record, replace=force)
