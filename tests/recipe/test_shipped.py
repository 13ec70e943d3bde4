"""The recipes that ship are found by name, in a checkout as in an installed package."""

from __future__ import annotations

import pytest

from kdeploy.recipe import shipped
from tests.program import REPOSITORY

RECIPES = REPOSITORY / "recipes"


def test_in_a_checkout_they_lie_beside_the_package():
    assert shipped.folder() == RECIPES


def test_in_an_installed_package_they_lie_inside_of_it(tmp_path, monkeypatch):
    (tmp_path / "shipped_recipes").mkdir()
    (tmp_path / "shipped_recipes" / "mine.yaml").touch()
    monkeypatch.setattr(shipped, "_PACKAGE", tmp_path)
    assert (shipped.names(), shipped.find("tiny")) == (["mine"], None)


def test_every_one_is_found_by_its_name():
    assert "mnist-5k" in shipped.names()
    assert [shipped.find(name) for name in shipped.names()] == [RECIPES / f"{name}.yaml" for name in shipped.names()]


@pytest.mark.parametrize("name", ["none", "", "tiny.yaml", "../recipes/tiny", "*"])
def test_nothing_else_is_found(name):
    assert shipped.find(name) is None


def test_a_file_goes_before_the_recipe_that_ships(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert shipped.file_of("tiny") == RECIPES / "tiny.yaml"
    (tmp_path / "tiny").touch()
    assert str(shipped.file_of("tiny")) == "tiny"
    assert str(shipped.file_of("none")) == "none"


def test_the_advice_has_the_nearest_name_and_all_of_them(monkeypatch):
    monkeypatch.setattr(shipped, "names", lambda: ["mnist-5k", "tiny"])
    assert shipped.advice("mnist5k") == "Did you mean mnist-5k? Recipes that ship: mnist-5k, tiny."
    assert shipped.advice("other") == "Recipes that ship: mnist-5k, tiny."
