from __future__ import annotations

from pathlib import Path

import pytest

from kdeploy.errors import InputError, RecipeError
from kdeploy.recipe.load import LoadedRecipe, load, parse

TEXT = """\
name: a
data: {source: mnist-5k}
teacher: [{model: deep-cnn}]
distill: {loss: soft-targets, temperature: 20, seeds: 2}
variants:
  cold: {distill: {temperature: 1}}
  wide:
    student:
      hidden: [9, 9]
    teacher:
      - {model: mlp, hidden: [5]}
  wrong: {distill: {loss: logit-mse,
    epochs: 0}}
  none: {}
"""


def read(variant: str, *overrides: str) -> LoadedRecipe:
    return parse(TEXT.encode(), "r.yaml", overrides, variant=variant)


def test_a_recipe_keeps_its_variants_and_a_variant_has_none():
    assert list(parse(TEXT.encode(), "r.yaml").recipe.variants) == ["cold", "wide", "wrong", "none"]
    assert read("none").recipe.variants == {}


def test_mappings_merge_and_lists_are_replaced():
    cold, wide = read("cold").recipe, read("wide").recipe
    assert (cold.name, cold.distill.temperature, cold.distill.seeds) == ("a-cold", 1.0, 2)
    assert (wide.name, wide.student.hidden, wide.distill.temperature) == ("a-wide", (9, 9), 20.0)
    assert [(one.model, one.hidden) for one in wide.teacher] == [("mlp", (5,))]


def test_an_empty_variant_is_the_recipe_under_its_name():
    plain = parse(TEXT.encode(), "r.yaml").recipe
    assert read("none").recipe == plain.model_copy(update={"name": "a-none", "variants": {}})


def test_what_the_command_line_sets_comes_after_the_variant():
    assert read("cold", "distill.temperature=7").recipe.distill.temperature == 7.0


def test_a_place_stands_where_its_value_is_written():
    wide = read("wide")
    assert wide.where(("student", "hidden")) == "r.yaml:9"
    assert wide.where(("teacher", 0, "model")) == "r.yaml:11"
    assert wide.where(("distill", "seeds")) == "r.yaml:4"


def test_problems_of_a_variant_have_the_lines_of_the_variant():
    with pytest.raises(RecipeError) as caught:
        read("wrong")
    # temperature is the recipe's own, and does not belong to the variant's loss
    assert caught.value.problems == ("r.yaml:13: distill.epochs must be at least 1 (got 0).",)


def test_an_unknown_variant_is_refused_with_those_there_are(tmp_path: Path):
    path = tmp_path / "r.yaml"
    path.write_text(TEXT)
    with pytest.raises(InputError) as caught:
        load(path, variant="hot")
    assert str(caught.value) == f"{path}: must have the variant (hot). Its variants: cold, wide, wrong, none."
    path.write_text(TEXT.partition("variants")[0])
    with pytest.raises(InputError) as caught:
        load(path, variant="hot")
    assert str(caught.value) == f"{path}: must have the variant (hot). Its variants: none."
