"""kdeploy report: an HTML page and its companions, of a run or of a benchmark alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from kdeploy.cli import options
from kdeploy.cli.following import following
from kdeploy.cli.options import RUNS, AsJson, DataRoot, Out, Overwrite, RequireExact, Runs, Set, Trust
from kdeploy.system.outputs import must_take_files

Subjects = Annotated[
    list[str],
    typer.Argument(
        metavar="RECIPE|RUN|FOLDER",
        help="A recipe file, the name of a run, or a folder that `kdeploy bench` filled; several runs are compared.",
        show_default=False,
    ),
]


def command(
    subjects: Subjects,
    out: Out = None,
    overwrite: Overwrite = False,
    set_: Set = None,
    data_root: DataRoot = None,
    runs: Runs = RUNS,
    trust: Trust = False,
    require_exact: RequireExact = False,
    as_json: AsJson = False,
) -> None:
    """Report a run, runs side by side, or a benchmark: an HTML page that needs no network, Markdown, CSV, JSON."""
    from kdeploy import api
    from kdeploy.cli import output
    from kdeploy.cli.progress import watched

    subject, of_bench = subjects[0], len(subjects) == 1 and (Path(subjects[0]) / "bench.json").is_file()
    if of_bench:
        recipe_only = {"--set": set_, "--data-root": data_root, "--trust": trust, "--require-exact": require_exact}
        options.refuse(recipe_only, "the folder of a benchmark", "recipes and runs")
    if out is not None:
        must_take_files(out)
    with watched() as progress:
        shared = options.options(runs, data_root, set_, trust, progress)
        if of_bench:
            folder, record = api.report_bench(subject, shared)
            after = following("bench", "recompute", subject)
        elif len(subjects) > 1:
            folder, record = api.report_runs(subjects, replace(shared, require_exact=require_exact))
            after = following("show", subject, runs=runs, data_root=data_root)
        else:
            run = api.load_run(api.run(subject, replace(shared, require_exact=require_exact)))
            folder, record = run.folder("report"), run.report
            after = following("show", run.name, runs=runs, data_root=data_root)
    if out is not None:
        api.copy_report(folder, record, out, overwrite=overwrite)
    if as_json:
        output.record(record, folder=out or folder)
        return
    for file in record.files:
        output.line(str((out or folder) / file.file))
    output.next_command(after)
