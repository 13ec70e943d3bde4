"""The files in a folder and the folders inside it, links followed; what begins with a dot is not looked at."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from kdeploy.errors import DataError

_DROPPINGS = ("thumbs.db", "desktop.ini", "__macosx")  # of file managers


def files_in(folder: Path) -> Iterator[Path]:
    """Every entry that is no folder, also below linked folders, in no order.

    Raises: DataError for a link that leads back to a folder in which it is.
    """
    return _below(folder, {})


def folders_in(folder: Path) -> list[Path]:
    """The folders directly inside, sorted."""
    return sorted(Path(entry) for entry in _entries(folder) if entry.is_dir())


def _below(folder: Path, above: dict[tuple[int, int], Path]) -> Iterator[Path]:
    found = folder.stat()
    key = (found.st_dev, found.st_ino)
    if key in above:
        advice = "Remove the link."
        raise DataError(str(folder), "must not lead back to a folder that it is in", got=str(above[key]), advice=advice)
    for entry in _entries(folder):
        if entry.is_dir():
            yield from _below(Path(entry), above | {key: folder})
        else:
            yield Path(entry)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return [one for one in entries if not one.name.startswith(".") and one.name.lower() not in _DROPPINGS]
