"""What `kdeploy recipes` answers: the recipes that ship, or those of a folder."""

from __future__ import annotations

from typing import ClassVar

from kdeploy.records.base import Part, Record


class ListedRecipe(Part):
    """One recipe: what its data and teachers are, and the command that runs it."""

    name: str
    file: str
    data: str  # `source: mnist-5k`, as the recipe says it
    teachers: tuple[str, ...]  # each once
    variants: tuple[str, ...]  # what `kdeploy sweep` compares; empty for `kdeploy run`
    command: str


class RecipesRecord(Record):
    """The recipes of a folder, sorted by name."""

    SCHEMA: ClassVar[str] = "kdeploy.recipes/2"

    folder: str
    ship: bool  # with kdeploy: their names are all that a verb needs
    recipes: tuple[ListedRecipe, ...]
