"""Housekeeping: finished work that no `runs/<name>.json` names."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from kdeploy.pipeline.stage import StageKey
from kdeploy.pipeline.store import RECORD, Store
from kdeploy.records.run import RunRecord


class Unnamed(NamedTuple):
    """A stage folder that no run names, and what it takes."""

    path: Path
    bytes: int


def unnamed(store: Store) -> list[Unnamed]:
    """Stage folders that hold a record, and stand in no run's index."""
    named = set()
    for index in store.root.glob("*.json"):
        stages = RunRecord.read(index).stages
        named |= {store.folder(StageKey.parse(name).stage, key) for name, key in stages.items()}
    folders = sorted(path.parent for path in store.root.glob(f"[!.]*/*/{RECORD}"))
    return [Unnamed(folder, _size(folder)) for folder in folders if folder not in named]


def remove(folders: Iterable[Path]) -> None:
    """Remove folders, whole."""
    for folder in folders:
        shutil.rmtree(folder)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
