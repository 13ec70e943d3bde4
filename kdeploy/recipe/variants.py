"""One recipe, many experiments: `variants: {NAME: {SECTION: {KEY: VALUE}}}`.

A variant is the recipe with these keys put over it: mappings merge, everything else replaces what was there. It is
called `<recipe>-<variant>`, and shares all work with the others that its keys do not touch.
"""

from __future__ import annotations

from typing import Any

from kdeploy.errors import InputError
from kdeploy.recipe.yaml12 import Document, Place

SECTION = "variants"


def apply(document: Document, variant: str, path: str) -> None:
    """Make a document that of one of its variants, in place; values keep the line they are written on.

    Args:
        path: what messages call the recipe.
    Raises: InputError when there is no such variant.
    """
    variants = document.value.get(SECTION)
    if not isinstance(variants, dict) or not isinstance(variants.get(variant), dict):
        known = ", ".join(variants) if isinstance(variants, dict) else "none"
        raise InputError(path, "must have the variant", got=variant, advice=f"Its variants: {known}.")
    changes = document.value.pop(SECTION)[variant]
    if isinstance(document.value.get("name"), str):
        document.value["name"] += f"-{variant}"
    _merge(document.value, changes, document, (), (SECTION, variant))


def _merge(over: dict[str, Any], changes: dict[str, Any], document: Document, place: Place, written: Place) -> None:
    for key, value in changes.items():
        here, there = (*place, key), (*written, key)
        document.lines[here] = document.line(there)
        if isinstance(value, dict) and isinstance(over.get(key), dict):
            _merge(over[key], value, document, here, there)
            continue
        over[key] = value
        for one in [one for one in document.lines if one[: len(here)] == here and one != here]:
            del document.lines[one]
        inside = {one: line for one, line in document.lines.items() if one[: len(there)] == there}
        document.lines |= {(*here, *one[len(there) :]): line for one, line in inside.items()}
