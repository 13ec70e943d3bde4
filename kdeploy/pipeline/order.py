"""The order of the stages, and their fingerprints.

    samples -> teacher -> labels -> distill -> export -> verify -> bench -> bundle -> report

With several teachers there is a `teacher-N` and a `labels-N` for each; `teacher` and `labels` are what they come to.

What each depends on and how it is called stands in the module of its name. A stage is done again only when its
fingerprint is new. Stages are imported inside the functions that run them, so that fingerprints need no torch.
"""

from __future__ import annotations

from typing import Any

from kdeploy.pipeline.bench import BENCH
from kdeploy.pipeline.bundle import BUNDLE
from kdeploy.pipeline.distill import DISTILL
from kdeploy.pipeline.export import EXPORT
from kdeploy.pipeline.job import Job
from kdeploy.pipeline.labels import LABELS
from kdeploy.pipeline.report import REPORT
from kdeploy.pipeline.samples import SAMPLES
from kdeploy.pipeline.stage import Stage
from kdeploy.pipeline.teacher import TEACHER
from kdeploy.pipeline.verify import VERIFY
from kdeploy.records.provenance import Source
from kdeploy.records.run import StageKey
from kdeploy.system.fingerprint import fingerprint

STAGES: tuple[Stage[Any], ...] = (SAMPLES, TEACHER, LABELS, DISTILL, EXPORT, VERIFY, BENCH, BUNDLE, REPORT)


def stages_of(job: Job) -> dict[StageKey, Stage[Any]]:
    """The stages of one job, in order; those of several teachers stand before what they come to."""
    return {one.key: one for stage in STAGES for one in (*job.members(stage), stage)}


def reads_of(job: Job, stage: Stage[Any]) -> dict[str, StageKey]:
    """What a stage of a job reads, by the names that its fingerprint holds.

    One of several teachers is what it would be alone, so what reads it reads a `teacher`, whatever its number.
    """
    members = {str(one.key): one.key for one in job.members(stage) if one.key != stage.key}
    return {read.name: read.key for read in stage.reads} | members


def sources(job: Job, stage: Stage[Any]) -> dict[str, Source]:
    """What a stage of a job rests on, by the names of its fingerprint, but for what it depends on in part alone.

    What is not done is not there.
    """
    stages, apart = stages_of(job), stage.depends(job)
    reads = {name: stages[key] for name, key in reads_of(job, stage).items() if name not in apart}
    return {name: job.finished(one).source(measures=one.measures) for name, one in reads.items() if job.has(one)}


def fingerprints(job: Job) -> dict[StageKey, str]:
    """The fingerprint of every stage of a job."""
    prints: dict[StageKey, str] = {}
    for key, stage in stages_of(job).items():
        reads = {name: prints[read] for name, read in reads_of(job, stage).items()}
        prints[key] = fingerprint(stage.record.SCHEMA, stage.settings(job), reads | stage.depends(job))
    return prints
