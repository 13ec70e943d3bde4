"""The listing of recipes: those that ship, and those of a folder."""

from __future__ import annotations

import pytest

from kdeploy.errors import InputError, RecipeError
from kdeploy.verbs.recipes import recipe_text, recipes
from tests.program import REPOSITORY, TINY

RECIPE = "name: a\ndata: {numpy: x.npz}\nteacher: [{model: mlp, count: 2}, {onnx: t.onnx}]\n"


def _refusal(call) -> str:
    with pytest.raises(InputError) as caught:
        call()
    return str(caught.value)


def test_those_that_ship_are_listed_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    record = recipes()
    assert (record.ship, record.folder) == (True, str(REPOSITORY / "recipes"))
    names = [listed.name for listed in record.recipes]
    assert names == sorted(path.stem for path in (REPOSITORY / "recipes").glob("*.yaml"))
    tiny = record.recipes[names.index("tiny")]
    assert (tiny.file, tiny.data, tiny.teachers, tiny.variants) == (str(TINY), "source: mnist-5k", ("deep-cnn",), ())
    commands = [listed.command for listed in record.recipes if listed.name in {"tiny", "losses"}]
    assert commands == ["kdeploy sweep losses", "kdeploy run tiny"]


def test_those_of_a_folder_are_listed_with_their_files(tmp_path):
    (tmp_path / "b.yaml").write_text(RECIPE)
    (tmp_path / "a.yaml").write_text(RECIPE + "variants: {x: {views: {count: 2}}}\n")
    record = recipes(tmp_path)
    assert (record.ship, record.folder) == (False, str(tmp_path))
    assert [listed.command for listed in record.recipes] == [
        f"kdeploy sweep {tmp_path}/a.yaml",
        f"kdeploy run {tmp_path}/b.yaml",
    ]
    assert record.recipes[0].variants == ("x",)
    assert (record.recipes[1].data, record.recipes[1].teachers) == ("numpy: x.npz", ("mlp", "t.onnx"))


def test_a_folder_without_recipes_is_refused(tmp_path):
    must, advice = "must be a folder of recipes", "Without --folder, those that ship are listed."
    assert _refusal(lambda: recipes(tmp_path)) == f"{tmp_path}: {must} (no .yaml file in it). {advice}"
    none = tmp_path / "none"
    assert _refusal(lambda: recipes(none)) == f"{none}: {must} (no such folder). {advice}"


def test_a_file_that_is_no_recipe_is_refused(tmp_path):
    (tmp_path / "a.yaml").write_text("- a\n")
    with pytest.raises(RecipeError, match="a recipe must be a mapping"):
        recipes(tmp_path)


def test_the_text_is_the_file_with_its_comments(tmp_path):
    (tmp_path / "tiny.yaml").write_text("# mine\n")
    for name in ("tiny", "tiny.yaml"):
        assert recipe_text(name) == TINY.read_text()
        assert recipe_text(name, tmp_path) == "# mine\n"


def test_an_unknown_name_is_refused_with_those_there_are(tmp_path):
    for name in ("tiny", "losses"):
        (tmp_path / f"{name}.yaml").touch()
    assert _refusal(lambda: recipe_text("tinny", tmp_path)) == (
        f"tinny: must be a recipe in {tmp_path} (no such name). Did you mean tiny? There are: losses, tiny."
    )
    assert _refusal(lambda: recipe_text("other")).startswith(
        "other: must be a recipe that ships (no such name). There are: arctic-phones, "
    )
