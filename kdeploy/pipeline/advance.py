"""How stages are done, one after the other: only what is not done yet, and a gate that is missed at the end.

Each is done in a locked folder that becomes the stage's by one rename. Of several processes the first does all; the
others (`kdeploy.system.distributed`) join it in those that train, in copies that they throw away.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Collection
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from kdeploy.errors import GateError, IntegrityError
from kdeploy.pipeline.distill import try_outside
from kdeploy.pipeline.job import Job
from kdeploy.pipeline.order import sources, stages_of
from kdeploy.pipeline.samples import SAMPLES
from kdeploy.pipeline.stage import Stage
from kdeploy.pipeline.teacher import TEACHER
from kdeploy.recipe.fit import check_fit
from kdeploy.records.base import Record
from kdeploy.runtimes.scratch import scratch_folder
from kdeploy.system import distributed


def advance(
    job: Job, upto: str, *, force: Collection[str] = (), done: Callable[[Job], None] = lambda _job: None
) -> None:
    """Do every stage up to one that is not done yet; `done` is called after each.

    A gate that is not met stops the bundle, not the report: the error is raised at the end. A stage that rests on what
    is not there any more is done again: on another measurement, or on other files.
    """
    failed: GateError | None = None
    for key, stage in stages_of(job).items():
        try:
            _do_stage(job, stage, force=str(key) in force or stage.name in force)
        except GateError as exc:
            failed = exc
        if stage is SAMPLES:  # before hours of teaching
            samples = job.read(SAMPLES)
            check_fit(job.recipe, samples.shape, samples.kinds, labeled=samples.any_label)
        if stage is SAMPLES or stage is TEACHER:
            distributed.on_first(lambda: try_outside(job))
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
            _commit(job, stage, _record(job, stage, folder))
    return folder is not None


def _do_together(job: Job, stage: Stage[Any], force: bool) -> bool:
    """Do a stage that trains on every process; the others work in copies, for a look at what is done already."""
    with ExitStack() as stack:
        folder = distributed.on_first(lambda: _begin(job, stage, force, stack))
        if folder is None:
            return False
        if not distributed.is_first():
            place = stack.enter_context(scratch_folder())
            folder = Path(shutil.copytree(folder, Path(place, folder.name)))
        distributed.on_first(lambda: None)  # the copies are made, the work may change
        record = _record(job, stage, folder)
        distributed.on_first(lambda: _commit(job, stage, record))
    return True


def _record(job: Job, stage: Stage[Any], folder: Path) -> Record:
    with job.doing(stage):
        record: Record = stage.run(job, folder)
    return record


def _begin(job: Job, stage: Stage[Any], force: bool, stack: ExitStack) -> Path | None:
    """The folder to work in, locked until the stack ends; None when there is nothing to do."""
    key = job.prints[stage.key]
    if not (force or _is_due(job, stage)):
        return None
    waiting = (lambda holder: job.progress.say(f"{stage.key}: waiting for {holder}")) if job.waits else None
    folder = stack.enter_context(job.store.work(stage.name, key, waiting))
    if not (force or _is_due(job, stage)):
        return None  # another process finished it while we waited to begin
    if force:
        job.store.discard_work(stage.name, key)
        folder.mkdir()
    rests_on = {name: source.content for name, source in sources(job, stage).items()}
    job.store.work_from(stage.name, key, json.dumps(rests_on, sort_keys=True))
    job.progress.stage(str(stage.key))
    return folder


def _is_due(job: Job, stage: Stage[Any]) -> bool:
    """Whether a stage is not done, or was made from other work than there is now."""
    if not job.has(stage):
        return True
    now, then = sources(job, stage), job.finished(stage).provenance.rests_on
    same = {name for name in now.keys() & then.keys() if now[name].content == then[name].content}
    others = sorted((now.keys() | then.keys()) - same)
    if others:
        job.progress.say(f"  {stage.key} rests on another {' and '.join(others)} than there is now")
    return bool(others)


def _commit(job: Job, stage: Stage[Any], record: Record) -> None:
    replaces = _replaced(job, stage) if job.has(stage) else None
    with job.progress.shield():
        job.store.commit(stage.name, job.prints[stage.key], record, rests_on=sources(job, stage), replaces=replaces)


def _replaced(job: Job, stage: Stage[Any]) -> tuple[str, ...]:
    """The seals that runs may have seen of what is done anew, which may have been altered."""
    try:
        return job.finished(stage).seals
    except IntegrityError:
        return (job.seals.get((stage.key, job.prints[stage.key]), ""),)
