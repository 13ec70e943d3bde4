"""`runs/<name>.json`: what RUN means on the command line."""

from __future__ import annotations

from typing import Any, ClassVar

from kdeploy.records.base import Record


class RunRecord(Record):
    """The settings of a recipe's last run, and the fingerprint of each stage that it has done."""

    SCHEMA: ClassVar[str] = "kdeploy.run/2"

    name: str
    recipe: dict[str, Any]  # as validated, overrides included
    recipe_path: str
    base: str  # the folder that model files of the recipe are relative to
    data_root: str
    stages: dict[str, str]
