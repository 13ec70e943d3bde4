"""kdeploy recipes: list, show, and the JSON Schema for editors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kdeploy.cli.options import AsJson

Action = Annotated[str, typer.Argument(metavar="[list|show|schema]", help="What to do.")]
Name = Annotated[str | None, typer.Argument(metavar="[NAME]", help="The recipe to show.", show_default=False)]
Folder = Annotated[
    Path | None,
    typer.Option("--folder", help="Where recipes of your own are [default: those that ship].", show_default=False),
]


def command(action: Action = "list", name: Name = None, folder: Folder = None, as_json: AsJson = False) -> None:
    """List the recipes that ship, show one, or print the JSON Schema."""
    from kdeploy import api
    from kdeploy.cli import output

    if action == "schema" and name is None:
        output.document(api.recipe_schema())
    elif action == "show" and name is not None and not as_json:
        output.document(api.recipe_text(name, folder))
    elif action == "list" and name is None:
        _list(folder, as_json)
    else:
        raise typer.BadParameter("use: kdeploy recipes, kdeploy recipes show NAME, or kdeploy recipes schema")


def _list(folder: Path | None, as_json: bool) -> None:
    from kdeploy import api
    from kdeploy.cli import output

    record = api.recipes(folder)
    if as_json:
        output.record(record)
        return
    rows = [(listed.command, listed.data, " + ".join(listed.teachers)) for listed in record.recipes]
    title = "recipes that ship" if record.ship else f"recipes in {record.folder}"
    output.table(title, ("command", "data", "teacher"), rows)
    output.next_command(record.recipes[0].command if folder else "kdeploy run tiny")
