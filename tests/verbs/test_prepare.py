"""What a verb's subject means: a recipe file, a run, or a recipe that ships."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kdeploy import api
from kdeploy.errors import InputError
from kdeploy.pipeline.job import Job
from kdeploy.records.run import RunRecord
from kdeploy.verbs.prepare import Options, prepare
from tests.program import REPOSITORY, TINY

RECIPES = REPOSITORY / "recipes"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def _prepared(subject: str | Path, *overrides: str) -> tuple[Job, RunRecord]:
    return prepare(subject, Options(overrides=overrides))


def _done(job: Job, index: RunRecord) -> None:
    """Leave what a first stage of this job would leave."""
    job.store.root.mkdir()
    (job.store.root / f"{job.recipe.name}.json").write_bytes(index.sealed())


def test_a_name_without_a_run_is_the_recipe_that_ships():
    job, index = _prepared("tiny")
    assert job.recipe == _prepared(TINY)[0].recipe
    assert index.recipe_path == str(TINY)


def test_the_second_time_a_name_is_the_run_with_the_settings_it_had():
    _done(*_prepared("tiny", "distill.epochs=2"))
    assert _prepared("tiny")[0].recipe.distill.epochs == 2
    assert _prepared("tiny", "distill.epochs=3")[0].recipe.distill.epochs == 3
    assert _prepared(TINY)[0].recipe.distill.epochs == 12


def test_a_run_of_another_recipe_under_that_name_is_the_run(tmp_path):
    (tmp_path / "own.yaml").write_text(TINY.read_text().replace("name: tiny", "name: mnist-5k"))
    _done(*_prepared("own.yaml"))
    assert _prepared("mnist-5k")[0].recipe.data.split is not None


def test_a_file_is_never_the_recipe_that_ships():
    with pytest.raises(InputError) as caught:
        _prepared("tiny.yaml")
    assert str(caught.value) == (
        "tiny.yaml: must be a recipe file (there is no such file). Those that ship go by name: kdeploy recipes."
    )


def test_an_unknown_name_is_refused_with_the_runs_and_the_recipes_that_ship(tmp_path):
    names = ", ".join(sorted(path.stem for path in RECIPES.glob("*.yaml")))
    for known in ("none", "tiny"):
        with pytest.raises(InputError) as caught:
            _prepared("mnist5k")
        assert str(caught.value) == (
            "mnist5k: must be a recipe file, or the name of a run or of a recipe that ships (no such file, and no "
            f"runs{os.sep}mnist5k.json). Did you mean mnist-5k? Recipes that ship: {names}. Runs here: {known}."
        )
        if known == "none":
            _done(*_prepared("tiny"))


def test_a_sweep_takes_the_name_of_a_recipe_that_ships_although_a_run_is_called_so():
    _done(*_prepared("tiny"))
    with pytest.raises(InputError) as caught:
        api.sweep("tiny")
    assert str(caught.value) == (
        f"{TINY}: must have variants, which a sweep compares (none). "
        "Add variants: {NAME: {SECTION: {KEY: VALUE}}}."
    )
