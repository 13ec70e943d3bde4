"""report: its call, for a run and for a benchmark that belongs to none."""

from __future__ import annotations

from pathlib import Path

from kdeploy.pipeline.bench import BENCH
from kdeploy.pipeline.bundle import BUNDLE, EVIDENCE
from kdeploy.pipeline.distill import DISTILL
from kdeploy.pipeline.export import EXPORT
from kdeploy.pipeline.job import Job
from kdeploy.pipeline.outcome import gate_settings, summary
from kdeploy.pipeline.stage import Stage
from kdeploy.pipeline.teacher import TEACHER
from kdeploy.records.report import ReportRecord


def run(job: Job, folder: Path) -> ReportRecord:
    """Draw the page of a run, and write what stands next to it."""
    from kdeploy.evaluation.decisions import decisions, stored
    from kdeploy.reports import pictures
    from kdeploy.reports import write as stage
    from kdeploy.reports.page import PageInputs

    bench, samples, teacher, distill = job.find(BENCH), job.samples(), job.read(TEACHER), job.read(DISTILL)
    taken = None
    if samples.outputs == "classes":
        answers = stored(samples, job.folder(TEACHER), job.folder(DISTILL) / distill.chosen.logits)
        taken = decisions(answers, teacher.class_names)
    raw = None if bench is None else job.folder(BENCH) / bench.raw.path
    inputs = PageInputs(
        summary=summary(job, bundle=BUNDLE),
        teacher=teacher,
        distill=distill,
        export=job.read(EXPORT),
        bench=bench,
        raw=raw,
        decisions=taken,
        pixels=pictures.pixels(samples, distill.preprocessing.input),
    )
    return stage.run(folder, inputs)


REPORT = Stage("report", ReportRecord, (*EVIDENCE, BUNDLE), gate_settings, run)
