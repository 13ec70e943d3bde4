"""kdeploy init: a recipe for a teacher of yours."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kdeploy.cli.options import AsJson, DataRoot, Overwrite
from kdeploy.cli.plan import Timed, show_time
from kdeploy.formatting import numbers

Teacher = Annotated[Path, typer.Option("--teacher", metavar="FILE", help="The teacher: a classifier as .onnx.")]
Data = Annotated[
    Path,
    typer.Option(
        "--data", metavar="PATH", help="An .npz, .npy or .parquet file, or a folder of such, of images or of sounds."
    ),
]
Name = Annotated[
    str | None,
    typer.Option("--name", metavar="NAME", help="The recipe's name [default: the teacher's].", show_default=False),
]
Out = Annotated[Path, typer.Option("--out", metavar="FILE", help="The recipe to write; it must not be there yet.")]


def command(
    teacher: Teacher,
    data: Data,
    name: Name = None,
    out: Out = Path("recipe.yaml"),
    overwrite: Overwrite = False,
    data_root: DataRoot = None,
    timed: Timed = True,
    as_json: AsJson = False,
) -> None:
    """Write a recipe that runs for an ONNX teacher and a place with data; what it assumed stands in comments."""
    from kdeploy import api
    from kdeploy.cli import output
    from kdeploy.cli.progress import watched

    with watched() as progress:
        asked = progress if timed else None
        record = api.init(teacher, data, name=name, out=out, data_root=data_root, overwrite=overwrite, timed=asked)
    if as_json:
        output.record(record)
        return
    output.line(f"wrote {record.recipe}: {record.source}, {record.classes} classes")
    for line in record.assumed:
        output.line(f"assumed: {line}")
    right = f"right on {numbers.percent(record.teacher_accuracy)} of {record.looked_at} labelled samples"
    if record.teacher_accuracy is None:
        told = f"its answers to {record.looked_at} samples tell {numbers.bits(record.teacher_bits)} each"
        right = f"{told}; nothing is labelled, so nobody can say whether they are right"
    output.line(f"assumed: the teacher is given {record.preprocessing}, and {right}")
    if timed:
        show_time(record.time)
    output.next_command(record.next)
