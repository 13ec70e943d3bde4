"""Classes in the order that the recipe says, as a teacher was trained with it: a list of names, or a file of them.

A name that no sample has is a class all the same. Where the data number their classes and the list names others, the
numbers are places in the list.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from kdeploy.errors import DataError
from kdeploy.samples.contents import Contents
from kdeploy.samples.room import Room

_MOST_BYTES = 16 << 20  # of a file with names


class Unordered(Protocol):
    """A source as it numbers its classes itself."""

    @property
    def where(self) -> str: ...
    @property
    def origin(self) -> dict[str, str]: ...
    def files(self) -> Sequence[Path | str]: ...
    def content_hash(self) -> str: ...
    def contents(self, room: Room) -> Contents: ...


@dataclass(frozen=True)
class Ordered:
    """A source with its classes in the order of `classes`."""

    source: Unordered
    classes: tuple[str, ...]

    @property
    def where(self) -> str:
        return self.source.where

    @property
    def origin(self) -> dict[str, str]:
        return self.source.origin

    def files(self) -> Sequence[Path | str]:
        """Every file that the content hash is over."""
        return self.source.files()

    def content_hash(self) -> str:
        return hashlib.sha256(json.dumps([self.source.content_hash(), self.classes]).encode()).hexdigest()

    def contents(self, room: Room) -> Contents:
        return in_order_of(self.source.contents(room), self.classes)


def in_order_of(contents: Contents, classes: tuple[str, ...]) -> Contents:
    """The contents with these classes.

    Raises: DataError when a class of the data is not among them.
    """
    places = {name: place for place, name in enumerate(classes)}
    missing = [name for name in contents.class_names if name not in places]
    said: tuple[str, ...] = ()
    if missing and all(_is_place(name, len(classes)) for name in contents.class_names):
        places = {name: int(name) for name in contents.class_names}
        missing, said = [], (f"the numbers of classes are places in data.classes: 0 is {classes[0]}",)
    if missing:
        got = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if missing[5:] else "")
        must = "must name every class of the data"
        raise DataError(f"{contents.where}: data.classes", must, got=f"not {got}", advice="Add them, or correct them.")
    table = np.array([*(places[name] for name in contents.class_names), -1], np.int64)  # the last entry is that of -1
    return replace(contents, labels=table[contents.labels], class_names=classes, assumed=(*contents.assumed, *said))


def names_of(classes: str | Sequence[str], folder: Path, where: str = "data.classes") -> tuple[str, ...]:
    """The names, each once.

    Args:
        classes: themselves, or a file with a name a line, or with a JSON list of them, in the folder or beside it.
        where: what messages call them.
    """
    names = _read(classes, folder, where) if isinstance(classes, str) else tuple(classes)
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice or not names:
        raise DataError(where, "must name each class once", got=", ".join(twice[:5]) or "no names")
    return names


def _read(name: str, folder: Path, where: str) -> tuple[str, ...]:
    places = [folder / name, folder.parent / name]
    file = next((place for place in places if place.is_file()), None)
    if file is None or file.stat().st_size > _MOST_BYTES:
        got = f"no such file in {places[0].parent} or {places[1].parent}" if file is None else "more than 16 MiB"
        raise DataError(where, "must be a list of names, or a file with one a line", got=f"{name}: {got}")
    try:
        text = file.read_text(encoding="utf-8-sig")
        listed = json.loads(text) if file.suffix.lower() == ".json" else [line.strip() for line in text.splitlines()]
    except ValueError as exc:
        raise DataError(str(file), "must be a text of names, one a line", got=str(exc)) from exc
    if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        raise DataError(str(file), "must hold a list of names", got="other JSON")
    return tuple(one for one in listed if one)


def _is_place(name: str, count: int) -> bool:
    return re.fullmatch(r"[0-9]{1,9}", name) is not None and int(name) < count
