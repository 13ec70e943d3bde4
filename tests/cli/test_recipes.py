"""The recipes that ship: listed, shown, and the schema for editors."""

from __future__ import annotations

import json

from tests.program import REPOSITORY, TINY

RECIPES = REPOSITORY / "recipes"


def test_every_recipe_that_ships_is_listed_with_its_command(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = command("recipes")
    lines = found.stdout.splitlines()
    assert (found.code, lines[0].strip()) == (0, "recipes that ship")
    names = sorted(path.stem for path in RECIPES.glob("*.yaml"))
    assert names
    assert [line.split()[2] for line in lines[2:] if line.strip()] == names
    assert ["kdeploy", "run", "mnist-5k", "source:", "mnist-5k", "deep-cnn"] in [line.split() for line in lines]
    assert found.stderr == "next: kdeploy run tiny\n"


def test_the_recipes_of_a_folder_are_listed_with_their_files(command, tmp_path):
    (tmp_path / "mine.yaml").write_text(TINY.read_text())
    found = command("recipes", "--folder", tmp_path)
    assert found.stdout.startswith(f"recipes in {tmp_path}")
    assert found.stderr == f"next: kdeploy run {tmp_path}/mine.yaml\n"


def test_the_list_is_one_json_document(command):
    document = command("recipes", "--json").document
    assert (document["schema"], document["ship"]) == ("kdeploy.recipes/2", True)
    assert len(document["recipes"]) == len(list(RECIPES.glob("*.yaml")))


def test_a_recipe_is_shown_as_it_is_written(command):
    for words in (["tiny"], ["tiny.yaml"], ["tiny", "--folder", RECIPES]):
        assert command("recipes", "show", *words) == (0, TINY.read_text(), "")


def test_an_unknown_recipe_is_refused(command, tmp_path):
    (tmp_path / "a.yaml").touch()
    expected = f"error: none: must be a recipe in {tmp_path} (no such name). There are: a.\n"
    assert command("recipes", "show", "none", "--folder", tmp_path) == (3, "", expected)


def test_a_recipe_is_no_json_document(command):
    assert command("recipes", "show", "tiny", "--json").code == 2


def test_the_schema_is_one_json_document(command):
    found = command("recipes", "schema")
    assert json.loads(found.stdout)["title"] == "Recipe"
