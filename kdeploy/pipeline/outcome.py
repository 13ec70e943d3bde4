"""What a job came to: its gate and its summary, from its records alone."""

from __future__ import annotations

from typing import Any

from kdeploy.evaluation import gate
from kdeploy.pipeline import exported_student
from kdeploy.pipeline.job import Job
from kdeploy.records.bundle import BundleRecord
from kdeploy.records.report import GateResult, Summary
from kdeploy.reports.summary import RunRecords, summarise


def gate_results(job: Job) -> tuple[GateResult, ...]:
    """Does the job meet its recipe's gate?"""
    teacher, distill, bench = job.read("teacher"), job.read("distill"), job.find("bench")
    lost = exported_student.lost(job)  # what ships is judged: each seed would lose as much
    return gate.check(
        job.recipe.gate.max_drop,
        job.recipe.gate.min_speedup,
        teacher_accuracy=teacher.test_accuracy,
        student_accuracies=[net.test_accuracy - lost for net in distill.students],
        comparisons=bench.comparison if bench else (),
    )


def gate_settings(job: Job) -> dict[str, Any]:
    return {"name": job.recipe.name, "gate": job.recipe.gate.model_dump()}


def summary(job: Job) -> Summary:
    """What the job came to, from its records."""
    bundle: BundleRecord | None = job.find("bundle")
    relative = None if bundle is None else f"bundle/{job.prints['bundle']}/{bundle.folder}"
    results = gate_results(job)
    missed = "; ".join(result.text for result in results if not result.passed)
    samples = job.read("samples")
    records = RunRecords(
        teacher=job.read("teacher"),
        distill=job.read("distill"),
        export=job.read("export"),
        verify=job.find("verify"),
        bench=job.find("bench"),
        duplicates=samples.duplicates,
    )
    return summarise(
        records,
        name=job.recipe.name,
        recipe=job.recipe.model_dump(mode="json"),
        samples=samples.counts,
        stages_run=(),
        gate=results,
        bundle=relative,
        bundle_reason=f"the gate was not met: {missed}" if missed else "" if bundle else "it was not asked for",
    )
