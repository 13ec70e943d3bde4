"""kdeploy verify bundle: a deployment bundle, a folder or its zip."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kdeploy.cli.options import AsJson
from kdeploy.formatting import numbers

Bundle = Annotated[Path, typer.Argument(metavar="BUNDLE", help="A bundle's folder or zip.", show_default=False)]


def command(bundle: Bundle, as_json: AsJson = False) -> None:
    """Check that a bundle is, byte for byte and answer for answer, what was tested."""
    from kdeploy import api
    from kdeploy.cli import output
    from kdeploy.cli.progress import watched

    with watched():
        verdict = api.verify_bundle(bundle)
    if as_json:
        output.record(verdict)
        return
    size = numbers.size(verdict.bytes)
    output.line(f"bundle {verdict.name}: {verdict.files} files, {size}, every hash as in the manifest")
    error, allowed = numbers.scientific(verdict.largest_error), numbers.scientific(verdict.allowed_error)
    output.line(
        f"golden outputs: {verdict.samples} samples on {verdict.runtime}, off by at most {error} ({allowed} allowed)"
    )
    output.line(verdict.promise)
