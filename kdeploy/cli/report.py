"""kdeploy report: an HTML page and its companions, of a run or of a benchmark alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kdeploy.cli import options
from kdeploy.cli.options import RUNS, AsJson, DataRoot, RequireExact, Runs, Set, Trust
from kdeploy.pipeline.report import REPORT

if TYPE_CHECKING:
    from kdeploy.records.report import ReportRecord

Subject = Annotated[
    str,
    typer.Argument(
        metavar="RECIPE|RUN|FOLDER",
        help="A recipe file, the name of a run, or a folder that `kdeploy bench` filled.",
        show_default=False,
    ),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="FOLDER", help="Copy the files there.", show_default=False),
]


def command(
    subject: Subject,
    out: Out = None,
    set_: Set = None,
    data_root: DataRoot = None,
    runs: Runs = RUNS,
    trust: Trust = False,
    require_exact: RequireExact = False,
    as_json: AsJson = False,
) -> None:
    """Report a run, or a benchmark alone: an HTML page that needs no network, Markdown, CSV and JSON."""
    from kdeploy import api
    from kdeploy.cli import output
    from kdeploy.cli.progress import watched

    with watched() as progress:
        asked = options.options(runs, data_root, set_, trust, progress)
        if api.is_bench(Path(subject)):
            folder, record = api.report_bench(Path(subject), asked)
            after = "kdeploy bench recompute " + subject
        else:
            job = api.run(subject, replace(asked, require_exact=require_exact), upto="report")
            folder, record = job.folder(REPORT), job.read(REPORT)
            after = f"kdeploy show {job.recipe.name}"
    if out is not None:
        _copy(folder, record, out)
    if as_json:
        output.record(record)
        return
    for file in record.files:
        output.line(str((out or folder) / file.file))
    output.next_command(after)


def _copy(folder: Path, record: ReportRecord, out: Path) -> None:
    from kdeploy.system.files import commit_bytes

    for file in record.files:
        commit_bytes(out / file.file, (folder / file.file).read_bytes())
