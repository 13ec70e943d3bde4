"""kdeploy sweep: the variants of one recipe, side by side."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING, Annotated

import typer

from kdeploy.cli import options
from kdeploy.cli.options import RUNS, AsJson, DataRoot, Runs, Set, Trust

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kdeploy.records.distill import Net
    from kdeploy.records.sweep import SweepRow

Recipe = Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe file with variants.", show_default=False)]
Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="VARIANT", help="Do this variant alone; repeatable.", show_default=False),
]


def command(
    recipe: Recipe,
    only: Only = None,
    set_: Set = None,
    data_root: DataRoot = None,
    runs: Runs = RUNS,
    trust: Trust = False,
    as_json: AsJson = False,
) -> None:
    """Distil every variant of a recipe and compare them; work that they share is done once."""
    from kdeploy import api
    from kdeploy.cli import output
    from kdeploy.cli.progress import watched

    with watched() as progress:
        found = api.sweep(recipe, options.options(runs, data_root, set_, trust, progress), only=only or ())
    if as_json:
        output.record(found)
        return
    headings = ("variant", "teacher", "student, mean", "per seed", "on labels, mean", "per seed", "verdict")
    output.table(f"{found.name}: test errors", headings, [_row(row) for row in found.rows])
    output.line(
        f"of {found.rows[0].test_inputs} test inputs; each variant is a run: kdeploy export {found.rows[0].run}"
    )


def _row(row: SweepRow) -> tuple[str, ...]:
    return (
        row.variant,
        str(_errors(row.teacher_accuracy, row)),
        *_nets(row.students, row),
        *_nets(row.baselines, row),
        row.verdict.status if row.baselines else "-",
    )


def _nets(nets: Sequence[Net], row: SweepRow) -> tuple[str, str]:
    if not nets:
        return "-", ""
    errors = [_errors(net.test_accuracy, row) for net in nets]
    return f"{fmean(errors):.1f}", " ".join(map(str, errors))


def _errors(accuracy: float, row: SweepRow) -> int:
    return round((1 - accuracy) * row.test_inputs)
