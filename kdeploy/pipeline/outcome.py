"""The result of a job: its gate and its summary, from its records alone."""

from __future__ import annotations

from typing import Any

from kdeploy.evaluation.gate import check_run
from kdeploy.formatting.places import relative
from kdeploy.pipeline.bench import BENCH
from kdeploy.pipeline.distill import DISTILL
from kdeploy.pipeline.export import EXPORT
from kdeploy.pipeline.job import Job
from kdeploy.pipeline.samples import SAMPLES
from kdeploy.pipeline.stage import Stage
from kdeploy.pipeline.teacher import TEACHER
from kdeploy.pipeline.verify import VERIFY
from kdeploy.records.bundle import BundleRecord
from kdeploy.records.report import GateResult, Summary
from kdeploy.reports.summary import RunRecords, summarise


def gate_results(job: Job) -> tuple[GateResult, ...]:
    """Does the job meet its recipe's gate?"""
    return check_run(job.recipe.gate, job.read(TEACHER), job.read(DISTILL), job.read(EXPORT), job.find(BENCH))


def gate_settings(job: Job) -> dict[str, Any]:
    """What bundle and report depend on besides records."""
    return {"name": job.recipe.name, "gate": job.recipe.gate.settings()}


def summary(job: Job, *, bundle: Stage[BundleRecord]) -> Summary:
    """What a job came to, from its records.

    Args:
        bundle: the stage, which rests on this module for its gate.
    """
    made = job.find(bundle)
    results = gate_results(job)
    missed = "; ".join(result.text for result in results if not result.passed)
    done = (job.read(SAMPLES), job.read(TEACHER), job.read(DISTILL), job.read(EXPORT))
    return summarise(
        RunRecords(*done, job.find(VERIFY), job.find(BENCH)),
        name=job.recipe.name,
        recipe=relative(job.recipe.model_dump(mode="json")),
        stages_run=tuple(job.ran),
        gate=results,
        bundle=None if made is None else (job.folder(bundle) / made.folder).relative_to(job.store.root).as_posix(),
        bundle_reason=f"the gate was not met: {missed}" if missed else "" if made else "it was not asked for",
    )
