"""Every recipe that ships and each of its variants goes through to its bundle: few samples and steps, the same path."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.program import REPOSITORY, kdeploy

DATA = Path(os.environ.get("KDEPLOY_DATA", REPOSITORY.parent / "shared" / "data"))
RECIPES = sorted((REPOSITORY / "recipes").glob("*.yaml"))
SAMPLES = 300  # of each part


def merged(under: Any, over: Any) -> Any:
    """A variant over its recipe: keys of mappings one by one, anything else as a whole."""
    if isinstance(under, Mapping) and isinstance(over, Mapping):
        return {**under, **{key: merged(under.get(key), value) for key, value in over.items()}}
    return over


def shortened(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The recipe with fewer samples, views and steps, and no gate: what it learns means nothing."""
    short = {key: value for key, value in recipe.items() if key not in {"gate", "variants"}}
    if "groups" not in recipe["data"]:  # whole speakers are in one part, however many samples they have
        split = recipe["data"].get("split", {"labeled": SAMPLES, "unlabeled": SAMPLES, "held_out": SAMPLES})
        short = merged(short, {"data": {"split": {part: min(count, SAMPLES) for part, count in split.items()}}})
    short["views"] = {**recipe.get("views", {}), "count": 2}
    short["teacher"] = [
        {**one, "train": {**_without_epochs(one.get("train", {})), "steps": 20}} for one in recipe["teacher"]
    ]
    if recipe["student"].get("bottleneck"):  # to time both forms is tried elsewhere
        short = merged(short, {"export": {"bottleneck": "factored"}})
    bench = {"runtimes": ["onnxruntime"], "replicates": 2, "max_seconds": 5, "throughput": []}
    return merged(short, {"distill": {"epochs": 5, "seeds": 1}, "bench": bench})


def _without_epochs(train: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in train.items() if key != "epochs"}


def each(recipe: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The variants of a recipe, each a recipe of its own; the recipe itself where it has none."""
    for name, variant in recipe.get("variants", {"": {}}).items():
        alone = merged(recipe, variant or {})
        yield shortened(alone | {"name": f"{recipe['name']}-{name}".rstrip("-")})


@pytest.mark.long
@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_that_ships_runs_to_its_bundle(path: Path, tmp_path: Path):
    recipe = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not ("source" in recipe["data"] or DATA.is_dir()):
        pytest.skip("KDEPLOY_DATA names no folder of data here")
    for variant in each(recipe):
        (file := tmp_path / f"{variant['name']}.yaml").write_text(yaml.safe_dump(variant), encoding="utf-8")
        ended = kdeploy("run", file, "--runs", tmp_path / "runs", "--data-root", DATA, "--json", folder=tmp_path)
        assert ended.code == 0, (variant["name"], ended.stderr[-800:])
        assert (tmp_path / "runs" / ended.document["bundle"]).is_dir()
