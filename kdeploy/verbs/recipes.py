"""The recipes that ship, or those of a folder: which there are, the text of one, and the schema for editors."""

from __future__ import annotations

import json
from pathlib import Path

from kdeploy.errors import InputError
from kdeploy.recipe import shipped
from kdeploy.recipe.load import load
from kdeploy.recipe.models import Recipe
from kdeploy.records.recipes import ListedRecipe, RecipesRecord


def recipes(folder: Path | None = None) -> RecipesRecord:
    """The recipes that there are to run.

    Args:
        folder: where to look for `*.yaml` files; None is those that ship with kdeploy.
    Raises: InputError when the folder has none; RecipeError for a file there that is no valid recipe.
    """
    files = _files(folder or shipped.folder())
    listed = tuple(_listed(file, ships=folder is None) for file in files)
    return RecipesRecord(folder=str(folder or shipped.folder()), ship=folder is None, recipes=listed)


def recipe_text(name: str, folder: Path | None = None) -> str:
    """A recipe as it is written, comments included: a start for one's own.

    Args:
        name: with or without `.yaml`.
        folder: where to look for it; None is those that ship with kdeploy.
    Raises: InputError when there is no such recipe.
    """
    name = name.removesuffix(".yaml")
    files = {file.stem: file for file in _files(folder or shipped.folder())}
    if name not in files:
        where = "that ships" if folder is None else f"in {folder}"
        hint = f"{shipped.nearest(name, list(files))}There are: {', '.join(files)}."
        raise InputError(name, f"must be a recipe {where}", got="no such name", advice=hint)
    return files[name].read_text(encoding="utf-8")


def recipe_schema() -> str:
    """The JSON Schema of a recipe, for editors, as text."""
    return json.dumps(Recipe.model_json_schema(), indent=1)


def _files(folder: Path) -> list[Path]:
    files = sorted(folder.glob("*.yaml"), key=lambda file: file.stem)
    if not files:
        got = "no .yaml file in it" if folder.is_dir() else "no such folder"
        advice = "Without --folder, those that ship are listed."
        raise InputError(str(folder), "must be a folder of recipes", got=got, advice=advice)
    return files


def _listed(file: Path, *, ships: bool) -> ListedRecipe:
    recipe = load(file).recipe
    verb = "sweep" if recipe.variants else "run"
    return ListedRecipe(
        name=recipe.name,
        file=str(file),
        data=f"{recipe.data.key}: {recipe.data.name}",
        teachers=tuple(dict.fromkeys(teacher.called for teacher in recipe.members)),
        variants=tuple(recipe.variants),
        command=f"kdeploy {verb} {file.stem if ships else file}",
    )
