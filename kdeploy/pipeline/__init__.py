"""The order of the stages, and nothing else.

    samples -> teacher -> labels -> distill -> export -> verify -> bench -> bundle -> report

With several teachers there is a `teacher-N` and a `labels-N` for each; `teacher` and `labels` are what they come to.

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
from typing import Any, NamedTuple

from kdeploy import processes
from kdeploy.errors import GateError
from kdeploy.pipeline import bench, bundle, distill, ensemble, export, labels, report, samples, teacher, verify
from kdeploy.pipeline.job import RECORDS, Job, Stage
from kdeploy.pipeline.outcome import gate_settings, summary
from kdeploy.records.base import Record
from kdeploy.store import fingerprint, kind_of

__all__ = ["RECORDS", "STAGES", "Job", "Stage", "advance", "fingerprints", "stages_of", "summary"]

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


# done again with the same fingerprint, these need not say the same; all others end with the same bits
MEASURING = ("export", "verify", "bench")


class Several(NamedTuple):
    """A stage that is done for each of several teachers, and what that comes to."""

    settings: Callable[[Job, int], dict[str, Any]]
    run: Callable[[Job, Path, int], Record]
    together: Callable[[Job, Path], Record]


SEVERAL = {
    "teacher": Several(teacher.settings, teacher.run, ensemble.teacher),
    "labels": Several(labels.settings, labels.run, ensemble.labels),
}


def stages_of(job: Job) -> dict[str, Stage]:
    """The stages of one job, in order."""
    if job.count == 1:
        return STAGES
    table: dict[str, Stage] = {}
    for name, stage in STAGES.items():
        if name in SEVERAL:
            members = job.members(name)
            table |= {member: _numbered(job, name, number) for number, member in enumerate(members)}
            table[name] = Stage(("samples", *members), ensemble.settings, SEVERAL[name].together)
        else:
            table[name] = stage
    return table


def _numbered(job: Job, name: str, number: int) -> Stage:
    """The stage of one of several teachers."""
    several = SEVERAL[name]
    return Stage(
        tuple(job.member(other, number) if other in SEVERAL else other for other in STAGES[name].reads),
        lambda job: several.settings(job, number),
        lambda job, folder: several.run(job, folder, number),
    )


def fingerprints(job: Job) -> dict[str, str]:
    """The fingerprint of every stage of a job."""
    prints: dict[str, str] = {}
    for name, stage in stages_of(job).items():
        # one of several teachers is what it would be alone, so its stage reads a `teacher`, whatever its number
        one = kind_of(name) != name
        reads = {kind_of(other) if one else other: prints[other] for other in stage.reads}
        if name == "samples":
            reads = {"source": job.content}
        if kind_of(name) == "teacher":
            # no transfer set changes a teacher: those that differ in nothing else share one
            whole = samples.settings(job, chosen=False)
            reads["samples"] = fingerprint(RECORDS["samples"].SCHEMA, whole, {"source": job.content})
        prints[name] = fingerprint(RECORDS[kind_of(name)].SCHEMA, stage.settings(job), reads)
    return prints


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
            _do(job, name, stage, force=forced)
        except GateError as exc:
            failed = exc
        if name == "samples":  # before hours of teaching
            distill.must_fit(job.recipe.student, job.read("samples").shape)
        if processes.is_first():
            done(job)
        if name == upto:
            break
    if failed is not None:
        raise failed


def _do(job: Job, name: str, stage: Stage, *, force: bool) -> None:
    if processes.count() > 1 and _trains(job, name):
        _do_together(job, name, stage, force)
    else:
        job.ran += [name] if processes.on_first(lambda: _do_alone(job, name, stage, force)) else []


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


def _do_together(job: Job, name: str, stage: Stage, force: bool) -> None:
    """Do a stage that trains on every process; the others work in copies, for a look at what is done already."""
    with ExitStack() as stack:
        folder = processes.on_first(lambda: _begin(job, name, force, stack))
        if folder is None:
            return
        if not processes.is_first():
            folder = stack.enter_context(_copy(folder))
        processes.on_first(lambda: None)  # the copies are made, the work may change
        record = stage.run(job, folder)
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
