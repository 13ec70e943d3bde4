"""What every section of a recipe is, and the kinds of values that several of them take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, TypeVar, get_args, get_type_hints

from pydantic import BaseModel, ConfigDict, Field

FUNCTION = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$"
FUNCTION_WORDS = "must be package.module:function"
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=1e-6, le=1e6)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Side = Annotated[int, Field(ge=1, le=65_536)]
Width = Annotated[int, Field(ge=1, le=10_000_000)]
Precision = Literal["auto", "bf16", "fp32"]
TrainingPrecision = Literal["auto", "bf16", "fp16", "fp32"]


Kind = TypeVar("Kind")


class Section(BaseModel):
    """One mapping of a recipe.

    A key whose default follows from another key is None by default, or is read by `given`: what is said is compared
    with the default as it stands.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())

    NO_EFFECT: ClassVar[frozenset[str]] = frozenset()  # keys that change no result

    def settings(self) -> dict[str, Any]:
        """What the section says beyond its defaults, plain JSON values: its part of a fingerprint.

        So a key that comes later, with a default that does what was done before, changes no fingerprint.
        """
        return self.model_dump(mode="json", exclude_defaults=True, exclude=set(self.NO_EFFECT))

    def given(self, key: str) -> bool:
        """Was a key written, and not as null?"""
        return key in self.model_fields_set and getattr(self, key) is not None

    def changed(self, key: str) -> bool:
        """Is a key other than its default?"""
        return key in self.model_dump(include={key}, exclude_defaults=True)

    def options(self, kind: type[Kind], **resolved: object) -> Kind:
        """The options of a component, each field from the key of its name.

        Args:
            kind: a dataclass or a NamedTuple; a key that is a section itself becomes the kind that its field names.
            resolved: the fields that the section alone does not know.
        """
        types = get_type_hints(kind)
        found = {name: _option(getattr(self, name), types[name]) for name in types if name not in resolved}
        return kind(**found, **resolved)


def _option(value: object, expected: Any) -> object:  # noqa: ANN401 - a type, or a union of types
    """A section within a section as the one class that the field's type names."""
    if not isinstance(value, Section):
        return value
    (kind,) = (one for one in get_args(expected) or (expected,) if isinstance(one, type) and one is not type(None))
    return value.options(kind)


def listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def the_only(section: Section, origins: Sequence[str], owners: Mapping[str, Sequence[str]]) -> str:
    """Which one of `origins` is given; `owners` says together with which of them a further key may be.

    Raises: ValueError when none or several are given, and for a key with an origin that does not own it.
    """
    present = [key for key in origins if getattr(section, key) is not None]
    if len(present) != 1:
        raise ValueError(
            f"must have exactly one of {listed(origins)} (got {', '.join(present) or 'none'}). Keep one of them."
        )
    for key, owning in owners.items():
        if section.given(key) and present[0] not in owning:
            raise ValueError(f"must not have {key} beside {present[0]}. Remove {key}.")
    return present[0]
