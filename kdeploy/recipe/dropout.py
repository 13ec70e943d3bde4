"""Dropout, of a student and of an mlp teacher."""

from __future__ import annotations

from pydantic import Field

from kdeploy.recipe.section import Section


class Dropout(Section):
    """The share of units that a training step leaves out."""

    input: float = Field(default=0.0, ge=0, lt=1)
    hidden: float = Field(default=0.0, ge=0, lt=1)

    @property
    def arguments(self) -> dict[str, float]:
        """The arguments of built-in networks that stand for this dropout."""
        return {"input_dropout": self.input, "hidden_dropout": self.hidden}
