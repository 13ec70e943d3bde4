from __future__ import annotations

from pathlib import Path
from typing import Any

from kdeploy.pipeline import teacher
from kdeploy.pipeline.job import Job
from kdeploy.recipe.models import Data, Recipe, Teacher
from kdeploy.store import Store


def _settings(given: dict[str, Any], tmp_path: Path, file: Path | None = None) -> dict[str, Any]:
    recipe = Recipe(name="a", data=Data(source="mnist-5k"), teacher=(Teacher.model_validate(given),))
    return teacher.settings(Job(recipe, Store(tmp_path), {}, "", teacher_files=(file,)))


def test_a_net_by_name_counts_by_its_package_its_name_and_its_weights(tmp_path):
    weights = tmp_path / "w.pt"
    weights.write_bytes(b"1")
    named = {"timm": "resnet18", "weights": "w.pt"}
    before = _settings(named, tmp_path, weights)
    others = [
        _settings({"torchvision": "resnet18", "weights": "w.pt"}, tmp_path, weights),
        _settings({"timm": "resnet34", "weights": "w.pt"}, tmp_path, weights),
        _settings({"timm": "resnet18", "pretrained": True}, tmp_path),
        _settings(named | {"preprocess": {"scale": 2.0}}, tmp_path, weights),
    ]
    assert before not in others
    assert _settings(named, tmp_path, weights) == before
    weights.write_bytes(b"2")
    assert _settings(named, tmp_path, weights) != before


def test_a_folder_in_place_of_a_page_of_the_hub_counts_by_its_files(tmp_path):
    folder = tmp_path / "net"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    named = {"huggingface": str(folder), "pretrained": True}
    before = _settings(named, tmp_path)
    assert _settings(named, tmp_path) == before
    (folder / "config.json").write_text("[]")
    assert _settings(named, tmp_path) != before
