"""kdeploy export: teacher and student to ONNX and further formats."""

from __future__ import annotations

from typing import Annotated

import typer

from kdeploy.cli import options
from kdeploy.cli.options import RUNS, AsJson, DataRoot, Runs, Set, Subject, Trust

Bottleneck = Annotated[
    str | None,
    typer.Option(
        "--bottleneck",
        metavar="auto|fuse|factored|rank:R|tolerance:T",
        help="Which form ships; rank:32 and tolerance:1e-3 re-factor the bottleneck, at a cost that is measured.",
        show_default=False,
    ),
]
Formats = Annotated[
    str | None,
    typer.Option("--formats", metavar="NAME,NAME", help="Formats beside ONNX, as onnx,openvino.", show_default=False),
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
    overrides += [f"export.bottleneck={_as_yaml(bottleneck)}"] if bottleneck else []
    overrides += [f"export.formats=[{formats}]"] if formats else []
    with watched() as progress:
        job = api.run(subject, options.options(runs, data_root, overrides, trust, progress), upto="export")
    record = job.read("export")
    if as_json:
        output.record(record)
        return
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
    output.line(f"model: {job.folder('export') / record.student.file}")
    output.next_command(f"kdeploy verify {job.recipe.name}")


def _as_yaml(bottleneck: str) -> str:
    """`rank:32` as a recipe says it: `{rank: 32}`."""
    key, colon, value = bottleneck.partition(":")
    return f"{{{key}: {value}}}" if colon else bottleneck
