"""kdeploy sweep: the variants of one recipe, side by side."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from kdeploy.cli import options
from kdeploy.cli.following import following
from kdeploy.cli.options import RUNS, AsJson, DataRoot, Out, Overwrite, Rehash, Runs, Set, Trust
from kdeploy.system.outputs import must_take_files

if TYPE_CHECKING:
    from kdeploy.records.sweep import SweepRecord, SweepRow

Recipe = Annotated[
    str, typer.Argument(metavar="RECIPE", help="A recipe with variants: a file, or one that ships.", show_default=False)
]
Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="VARIANT", help="Do this variant alone; repeatable.", show_default=False),
]


def command(
    recipe: Recipe,
    only: Only = None,
    out: Out = None,
    overwrite: Overwrite = False,
    set_: Set = None,
    data_root: DataRoot = None,
    runs: Runs = RUNS,
    trust: Trust = False,
    rehash: Rehash = False,
    as_json: AsJson = False,
) -> None:
    """Distil every variant of a recipe and compare them, on a page too; work that they share is done once."""
    from kdeploy import api
    from kdeploy.cli import output
    from kdeploy.cli.progress import watched

    if out is not None:
        must_take_files(out)
    with watched() as progress:
        shared = replace(options.options(runs, data_root, set_, trust, progress), rehash=rehash)
        record = api.sweep(recipe, shared, only=only or ())
        folder, report = api.report_sweep(record, shared)
    if out is not None:
        api.copy_report(folder, report, out, overwrite=overwrite)
    if as_json:
        output.record(record, folder=runs)
        return
    show(record)
    output.line(f"report: {folder / report.page.file}")
    output.line(f"table: {folder / report.table.file}")
    output.next_command(following("show", recipe, runs=runs, data_root=data_root))


def show(record: SweepRecord) -> None:
    """Print the variants of a sweep side by side."""
    from kdeploy.cli import output
    from kdeploy.outputs.by_name import kind_of

    headings = ("variant", "teacher", "student, mean", "per seed", "on labels, mean", "per seed", "verdict")
    first = record.rows[0]
    said = "errors" if first.counts else kind_of(first.outputs).metric
    output.table(f"{record.name}: test {said}", headings, [_row(row) for row in record.rows])
    output.line(f"of {first.test_inputs} test inputs; each variant is a run: kdeploy export {first.run}")


def _row(row: SweepRow) -> tuple[str, ...]:
    return (
        row.variant,
        row.teacher_errors,
        *row.errors_of(row.students),
        *row.errors_of(row.baselines),
        row.verdict.status if row.baselines else "-",
    )
