"""kdeploy show: the results of a run or a sweep, from its records; what a model's graph costs, layer by layer."""

from __future__ import annotations

from typing import Annotated

import typer

from kdeploy.cli import options, sweep
from kdeploy.cli.options import RUNS, AsJson, DataRoot, Runs, Shape

Subject = Annotated[
    str,
    typer.Argument(metavar="RUN|MODEL", help="A recipe file, the name of a run, or an .onnx file.", show_default=False),
]
Batch = Annotated[
    int | None,
    typer.Option(
        "--batch", min=1, max=65536, help="Samples a call, for an .onnx file [default: 1].", show_default=False
    ),
]


def command(
    subject: Subject,
    batch: Batch = None,
    shape: Shape = None,
    data_root: DataRoot = None,
    runs: Runs = RUNS,
    as_json: AsJson = False,
) -> None:
    """Show what a run or a sweep came to; nothing is computed. Of an .onnx file, the multiply-adds of each layer."""
    from kdeploy import api
    from kdeploy.cli import compute, output
    from kdeploy.cli.progress import watched
    from kdeploy.cli.summary import show
    from kdeploy.records.sweep import SweepRecord

    if subject.endswith(".onnx"):
        options.refuse({"--data-root": data_root}, "an .onnx file", "runs")
        with watched():
            count = api.show_model(subject, batch=batch or 1, shape=options.lengths(shape))
        output.record(count) if as_json else compute.show(count)
        return
    options.refuse({"--batch": batch, "--shape": shape}, "a run", ".onnx files")
    with watched() as progress:
        asked = options.options(runs, data_root, None, True, progress)
        compared = api.show_sweep(subject, asked)
        found = compared or api.show(subject, asked)
    if as_json:
        output.record(found, folder=runs)
    elif isinstance(found, SweepRecord):
        sweep.show(found)
    else:
        show(found)
