"""kdeploy show: what a run came to, from its records; what a model's graph costs, layer by layer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kdeploy.cli import options
from kdeploy.cli.options import RUNS, AsJson, DataRoot, Runs

Subject = Annotated[
    str,
    typer.Argument(metavar="RUN|MODEL", help="A recipe file, the name of a run, or an .onnx file.", show_default=False),
]
Batch = Annotated[int, typer.Option("--batch", min=1, max=65536, help="Samples a call, for an .onnx file.")]


def command(
    subject: Subject, batch: Batch = 1, data_root: DataRoot = None, runs: Runs = RUNS, as_json: AsJson = False
) -> None:
    """Show what a run came to; nothing is computed. Of an .onnx file, the multiply-adds of each layer."""
    if subject.endswith(".onnx"):
        _model(Path(subject), batch, as_json)
    else:
        _run(subject, runs, data_root, as_json)


def _model(path: Path, batch: int, as_json: bool) -> None:
    from kdeploy.cli import compute, output
    from kdeploy.verbs import external_models

    count = external_models.count_model(path, batch)
    if as_json:
        output.record(count)
    else:
        compute.show(count)


def _run(subject: str, runs: Path, data_root: Path | None, as_json: bool) -> None:
    from kdeploy import api
    from kdeploy.cli import output
    from kdeploy.cli.progress import watched
    from kdeploy.cli.summary import show

    with watched() as progress:
        summary = api.show(subject, options.options(runs, data_root, None, True, progress))
    if as_json:
        output.record(summary)
    else:
        show(summary)
