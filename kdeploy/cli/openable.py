"""Paths in the JSON of a verb: in a record they are relative to where it lies, and here they open from where one is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

PATHS = frozenset({"archive", "bundle", "file", "folder", "logits", "path"})  # the keys whose texts may be paths


def openable(document: Mapping[str, object], folder: Path) -> dict[str, object]:
    """A document whose paths to what is there in a folder go through that folder; all else stays as it is."""
    return {key: _openable(key, value, folder) for key, value in document.items()}


def _openable(key: str, value: object, folder: Path) -> object:
    match value:
        case str() if key in PATHS and value and (folder / value).exists():
            return str(folder / value)
        case dict():
            return openable(value, folder)
        case list():
            return [_openable(key, one, folder) for one in value]
    return value
