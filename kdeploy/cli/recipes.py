"""kdeploy recipes: list, show, and the JSON Schema for editors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Action = Annotated[str, typer.Argument(metavar="[list|show|schema]", help="What to do.")]
Name = Annotated[str | None, typer.Argument(metavar="[NAME]", help="The recipe to show.", show_default=False)]
Folder = Annotated[Path, typer.Option("--folder", help="Where recipes are.")]


def command(action: Action = "list", name: Name = None, folder: Folder = Path("recipes")) -> None:
    """List the recipes of a folder, show one, or print the JSON Schema that editors use."""
    from kdeploy.cli import output

    if action == "schema":
        _schema()
    elif action == "show" and name is not None:
        output.document(_find(folder, name).read_text(encoding="utf-8"))
    elif action == "list" and name is None:
        _list(folder)
    else:
        raise typer.BadParameter("use: kdeploy recipes, kdeploy recipes show NAME, or kdeploy recipes schema")


def _schema() -> None:
    import json

    from kdeploy.cli import output
    from kdeploy.recipe.models import Recipe

    output.document(json.dumps(Recipe.model_json_schema(), indent=1))


def _find(folder: Path, name: str) -> Path:
    from kdeploy.errors import InputError

    path = folder / f"{name.removesuffix('.yaml')}.yaml"
    if not path.is_file():
        raise InputError(name, f"must be a recipe in {folder}", got=f"no {path}", advice="List them: kdeploy recipes.")
    return path


def _list(folder: Path) -> None:
    from kdeploy.cli import output
    from kdeploy.recipe.load import load

    rows = []
    for path in sorted(folder.glob("*.yaml")):
        recipe = load(path).recipe
        teachers = [teacher.called for teacher in recipe.members]
        rows.append((recipe.name, recipe.data.name, " + ".join(dict.fromkeys(teachers)), str(path)))
    output.table("recipes", ("name", "data", "teacher", "file"), rows)
    output.next_command("kdeploy run FILE")
