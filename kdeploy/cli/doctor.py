"""kdeploy doctor: what this machine can run, and what to install."""

from __future__ import annotations

from typing import Annotated

import typer

from kdeploy.cli.options import AsJson

Strict = Annotated[bool, typer.Option("--strict", help="End with exit code 7 when anything is missing.")]


def command(strict: Strict = False, as_json: AsJson = False) -> None:
    """Say what this machine can run, and what to install for the rest."""
    import json

    from kdeploy import api
    from kdeploy.cli import output
    from kdeploy.cli.errors import AlreadyReported, raised

    findings = api.doctor()
    error = raised(api.require_installed, findings) if strict else None
    if as_json:
        found = {"findings": [finding._asdict() for finding in findings]}
        output.document(json.dumps(found | ({"error": error.as_json()} if error else {}), indent=1))
    else:
        rows = [(finding.name, "ok" if finding.ok else "missing", finding.text) for finding in findings]
        output.table("this machine", ("", "", ""), rows)
    if error is not None:
        raise AlreadyReported(error) if as_json else error
