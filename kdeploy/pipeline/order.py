"""The order of the stages, and their fingerprints.

    samples -> teacher -> labels -> distill -> export -> verify -> bench -> bundle -> report

With several teachers there is a `teacher-N` and a `labels-N` for each; `teacher` and `labels` are what they come to.

What each depends on and how it is called stands in the module of its name. A stage is done again only when its
fingerprint is new. Stages are imported inside the functions that run them, so that fingerprints need no torch.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from kdeploy.pipeline import bench, bundle, distill, ensemble, export, labels, report, samples, teacher, verify
from kdeploy.pipeline.fingerprints import fingerprint, kind_of
from kdeploy.pipeline.job import RECORDS, Job, Stage
from kdeploy.pipeline.outcome import gate_settings
from kdeploy.records.base import Record

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
