"""bundle: its call; a job that misses its gate gets none."""

from __future__ import annotations

from pathlib import Path

from kdeploy.evaluation import gate
from kdeploy.pipeline.job import Job
from kdeploy.pipeline.outcome import gate_results
from kdeploy.records.base import Record


def run(job: Job, folder: Path) -> Record:
    from kdeploy.stages import bundle as stage

    gate.raise_if_failed(gate_results(job))
    samples, export, verify = job.samples(), job.read("export"), job.read("verify")
    evidence = {
        f"{name}.json": (job.folder(name) / "record.json").read_bytes()
        for name in ("samples", "teacher", "distill", "export", "verify", "bench")
    }
    return stage.run(
        folder,
        name=job.recipe.name,
        exported=(job.folder("export"), export),
        canonical=samples.inputs[export.preprocessing.input][samples.parts["test"][:32]],
        evidence=evidence,
        versions=verify.versions,
    )
