"""kdeploy clean: show and remove what no run names."""

from __future__ import annotations

from typing import Annotated

import typer

from kdeploy.cli.options import RUNS, AsJson, Runs
from kdeploy.formatting import numbers

Yes = Annotated[bool, typer.Option("--yes", help="Remove it; without this, it is only shown.")]


def command(runs: Runs = RUNS, yes: Yes = False, as_json: AsJson = False) -> None:
    """Show the finished work that no run names any more, and remove it with --yes. Unfinished work stays."""
    import json

    from kdeploy import api
    from kdeploy.cli import output

    folders = api.clean(runs, remove=yes)
    if as_json:
        items = [{"path": str(item.path), "bytes": item.bytes} for item in folders]
        output.document(json.dumps({"removed": yes, "unnamed": items}, indent=1))
        return
    for item in folders:
        output.line(f"{'removed' if yes else 'unnamed'}: {item.path} ({numbers.size(item.bytes)})")
    total = numbers.size(sum(item.bytes for item in folders))
    output.line(f"{len(folders)} folders, {total}" + ("" if yes or not folders else "; remove them with --yes"))
