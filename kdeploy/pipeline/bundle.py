"""bundle: its call; a job that misses its gate gets none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kdeploy.bundles.evidence import evidence
from kdeploy.evaluation.gate import raise_if_failed
from kdeploy.pipeline.bench import BENCH
from kdeploy.pipeline.distill import DISTILL
from kdeploy.pipeline.export import EXPORT, exported_run
from kdeploy.pipeline.job import Job
from kdeploy.pipeline.outcome import gate_results, gate_settings
from kdeploy.pipeline.samples import SAMPLES
from kdeploy.pipeline.stage import Stage
from kdeploy.pipeline.teacher import TEACHER
from kdeploy.pipeline.verify import VERIFY
from kdeploy.records.bundle import BundleRecord

# whose records travel in the bundle
EVIDENCE: tuple[Stage[Any], ...] = (SAMPLES, TEACHER, DISTILL, EXPORT, VERIFY, BENCH)


def run(job: Job, folder: Path) -> BundleRecord:
    """Write the bundle of a job that meets its gate."""
    # before what a bundle takes is imported: a run that missed its gate is cheap to ask again
    raise_if_failed(gate_results(job))
    from kdeploy.stages import bundle as stage

    samples, exported = job.samples(), exported_run(job)
    seals = {one.name: job.finished(one).seal for one in EVIDENCE}
    canonical = samples.inputs[exported.record.preprocessing.input][samples.parts["test"][:32]]
    return stage.run(
        folder,
        name=job.recipe.name,
        exported=exported,
        canonical=canonical,
        evidence=evidence({one.name: job.read(one) for one in EVIDENCE}, seals),
        versions=job.read(VERIFY).versions,
    )


BUNDLE = Stage("bundle", BundleRecord, EVIDENCE, gate_settings, run)
