"""The recipes that ship with kdeploy, by name: `recipes/` in a checkout, `kdeploy/shipped_recipes/` once installed."""

from __future__ import annotations

import difflib
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]


def folder() -> Path:
    """The folder of the recipes that ship: inside of an installed package, next to the package in a checkout."""
    installed = _PACKAGE / "shipped_recipes"
    return installed if installed.is_dir() else _PACKAGE.parent / "recipes"


def names() -> list[str]:
    """The names of the recipes that ship, sorted."""
    return sorted(path.stem for path in folder().glob("*.yaml"))


def find(name: str) -> Path | None:
    """The file of the recipe that ships under a name; None where there is none."""
    return folder() / f"{name}.yaml" if name in names() else None


def file_of(subject: str | Path) -> Path:
    """A recipe file as it is named; where there is no such file, the one that ships under this name if there is one."""
    path = Path(subject)
    return path if path.is_file() else find(str(subject)) or path


def advice(name: str) -> str:
    """Two sentences for a name that is not known: the nearest recipe that ships, and all of them."""
    return f"{nearest(name, names())}Recipes that ship: {', '.join(names())}."


def nearest(name: str, known: list[str]) -> str:
    """The hint `Did you mean tiny? `, or nothing where no known name is near."""
    matches = difflib.get_close_matches(name, known, 1)
    return f"Did you mean {matches[0]}? " if matches else ""
