"""The report of a run, of a benchmark alone, or of several runs side by side.

    records -> words + figures -> report.html   one page for people that loads nothing and runs nothing
                                  report.json   what it was drawn from
                                  report.md     the headline tables, for a README
                                  report.csv    a row for each arm that was timed
                                  decisions.json  of a run on classes: which classes were taken for which, and where


All are pure functions of the records: the same records give the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from kdeploy.records.base import Record
from kdeploy.records.bench import BenchRecord
from kdeploy.records.report import ReportFile, ReportRecord
from kdeploy.records.sweep import ComparedRuns
from kdeploy.records.table import Row
from kdeploy.reports import comparisons, csv_table, markdown
from kdeploy.reports.page import PageInputs, render, render_bench, render_runs
from kdeploy.system.files import commit_bytes
from kdeploy.system.outputs import filled

PAGE, DATA, MARKDOWN, TABLE = "report.html", "report.json", "report.md", "report.csv"
DECISIONS = "decisions.json"


def run(folder: Path, inputs: PageInputs) -> ReportRecord:
    """Write the report of a run into an existing folder."""
    readme, data = markdown.of_run(inputs.summary, inputs.bench), inputs.summary.sealed().decode()
    files = _report(folder, render(inputs), data, readme, inputs.bench)
    if inputs.decisions is None:
        return files
    return files.model_copy(update={"decisions": _written(folder / DECISIONS, inputs.decisions.sealed().decode())})


def run_bench(folder: Path, *, bench: BenchRecord, raw: Path | None) -> ReportRecord:
    """Write the report of a benchmark that belongs to no run into an existing folder; its data are the record."""
    return _report(folder, render_bench(bench, raw), bench.sealed().decode(), markdown.of_bench(bench), bench)


def run_compared(
    folder: Path, *, title: str, compared: ComparedRuns, data: Record, rows: Sequence[Row]
) -> ReportRecord:
    """Write the page of several runs into an existing folder.

    Args:
        title: what they are together: a sweep, or their names.
        data, rows: the record that was compared, and its table.
    """
    return ReportRecord(
        page=_written(folder / PAGE, render_runs(title, compared)),
        data=_written(folder / DATA, data.sealed().decode()),
        markdown=_written(folder / MARKDOWN, markdown.of_runs(compared)),
        table=_written(folder / TABLE, csv_table.of_rows(rows)),
    )


def _report(folder: Path, page: str, data: str, readme: str, bench: BenchRecord | None) -> ReportRecord:
    return ReportRecord(
        page=_written(folder / PAGE, page),
        data=_written(folder / DATA, data),
        markdown=_written(folder / MARKDOWN, readme),
        table=_written(folder / TABLE, csv_table.of(comparisons.pairs(bench))),
    )


def _written(path: Path, text: str) -> ReportFile:
    content = text.encode()
    commit_bytes(path, content)
    return ReportFile(file=path.name, sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))


def copy_report(folder: Path, record: ReportRecord, out: Path, *, overwrite: bool) -> None:
    """Copy the files of a report to another folder, each whole or not at all.

    Raises: what `kdeploy.system.outputs.filled` raises.
    """
    with filled(out, overwrite=overwrite) as place:
        for file in record.files:
            commit_bytes(place / file.file, (folder / file.file).read_bytes())
