from __future__ import annotations

from pathlib import Path
from typing import Any

from kdeploy.pipeline import teacher
from kdeploy.pipeline.job import Job
from kdeploy.pipeline.store import Store
from kdeploy.recipe.data import Data
from kdeploy.recipe.models import Recipe
from kdeploy.recipe.teacher import Teacher
from kdeploy.records.teacher import TeacherSource

DEEP = {"model": "deep-cnn", "train": {"threads": 1, "precision": "fp32"}}
MLP = {"model": "mlp", "train": {"threads": 1, "precision": "fp32"}}


def settings(tmp_path: Path, given: dict[str, Any], **more: Any) -> dict[str, Any]:
    asked = {"name": "a", "data": {"source": "mnist-5k"}, "teacher": [given], "views": {"shift": 2}} | more
    return teacher.settings(Job(Recipe.model_validate(asked), Store(tmp_path), {}, ""), 0)


def test_a_teacher_depends_on_what_it_says_beyond_defaults(tmp_path: Path):
    expected = {"model": "deep-cnn", "file": None, "train": {"threads": 1, "precision": "fp32"}, "views": {"shift": 2}}
    assert settings(tmp_path, DEEP) == expected


def test_defaults_that_are_written_out_change_no_fingerprint(tmp_path: Path):
    assert settings(tmp_path, DEEP) == settings(
        tmp_path, {"model": "deep-cnn", "train": DEEP["train"] | {"steps": 600}}
    )
    written = MLP | {"hidden": [1200, 1200], "dropout": {"input": 0.0}}
    assert settings(tmp_path, MLP) == settings(tmp_path, written)


def test_every_key_of_an_mlp_and_of_its_training_changes_the_fingerprint(tmp_path: Path):
    changed = [MLP | more for more in ({"hidden": [10]}, {"dropout": {"hidden": 0.5}}, {"max_norm": 3.0})]
    changed += [MLP | {"train": MLP["train"] | more} for more in ({"epochs": 3}, {"steps": 3}, {"views": {"shift": 1}})]
    found = [str(settings(tmp_path, given)) for given in (MLP, DEEP, *changed)]
    assert len(set(found)) == len(found)


def test_views_that_are_off_stay_out_of_the_fingerprint(tmp_path: Path):
    own = MLP | {"train": MLP["train"] | {"views": {"shift": 1, "flip": False}}}
    assert settings(tmp_path, own)["train"]["views"] == {"shift": 1}


def test_a_teacher_with_views_of_its_own_does_not_depend_on_the_recipes(tmp_path: Path):
    own = MLP | {"train": MLP["train"] | {"views": {"shift": 1}}}
    assert settings(tmp_path, own) == settings(tmp_path, own, views={"shift": 3, "count": 9})
    assert settings(tmp_path, own) != settings(tmp_path, own, views={"seed": 1})


def _settings(given: dict[str, Any], tmp_path: Path, file: Path | None = None) -> dict[str, Any]:
    recipe = Recipe(name="a", data=Data(source="mnist-5k"), teacher=(Teacher.model_validate(given),))
    return teacher.settings(Job(recipe, Store(tmp_path), {}, "", teacher_sources=(TeacherSource(file),)), 0)


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
