"""What a recipe may say of a kind of outputs: its own defaults, and the keys that have no meaning for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kdeploy.outputs.terms import TERMS, Terms
from kdeploy.recipe.section import listed

if TYPE_CHECKING:
    from kdeploy.recipe.models import Recipe

_SOURCES = ("numpy", "parquet")
_TEACHERS = ("mlp", "deep-cnn")  # whose last layer has a bias, which takes a unit up


def with_defaults(raw: object) -> object:
    """A recipe as it was written, with the defaults that follow from its outputs: the loss, the type of the labels.

    A number in a unit may be beyond float16, or lose what it is about.
    """
    if not isinstance(raw, dict) or raw.get("outputs") not in [*TERMS][1:]:
        return raw
    terms = TERMS[raw["outputs"]]
    defaults: dict[str, dict[str, Any]] = {"distill": {"loss": terms.losses[0]}}
    if terms.standardizes:
        defaults["labels"] = {"dtype": "float32"}
    given = {key: raw.get(key, {}) for key in defaults}
    merged = {key: {**own, **given[key]} for key, own in defaults.items() if isinstance(given[key], Mapping)}
    return {**raw, **merged}


def must_suit(recipe: Recipe) -> None:
    """Refuse what has no meaning for the outputs, or cannot be done with them yet.

    Raises: ValueError.
    """
    terms = TERMS[recipe.outputs]
    if recipe.distill.loss not in terms.losses and ":" not in recipe.distill.loss:
        raise ValueError(
            f"must have a distill.loss of outputs {recipe.outputs}: {listed(terms.losses)} "
            f"(got {recipe.distill.loss}). Name one of them, or leave it out."
        )
    if recipe.labels.kind not in terms.stores:
        raise ValueError(
            f"must have a labels.kind of outputs {recipe.outputs}: {listed(terms.stores)} (got {recipe.labels.kind}). "
            "Leave it out for logits, which are the outputs as they are."
        )
    if recipe.outputs != "classes":
        _must_be_read(recipe)
        _must_have_no_classes(recipe, terms)
        _must_be_taught(recipe)


def _must_be_read(recipe: Recipe) -> None:
    for part, origin in recipe.data.origins().items():
        if origin.key not in _SOURCES:
            where = f"data.{part}.{origin.key}" if part else f"data.{origin.key}"
            raise ValueError(
                f"must have numpy or parquet under data for outputs {recipe.outputs} (got {where}). "
                "Give the targets as numbers beside the inputs."
            )


def _must_have_no_classes(recipe: Recipe, terms: Terms) -> None:
    keys = [f"distill.{key}" for key in terms.unsuited if recipe.distill.changed(key)]
    keys += [f"data.{key}" for key in ("classes", "transfer") if recipe.data.changed(key)]
    keys += [f"teacher[{number}].classes" for number, one in enumerate(recipe.teacher) if one.classes is not None]
    if recipe.combination["mean"] != "logits":
        keys.append("ensemble.mean")
    if keys:
        raise ValueError(f"must not have {keys[0]} with outputs {recipe.outputs}. Remove it.")


def _must_be_taught(recipe: Recipe) -> None:
    for number, teacher in enumerate(recipe.teacher):
        if teacher.model is not None and teacher.model not in _TEACHERS:
            raise ValueError(
                f"must have {listed(_TEACHERS)} as a built-in teacher of outputs {recipe.outputs} "
                f"(got teacher[{number}].model {teacher.model}). Name one of them."
            )
