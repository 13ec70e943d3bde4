"""The files in a folder and the folders inside it, links followed; what begins with a dot is not looked at."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from kdeploy.errors import DataError

_DROPPINGS = ("thumbs.db", "desktop.ini", "__macosx")  # of file managers


class Entry(NamedTuple):
    """What is in a folder and is none itself; its name is the path from that folder.

    `is_file`: is it a file, or a link to one? Not so of a link that leads nowhere.
    """

    name: str
    is_file: bool

    @property
    def suffix(self) -> str:
        _, dot, suffix = self.name.rpartition("/")[2].rpartition(".")
        return (dot + suffix).lower() if dot else ""


def files_in(folder: Path) -> Iterator[Entry]:
    """Every entry that is no folder, also below linked folders, sorted by the names of folders and files, step by step.

    Raises: DataError for a link that leads back to a folder in which it is.
    """
    return _below(str(folder), "", {})


def folders_in(folder: Path) -> list[Path]:
    """The folders directly inside, sorted."""
    return [Path(entry) for entry in _entries(str(folder)) if entry.is_dir()]


def _below(folder: str, prefix: str, above: dict[tuple[int, int], str]) -> Iterator[Entry]:
    found = Path(folder).stat()
    key = (found.st_dev, found.st_ino)
    if key in above:
        advice = "Remove the link."
        raise DataError(folder, "must not lead back to a folder that it is in", got=above[key], advice=advice)
    for entry in _entries(folder):
        if entry.is_dir():
            yield from _below(entry.path, f"{prefix}{entry.name}/", above | {key: folder})
        else:
            yield Entry(prefix + entry.name, entry.is_file())


def _entries(folder: str) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        seen = [one for one in entries if not one.name.startswith(".") and one.name.lower() not in _DROPPINGS]
    return sorted(seen, key=lambda entry: entry.name)
