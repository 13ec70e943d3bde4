"""Housekeeping: finished work that no `runs/<name>.json` names."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from kdeploy.pipeline.store import RECORD, Store
from kdeploy.system.files import folder_bytes
from kdeploy.verbs.newest import remove_links
from kdeploy.verbs.runs import read_index


class Unnamed(NamedTuple):
    """A stage folder that no run names, and what it takes."""

    path: Path
    bytes: int


def clean(store: Store, *, remove: bool) -> list[Unnamed]:
    """Find the finished work that no run names, and remove it when asked, with the links to what is gone.

    What a running command uses stays.
    """
    with store.removing() as used:
        folders = unnamed(store, used)
        for folder in folders if remove else ():
            store.remove(folder.path.parent.name, folder.path.name)
        if remove:
            remove_links(store)
    return folders


def unnamed(store: Store, used: Collection[str]) -> list[Unnamed]:
    """Stage folders that hold a record, and stand in no run's index and not among those that are used."""
    named = {store.root / name for name in used}
    for index in store.root.glob("*.json"):
        named |= {store.folder(*place) for place in read_index(index).named}
    folders = sorted(path.parent for path in store.root.glob(f"[!.]*/*/{RECORD}"))
    return [
        Unnamed(folder, folder_bytes(folder)) for folder in folders if folder not in named and not folder.is_symlink()
    ]
