"""The section `student` of a recipe: a network of Ba and Caruana's family."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from kdeploy.recipe.dropout import Dropout
from kdeploy.recipe.section import Section, Width


class Convolution(Section):
    """A convolution with ReLU and max pooling; zero padding keeps height and width."""

    channels: int = Field(ge=1, le=65_536)
    kernel: int = Field(default=5, ge=1, le=63)
    pool: int = Field(default=1, ge=1, le=64, description="max pooling; 1 leaves it out")

    @model_validator(mode="after")
    def odd_kernel(self) -> Self:
        if self.kernel % 2 == 0:
            raise ValueError(f"must have an odd kernel (got {self.kernel}). Even kernels cannot keep height and width.")
        return self


def _one_or_many(value: object) -> object:
    return [value] if isinstance(value, dict) else value


class Student(Section):
    """Ba and Caruana's family: optional convolutions, a linear bottleneck, wide hidden layers, logits."""

    conv: Annotated[tuple[Convolution, ...], BeforeValidator(_one_or_many)] = Field(
        default=(), strict=False, description="one convolution, or a list of them"
    )
    bottleneck: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        json_schema_extra={"advice": "Leave it out for a student without a bottleneck."},
    )
    hidden: tuple[Width, ...] = Field(default=(512,), min_length=1, strict=False)
    batch_norm: bool = Field(
        default=False, description="behind each convolution, the bottleneck and each hidden layer; folded away in files"
    )
    locality: float | None = Field(
        default=None,
        ge=0.5,
        le=65_536,
        description="of images without conv: how many pixels around its place a unit of the first layer learns from",
    )
    dropout: Dropout | None = Field(default=None, description="in training, of students and of baselines")

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of kdeploy.models.shallow.ShallowStudent, without those that the data give."""
        return {
            "convolutions": [(size.channels, size.kernel, size.pool) for size in self.conv],
            "bottleneck": self.bottleneck,
            "hidden": self.hidden,
            **({"batch_norm": True} if self.batch_norm else {}),
            **({"locality": self.locality} if self.locality is not None else {}),
            **(self.dropout.arguments if self.dropout else {}),
        }

    @model_validator(mode="after")
    def one_way_to_be_local(self) -> Self:
        if self.conv and self.locality is not None:
            raise ValueError("must not have locality beside conv. A convolution sees what is near: remove locality.")
        return self
