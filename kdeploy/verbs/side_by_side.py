"""Several runs on one page, those named or the variants of a sweep; a page that was drawn is not drawn again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from kdeploy.errors import InputError
from kdeploy.pipeline.samples import SAMPLES
from kdeploy.records.report import ReportRecord
from kdeploy.records.sweep import ComparedRuns, SweepRecord
from kdeploy.system.fingerprint import fingerprint
from kdeploy.verbs.drawn import drawn
from kdeploy.verbs.prepare import Options
from kdeploy.verbs.run import run, summary


def report_runs(subjects: Sequence[str | Path], options: Options | None = None) -> tuple[Path, ReportRecord]:
    """Write the page of several runs side by side, and its companions; each is done up to its own report first.

    Args:
        subjects: recipe files or runs, of different names. One that misses its gate is compared all the same.
    Returns: the folder with the report, and its record.
    Raises: InputError for a run that is named twice; what the stages raise.
    """
    from kdeploy.reports.side_by_side import of_runs

    options = options or Options()
    jobs = [run(subject, options, upto="report", check_gate=False) for subject in subjects]
    names = [job.recipe.name for job in jobs]
    if len(set(names)) < len(names):
        raise InputError("report", "must be told each run once", got=", ".join(names))
    compared = of_runs([(summary(job), job.prints[SAMPLES.key]) for job in jobs])
    return _written(", ".join(names), compared, compared, options)


def report_sweep(record: SweepRecord, options: Options | None = None) -> tuple[Path, ReportRecord]:
    """Write the page of a sweep, and its companions; `report.csv` has a line a variant.

    Returns: the folder with the report, and its record.
    """
    from kdeploy.reports.side_by_side import of_sweep

    return _written(record.name, of_sweep(record.rows), record, options or Options())


def _written(
    title: str, compared: ComparedRuns, data: ComparedRuns | SweepRecord, options: Options
) -> tuple[Path, ReportRecord]:
    from kdeploy.reports.write import run_compared

    key = fingerprint(ReportRecord.SCHEMA, {"title": title}, {"runs": hashlib.sha256(data.sealed()).hexdigest()})
    draw = partial(run_compared, title=title, compared=compared, data=data, rows=data.to_rows())
    return drawn(key, draw, options)
