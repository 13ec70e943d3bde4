"""kdeploy export: teacher and student to ONNX and further formats; an external model to its faster form."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast, get_args

import typer

from kdeploy.cli import options
from kdeploy.cli.following import following
from kdeploy.cli.options import RUNS, AsJson, DataRoot, Overwrite, Runs, Set, Trust
from kdeploy.cli.overrides import export_overrides
from kdeploy.cli.precision_cost import cost_lines
from kdeploy.formatting import numbers
from kdeploy.system.outputs import must_take_files

if TYPE_CHECKING:
    from kdeploy.records.export import Bottleneck as Choice
    from kdeploy.records.export import Fold, Form, Format
    from kdeploy.records.parity import ParityRow

ModelBottleneck = Literal["auto", "fuse", "factored"]
FORMS = get_args(ModelBottleneck)

Subject = Annotated[
    str,
    typer.Argument(
        metavar="RECIPE|RUN|MODEL", help="A recipe file, the name of a run, or an .onnx file.", show_default=False
    ),
]
Bottleneck = Annotated[
    str | None,
    typer.Option(
        "--bottleneck",
        metavar="auto|fuse|factored|rank:R|tolerance:T",
        help="Which form ships; rank:32 and tolerance:1e-3 reduce a student's in rank, at a cost that is measured.",
        show_default=False,
    ),
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
Preprocess = Annotated[
    str | None,
    typer.Option(
        "--preprocess",
        metavar="spec|graph",
        help="graph also writes student.raw.onnx, which takes uint8 images, or raw arrays.",
        show_default=False,
    ),
]
Target = Annotated[
    str | None,
    typer.Option("--target", metavar="RUNTIME", help="Where auto times the forms.", show_default=False),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="FOLDER",
        help="Copy the files there; where a MODEL goes [default: its folder under --runs].",
        show_default=False,
    ),
]


def command(
    subject: Subject,
    bottleneck: Bottleneck = None,
    formats: Formats = None,
    preprocess: Preprocess = None,
    target: Target = None,
    out: Out = None,
    overwrite: Overwrite = False,
    set_: Set = None,
    data_root: DataRoot = None,
    runs: Runs = RUNS,
    trust: Trust = False,
    as_json: AsJson = False,
) -> None:
    """Export the student with its bottleneck fused and factored, prove both, and ship the faster one.

    An external .onnx file is treated alike: its linear pairs are fused, its batch norms folded, the result
    proved against it.
    """
    from kdeploy import api
    from kdeploy.cli import output
    from kdeploy.cli.progress import watched

    if subject.endswith(".onnx"):
        recipe_only = {"--formats": formats, "--preprocess": preprocess, "--set": set_, "--data-root": data_root}
        options.refuse(recipe_only | {"--trust": trust}, "an .onnx file", "recipes and runs")
        _model(Path(subject), bottleneck or "auto", target or "onnxruntime", (out, overwrite), runs, as_json)
        return
    if out is not None:
        must_take_files(out)
    asked = export_overrides(bottleneck=bottleneck, formats=formats, preprocess=preprocess, target=target)
    overrides = [*(set_ or ()), *asked]
    with watched() as progress:
        job = api.run(subject, options.options(runs, data_root, overrides, trust, progress), upto="export")
    run = api.load_run(job)
    record, folder = run.export, run.folder("export")
    if out is not None:
        api.copy_folder(folder, out, overwrite=overwrite)
    if as_json:
        output.record(record, folder=out or folder)
        return
    _show("forms of the student", record.forms, record.folds, record.bottleneck)
    _formats(record.formats)
    output.line(f"model: {folder / record.student.file}")
    if record.raw is not None:
        output.line(f"with its preprocessing: {folder / record.raw.file}")
    output.next_command(following("verify", subject, runs=runs, data_root=data_root, set_=overrides, trust=trust))


def _model(
    path: Path, bottleneck: str, target: str, place: tuple[Path | None, bool], runs: Path, as_json: bool
) -> None:
    from kdeploy import api
    from kdeploy.cli import output
    from kdeploy.cli.progress import watched

    if bottleneck not in FORMS:
        raise typer.BadParameter(f"--bottleneck of an .onnx file must be {', '.join(FORMS)}")
    with watched() as progress:
        asked = options.options(runs, None, None, False, progress)
        file, record = api.export_model(
            path,
            asked,
            bottleneck=cast("ModelBottleneck", bottleneck),
            target=target,
            out=place[0],
            overwrite=place[1],
        )
    if as_json:
        output.record(record, folder=file.parent)
        return
    _show(f"forms of {path.name}", record.forms, record.folds, record.bottleneck)
    output.line(f"model: {file}")
    output.next_command(following("bench", path, file, runs=runs))


def _show(title: str, forms: Iterable[Form], folds: Iterable[Fold], choice: Choice) -> None:
    from kdeploy.cli import output

    rows = [
        (
            form.form + (" (ships)" if form.form == choice.shipped else ""),
            numbers.millions(form.model.multiply_adds),
            numbers.size(form.model.bytes),
            "-" if form.latency_ns is None else numbers.fixed_milliseconds(form.latency_ns),
            numbers.scientific(max(row.max_abs_error for row in form.parity)),
        )
        for form in forms
    ]
    output.table(title, ("form", "multiply-adds", "size", "latency", "largest error"), rows)
    for fold in folds:
        output.line(f"{fold.model}: {fold.name} {fold.result}: {fold.reason}")
    output.line(f"bottleneck: shipped {choice.shipped} ({choice.why})")


def _formats(formats: Iterable[Format]) -> None:
    from kdeploy.cli import output

    compared = [_row(one, one.parity) for one in formats if one.refused is None and one.parity]
    headings = ("format", "model", "precision", "size", "largest error", "budget", "agreement")
    if compared:
        output.line("")
        output.table("formats", headings, compared)
    for one in formats:
        if one.refused is not None:
            output.line(f"{one.model}: no {one.key}: {one.refused}")
    for line in cost_lines([one.cost for one in formats if one.cost is not None]):
        output.line(line)


def _row(one: Format, row: ParityRow) -> tuple[str, ...]:

    size, agreement = numbers.size(one.bytes), numbers.percent(row.agreement)
    return (
        one.runtime,
        one.model,
        one.precision,
        size,
        numbers.scientific(row.max_abs_error),
        numbers.scientific(row.budget),
        agreement,
    )
