"""What every section of a recipe is, and the kinds of values that several of them take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=1e-6, le=1e6)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Side = Annotated[int, Field(ge=1, le=65_536)]
Width = Annotated[int, Field(ge=1, le=10_000_000)]
Precision = Literal["auto", "bf16", "fp32"]
TrainingPrecision = Literal["auto", "bf16", "fp16", "fp32"]


class Section(BaseModel):
    """One mapping of a recipe."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())


def listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def the_only(section: Section, origins: Sequence[str], owners: Mapping[str, Sequence[str]]) -> str:
    """Which one of `origins` is given; `owners` says beside which of them a further key may stand.

    Raises: ValueError when none or several are given, and for a key beside an origin that does not own it.
    """
    given = [key for key in origins if getattr(section, key) is not None]
    if len(given) != 1:
        raise ValueError(
            f"must have exactly one of {listed(origins)} (got {', '.join(given) or 'none'}). Keep one of them."
        )
    for key, owning in owners.items():
        if getattr(section, key) is not None and given[0] not in owning:
            raise ValueError(f"must not have {key} beside {given[0]}. Remove {key}.")
    return given[0]
