"""kdeploy verify: a run, a bundle, or models made elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kdeploy.cli import options
from kdeploy.cli.options import RUNS, AsJson, DataRoot, Runs, Set, Trust
from kdeploy.cli.precision_cost import cost_lines
from kdeploy.formatting import numbers

if TYPE_CHECKING:
    from kdeploy.records.parity import VerifyRecord

Subjects = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN|BUNDLE|MODEL...", help="A run or recipe, a bundle, or .onnx files.", show_default=False
    ),
]

Inputs = Annotated[
    Path | None,
    typer.Option(
        "--inputs",
        metavar="FOLDER",
        help="Real inputs for .onnx files, which are then compared with the first of them too: images, sounds, .npy or "
        ".npz.",
        show_default=False,
    ),
]


def command(
    subjects: Subjects,
    inputs: Inputs = None,
    set_: Set = None,
    data_root: DataRoot = None,
    runs: Runs = RUNS,
    trust: Trust = False,
    as_json: AsJson = False,
) -> None:
    """Check that models agree on real inputs through every runtime, or that a bundle is what was tested."""
    from kdeploy import api
    from kdeploy.cli import output
    from kdeploy.cli.progress import watched
    from kdeploy.errors import ParityError
    from kdeploy.parity.compare import raise_if_failed
    from kdeploy.verbs import external_models

    if inputs is None and len(subjects) == 1 and _is_bundle(Path(subjects[0])):
        _bundle(Path(subjects[0]), as_json)
        return
    models = [Path(subject) for subject in subjects if subject.endswith(".onnx")]
    if len(models) not in {0, len(subjects)} or (len(subjects) > 1 and not models):
        raise typer.BadParameter("give one run, one bundle, or only .onnx files")
    if inputs is not None and not models:
        raise typer.BadParameter("--inputs goes with .onnx files: a run has its own test inputs")
    failed: ParityError | None = None
    with watched() as progress:
        if models:
            record = external_models.verify_models(models, progress, inputs)
        else:
            record = api.verify(subjects[0], options.options(runs, data_root, set_, trust, progress))
    try:
        raise_if_failed(record.rows)
    except ParityError as exc:
        failed = exc
    if as_json:
        output.record(record, failed)
    else:
        _show(record)
    if failed is not None:
        raise failed
    if not models:
        output.next_command(f"kdeploy bench {subjects[0]}")


def _is_bundle(path: Path) -> bool:
    return path.is_dir() or path.suffix == ".zip"


def _bundle(path: Path, as_json: bool) -> None:
    from kdeploy.bundles.verify import verify
    from kdeploy.cli import output

    verdict = verify(path)
    if as_json:
        output.record(verdict)
        return
    output.line(
        f"bundle {verdict.name}: {verdict.files} files, {numbers.size(verdict.bytes)}, every hash as in the manifest"
    )
    error, allowed = numbers.scientific(verdict.largest_error), numbers.scientific(verdict.allowed_error)
    output.line(
        f"golden outputs: {verdict.samples} samples on {verdict.runtime}, off by at most {error} ({allowed} allowed)"
    )
    output.line(verdict.promise)


def _show(record: VerifyRecord) -> None:
    from kdeploy.cli import output

    rows = [
        (
            row.model,
            row.key,
            str(row.inputs),
            numbers.scientific(row.max_abs_error),
            numbers.scientific(row.budget),
            numbers.percent(row.agreement),
            "passed" if row.passed else "FAILED",
        )
        for row in record.rows
    ]
    output.table("parity", ("model", "runtime", "inputs", "largest error", "budget", "agreement", ""), rows)
    made = [
        (family.max_abs_error / family.budget, family, row)
        for row in record.rows
        for family in row.families
        if family.budget
    ]
    if made:
        share, family, row = max(made, key=lambda one: one[0])
        names = {family.name for _, family, _ in made}
        output.line(
            f"made inputs: {len(names)} families, at most {numbers.whole_percent(share)} of the budget "
            f"({family.name!r}, {row.model} on {row.runtime})"
        )
    hiding = sorted({row.runtime for row in record.rows if row.propagates_nan is False})
    if hiding:
        output.line(f"NaN in, a class out: {', '.join(hiding)}")
    for line in cost_lines(record.costs):
        output.line(line)
