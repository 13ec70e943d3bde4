"""Which column of a parquet file is the input, and which has the labels: by names, types and Hugging Face features.

    input     `image` or `audio`; else the only column of encoded images or sounds (struct<bytes, path>, binary, or text
              that names files); else the only column of lists of numbers
    labels    `label`, or another name of labels; else the only ClassLabel; else the only column of whole numbers, text,
              categories or booleans; or none at all

What stays open is asked about, and `data.x` and `data.y` answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from kdeploy.errors import DataError
from kdeploy.samples.arrays.names import LABELS
from kdeploy.samples.pictures import Pictures
from kdeploy.samples.sounds import Sounds
from kdeploy.samples.vectors import is_list_of_numbers

if TYPE_CHECKING:
    import pyarrow as pa

Kind = Literal["image", "audio", "numbers"]

_NAMES: dict[str, Kind] = {
    **dict.fromkeys(("image", "images", "img", "picture", "photo", "pixels"), "image"),
    **dict.fromkeys(("audio", "sound", "speech", "wav"), "audio"),
}
_SOUNDS = (b"RIFF", b"fLaC", b"OggS", b"ID3", b"FORM", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2")  # how such files begin


class Columns(NamedTuple):
    """The columns by name, what the input is, and what was assumed."""

    x: str
    kind: Kind
    y: str | None
    assumed: tuple[str, ...] = ()

    @property
    def both(self) -> list[str]:
        return [self.x] if self.y is None else [self.x, self.y]


class Look(NamedTuple):
    """A file: its schema, its features by column, and the first value of a column that is not null."""

    file: Path
    schema: pa.Schema
    features: Mapping[str, Any]
    first: Mapping[str, Any]


def find(look: Look, x: str | None, y: str | None) -> Columns:
    """The columns of a file.

    Args:
        x, y: as the recipe names them.
    Raises: DataError when there is none of a kind, or more than one.
    """
    for key, name in (("x", x), ("y", y)):
        if name is not None and name not in look.schema.names:
            must = "must be the name of a column"
            raise DataError(f"{look.file}: data.{key}", must, got=", ".join(look.schema.names))
    kinds = {name: kind for name in look.schema.names if (kind := _kind(look, name)) and name != y}
    column = x or _input(look, kinds)
    if column not in kinds:
        got = f"{column} {look.schema.field(column).type}"
        raise DataError(str(look.file), "must have images, sounds or lists of numbers in data.x", got=got)
    label = y or _label(look, column)
    plain = (column in ("image", "audio") or kinds[column] == "numbers") and label in ("label", None)
    said = () if plain or (x and y) else (f"column {column} is the input, {label or 'nothing'} the labels",)
    return Columns(column, kinds[column], label, said)


def _kind(look: Look, name: str) -> Kind | None:
    """What a column could be an input of; None for no input."""
    import pyarrow as pa

    kind, first = look.schema.field(name).type, look.first.get(name)
    feature = look.features.get(name)
    declared = feature.get("_type") if isinstance(feature, dict) else None
    if is_list_of_numbers(kind):
        return "numbers" if name.lower() not in LABELS else None
    if has_bytes(kind) or is_binary(kind):
        if declared in ("Image", "Audio"):
            return "image" if declared == "Image" else "audio"
        data = first.get("bytes") if isinstance(first, dict) else first
        sounds = isinstance(data, bytes) and data.startswith(_SOUNDS) and data[8:12] != b"WEBP"
        return _NAMES.get(name.lower(), "audio" if sounds else "image")
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        suffix = Path(first).suffix.lower() if isinstance(first, str) and len(first) < 1000 else ""
        return "image" if suffix in Pictures.suffixes else "audio" if suffix in Sounds.suffixes else None
    return None


def _input(look: Look, kinds: Mapping[str, Kind]) -> str:
    for name in ("image", "audio"):
        if name in kinds:
            return name
    encoded = [name for name, kind in kinds.items() if kind != "numbers"]
    found = encoded or list(kinds)
    if len(found) == 1:
        return found[0]
    if found:
        advice = "Set data.x to its name."
        raise DataError(str(look.file), "must say which column is the input", got=", ".join(found), advice=advice)
    got = ", ".join(f"{field.name} {field.type}" for field in list(look.schema)[:8])
    must = "must have a column of images, sounds or lists of numbers"
    raise DataError(str(look.file), must, got=got or "no columns", advice="Text and tables are not read yet.")


def _label(look: Look, x: str) -> str | None:
    """The column of labels; None where no column can be one."""
    names = [name for name in look.schema.names if name != x]
    named = [name for name in names if name.lower() in LABELS]
    if "label" in named:
        return "label"
    declared = [name for name in names if _is_class_label(look.features.get(name))]
    possible = [name for name in names if _may_be_label(look.schema.field(name).type) and _kind(look, name) is None]
    found: list[str] = named or declared or possible
    if len(found) == 1:
        return found[0]
    if found:
        advice = "Set data.y to its name."
        raise DataError(str(look.file), "must say which column has the labels", got=", ".join(found), advice=advice)
    return None


def _is_class_label(feature: object) -> bool:
    return isinstance(feature, dict) and feature.get("_type") == "ClassLabel"


def _may_be_label(kind: pa.DataType) -> bool:
    import pyarrow as pa

    checks = ("is_integer", "is_string", "is_large_string", "is_dictionary", "is_boolean")
    return any(getattr(pa.types, check)(kind) for check in checks)


def has_bytes(kind: pa.DataType) -> bool:
    """Is it struct<bytes, ...>?"""
    import pyarrow as pa

    at = kind.get_field_index("bytes") if pa.types.is_struct(kind) else -1
    return at >= 0 and is_binary(kind.field(at).type)


def is_binary(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind))
