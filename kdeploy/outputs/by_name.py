"""The kinds of outputs by name: the one place that lists them."""

from __future__ import annotations

from kdeploy.outputs.classes import CLASSES
from kdeploy.outputs.kind import Kind
from kdeploy.outputs.labels import LABELS
from kdeploy.outputs.values import VALUES

KINDS: tuple[Kind, ...] = (CLASSES, LABELS, VALUES)


def kind_of(name: str) -> Kind:
    """The kind of a name that a recipe or a record has."""
    return next(kind for kind in KINDS if kind.name == name)
