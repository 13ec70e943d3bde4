"""The page of a benchmark that belongs to no run."""

from __future__ import annotations

from pathlib import Path

from kdeploy.pipeline.fingerprints import fingerprint
from kdeploy.pipeline.store import Store
from kdeploy.records.report import ReportRecord
from kdeploy.system.files import hash_file


def report_bench(folder: Path, store: Store) -> tuple[Path, ReportRecord]:
    """Draw the page of a finished benchmark, wherever its folder is; one that was drawn before is not drawn again.

    Returns: the folder with the report, and its record.
    Raises: InputError when there is no benchmark, IntegrityError when it is not what its raw samples give.
    """
    from kdeploy.reports import write as stage
    from kdeploy.timing.raw import RECORD_NAME
    from kdeploy.timing.recompute import recompute

    record = recompute(folder)
    reads = {"bench": hash_file(folder / RECORD_NAME), "raw": record.raw.sha256}
    key = fingerprint(ReportRecord.SCHEMA, {}, reads)
    if not store.has("report", key):
        with store.work("report", key) as work:
            store.commit("report", key, stage.run_bench(work, bench=record, raw=folder / record.raw.path))
    return store.folder("report", key), store.read("report", key, ReportRecord)
