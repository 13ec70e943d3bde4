"""The order of the stages, and nothing else.

    samples -> teacher -> labels -> distill -> export -> verify -> bench -> bundle -> report

What each depends on and how it is called stands in the module of its name. A stage is done again only when its
fingerprint is new. Stages are imported inside the functions that run them, so that fingerprints need no torch.

Of several processes (`kdeploy.processes`) the first does all stages; the others join it in those that train, and throw
away what they made beside it.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from kdeploy import processes
from kdeploy.errors import GateError
from kdeploy.pipeline import bench, bundle, distill, export, labels, report, samples, teacher, verify
from kdeploy.pipeline.job import RECORDS, Job, Stage
from kdeploy.pipeline.outcome import gate_settings, summary
from kdeploy.records.base import Record
from kdeploy.store import fingerprint

__all__ = ["RECORDS", "STAGES", "Job", "Stage", "advance", "fingerprints", "summary"]

STAGES: dict[str, Stage] = {
    "samples": Stage((), samples.settings, samples.run),
    "teacher": Stage(("samples",), teacher.settings, teacher.run),
    "labels": Stage(("samples", "teacher"), labels.settings, labels.run),
    "distill": Stage(("samples", "teacher", "labels"), distill.settings, distill.run),
    "export": Stage(("samples", "teacher", "distill"), export.settings, export.run),
    "verify": Stage(("samples", "teacher", "distill", "export"), verify.settings, verify.run),
    "bench": Stage(("samples", "teacher", "distill", "export"), bench.settings, bench.run),
    "bundle": Stage(("samples", "export", "verify", "bench"), gate_settings, bundle.run),
    "report": Stage(("bundle",), gate_settings, report.run),
}


def fingerprints(job: Job) -> dict[str, str]:
    """The fingerprint of every stage of a job."""
    prints: dict[str, str] = {}
    for name, stage in STAGES.items():
        reads = {other: prints[other] for other in stage.reads}
        if name == "samples":
            reads = {"source": job.content}
        prints[name] = fingerprint(RECORDS[name].SCHEMA, stage.settings(job), reads)
    return prints


def advance(
    job: Job, upto: str, *, force: Collection[str] = (), done: Callable[[Job], None] = lambda _job: None
) -> None:
    """Do every stage up to one that is not done yet; `done` is called after each.

    A gate that is not met stops the bundle, not the report: the error is raised at the end.
    """
    job.prints = fingerprints(job)
    failed: GateError | None = None
    for name in STAGES:
        try:
            _do(job, name, name in force)
        except GateError as exc:
            failed = exc
        if processes.is_first():
            done(job)
        if name == upto:
            break
    if failed is not None:
        raise failed


def _do(job: Job, name: str, force: bool) -> None:
    if processes.count() > 1 and _trains(job, name):
        _do_together(job, name, force)
    else:
        job.ran += [name] if processes.on_first(lambda: _do_alone(job, name, force)) else []


def _trains(job: Job, name: str) -> bool:
    """A teacher made elsewhere is only taken in."""
    return name == "distill" or (name == "teacher" and any(teacher.model for teacher in job.recipe.teacher))


def _do_alone(job: Job, name: str, force: bool) -> bool:
    """Do a stage; False when it is done already."""
    with ExitStack() as stack:
        folder = _begin(job, name, force, stack)
        if folder is not None:
            _commit(job, name, STAGES[name].run(job, folder), force)
    return folder is not None


def _do_together(job: Job, name: str, force: bool) -> None:
    """Do a stage that trains on every process; the others work in copies, for a look at what is done already."""
    with ExitStack() as stack:
        folder = processes.on_first(lambda: _begin(job, name, force, stack))
        if folder is None:
            return
        if not processes.is_first():
            folder = stack.enter_context(_copy(folder))
        processes.on_first(lambda: None)  # the copies are made, the work may change
        record = STAGES[name].run(job, folder)
        processes.on_first(lambda: _commit(job, name, record, force))
    job.ran.append(name)


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


@contextmanager
def _copy(folder: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="kdeploy-") as place:
        yield Path(shutil.copytree(folder, Path(place, folder.name)))
