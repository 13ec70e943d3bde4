"""How one stage is done: in a locked folder that becomes the stage's by one rename, by one process or by several.

Of several processes (`kdeploy.system.distributed`) the first does all stages; the others join it in those that train,
in copies that they throw away.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from kdeploy.pipeline.job import Job, Stage
from kdeploy.records.base import Record
from kdeploy.system import distributed


def do_stage(job: Job, name: str, stage: Stage, *, force: bool) -> None:
    if distributed.count() > 1 and _trains(job, name):
        _do_together(job, name, stage, force)
    else:
        job.ran += [name] if distributed.on_first(lambda: _do_alone(job, name, stage, force)) else []


def _trains(job: Job, name: str) -> bool:
    """A teacher made elsewhere is only taken in, and several are only brought together."""
    trained = [job.member("teacher", number) for number, one in enumerate(job.recipe.members) if one.model]
    return name == "distill" or name in trained


def _do_alone(job: Job, name: str, stage: Stage, force: bool) -> bool:
    """Do a stage; False when it is done already."""
    with ExitStack() as stack:
        folder = _begin(job, name, force, stack)
        if folder is not None:
            _commit(job, name, stage.run(job, folder), force)
    return folder is not None


def _begin(job: Job, name: str, force: bool, stack: ExitStack) -> Path | None:
    """The folder to work in, locked until the stack ends; None when there is nothing to do."""
    print_ = job.prints[name]
    if job.store.has(name, print_) and not force:
        return None
    folder = stack.enter_context(job.store.work(name, print_))
    if job.store.has(name, print_) and not force:
        return None  # another process finished it while we waited to begin
    if force:
        job.store.discard_work(name, print_)
        folder.mkdir()
    job.progress.say(name)
    return folder


def _commit(job: Job, name: str, record: Record, force: bool) -> None:
    with job.progress.shield():
        job.store.commit(name, job.prints[name], record, replace=force)


def _do_together(job: Job, name: str, stage: Stage, force: bool) -> None:
    """Do a stage that trains on every process; the others work in copies, for a look at what is done already."""
    with ExitStack() as stack:
        folder = distributed.on_first(lambda: _begin(job, name, force, stack))
        if folder is None:
            return
        if not distributed.is_first():
            folder = stack.enter_context(_copy(folder))
        distributed.on_first(lambda: None)  # the copies are made, the work may change
        record = stage.run(job, folder)
        distributed.on_first(lambda: _commit(job, name, record, force))
    job.ran.append(name)


@contextmanager
def _copy(folder: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="kdeploy-") as place:
        yield Path(shutil.copytree(folder, Path(place, folder.name)))
