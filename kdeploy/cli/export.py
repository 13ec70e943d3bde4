"""kdeploy export: teacher and student to ONNX and further formats."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from kdeploy.cli import options
from kdeploy.cli.options import RUNS, AsJson, DataRoot, Runs, Set, Subject, Trust

if TYPE_CHECKING:
    from kdeploy.records.export import ExportRecord, Format
    from kdeploy.records.parity import ParityRow

Bottleneck = Annotated[
    str | None,
    typer.Option("--bottleneck", metavar="auto|fuse|factored", help="Which form ships.", show_default=False),
]
Formats = Annotated[
    str | None,
    typer.Option(
        "--formats",
        metavar="all|NAME[:PRECISION],...",
        help="Formats beside ONNX, as openvino,onnxruntime:int8; all: every runtime that is here.",
        show_default=False,
    ),
]


def command(
    subject: Subject,
    bottleneck: Bottleneck = None,
    formats: Formats = None,
    set_: Set = None,
    data_root: DataRoot = None,
    runs: Runs = RUNS,
    trust: Trust = False,
    as_json: AsJson = False,
) -> None:
    """Export the student with its bottleneck fused and factored, prove both, and ship the faster one."""
    from kdeploy import api
    from kdeploy.cli import output
    from kdeploy.cli.progress import watched

    overrides = list(set_ or ())
    overrides += [f"export.bottleneck={bottleneck}"] if bottleneck else []
    overrides += [f"export.formats=[{formats}]"] if formats else []
    with watched() as progress:
        job = api.run(subject, options.options(runs, data_root, overrides, trust, progress), upto="export")
    record = job.read("export")
    if as_json:
        output.record(record)
        return
    _show(record)
    _formats(record.formats)
    output.line(f"model: {job.folder('export') / record.student.file}")
    output.next_command(f"kdeploy verify {job.recipe.name}")


def _show(record: ExportRecord) -> None:
    from kdeploy.cli import output

    forms = [
        (
            form.form + (" (ships)" if form.form == record.bottleneck.shipped else ""),
            output.millions(form.model.multiply_adds),
            output.size(form.model.bytes),
            "-" if form.latency_ns is None else output.milliseconds(form.latency_ns),
            f"{max(row.max_abs_error for row in form.parity):.1e}",
        )
        for form in record.forms
    ]
    output.table("forms of the student", ("form", "multiply-adds", "size", "latency", "largest error"), forms)
    for fold in record.folds:
        output.line(f"{fold.model}: {fold.name} {'folded' if fold.done else 'not folded'}: {fold.reason}")
    output.line(f"bottleneck: shipped {record.bottleneck.shipped} ({record.bottleneck.reason})")


def _formats(formats: Iterable[Format]) -> None:
    from kdeploy.cli import output

    compared = [_row(made, made.parity) for made in formats if made.refused is None and made.parity]
    headings = ("format", "model", "precision", "size", "largest error", "budget", "agreement")
    if compared:
        output.line("")
        output.table("formats", headings, compared)
    for made in formats:
        if made.refused is not None:
            output.line(f"{made.model}: no {made.key}: {made.refused}")


def _row(made: Format, row: ParityRow) -> tuple[str, ...]:
    from kdeploy.cli import output

    size, agreement = output.size(made.bytes), output.percent(row.agreement)
    return made.runtime, made.model, made.precision, size, f"{row.max_abs_error:.1e}", f"{row.budget:.1e}", agreement
