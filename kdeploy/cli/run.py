"""kdeploy run: every stage in order."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from kdeploy.cli import errors, options
from kdeploy.cli.following import following
from kdeploy.cli.options import RUNS, AsJson, DataRoot, Out, Overwrite, Rehash, RequireExact, Runs, Set, Subject, Trust
from kdeploy.system.outputs import must_take_files

Force = Annotated[
    list[str] | None,
    typer.Option(
        "--force",
        metavar="STAGE",
        help="Do a stage again although it is done, and what shows what it measured; repeatable.",
        show_default=False,
    ),
]


def command(
    subject: Subject,
    set_: Set = None,
    force: Force = None,
    out: Out = None,
    overwrite: Overwrite = False,
    data_root: DataRoot = None,
    runs: Runs = RUNS,
    trust: Trust = False,
    require_exact: RequireExact = False,
    rehash: Rehash = False,
    as_json: AsJson = False,
) -> None:
    """Do every stage in order, from the recipe to the verified bundle and the report."""
    from kdeploy import api
    from kdeploy.cli import output
    from kdeploy.cli.progress import watched
    from kdeploy.cli.summary import show

    if out is not None:
        must_take_files(out)
    with watched() as progress:
        asked = options.options(runs, data_root, set_, trust, progress)
        asked = replace(asked, require_exact=require_exact, rehash=rehash)
        job = api.run(subject, asked, force=force or (), check_gate=False)
        summary = api.summary(job)
    missed, finished = errors.raised(api.require_gate, summary), api.load_run(job)
    if out is not None:
        if summary.bundle:
            api.copy_folder(finished.folder("bundle"), out, overwrite=overwrite)
        api.copy_report(finished.folder("report"), finished.report, out, overwrite=overwrite)
    if as_json:
        output.record(summary, missed, folder=runs)
    else:
        show(summary)
        output.line(f"stages run: {', '.join(job.ran) or 'none, all were done before'}")
        output.line(f"report: {finished.folder('report') / 'report.html'}")
        output.line(f"bundle: {runs / summary.bundle if summary.bundle else 'none'}")
    if missed is not None:
        raise missed
    output.next_command(following("verify", runs / str(summary.bundle)))
