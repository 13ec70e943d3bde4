"""kdeploy verify models: external `.onnx` files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kdeploy.cli import options
from kdeploy.cli.bench.options import Runtime
from kdeploy.cli.options import RUNS, AsJson, Shape

Models = Annotated[list[Path], typer.Argument(metavar="MODEL...", help="Files as .onnx.", show_default=False)]
Inputs = Annotated[
    Path | None,
    typer.Option(
        "--inputs",
        metavar="FOLDER",
        help="Real inputs, on which the models are compared with the first of them too: images, sounds, .npy or .npz.",
        show_default=False,
    ),
]


def command(
    models: Models, inputs: Inputs = None, runtime: Runtime = None, shape: Shape = None, as_json: AsJson = False
) -> None:
    """Check that models agree with their own graphs in float64, through every runtime, and with each other."""
    from kdeploy import api
    from kdeploy.cli.progress import watched
    from kdeploy.cli.verify import parity

    lengths = options.lengths(shape)
    with watched() as progress:
        settings = options.options(RUNS, None, None, False, progress)
        record = api.verify_models(models, settings, inputs=inputs, runtimes=runtime, shape=lengths)
    parity.finish(record, as_json=as_json)
