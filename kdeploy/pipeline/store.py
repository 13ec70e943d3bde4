"""Where work is kept: stage folders that appear by one rename, a lock for work in progress, run indexes.

    runs/<stage>/<fingerprint>/record.json ...   finished work, shared by all recipes
    runs/.work/<stage>/<fingerprint>/            unfinished work that a later run goes on with; never swept
    runs/<name>.json                             the fingerprints of a recipe's last run

Those of several teachers are kept among all teachers: which one a fingerprint is of, only a run's index says.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from kdeploy.errors import InputError
from kdeploy.records.base import Record
from kdeploy.system.files import commit_bytes, disk_errors, sync_folder, sync_tree
from kdeploy.system.lock import locked

RECORD = "record.json"

R = TypeVar("R", bound=Record)


class Store:
    """The folder `runs/`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def index(self, name: str) -> Path:
        """The file of a run, which says what its stages are."""
        return self.root / f"{name}.json"

    def run_names(self) -> str:
        """Every run, for a message."""
        return ", ".join(sorted(path.stem for path in self.root.glob("*.json"))) or "none"

    def folder(self, stage: str, key: str) -> Path:
        """Where the finished work of a stage is, or will be."""
        return self.root / stage / key

    def has(self, stage: str, key: str) -> bool:
        return (self.folder(stage, key) / RECORD).is_file()

    def read(self, stage: str, key: str, kind: type[R]) -> R:
        """The record of finished work. Raises: InputError when it is not there or not a record of that kind."""
        path = self.folder(stage, key) / RECORD
        if not path.is_file():
            advice = "Finish the recipe first: kdeploy run RECIPE."
            raise InputError(
                str(path), "must be the record of a finished stage", got="there is no such file", advice=advice
            )
        return kind.read(path)

    @contextmanager
    def work(self, stage: str, key: str) -> Iterator[Path]:
        """A locked folder for unfinished work; what an earlier, killed run left in it is still there.

        Raises: BusyError when another process works on the same.
        """
        folder = self._work(stage, key)
        with disk_errors(folder, self.root):
            folder.mkdir(parents=True, exist_ok=True)
            with locked(folder.with_name(f"{key}.lock")):
                folder.mkdir(parents=True, exist_ok=True)  # the lock's last holder may have finished and renamed it
                yield folder

    def commit(self, stage: str, key: str, record: Record, *, replace: bool = False) -> Path:
        """Write the record into the work folder and make that the stage folder, by one rename.

        When another process finished the same work first, its result stays, unless `replace` is set.
        """
        work, target = self._work(stage, key), self.folder(stage, key)
        trash = self.root / ".work" / f"trash-{stage}-{key}"
        with disk_errors(target, self.root):
            if self.has(stage, key) and not replace:
                shutil.rmtree(work, ignore_errors=True)
                return target
            commit_bytes(work / RECORD, record.to_json().encode())
            sync_tree(work)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(trash, ignore_errors=True)
            if target.exists():
                target.rename(trash)
            work.rename(target)
            sync_folder(target.parent)
            shutil.rmtree(trash, ignore_errors=True)
        return target

    def discard_work(self, stage: str, key: str) -> None:
        """Throw away unfinished work of a stage, for a run that was told to do it anew."""
        shutil.rmtree(self._work(stage, key), ignore_errors=True)

    def _work(self, stage: str, key: str) -> Path:
        return self.root / ".work" / stage / key
