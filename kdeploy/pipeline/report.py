"""report: its call, for a run and for a benchmark that belongs to none."""

from __future__ import annotations

from pathlib import Path

from kdeploy.pipeline.fingerprints import fingerprint
from kdeploy.pipeline.job import Job
from kdeploy.pipeline.outcome import summary
from kdeploy.pipeline.store import Store
from kdeploy.records.base import Record
from kdeploy.records.bench import BenchRecord
from kdeploy.records.report import ReportRecord
from kdeploy.system.files import hash_file


def run(job: Job, folder: Path) -> Record:
    from kdeploy.reports import write as stage

    bench: BenchRecord | None = job.find("bench")
    raw = None if bench is None else job.folder("bench") / bench.raw.path
    return stage.run(
        folder, summary=summary(job), distill=job.read("distill"), export=job.read("export"), bench=bench, raw=raw
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
    print_ = fingerprint(ReportRecord.SCHEMA, {}, reads)
    if not store.has("report", print_):
        with store.work("report", print_) as work:
            store.commit("report", print_, stage.run_bench(work, bench=record, raw=folder / record.raw.path))
    return store.folder("report", print_), store.read("report", print_, ReportRecord)
