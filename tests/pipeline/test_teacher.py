from __future__ import annotations

from pathlib import Path
from typing import Any

from kdeploy.pipeline import teacher
from kdeploy.pipeline.job import Job
from kdeploy.recipe.models import Recipe
from kdeploy.store import Store

DEEP = {"model": "deep-cnn", "train": {"precision": "fp32"}}
MLP = {"model": "mlp", "train": {"precision": "fp32"}}


def settings(tmp_path: Path, given: dict[str, Any], **more: Any) -> dict[str, Any]:
    asked = {"name": "a", "data": {"source": "mnist-5k"}, "teacher": [given], "views": {"shift": 2}} | more
    return teacher.settings(Job(Recipe.model_validate(asked), Store(tmp_path), {}, ""))


def test_a_deep_teacher_depends_on_what_it_always_did(tmp_path: Path):
    training = {"steps": 600, "batch": 64, "lr": 2e-3, "weight_decay": 1e-2, "seed": 0, "precision": "fp32"}
    expected = {"model": "deep-cnn", "train": training, "views": {"seed": 0, "shift": 2, "inputs": {}}}
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


def test_a_teacher_with_views_of_its_own_does_not_depend_on_the_recipes(tmp_path: Path):
    own = MLP | {"train": MLP["train"] | {"views": {"shift": 1}}}
    assert settings(tmp_path, own) == settings(tmp_path, own, views={"shift": 3, "count": 9})
    assert settings(tmp_path, own) != settings(tmp_path, own, views={"seed": 1})
