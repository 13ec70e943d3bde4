"""report: its call, for a run and for a benchmark that belongs to none."""

from __future__ import annotations

from pathlib import Path

from kdeploy.pipeline.bench import BENCH
from kdeploy.pipeline.bundle import BUNDLE, EVIDENCE
from kdeploy.pipeline.distill import DISTILL
from kdeploy.pipeline.export import EXPORT
from kdeploy.pipeline.fingerprints import fingerprint
from kdeploy.pipeline.job import Job
from kdeploy.pipeline.outcome import gate_settings, summary
from kdeploy.pipeline.stage import Stage
from kdeploy.pipeline.store import Store
from kdeploy.records.report import ReportRecord
from kdeploy.system.files import hash_file


def run(job: Job, folder: Path) -> ReportRecord:
    """Draw the page of a run, and write what stands next to it."""
    from kdeploy.reports import write as stage

    bench = job.find(BENCH)
    raw = None if bench is None else job.folder(BENCH) / bench.raw.path
    return stage.run(
        folder,
        summary=summary(job, bundle=BUNDLE),
        distill=job.read(DISTILL),
        export=job.read(EXPORT),
        bench=bench,
        raw=raw,
    )


def of_bench(folder: Path, store: Store) -> tuple[Path, ReportRecord]:
    """Draw the page of a finished benchmark, wherever its folder is; one that was drawn before is not drawn again.

    Returns: the folder with the report, and its record.
    Raises: InputError when there is no benchmark, IntegrityError when it is not what its raw samples give.
    """
    from kdeploy.reports import write as stage
    from kdeploy.timing.recompute import RECORD_NAME, recompute

    record = recompute(folder)
    reads = {"bench": hash_file(folder / RECORD_NAME), "raw": record.raw.sha256}
    key = fingerprint(ReportRecord.SCHEMA, {}, reads)
    if not store.has("report", key):
        with store.work("report", key) as work:
            store.commit("report", key, stage.run_bench(work, bench=record, raw=folder / record.raw.path))
    return store.folder("report", key), store.read("report", key, ReportRecord)


REPORT = Stage("report", ReportRecord, (*EVIDENCE, BUNDLE), gate_settings, run)
